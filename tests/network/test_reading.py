"""Trees of images without the folders train and test, which are split here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evoprune.errors import InputError
from evoprune.network.datasets import load
from evoprune.network.reading import read_tree, stratified

PARTS = ("train", "search", "test")


def plant(folder: Path, **counts: int) -> Path:
    """Write folder/CLASS/*.png; every image's red is its class, its green its number."""
    for label, (name, count) in enumerate(counts.items()):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (4, 3), (label, number, 7)).save(folder / name / f"{number:03}.png")
    return folder


def shown(images: torch.Tensor) -> list[tuple[int, ...]]:
    """Return class and number of every image."""
    return [tuple(pixel) for pixel in images[:, :2, 0, 0].tolist()]


def test_train_and_search_and_test_are_three_and_one_and_one_fifth(tmp_path: Path) -> None:
    data = load(f"folder:{plant(tmp_path, ant=20, bee=30)}")
    assert [len(getattr(data, part)) for part in PARTS] == [30, 10, 10]
    assert data.classes == ["ant", "bee"]
    assert not data.seen_all_training


def test_every_split_holds_all_classes_alike(tmp_path: Path) -> None:
    data = load(f"folder:{plant(tmp_path, ant=20, bee=30)}")
    counts = [getattr(data, part).labels.bincount().tolist() for part in PARTS]
    assert counts == [[12, 18], [4, 6], [4, 6]]


def test_every_image_is_in_one_split_under_its_label(tmp_path: Path) -> None:
    data = load(f"folder:{plant(tmp_path, ant=7, bee=12)}")
    parts = [getattr(data, part) for part in PARTS]
    everything = [pixel for part in parts for pixel in shown(part.images)]
    assert sorted(everything) == [(0, n) for n in range(7)] + [(1, n) for n in range(12)]
    assert all(torch.equal(part.images[:, 0, 0, 0].long(), part.labels) for part in parts)


def test_the_test_images_are_the_last_fifth_of_the_fixed_order(tmp_path: Path) -> None:
    _, (images, labels), _ = read_tree(plant(tmp_path, ant=5, bee=6))
    written = np.array([(0, n) for n in range(5)] + [(1, n) for n in range(6)])
    order = stratified(written[:, 0])
    assert images[:, 0, 0, :2].tolist() == written[order[-3:]].tolist()  # 11 / 5, rounded up
    assert labels.tolist() == written[order[-3:], 0].tolist()


def test_a_published_network_is_judged_on_half_of_that_fifth(tmp_path: Path) -> None:
    folder = f"folder:{plant(tmp_path, ant=20, bee=30)}"
    data, own = load(folder, search_from="test"), load(folder)
    assert [len(getattr(data, part)) for part in PARTS] == [40, 5, 5]
    assert sorted(shown(data.search.images) + shown(data.test.images)) == sorted(
        shown(own.test.images)
    )


def test_folders_without_images_and_hidden_ones_are_no_classes(tmp_path: Path) -> None:
    plant(tmp_path, ant=5, bee=5, empty=0)
    plant(tmp_path / ".hidden", wasp=3)
    (tmp_path / "README.txt").write_text("insects")
    assert load(f"folder:{tmp_path}").classes == ["ant", "bee"]


def test_an_unsplit_tree_may_be_brought_to_a_size(tmp_path: Path) -> None:
    data = load(f"folder:{plant(tmp_path, ant=5, bee=5)}", image_size=6)
    assert data.test.images.shape == (2, 3, 6, 6)


@pytest.mark.parametrize("counts", [{}, {"ant": 0}])
def test_a_folder_of_neither_layout_names_both(tmp_path: Path, counts: dict[str, int]) -> None:
    with pytest.raises(
        InputError, match=r"expected images in train/CLASS/ and test/CLASS/, or in CLASS/ to be sp"
    ) as caught:
        load(f"folder:{plant(tmp_path, **counts)}")
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_names_both_layouts(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data .*nowhere: expected images in train/CLASS/"):
        load(f"folder:{tmp_path / 'nowhere'}")


@pytest.mark.parametrize("half", ["train", "test"])
def test_one_half_alone_is_a_split_tree_that_lacks_the_other(tmp_path: Path, half: str) -> None:
    plant(tmp_path / half, ant=5, bee=5)
    with pytest.raises(InputError, match=r"expected the folders train and test .* no folder"):
        load(f"folder:{tmp_path}")


def test_too_few_images_leave_a_split_empty(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the split train is empty; put more images"):
        load(f"folder:{plant(tmp_path, ant=1, bee=1)}")
