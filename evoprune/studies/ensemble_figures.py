"""The picture of the ensembles of a run on transferred heads."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from evoprune.studies.figures import BLUE, GREEN, RED, Rows
from evoprune.studies.transfer_figures import COLUMNS, Row, label, objective, tidy

ROUNDING = 1e-9  # of a difference of two shares


def ensembles_figure(ensembles: Rows, front: Rows, dense: Row) -> Figure:
    """Draw each ensemble beside its best member: which of the two is better is the colour.

    The best member of one panel need not be that of the other. Names are bold where the ensemble
    is better in both.

    Args:
        ensembles: rows with name, vote, members (their number), test_error, test_misranked,
            best_member_error and best_member_misranked; what is not a number is left out.
        front: rows with test_error and test_misranked, one or more.
        dense: the same of the dense head.
    """
    height = 2.4 + 0.27 * max(len(ensembles), 3)
    figure = Figure(figsize=(10.4, height), dpi=130, layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    won = np.ones(len(ensembles), bool)
    for axes, column in zip(panels, COLUMNS[1:], strict=True):
        ours = np.array([row[column] for row in ensembles], float)
        best = np.array([row[f"best_member_{objective(column)}"] for row in ensembles], float)
        _pairs(axes, ours, best)
        won &= ours - best < -ROUNDING
        least = min(row[column] for row in front)
        axes.axvline(least, color=BLUE, lw=1, ls="--", label="least of the front")
        axes.axvline(dense[column], color="black", lw=1.2, ls=":", label="dense head")
        axes.set_xlabel(label(column, ""))
        axes.locator_params(axis="x", nbins=5)
        axes.set_title(_counted(objective(column), ours, best), loc="left", fontsize=11, pad=12)
    _name(panels[0], ensembles, won)
    words = (
        f"{won.sum()} of {won.size} ensembles (bold) beat every member in both, on the test images"
    )
    figure.suptitle(words, x=0.02, ha="left")
    _legend(figure)
    return figure


def _pairs(axes: Any, ours: np.ndarray, best: np.ndarray) -> None:
    """Draw what ensembles and their best members have, joined, and the difference in figures."""
    tidy(axes)
    places = np.arange(len(ours))
    axes.plot(
        best, places, ls="", marker="o", ms=7, mfc="white", mec="#555555", label="best member"
    )
    less = ours - best
    for words, colour, which in (
        ("ensemble, better than it", GREEN, less < -ROUNDING),
        ("ensemble, as good", "#555555", np.abs(less) <= ROUNDING),
        ("ensemble, worse", RED, less > ROUNDING),
    ):
        if not which.any():
            continue
        axes.hlines(places[which], best[which], ours[which], color=colour, lw=2.4, zorder=1)
        axes.plot(ours[which], places[which], ls="", marker="D", ms=7, color=colour, label=words)
    beside = {"transform": axes.get_yaxis_transform(), "fontsize": 8}
    axes.text(1.01, -0.6, "difference", va="bottom", **beside)
    for place in np.flatnonzero(np.isfinite(less)):
        axes.text(1.01, place, f"{less[place]:+.4f}", va="center", **beside)


def _name(axes: Any, ensembles: Rows, won: np.ndarray) -> None:
    """Write the names beside the rows, the first on top."""
    names = [f"{row['name']}, {row['vote']} of {row['members']:.0f}" for row in ensembles]
    axes.set_yticks(range(len(names)), names, fontsize=9)
    for text, both in zip(axes.get_yticklabels(), won, strict=True):
        text.set_fontweight("bold" if both else "normal")
    axes.set_ylim(len(names) - 0.4, -0.6)


def _legend(figure: Figure) -> None:
    """Name each colour once, whichever panel it is in."""
    handles = [handle for axes in figure.axes for handle in axes.get_legend_handles_labels()[0]]
    once = {handle.get_label(): handle for handle in reversed(handles)}
    order = sorted(once.values(), key=handles.index)
    figure.legend(handles=order, loc="outside lower center", ncols=6, frameon=False, fontsize=9)


def _counted(what: str, ours: np.ndarray, best: np.ndarray) -> str:
    """Count the ensembles that beat their best member.

    >>> _counted("error", np.array([0.1, 0.2]), np.array([0.2, 0.2]))
    'error: 1 of 2 beat the best member'
    """
    less = ours - best
    won, all_ = np.sum(less < -ROUNDING), np.isfinite(less).sum()
    return f"{what}: {won} of {all_} beat the best member"
