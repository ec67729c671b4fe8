"""The folder of a run: refused when taken, never half written, data only."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from evoprune.errors import InputError
from evoprune.running.rundir import RunDir

WRITTEN = (  # by a run, beside config.json
    "summary.json", "weights.pt", "log.csv", "front.csv", "baselines.csv", "masks.npz",
    "checkpoint", "figures", "failed.npz",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> RunDir:
    return RunDir(tmp_path / "run")


def files(folder: RunDir) -> list[str]:
    return sorted(path.name for path in folder.path.rglob("*") if path.is_file())


def test_naming_a_folder_writes_nothing(tmp_path: Path) -> None:
    RunDir(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_a_run_is_refused(folder: RunDir) -> None:
    folder.write_json("config.json", {})
    with pytest.raises(InputError, match=r"out: .* holds a run already; name another folder"):
        RunDir(folder.path)


def test_a_folder_with_other_files_is_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    RunDir(tmp_path).write_json("config.json", {})
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", WRITTEN)
def test_a_folder_with_a_file_that_a_run_would_replace_is_refused_and_left(
    tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(InputError, match=rf"out: .* holds {name}, which a run would replace; name"):
        RunDir(tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_a_run_in_a_folder_that_cannot_be_written_to_is_read(
    folder: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_json("config.json", {"seed": 3})
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    assert RunDir(folder.path, resume=True).read_json("config.json") == {"seed": 3}


def test_going_on_where_nothing_can_be_written_names_the_run(
    folder: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_json("config.json", {})
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(InputError, match=f"run: cannot write to {folder.path}"):
        RunDir(folder.path, resume=True).check_writable("run")


def test_a_folder_that_cannot_be_written_to_takes_no_new_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(InputError, match="out: cannot write to /"):
        RunDir(tmp_path / "deep" / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_run_is_resumed_where_there_is_one(folder: RunDir) -> None:
    folder.write_json("config.json", {"seed": 3})
    assert RunDir(folder.path, resume=True).read_json("config.json") == {"seed": 3}


def test_resuming_where_there_is_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run: expected a folder with a run, got "):
        RunDir(tmp_path / "none", resume=True)


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a folder"):
        RunDir(tmp_path / "file", resume=resume)


def test_writing_leaves_nothing_beside_the_files(folder: RunDir) -> None:
    folder.write("figures/front.png", b"picture")
    folder.write_json("summary.json", {})
    folder.write_table("log.csv", [{"a": 1}])
    folder.write_arrays("checkpoint/masks.npz", {"a": np.arange(3)})
    assert files(folder) == ["front.png", "log.csv", "masks.npz", "summary.json"]


def test_writing_gives_the_path_of_the_file(folder: RunDir) -> None:
    assert folder.write("deep/er/file.txt", b"text").read_bytes() == b"text"
    assert folder.write_table("log.csv", [{"a": 1}]) == folder.path / "log.csv"
    assert folder.write_arrays("a.npz", {}) == folder.path / "a.npz"


class Unwritable:
    """Turning it into text or bytes fails, as a full disk would in the middle of a file."""

    def __str__(self) -> str:
        raise OSError("no space left")

    def __reduce__(self) -> tuple[object, ...]:
        raise OSError("no space left")


def test_a_table_that_fails_half_way_leaves_the_one_before(folder: RunDir) -> None:
    folder.write_table("log.csv", [{"a": 1}])
    with pytest.raises(OSError, match="no space left"):
        folder.write_table("log.csv", [{"a": 2}, {"a": Unwritable()}])
    assert folder.read_table("log.csv") == [{"a": 1.0}]


def test_arrays_that_fail_half_way_leave_the_ones_before(folder: RunDir) -> None:
    folder.write_arrays("a.npz", {"a": np.arange(3)})
    with pytest.raises(OSError, match="no space left"):
        folder.write_arrays("a.npz", {"a": np.zeros(3), "b": np.array(Unwritable(), object)})
    assert folder.read_arrays("a.npz")["a"].tolist() == [0, 1, 2]


def test_json_comes_back(folder: RunDir) -> None:
    value = {"seed": 0, "dense": {"error": 0.066}, "front": [1, None, "a"], "none": {}}
    folder.write_json("summary.json", value)
    assert folder.read_json("summary.json") == value


@pytest.mark.parametrize("text", [None, "{half"])
def test_json_that_cannot_be_read_names_its_file(folder: RunDir, text: str | None) -> None:
    if text is not None:
        folder.write("summary.json", text.encode())
    with pytest.raises(InputError, match=r"run: cannot read .*summary\.json: "):
        folder.read_json("summary.json")


def test_a_table_comes_back_with_numbers_as_numbers(folder: RunDir) -> None:
    rows = [
        {"phase": "masks", "generation": 1, "error": 0.1 + 0.2},
        {"phase": "with, comma", "generation": 2, "error": float("inf")},
    ]
    folder.write_table("log.csv", rows)
    assert folder.read_table("log.csv") == rows


def test_the_columns_of_a_table_are_all_keys_in_order_of_first_sight(folder: RunDir) -> None:
    folder.write_table("log.csv", [{"b": 1, "a": 2}, {"a": 3, "c": 4}])
    assert (folder.path / "log.csv").read_text().splitlines() == ["b,a,c", "1,2,", ",3,4"]


def test_an_empty_table_can_be_written_and_read(folder: RunDir) -> None:
    folder.write_table("front.csv", [])
    assert folder.read_table("front.csv") == []


def test_arrays_come_back_with_type_and_shape(folder: RunDir) -> None:
    arrays = {
        "state/ideal": np.array([0.1, np.inf]),
        "packed": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "scores": np.ones((1, 4), np.float32),
        "none": np.zeros((0, 5)),
        "count": np.array(7),
    }
    folder.write_arrays("checkpoint/a.npz", arrays)
    back = folder.read_arrays("checkpoint/a.npz")
    assert list(back) == list(arrays)
    for name, array in arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert (back[name] == array).all()


def test_pickled_arrays_are_refused(folder: RunDir) -> None:
    np.savez(folder.write("a.npz", b""), a=np.array([{"a": 1}], object))
    with pytest.raises(ValueError, match="Object arrays cannot be loaded"):
        folder.read_arrays("a.npz")


def test_json_is_readable_by_people_too(folder: RunDir) -> None:
    text = folder.write_json("config.json", {"seed": 0, "model": "lenet"}).read_text()
    assert len(text.splitlines()) == 4
    assert json.loads(text)["model"] == "lenet"


@pytest.mark.parametrize("content", [b"\xff\xfe{", b"{"])
def test_a_damaged_json_file_is_one_line(folder: RunDir, content: bytes) -> None:
    folder.write("config.json", content)
    with pytest.raises(InputError, match=r"run: cannot read .*config\.json"):
        folder.read_json("config.json")


def test_a_cut_short_array_file_is_one_line(folder: RunDir) -> None:
    path = folder.write_arrays("a.npz", {"a": np.zeros(100)})
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"run: cannot read .*a\.npz"):
        folder.read_arrays("a.npz")
