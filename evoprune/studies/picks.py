"""Choose one network of a front, by words that a user writes. The test split has no say in it.

    7                              the row of this id
    knee                           where giving up a little of one costs much of the others
    max-error-rise=0.01            the sparsest whose error is at most 0.01 above the dense one's
    max-error=0.1                  the sparsest whose error is at most 0.1
    max-density=0.3                the most accurate that keeps at most 0.3
    min-macs,max-error-rise=0.01   the least of a column, under any number of limits

Errors, and what is misranked, are those of the search split, after fine-tuning where there was any.
The dense network is chosen by its id alone. The knee is of all that the search has minimised: error
(or another measure) and density, and misranked where a row has it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evoprune.errors import InputError, unknown
from evoprune.studies.lineage import knee

Row = Mapping[str, Any]
RISE, ERROR, SIZE = "error-rise", "error", "density"
JUDGED = {RISE: "search_error", ERROR: "search_error", "misranked": "search_misranked"}
HIDDEN = ("id", "on_front", "search_value")  # numbers of a row that nobody would choose by
SPLITS = ("search_", "test_", "tuned_")  # an error in a pick is the search split's
ROUNDING = 1e-9  # of a difference of two errors
SHOWN = 4  # ids that an error lists at most


@dataclass(frozen=True)
class Pick:
    """What a user asked for.

    Attributes:
        text: as it was written.
        id: of a row, or None.
        goal: the column that is made least; "" where there is none.
        limits: the largest value of each column.
    """

    text: str
    id: int | None = None
    goal: str = ""
    limits: tuple[tuple[str, float], ...] = ()

    @property
    def columns(self) -> set[str]:
        """The columns of front.csv that have to be known."""
        names = {self.goal, *(name for name, _ in self.limits)} - {""}
        return {_column(name) for name in names}


def parsed(text: str, columns: Sequence[str]) -> Pick:
    """Read what a user wrote.

    Args:
        text: see the module.
        columns: of front.csv, and others that can be found out.

    Raises:
        InputError: if it means nothing; the nearest that does is offered.

    >>> parsed("min-macs,max-error=0.1", ["search_error", "macs"]).limits
    (('error', 0.1),)
    """
    if text.removeprefix("-").isdigit():
        return Pick(text, id=int(text))
    if text == "knee":
        return Pick(text)
    judged = [n for n, c in JUDGED.items() if n != RISE and (n == ERROR or c in columns)]
    names = [*judged, *(c for c in columns if c not in HIDDEN and not c.startswith(SPLITS))]
    goals, limits = [], []
    for part in text.split(","):
        words, is_, _ = part.partition("=")
        kind, _, name = words.partition("-")
        known = [*names, RISE] if kind == "max" else names
        if kind not in ("min", "max") or name not in known:
            raise unknown("pick", words, _known(names))
        if kind == "max":
            limits.append((name, _number(part)))
        elif is_:
            raise InputError(f"pick: {words} takes no number; write max-{name}= for a limit")
        else:
            goals.append(name)
    if len(goals) > 1:
        raise InputError(f"pick: expected one min-, got {len(goals)} in {text!r}; write limits")
    sized = not any(name in (ERROR, RISE) for name, _ in limits)
    return Pick(text, None, goals[0] if goals else ERROR if sized else SIZE, tuple(limits))


def choose(pick: Pick, rows: Sequence[Row], dense_error: float) -> Row:
    """Return the row that is asked for; of equal ones that of the smaller error.

    Args:
        pick: see `parsed`.
        rows: of front.csv, one or more, with the pick's columns.
        dense_error: of the network before pruning, on the search split.

    Raises:
        InputError: if there is no such row; those nearest to it are named.
    """
    if pick.id is not None:
        return _by_id(pick.id, rows)
    inside = [row for row in rows if row.get("phase") != "dense"] or list(rows)
    if not pick.goal:
        return knee(inside)
    for name, limit in pick.limits:
        value_of = _value(name, dense_error)
        left = [row for row in inside if value_of(row) <= limit + ROUNDING]
        if not left:
            least = min(inside, key=value_of)
            raise InputError(
                f"pick: expected a network with {name} of at most {limit:g}, the least is "
                f"{value_of(least):.4g}, of network {least['id']:.0f}; raise max-{name}"
            )
        inside = left
    goal = _value(pick.goal, dense_error)
    return min(inside, key=lambda row: (goal(row), row["search_error"], row[SIZE]))


def after_tuning(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows with the error of the fine-tuned network where there is one.

    `search_value`, which nobody measured anew, is then left out of all.
    """
    name, tuned = "tuned_search_error", []
    for row in rows:
        again = isinstance(row.get(name), float)
        tuned.append({**row, "search_error": row[name]} if again else dict(row))
    if any(isinstance(row.get(name), float) for row in rows):
        tuned = [{k: v for k, v in row.items() if k != "search_value"} for row in tuned]
    return tuned


def _by_id(wanted: int, rows: Sequence[Row]) -> Row:
    for row in rows:
        if row["id"] == wanted:
            return row
    near = sorted((int(row["id"]) for row in rows), key=lambda one: abs(one - wanted))[:SHOWN]
    raise InputError(
        f"pick: expected the id of one of {len(rows)} rows of front.csv, got {wanted}; the nearest "
        f"{'is' if len(near) == 1 else 'are'} {', '.join(map(str, sorted(near)))}"
    )


def _column(name: str) -> str:
    """Return the column of front.csv that a name in a pick means."""
    return JUDGED.get(name, name)


def _value(name: str, dense_error: float) -> Callable[[Row], float]:
    """Return what a name in a pick means of a row."""
    base = dense_error if name == RISE else 0.0
    return lambda row: float(row[_column(name)]) - base


def _number(part: str) -> float:
    words, _, text = part.partition("=")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if math.isnan(number):
        raise InputError(
            f"pick: expected a number behind {words}=, got {part!r}; write for example "
            "max-error-rise=0.01"
        )
    return number


def _known(names: Sequence[str]) -> list[str]:
    limits = [f"max-{name}" for name in (RISE, *names)]
    return ["ID", "knee", *limits, *(f"min-{name}" for name in names)]
