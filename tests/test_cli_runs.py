"""The command's runs: every flag reaches the settings, and what goes wrong ends in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from evoprune import cli
from evoprune.commands.methods import METHODS
from evoprune.errors import InputError
from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.network import models
from evoprune.running.checkpoint import unpack_individuals
from evoprune.running.config import Config
from evoprune.running.rundir import RunDir
from operators.individuals import individual_type

QUICK = "--no-guidance --population 4 --generations 1 1 --search-images 60 --threads 1"
Ask = Callable[..., dict[str, Any]]
Command = Callable[..., int]


class StoppedError(Exception):
    """Stands for a search that never begins."""


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, digits_weights: Path) -> Ask:
    """Return what `config.json` holds after a command whose search is stopped before it begins."""

    def stop(*arguments: object, **parts: object) -> None:
        raise StoppedError("before the search")

    def settings(*flags: str, weights: Path = digits_weights) -> dict[str, Any]:
        fixed = ["--weights", str(weights), "--out", str(tmp_path / "asked")]
        with pytest.raises(StoppedError, match="before the search"):
            cli.main(["run", "hierarchical", *fixed, *flags])
        return json.loads((tmp_path / "asked" / "config.json").read_text())

    monkeypatch.delenv("EVOPRUNE_DATA", raising=False)
    monkeypatch.setitem(METHODS, "hierarchical", replace(METHODS["hierarchical"], run=stop))
    return settings


@pytest.fixture
def run(short_report: None, tmp_path: Path, digits_weights: Path) -> Command:
    """Return a small run with a network that is trained already, into tmp_path / "run"."""

    def started(*flags: str) -> int:
        fixed = ["--weights", str(digits_weights), "--out", str(tmp_path / "run"), *QUICK.split()]
        return cli.main(["run", "hierarchical", *fixed, *flags])

    return started


@pytest.fixture
def other(tmp_path: Path, digits_weights: Path) -> RunDir:
    """Make a run that has not ended; it fits those of `run`."""
    folder = RunDir(tmp_path / "other")
    folder.write_json("config.json", Config(weights=str(digits_weights)).to_json())
    return folder


@pytest.mark.parametrize(
    ("flags", "setting", "value"),
    [
        ("--precision bf16", "precision", "bf16"),
        ("--no-early", "early", False),
        ("--memory 900", "memory", 900.0),
        ("--measure error", "measure", "error"),
        ("--mate cxLayers", "mate", "cxLayers"),
        ("--mutate mutFlip", "mutate", "mutFlip"),
        ("--init initDensity", "init", "initDensity"),
        ("--select selNSGA2", "select", "selNSGA2"),
        ("--lineage", "lineage", True),
        ("--importance lamp", "importance", "lamp"),
        ("--descent 0.25", "descent", 0.25),
        ("--no-adaptation", "adaptive", False),
        ("--no-guidance", "guided", False),
        ("--generations 3", "generations", [3, 3]),
        ("--generations 3 7", "generations", [3, 7]),
        ("--recalibrate", "recalibrate", 1.0),
        ("--recalibrate 0.25", "recalibrate", 0.25),
        ("--algorithm moead", "algorithm", "moead"),
        ("--population 9", "population", 9),
        ("--passes 1234", "passes", 1234),
        ("--search-images 50", "search_images", 50),
        ("--seed 7", "seed", 7),
        ("--trust-pickle", "trust_pickle", True),
    ],
)
def test_a_flag_reaches_its_setting_and_no_other(
    ask: Ask, flags: str, setting: str, value: object, digits_weights: Path, tmp_path: Path
) -> None:
    plain = Config(weights=str(digits_weights), out=str(tmp_path / "asked"))
    as_json = json.loads(json.dumps(plain.to_json()))
    assert ask(*flags.split()) == as_json | {setting: value}


def test_a_folder_of_data_and_the_weights_are_written_absolute(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("train/ant", "train/bee", "test/ant", "test/bee"):
        (tmp_path / "insects" / place).mkdir(parents=True)
        for number in range(2):
            Image.new("L", (8, 8), number).save(tmp_path / "insects" / place / f"{number}.png")
    small = models.build("digits-cnn", classes=2, channels=1, image_size=8)
    torch.save(small.state_dict(), tmp_path / "small.pt")
    monkeypatch.chdir(tmp_path)
    config = ask("--data", "folder:insects", weights=Path("small.pt"))
    assert config["data"] == f"folder:{tmp_path / 'insects'}"
    assert config["weights"] == str(tmp_path / "small.pt")


def test_show_of_an_unfinished_run_says_how_to_go_on(
    other: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["show", str(other.path)]) == 2
    expected = f"run: {other.path} has not ended; `evoprune resume {other.path}` goes on with it"
    assert capsys.readouterr().err == f"evoprune: {expected}\n"


def test_baselines_of_an_unfinished_run_are_refused(
    other: RunDir, run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--baselines-from", str(other.path)) == 2
    line, *more = capsys.readouterr().err.splitlines()
    assert re.match(r"evoprune: baselines-from: .*baselines\.csv", line) and more == []
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("setting", "value"),
    [("model", "resnet20"), ("weights", None), ("data", "mnist"), ("recalibrate", 0.5)],
)
def test_baselines_of_a_run_of_another_treatment_are_refused(
    other: RunDir, run: Command, capsys: pytest.CaptureFixture[str], setting: str, value: object
) -> None:
    other.write_json("config.json", other.read_json("config.json") | {setting: value})
    other.write_table("baselines.csv", [{"name": "lamp", "density": 0.3, "test_error": 0.1}])
    assert run("--baselines-from", str(other.path)) == 2
    line, *more = capsys.readouterr().err.splitlines()
    assert line.startswith(f"evoprune: baselines-from: {other.path} differs in {setting};")
    assert more == []


def test_baselines_of_another_seed_are_refused_where_the_seed_trained_the_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunDir(tmp_path / "other")
    folder.write_json("config.json", Config(seed=1).to_json())
    folder.write_table("baselines.csv", [{"name": "lamp", "density": 0.3, "test_error": 0.1}])
    flags = ["--baselines-from", str(folder.path), "--out", str(tmp_path / "run")]
    assert cli.main(["run", "hierarchical", *flags]) == 2
    assert "differs in seed; leave the option out" in capsys.readouterr().err


def test_baselines_of_a_fitting_run_are_taken_as_they_are(
    other: RunDir, run: Command, tmp_path: Path
) -> None:
    """Nobody could measure these: half an image of 150 was wrong."""
    names = ("global-magnitude", "lamp", "layer-uniform", "random")
    drawn = [{"name": name, "density": 0.3, "test_error": 0.5 / 150} for name in names]
    other.write_table("baselines.csv", drawn)
    assert run("--baselines-from", str(other.path), "--seed", "4") == 0
    taken = tmp_path / "run" / "baselines.csv"
    assert taken.read_text() == (other.path / "baselines.csv").read_text()


def test_auto_is_written_down_as_what_it_became(ask: Ask) -> None:
    assert ask("--precision", "auto")["precision"] in ("fp32", "bf16")


@pytest.mark.parametrize("flags", [(), ("--recalibrate",)])
def test_a_memory_too_small_names_the_smallest_that_works(
    run: Command, capsys: pytest.CaptureFixture[str], tmp_path: Path, flags: tuple[str, ...]
) -> None:
    assert run("--memory", "0.001", *flags) == 2
    wanted = re.search(r"write --memory ([\d.]+)$", printed := capsys.readouterr().err.strip())
    assert wanted and "memory: expected at least" in printed
    assert not (tmp_path / "run").exists()
    assert run("--memory", wanted[1], *flags) == 0


def test_a_candidate_that_fails_in_many_lines_is_reported_in_one(
    run: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: FastEvaluator, mask: object) -> None:
        raise RuntimeError("out of memory\ntried to allocate 2 GiB")

    monkeypatch.setattr(FastEvaluator, "logits", fail)
    assert run() == 1
    printed = capsys.readouterr().err
    assert re.search(
        r"^evoprune: evaluating a candidate failed: RuntimeError: out of memory; the individual "
        r"is kept in .*failed\.npz\n\Z",
        printed,
        re.MULTILINE,
    )
    assert "2 GiB" not in printed


def test_a_mask_that_fails_on_the_test_images_ends_with_status_1_and_is_kept(
    run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logits, search_images = FastEvaluator.logits, 60

    def fail(self: FastEvaluator, mask: Any) -> torch.Tensor:
        if len(self.images) > search_images and mask.mean() < 1:
            raise RuntimeError("out of memory")
        return logits(self, mask)

    monkeypatch.setattr(FastEvaluator, "logits", fail)
    assert run() == 1
    assert "evoprune: evaluating a candidate failed" in capsys.readouterr().err
    arrays = RunDir(tmp_path / "run", resume=True).read_arrays("failed.npz")
    (kept,) = unpack_individuals(arrays, individual_type("mask", 2))
    assert len(kept) == 19_088 and kept.count() < 19_088
    assert not (tmp_path / "run" / "summary.json").exists()


def test_a_search_that_gets_stuck_ends_with_status_1_and_its_checkpoint_is_kept(
    run: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stuck(*arguments: object, **named: object) -> None:
        raise InputError("phase 1: no network is any better than none")

    monkeypatch.setattr("evoprune.methods.hierarchical.choose_anchors", stuck)
    assert run() == 1
    last = capsys.readouterr().err.splitlines()[-1]
    kept = tmp_path / "run"
    expected = f"phase 1: no network is any better than none; the run is kept in {kept}"
    assert last == f"evoprune: {expected}"
    assert (kept / "checkpoint" / "thresholds.npz").exists()


def test_a_folder_that_cannot_be_made_is_one_line(
    digits_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--weights", str(digits_weights), "--out", "/proc/run", *QUICK.split()]
    assert cli.main(["run", "hierarchical", *flags]) == 2
    assert capsys.readouterr().err.count("\n") == 1
