"""Grad-CAM: where in an image a feature of a trunk looks, or a class of a head behind it.

Start reading at `gradcam`. The last tensor of the trunk that still has positions is a stack of
maps. Each map is weighted by how much the feature grows with it, averaged over all positions; the
positive part of the weighted sum, brought to the size of the image, says where the feature comes
from. The trunk itself gets no hook: it is run call by call, with a module at that place to look at.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from evoprune.errors import InputError
from evoprune.network.trunk import Transferred, Trunk

Seen = Callable[[fx.Node, Any], Any]


def gradcam(
    trunk: Trunk,
    images: torch.Tensor,
    place: int | torch.Tensor,
    *,
    head: nn.Module | None = None,
    size: int | None = None,
    batch: int = 32,
) -> torch.Tensor:
    """Return for each image where a feature looks.

    For pooled features the map is the positive part of the feature's own map; of a feature that is
    one cell of its map, of that cell. Where features are flattened maps, each is one position of
    its map; as Grad-CAM averages over positions, all features of a map have the same picture.

    Args:
        trunk: frozen; it stays as it was.
        images: normalised, one or more, shape (images, channels, height, width).
        place: of the feature; or int64, shape (images,), of one for each image.
        head: what goes on from the features, run in the mode that it is in. `place` is then one of
            its outputs, such as a class.
        size: height and width that the images are brought to first, as in `features_of`.
        batch: images a forward pass.

    Returns:
        float32, shape (images, height, width) of the images as they were given, on their device.
        The maximum of an image is 1, or 0 if nothing in it raises the feature.

    Raises:
        InputError: if captum is not installed, or no layer of the trunk has positions.

    Source: Selvaraju et al., 2017, eq. 1 and 2, by captum's `LayerGradCam`. The cell is ours.
    """
    attr = captum()
    steps = _Watched(trunk, resized(images[:1], size))
    network = steps if head is None else Transferred(steps, head)
    method, (height, width) = attr.LayerGradCam(network, steps.positions), images.shape[2:]
    places = torch.as_tensor(place, device=images.device).expand(len(images))
    parts = []
    for some, target in zip(images.split(batch), places.split(batch), strict=True):
        coarse = method.attribute(resized(some, size), target, relu_attributions=True).detach()
        if head is None and trunk.pool > 1:
            coarse = _in_their_cells(coarse, target, trunk.pool)
        fine = attr.LayerAttribution.interpolate(coarse, (height, width), "bilinear")
        parts.append(_scaled(fine[:, 0].float()))
    return torch.cat(parts)


def lookers(features: torch.Tensor, place: int, count: int = 5) -> torch.Tensor:
    """Return the images on which a feature is largest.

    Args:
        features: of all images, shape (images, features).
        place: of the feature.
        count: of images, 1 or more; all come if there are not so many.

    Returns:
        Places of the images, int64, shape (count,): the largest first, of equal ones the earlier.

    >>> lookers(torch.tensor([[0.1, 5.0], [0.9, 0.0], [0.9, 2.0]]), 0, count=2).tolist()
    [1, 2]
    """
    return features[:, place].argsort(descending=True, stable=True)[:count]


def captum() -> Any:
    """Return captum's attributions, which only those who ask for pictures need.

    Raises:
        InputError: if captum is not installed.
    """
    try:
        return importlib.import_module("captum.attr")
    except ImportError as cause:
        raise InputError(
            "explain: needs the package captum; pip install 'evoprune[explain]'"
        ) from cause


def last_with_positions(trunk: Trunk, image: torch.Tensor) -> fx.Node:
    """Return the call of a trunk that gives the last maps: four dimensions, more than a row.

    Args:
        trunk: frozen.
        image: normalised, shape (1, channels, height, width).

    Raises:
        InputError: if there is none, or its positions go on as a sequence through other layers.
    """
    found: list[fx.Node] = []

    def look(node: fx.Node, value: Any) -> Any:
        if isinstance(value, torch.Tensor) and node.op not in ("placeholder", "output"):
            if value.ndim == 4 and min(value.shape[2:]) > 1:
                found.append(node)
            elif value.ndim == 3 and node.op == "call_module":
                found.clear()  # as in a transformer: what is at a place no longer comes from there
        return value

    with torch.no_grad():
        _Steps(trunk.upto, look).run(image)
    if not found:
        raise InputError(
            f"explain: expected a backbone whose last layers have positions, as a convolutional "
            f"network's; before {trunk.layer} there are none that Grad-CAM could show"
        )
    return found[-1]


class _Steps(fx.Interpreter):
    """Run a traced network call by call, and go on with what is made of each value."""

    def __init__(self, network: fx.GraphModule, seen: Seen) -> None:
        super().__init__(network)
        self.seen = seen

    def run_node(self, n: fx.Node) -> Any:
        """Return the value of a call."""
        return self.seen(n, super().run_node(n))


class _Watched(nn.Module):
    """A trunk that is run call by call; its last maps pass through the module `positions`."""

    def __init__(self, trunk: Trunk, image: torch.Tensor) -> None:
        super().__init__()
        self.trunk, self.positions = trunk, nn.Identity()
        self.node = last_with_positions(trunk, image)
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, height, width) to features (batch, features)."""
        return self.trunk.pooled(_Steps(self.trunk.upto, self._through).run(images))

    def _through(self, node: fx.Node, value: Any) -> Any:
        return self.positions(value) if node is self.node else value


def resized(images: torch.Tensor, size: int | None) -> torch.Tensor:
    """Return images brought to a height and width, as the features were taken."""
    if size is None:
        return images
    return nn.functional.interpolate(images, (size, size), mode="bilinear")


def _in_their_cells(maps: torch.Tensor, places: torch.Tensor, pool: int) -> torch.Tensor:
    """Return maps (images, 1, height, width) with zeros outside of the cell of each one's feature.

    Cells are those of `Trunk.pooled`: where sides do not divide, they overlap by a row or column.
    """
    height, width = maps.shape[2:]
    inside = torch.zeros_like(maps)
    for one, place in zip(inside, places.tolist(), strict=True):
        down, across = divmod(place % pool**2, pool)
        rows = slice(down * height // pool, -(-(down + 1) * height // pool))
        columns = slice(across * width // pool, -(-(across + 1) * width // pool))
        one[:, rows, columns] = 1
    return maps * inside


def _scaled(maps: torch.Tensor) -> torch.Tensor:
    """Return maps (images, height, width) divided by the maximum of each, where there is one."""
    most = maps.amax((1, 2), keepdim=True)
    return maps / torch.where(most > 0, most, 1)
