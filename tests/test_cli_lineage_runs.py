"""Whole runs with --lineage: the same front as without, the same births after a kill, a story."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from evoprune import cli

COMMAND = "run hierarchical --population 6 --generations 2 3 --search-images 60 --threads 1"


@pytest.fixture(scope="module")
def start(digits_weights: Path) -> Iterator[list[str]]:
    """Return a run's arguments, but for the folder; of its pictures those of a lineage alone."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("evoprune.studies.report.DENSITIES", (0.3, 0.8))
        patched.setattr("evoprune.studies.report.draw", lambda *arguments: None)
        yield [*COMMAND.split(), "--weights", str(digits_weights)]


@pytest.fixture(scope="module")
def whole(start: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a run with a lineage that was never stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert cli.main([*start, "--lineage", "--out", str(folder)]) == 0
    return folder


def test_a_run_without_a_lineage_ends_with_the_same_log_and_front(
    start: list[str], whole: Path, tmp_path: Path
) -> None:
    assert cli.main([*start, "--out", str(tmp_path / "plain")]) == 0
    for table in ("log.csv", "front.csv"):
        assert (tmp_path / "plain" / table).read_text() == (whole / table).read_text()
    assert not (tmp_path / "plain" / "lineage.csv").exists()


@pytest.mark.parametrize("saves", [6, 11])
def test_a_run_stopped_after_a_checkpoint_ends_with_the_same_births(
    start: list[str], whole: Path, tmp_path: Path, stopped_after: Any, saves: int
) -> None:
    folder = tmp_path / "parts"
    with stopped_after(saves):
        cli.main([*start, "--lineage", "--out", str(folder)])
    assert cli.main(["resume", str(folder)]) == 0
    for table in ("lineage.csv", "operators.csv"):
        assert (folder / table).read_text() == (whole / table).read_text()


def test_the_command_tells_the_story_of_a_run(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["lineage", str(whole)]) == 0
    printed = capsys.readouterr().out
    for column in ("made by", "soft_error", "survived", "per million"):
        assert column in printed
    assert (whole / "figures" / "operators.png").exists()


def test_a_run_without_a_lineage_is_one_clear_line(
    start: list[str], whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    for name in ("config.json", "summary.json"):
        (tmp_path / "run" / name).write_bytes((whole / name).read_bytes())
    assert cli.main(["lineage", str(tmp_path / "run")]) == 2
    printed = capsys.readouterr().err
    assert "kept no lineage; run again with --lineage" in printed
    assert printed.count("\n") == 1
