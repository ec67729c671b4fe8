"""`evoprune explain RUN`: a picture of what the neurons look at that most heads keep."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

from evoprune import cli
from evoprune.running.rundir import RunDir
from evoprune.studies.agreement import frequency, most_frequent

Start = Callable[..., Path]


@pytest.fixture(scope="module")
def features(transferred: Start) -> Path:
    return transferred()


@pytest.fixture
def copied(features: Path, tmp_path: Path) -> Path:
    """Copy a run, to be drawn into."""
    return Path(shutil.copytree(features, tmp_path / "run"))


def masks_of(run: Path, size: int) -> np.ndarray:
    packed = RunDir(run, resume=True).read_arrays("masks.npz")["packed"]
    return np.unpackbits(packed, axis=1, count=size).astype(bool)


def told(printed: str) -> tuple[list[str], list[int], list[str]]:
    """Return what the lines are of, which places, and what share keeps them."""
    rows = re.findall(r"^(\D+) (\d+) +kept by (\d+%)$", printed, re.MULTILINE)
    kinds, places, shares = map(list, zip(*rows, strict=True))
    return kinds, [int(place) for place in places], shares


def test_the_features_that_most_heads_keep_are_drawn(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["explain", str(copied), "--neurons", "3", "--images", "2"]) == 0
    printed, masks = capsys.readouterr().out, masks_of(copied, 512)
    best = most_frequent(masks, 3)
    assert told(printed) == (
        ["feature"] * 3,
        best.tolist(),
        [f"{frequency(masks)[place]:.0%}" for place in best],
    )
    picture = copied / "figures" / "explained.png"
    assert printed.endswith(f"picture: {picture}\n")
    assert imread(picture).std() > 0.1


def test_more_neurons_make_a_higher_picture_and_more_images_a_wider_one(copied: Path) -> None:
    sizes = []
    for flags in ("--neurons 2 --images 4", "--neurons 3 --images 4", "--neurons 2 --images 6"):
        assert cli.main(["explain", str(copied), *flags.split()]) == 0
        sizes.append(imread(copied / "figures" / "explained.png").shape[:2])
    (height, width), taller, wider = sizes
    assert taller[0] > height and taller[1] == width and wider[0] == height and wider[1] > width


def test_drawn_again_it_is_the_same_picture(copied: Path) -> None:
    pictures = []
    for _ in range(2):
        assert cli.main(["explain", str(copied), "--neurons", "2"]) == 0
        pictures.append((copied / "figures" / "explained.png").read_bytes())
    assert pictures[0] == pictures[1]


def test_features_are_not_computed_again(copied: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in copied.rglob("*") if path.is_file()}
    assert cli.main(["explain", str(copied), "--neurons", "1"]) == 0
    after = {path: path.stat().st_mtime_ns for path in copied.rglob("*") if path.is_file()}
    assert after.pop(copied / "figures" / "explained.png") and after == before


def test_of_neurons_hidden_units_are_drawn(
    transferred: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    run = transferred("--encoding", "neurons")
    capsys.readouterr()
    assert cli.main(["explain", str(run), "--neurons", "2", "--images", "2"]) == 0
    kinds, places, _ = told(capsys.readouterr().out)
    assert kinds == ["hidden unit"] * 2
    assert places == most_frequent(masks_of(run, 16), 2).tolist()


def test_of_connections_the_features_are_drawn_that_they_read_most(
    transferred: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    run = transferred("--encoding", "connections")
    capsys.readouterr()
    assert cli.main(["explain", str(run), "--neurons", "2", "--images", "2"]) == 0
    printed = capsys.readouterr().out
    kept = masks_of(run, 512 * 16).reshape(-1, 16, 512).mean(axis=(0, 1))
    kinds, places, shares = told(printed)
    assert kinds == ["feature"] * 2 and places == np.argsort(-kept, kind="stable")[:2].tolist()
    assert shares == [f"{kept[place]:.0%}" for place in places]
    assert "the share of a feature's own" in printed


def one_line(status: int, capsys: pytest.CaptureFixture[str], words: str) -> bool:
    """Return whether a command was refused in one line with these words."""
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1, printed
    assert words in printed.err
    return status == 2


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ("--neurons 0", "neurons: expected at least 1, got 0"),
        ("--images 0", "images: expected at least 1, got 0"),
        ("--threads 0", "threads: expected at least 1, got 0"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_drawn(
    copied: Path, capsys: pytest.CaptureFixture[str], flags: str, words: str
) -> None:
    assert one_line(cli.main(["explain", str(copied), *flags.split()]), capsys, words)
    assert not (copied / "figures" / "explained.png").exists()


def test_a_run_that_has_not_ended_says_how_to_go_on(
    copied: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (copied / "summary.json").unlink()
    words = f"`evoprune resume {copied}` goes on with it"
    assert one_line(cli.main(["explain", str(copied)]), capsys, words)


def test_without_captum_nothing_is_done(
    copied: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    monkeypatch.setattr("evoprune.commands.explain.task_of", lambda *_: pytest.fail("too late"))
    words = "explain: needs the package captum; pip install 'evoprune[explain]'"
    assert one_line(cli.main(["explain", str(copied)]), capsys, words)


def test_runs_of_other_methods_have_no_such_neurons(
    tmp_path: Path, digits_weights: Path, short_report: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = "run hierarchical --population 4 --generations 1 1 --search-images 60 --no-guidance"
    known = ["--weights", str(digits_weights), "--threads", "1", "--out", str(run)]
    assert cli.main([*command.split(), *known]) == 0
    capsys.readouterr()
    words = "run: expected a transfer, whose genes are neurons, got one of hierarchical"
    assert one_line(cli.main(["explain", str(run)]), capsys, words)
