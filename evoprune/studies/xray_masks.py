"""Panels of the picture of an operator on bits."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import ListedColormap

from evoprune.studies.figures import BLUE, GREEN, RED
from evoprune.studies.panels import (
    ACROSS_SCORES,
    GREY,
    INK,
    PALE,
    PERCENT,
    ROWS,
    across_scores,
    along_genes,
    chances,
    chosen_runs,
    draw_rows,
    headline,
    histogram,
    mark_densities,
    ordinal,
    title,
)
from operators.xray import DENSITIES, MIDDLE, Band, XRay

SHADES = [BLUE + alpha for alpha in ("48", "70", "98", "c8", "ff")]  # one for each of DENSITIES
HEEDED = 0.1  # range of a chance over the scores that is no chance
LEAST = 0.002  # mean change of the density that counts, if it is no chance


def mutants(axes: Any, seen: XRay) -> None:
    """Draw specimens: what was cleared and what was set stands out."""
    runs = chosen_runs(seen)
    before, after = seen.before[runs, 0], seen.after[runs, 0]
    picture = np.where(before != after, 2 + after, before)  # 0, 1 as they were, 2 cleared, 3 set
    colours = ListedColormap([PALE, GREY, RED, GREEN])
    draw_rows(axes, picture, "density of the parent", cmap=colours, vmin=0, vmax=3)
    mark_densities(axes)
    named = ((GREY, "kept"), (PALE, "removed"), (RED, "cleared now"), (GREEN, "set now"))
    title(axes, seen, f"{len(runs)}", *named)


def cleared_and_set(axes: Any, seen: XRay) -> None:
    """Draw the chance of each gene to be cleared, and to be set."""
    along_genes(axes, (seen.cleared(), RED), (seen.restored(), GREEN))
    chances(axes, "chance")


def drift(axes: Any, seen: XRay) -> None:
    """Draw by how much the density changes, with nine tenths of the runs as a band."""
    band = seen.drift()
    axes.axhline(0, color=INK, lw=1, ls=":")
    axes.fill_between(DENSITIES, band.low, band.high, color=BLUE, alpha=0.15, lw=0)
    axes.plot(DENSITIES, band.mean, color=BLUE, marker="o", ms=4, lw=2)
    reach = 1.15 * float(np.abs([band.mean, band.low, band.high]).max())
    axes.set_ylim(-max(0.02, reach), max(0.02, reach))
    axes.set_xticks(DENSITIES)
    axes.set_xlabel("density of the parent (share kept)")
    axes.set_ylabel("change of the density")
    headline(axes, drift_in_words(band))


def drift_in_words(band: Band) -> str:
    """Say where the density goes, if its mean change is more than chance: four standard errors.

    >>> nothing = np.zeros(5)
    >>> drift_in_words(Band(np.array([0.1, 0.05, 0, -0.05, -0.1]), nothing, nothing, nothing))
    'The density drifts to the middle'
    """
    least = np.maximum(LEAST, 4 * band.error)
    up, down = band.mean > least, band.mean < -least
    if up.any() and down.any():
        return f"The density drifts to the {'middle' if up[0] else 'ends'}"
    if up.any() or down.any():
        return f"Masks get {'denser' if up.any() else 'sparser'}"
    return "The density stays, on average"


def change_by_score(axes: Any, seen: XRay) -> None:
    """Draw the chances to be cleared and to be set by the score of the gene."""
    for values, colour, label in (
        (seen.cleared(), RED, "cleared, if it was kept"),
        (seen.restored(), GREEN, "set, if it was removed"),
    ):
        axes.plot(*across_scores(seen, values), color=colour, lw=2, marker=".", label=label)
    chances(axes, "chance of a gene, in a run")
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
    axes.set_xlabel(ACROSS_SCORES)
    headline(axes, "Does it heed the score?")
    axes.legend(frameon=False, fontsize=8, loc="upper center")


def children(axes: Any, seen: XRay) -> None:
    """Draw children of parents that differ in every gene: whose is which?"""
    runs = np.flatnonzero(seen.density == MIDDLE)[: ROWS * len(DENSITIES)]
    own, other = seen.before[runs, seen.busier()], seen.before[runs, 1 - seen.busier()]
    child = seen.after[runs, seen.busier()]
    picture = np.where(own == other, 0, np.where(child == own, 1, 2))
    colours = ListedColormap([PALE, BLUE, RED])
    draw_rows(axes, picture, f"{ordinal(seen)} children", cmap=colours, vmin=0, vmax=2)
    title(axes, seen, f"{len(runs)}", (BLUE, "its own parent's"), (RED, "the other's"))


def inherited(axes: Any, seen: XRay) -> None:
    """Draw how many of the genes that differ cross over."""
    share = seen.inherited()
    histogram(axes, share, np.linspace(0, 1, 22), RED)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PERCENT)
    axes.set_xlabel("genes that cross over, of those that differ")
    chances(axes, "share of children")
    headline(axes, f"On average {100 * share.mean():.0f} % cross over")


def heed_or_drift(axes: Any, seen: XRay) -> None:
    """Draw who gets the important genes, if a crossover heeds scores, else the drift."""
    lines = [across_scores(seen, seen.held(child)) for child in (0, 1)]
    if max(np.ptp(chance) for _, chance in lines) < HEEDED:
        drift(axes, seen)
        return
    for line, colour, which in zip(lines, (BLUE, RED), ("first", "second"), strict=True):
        axes.plot(*line, color=colour, lw=2, marker=".", label=f"{which} child")
    chances(axes, "chance to be kept, if one parent does", 1.22)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel(ACROSS_SCORES)
    headline(axes, "Who gets the important genes?")
    axes.legend(frameon=False, fontsize=8, ncols=2, loc="upper center")


def newborn(axes: Any, seen: XRay) -> None:
    """Draw specimens of an initialiser."""
    runs = chosen_runs(seen)
    colours = ListedColormap([PALE, BLUE])
    draw_rows(axes, seen.after[runs, 0], "density asked for", cmap=colours, vmin=0, vmax=1)
    mark_densities(axes)
    title(axes, seen, f"{len(runs)}", (BLUE, "kept"), (PALE, "removed"))


def kept(axes: Any, seen: XRay) -> None:
    """Draw the chance of each gene to be kept, over all densities."""
    along_genes(axes, (seen.kept(), BLUE))
    chances(axes, "kept", 1)


def reached(axes: Any, seen: XRay) -> None:
    """Draw the density made against the one asked for."""
    band = seen.drift()
    axes.plot([0, 1], [0, 1], color=INK, lw=1, ls=":")
    axes.fill_between(DENSITIES, band.low, band.high, color=BLUE, alpha=0.15, lw=0)
    axes.plot(DENSITIES, band.mean, color=BLUE, marker="o", ms=4, lw=2)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="density asked for", ylabel="density made")
    off = float(np.abs(band.mean - DENSITIES).max())
    headline(axes, "As dense as asked" if off < 0.02 else f"Off the density by up to {off:.2f}")


def kept_by_score(axes: Any, seen: XRay) -> None:
    """Draw the chance to be kept by the score of the gene, a line a density."""
    for density, shade in zip(DENSITIES, SHADES, strict=True):
        values = seen.after[seen.density == density, 0].mean(axis=0)
        axes.plot(*across_scores(seen, values), color=shade, lw=2, label=f"{density:g}")
    chances(axes, "chance to be kept", 1.22)
    axes.set_yticks([0, 0.25, 0.5, 0.75, 1])
    axes.set_xlabel(ACROSS_SCORES)
    headline(axes, "Does it heed the score?")
    how = {"handlelength": 0.9, "columnspacing": 0.9, "handletextpad": 0.3, "loc": "upper center"}
    axes.legend(frameon=False, fontsize=8, ncols=5, **how)
