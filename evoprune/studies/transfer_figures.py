"""The pictures of a run on transferred heads. Each takes plain rows and returns a figure.

All of it is of the test split and minimised: density, error, and misranked, which is 1 - AUROC, the
chance that a foreign image scores above one of the own data set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import matplotlib
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure

from evoprune.studies.figures import BLUE, RED, Rows, of_size

Row = Mapping[str, Any]
Limits = Mapping[str, tuple[float, float]]

COLUMNS = ("density", "test_error", "test_misranked")
CONTROLS = {"random": ("random masks", "#a0a0a0", "x"), "l1": ("l1-ranked", "#3c3c3c", "s")}
OTHER = ("#787878", "^")  # grey and marker of a control by any other name
BY_DENSITY = ListedColormap(matplotlib.colormaps["viridis"](np.linspace(0.85, 0, 256)))  # no yellow
UP_TO_DENSE = 0.3  # a front that goes beyond this density is drawn on an axis up to the dense head
LEAST_SPAN = 0.04  # of an axis of errors
WIDER = 1.0  # how many spans of the front controls may add to either end of an axis
MARGIN = 0.06


def front_figure(front: Rows, controls: Rows, dense: Row, *, unit: str = "features") -> Figure:
    """Draw the front in space and from its three sides, beside its controls and the dense head.

    The axes show the whole front. Controls widen them, each end by the front's own span at most;
    how many lie further out is said below. The lines run along what is best in each projection.

    Args:
        front: rows with density, search_error, test_error and test_misranked, one or more.
        controls: the same with a column "name", such as "random" and "l1"; may be empty.
        dense: the same of the dense head.
        unit: what density is a share of, such as "neurons".
    """
    figure = Figure(figsize=(10.4, 9.6), dpi=130, layout="constrained")
    limits = {column: limits_of(column, front, controls, dense) for column in COLUMNS}
    colours, chosen = by_density(front), as_good_as(dense, front)
    for place, (x, y) in zip((1, 3, 4), combinations(COLUMNS, 2), strict=True):
        axes = figure.add_subplot(2, 2, place)
        _projection(axes, (x, y), front, controls, dense, colours)
        if chosen:
            _ring(axes, chosen[x], chosen[y])
        axes.set(xlim=limits[x], ylim=limits[y])
        axes.set(xlabel=label(x, unit), ylabel=label(y, unit))
    handles, labels = axes.get_legend_handles_labels()
    outside = [row for row in controls if not _inside(row, limits)]
    inside = [row for row in controls if _inside(row, limits)]
    solid = figure.add_subplot(2, 2, 2, projection="3d")
    _in_space(solid, front, inside, [dense] if _inside(dense, limits) else [], colours, limits)
    figure.colorbar(
        colours, ax=solid, location="top", shrink=0.75, aspect=30, label=label("density", unit)
    )
    figure.suptitle(headline(chosen, dense, unit), x=0.02, ha="left")
    note = f"{len(outside)} of {len(controls)} controls lie outside an axis" if outside else None
    figure.legend(
        handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9, title=note
    )
    return figure


def as_good_as(dense: Row, front: Rows) -> Row | None:
    """Return the sparsest head whose error is no more than the dense head's, on the search split.

    Nothing is chosen by its test error: the least of many would be flattered.

    >>> front = [{"search_error": 0.1, "density": 0.3}, {"search_error": 0.2, "density": 0.1}]
    >>> as_good_as({"search_error": 0.1}, front)
    {'search_error': 0.1, 'density': 0.3}
    """
    enough = [row for row in front if row["search_error"] <= dense["search_error"]]
    return min(enough, key=lambda row: row["density"]) if enough else None


def headline(chosen: Row | None, dense: Row, unit: str) -> str:
    """Say what the head of `as_good_as` comes to on the test images.

    >>> chosen, dense = {"density": 0.25, "test_error": 0.1}, {"test_error": 0.125}
    >>> headline(chosen, dense, "features")
    '25 % of the features: test error 0.100; the dense head 0.125'
    """
    error = f"{dense['test_error']:.3f}"
    if chosen is None:
        return f"No head errs as little as the dense one in the search (dense, test error {error})"
    share = f"{100 * chosen['density']:.3g} % of the {unit}"
    return f"{share}: test error {chosen['test_error']:.3f}; the dense head {error}"


def label(column: str, unit: str) -> str:
    """Return the name of an objective's axis, with its unit.

    >>> label("test_misranked", "features")
    'misranked (1 - AUROC)'
    """
    if column == "density":
        return of_size("density", unit) + ")"
    return {"error": "error (share wrong)", "misranked": "misranked (1 - AUROC)"}[objective(column)]


def heads(count: int) -> str:
    """Return a number of heads in words.

    >>> heads(1), heads(20)
    ('1 head', '20 heads')
    """
    return f"{count} head{'s' * (count != 1)}"


def tidy(axes: Any) -> None:
    """Give a panel two spines and a faint grid behind what it shows."""
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, lw=0.6)


def objective(column: str) -> str:
    """Return the objective that a column is of.

    >>> objective("test_error")
    'error'
    """
    return column.removeprefix("test_")


def by_density(front: Rows) -> ScalarMappable:
    """Return what gives each density of a front its colour, from green, sparse, to violet."""
    densities = [row["density"] for row in front]
    low, high = min(densities), max(densities)
    return ScalarMappable(Normalize(min(low, 0.9 * high), high), BY_DENSITY)


def limits_of(column: str, front: Rows, controls: Rows, dense: Row) -> tuple[float, float]:
    """Return the ends of an axis: the front and the dense head are inside, controls may be.

    Densities begin at 0, and end at the dense head unless the front is far from it.

    >>> limits_of("density", [{"density": 0.1}], [], {"density": 1.0})
    (0.0, 0.125)
    """
    own = [row[column] for row in front]
    if column == "density":
        return 0.0, 1.03 * dense[column] if max(own) > UP_TO_DENSE else 1.25 * max(own) or 1.0
    low, high = min(*own, dense[column]), max(*own, dense[column])
    span = max(high - low, LEAST_SPAN)
    ends = limits_of("density", front, [], dense)
    others = [row[column] for row in controls if row["density"] <= ends[1]]
    low = max(min([low, *others]), low - WIDER * span)
    high = min(max([high, *others]), high + WIDER * span)
    return low - MARGIN * span, high + MARGIN * span


def _projection(
    axes: Any, sides: tuple[str, str], front: Rows, controls: Rows, dense: Row, colours: Any
) -> None:
    """Draw two of the objectives."""
    tidy(axes)
    for name, rows, colour, marker in _kinds(controls):
        axes.plot(*_stairs(rows, sides), color=colour, lw=0.8, drawstyle="steps-post")
        xs, ys = _values(rows, sides)
        axes.plot(xs, ys, ls="", color=colour, marker=marker, ms=4, label=name)
    axes.plot(*_stairs(front, sides), color=BLUE, lw=1.2, drawstyle="steps-post")
    xs, ys = _values(front, sides)
    densities = [row["density"] for row in front]
    how = {"cmap": colours.cmap, "norm": colours.norm, "s": 30, "zorder": 3}
    axes.scatter(xs, ys, c=densities, label="front, coloured by density", **how)
    (x,), (y,) = _values([dense], sides)
    axes.axhline(y, color="black", lw=1, ls=":")
    if sides[0] != "density":
        axes.axvline(x, color="black", lw=1, ls=":")
    words = "dense head, dotted its level"
    axes.plot(x, y, ls="", color=RED, marker="*", ms=14, mec="white", zorder=4, label=words)


def _ring(axes: Any, x: float, y: float) -> None:
    """Mark the head of the headline."""
    how = {"ls": "", "marker": "o", "ms": 12, "mfc": "none", "mec": RED, "mew": 1.8}
    axes.plot(x, y, zorder=5, label="sparsest as good as dense in the search", **how)


def _in_space(
    axes: Any, front: Rows, controls: Rows, dense: Rows, colours: Any, limits: Limits
) -> None:
    """Draw all three objectives, each head of the front on a stem from the floor."""
    for _, rows, colour, marker in _kinds(controls):
        axes.scatter(*_values(rows, COLUMNS), color=colour, marker=marker, s=12, alpha=0.7, lw=0.8)
    for x, y, z in zip(*_values(front, COLUMNS), strict=True):
        axes.plot([x, x], [y, y], [limits["test_misranked"][0], z], color=BLUE, lw=0.6, alpha=0.35)
    densities = [row["density"] for row in front]
    how = {"cmap": colours.cmap, "norm": colours.norm, "depthshade": False}
    axes.scatter(*_values(front, COLUMNS), c=densities, s=26, **how)
    axes.scatter(*_values(dense, COLUMNS), color=RED, marker="*", s=150, ec="white")
    axes.set(**dict(zip(("xlim", "ylim", "zlim"), limits.values(), strict=True)))
    axes.set(xlabel="density", ylabel="error", zlabel="misranked")
    axes.tick_params(labelsize=8, pad=1)
    axes.locator_params(nbins=5)
    axes.view_init(elev=24, azim=-52)
    axes.set_box_aspect((1, 1, 0.85), zoom=0.93)


def _kinds(controls: Rows) -> list[tuple[str, Rows, str, str]]:
    """Return the controls by kind: what it is called, its rows, its grey and its marker."""
    kinds: list[tuple[str, Rows, str, str]] = []
    for name in dict.fromkeys(row["name"] for row in controls):
        words, colour, marker = CONTROLS.get(name, (name, *OTHER))
        kinds.append((words, [row for row in controls if row["name"] == name], colour, marker))
    return kinds


def _values(rows: Rows, columns: Sequence[str]) -> list[list[float]]:
    return [[row[column] for row in rows] for column in columns]


def _stairs(rows: Rows, sides: tuple[str, str]) -> tuple[list[float], list[float]]:
    """Return the rising first objectives, and the least second one up to each of them."""
    ordered = sorted((row[sides[0]], row[sides[1]]) for row in rows)
    return [x for x, _ in ordered], list(np.minimum.accumulate([y for _, y in ordered]))


def _inside(row: Row, limits: Limits) -> bool:
    return all(low <= row[column] <= high for column, (low, high) in limits.items())
