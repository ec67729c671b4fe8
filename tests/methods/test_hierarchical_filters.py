"""The two-phase method on the digits' 80 filters: a whole run, its files, and going on with it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deap import base
from torch import nn

from evoprune import cli
from evoprune.evaluation.guidance import Guidance
from evoprune.evaluation.latency import Latency
from evoprune.evaluation.sensitivity import Sensitivity
from evoprune.methods.hierarchical import guidance_of, hierarchical
from evoprune.methods.masks import SHARPNESS, mask_toolbox
from evoprune.methods.variation import MODEL_DECAY, Variation, flips
from evoprune.network import datasets
from evoprune.network.training import train
from evoprune.running import problem as problem_module
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams
from evoprune.space.filters import FilterSpace
from evoprune.studies.controls import reachable
from operators.individuals import individual_type

COMMAND = (
    "run hierarchical --genes filters --population 4 --generations 1 2 --search-images 60 "
    "--threads 1 --seed 5"
)
OFFSETS = [0, 16, 48]  # of the three convolutions' filters
Start = Callable[..., Path]


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Train shortly where no checkpoint is given, measure few baselines."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evoprune.running.problem.EPOCHS", 1)
        patch.setattr("evoprune.studies.report.DENSITIES", (0.02, 0.1, 0.3, 0.8))
        yield


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory, digits_weights: Path) -> Callable[[str], Path]:
    def begun(flags: str = "", folder: Path | None = None) -> Path:
        folder = folder or tmp_path_factory.mktemp("filters") / "run"
        command = f"{COMMAND} --weights {digits_weights} {flags} --out {folder}"
        with redirect_stdout(io.StringIO()):
            cli.main(command.split())
        return folder

    return begun


@pytest.fixture(scope="module")
def whole(start: Start) -> Path:
    return start("--lineage")


def table(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def masks(folder: Path) -> np.ndarray:
    file = np.load(folder / "masks.npz")
    return np.unpackbits(file["packed"], axis=1, count=int(file["weights"])).astype(bool)


def test_every_mask_keeps_a_filter_in_each_layer(whole: Path) -> None:
    found = masks(whole)
    assert found.shape == (len(table(whole, "front.csv")), 80)
    assert np.add.reduceat(found.astype(int), OFFSETS, axis=1).min() >= 1


def test_a_row_tells_the_share_of_filters_multiply_adds_and_parameters(whole: Path) -> None:
    for row, mask in zip(table(whole, "front.csv"), masks(whole), strict=True):
        assert float(row["density"]) == pytest.approx(mask.mean())
        assert 0 < float(row["macs"]) <= 1 and 0 < float(row["params"]) <= 1
    assert float(row["macs"]) == float(row["params"]) == 1.0  # the dense network is the last


def test_a_weight_run_tells_them_too(start: Start, short_report: None) -> None:
    rows = table(start("--genes weights"), "front.csv")
    assert {"density", "macs", "params"} <= set(rows[0])
    assert float(rows[-1]["params"]) == 1.0


def test_what_is_printed_names_filters(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", str(whole)]) == 0
    assert "dense, 80 filters" in capsys.readouterr().out


def test_filters_are_exchanged_and_do_not_drift(whole: Path) -> None:
    problem = prepare(Config(genes="filters"), Streams(0))
    sensitivity = problem.sensitivity()
    passes, streams = problem.passes, problem.streams
    variation = Variation(problem.space, sensitivity, streams, passes, cost=1)
    assert set(variation.mutations) == {"exchange", "remove", "importance", "none"}
    mask = individual_type("mask", 2).from_numpy(np.arange(80) % 2 == 0)
    variation.mutations["exchange"](mask)
    assert mask.count() == 40
    variation.mutations["remove"](mask)
    assert 32 <= mask.count() < 40
    assert passes["guidance"] == 2 * variation.guidance.cost
    assert int(table(whole, "log.csv")[-1]["passes_guidance"]) > 0


def test_all_exchanges_of_a_run_learn_one_model_which_its_checkpoints_keep() -> None:
    problem = prepare(Config(genes="filters"), Streams(0))
    passes, streams = problem.passes, problem.streams
    first, second = (
        Variation(problem.space, problem.sensitivity(), streams, passes, cost=1) for _ in range(2)
    )
    mask = individual_type("mask", 2).from_numpy(np.arange(80) % 2 == 0)
    weights = [0.0]
    for _ in range(3):
        first.mutations["exchange"](mask)
        weights.append(first.damage.weight)
    shown = first.guidance.count
    assert np.diff(weights) == pytest.approx(shown - (1 - MODEL_DECAY) * np.array(weights[:-1]))
    second.learners["damage"].restore(first.learners["damage"].state())
    assert second.damage.of(mask.to_numpy()) == first.damage.of(mask.to_numpy())


def test_baselines_are_measured_only_where_each_layer_keeps_a_filter(whole: Path) -> None:
    densities = [float(row["density"]) for row in table(whole, "baselines.csv")]
    assert min(densities) >= 3 / 80


def test_densities_that_mean_as_many_filters_are_measured_once() -> None:
    space = prepare(Config(genes="filters"), Streams(0)).space
    assert reachable((0.02, 0.1, 0.101, 0.5), space) == [0.1, 0.5]


@pytest.mark.parametrize("saves", [2, 4, 7])
def test_a_run_that_was_stopped_ends_with_the_same_rows(
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    stopped_after: Any,
    saves: int,
    whole: Path,
    tmp_path: Path,
) -> None:
    monkeypatch.setattr("evoprune.studies.report.draw", lambda *arguments: None)
    folder = tmp_path / "run"
    with stopped_after(saves):
        start("--lineage", folder)
    with redirect_stdout(io.StringIO()):
        assert cli.main(["resume", str(folder)]) == 0
    for name in ("log.csv", "front.csv", "baselines.csv", "lineage.csv"):
        assert (folder / name).read_text() == (whole / name).read_text()


def test_the_size_may_be_multiply_adds(start: Start, short_report: None) -> None:
    folder = start("--size macs")
    rows = [row for row in table(folder, "front.csv") if row["on_front"] == "1"]
    macs = [float(row["macs"]) for row in rows]
    values = [float(row["search_value"]) for row in rows]
    assert macs == sorted(macs) and values == sorted(values, reverse=True)
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["size"] == "macs"
    first, *_ = table(folder, "log.csv")
    assert float(first["hypervolume"]) > 0


def test_the_size_may_be_measured_latency(
    start: Start, short_report: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clock(networks: Any, images: Any, *, runs: int) -> np.ndarray:
        """Take as many milliseconds as a network has weights."""
        weights = [sum(p.numel() for p in network.parameters()) for network in networks]
        return np.tile(np.array(weights, float), (runs, 1))

    monkeypatch.setattr(problem_module, "Latency", partial(Latency, timer=clock))
    folder = start("--size latency")
    rows = [row for row in table(folder, "front.csv") if row["on_front"] == "1"]
    times = [float(row["latency"]) for row in rows]
    assert times == sorted(times) and 0 < times[0] < times[-1] <= 1
    values = [float(row["search_value"]) for row in rows]
    assert values == sorted(values, reverse=True)
    assert all("latency" in row for row in table(folder, "baselines.csv"))
    assert json.loads((folder / "summary.json").read_text())["size"] == "latency"
    (spared,) = {row["spared"] for row in table(folder, "log.csv")}
    assert spared == "0"


def test_latency_of_single_weights_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "hierarchical", "--size", "latency"]) == 2
    said = capsys.readouterr().err
    assert "a weight of zero takes as long as any other; write --genes filters" in said


def test_an_unknown_size_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*COMMAND.split(), "--size", "mac"]) == 2
    assert "did you mean 'macs'" in capsys.readouterr().err


def test_neurons_of_linear_layers_are_genes_as_well() -> None:
    digits = datasets.load("digits")
    layers = nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU()
    model = nn.Sequential(*layers, nn.Linear(9, 10))
    train(model, digits, epochs=3, rng=np.random.default_rng(0), progress=False)
    space = FilterSpace(model, (1, 8, 8), include=["linear"])
    config = Config(genes="neurons", population=4, generations=(1, 1), search_images=60)
    problem = prepare(config, Streams(0), space=space)
    assert space.size == 12 + 9
    run = Run(streams=problem.streams, passes=problem.passes, bar=False)
    for solution in hierarchical(problem, config, run).front:
        assert solution.mask[:12].any() and solution.mask[12:].any()


def test_a_saliency_of_ones_own_brings_the_drift_back() -> None:
    problem, own = prepare(Config(genes="filters"), Streams(0)), base.Toolbox()
    assert isinstance(guidance_of(problem, own), Sensitivity)
    own.saliency = np.zeros
    assert isinstance(guidance_of(problem, own), Guidance)


def test_without_guidance_no_pass_is_spent_on_it(start: Start, short_report: None) -> None:
    last = table(start("--no-guidance"), "log.csv")[-1]
    assert last["passes_guidance"] == "0"


def test_an_operator_that_asks_for_the_saliency_gets_it(
    start: Start, short_report: None, tmp_path: Path
) -> None:
    file = tmp_path / "own.py"
    file.write_text(
        "def mutWeakest(individual, *, saliency):\n"
        "    worth = saliency(individual)\n"
        "    assert worth.shape == (len(individual),)\n"
        "    individual[int(worth.argmin())] = 0\n"
        "    return (individual,)\n"
    )
    folder = start(f"--mutate {file}:mutWeakest")
    assert (folder / "summary.json").exists()


@pytest.mark.parametrize(
    ("genes", "share"), [(10, 0.3), (24, 0.125), (1500, 0.002), (850_000, 0.002), (2, 1.0)]
)
def test_a_mutation_by_importance_touches_three_genes_or_the_usual_share(
    genes: int, share: float
) -> None:
    assert flips(genes) == pytest.approx(share)


def test_first_masks_of_few_genes_differ_though_their_density_is_the_same() -> None:
    problem = prepare(Config(genes="filters"), Streams(0))
    evaluator = problem.evaluator(images=20)
    variation = Variation(problem.space, None, problem.streams, problem.passes, cost=20)
    toolbox = mask_toolbox(evaluator, None, variation, problem.streams)
    drawn = {toolbox.individual(density=0.5).digest() for _ in range(10)}
    assert len(drawn) > 1
    assert toolbox.individual.keywords["sharpness"] == 40.0 < SHARPNESS
