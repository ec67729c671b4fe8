"""Backbones: networks that others trained, to transfer from, and images as they expect them.

Start reading at `backbone`. `mean_and_deviation` says how its images were normalised in training,
`brought` gives them the channels and the size that it takes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import InputError, unknown
from evoprune.network.checkpoints import content_of, note_in, state_dict_in
from evoprune.network.datasets import Dataset
from evoprune.network.models import MODELS, build, load_weights

DOWNLOAD = "download"
COLOUR = 3  # channels
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # mean and deviation
LUMA = (299, 587, 114)  # thousandths of red, green and blue that make up the grey of a colour


def backbone(
    name: str,
    *,
    weights: str | Path | None = None,
    classes: int | None = None,
    channels: int = 3,
    image_size: int = 224,
    trust_pickle: bool = False,
) -> nn.Module:
    """Make a network with the weights that it was trained to, in evaluation mode.

    Args:
        name: one of `models.MODELS` or of `torchvision.models`.
        weights: a checkpoint file, "download" for the weights that torchvision offers, or None for
            first weights, untrained.
        classes: outputs. If None, as many as the weights have; ten without weights.
        channels: of the images.
        image_size: height and width of the images in pixels.
        trust_pickle: as in `models.load_weights`.

    Raises:
        InputError: if the name is unknown, the weights cannot be had, or they do not fit.

    >>> backbone("resnet20", classes=5, image_size=32)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """
    if weights == DOWNLOAD:
        return _downloaded(name, classes, channels, image_size)
    if weights is None:
        outputs = 10 if classes is None else classes
        return build(name, classes=outputs, channels=channels, image_size=image_size)
    content = content_of(weights, trust_pickle=trust_pickle)
    outputs = _outputs(state_dict_in(content, weights), weights) if classes is None else classes
    model = build(name, classes=outputs, channels=channels, image_size=image_size)
    load_weights(model, weights, trust_pickle=trust_pickle)
    if hasattr(model, "transform_input"):  # those of ImageNet were trained on -1 to 1
        model.transform_input = not note_in(content)  # type: ignore[assignment]
    return model


def mean_and_deviation(
    name: str, source: Dataset | None = None, *, channels: int = 3
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the mean and deviation of each channel that a backbone's images are normalised by.

    Published checkpoints, those of the CIFAR ResNets too, take ImageNet's; where torchvision says
    otherwise of its own network, it is believed.

    Args:
        name: of the backbone.
        source: what it was trained on here; None for a published checkpoint.
        channels: that the backbone takes.

    Raises:
        InputError: if a published checkpoint does not take three channels.

    >>> mean_and_deviation("resnet56")
    ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    """
    if source is not None:
        return source.mean, source.deviation
    if channels != COLOUR:
        raise InputError(
            f"source: {name} takes images of {channels} channel(s), and the usual mean and "
            "deviation are those of colour; name the data set that it was trained on"
        )
    if name in MODELS:
        return IMAGENET
    shown = _offered(name).transforms()
    return tuple(shown.mean), tuple(shown.std)


def brought(
    images: torch.Tensor, *, channels: int, size: int | None = None, batch: int = 256
) -> torch.Tensor:
    """Bring images to the channels and the size that a backbone takes.

    Grey is repeated in every channel. Colour becomes grey by its luma, .299 red + .587 green +
    .114 blue (ITU-R BT.601). Sizes change bilinearly, smoothed where images shrink. The fewer
    channels are resized, and only a batch at a time is held in floating point.

    Args:
        images: uint8, shape (images, channels, height, width); not changed.
        channels: wanted, 1 or 3.
        size: height and width in pixels; None leaves them.
        batch: images that are resized at once.

    Returns:
        uint8, shape (images, channels, size, size). It may share its memory with the images, and
        the channels of grey with each other.

    Raises:
        InputError: if the channels are neither alike nor 1 and 3, or the size is less than 1.

    >>> colour = torch.tensor([255, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    >>> brought(colour, channels=1, size=2).flatten().tolist()
    [76, 76, 76, 76]
    """
    own = images.shape[1]
    if channels != own and {channels, own} != {1, COLOUR}:
        raise InputError(f"channels: expected 1 or 3 for images and network, got {own}, {channels}")
    if channels < own:
        images = torch.cat([_grey(some) for some in images.split(batch)])
    if size is not None:
        images = _resized(images, size, batch)
    return images.expand(-1, channels, -1, -1)


def _outputs(state: dict[str, Any], path: str | Path) -> int:
    """Return how many classes the weights tell apart: the rows of their last matrix."""
    rows = [len(value) for value in state.values() if getattr(value, "ndim", 0) >= 2]
    if not rows:
        raise InputError(f"weights {path}: expected the weights of a network, found no matrix")
    return rows[-1]


def _downloaded(name: str, classes: int | None, channels: int, image_size: int) -> nn.Module:
    """Fetch a network of torchvision with its own weights; torch keeps them for the next time."""
    offered = _offered(name)
    for what, got, expected in (
        ("classes", classes, len(offered.meta["categories"])),
        ("channels", channels, COLOUR),
    ):
        if got not in (None, expected):
            raise InputError(
                f"{what}: torchvision's weights of {name} take {expected}, got {got}; leave it out"
            )
    least = offered.meta["min_size"][0]
    if image_size < least or (name.startswith("vit_") and image_size != least):
        raise InputError(
            f"image_size: torchvision's weights of {name} expect {least} pixels"
            f"{'' if name.startswith('vit_') else ' or more'}, got {image_size}"
        )
    from torchvision import models

    try:
        return models.get_model(name, weights=offered).eval()
    except Exception as cause:  # no connection, no space, or a damaged file of an earlier time
        said = (str(cause).strip() or repr(cause)).splitlines()[0]
        raise InputError(
            f"weights: those of {name} could not be fetched from {offered.url}: {said}; write "
            "--weights FILE to take them from a file"
        ) from cause


def _offered(name: str) -> Any:
    """Return what torchvision says of its best weights for one of its networks."""
    from torchvision import models  # takes a second to import

    names = models.list_models(module=models)
    if name in MODELS:
        raise InputError(
            f"weights: torchvision offers none of {name}; write --weights FILE, or take one of its "
            "own networks, such as resnet18"
        )
    if name not in names:
        raise unknown("model", name, [*MODELS, *names])
    return models.get_model_weights(name).DEFAULT


def _grey(colour: torch.Tensor) -> torch.Tensor:
    """Return the luma of each pixel, rounded."""
    luma = torch.tensor(LUMA, dtype=torch.int32, device=colour.device).view(1, -1, 1, 1)
    return ((colour * luma).sum(1, keepdim=True) + 500).div(1000, rounding_mode="floor").byte()


def _resized(images: torch.Tensor, size: int, batch: int) -> torch.Tensor:
    """Return the images in another size, rounded to bytes again."""
    if size < 1:
        raise InputError(f"image_size: expected pixels from 1 on, got {size}")
    if images.shape[2:] == (size, size):
        return images
    new = images.new_empty((*images.shape[:2], size, size))
    for some, place in zip(images.split(batch), new.split(batch), strict=True):
        larger = functional.interpolate(
            some.float(), (size, size), mode="bilinear", antialias=True, align_corners=False
        )
        place.copy_(larger.round_().clamp_(0, 255))
    return new
