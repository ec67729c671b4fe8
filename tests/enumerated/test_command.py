"""`evoprune enumerate`: what it writes, what it says, what it refuses."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evoprune.commands import enumerate as command
from evoprune.enumerated import load, tables
from evoprune.errors import InputError
from evoprune.studies import enumerate as study


def options(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add(parser.add_subparsers())
    return parser.parse_args(["enumerate", *words])


def arrays() -> dict[str, Any]:
    with np.load(tables.FOLDER / "groups.npz") as file:
        return dict(file)


def test_the_table_is_written_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = arrays()
    made["wrong_test"][7] += 1
    monkeypatch.setattr(study, "tables", lambda name, weights: made)
    out = tmp_path / "again.npz"
    chosen = options("groups", "--out", str(out), "--shipped-weights")
    assert chosen.call(chosen) == 0
    assert "1 of 32,768 counts differ" in capsys.readouterr().out
    assert [path.name for path in tmp_path.iterdir()] == ["again.npz"]
    assert load(out).wrong["test"][7] == made["wrong_test"][7]


def test_the_packages_weights_are_taken_on_demand_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    monkeypatch.setattr(study, "tables", lambda name, weights: (given.append(weights), arrays())[1])
    for i, flags in enumerate([[], ["--shipped-weights"]]):
        chosen = options("groups", "--out", str(tmp_path / f"{i}.npz"), *flags)
        chosen.call(chosen)
    assert given[0] is None and given[1].keys() == load("groups").weights.keys()


def test_other_weights_are_said_to_be_another_network() -> None:
    made = arrays()
    made["weight_linear1.bias"] = made["weight_linear1.bias"] + 1
    said = command.said(tables.from_arrays("made", made), load("groups"))
    assert "other weights than the package's" in said


def test_the_same_table_differs_in_no_count() -> None:
    assert "; 0 of 32,768 counts differ" in command.said(load("groups"), load("groups"))


def test_a_misspelt_name_is_refused(tmp_path: Path) -> None:
    chosen = options("gruops", "--out", str(tmp_path / "x.npz"))
    with pytest.raises(InputError, match="'gruops': did you mean 'groups'"):
        chosen.call(chosen)


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"kept")
    chosen = options("groups", "--out", str(tmp_path / "x.npz"))
    with pytest.raises(InputError, match=r"out: .*x\.npz is there already; name another file"):
        chosen.call(chosen)
    assert (tmp_path / "x.npz").read_bytes() == b"kept"


def test_a_table_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.npz.part").mkdir()
    with pytest.raises(InputError, match=r"^out: cannot write to .*x\.npz: Is a directory$"):
        command.write(tmp_path / "x.npz", {})


@pytest.mark.parametrize(
    ("out", "text"),
    [("x.csv", r"out: expected a name that ends in \.npz"), ("no/x.npz", "out: expected a folder")],
)
def test_a_name_that_can_be_no_table_is_refused(tmp_path: Path, out: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        command.checked(str(tmp_path / out))
