"""How a benchmark measures: first that both sides agree, then both in turn, in one process.

What else runs on a machine comes and goes. A ratio of two calls that follow each other hardly
feels it, so the median of these ratios is given, with its quartiles, not a ratio of two means.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Side = tuple[str, Callable[[], Any]]  # what it is, and one call of it


class DisagreementError(AssertionError):
    """Raised where the two sides do not do the same, so that their times say nothing."""


@dataclass(frozen=True)
class Row:
    """Hold one line of the table.

    Attributes:
        name: what is measured.
        ours: what our side is.
        theirs: what stands beside it; empty where nothing does.
        value: ours, the median of the rounds, in `unit`.
        unit: "s", "B" (bytes) or "" (an exponent).
        ratio: median of theirs / ours, pair by pair.
        quartiles: of the ratios, or of ours where nothing stands beside it.
        aim: in words.
        reached: whether the aim is; None where there is none.
        note: what else a reader should know.
        points: size and value, where the row sums up a curve.
    """

    name: str
    ours: str
    theirs: str = ""
    value: float = 0.0
    unit: str = "s"
    ratio: float | None = None
    quartiles: tuple[float, float] | None = None
    aim: str = ""
    reached: bool | None = None
    note: str = ""
    points: tuple[tuple[float, float], ...] = ()


def seconds(call: Callable[[], Any]) -> float:
    """Time one call, after the waste of those before is gone."""
    gc.collect()
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def compare(
    name: str,
    ours: Side,
    theirs: Side,
    *,
    agree: Callable[[Any, Any], bool],
    rounds: int,
    at_least: float | None = None,
    note: str = "",
) -> Row:
    """Check that both sides agree, then time them in turn.

    Args:
        name: of the row.
        ours: one side, its words and its call.
        theirs: the other.
        agree: from what both returned to whether they did the same.
        rounds: number of pairs.
        at_least: the ratio aimed at.
        note: for the row.

    Raises:
        DisagreementError: if `agree` says no; nothing is timed then.
    """
    if not agree(ours[1](), theirs[1]()):
        raise DisagreementError(f"{name}: {ours[0]} and {theirs[0]} do not do the same")
    pairs = np.array([(seconds(ours[1]), seconds(theirs[1])) for _ in range(rounds)])
    lower, ratio, upper = np.percentile(pairs[:, 1] / pairs[:, 0], (25, 50, 75)).tolist()
    aimed = at_least is not None
    return Row(
        name, ours[0], theirs[0], float(np.median(pairs[:, 0])), "s", ratio, (lower, upper),
        f"{at_least:g} times" if aimed else "", ratio >= at_least if aimed else None, note,
    )  # fmt: skip


def alone(
    name: str,
    ours: Side,
    *,
    right: Callable[[Any], bool],
    rounds: int,
    at_most: float | None = None,
    note: str = "",
    first: Any = None,
) -> Row:
    """Check what a call returns, then time it with nothing beside it.

    Args:
        name: of the row.
        ours: its words and its call.
        right: from what was returned to whether it is as it must be.
        rounds: number of calls.
        at_most: the seconds aimed at.
        note: for the row.
        first: what a call has returned, where one was made already; else one is made to check.

    Raises:
        DisagreementError: if `right` says no; nothing is timed then.
    """
    if not right(ours[1]() if first is None else first):
        raise DisagreementError(f"{name}: {ours[0]} does not do what it must")
    times = [seconds(ours[1]) for _ in range(rounds)]
    lower, value, upper = np.percentile(times, (25, 50, 75)).tolist()
    aimed = at_most is not None
    return Row(
        name, ours[0], value=value, quartiles=(lower, upper), note=note,
        aim=f"{spoken(at_most, 's')} or less" if aimed else "",
        reached=value <= at_most if aimed else None,
    )  # fmt: skip


def spoken(value: float, unit: str) -> str:
    """Return a value with its unit, as a person would write it.

    >>> spoken(0.0421, "s"), spoken(106_118, "B"), spoken(0.987, "")
    ('42.1 ms', '106 kB', '0.99')
    """
    if unit == "":
        return f"{value:.2f}"
    smaller = {"s": ((1, "s"), (1e-3, "ms"), (1e-6, "µs")),
               "B": ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))}[unit]  # fmt: skip
    size, word = next((pair for pair in smaller if value >= pair[0]), smaller[-1])
    return f"{value / size:.3g} {word}"


HEAD = """\
| what | ours | | beside it | times as fast or small | aim | reached | note |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


def line(row: Row) -> str:
    """Return the row as a line of a table of Markdown under HEAD."""
    ratio, spread = "", ""
    if row.ratio is not None:
        ratio = f"{row.ratio:.3g}"
        ratio += " ({:.3g} to {:.3g})".format(*row.quartiles) if row.quartiles else ""
    elif row.quartiles:
        spread = " ({} to {})".format(*(spoken(value, row.unit) for value in row.quartiles))
    reached = {None: "", True: "yes", False: "**no**"}[row.reached]
    value = spoken(row.value, row.unit) + spread
    cells = row.name, row.ours, value, row.theirs, ratio, row.aim, reached, row.note
    return f"| {' | '.join(cells)} |"
