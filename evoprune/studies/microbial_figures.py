"""The pictures of a run of the microbial GA. Each takes plain rows and returns a figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from evoprune.studies.figures import BLUE, GREEN, RED, Rows

TICKS = (1, 2, 3, 5, 7)  # of a decade
COLUMNS = 2  # panels side by side, where there are several
CURVES = {
    "fitness": ("black", "-"),
    "computation": (BLUE, "-"),
    "sparsity": (GREEN, "-"),
}


def curves_figure(curve: Rows, titles: Mapping[str, str]) -> Figure:
    """Draw the elite's fitness, error, sparsity and computation, a panel a search.

    Shares are read on the left, the error in per cent on the right. Fainter lines stand where the
    elite was retrained.

    Args:
        curve: rows with search, block, generation, fitness, error, computation and sparsity.
        titles: of the panels, by the search.
    """
    across = min(COLUMNS, len(titles))
    down = -(-len(titles) // across)
    figure = Figure(figsize=(5.2 * across + 0.8, 3.6 * down + 0.4), layout="constrained")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes, (search, title) in zip(panels, titles.items(), strict=False):
        rows = [row for row in curve if row["search"] == search]
        generations = [row["generation"] for row in rows]
        for name, (colour, line) in CURVES.items():
            axes.plot(generations, [r[name] for r in rows], color=colour, ls=line, label=name)
        errors = axes.twinx()
        errors.plot(generations, [100 * r["error"] for r in rows], color=RED, ls="--")
        axes.plot([], [], color=RED, ls="--", label="error, right")
        for before, after in pairwise(rows):
            if before["block"] != after["block"]:
                axes.axvline(after["generation"] - 0.5, color="black", alpha=0.12, lw=1)
        axes.set(title=title, xlabel="generation", ylim=(0, 1))
        axes.set_ylabel("fitness, computation, sparsity (shares)")
        errors.set_ylabel("error on the search images, %", color=RED)
        errors.set_ylim(bottom=0)
    for axes in panels[len(titles) :]:
        axes.set_visible(False)
    panels[0].legend(loc="center right", fontsize=8, frameon=False)
    return figure


def networks_figure(rows: Rows, controls: Rows, dense_error: float) -> Figure:
    """Draw the networks of a run: test error against sparsity and against computation.

    Args:
        rows: with params, computation, test_error and final.
        controls: those of random genes, likewise.
        dense_error: of the network as it was, 0 to 1.
    """
    figure = Figure(figsize=(9.6, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    final = [row for row in rows if row["final"]]
    others = [row for row in rows if not row["final"]]
    kinds: Sequence[tuple[Rows, dict[str, object]]] = (
        (others, {"color": BLUE, "marker": ".", "label": "on the way"}),
        (controls, {"color": "#8a8a8a", "marker": "x", "label": "random genes, trained as long"}),
        (final, {"color": RED, "marker": "D", "label": "retrained at the end"}),
    )
    for axes, column, label in (
        (left, "params", "parameters that are left, %"),
        (right, "computation", "computation that is left, %"),
    ):
        for some, style in kinds:
            if some:
                xs, ys = ([100 * row[name] for row in some] for name in (column, "test_error"))
                axes.plot(xs, ys, ls="", **style)
        axes.axhline(100 * dense_error, color="black", lw=1, ls=":", label="dense")
        axes.set(xscale="log", yscale="log", xlabel=label)
        for axis in (axes.xaxis, axes.yaxis):  # plain numbers, and few of them
            axis.set_major_locator(LogLocator(subs=TICKS))
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_locator(NullLocator())
        axes.grid(alpha=0.2)
    left.set_ylabel("test error, %")
    left.set_title("What pruning costs", loc="left")
    right.legend(fontsize=8, frameon=False)
    return figure
