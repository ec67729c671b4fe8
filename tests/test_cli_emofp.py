"""`evoprune run emofp`: what it is told, what it leaves, and that it goes on after a kill."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoprune import cli
from evoprune.commands.methods import METHODS
from evoprune.methods import finetuned
from evoprune.methods.emofp_settings import Emofp

QUICK = (
    "--population 6 --generations 3 --search-images 60 --threads 1 --seed 5 --bounds 0 1 "
    "--epochs 1 --picks 2 --control"
)
Ask = Callable[..., dict[str, Any]]
OWN = """
def mutClear(individual):
    individual[len(individual) - 1] = 0
    return (individual,)
"""


class StoppedError(Exception):
    """Stands for a search that never begins, or a kill."""


def command(weights: Path, out: Path, *flags: str) -> int:
    fixed = ["--weights", str(weights), "--out", str(out), *QUICK.split()]
    return cli.main(["run", "emofp", *fixed, *flags])


def rows(folder: Path, name: str = "log.csv") -> list[dict[str, str]]:
    with (folder / name).open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory, digits_weights: Path) -> tuple[Path, str]:
    """Make a run that was never stopped; return its folder and what it printed."""
    folder, printed = tmp_path_factory.mktemp("whole") / "run", io.StringIO()
    with redirect_stdout(printed):
        assert command(digits_weights, folder) == 0
    return folder, printed.getvalue()


@pytest.fixture(scope="module")
def whole(ended: tuple[Path, str]) -> Path:
    return ended[0]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, digits_weights: Path) -> Ask:
    """Return what `config.json` holds after a command whose search is stopped before it begins."""

    def stop(*arguments: object, **parts: object) -> None:
        raise StoppedError

    def settings(*flags: str) -> dict[str, Any]:
        fixed = ["--weights", str(digits_weights), "--out", str(tmp_path / "asked")]
        with pytest.raises(StoppedError):
            cli.main(["run", "emofp", *fixed, *flags])
        return json.loads((tmp_path / "asked" / "config.json").read_text())

    monkeypatch.delenv("EVOPRUNE_DATA", raising=False)
    monkeypatch.setitem(METHODS, "emofp", replace(METHODS["emofp"], run=stop))
    return settings


@pytest.mark.parametrize(
    ("flags", "setting", "value"),
    [
        ("--generations 7", "generations", 7),
        ("--population 9", "population", 9),
        ("--bounds 0.1 0.5", "bounds", [0.1, 0.5]),
        ("--size macs", "size", "macs"),
        ("--pc 0.5", "pc", 0.5),
        ("--pm 0.1", "pm", 0.1),
        ("--pm-per gene", "pm_per", "gene"),
        ("--picks 5", "picks", 5),
        ("--keep 9 12", "keep", [9, 12]),
        ("--epochs 3", "epochs", 3),
        ("--rate 0.5", "rate", 0.5),
        ("--patience 3", "patience", 3),
        ("--shift 0", "shift", 0),
        ("--distil", "distil", True),
        ("--control", "control", True),
        ("--seeded", "seeded", True),
        ("--guided", "guided", True),
        ("--no-random", "random", False),
        ("--genes neurons", "genes", "neurons"),
    ],
)
def test_a_flag_reaches_its_setting_and_no_other(
    ask: Ask, flags: str, setting: str, value: object, digits_weights: Path, tmp_path: Path
) -> None:
    plain = Emofp(weights=str(digits_weights), out=str(tmp_path / "asked"))
    as_json = json.loads(json.dumps(plain.to_json()))
    assert ask(*flags.split()) == as_json | {setting: value}


def test_the_defaults_are_table_2() -> None:
    settings = Emofp()
    assert (settings.population, settings.generations) == (50, 200)
    assert (settings.pc, settings.pm, settings.bounds) == (0.9, 0.2, (0.01, 0.7))


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ("--bounds 0.7 0.1", "bounds: expected the smaller error first, got 0.7 and 0.1"),
        ("--picks 51", "picks: expected 1 to 50, the population, got 51; write --picks 50"),
        ("--picks 0", "picks: expected 1 to 50, the population, got 0; write --picks 1"),
        ("--pm-per genes", "unknown reading of pm 'genes': did you mean 'gene'?"),
        ("--size mac", "unknown size 'mac': did you mean 'macs'?"),
        ("--pm 1.5", "pm: expected 0 to 1, got 1.5"),
        ("--pc -1", "pc: expected 0 to 1, got -1.0"),
        ("--epochs -1", "epochs: expected 0 or more, got -1"),
        ("--patience -1", "patience: expected 0 or more, got -1"),
        ("--shift -1", "shift: expected 0 or more pixels, got -1"),
        ("--rate 0", "rate: expected more than 0, got 0.0"),
        ("--generations 0", "generations: expected at least 1, got 0"),
        ("--genes weights", "genes: expected filters or neurons"),
        ("--genes mixed", "genes: expected filters or neurons"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: str, said: str
) -> None:
    assert cli.main(["run", "emofp", "--out", str(tmp_path / "run"), *flags.split()]) == 2
    line, *more = capsys.readouterr().err.splitlines()
    assert line.startswith(f"evoprune: {said}") and more == []
    assert not (tmp_path / "run").exists()


def test_a_run_leaves_front_picks_weights_and_pictures(whole: Path) -> None:
    front, picks = rows(whole, "front.csv"), rows(whole, "picks.csv")
    assert [row["id"] for row in front] == [str(place) for place in range(len(front))]
    assert [row["id"] for row in picks] == ["0", str(len(front) - 1)]
    for kind in ("tuned", "control"):
        names = {path.name for path in (whole / kind).iterdir()}
        assert names == {f"{row['id']}.pt" for row in picks}
    names = {path.stem for path in (whole / "figures").iterdir()}
    assert names == {"front", "hypervolume", "layers", "tuning"}


def test_the_masks_of_the_front_are_kept_row_by_row(whole: Path) -> None:
    arrays = np.load(whole / "masks.npz")
    bits = np.unpackbits(arrays["packed"], axis=1, count=int(arrays["weights"]))
    assert bits.sum(axis=1).tolist() == [int(row["kept"]) for row in rows(whole, "front.csv")]


def test_a_pick_is_the_narrow_network_that_its_row_tells_of(whole: Path) -> None:
    for row in rows(whole, "picks.csv"):
        content = torch.load(whole / "tuned" / f"{row['id']}.pt", weights_only=True)
        state = content["state_dict"]
        widths = [len(state[f"conv{number}.weight"]) for number in (1, 2, 3)]
        assert " ".join(map(str, widths)) == row["kept_by_layer"]
        weights = [value.numel() for value in state.values() if value.ndim > 1]
        assert float(row["paper_flops"]) == 2 * sum(weights) + len(weights)
        assert content["test_error"] == float(row["tuned_test_error"])


def test_a_relative_error_is_measured_from_the_dense_network(whole: Path) -> None:
    dense = json.loads((whole / "summary.json").read_text())["dense"]["test_error"]
    for row in rows(whole, "picks.csv"):
        after = float(row["tuned_test_error"])
        assert float(row["relative_error"]) == pytest.approx((after - dense) / dense)


def test_a_compression_ratio_is_all_filters_over_those_that_are_kept(whole: Path) -> None:
    for row in rows(whole, "picks.csv"):
        assert float(row["compression"]) == pytest.approx(80 / int(row["kept"]))


def test_the_log_tells_of_both_searches_and_of_repairs(whole: Path) -> None:
    log = rows(whole)
    assert [row["phase"] for row in log][:4] == ["masks"] * 4 and log[-1]["phase"] == "random"
    assert "repaired" in log[0]


def test_show_prints_the_table_that_ended_the_run(
    ended: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["show", str(ended[0])]) == 0
    table = capsys.readouterr().out
    assert "dense" in table and "control" in table and "l2-layer" in table
    assert ended[1] == table + f"pictures: {ended[0] / 'figures'}\n"


def same(folder: Path, whole: Path) -> None:
    """Fail unless a run's tables are those of the run that was never stopped."""
    for table in ("log.csv", "front.csv", "picks.csv", "baselines.csv"):
        assert (folder / table).read_text() == (whole / table).read_text()


@pytest.mark.parametrize("saves", [1, 4, 6])
def test_a_run_stopped_after_any_checkpoint_ends_with_the_same_rows(
    whole: Path, tmp_path: Path, stopped_after: Any, digits_weights: Path, saves: int
) -> None:
    with stopped_after(saves):
        command(digits_weights, tmp_path / "run")
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    same(tmp_path / "run", whole)


@pytest.mark.parametrize("trained", [0, 3])
def test_a_run_killed_while_it_fine_tunes_ends_with_the_same_rows(
    whole: Path,
    tmp_path: Path,
    digits_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    trained: int,
) -> None:
    train, count = finetuned.train, [0]

    def kill(*given: Any, **settings: Any) -> Any:
        count[0] += 1
        if count[0] > trained:
            raise StoppedError
        return train(*given, **settings)

    with monkeypatch.context() as patched, pytest.raises(StoppedError):
        patched.setattr(finetuned, "train", kill)
        command(digits_weights, tmp_path / "run")
    assert cli.main(["resume", str(tmp_path / "run")]) == 0
    same(tmp_path / "run", whole)


def test_an_operator_of_ones_own_takes_its_slot(tmp_path: Path, digits_weights: Path) -> None:
    (tmp_path / "mine.py").write_text(OWN)
    flags = ["--mutate", f"{tmp_path / 'mine.py'}:mutClear", "--pm-per", "gene", "--no-random"]
    flags += ["--mate", "cxLayers", "--init", "initDensity", "--epochs", "0"]
    assert command(digits_weights, tmp_path / "run", *flags) == 0
    arrays = np.load(tmp_path / "run" / "masks.npz")
    bits = np.unpackbits(arrays["packed"], axis=1, count=80)
    assert bits[:, -1].min() == 0


def test_a_run_with_a_lineage_writes_down_who_made_whom(
    tmp_path: Path, digits_weights: Path
) -> None:
    assert command(digits_weights, tmp_path / "run", "--lineage", "--epochs", "0") == 0
    births = rows(tmp_path / "run", "lineage.csv")
    assert {"cxTwoPointPacked", ""} >= {row["crossover"] for row in births} > {""}
    assert {row["phase"] for row in births} == {"masks", "random"}


def test_counts_that_the_front_has_not_are_said_in_a_line(
    tmp_path: Path, digits_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--keep", "3", "80", "--no-random"]
    assert command(digits_weights, tmp_path / "run", *flags) == 0
    assert (
        "keep: none of the front keeps at most 3 filters; its least is" in capsys.readouterr().out
    )
    assert len(rows(tmp_path / "run", "picks.csv")) == 1
