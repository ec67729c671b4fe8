"""A run that was stopped and goes on ends with the rows of a run that was never stopped."""

from __future__ import annotations

import csv
import io
import json
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from evoprune import cli
from evoprune.errors import InputError
from evoprune.running.rundir import RunDir

COMMAND = (
    "run hierarchical --population 6 --generations 2 3 --search-images 60 --threads 1 --seed 5"
)
# It leaves thirteen checkpoints: three of phase 1, six of the descent, four of phase 2.


@pytest.fixture(scope="module", autouse=True)
def short(short_searches: pytest.MonkeyPatch) -> None:
    """Measure few baselines."""
    short_searches.setattr("evoprune.studies.report.DENSITIES", (0.1, 0.3, 0.8))


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open() as file:
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


@pytest.mark.parametrize("saves", [1, 2, 4, 7, 10, 11, 12])
def test_a_run_stopped_after_any_checkpoint_ends_with_the_same_rows(
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stopped_after: Any,
    saves: int,
) -> None:
    monkeypatch.setattr("evoprune.studies.report.draw", lambda *arguments: None)
    folder = tmp_path / "run"
    with stopped_after(saves):
        cli.main([*COMMAND.split(), "--out", str(folder)])
    assert cli.main(["resume", str(folder)]) == 0
    assert rows(folder) == rows(whole)
    for table in ("front.csv", "baselines.csv"):
        assert (folder / table).read_text() == (whole / table).read_text()


def test_a_run_that_has_ended_is_not_resumed(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["resume", str(whole)]) == 2
    assert "has ended" in capsys.readouterr().err


def test_a_folder_that_holds_a_run_is_refused_and_left_as_it_was(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    assert cli.main([*COMMAND.split(), "--out", str(whole)]) == 2
    assert "holds a run already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


def test_each_thing_that_a_run_leaves_keeps_a_new_run_out(whole: Path, tmp_path: Path) -> None:
    for place, left in enumerate(whole.iterdir()):
        (tmp_path / str(place)).mkdir()
        (tmp_path / str(place) / left.name).write_text("mine")
        with pytest.raises(InputError, match=r"out: .* name another"):
            RunDir(tmp_path / str(place))


def test_show_prints_the_table_that_ended_the_run(
    ended: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["show", str(ended[0])]) == 0
    table = capsys.readouterr().out
    assert "dense, 19,088 weights" in table
    assert ended[1] == table + f"pictures: {ended[0] / 'figures'}\n"


def test_the_summary_holds_what_readers_of_it_expect(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["method"] == "hierarchical"
    assert set(summary["dense"]) >= {"test_error", "weights"}
    assert set(summary["passes"]) == {"fitness", "guidance", "recalibration", "training"}
    assert [phase["name"] for phase in summary["phases"]] == ["thresholds", "masks"]
    assert set(summary["phases"][0]["hypervolume"]) == {"search", "test"}
    assert "test" in summary["baselines"]["global-magnitude"]["hypervolume"]
    assert set(summary["front"][0]) >= {"id", "density", "search_error", "test_error"}


def test_the_passes_of_the_phases_add_up(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    spent = sum(phase["passes"] for phase in summary["phases"])
    assert spent == sum(summary["passes"].values())


def test_the_pictures_are_there(whole: Path) -> None:
    drawn = {path.name for path in (whole / "figures").iterdir()}
    assert drawn == {"front.png", "hypervolume.png", "layers.png"}


def test_the_masks_of_the_front_are_kept_in_one_file(whole: Path) -> None:
    import numpy as np

    with np.load(whole / "masks.npz", allow_pickle=False) as file:
        masks = np.unpackbits(file["packed"], axis=1, count=int(file["weights"]))
    front = json.loads((whole / "summary.json").read_text())["front"]
    assert masks.mean(axis=1) == pytest.approx([row["density"] for row in front])


def hypervolume_by_hand(points: list[tuple[float, float]]) -> float:
    """Add up the rectangles between each density and the next: best error so far, up to (1, 1)."""
    volume, best = 0.0, 1.0
    densities = [density for _, density in sorted(points, key=lambda point: point[1])] + [1.0]
    for place, (error, density) in enumerate(sorted(points, key=lambda point: point[1])):
        best = min(best, error)
        volume += (1 - best) * (densities[place + 1] - density)
    return volume


@pytest.mark.parametrize("split", ["search", "test"])
def test_the_hypervolume_of_the_summary_is_that_of_the_rows_on_the_front_and_the_dense_network(
    whole: Path, split: str
) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    with (whole / "front.csv").open() as file:
        front = [row for row in csv.DictReader(file) if row["on_front"] == "1"]
    points = [(float(row[f"{split}_error"]), float(row["density"])) for row in front]
    expected = hypervolume_by_hand([*points, (summary["dense"][f"{split}_error"], 1.0)])
    assert summary["phases"][1]["hypervolume"][split] == pytest.approx(expected)


@pytest.mark.parametrize("name", ["global-magnitude", "lamp", "layer-uniform", "random"])
def test_the_hypervolume_of_a_baseline_is_that_of_its_rows_and_the_dense_network(
    whole: Path, name: str
) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    with (whole / "baselines.csv").open() as file:
        drawn = [row for row in csv.DictReader(file) if row["name"] == name]
    points = [(float(row["test_error"]), float(row["density"])) for row in drawn]
    expected = hypervolume_by_hand([*points, (summary["dense"]["test_error"], 1.0)])
    assert summary["baselines"][name]["hypervolume"]["test"] == pytest.approx(expected)


def test_the_summary_says_which_images_judged_and_with_which_seed(whole: Path) -> None:
    summary = json.loads((whole / "summary.json").read_text())
    assert summary["seed"] == 5
    assert "training images" in summary["splits"]["search"]
    assert summary["splits"]["test"] == "the test images of digits; 300 images"


def test_the_summary_counts_for_each_phase_what_the_log_has_for_it(whole: Path) -> None:
    phases, log = json.loads((whole / "summary.json").read_text())["phases"], rows(whole)
    parts = (("thresholds",), ("descent", "masks"))
    for phase, names in zip(phases, parts, strict=True):
        logged = [int(row["evaluations"]) for row in log if row["phase"] in names]
        assert phase["evaluations"] == sum(logged) > 0
        assert phase["passes"] > 0
        assert phase["seconds"] > 0


def test_guidance_that_was_got_ready_before_phase_1_counts_as_phase_2(whole: Path) -> None:
    first = json.loads((whole / "summary.json").read_text())["phases"][0]
    last = [row for row in rows(whole) if row["phase"] == "thresholds"][-1]
    assert int(last["passes_guidance"]) > 0
    assert first["passes"] == int(last["passes_fitness"]) + int(last["passes_recalibration"])
