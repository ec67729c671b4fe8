"""What each operator brought in a run, as a picture and as a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from evoprune.search.ancestry import FIRST, Birth
from evoprune.studies.figures import BLUE, GREEN, RED

FOUNDER = "#8c8c8c"
COLOURS = (BLUE, RED, GREEN, "#d39a1e", "#8a5aa8", "#3aa0b5", "#7a5c45", "#d16ba5", "#5d7d2b")

EXPLAINED = (
    "A child counts once under its crossover and once under its mutation. "
    "Copies are children equal to a network that had been judged before."
)

Row = Mapping[str, Any]


def operators_figure(rows: Sequence[Row]) -> Figure:
    """Draw what each operator brought, a block a phase: how often it succeeds, what a pass buys.

    Args:
        rows: what `ledger` returned, with one operator at least beside the first population.
    """
    shown = [row for row in rows if row["slot"] != "init"]
    phases = list(dict.fromkeys(row["phase"] for row in shown))
    blocks = [[row for row in shown if row["phase"] == phase][::-1] for phase in phases]
    colours = _colours(row["operator"] for row in shown)
    figure = Figure(
        figsize=(10.5, 1.0 + 0.7 * len(phases) + 0.32 * len(shown)), dpi=130, layout="constrained"
    )
    grid = figure.subplots(
        len(blocks), 2, squeeze=False, height_ratios=[len(block) for block in blocks]
    )
    for (left, right), phase, block in zip(grid, phases, blocks, strict=True):
        _bars(left, block, "success_rate", colours, _success)
        _bars(right, block, "hypervolume_per_million", colours, _bought)
        for axes in (left, right):
            axes.set_ylim(-0.6, len(block) - 0.4)
        left.set_yticks(range(len(block)), [f"{row['slot']}: {_operator(row)}" for row in block])
        left.set_title(f"phase {phase}", loc="left", fontsize=10, fontweight="bold")
        left.set_xlim(0, 1.3)
        left.set_xticks([0, 0.5, 1])
        right.set_yticks([])
        right.set_xlim(0, 1.45 * max(row["hypervolume_per_million"] or 0.0 for row in block) or 1.0)
    grid[-1][0].set_xlabel("share of children that survived")
    grid[-1][1].set_xlabel("hypervolume added per million image passes")
    figure.suptitle("What each operator brought (each phase on its own scale)", x=0.01, ha="left")
    figure.supxlabel(EXPLAINED, x=0.01, ha="left", fontsize=8.5, color="#555555")
    return figure


def ledger_table(rows: Sequence[Row]) -> str:
    """Return the ledger as text, a line an operator."""
    lines = [
        f"{'phase':<11} {'slot':<10} {'operator':<26} {'children':>8} {'survived':>8} {'rate':>5} "
        f"{'changed':>8} {'hypervolume':>11} {'passes':>10} {'per million':>11}"
    ]
    for row in rows:
        worth = row["hypervolume_per_million"]
        lines.append(
            f"{row['phase']:<11} {row['slot']:<10} {_operator(row):<26} {row['children']:8} "
            f"{row['survivors']:8} {row['success_rate']:5.2f} {row['changed']:8,.0f} "
            f"{row['hypervolume']:11.5f} {row['passes']:10,} "
            + (f"{worth:11.5f}" if worth is not None else f"{'':11}")
        )
    return "\n".join(lines)


def colours_of(births: Iterable[Birth]) -> dict[str, str]:
    """Return a colour for each operator, the same in every picture of a run."""
    return _colours(name for birth in births for name in (birth.crossover, birth.mutation))


def _colours(names: Iterable[str]) -> dict[str, str]:
    known = sorted({name for name in names if name and name != FIRST})
    colours = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(known)}
    return {FIRST: FOUNDER, "": FOUNDER, **colours}


def _bars(
    axes: Any,
    rows: Sequence[Row],
    column: str,
    colours: Mapping[str, str],
    label: Callable[[Row], str],
) -> None:
    """Draw a bar a row, from below, and write beside it what it stands for."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    values = [row[column] or 0.0 for row in rows]
    axes.barh(range(len(rows)), values, 0.7, color=[colours[row["operator"]] for row in rows])
    for place, (row, value) in enumerate(zip(rows, values, strict=True)):
        axes.annotate(
            label(row), (value, place), (4, 0), textcoords="offset points", va="center", fontsize=8
        )


def _success(row: Row) -> str:
    copies = f", {row['copies']} cop{'y' if row['copies'] == 1 else 'ies'}" if row["copies"] else ""
    return f"{row['survivors']} of {row['children']}{copies}"


def _bought(row: Row) -> str:
    if row["hypervolume_per_million"] is None:
        return f"{row['hypervolume']:.2g} for no pass"
    passes = row["passes"]
    spent = f"{passes:,}" if passes < 10_000 else f"{passes / 1e3:,.0f} k"
    return f"{row['hypervolume']:.2g} for {spent} passes"


def _operator(row: Row) -> str:
    return row["operator"] or "no crossover"
