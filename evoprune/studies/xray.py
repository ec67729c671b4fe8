"""The picture of an operator: specimens on top, what happens to each gene, and three views below.

A panel is a function that draws one thing from an `operators.xray.XRay`: those for bits are in
`xray_masks.py`, those for reals in `xray_reals.py`. A selection has a picture of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from evoprune.studies import panels, xray_masks, xray_reals
from evoprune.studies.figures import BLUE, GREEN
from evoprune.studies.panels import INK, call_of, chances, headline
from operators.xray import DENSITIES, Choices, XRay

Panel = Callable[[Any, XRay], None]
PANELS: dict[tuple[str, str], tuple[Panel, ...]] = {
    ("mutate", "mask"): (
        xray_masks.mutants,
        xray_masks.cleared_and_set,
        xray_masks.drift,
        xray_masks.change_by_score,
        panels.distance,
    ),
    ("mate", "mask"): (
        xray_masks.children,
        panels.crossed,
        panels.linkage,
        xray_masks.inherited,
        xray_masks.heed_or_drift,
    ),
    ("init", "mask"): (
        xray_masks.newborn,
        xray_masks.kept,
        xray_masks.reached,
        xray_masks.kept_by_score,
        panels.distance,
    ),
    ("mutate", "thresholds"): (
        xray_reals.movers,
        xray_reals.touched,
        xray_reals.change_by_value,
        xray_reals.steps,
        panels.distance,
    ),
    ("mate", "thresholds"): (
        xray_reals.blends,
        panels.crossed,
        xray_reals.way,
        panels.linkage,
        panels.distance,
    ),
    ("init", "thresholds"): (
        xray_reals.values,
        xray_reals.mean_gene,
        xray_reals.value_spread,
        xray_reals.value_by_score,
        panels.distance,
    ),
}


def xray_figure(seen: XRay | Choices) -> Figure:
    """Draw what an operator does.

    Args:
        seen: what `operators.xray.xray` returned.

    Returns:
        A figure for the caller to save.
    """
    return _choices_figure(seen) if isinstance(seen, Choices) else _genes_figure(seen)


def _genes_figure(seen: XRay) -> Figure:
    figure = Figure(figsize=(10.5, 7.4), dpi=110, layout="constrained")
    grid = figure.add_gridspec(3, 3, height_ratios=(2.6, 0.8, 2.3))
    specimens = figure.add_subplot(grid[0, :])
    genes = figure.add_subplot(grid[1, :], sharex=specimens)
    below = [figure.add_subplot(grid[2, column]) for column in range(3)]
    for panel, axes in zip(PANELS[seen.slot, seen.genome], (specimens, genes, *below), strict=True):
        panel(axes, seen)
    _mark_layers(specimens, genes, seen)
    _plain(genes, *below)
    return figure


def _mark_layers(specimens: Any, genes: Any, seen: XRay) -> None:
    """Draw a line between layers, their names on top, and name the axis of the genes once."""
    offsets, names = seen.space.offsets, seen.space.names
    for axes in (specimens, genes):
        for cut in offsets[1:-1]:
            axes.axvline(cut - 0.5, color=INK, lw=0.8)
    for start, stop, name in zip(offsets[:-1], offsets[1:], names, strict=True):
        specimens.text((start + stop - 1) / 2, -0.9, name, ha="center", va="bottom", fontsize=8)
    specimens.tick_params(labelbottom=False, bottom=False)
    genes.set_xlabel("gene, by its place in the genome")
    genes.set_xlim(-0.5, seen.space.genes - 0.5)


def _plain(*several: Any) -> None:
    """Take away what carries no data, and put the grid behind what does."""
    for axes in several:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25, lw=0.6)
        axes.set_axisbelow(True)


def _choices_figure(seen: Choices) -> Figure:
    """Draw a cloud, coloured by how often each is chosen; the same by front; how many differ."""
    figure = Figure(figsize=(10.5, 4.4), dpi=110, layout="constrained")
    cloud, fronts, number = figure.subplots(1, 3, width_ratios=(1.5, 1, 1))
    _cloud(figure, cloud, seen)
    fronts.scatter(seen.rank, seen.copies.mean(axis=0), s=26, color=BLUE, alpha=0.45, lw=0)
    fronts.plot(range(len(seen.by_rank())), seen.by_rank(), color=BLUE, lw=2)
    fronts.set_ylim(-0.05, None)
    fronts.set(xlabel="front that it lies in (0 is the best)", ylabel="mean copies in a run")
    headline(fronts, "How hard it selects")
    different = seen.different()
    share = np.bincount(different.astype(int), minlength=seen.wanted + 1) / different.size
    number.bar(range(share.size), share, width=0.9, color=GREEN)
    number.set_xlim(0, share.size)
    number.set_xlabel("different ones in a run")
    chances(number, "share of runs")
    headline(number, f"{different.mean():.3g} different ones of {seen.wanted}")
    _plain(cloud, fronts, number)
    return figure


def _cloud(figure: Figure, axes: Any, seen: Choices) -> None:
    """Draw the individuals by their objectives, with the three best fronts as steps."""
    for rank in range(3):
        line = seen.points[seen.rank == rank]
        line = line[np.argsort(line[:, 0])]
        axes.step(*line.T, where="post", color=INK, lw=0.8, alpha=0.6 / (rank + 1))
    copies = seen.copies.mean(axis=0)
    colours = LinearSegmentedColormap.from_list("copies", ["white", BLUE])
    how = {"cmap": colours, "vmin": 0, "vmax": max(1.0, float(copies.max()))}
    dots = axes.scatter(*seen.points.T, c=copies, s=70, edgecolor=INK, lw=0.7, zorder=3, **how)
    figure.colorbar(dots, ax=axes, label="mean copies in a run", shrink=0.85)
    axes.set(xlabel="first objective (smaller is better)", ylabel="second objective")
    text = f"{call_of(seen)}: {seen.wanted} of {len(copies)}, {len(seen.copies):,} runs"
    axes.set_title(text, loc="left", fontsize=12, fontweight="bold")


def xray_table(seen: XRay | Choices) -> str:
    """Return what an operator does as a few lines of numbers.

    Args:
        seen: what `operators.xray.xray` returned.
    """
    if isinstance(seen, Choices):
        copies = " ".join(f"{mean:.2f}" for mean in seen.by_rank())
        return (
            f"{call_of(seen)}, {seen.wanted} of {len(seen.points)} individuals, "
            f"{len(seen.copies):,} runs\n"
            f"mean copies by front   {copies}\n"
            f"different in a run     {seen.different().mean():.1f} of {seen.wanted}"
        )
    lines = [f"{call_of(seen)} on {seen.space.genes} genes, {len(seen.after):,} runs"]
    if seen.genome == "mask":
        band, init = seen.drift(), seen.slot == "init"
        lines.append(_row("density asked for" if init else "density of the parent", DENSITIES))
        lines.append(_row("density made" if init else "mean change of it", band.mean))
    far = seen.distance()
    unit = "genes that differ" if seen.genome == "mask" else "mean change of a gene"
    low, high = np.quantile(far, (0.05, 0.95))
    lines.append(f"{unit:23}{far.mean():.3g}, nine tenths from {low:.3g} to {high:.3g}")
    if seen.slot != "init":
        lines.append(f"{'unchanged':23}{seen.unchanged():.1%}")
    if seen.slot == "mate":
        near, far_apart = seen.linkage()[[1, seen.space.genes // 2]]
        lines.append(f"{'cross over':23}{seen.inherited().mean():.1%}")
        lines.append(
            f"{'of the same parent':23}{near:.1%} of neighbours, {far_apart:.1%} far apart"
        )
    if seen.slot == "mutate" and seen.genome == "mask":
        for what, values in (("cleared", seen.cleared()), ("set", seen.restored())):
            low, high = seen.by_score(values, 4)[[0, -1]]
            lines.append(f"{what:23}{values.mean():.2%}; low scores {low:.2%}, high {high:.2%}")
    return "\n".join(lines)


def _row(what: str, numbers: Iterable[float]) -> str:
    return f"{what:23}" + " ".join(f"{number:7.3f}" for number in numbers)
