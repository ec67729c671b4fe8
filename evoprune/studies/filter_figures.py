"""The pictures of a run on filters. Each takes plain rows and returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from evoprune.studies.figures import BLUE, GREEN, RED, Rows, _axes

GREYS = {
    "l1-global": ("#444444", "o", "-"),
    "l1-layer": ("#444444", "s", "--"),
    "l2-global": ("#8a8a8a", "o", "-"),
    "l2-layer": ("#8a8a8a", "s", "--"),
    "random": ("#cfcfcf", "x", "-"),
}
FAINT = 0.06


def front_figure(
    front: Rows,
    drawn: Rows,
    baselines: Rows,
    picks: Rows,
    bounds: tuple[float, float],
    dense_error: float,
) -> Figure:
    """Draw error against the kept share of filters: front, controls, picks before and after.

    Args:
        front: rows with density and test_error.
        drawn: the same of a random search of as many passes; may be empty.
        baselines: the same with a column "name".
        picks: rows with density, test_error and, where fine-tuned, tuned_test_error.
        bounds: between which errors the search stayed, on its own images.
        dense_error: of the network as it was, 0 to 1.
    """
    figure, axes = _axes(8.0, 5.4)
    column = "test_error"
    axes.axhspan(*bounds, color=BLUE, alpha=FAINT, lw=0, label="bounds of the search")
    for name, (colour, marker, line) in GREYS.items():
        rows = [row for row in baselines if row["name"] == name]
        if rows:
            axes.plot(
                *_line(rows, column), color=colour, marker=marker, ls=line, ms=3.5, lw=1, label=name
            )
    if drawn:
        label = "random search, as many passes"
        axes.plot(*_line(drawn, column), color=GREEN, marker=".", lw=1.2, label=label)
    axes.plot(*_line(front, column), color=BLUE, marker=".", ms=8, lw=2, label="front")
    tuned = [row for row in picks if "tuned_test_error" in row]
    if tuned:
        after = _line(tuned, "tuned_test_error")
        axes.plot(*after, ls="", color=RED, marker="D", ms=6, label="picks, fine-tuned")
        axes.vlines(after[0], after[1], _line(tuned, column)[1], color=RED, lw=0.8, ls=":")
    axes.axhline(dense_error, color="black", lw=1, ls=":", label=f"dense, {dense_error:.3f}")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1)
    axes.set_xlabel("density (share of filters kept)")
    axes.set_ylabel("error on the test images (share wrong)")
    axes.set_title("Error against size: the front beside one-shot pruning", loc="left")
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def layers_figure(
    names: Sequence[str], sizes: Sequence[int], kept: Sequence[Sequence[int]]
) -> Figure:
    """Draw how many filters of each layer a few networks keep, inside all that there are.

    Args:
        names: of the layers, in order.
        sizes: filters of each layer.
        kept: for each network the filters that it keeps of each layer.
    """
    figure, axes = _axes(8.0, 4.4)
    places = np.arange(len(names))
    axes.bar(places, sizes, width=0.86, color="#e6e6e6", label="dense")
    width = 0.8 / max(len(kept), 1)
    for number, counts in enumerate(kept):
        shift = (number - (len(kept) - 1) / 2) * width
        shade = 0.35 + 0.65 * (number + 1) / len(kept)
        label = f"{sum(counts)} filters"
        axes.bar(places + shift, counts, width=0.9 * width, color=BLUE, alpha=shade, label=label)
    axes.set_xticks(places, names, rotation=40, ha="right", fontsize=8)
    axes.set_ylabel("filters kept")
    axes.set_xlabel("layer, from the image to the classes")
    axes.set_title("Where the filters stay", loc="left")
    axes.legend(frameon=False, fontsize=9)
    return figure


def tuning_figure(picks: Rows, dense_error: float) -> Figure:
    """Draw the errors of the picks before and after fine-tuning, and of their controls.

    Args:
        picks: rows with kept, test_error, tuned_test_error and perhaps control_test_error.
        dense_error: of the network as it was, 0 to 1.
    """
    figure, axes = _axes(6.4, 4.2)
    shown = [
        ("test_error", "#8a8a8a", "as searched"),
        ("tuned_test_error", BLUE, "fine-tuned"),
        ("control_test_error", RED, "same structure, from random weights"),
    ]
    shown = [one for one in shown if one[0] in picks[0]]
    places, width = np.arange(len(picks)), 0.8 / len(shown)
    for number, (column, colour, label) in enumerate(shown):
        shift = (number - (len(shown) - 1) / 2) * width
        values = [row[column] for row in picks]
        bars = axes.bar(places + shift, values, width=0.92 * width, color=colour, label=label)
        axes.bar_label(bars, [f"{value:.3g}" for value in values], fontsize=7, padding=1)
    axes.axhline(dense_error, color="black", lw=1, ls=":", label=f"dense, {dense_error:.3g}")
    axes.set_yscale("log")
    axes.set_xticks(places, [f"{row['kept']}" for row in picks])
    axes.set_xlabel("filters kept")
    axes.set_ylabel("error on the test images (log scale)")
    axes.set_title("Before and after fine-tuning", loc="left")
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _line(rows: Rows, column: str) -> tuple[list[float], list[float]]:
    """Return the densities of rows, rising, and what stands in a column of theirs."""
    ordered = sorted(rows, key=lambda row: row["density"])
    return [row["density"] for row in ordered], [row[column] for row in ordered]
