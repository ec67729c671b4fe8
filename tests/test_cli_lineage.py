"""`evoprune lineage RUN` tells how a network came to be, or says in one line why it cannot."""

from __future__ import annotations

import argparse
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deap import base

from evoprune.commands import lineage as command
from evoprune.errors import InputError
from evoprune.running.rundir import RunDir
from evoprune.search.lineage import Lineage
from evoprune.search.nsga2 import nsga2
from operators.crossover import cxUniformPacked
from operators.individuals import individual_type
from operators.mutation import mutFlip
from operators.selection import selNSGA2

GENES, MASK = 20, individual_type("mask", 2)


def lost(individual: Any) -> tuple[float, float]:
    bits = np.asarray(individual, float)
    return float((1 - bits) @ 0.5 ** np.arange(1, GENES + 1)), float(bits.mean())


@pytest.fixture
def ended(tmp_path: Path) -> RunDir:
    """Make the folder of a run that has ended: a front of three networks, and a dense one."""
    rng, toolbox = np.random.default_rng(0), base.Toolbox()
    lineage = Lineage(objectives=("soft_error", "density"))
    toolbox.register("evaluate", lost)
    toolbox.register("mate", cxUniformPacked, rate=0.5, rng=rng)
    toolbox.register("mutate", mutFlip, rate=0.1, rng=rng)
    toolbox.register("select", selNSGA2)
    lineage.follow(toolbox)
    lineage.begin("masks")
    first = [MASK.from_numpy(rng.random(GENES) < 0.5) for _ in range(8)]
    for generation in islice(nsga2(toolbox, first, rng=rng), 10):
        lineage.observe(generation)
    chosen = sorted(generation.population, key=lambda one: one.fitness.values[1])[::3]
    masks = [*(one.to_numpy() for one in chosen), np.ones(GENES, bool)]
    values = [*(one.fitness.values for one in chosen), (0.0, 1.0)]
    front = [
        {"id": i, "density": density, "search_value": value, "test_error": value}
        for i, (value, density) in enumerate(values)
    ]
    folder = RunDir(tmp_path / "run")
    folder.write_json("config.json", {})
    folder.write_table("front.csv", front)
    packed = np.stack([np.packbits(mask) for mask in masks])
    folder.write_arrays("masks.npz", {"packed": packed, "weights": np.array(GENES)})
    folder.write_table("lineage.csv", lineage.rows())
    folder.write_json("summary.json", {})
    return folder


def tell(*arguments: object) -> int:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    options = parser.parse_args(["lineage", *map(str, arguments)])
    return options.call(options)


def test_the_story_the_ledger_and_the_picture_of_the_knee(
    ended: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = ended.path / "figures" / "lineage.png"
    assert tell(ended.path) == 0
    printed = capsys.readouterr().out
    first, _, head, oldest, *_ = printed.splitlines()
    assert first.startswith("network ") and "ancestors" in first
    assert head.split()[:3] == ["phase", "gen", "made"] and "soft_error" in head
    assert oldest.split()[:3] == ["masks", "0", "init"]
    assert "cxUniformPacked" in printed and "mutFlip" in printed
    assert printed.endswith(f"picture: {picture}\n")
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_row_of_the_front_is_told_by_its_id(
    ended: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    for row in ended.read_table("front.csv")[:3]:
        assert tell(ended.path, "--id", f"{row['id']:.0f}") == 0
        printed = capsys.readouterr().out
        assert printed.startswith(f"network {row['id']:.0f} of the front, x")
        assert f"density {row['density']:.4f}" in printed.splitlines()[0]


def test_the_last_step_of_the_story_is_the_network_itself(
    ended: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tell(ended.path, "--id", 0) == 0
    lines = capsys.readouterr().out.splitlines()
    name = lines[0].split(", ")[1].split(":")[0]
    story = lines[3 : lines.index("", 3)]
    assert [line.endswith(name) for line in story] == [False] * (len(story) - 1) + [True]


def test_the_picture_goes_where_it_is_asked_to(ended: RunDir, tmp_path: Path) -> None:
    assert tell(ended.path, "--out", tmp_path / "tree.png") == 0
    assert (tmp_path / "tree.png").read_bytes().startswith(b"\x89PNG")
    assert not (ended.path / "figures").exists()


@pytest.mark.parametrize("wanted", [3, 9, -1])
def test_a_row_that_nobody_made_is_refused_with_those_that_can_be_told(
    ended: RunDir, wanted: int
) -> None:
    with pytest.raises(InputError, match=rf"^id: expected one of 0, 1, 2, .* got {wanted}$"):
        tell(ended.path, f"--id={wanted}")


def test_a_run_without_a_lineage_says_what_to_run(ended: RunDir) -> None:
    (ended.path / "lineage.csv").unlink()
    with pytest.raises(InputError, match=r"^run: .* kept no lineage; run again with --lineage"):
        tell(ended.path)


def test_a_run_that_has_not_ended_says_how_to_go_on(ended: RunDir) -> None:
    (ended.path / "summary.json").unlink()
    with pytest.raises(InputError, match=r"^run: .* has not ended; `evoprune resume "):
        tell(ended.path)


def test_a_folder_without_a_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder with a run"):
        tell(tmp_path)


@pytest.mark.parametrize("out", ["tree.pdf", "absent/tree.png"])
def test_a_picture_that_cannot_be_written_is_refused(
    ended: RunDir, tmp_path: Path, out: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=r"^out: expected a \.png file in a folder that is there"):
        tell(ended.path, "--out", tmp_path / out)
    assert capsys.readouterr().out == ""


def test_a_folder_in_the_picture_s_place_is_refused(ended: RunDir, tmp_path: Path) -> None:
    (tmp_path / "tree.png").mkdir()
    with pytest.raises(InputError, match=r"^out: cannot write to .*tree\.png: Is a directory$"):
        tell(ended.path, "--out", tmp_path / "tree.png")


def test_a_front_of_which_nothing_was_born_in_the_run_is_refused(ended: RunDir) -> None:
    arrays = ended.read_arrays("masks.npz")
    ended.write_arrays("masks.npz", arrays | {"packed": np.zeros_like(arrays["packed"])})
    with pytest.raises(InputError, match=r"no network of the front .* is in its lineage\.csv"):
        tell(ended.path)
