"""The study of filters makes each row once, and takes the masks of a run."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import filters  # from tests/benchmarks, which pyproject.toml names to pytest
import numpy as np
import pytest
import torch

from evoprune.network import models
from evoprune.running.rundir import RunDir

SIZES = (16, 32, 32)  # filters of the digits' network
KEPT = ("--kept", "8", "16", "16")


def stands_still(model: Any, **settings: Any) -> None:
    """Stands for a training, which has tests of its own."""
    settings["passes"]["training"] += 3


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The arguments of a study of two baselines on the digits."""
    weights = tmp_path / "digits.pt"
    torch.save(models.build("digits-cnn", channels=1, image_size=8).state_dict(), weights)
    monkeypatch.setattr(filters, "NAMES", ("l2-layer", "random search"))
    monkeypatch.setattr(filters, "train", stands_still)
    return [
        *("--model", "digits-cnn", "--weights", str(weights), "--data", "digits"),
        *("--out", str(tmp_path / "out"), "--epochs", "1", "--draws", "3"),
    ]


def names(tmp_path: Path) -> list[str]:
    with (tmp_path / "out" / "filters.csv").open(newline="") as file:
        return [row["name"] for row in csv.DictReader(file)]


def test_a_row_a_baseline_and_a_table(
    study: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filters.main([*study, *KEPT])
    assert names(tmp_path) == ["l2-layer", "random search"]
    out = capsys.readouterr().out
    assert "dense: error on the search split" in out and "| random search |" in out
    assert out.splitlines()[-1].endswith("| 450 |")  # 3 masks on 150 images


def test_a_stopped_study_goes_on_and_makes_no_row_twice(
    study: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filters.row

    def once(task: Any, name: str, *arguments: Any) -> Any:
        if name == "random search":
            raise KeyboardInterrupt
        return made(task, name, *arguments)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(filters, "row", once)
        filters.main([*study, *KEPT])
    assert names(tmp_path) == ["l2-layer"]
    filters.main([*study, *KEPT])
    filters.main([*study, *KEPT])
    assert names(tmp_path) == ["l2-layer", "random search"]


def test_the_masks_of_a_run_stand_beside_baselines_with_their_counts(
    study: list[str], tmp_path: Path
) -> None:
    masks = np.ones((2, sum(SIZES)), bool)
    masks[0, 0] = False
    run = RunDir(tmp_path / "found")
    run.write_json("config.json", {})
    run.write_table("front.csv", [{"id": 0}, {"id": 1}])
    run.write_arrays(
        "masks.npz", {"packed": np.packbits(masks, axis=1), "weights": np.array(sum(SIZES))}
    )
    filters.main([*study, "--masks", str(tmp_path / "found"), "--kept", *map(str, SIZES)])
    assert names(tmp_path) == ["found 1", "l2-layer", "random search"]


def test_another_schedule_makes_another_table(
    study: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filters.main([*study, *KEPT])
    filters.main([*study, *KEPT, "--schedule", "plateau"])
    assert names(tmp_path) == ["l2-layer", "random search"] * 2
    assert capsys.readouterr().out.count("(plateau), seeds: 1") == 1


def test_without_epochs_nothing_is_trained(
    study: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "NAMES", ("l2-layer", "soft-filter-pruning"))
    filters.main([*study, *KEPT, "--epochs", "0"])
    with (tmp_path / "out" / "filters.csv").open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["passes"]) == ("l2-layer", "0")
    assert row["test_before"] == row["test_after"]


def test_rates_are_tuned_on_the_search_split(
    study: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filters.main([*study, *KEPT, "--tune", "0.01", "0.02"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["rate 0.01", "rate 0.02"]
    assert not (tmp_path / "out").exists()


def test_a_study_without_a_folder_is_refused(
    study: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        filters.main([*study[:6], *KEPT])
    assert "--out is missing" in capsys.readouterr().err
