"""A run goes on to the same end wherever it was stopped, and whatever its settings are."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from evoprune import cli
from evoprune.running.checkpoint import pack_json, unpack_json
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.studies import report

COMMAND = (
    "run hierarchical --population 4 --generations 1 2 --search-images 60 --threads 1 --seed 5"
)
# It leaves nine checkpoints: two of phase 1, four of the descent, three of phase 2.


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module", autouse=True)
def short() -> Iterator[None]:
    """Make runs short: little training, recalibration and drift, few baselines, no pictures."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evoprune.running.problem.EPOCHS", 1)
        patch.setattr("evoprune.running.problem.CALIBRATION", (4, 16))
        patch.setattr("evoprune.methods.masks.STEPS", 6)
        patch.setattr("evoprune.methods.anchors.TRIAL_STEPS", 6)
        patch.setattr(report, "DENSITIES", (0.3, 0.8))
        patch.setattr(report, "draw", lambda *arguments: None)
        yield


def start(folder: Path, flags: str = "") -> Path:
    """Run the command to its end and return its folder."""
    with redirect_stdout(io.StringIO()):
        assert cli.main([*COMMAND.split(), *flags.split(), "--out", str(folder)]) == 0
    return folder


def stop(folder: Path, owner: Any, name: str, *, calls: int = 1, flags: str = "") -> Path:
    """Run the command, but stop it when a function ends for the so-manieth time."""
    inner: Callable[..., Any] = getattr(owner, name)
    count = 0

    def stopping(*arguments: Any, **named: Any) -> Any:
        nonlocal count
        count += 1
        if calls > 0:
            result = inner(*arguments, **named)
        if count >= calls:
            raise StoppedError(f"in {name}")
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, name, stopping)
        with pytest.raises(StoppedError, match=name):
            start(folder, flags)
    return folder


def told(folder: Path) -> dict[str, Any]:
    """Return all that a run wrote down for its reader, without the time that it took."""
    summary = json.loads((folder / "summary.json").read_text())
    del summary["seconds"]
    for phase in summary["phases"]:
        del phase["seconds"]
    tables = {name: (folder / name).read_text() for name in ("log.csv", "front.csv")}
    masks = RunDir(folder, resume=True).read_arrays("masks.npz")["packed"].tolist()
    return {"summary": summary, "masks": masks, **tables}


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return a function from flags to a run that was never stopped, made once."""
    return cache(lambda flags: start(tmp_path_factory.mktemp("whole") / "run", flags))


@pytest.fixture(scope="module")
def whole(ended: Callable[[str], Path]) -> Path:
    return ended("")


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        pytest.param(Run, "_save", 0, id="before any checkpoint"),
        pytest.param(Run, "_save", 2, id="after phase 1"),
        pytest.param(Run, "_save", 6, id="after the descent"),
        pytest.param(Run, "_save", 9, id="after phase 2"),
        pytest.param(report, "baseline_rows", 1, id="amid the report"),
    ],
)
def test_a_run_stopped_between_two_phases_ends_as_if_it_had_not_been(
    whole: Path, tmp_path: Path, owner: Any, name: str, calls: int
) -> None:
    folder = stop(tmp_path / "run", owner, name, calls=calls)
    assert cli.main(["resume", str(folder)]) == 0
    assert told(folder) == told(whole)


@pytest.mark.parametrize(
    ("flags", "saves"),
    [
        pytest.param("--algorithm moead", 8, id="moead in phase 2"),
        pytest.param("--recalibrate 0.7", 4, id="recalibration in the descent"),
        pytest.param("--no-guidance --measure error", 4, id="phase 2 without guidance"),
        pytest.param("--generations 1 50 --passes 16000", 4, id="a budget in the descent"),
        pytest.param("--generations 1 50 --passes 16000", 8, id="a budget in phase 2"),
    ],
)
def test_a_run_of_any_settings_ends_as_if_it_had_not_been_stopped(
    ended: Callable[[str], Path], tmp_path: Path, flags: str, saves: int
) -> None:
    folder = stop(tmp_path / "stopped", Run, "_save", calls=saves, flags=flags)
    assert cli.main(["resume", str(folder)]) == 0
    assert told(folder) == told(ended(flags))


def test_a_checkpoint_of_another_schema_is_refused_in_one_line(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = RunDir(shutil.copytree(whole, tmp_path / "run"), resume=True)
    (folder.path / "summary.json").unlink()
    arrays = folder.read_arrays("checkpoint/masks.npz")
    record = unpack_json(arrays["record"]) | {"schema": 99}
    folder.write_arrays("checkpoint/masks.npz", arrays | {"record": pack_json(record)})
    assert cli.main(["resume", str(folder.path)]) == 2
    expected = "evoprune: run: expected a checkpoint of schema 1, got 99 in "
    line, *more = capsys.readouterr().err.splitlines()
    assert line.startswith(expected) and "config.json" in line
    assert more == []
