"""The family tree of a network: all that it descends from, and which operator made each of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from evoprune.search.ancestry import Birth, ancestors, main_line
from evoprune.studies.ledger import colours_of

ALONE = ("", "none")  # no mutation after a crossover; the adaptive variation calls it none
PALE, STRONG = "#c4c4c4", "#222222"
EVERY = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10**9)  # generations from tick to tick
ROOM = (0.045, 0.035)  # width and height that a label takes, as a share of the picture
MANY = 120  # ancestors, or steps, from which on their dots are small
CROWD = 600  # ancestors from which on only the parents of the main line are drawn beside it

When = tuple[str, int]
Point = tuple[float, float]


def family_figure(births: Sequence[Birth], child: str, *, objectives: Sequence[str] = ()) -> Figure:
    """Draw what an individual descends from: generations to the right, the last objective upwards.

    Parents are mostly alike in it (NSGA-II here pairs them so), hence few lines cross. A dot is a
    network in the colour of the mutation that made it. The strong line runs from nearest parent to
    nearest parent; a thin one in the colour of the crossover comes from the other parent. Of a
    family too large to look at, the strong line and its other parents alone are drawn.

    Args:
        births: of a run, in order.
        child: the individual's name; it is among the births.
        objectives: their names, the last one for the axis.
    """
    whole = ancestors(births, child)
    line = main_line(whole, child)
    family = _near(whole, line) if len(whole) > CROWD else whole
    times, colours = _times(births, family.values()), colours_of(births)
    places = {
        name: (float(times[birth.phase, birth.generation]), birth.objectives[-1])
        for name, birth in family.items()
    }
    figure = Figure(figsize=(10.0, 6.0), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    _lines(axes, family, line, places, colours)
    _dots(axes, family, line, places, colours)
    _axes(axes, times, [height for _, height in places.values()], objectives)
    _label_steps(axes, line, places)
    _label_end(axes, line[-1], places[child], objectives)
    counts = f"strong line: {len(line) - 1} steps; ancestors: {len(whole) - 1:,}"
    if len(family) < len(whole):
        counts += f", {len(family) - 1:,} of them drawn"
    axes.set_title(f"How network {child} came to be ({counts})", loc="left", pad=22)
    _keys(figure, family.values(), colours)
    return figure


def maker(mutation: str) -> str:
    """Return what to call a mutation in words."""
    return "crossover alone" if mutation in ALONE else mutation


def names_of(objectives: Sequence[str], birth: Birth) -> Sequence[str]:
    """Return the objectives' names, made up where there are none."""
    return objectives or [f"objective_{i + 1}" for i in range(len(birth.objectives))]


def _near(family: Mapping[str, Birth], line: Iterable[Birth]) -> dict[str, Birth]:
    """Return those of a family that are on a line, or a parent of one that is."""
    near = {name for birth in line for name in (birth.child, *birth.parents)}
    return {name: birth for name, birth in family.items() if name in near}


def _times(births: Iterable[Birth], family: Iterable[Birth]) -> dict[When, int]:
    """Return the place in time of each generation of the phases that a family lived in.

    Time ends with the youngest of the family, which comes last.
    """
    lived = list(family)
    phases = {birth.phase for birth in lived}
    seen = list(dict.fromkeys((b.phase, b.generation) for b in births if b.phase in phases))
    last = seen.index((lived[-1].phase, lived[-1].generation))
    return {when: place for place, when in enumerate(seen[: last + 1])}


def _lines(
    axes: Any,
    family: Mapping[str, Birth],
    line: Sequence[Birth],
    places: Mapping[str, Point],
    colours: Mapping[str, str],
) -> None:
    """Draw a line from each parent to its child, those of the main line strong."""
    links, shades = [], []
    for birth in family.values():
        known = [parent for parent in birth.parents if parent in places]
        for place, parent in enumerate(known):
            links.append((places[parent], places[birth.child]))
            shades.append(colours[birth.crossover] if place else PALE)
    axes.add_collection(LineCollection(links, colors=shades, lw=1.2, alpha=0.75, zorder=1))
    strong = np.array([places[birth.child] for birth in line])
    axes.plot(*strong.T, color=STRONG, lw=2.6, zorder=2)


def _dots(
    axes: Any,
    family: Mapping[str, Birth],
    line: Sequence[Birth],
    places: Mapping[str, Point],
    colours: Mapping[str, str],
) -> None:
    strong = {birth.child for birth in line}
    beside, along = 16 if len(family) < MANY else 6, 60 if len(line) < MANY else 16
    for chosen, size, layer in ((family.keys() - strong, beside, 2.5), (strong, along, 3)):
        names = [name for name in family if name in chosen]
        axes.scatter(
            *np.array([places[name] for name in names]).reshape(-1, 2).T,
            s=size,
            c=[colours[family[name].mutation] for name in names],
            edgecolors="white",
            linewidths=0.8 if size > 16 else 0.0,
            zorder=layer,
        )


def _axes(
    axes: Any, times: Mapping[When, int], heights: Sequence[float], objectives: Sequence[str]
) -> None:
    """Name the axes: generations by phase, each phase a band; heights by their logarithm."""
    if min(heights) > 0 and max(heights) > 3 * min(heights):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 3.0, 5.0, 7.0)))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.grid(axis="y", alpha=0.25, lw=0.6)
    for place, phase in enumerate(dict.fromkeys(phase for phase, _ in times)):
        inside = [time for (name, _), time in times.items() if name == phase]
        low, high = inside[0] - 0.5, inside[-1] + 0.5
        axes.axvspan(low, high, color="#000000", alpha=0.045 * (place % 2), lw=0)
        axes.text(
            (low + high) / 2, 1.01, f"phase {phase}", transform=axes.get_xaxis_transform(),
            ha="center", va="bottom", fontsize=9, color="#555555",
        )  # fmt: skip
    every = next(step for step in EVERY if len(times) <= 18 * step)
    ticks = [(time, number) for (_, number), time in times.items() if number % every == 0]
    axes.set_xticks([time for time, _ in ticks], [str(number) for _, number in ticks], fontsize=8)
    axes.set_xlim(-0.02 * len(times) - 0.5, 1.13 * len(times))  # room for the label at the end
    axes.set_xlabel("generation, counted anew in each phase")
    axes.set_ylabel(objectives[-1] if objectives else "last objective")


def _label_steps(axes: Any, line: Sequence[Birth], places: Mapping[str, Point]) -> None:
    """Write the genes changed beside the steps of the main line; of close ones the larger."""
    to_picture = axes.transData + axes.transAxes.inverted()
    taken: list[Any] = []
    for birth in sorted(line[1:], key=lambda birth: birth.changed, reverse=True):
        here = to_picture.transform(places[birth.child])
        if any((np.abs(here - other) < ROOM).all() for other in taken):
            continue
        taken.append(here)
        last = birth is line[-1]
        axes.annotate(
            f"{birth.changed:,}", places[birth.child], (13, 16) if last else (5, 7),
            textcoords="offset points", fontsize=7.5, color=STRONG,
        )  # fmt: skip


def _label_end(axes: Any, birth: Birth, place: Point, objectives: Sequence[str]) -> None:
    """Ring the network in question and write its objectives to its right."""
    values = zip(names_of(objectives, birth), birth.objectives, strict=True)
    axes.scatter(*place, s=190, facecolors="none", edgecolors=STRONG, linewidths=1.8, zorder=4)
    axes.annotate(
        "\n".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in values), place,
        (13, 0), textcoords="offset points", fontsize=9, fontweight="bold", va="center",
    )  # fmt: skip


def _keys(figure: Figure, family: Iterable[Birth], colours: Mapping[str, str]) -> None:
    """Say what dots and lines mean, below the picture."""
    lived = list(family)
    made = dict.fromkeys(birth.mutation for birth in lived)
    crossed = dict.fromkeys(birth.crossover for birth in lived if len(birth.parents) > 1)
    strong = Line2D([], [], color=STRONG, lw=2.6, label="nearest parents, with genes changed")
    dots = [
        Line2D([], [], ls="", marker="o", ms=7, color=colours[name], label=f"made by {maker(name)}")
        for name in made
    ]
    lines = [
        Line2D([], [], color=colours[name], lw=1.6, label=f"other parent, crossed by {name}")
        for name in crossed
        if name
    ]
    keys = [strong, *lines, *dots]
    columns = 4 if max(len(str(key.get_label())) for key in keys) < 36 else 3
    figure.legend(
        handles=keys, loc="outside lower center", ncols=columns, frameon=False, fontsize=8.5
    )
