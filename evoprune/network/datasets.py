"""Images and labels in three splits, resident in memory as bytes.

Start reading at `load`. `train` is for training, importance and guidance; `search` for fitness;
`test` is opened once, at the end. Where `search` comes from depends on the network:

- `search_from="train"`: the network is trained here. `search` is the last tenth (of the
  digits: fifth) of a fixed permutation of the training images that holds all classes alike, cut
  off before training; `test` is the official test set. A folder that has none gives a fifth of all
  its images to each of the two.
- `search_from="test"`: a published network has seen all training images. The official test images
  are permuted by a fixed permutation; `search` is the first half, `test` the second. Say so beside
  the figures.

A name may choose some of the classes, as `digits:5-9` does (see `subsets`): the splits are then
those of the whole data set, cut down to these classes.

`normalise` makes the network's input of the bytes; `augment` shifts and mirrors the bytes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from evoprune.errors import InputError, unknown
from evoprune.network import reading
from evoprune.network.subsets import base_name, chosen_places

NAMES = ("digits", *reading.TORCHVISION, "folder:PATH")
PUBLISHED = {"cifar10": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))}  # of its checkpoints


@dataclass(frozen=True)
class Split:
    """Images with their labels.

    Args:
        images: uint8, shape (images, channels, height, width), 0 to 255.
        labels: int64, shape (images,), 0 to classes - 1.
    """

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.labels)

    def part(self, chosen: npt.NDArray[np.int64] | slice) -> Split:
        """Return the split that holds the chosen images only, in that order."""
        index = torch.from_numpy(chosen) if isinstance(chosen, np.ndarray) else chosen
        return Split(self.images[index], self.labels[index])

    def relabelled(self, new: torch.Tensor) -> Split:
        """Return the images under the new label of their class; -1 leaves a class out."""
        labels = new[self.labels]
        return Split(self.images[labels >= 0], labels[labels >= 0])


@dataclass(frozen=True)
class Dataset:
    """Three splits that share no image.

    Args:
        name: as given to `load`.
        train: for training, importance, guidance and recalibration.
        search: for fitness.
        test: opened once, at the end.
        classes: names; a label is the place of its class here.
        mean: of each channel over the official training images, 0 to 1.
        deviation: of each channel, likewise.
        seen_all_training: whether `search` was cut from the official test images, for a network
            that has seen all training images.
    """

    name: str
    train: Split
    search: Split
    test: Split
    classes: list[str]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    seen_all_training: bool


def load(
    name: str,
    *,
    root: str | Path | None = None,
    search_from: str = "train",
    download: bool = False,
    image_size: int | None = None,
) -> Dataset:
    """Load a data set by name and cut it into its three splits.

    Args:
        name: one of `NAMES`; "folder:PATH" for a tree of images PATH/{train,test}/CLASS/, or
            PATH/CLASS/ to be split here. Of the others some classes may be chosen: "digits:5-9".
        root: folder of the data; EVOPRUNE_DATA if None. Digits and folders need none.
        search_from: which official split `search` is cut from; see the module.
        download: let torchvision fetch what is absent.
        image_size: height and width that a folder's images are brought to, in pixels; the size of
            the first one if None.

    Raises:
        InputError: if the name is unknown or chooses classes that are not there, the data are
            absent or a split would be empty.

    >>> digits = load("digits")
    >>> len(digits.train), len(digits.search), len(digits.test), digits.train.images.shape[1:]
    (1197, 300, 300, torch.Size([1, 8, 8]))
    >>> load("digits:5-9").classes
    ['5', '6', '7', '8', '9']
    """
    base, share = base_name(name), 0.1
    if name.startswith("folder:"):
        folder = Path(name.removeprefix("folder:")).expanduser()
        train, test, classes = reading.read_tree(folder, image_size=image_size)
        share = 0.25 if reading.unsplit(folder) else share  # a quarter of four fifths
    elif image_size is not None:
        raise InputError(f"image_size: expected with folder:PATH only, got it with {name}")
    elif base == "digits":
        train, test, classes = reading.read_digits()
        share = 0.2
    elif base in reading.TORCHVISION:
        folder = _root(base, root, download)
        train, test, classes = reading.read_torchvision(base, folder, download=download)
    else:
        raise unknown("data set", base, NAMES)
    data = split(
        base,
        _split(*train),
        _split(*test),
        classes,
        search_from=search_from,
        search_share=share,
    )
    return data if name == base else _chosen(data, name)


def split(
    name: str,
    train: Split,
    test: Split,
    classes: Sequence[str],
    *,
    search_from: str = "train",
    search_share: float = 0.1,
) -> Dataset:
    """Cut official training and test images into train, search and test.

    Args:
        name: of the data set; a published mean and deviation is taken if there is one.
        train: all training images.
        test: all test images.
        classes: names of the classes, in the order of the labels.
        search_from: which of the two `search` is cut from.
        search_share: of the training images, with `search_from="train"`; 0 to 1.

    Raises:
        InputError: if a label lies outside the classes or a split would be empty.
    """
    for what, images in (("train", train), ("test", test)):
        check_labels(f"{name}, {what}", images.labels, len(classes))
    mean, deviation = PUBLISHED.get(name) or _statistics(train.images)
    if search_from == "test":
        order, middle = reading.fixed_permutation(len(test)), len(test) // 2
        search, test = test.part(order[:middle]), test.part(order[middle:])
    elif search_from == "train":
        order = reading.stratified(train.labels.numpy())
        middle = len(train) - math.ceil(search_share * len(train))
        train, search = train.part(order[:middle]), train.part(order[middle:])
    else:
        raise unknown("search_from", search_from, ("train", "test"))
    seen = search_from == "test"
    return _filled(Dataset(name, train, search, test, list(classes), mean, deviation, seen))


def normalise(images: torch.Tensor, dataset: Dataset) -> torch.Tensor:
    """Turn bytes into the network's input: (value / 255 - mean) / deviation by channel.

    Args:
        images: uint8, shape (images, channels, height, width).
        dataset: gives mean and deviation.

    Returns:
        A new float32 tensor of that shape, channels_last in memory, on the images' device.
    """
    shape = (1, -1, 1, 1)
    mean = torch.tensor(dataset.mean, device=images.device).view(shape)
    deviation = torch.tensor(dataset.deviation, device=images.device).view(shape)
    inputs = torch.empty(
        images.shape, device=images.device, memory_format=torch.channels_last
    ).copy_(images)
    return inputs.div_(255).sub_(mean).div_(deviation)


def augment(
    images: torch.Tensor, rng: np.random.Generator, *, padding: int = 4, flip: bool = True
) -> torch.Tensor:
    """Shift every image by up to `padding` pixels either way, and mirror about half of them.

    What is shifted in is black. All images are cut out at once, by one indexing.

    Args:
        images: uint8, shape (images, channels, height, width); not changed.
        rng: draws the shifts, then the mirrored ones.
        padding: largest shift in pixels; 0 for none.
        flip: whether to mirror left to right.

    Returns:
        New images of the same shape.

    Source: He et al., 2016, sec. 4.2 (pad by 4 and crop, horizontal flip).

    >>> image = torch.tensor([[[[1, 2, 3]]]], dtype=torch.uint8)
    >>> augment(image, np.random.default_rng(3), padding=0).tolist()
    [[[[3, 2, 1]]]]
    """
    count, _, height, width = images.shape
    top, left = rng.integers(0, 2 * padding + 1, (2, count))
    mirrored = rng.random(count) < 0.5 if flip else np.zeros(count, bool)
    across = np.where(mirrored[:, None], np.arange(width)[::-1], np.arange(width))
    rows = torch.from_numpy(top[:, None] + np.arange(height)).to(images.device)
    columns = torch.from_numpy(left[:, None] + across).to(images.device)
    padded = functional.pad(images, (padding,) * 4)
    which = torch.arange(count, device=images.device)[:, None, None]
    cut = padded[which, :, rows[:, :, None], columns[:, None, :]]  # images, height, width, channels
    return cut.permute(0, 3, 1, 2)


def _root(name: str, root: str | Path | None, download: bool) -> Path:
    """Return the folder of the data, from the argument or the environment."""
    chosen = os.environ.get("EVOPRUNE_DATA") if root is None else root
    if not chosen:
        raise InputError(
            f"root: {name} needs a folder of data; give root (--data-root) or set EVOPRUNE_DATA"
        )
    folder = Path(chosen).expanduser()
    if not folder.is_dir() and not download:
        raise InputError(
            f"root: expected the folder of the data, found none at {folder}; name one that exists, "
            "or say download=True to make it"
        )
    return folder


def _chosen(data: Dataset, name: str) -> Dataset:
    """Return the classes that the name chooses; their labels are 0, 1, ... in its order."""
    places = chosen_places(name, len(data.classes))
    label = torch.full((len(data.classes),), -1)
    label[places] = torch.arange(len(places))
    train, search, test = (part.relabelled(label) for part in (data.train, data.search, data.test))
    official = train.images if data.seen_all_training else torch.cat([train.images, search.images])
    mean, deviation = PUBLISHED.get(data.name) or _statistics(official)
    classes = [data.classes[place] for place in places]
    seen = data.seen_all_training
    return _filled(Dataset(name, train, search, test, classes, mean, deviation, seen))


def _filled(data: Dataset) -> Dataset:
    """Return the data set, or refuse one with an empty split."""
    for what, images in (("train", data.train), ("search", data.search), ("test", data.test)):
        if not len(images):
            raise InputError(
                f"data {data.name}: the split {what} is empty; put more images into the data set"
            )
    return data


def _split(images: reading.Pixels, labels: reading.Labels) -> Split:
    """Bring images of shape (images, height, width, channels) into torch's order."""
    tensor = torch.from_numpy(np.ascontiguousarray(np.moveaxis(images, -1, 1)))
    return Split(tensor, torch.from_numpy(labels))


def check_labels(where: str, labels: torch.Tensor, classes: int) -> None:
    """Refuse labels that name no class.

    Raises:
        InputError: naming the first label outside 0 to classes - 1.
    """
    outside = labels[(labels < 0) | (labels >= classes)]
    if len(outside):
        raise InputError(
            f"labels ({where}): expected 0 to {classes - 1} for {classes} classes, "
            f"got {int(outside[0])}"
        )


def _statistics(images: torch.Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and deviation of each channel, 0 to 1, from its histogram of values."""
    values = torch.arange(256, dtype=torch.double) / 255
    means, deviations = [], []
    for channel in range(images.shape[1]):
        counts = torch.bincount(images[:, channel].flatten(), minlength=256).double()
        share = counts / counts.sum().clamp(min=1)
        mean = float(share @ values)
        means.append(mean)
        deviations.append(float(share @ (values - mean) ** 2) ** 0.5 or 1.0)
    return tuple(means), tuple(deviations)
