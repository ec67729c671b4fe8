"""Operators of one's own from the command line: used, told when they fail, and gone on with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evoprune import cli
from evoprune.running.checkpoint import unpack_individuals
from evoprune.running.rundir import RunDir
from operators.individuals import individual_type

QUICK = "--no-guidance --population 4 --generations 1 3 --search-images 60 --threads 1"
SOURCE = """
calls = 0
BROKEN = {broken}


def mutMine(individual, *, rate, rng):
    global calls
    calls += 1
    if BROKEN and calls > 5:
        raise ArithmeticError("out of luck")
    individual[rng.integers(len(individual), size=round(rate * len(individual)))] = 0
    return (individual,)
"""
Command = Callable[..., int]


@pytest.fixture
def command(short_report: None, digits_weights: Path) -> Command:
    """Return a small run with an operator of one's own, on a network that is trained already."""

    def run(folder: Path, *flags: str, broken: bool = False) -> int:
        file = folder.parent / "mine.py"
        file.write_text(SOURCE.format(broken=broken))
        own = ["--mutate", f"{file}:mutMine", "--mutate-arg", "rate=0.05"]
        own = [] if "--mutate" in flags else own
        fixed = ["--weights", str(digits_weights), "--out", str(folder), *QUICK.split()]
        return cli.main(["run", "hierarchical", *fixed, *own, *flags])

    return run


def test_a_run_says_which_operator_it_used_and_what_the_file_was_like(
    command: Command, tmp_path: Path
) -> None:
    assert command(tmp_path / "run", "--mate", "cxLayers", "--mate-arg", "rate=1") == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    file = tmp_path / "mine.py"
    assert config["mutate"] == f"{file}:mutMine"
    assert config["mutate_args"] == {"rate": 0.05}
    assert (config["mate"], config["mate_args"]) == ("cxLayers", {"rate": 1})
    assert list(config["files"]) == [str(file)]


def test_an_operator_that_fails_leaves_the_run_and_the_individual(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(tmp_path / "run", broken=True) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    place = f"mutMine failed in {tmp_path / 'mine.py'}:10: ArithmeticError: out of luck"
    assert said.endswith(f"{place}; the individual is kept in {tmp_path / 'run' / 'failed.npz'}")
    folder = RunDir(tmp_path / "run", resume=True)
    (kept,) = unpack_individuals(folder.read_arrays("failed.npz"), individual_type("mask", 2))
    assert 0 < kept.count() < len(kept)


def test_a_run_whose_operator_was_mended_ends_as_if_it_had_never_failed(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    command(tmp_path / "a" / "run", broken=True)
    file = tmp_path / "a" / "mine.py"
    file.write_text(file.read_text().replace("BROKEN = True", "BROKEN = False"))
    capsys.readouterr()
    assert cli.main(["resume", str(tmp_path / "a" / "run")]) == 0
    assert f"{file} has changed since the run began" in capsys.readouterr().err
    command(tmp_path / "b" / "run")
    tables = [(tmp_path / x / "run" / "front.csv").read_text() for x in "ab"]
    assert tables[0] == tables[1]
    masks = [np.load(tmp_path / x / "run" / "masks.npz")["packed"] for x in "ab"]
    assert np.array_equal(*masks)


def test_rates_that_individuals_carry_outlive_a_stop(
    command: Command, tmp_path: Path, stopped_after: Any
) -> None:
    own = ["--mutate", "mutLogNormal", "--mutate-arg", "rate=0.01"]
    command(tmp_path / "whole", *own)
    with stopped_after(4):
        command(tmp_path / "stopped", *own)
    assert cli.main(["resume", str(tmp_path / "stopped")]) == 0
    tables = [(tmp_path / x / "front.csv").read_text() for x in ("whole", "stopped")]
    assert tables[0] == tables[1]


def test_an_operator_that_cannot_be_served_writes_nothing(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "other.py").write_text("def cxMine(a, b, *, moon):\n    return a, b\n")
    assert command(tmp_path / "run", "--mate", f"{tmp_path / 'other.py'}:cxMine") == 2
    assert "mate: cxMine: nobody offers 'moon'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


PARTS = """
def two(candidate, alpha):
    return 1.0


def fails(candidate):
    return 1 / 0


def moon(weights, moon):
    return weights
"""


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--measure", "FILE:two"], "objective: expected a function of a Candidate alone, got two"),
        (["--importance", "FILE:moon"], "importance: moon: nobody offers 'moon'"),
        (["--algorithm", "moead", "--select", "selBest"], "select: expected none with moead"),
    ],
)
def test_a_part_that_cannot_be_used_writes_nothing(
    flags: list[str],
    message: str,
    command: Command,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "parts.py").write_text(PARTS)
    flags = [flag.replace("FILE", str(tmp_path / "parts.py")) for flag in flags]
    assert command(tmp_path / "run", *flags) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"evoprune: {message}")
    assert not (tmp_path / "run").exists()


def test_an_objective_that_fails_ends_a_run_in_one_line(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = tmp_path / "parts.py", tmp_path / "run"
    file.write_text(PARTS)
    assert command(run, "--measure", f"{file}:fails") == 1
    said = capsys.readouterr().err.splitlines()[-1]
    place = f"objective: fails failed in {file}:7: ZeroDivisionError: division by zero"
    assert said == f"evoprune: {place}; the run is kept in {run}"


def test_a_file_that_is_gone_is_said_once(
    command: Command, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(tmp_path / "run", broken=True)
    (tmp_path / "mine.py").unlink()
    capsys.readouterr()
    assert cli.main(["resume", str(tmp_path / "run")]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith(f"evoprune: operator: expected a Python file, got {tmp_path}")
