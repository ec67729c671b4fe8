"""What the neurons look at that a front agrees on: the images that move them most, with Grad-CAM.

Start reading at `explained`; `gradcam_figure` draws rows of any images and maps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from numpy.typing import NDArray
from torch import nn

from evoprune.errors import InputError
from evoprune.network.gradcam import captum, gradcam, last_with_positions, lookers, resized
from evoprune.network.trunk import Trunk, features_of
from evoprune.studies.panels import INK

HEAT = LinearSegmentedColormap.from_list("heat", ["#ffd54a00", "#ffb00088", "#e4311cc4"])
FAINT = "#6b747d"
CELL, BETWEEN, ABOVE = 1.3, 0.1, 0.28  # inches: an image, to the next one, to the row above
LEFT, TOP, BOTTOM, EDGE = 1.35, 0.75, 0.7, 0.12  # inches: names, headline, scale, margin
NARROWEST = 5.2  # inches, for the headline
LONGEST = 18  # letters of a name above an image


@dataclass(frozen=True)
class Looked:
    """A neuron and the images that move it most.

    Attributes:
        name: such as "feature 17".
        share: of the front's solutions that keep it, 0 to 1.
        images: uint8, shape (images, channels, height, width), of 1 or 3 channels.
        maps: where it looks, 0 to 1, shape (images, height, width).
        classes: names of the images' classes.
    """

    name: str
    share: float
    images: NDArray[np.uint8]
    maps: NDArray[np.float32]
    classes: Sequence[str]


def explained(
    trunk: Trunk,
    raw: torch.Tensor,
    images: torch.Tensor,
    labels: torch.Tensor,
    classes: Sequence[str],
    shares: Mapping[int, float],
    *,
    head: nn.Module | None = None,
    kind: str = "feature",
    features: torch.Tensor | None = None,
    size: int | None = None,
    count: int = 5,
) -> Figure:
    """Draw what neurons of a transfer look at, on the images where they are largest.

    Args:
        trunk: frozen; it stays as it was.
        raw: uint8, shape (images, channels, height, width).
        images: the same, normalised.
        labels: int64, shape (images,): places in `classes`.
        classes: names.
        shares: for the place of each neuron to show, the share of the front's solutions that keep
            it; a row each, in this order.
        head: what makes the neurons of the features, such as hidden units; None for the features
            themselves.
        kind: what such a neuron is called.
        features: `features_of` the images, where they are known.
        size: that the images are brought to for the trunk, as in `features_of`.
        count: of images a neuron.

    Raises:
        InputError: if no neuron is given, captum is not installed, or no layer of the trunk has
            positions.
    """
    captum()  # what cannot be drawn is said before anything is computed
    last_with_positions(trunk, resized(images[:1], size))
    known = features_of(trunk, images, size=size) if features is None else features
    with torch.no_grad():
        values = known if head is None else head(known)
    rows = []
    for place, share in shares.items():
        best = lookers(values, place, count).cpu()
        maps = gradcam(trunk, images[best], place, head=head, size=size).cpu().numpy()
        names = [classes[label] for label in labels[best].tolist()]
        rows.append(Looked(f"{kind} {place}", share, raw[best].cpu().numpy(), maps, names))
    return gradcam_figure(rows)


def gradcam_figure(rows: Sequence[Looked]) -> Figure:
    """Draw a row for each neuron: its name, then images with where it looks laid over.

    Args:
        rows: one or more.

    Raises:
        InputError: if there is no row.
    """
    if not rows:
        raise InputError("explain: expected one neuron or more to show, got none")
    columns = max(len(row.images) for row in rows)
    figure, grid = _page(len(rows), columns)
    for line, row in enumerate(rows):
        cells = [figure.add_subplot(grid[line, column]) for column in range(len(row.images))]
        for axes, image, heat, name in zip(cells, row.images, row.maps, row.classes, strict=True):
            _picture(axes, image, heat, name)
        _name(cells[0], row)
    return figure


def _page(rows: int, columns: int) -> tuple[Figure, GridSpec]:
    """Return a figure with headline and scale, and the grid of its images, all sizes in inches."""
    right = LEFT + columns * CELL + (columns - 1) * BETWEEN
    width = max(right + EDGE, NARROWEST)
    height = TOP + BOTTOM + rows * CELL + (rows - 1) * ABOVE
    figure = Figure(figsize=(width, height), dpi=130)
    for text, down, size, colour in (
        ("The neurons that the front agrees on, and what they look at", EDGE, 12, INK),
        ("on the images where each is largest, from left to right", 3 * EDGE, 9, FAINT),
    ):
        figure.text(EDGE / width, 1 - down / height, text, fontsize=size, color=colour, va="top")
    _scale(figure.add_axes((LEFT / width, 0.42 / height, 2 * CELL / width, 0.11 / height)))
    grid = figure.add_gridspec(
        rows,
        columns,
        left=LEFT / width,
        right=right / width,
        top=1 - TOP / height,
        bottom=BOTTOM / height,
        wspace=BETWEEN / CELL,
        hspace=ABOVE / CELL,
    )
    return figure, grid


def _picture(axes: Any, image: NDArray[np.uint8], heat: NDArray[np.float32], name: str) -> None:
    """Draw an image in grey, so that all colour is heat, and where the neuron looks over it."""
    axes.imshow(image.mean(axis=0), cmap="gray", vmin=-25, vmax=280)  # neither black nor white
    axes.imshow(heat, cmap=HEAT, vmin=0, vmax=1, interpolation="bicubic")
    axes.set_title(name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…", fontsize=8, pad=3)
    axes.set_axis_off()


def _name(axes: Any, row: Looked) -> None:
    """Write at the left of a row which neuron it is, and how much of the front keeps it."""
    below = f"kept by {100 * row.share:.0f} %"
    if not row.maps.any():
        below += "\nraised nowhere here"
    for text, up, va, how in (
        (row.name, 2, "bottom", {"fontsize": 9, "color": INK, "fontweight": "bold"}),
        (below, -2, "top", {"fontsize": 8, "color": FAINT}),
    ):
        axes.annotate(
            text,
            (0, 0.5),
            (-8, up),
            xycoords="axes fraction",
            textcoords="offset points",
            ha="right",
            va=va,
            **how,
        )


def _scale(axes: Any) -> None:
    """Draw what the colours mean, on the grey that they are seen on."""
    axes.imshow(np.linspace(0, 1, 256)[None], cmap=HEAT, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_facecolor("#b0b0b0")
    axes.set_xticks([0, 0.5, 1], ["0", "half", "most"])
    axes.set_yticks([])
    axes.tick_params(length=2, pad=2, labelsize=8)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("how much a place raises the neuron (Grad-CAM)", fontsize=8, labelpad=1)
