"""Panels of the picture of an operator on real genes from 0 to 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from evoprune.studies.figures import BLUE, GREEN, RED
from evoprune.studies.panels import (
    ACROSS_SCORES,
    INK,
    PALE,
    across_scores,
    along_genes,
    chances,
    chosen_runs,
    draw_rows,
    headline,
    histogram,
    ordinal,
    title,
)
from operators.xray import XRay

BEYOND = 0.55  # how far beyond its parents a gene is drawn; what is farther is in the last bars


def movers(axes: Any, seen: XRay) -> None:
    """Draw specimens: which genes rise and which fall."""
    runs = chosen_runs(seen)
    change = seen.after[runs, 0] - seen.before[runs, 0]
    reach = float(np.quantile(np.abs(change[change != 0]), 0.9)) if change.any() else 1.0
    colours = LinearSegmentedColormap.from_list("change", [RED, PALE, GREEN])
    draw_rows(axes, change, "specimens", cmap=colours, vmin=-reach, vmax=reach)
    lower, higher = (RED, f"lower by {reach:.2g}"), (GREEN, f"higher by {reach:.2g}")
    title(axes, seen, f"{len(runs)}", lower, (PALE, "as it was"), higher)


def touched(axes: Any, seen: XRay) -> None:
    """Draw the chance of each gene to change."""
    along_genes(axes, (seen.touched(), BLUE))
    chances(axes, "chance")


def change_by_value(axes: Any, seen: XRay) -> None:
    """Draw the change of the genes that change by their value, with nine tenths as a band."""
    before, change = seen.before.ravel(), (seen.after - seen.before).ravel()
    before, change = before[change != 0], change[change != 0]
    axes.axhline(0, color=INK, lw=1, ls=":")
    if change.size:
        parts = np.array_split(np.argsort(before), min(16, change.size))
        middle = [before[part].mean() for part in parts]
        low, high = ([np.quantile(change[part], q) for part in parts] for q in (0.05, 0.95))
        axes.fill_between(middle, low, high, color=BLUE, alpha=0.15, lw=0)
        axes.plot(middle, [change[part].mean() for part in parts], color=BLUE, lw=2)
    axes.set_xlabel("gene of the parent (bounds 0 and 1)")
    axes.set_ylabel("change, of those that change")
    headline(axes, "Where genes go")


def steps(axes: Any, seen: XRay) -> None:
    """Draw how long the steps are."""
    change = (seen.after - seen.before).ravel()
    histogram(axes, change[change != 0], 41, GREEN)
    axes.set_xlabel("change of a gene that changes")
    chances(axes, "share of these genes")
    headline(axes, f"Steps; {100 * seen.touched().mean():.2g} % of the genes make one")


def blends(axes: Any, seen: XRay) -> None:
    """Draw first children: how far each gene goes over to the other parent."""
    runs = chosen_runs(seen)
    colours = LinearSegmentedColormap.from_list("way", [BLUE, PALE, RED])
    ways = seen.crossed()[runs, seen.busier()]
    draw_rows(axes, ways, f"{ordinal(seen)} children", cmap=colours, vmin=0, vmax=1)
    named = ((BLUE, "its own parent's"), (PALE, "half way"), (RED, "the other's"))
    title(axes, seen, f"{len(runs)}", *named)


def way(axes: Any, seen: XRay) -> None:
    """Draw where genes lie between their parents, or beyond."""
    over = seen.crossed()[:, seen.busier()].ravel()
    over = over[np.isfinite(over)]
    bins = np.linspace(-BEYOND, 1 + BEYOND, 43)
    histogram(axes, np.clip(over, bins[0], bins[-1]), bins, RED)
    for parent in (0, 1):
        axes.axvline(parent, color=INK, lw=1, ls=":")
    axes.set_xticks([0, 0.5, 1], ["own\nparent", "half\nway", "other\nparent"])
    chances(axes, "share of genes")
    headline(axes, f"{100 * ((over > 0) & (over < 1)).mean():.0f} % lie between their parents")


def values(axes: Any, seen: XRay) -> None:
    """Draw specimens of an initialiser."""
    runs = chosen_runs(seen)
    colours = LinearSegmentedColormap.from_list("values", [PALE, BLUE])
    draw_rows(axes, seen.after[runs, 0], "newborn", cmap=colours, vmin=0, vmax=1)
    title(axes, seen, f"{len(runs)}", (PALE, "gene 0"), (BLUE, "gene 1"))


def mean_gene(axes: Any, seen: XRay) -> None:
    """Draw the mean of each gene."""
    along_genes(axes, (seen.kept(), BLUE))
    axes.set_ylim(0, 1)
    axes.set_ylabel("mean")


def value_spread(axes: Any, seen: XRay) -> None:
    """Draw where genes lie between their bounds."""
    histogram(axes, seen.after.ravel(), np.linspace(0, 1, 41), BLUE)
    axes.set_xlabel("gene (bounds 0 and 1)")
    chances(axes, "share of genes")
    headline(axes, "Where genes lie")


def value_by_score(axes: Any, seen: XRay) -> None:
    """Draw the mean gene by its score."""
    axes.plot(*across_scores(seen, seen.kept()), color=BLUE, lw=2, marker=".")
    axes.set_ylim(0, 1)
    axes.set_xlabel(ACROSS_SCORES)
    axes.set_ylabel("mean gene")
    headline(axes, "Does it heed the score?")
