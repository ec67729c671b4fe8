"""`evoprune run microbial-ga`: what it fills a folder with, goes on with, and refuses."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune import cli
from evoprune.errors import InputError
from evoprune.methods.microbial_settings import MicrobialConfig
from evoprune.network.layers import check_mixed
from evoprune.network.recipe import rebuild
from evoprune.network.training import error
from evoprune.running.problem import prepare
from evoprune.seeding import Streams

COMMAND = (
    "run microbial-ga --population 6 --best 3 --every 2 --generations 6 --retrain-images 100 "
    "--final-epochs 1 --search-images 60 --threads 1 --seed 5"
)
TABLES = ("log.csv", "curve.csv", "front.csv", "baselines.csv")


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Train the network shortly, of which runs begin."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evoprune.running.problem.EPOCHS", 2)
        yield


def rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Make a run that was never stopped; return its folder and what it printed."""
    folder, printed = tmp_path_factory.mktemp("whole") / "run", io.StringIO()
    with redirect_stdout(printed):
        assert cli.main([*COMMAND.split(), "--out", str(folder)]) == 0
    return folder, printed.getvalue()


@pytest.fixture(scope="module")
def whole(ended: tuple[Path, str]) -> Path:
    return ended[0]


@pytest.mark.parametrize("saves", [1, 2, 4, 5])
def test_a_run_stopped_after_any_checkpoint_ends_with_the_same_rows(
    whole: Path, tmp_path: Path, stopped_after: Any, saves: int
) -> None:
    folder = tmp_path / "run"
    with stopped_after(saves):
        cli.main([*COMMAND.split(), "--out", str(folder)])
    assert cli.main(["resume", str(folder)]) == 0
    for table in TABLES:
        assert (folder / table).read_text() == (whole / table).read_text()


def test_a_run_stopped_after_a_retraining_ends_with_the_same_rows(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from evoprune.methods.blocks import Blocks

    folder, task = tmp_path / "run", Blocks.task

    def stopped(self: Blocks, block: int) -> Any:
        if block == 1:
            raise KeyboardInterrupt
        return task(self, block)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Blocks, "task", stopped)
        cli.main([*COMMAND.split(), "--out", str(folder)])
    assert (folder / "retrained" / "1.pt").exists()
    assert cli.main(["resume", str(folder)]) == 0
    for table in TABLES:
        assert (folder / table).read_text() == (whole / table).read_text()


def test_show_prints_the_table_that_ended_the_run(
    ended: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, printed = ended
    assert cli.main(["show", str(folder)]) == 0
    assert printed.startswith(capsys.readouterr().out)


def test_the_front_has_a_row_an_elite_and_a_mask_of_each(whole: Path) -> None:
    front = rows(whole / "front.csv")
    with np.load(whole / "masks.npz") as file:
        masks = np.unpackbits(file["packed"], axis=1, count=int(file["weights"]))
    assert [row["phase"] for row in front] == ["block-0", "block-1", "block-2"]
    assert [float(row["density"]) for row in front] == pytest.approx(masks.mean(1).tolist())
    assert [row["final"] for row in front] == ["0", "0", "1"]


def test_the_kept_networks_have_the_errors_of_their_rows(whole: Path) -> None:
    problem = prepare(
        MicrobialConfig(seed=5), Streams(5), trained=whole / "weights.pt"
    )
    for row in rows(whole / "front.csv"):
        content = torch.load(whole / "tuned" / f"{row['id']}.pt", weights_only=True)
        network = rebuild(problem.space.model, content["recipe"], content["state_dict"])
        measured = error(network, problem.data.test, problem.data)
        assert measured == pytest.approx(float(row["test_error"]))
        assert measured == pytest.approx(content["test_error"])


def test_the_pictures_and_the_curve_are_there(whole: Path) -> None:
    names = sorted(picture.name for picture in (whole / "figures").iterdir())
    assert names == ["curves.png", "networks.png"]
    assert len(rows(whole / "curve.csv")) == 6


def test_the_summary_has_a_hypervolume_in_three_objectives(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    points = [[float(r[k]) for k in ("test_error", "computation", "params")]
              for r in rows(whole / "front.csv")]  # fmt: skip
    alone = max(float(np.prod(1 - np.array(point))) for point in points)
    assert alone <= summary["hypervolume"]["test"] <= 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--lambdas 0.5 0.5 0.5", "lambdas: expected numbers that sum to 1"),
        ("--lambdas 0.5 0.5", "lambdas: expected three numbers"),
        ("--lambdas 1.5 -0.5 0", "lambdas: expected numbers from 0 to 1"),
        ("--every 0", "every: expected at least 2, got 0"),
        ("--best 40", "best: expected 2 to the population, 30, got 40"),
        ("--mutate mutRemov", "unknown"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    options: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    assert cli.main(["run", "microbial-ga", *options.split(), "--out", str(folder)]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not folder.exists()


@pytest.mark.parametrize(
    ("model", "lacking"),
    [
        (nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), "a convolution"),
        (nn.Sequential(nn.Conv2d(1, 2, 3)), "a Linear layer"),
    ],
)
def test_a_network_without_both_kinds_of_layers_is_refused(model: nn.Module, lacking: str) -> None:
    with pytest.raises(InputError, match=f"genes: expected {lacking} for mixed"):
        check_mixed(model)
