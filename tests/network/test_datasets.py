"""Images in three splits: what is read, how it is cut, normalised and augmented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from evoprune.errors import InputError
from evoprune.network import reading
from evoprune.network.datasets import Dataset, Split, augment, load, normalise, split


def make_tree(folder: Path, *, images: int = 4, size: tuple[int, int] = (6, 5)) -> Path:
    """Write folder/{train,test}/{ant,bee}/*.png; a pixel's red is its class, green its number."""
    for half in ("train", "test"):
        for label, name in enumerate(["ant", "bee"]):
            (folder / half / name).mkdir(parents=True)
            for number in range(images):
                picture = Image.new("RGB", size, (label, number, 7))
                picture.save(folder / half / name / f"{number}.png")
    return folder


def numbered(count: int, classes: int = 2) -> Split:
    """Make images that hold their own number, labels in turn."""
    images = torch.arange(count, dtype=torch.uint8).reshape(count, 1, 1, 1)
    return Split(images, torch.arange(count) % classes)


def numbers(part: Split) -> list[int]:
    return part.images.flatten().tolist()


def cut(search_from: str = "train", **settings: int) -> Dataset:
    return split(
        "own", numbered(40), numbered(20), ["a", "b"], search_from=search_from, **settings
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "insects")


# ------------------------------------------------------------------ digits


def test_the_digits_are_1797_bytes_of_8_by_8_in_ten_classes() -> None:
    digits = load("digits")
    parts = (digits.train, digits.search, digits.test)
    assert [len(part) for part in parts] == [1197, 300, 300]
    assert all(part.images.dtype == torch.uint8 for part in parts)
    assert digits.train.images.shape[1:] == (1, 8, 8)
    assert int(digits.train.images.max()) == 255
    assert digits.classes == list("0123456789")


def test_every_split_of_the_digits_holds_all_classes_alike() -> None:
    digits = load("digits")
    for part in (digits.search, digits.test):
        counts = part.labels.bincount(minlength=10)
        assert int(counts.min()) >= 28 and int(counts.max()) <= 32


def test_loading_twice_gives_the_same_splits() -> None:
    one, two = load("digits"), load("digits")
    assert torch.equal(one.search.images, two.search.images)
    assert torch.equal(one.train.labels, two.train.labels)


def test_the_stratified_order_is_a_permutation() -> None:
    labels = np.random.default_rng(1).integers(0, 5, 101)
    assert sorted(reading.stratified(labels)) == list(range(101))


# ------------------------------------------------------------------ three splits


@pytest.mark.parametrize("search_from", ["train", "test"])
def test_no_image_is_in_two_splits(search_from: str) -> None:
    train, test = numbered(40), numbered(20)
    test = Split(test.images + 100, test.labels)
    data = split("own", train, test, ["a", "b"], search_from=search_from)
    everything = numbers(data.train) + numbers(data.search) + numbers(data.test)
    assert sorted(everything) == [*range(40), *range(100, 120)]


def test_search_from_train_is_a_tenth_of_the_training_images() -> None:
    data = cut("train")
    assert (len(data.train), len(data.search), len(data.test)) == (36, 4, 20)
    assert numbers(data.test) == list(range(20))
    assert not data.seen_all_training


def test_search_from_test_is_the_first_half_of_the_fixed_permutation() -> None:
    data = cut("test")
    order = np.random.default_rng(0).permutation(20).tolist()
    assert numbers(data.search) == order[:10]
    assert numbers(data.test) == order[10:]
    assert numbers(data.train) == list(range(40))
    assert data.seen_all_training


def test_search_from_elsewhere_is_refused() -> None:
    with pytest.raises(InputError, match="unknown search_from 'tset': did you mean 'test'"):
        cut("tset")


@pytest.mark.parametrize("label", [-1, 2])
def test_a_label_outside_the_classes_is_refused(label: int) -> None:
    train = numbered(40)
    train.labels[5] = label
    with pytest.raises(InputError, match=f"labels .own, train.: expected 0 to 1 .* got {label}"):
        split("own", train, numbered(20), ["a", "b"])


@pytest.mark.parametrize(("train", "test", "empty"), [(0, 9, "train"), (9, 0, "test"),
                                                      (1, 9, "train")])  # fmt: skip
def test_an_empty_split_is_refused(train: int, test: int, empty: str) -> None:
    with pytest.raises(InputError, match=f"the split {empty} is empty"):
        split("own", numbered(train), numbered(test), ["a", "b"])


def test_mean_and_deviation_are_those_of_all_training_images() -> None:
    images = torch.tensor([0, 255, 255, 0], dtype=torch.uint8).reshape(4, 1, 1, 1)
    data = split("own", Split(images, torch.zeros(4, dtype=torch.long)), numbered(4, 1), ["a"])
    assert data.mean == pytest.approx([0.5])
    assert data.deviation == pytest.approx([0.5])


# ------------------------------------------------------------------ where the data are


def test_an_unknown_data_set_brings_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown data set 'cifar': did you mean 'cifar10'"):
        load("cifar", root=".")


def test_a_missing_root_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EVOPRUNE_DATA", raising=False)
    with pytest.raises(InputError, match=r"root: mnist needs .*--data-root.* EVOPRUNE_DATA"):
        load("mnist")


def test_a_root_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="root: expected the folder of the data, found none"):
        load("mnist", root=tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10", "cifar100"])
def test_absent_files_say_how_to_get_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVOPRUNE_DATA", str(tmp_path))
    with pytest.raises(InputError, match=f"data {name}: .*download=True"):
        load(name)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ trees of images


def test_a_tree_is_read_in_alphabetical_order(tree: Path) -> None:
    (images, labels), _, classes = reading.read_tree(tree)
    assert classes == ["ant", "bee"]
    assert images.shape == (8, 5, 6, 3)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    assert images[:, 0, 0, :2].tolist() == [[label, n] for label in (0, 1) for n in range(4)]


def test_a_folder_becomes_a_data_set(tree: Path) -> None:
    data = load(f"folder:{tree}", search_from="test")
    assert (len(data.train), len(data.search), len(data.test)) == (8, 4, 4)
    assert data.train.images.shape[1:] == (3, 5, 6)
    assert torch.equal(data.search.images[:, 0, 0, 0].long(), data.search.labels)


def test_names_that_begin_with_a_dot_and_other_files_are_passed_over(tree: Path) -> None:
    (tree / "train" / ".hidden").mkdir()
    (tree / "train" / "ant" / ".DS_Store").write_text("x")
    (tree / "train" / "ant" / "._0.png").write_text("x")
    (tree / "train" / "ant" / "notes.txt").write_text("x")
    (tree / "train" / "labels.csv").write_text("x")
    (images, _), _, classes = reading.read_tree(tree)
    assert (len(images), classes) == (8, ["ant", "bee"])


def test_all_images_are_brought_to_the_size_of_the_first(tree: Path) -> None:
    Image.new("L", (20, 30), 9).save(tree / "test" / "bee" / "9.jpg")
    _, (images, _), _ = reading.read_tree(tree)
    assert images.shape == (9, 5, 6, 3)


def test_a_size_may_be_asked_for(tree: Path) -> None:
    assert load(f"folder:{tree}", image_size=4).train.images.shape[1:] == (3, 4, 4)


def test_a_size_is_for_folders_only() -> None:
    with pytest.raises(InputError, match="image_size: expected with folder:PATH only"):
        load("digits", image_size=4)


def test_grey_images_have_one_channel(tmp_path: Path) -> None:
    for half in ("train", "test"):
        (tmp_path / half / "ant").mkdir(parents=True)
        for number in range(2):
            Image.new("L", (3, 3), 200).save(tmp_path / half / "ant" / f"{number}.png")
    images = load(f"folder:{tmp_path}").train.images
    assert images.shape == (1, 1, 3, 3) and int(images.min()) == 200


def test_a_half_without_images_is_refused(tree: Path) -> None:
    for path in tree.glob("test/*/*.png"):
        path.unlink()
    with pytest.raises(InputError, match="the split is empty, no images in test/CLASS/"):
        load(f"folder:{tree}")


def test_a_class_that_training_does_not_know_is_refused(tree: Path) -> None:
    (tree / "test" / "wasp").mkdir()
    with pytest.raises(InputError, match="labels in test lie outside the classes of train: wasp"):
        load(f"folder:{tree}")


@pytest.mark.parametrize("place", ["train/ant/0.png", "test/bee/2.png"])
def test_a_broken_image_is_named(tree: Path, place: str) -> None:
    (tree / place).write_bytes(b"no image")
    with pytest.raises(InputError, match=f"{place} cannot be decoded"):
        load(f"folder:{tree}")


# ------------------------------------------------------------------ CIFAR-10 from a tree


def test_cifar10_is_read_from_a_tree_and_kept_beside_it(tmp_path: Path) -> None:
    make_tree(tmp_path / "cifar10")
    decoded = load("cifar10", root=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cifar10", "cifar10-images.npz"]
    kept = load("cifar10", root=tmp_path)
    assert torch.equal(kept.train.images, decoded.train.images)
    assert torch.equal(kept.test.labels, decoded.test.labels)
    assert decoded.mean == (0.485, 0.456, 0.406)


def test_kept_images_are_not_decoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path / "cifar10")
    load("cifar10", root=tmp_path)
    monkeypatch.setattr(reading, "_decode", None)
    load("cifar10", root=tmp_path)


def test_kept_images_are_dropped_when_the_tree_has_grown(tmp_path: Path) -> None:
    make_tree(tmp_path / "cifar10")
    load("cifar10", root=tmp_path)
    Image.new("RGB", (6, 5)).save(tmp_path / "cifar10" / "test" / "bee" / "9.png")
    assert len(load("cifar10", root=tmp_path).test) == 9


# ------------------------------------------------------------------ normalise and augment


def some_images(count: int = 50) -> torch.Tensor:
    values = np.random.default_rng(5).integers(1, 256, (count, 3, 6, 7), np.uint8)
    return torch.from_numpy(values)


def test_normalised_images_are_the_formula_in_channels_last() -> None:
    data = split("cifar10", Split(some_images(), torch.zeros(50).long()), numbered(4, 1), ["a"])
    inputs = normalise(data.train.images, data)
    mean, deviation = (torch.tensor(v).reshape(3, 1, 1) for v in (data.mean, data.deviation))
    assert torch.allclose(inputs, (data.train.images / 255 - mean) / deviation, atol=1e-6)
    assert inputs.dtype == torch.float32
    assert inputs.is_contiguous(memory_format=torch.channels_last)


def test_the_same_rng_gives_the_same_images() -> None:
    one, two = (augment(some_images(), np.random.default_rng(1)) for _ in range(2))
    assert torch.equal(one, two)


def test_neither_shift_nor_flip_changes_nothing() -> None:
    images = some_images()
    assert torch.equal(augment(images, np.random.default_rng(0), padding=0, flip=False), images)


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    images = some_images(200)
    new = augment(images, np.random.default_rng(0), padding=0)
    mirrored = (new == images.flip(3)).flatten(1).all(1)
    same = (new == images).flatten(1).all(1)
    assert bool((mirrored ^ same).all())
    assert 70 < int(mirrored.sum()) < 130


def test_augmentation_is_padding_cropping_and_mirroring_one_by_one() -> None:
    images, rng = some_images(), np.random.default_rng(3)
    new = augment(images, np.random.default_rng(3), padding=2)
    top, left = rng.integers(0, 5, (2, 50))
    mirrored = rng.random(50) < 0.5
    for place, image in enumerate(images):
        padded = torch.zeros(3, 10, 11, dtype=torch.uint8)
        padded[:, 2:8, 2:9] = image
        crop = padded[:, top[place] : top[place] + 6, left[place] : left[place] + 7]
        assert torch.equal(new[place], crop.flip(2) if mirrored[place] else crop)


def test_augmentation_leaves_the_images_given_as_they_were() -> None:
    images = some_images()
    before = images.clone()
    augment(images, np.random.default_rng(0))
    assert torch.equal(images, before)
