"""Some classes of a data set: what the name means, and what becomes of splits and labels."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

from evoprune.errors import InputError
from evoprune.network import datasets
from evoprune.network.datasets import Split, load
from evoprune.network.models import held_back
from evoprune.network.subsets import base_name, chosen_places

PARTS = ("train", "search", "test")


@pytest.mark.parametrize(
    ("written", "places"),
    [
        ("5-9", [5, 6, 7, 8, 9]),
        ("0,2,4", [0, 2, 4]),
        ("4,0", [4, 0]),
        ("0-1,7-8,3", [0, 1, 7, 8, 3]),
        ("3-3", [3]),
        ("007", [7]),
    ],
)
def test_numbers_and_ranges_are_places_in_the_order_written(
    written: str, places: list[int]
) -> None:
    assert chosen_places(f"own:{written}", 10) == places


@pytest.mark.parametrize("written", ["", "a", "0-", "-1", "1,", "0..4", "1 2", "0-4-8", "٣"])
def test_what_is_no_number_says_how_to_write_it(written: str) -> None:
    with pytest.raises(
        InputError, match=r"^data digits:.*: expected the places of classes, got '.*'; "
        r"write digits:0-4 or digits:0,2,4$",
    ):  # fmt: skip
        load(f"digits:{written}")


@pytest.mark.parametrize(("written", "got"), [("5-12", 12), ("10", 10), ("12-5", 12)])
def test_a_place_without_a_class_is_refused(written: str, got: int) -> None:
    with pytest.raises(
        InputError, match=f"^data digits:{written}: expected classes from 0 to 9, got {got}$"
    ):
        load(f"digits:{written}")


def test_a_range_that_runs_down_is_refused() -> None:
    with pytest.raises(InputError, match=r"the range 9-5 is empty; write digits:5-9$"):
        load("digits:9-5")


def test_a_class_that_is_named_twice_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^data digits:1-4,3: expected each class once, got 3 twice"
    ):
        load("digits:1-4,3")


# ------------------------------------------------------------------ the splits


@pytest.mark.parametrize("search_from", ["train", "test"])
@pytest.mark.parametrize("part", PARTS)
def test_a_split_is_that_of_the_whole_cut_down_to_the_classes(part: str, search_from: str) -> None:
    whole: Split = getattr(load("digits", search_from=search_from), part)
    some: Split = getattr(load("digits:5-9", search_from=search_from), part)
    kept = whole.labels >= 5
    assert torch.equal(some.images, whole.images[kept])
    assert torch.equal(some.labels, whole.labels[kept] - 5)


def test_labels_follow_the_order_in_which_the_classes_are_written() -> None:
    data, turned = load("digits:2,7"), load("digits:7,2")
    assert data.classes == ["2", "7"] and turned.classes == ["7", "2"]
    assert torch.equal(data.test.images, turned.test.images)
    assert torch.equal(data.test.labels, 1 - turned.test.labels)


def test_all_classes_are_the_whole_data_set_under_another_name() -> None:
    data, whole = load("digits:0-9"), load("digits")
    assert data.name == "digits:0-9"
    assert all(torch.equal(getattr(data, p).images, getattr(whole, p).images) for p in PARTS)
    assert (data.mean, data.deviation) == (whole.mean, whole.deviation)


def test_two_halves_of_the_classes_share_out_every_image() -> None:
    sizes = [[len(getattr(load(name), part)) for part in PARTS]
             for name in ("digits:0-4", "digits:5-9", "digits")]  # fmt: skip
    assert [low + high for low, high in zip(*sizes[:2], strict=True)] == sizes[2]


@pytest.mark.parametrize("search_from", ["train", "test"])
def test_mean_and_deviation_are_those_of_the_chosen_official_training_images(
    search_from: str,
) -> None:
    whole, some = load("digits"), load("digits:0,1", search_from=search_from)
    official = [part.images[part.labels < 2] for part in (whole.train, whole.search)]
    values = torch.cat(official).double() / 255
    assert some.mean == pytest.approx([float(values.mean())])
    assert some.deviation == pytest.approx([float(values.std(correction=0))])


def test_a_published_mean_is_that_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(datasets.PUBLISHED, "digits", ((0.25,), (0.75,)))
    assert (load("digits:0-4").mean, load("digits:0-4").deviation) == ((0.25,), (0.75,))


def test_one_class_alone_is_a_data_set() -> None:
    data = load("digits:3")
    assert data.classes == ["3"] and not data.train.labels.any()


# ------------------------------------------------------------------ the name of the whole


def test_the_name_of_a_misspelt_whole_brings_the_nearest() -> None:
    with pytest.raises(InputError, match=r"^unknown data set 'digit': did you mean 'digits'"):
        load("digit:0-4")


def test_absent_files_are_those_of_the_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^data mnist: found no complete files"):
        load("mnist:0-4", root=tmp_path)


def test_a_colon_in_the_path_of_a_folder_chooses_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "photos:0-1"
    for half in ("train", "test"):
        for label in "abc":
            (folder / half / label).mkdir(parents=True)
            for number in range(2):
                Image.new("L", (2, 2)).save(folder / half / label / f"{number}.png")
    data = load(f"folder:{folder}")
    assert data.classes == ["a", "b", "c"]
    assert base_name(data.name) == data.name


@pytest.mark.parametrize(
    ("noted", "asked", "expected"),
    [
        ("digits", "digits:5-9", True),
        ("digits:0-4", "digits:5-9", True),
        ("digits:0-4", "digits", True),
        ("digits:0-4", "mnist:0-4", False),
        ("folder:/a:0", "folder:/a:1", False),
    ],
)
def test_training_on_some_classes_holds_back_the_search_images_of_all(
    tmp_path: Path, noted: str, asked: str, expected: bool
) -> None:
    torch.save({"evoprune": {"held_back": True, "data": noted}}, tmp_path / "w.pt")
    assert held_back(tmp_path / "w.pt", asked) is expected
