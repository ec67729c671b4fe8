"""The pictures of what a front agrees on. Each takes masks and objectives and returns a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evoprune.studies.agreement import Masks, by_chance, frequency, holding, most_frequent
from evoprune.studies.figures import BLUE, GREEN, RED
from evoprune.studies.panels import INK, PALE, PERCENT
from evoprune.studies.transfer_figures import heads, label, tidy

Points = NDArray[np.float64]

OBJECTIVES = ("error", "density", "misranked")
COLOURS = (RED, BLUE, GREEN)
SHOWN = 10  # genes, as many as the paper shows
MOST = 600  # genes with a column of their own in the heat map
BINS = 300  # columns, where there are more genes
KEPT = LinearSegmentedColormap.from_list("kept", [PALE, BLUE])


def agreement_figure(
    masks: Masks, points: Points, names: Sequence[str] | None = None, *, unit: str = "features"
) -> Figure:
    """Draw the ten most frequent genes: how many solutions keep each, and what those are like.

    Args:
        masks: shape (solutions, genes), at least one solution.
        points: error, density and misranked on the test split, shape (solutions, 3).
        names: of all genes; their places where there are none.
        unit: what genes are, such as "neurons".
    """
    genes = most_frequent(masks, SHOWN)
    genes = genes[: max(1, int(frequency(masks)[genes].astype(bool).sum()))]  # those that are kept
    figure = Figure(figsize=(8.4, 9.6), dpi=130, layout="constrained")
    panels = figure.subplots(4, 1, sharex=True, height_ratios=(1.2, 1, 1, 1))
    _bars(panels[0], masks, genes)
    panels[0].set_title(f"The {unit} that most heads keep", loc="left")
    for place, axes in enumerate(panels[1:]):
        values, colour = points[:, place], COLOURS[place]
        _boxes(axes, [holding(masks, values, gene) for gene in genes], colour)
        middle = float(np.median(values))
        axes.axhline(middle, color=INK, lw=1, ls=":", label=f"median of all heads, {middle:.3f}")
        axes.set_ylabel(label(OBJECTIVES[place], unit).replace(" (", "\n("))
        _legend(axes)
    panels[1].set_title("The heads that keep each of them, on the test images", loc="left")
    shown = [str(gene) if names is None else names[gene] for gene in genes]
    turned = {"rotation": 40, "ha": "right"} if max(map(len, shown)) > 8 else {}
    panels[-1].set_xticks(range(len(genes)), shown, **turned)
    panels[-1].set_xlim(-0.6, max(len(genes), SHOWN // 2) - 0.4)  # one bar alone is no wall
    panels[-1].set_xlabel(
        f"place of each among the {masks.shape[1]:,} {unit}" if names is None else unit
    )
    return figure


def heatmap_figure(masks: Masks, points: Points, *, unit: str = "features") -> Figure:
    """Draw which genes each solution keeps, sparse ones on top, frequent genes at the left.

    Above stands how frequent each gene is, beside the heat map what each solution reaches. More
    than 600 genes share columns, shaded by the share of them that is kept.

    Args:
        masks: shape (solutions, genes), at least one solution.
        points: error, density and misranked on the test split, shape (solutions, 3).
        unit: what genes are, such as "neurons".
    """
    rows = np.argsort(masks.mean(axis=1), kind="stable")
    genes = most_frequent(masks, masks.shape[1])
    figure = Figure(figsize=(11.0, 6.6), dpi=130, layout="constrained")
    panels = figure.subplots(2, 4, width_ratios=(6, 1, 1, 1), height_ratios=(1, 3.2))
    top, heat = panels[0, 0], panels[1, 0]
    _frequencies(top, masks, genes)
    top.set_title(_agreed(masks, unit), loc="left")
    for axes in panels[0, 1:]:
        axes.set_axis_off()
    top.sharex(heat)
    picture = columns_of(masks[np.ix_(rows, genes)])
    extent = (0, len(genes), len(rows), 0)
    heat.imshow(
        picture, KEPT, aspect="auto", interpolation="nearest", vmin=0, vmax=1, extent=extent
    )
    heat.set_xlabel(f"{unit}, those that most heads keep first")
    heat.set_ylabel(f"{heads(len(rows))}, sparse ones on top")
    heat.yaxis.set_major_locator(MaxNLocator(integer=True))
    for place, axes in enumerate(panels[1, 1:]):
        axes.sharey(heat)
        _strip(axes, points[rows, place], COLOURS[place])
        words = label(OBJECTIVES[place], unit).replace(f"of {unit} ", "")  # the panel is narrow
        axes.set_xlabel(words.replace(" (", "\n("))
    _key(panels[0, 2], len(genes))
    return figure


def columns_of(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return the mean of what genes have, for each column that they share.

    Args:
        values: shape (genes,) or (solutions, genes).

    >>> columns_of(np.array([[1, 0, 1]], bool)).tolist()
    [[1.0, 0.0, 1.0]]
    """
    edges = edges_of(values.shape[-1])
    return np.add.reduceat(values, edges[:-1], axis=-1, dtype=float) / np.diff(edges)


def edges_of(genes: int) -> NDArray[np.intp]:
    """Return the first gene of each column, and their number: a gene a column, if not too many.

    >>> edges_of(3).tolist(), edges_of(3000)[:3].tolist()
    ([0, 1, 2, 3], [0, 10, 20])
    """
    return np.linspace(0, genes, (genes if genes <= MOST else BINS) + 1).round().astype(np.intp)


def _bars(axes: Any, masks: Masks, genes: NDArray[np.intp]) -> None:
    """Draw the frequencies of genes, and what chance would give the genes of these ranks."""
    tidy(axes)
    places = np.arange(len(genes))
    axes.bar(places, frequency(masks)[genes], width=0.7, color=BLUE)
    chance = by_chance(masks)[: len(genes)]
    words = "same rank in random masks of these densities"
    axes.hlines(chance, places - 0.35, places + 0.35, color=INK, lw=2, label=words)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel(f"heads that keep it\n(share of {heads(len(masks))})")
    _legend(axes)


def _boxes(axes: Any, groups: Sequence[NDArray[np.float64]], colour: str) -> None:
    """Draw a box for each gene: the middle half of its holders, the median, whiskers, the rest."""
    tidy(axes)
    drawn = axes.boxplot(
        groups,
        positions=range(len(groups)),
        widths=0.55,
        patch_artist=True,
        medianprops={"color": INK, "lw": 1.6},
        flierprops={"marker": ".", "ms": 4, "mfc": colour, "mec": colour},
    )
    for box in drawn["boxes"]:
        box.set(facecolor=colour, alpha=0.45)


def _frequencies(axes: Any, masks: Masks, genes: NDArray[np.intp]) -> None:
    """Draw the share of solutions that keep each gene, and what chance would give."""
    tidy(axes)
    edges = edges_of(len(genes))
    for shares, label_, how in (
        (frequency(masks)[genes], "the front", {"color": BLUE, "lw": 2}),
        (by_chance(masks), "random masks of these densities", {"color": INK, "lw": 1, "ls": ":"}),
    ):
        axes.stairs(columns_of(shares), edges, baseline=None, label=label_, **how)
    axes.set_ylim(0, 1.02)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel("heads that\nkeep it")
    axes.tick_params(labelbottom=False)
    axes.legend(frameon=False, fontsize=8, loc="upper right")


def _agreed(masks: Masks, unit: str) -> str:
    """Count the genes that are more frequent than the most frequent one of random masks.

    >>> _agreed(np.array([[1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]], bool), "features")
    '1 of 4 features: kept by more heads than any would be by chance'
    """
    often = int(np.sum(frequency(masks) > by_chance(masks)[0]))
    return f"{often:,} of {masks.shape[1]:,} {unit}: kept by more heads than any would be by chance"


def _key(axes: Any, genes: int) -> None:
    """Say what the colours of the heat map mean."""
    shared = f"; paler: some of {genes / BINS:.0f}" if genes > MOST else ""
    marks = [Patch(facecolor=BLUE, label=f"kept{shared}"), Patch(facecolor=PALE, label="removed")]
    legend = axes.legend(handles=marks, loc="lower center", frameon=False, fontsize=9)
    legend.set_in_layout(False)  # it may be wider than its place


def _strip(axes: Any, values: NDArray[np.float64], colour: str) -> None:
    """Draw an objective of each solution, level with its row."""
    tidy(axes)
    middles = np.arange(len(values)) + 0.5
    axes.plot(values, middles, ls="", marker=".", ms=5, color=colour)
    axes.tick_params(labelleft=False, labelsize=8)
    axes.locator_params(axis="x", nbins=3)


def _legend(axes: Any) -> None:
    """Put the legend above the axes, where it hides nothing."""
    axes.legend(
        frameon=False, fontsize=8, loc="lower right", bbox_to_anchor=(1.0, 0.98), borderaxespad=0
    )
