"""Read images from files: the digits of the package, torchvision's data sets, trees of images.

Each reader returns the official training images, the official test images and the names of the
classes. `evoprune.network.datasets` cuts the three splits from them.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from tqdm import tqdm

from evoprune.errors import InputError

Pixels = npt.NDArray[np.uint8]  # images, height, width, channels
Labels = npt.NDArray[np.int64]
Labelled = tuple[Pixels, Labels]
Official = tuple[Labelled, Labelled, list[str]]

TORCHVISION = {
    "mnist": "MNIST",
    "fashion-mnist": "FashionMNIST",
    "cifar10": "CIFAR10",
    "cifar100": "CIFAR100",
}
SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"}
DIGITS_TEST = 300
HALVES = ("train", "test")  # folders of a tree that is split


def read_digits() -> Official:
    """Read the 8x8 digits that the package holds; the last 300 of a fixed order are for testing.

    Source: Alpaydin & Kaynak, 1998, UCI Machine Learning Repository, CC BY 4.0; see digits.txt.
    """
    with np.load(Path(__file__).with_name("digits.npz")) as file:
        images, labels = file["images"], file["labels"].astype(np.int64)
    images = np.round(images[..., None] * (255 / 16)).astype(np.uint8)
    return *_cut(images, labels, DIGITS_TEST), [str(digit) for digit in range(10)]


def _cut(images: Pixels, labels: Labels, test: int) -> tuple[Labelled, Labelled]:
    """Cut the last so many images of a fixed order that holds all classes alike, for testing."""
    order = stratified(labels)
    first, last = order[:-test], order[-test:]
    return (images[first], labels[first]), (images[last], labels[last])


def read_torchvision(name: str, root: Path, *, download: bool) -> Official:
    """Read a data set through torchvision; CIFAR-10 also from a tree of images below the root.

    Args:
        name: a key of `TORCHVISION`.
        root: the folder that torchvision's files lie in.
        download: let torchvision fetch what is absent.

    Raises:
        InputError: if the files are absent; it says how to get them.
    """
    from torchvision import datasets  # takes a second to import, and the digits do not need it

    make = getattr(datasets, TORCHVISION[name])
    tree = root / name
    try:
        train, test = (make(root, train=part, download=download) for part in (True, False))
    except (RuntimeError, OSError) as cause:  # torchvision's words for absent or damaged files
        if name == "cifar10" and (tree / "train").is_dir():
            return read_tree(tree, keep=root / "cifar10-images.npz")
        if download:
            raise InputError(f"data {name}: could not be fetched into {root}: {cause}") from cause
        raise InputError(
            f"data {name}: found no complete files in {root}; let torchvision fetch them with "
            "download=True, or name the folder that holds them"
        ) from cause
    return _arrays(train), _arrays(test), [str(label) for label in train.classes]


def _arrays(dataset: Any) -> Labelled:
    """Return the images of a torchvision data set with a channel axis, and the labels."""
    images = np.asarray(dataset.data)
    images = images[..., None] if images.ndim == 3 else images
    return images, np.asarray(dataset.targets, np.int64)


def read_tree(
    folder: Path, *, image_size: int | None = None, keep: Path | None = None
) -> Official:
    """Read a tree of images, folder/{train,test}/CLASS/; classes are in alphabetical order.

    A tree without these two, folder/CLASS/, is split here: a fifth of its images, the last of a
    fixed order that holds all classes alike, is for testing.

    Every image is brought to one size and to grey or colour, as the first image is. Names that
    begin with a dot, and files that are no images by their ending, are passed over.

    Args:
        folder: of the tree.
        image_size: height and width in pixels; the size of the first image if None.
        keep: file that takes the decoded images of a split tree, and is read instead of them the
            next time, as long as it holds as many images as the tree.

    Raises:
        InputError: if there is no such tree, no image in a half of it, a class in `test` that
            `train` does not know, or a file that cannot be decoded.
    """
    if unsplit(folder):
        return _read_unsplit(folder, image_size)
    paths = {half: _files(folder / half) for half in HALVES}
    classes = sorted(paths["train"])
    strange = sorted(paths["test"].keys() - paths["train"].keys())
    if strange:
        raise InputError(
            f"data {folder}: the labels in test lie outside the classes of train: "
            f"{', '.join(strange)}"
        )
    counts = [sum(map(len, part.values())) for part in paths.values()]
    if 0 in counts:
        half = list(paths)[counts.index(0)]
        raise InputError(f"data {folder}: the split is empty, no images in {half}/CLASS/")
    labels = [
        np.repeat(np.arange(len(classes)), [len(part.get(label, ())) for label in classes])
        for part in paths.values()
    ]
    images = _kept(keep, counts)
    if images is None:
        files = [[f for label in classes for f in part.get(label, ())] for part in paths.values()]
        size, mode = _form(files[0][0], image_size)
        images = [_decode(part, size, mode) for part in files]
        if keep is not None:
            with suppress(OSError):  # a folder that cannot be written to: decode again next time
                _write(keep, images)
    return (images[0], labels[0]), (images[1], labels[1]), classes


def unsplit(folder: Path) -> bool:
    """Return whether a tree of images has neither of the folders train and test."""
    return not any((folder / half).is_dir() for half in HALVES)


def _read_unsplit(folder: Path, image_size: int | None) -> Official:
    """Read folder/CLASS/; folders that hold no image are no classes."""
    found = _files(folder) if folder.is_dir() else {}
    paths = {label: files for label, files in found.items() if files}
    if not paths:
        raise InputError(
            f"data {folder}: expected images in train/CLASS/ and test/CLASS/, or in CLASS/ to be "
            "split here; found none of these folders"
        )
    labels = np.repeat(np.arange(len(paths)), [len(files) for files in paths.values()])
    files = [path for label in paths for path in paths[label]]
    images = _decode(files, *_form(files[0], image_size))
    return *_cut(images, labels, math.ceil(len(files) / 5)), list(paths)


def _files(half: Path) -> dict[str, list[Path]]:
    """List the image files of each class below a folder, in order of their names."""
    if not half.is_dir():
        raise InputError(
            f"data {half.parent}: expected the folders train and test with a folder for each "
            f"class; found no folder {half}"
        )
    return {
        folder.name: [
            path
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
        ]
        for folder in sorted(half.iterdir())
        if folder.is_dir() and not folder.name.startswith(".")
    }


def _form(path: Path, image_size: int | None) -> tuple[tuple[int, int], str]:
    """Return the (width, height) that images are brought to, and the mode: grey or colour."""
    if image_size is not None and image_size < 1:
        raise InputError(f"image_size: expected pixels from 1 on, got {image_size}")
    try:
        with Image.open(path) as image:
            size = image.size if image_size is None else (image_size, image_size)
            return size, "L" if image.mode in ("1", "L") else "RGB"
    except (UnidentifiedImageError, OSError) as cause:
        raise InputError(f"data: {path} cannot be decoded as an image; take it out") from cause


def _decode(paths: Sequence[Path], size: tuple[int, int], mode: str) -> Pixels:
    """Decode images of one size into one array, under a progress bar."""
    images = np.empty((len(paths), size[1], size[0], len(mode)), np.uint8)  # "L" 1, "RGB" 3
    for place, path in enumerate(tqdm(paths, desc="decoding images", leave=False, disable=None)):
        try:
            with Image.open(path) as image:
                shown = image.convert(mode)
        except (UnidentifiedImageError, OSError) as cause:
            raise InputError(f"data: {path} cannot be decoded as an image; take it out") from cause
        shown = shown if shown.size == size else shown.resize(size, Image.Resampling.BILINEAR)
        images[place] = np.asarray(shown).reshape(images.shape[1:])
    return images


def _kept(path: Path | None, counts: list[int]) -> list[Pixels] | None:
    """Read decoded images from a file, if it is there and holds that many of them."""
    if path is None or not path.is_file():
        return None
    with np.load(path) as file:
        images = [file["train"], file["test"]]
    return images if [len(part) for part in images] == counts else None


def _write(path: Path, images: Sequence[Pixels]) -> None:
    """Write decoded images beside the file, then rename."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            np.savez(file, train=images[0], test=images[1])
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def fixed_permutation(count: int) -> Labels:
    """Return the fixed permutation of so many images."""
    return np.random.default_rng(0).permutation(count)


def stratified(labels: Labels) -> Labels:
    """Return a fixed permutation of the images in which every stretch holds all classes alike.

    >>> labels = np.array([0, 0, 0, 0, 1, 1])
    >>> labels[stratified(labels)].tolist()
    [0, 1, 0, 0, 1, 0]
    """
    order = fixed_permutation(len(labels))
    shuffled = labels[order]
    by_class = np.argsort(shuffled, kind="stable")
    counts = np.bincount(shuffled)[shuffled[by_class]]
    place = np.arange(len(labels)) - np.searchsorted(shuffled[by_class], shuffled[by_class])
    share = np.empty(len(labels))
    share[by_class] = (place + 0.5) / counts  # how far into its class an image comes, 0 to 1
    return order[np.argsort(share, kind="stable")]
