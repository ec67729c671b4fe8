"""The picture of a front of transferred heads in parallel coordinates, a line a head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.figure import Figure

from evoprune.studies.figures import RED, Rows
from evoprune.studies.transfer_figures import (
    COLUMNS,
    Limits,
    Row,
    by_density,
    heads,
    label,
    limits_of,
)


def parallel_figure(
    front: Rows,
    dense: Row,
    *,
    knee: int | None = None,
    members: Sequence[int] = (),
    unit: str = "features",
) -> Figure:
    """Draw each head as a line across its density, error and misranked, coloured by density.

    Args:
        front: rows with id, density, test_error and test_misranked, one or more.
        dense: the same of the dense head, drawn as far as it lies on the axes.
        knee: the id of a head to stand out.
        members: ids of heads to be marked, such as those of an ensemble.
        unit: what density is a share of, such as "neurons".
    """
    figure = Figure(figsize=(8.4, 5.6), dpi=130, layout="constrained")
    host = figure.add_subplot()
    limits = {column: limits_of(column, front, [], dense) for column in COLUMNS}
    colours, places = by_density(front), range(len(COLUMNS))
    faint = max(0.25, min(0.85, 30 / len(front)))  # many lines hide each other less
    for row in front:
        line: dict[str, Any] = {"color": colours.to_rgba(row["density"]), "lw": 1.2}
        line["alpha"] = faint
        if row["id"] in members:
            line |= {"lw": 2, "alpha": 1, "marker": "o", "ms": 6, "zorder": 3}
        if row["id"] == knee:
            line |= {"color": RED, "lw": 3, "alpha": 1, "zorder": 4}
        host.plot(places, _scaled(row, limits), **line)
    host.plot(places, _scaled(dense, limits), color="black", ls=":", marker="D", ms=6, zorder=5)
    _name_lines(host, knee is not None, bool(members))
    for place, column in enumerate(COLUMNS):
        _upright(host, place, limits[column])
    host.set(xlim=(-0.25, 2.12), ylim=(0, 1), yticks=[])
    host.set_xticks(places, [label(column, unit).replace(" (", "\n(") for column in COLUMNS])
    host.tick_params(axis="x", length=0, pad=8)
    host.spines[:].set_visible(False)
    title = f"{heads(len(front))} of the front on the test images: low is good"
    host.set_title(title, loc="left")
    figure.colorbar(colours, ax=host, shrink=0.8, label=label("density", unit))
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
    return figure


def _scaled(row: Row, limits: Limits) -> list[float]:
    """Return where a row crosses the axes, 0 at the bottom and 1 on top."""
    return [(row[column] - low) / (high - low) for column, (low, high) in limits.items()]


def _upright(host: Any, place: int, limits: tuple[float, float]) -> None:
    """Stand one axis of parallel coordinates at its place, with the values that it has."""
    axes = host.twinx()
    axes.set_ylim(*limits)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.spines["left"].set_position(("data", place))
    axes.yaxis.tick_left()
    for text in axes.get_yticklabels():
        text.set_bbox({"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.6})


def _name_lines(axes: Any, knee: bool, members: bool) -> None:
    """Give the legend its entries."""
    if knee:
        axes.plot([], [], color=RED, lw=3, label="knee of the front")
    if members:
        axes.plot([], [], color="#555555", lw=2, marker="o", ms=6, label="members of the ensemble")
    axes.plot([], [], color="black", ls=":", marker="D", ms=6, label="dense head")
