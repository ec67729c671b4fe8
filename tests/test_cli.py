"""Bad input is one clear line on standard error, exit status 2, and nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from evoprune import cli

WRONG = {
    "unknown model 'resnet65'.*resnet56": "--model resnet65",
    "unknown data set 'digit'.*digits": "--data digit",
    "unknown method 'hierarchicall'.*hierarchical": None,
    "unknown algorithm 'nsga3'.*nsga2": "--algorithm nsga3",
    "population: expected at least 4, got 3": "--population 3",
    "generations: expected two whole numbers of at least 1": "--generations 0",
    "generations: expected two .*--generations 12 12": "--generations 1 2 3",
    "search.images": "--search-images 0",
    "search.images.*300": "--search-images 100000",
    "recalibrate: expected 0 to 1, got 2.0": "--recalibrate 2",
    "passes: expected at least 1": "--passes 0",
    "seed: expected 0 or more": "--seed -1",
    "threads: expected at least 1": "--threads 0",
    "device: expected one that torch can use": "--device warp",
    "precision 'fp8'": "--precision fp8",
    "unknown mutate 'mutFlop': did you mean 'mutFlip'": "--mutate mutFlop",
    "mate: mutFlip is for mutate; those that fit are .*cxLayers": "--mate mutFlip",
    "expected a Python file, got .*mine.py: there is none": "--mutate mine.py:mutMine",
    "unknown setting 'rat', did you mean 'rate'": "--mutate mutFlip --mutate-arg rat=1",
    "mutate-arg: it is of no operator; name one with --mutate": "--mutate-arg rate=1",
    "expected NAME=VALUE such as rate=0.01, got 'rate'": "--mate cxLayers --mate-arg rate",
    "unknown importance 'tailor': did you mean 'taylor'": "--importance tailor",
    "unrecognized arguments: --sed": "--sed 1",
    "argument --seed: invalid int value": "--seed one",
    "absent.th": "--weights absent.th",
    "model alexnet: expected images of 3 channels, got 1": "--model alexnet",
    "run: expected a folder with a run, got .*elsewhere": "--baselines-from elsewhere",
}


@pytest.mark.parametrize("message", WRONG)
def test_bad_input_is_one_clear_line(
    message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import re

    monkeypatch.chdir(tmp_path)
    flags = WRONG[message]
    method = "hierarchicall" if flags is None else "hierarchical"
    assert cli.main(["run", method, *(flags or "").split()]) == 2
    printed = capsys.readouterr().err
    assert re.search(message, printed)
    assert printed.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_that_does_not_fit_names_keys_and_shapes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "weights.pt")
    out = tmp_path / "run"
    flags = ["--weights", str(tmp_path / "weights.pt"), "--out", str(out)]
    assert cli.main(["run", "hierarchical", *flags]) == 2
    assert "conv1.weight" in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_cannot_be_made_is_refused_before_any_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("kept")
    assert cli.main(["run", "hierarchical", "--out", str(tmp_path / "file" / "run")]) == 2
    assert f"out: cannot write to {tmp_path / 'file'}" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "kept"


def test_show_of_a_folder_without_a_run_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["show", str(tmp_path)]) == 2
    assert "expected a folder with a run" in capsys.readouterr().err


def test_a_failing_candidate_ends_the_run_with_status_1_and_is_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from evoprune.evaluation.fastpath import FastEvaluator

    logits, calls = FastEvaluator.logits, [0]

    def fail(self: FastEvaluator, mask: object) -> object:
        calls[0] += 1
        if calls[0] == 30:
            raise RuntimeError("out of memory")
        return logits(self, mask)  # type: ignore[arg-type]

    monkeypatch.setattr(FastEvaluator, "logits", fail)
    out = tmp_path / "run"
    flags = f"--population 6 --generations 5 --search-images 60 --threads 1 --out {out}"
    assert cli.main(["run", "hierarchical", *flags.split()]) == 1
    assert "out of memory" in capsys.readouterr().err
    assert (out / "failed.npz").exists()
    assert (out / "checkpoint" / "thresholds.npz").exists()


def test_an_empty_data_root_is_none_and_not_the_folder_one_stands_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EVOPRUNE_DATA", "")
    out = ["--out", str(tmp_path / "run")]
    assert cli.main(["run", "hierarchical", "--data", "mnist", *out]) == 2
    assert "root: mnist needs a folder of data" in capsys.readouterr().err
