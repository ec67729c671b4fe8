"""Lossless early stopping: a candidate whose fate is decided is not judged to the end.

A toolbox may offer `trial(individual)` beside `evaluate`. What it returns shows its images a few at
a time (`advance`), says what is still possible at best (`low`), and has `values` once all images
are seen; `give_up` ends it. The loops stop a trial only where its values, whatever they came to,
could change neither a population nor the archive: runs with and without it have the same
individuals, one by one. docs/performance.md has the proofs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from operators.dominance import ranks

Floats = NDArray[np.float64]


class Trial(Protocol):
    """What `toolbox.trial` returns.

    Attributes:
        low: the best objectives that are still possible, minimised.
        values: the objectives, None until all images are seen.
    """

    low: tuple[float, ...]
    values: tuple[float, ...] | None

    def advance(self) -> None:
        """Show a few more images."""

    def give_up(self) -> None:
        """Count what is not shown any more."""


def judge(toolbox: Any, individual: Any, hopeless: Callable[[Floats], bool]) -> bool:
    """Judge one individual as long as there is hope, and say whether it came to a fitness.

    Args:
        toolbox: with `trial`.
        individual: its `fitness.values` are set, unless it is given up.
        hopeless: from the best that is possible, shape (objectives,), to whether its fate is
            decided.
    """
    trial = toolbox.trial(individual)
    while trial.values is None and not hopeless(np.array(trial.low)):
        trial.advance()
    if trial.values is None:
        trial.give_up()
        return False
    individual.fitness.values = trial.values
    return True


def judge_offspring(
    toolbox: Any, parents: Sequence[Any], offspring: Sequence[Any]
) -> list[Any]:
    """Judge the offspring of NSGA-II, but for those that certainly do not survive.

    Every trial is shown its first images, then always the most promising one is shown more, until
    each is finished or a certain loser (see `losers`). Copies are judged once.

    Args:
        toolbox: with `trial`; its `select` has to fill up front by front, as `selNSGA2` does.
        parents: evaluated; as many survive.
        offspring: those without a valid fitness are judged; losers stay without.

    Returns:
        Those that had no fitness, losers among them.
    """
    invalid = [individual for individual in offspring if not individual.fitness.valid]
    first = {content(individual): individual for individual in reversed(invalid)}
    trials = {key: toolbox.trial(individual) for key, individual in first.items()}
    running, finished = list(trials), _feasible([*parents, *offspring])
    for key in running:
        trials[key].advance()
    while running:
        for key in [key for key in running if trials[key].values is not None]:
            first[key].fitness.values = trials[key].values
            running.remove(key)
            finished |= _feasible([first[key]])
        lows = np.array([trials[key].low for key in running])
        lost, level = losers(finished, lows, len(parents))
        for key in [running[i] for i in np.flatnonzero(lost)]:
            trials[key].give_up()
        running = [running[i] for i in np.flatnonzero(~lost)]
        if running:
            trials[running[np.argmin(level[~lost])]].advance()
    for individual in invalid:
        judged = first[content(individual)].fitness
        if judged.valid:
            individual.fitness.values = judged.values
            individual.fitness.violation = judged.violation
    return invalid


def losers(
    finished: Mapping[bytes, tuple[float, ...]], lows: Floats, survivors: int
) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Tell which unfinished points certainly do not survive a selection by NSGA-II.

    A point's rank is the longest chain of points that dominate one another and it. An unfinished
    point ranks behind every finished one that dominates its best possible value; a finished point's
    rank grows by at most one for each unfinished one whose best possible value is as good. Where
    as many finished points as survive rank, at worst, before an unfinished one at best, it is lost.

    Args:
        finished: the objectives of distinct feasible individuals, by their content.
        lows: shape (m, objectives), the best that the unfinished may come to.
        survivors: how many survive.

    Returns:
        Whether each unfinished point is lost, and the best rank that it may have, shape (m,) each.

    Source: ours.

    >>> points = {b"a": (0.0, 0.0), b"b": (1.0, 1.0)}
    >>> losers(points, np.array([[2.0, 2.0], [0.0, 3.0]]), survivors=2)
    (array([ True, False]), array([2, 1]))
    """
    if len(lows) == 0 or len(finished) < survivors:
        return np.zeros(len(lows), bool), np.zeros(len(lows), np.intp)
    points = np.array(list(finished.values()))
    rank = ranks(points)
    no_worse = (points[:, None] <= lows[None]).all(axis=2)
    dominates = no_worse & (points[:, None] < lows[None]).any(axis=2)
    best = np.where(dominates, rank[:, None] + 1, 0).max(axis=0)
    above = (lows[None] <= points[:, None]).all(axis=2).sum(axis=1)
    before = (rank + above)[:, None] < best[None]
    return before.sum(axis=0) >= survivors, best


def content(individual: Any) -> bytes:
    """Return bytes that tell individuals of unlike genes apart."""
    own = hasattr(individual, "digest")
    return individual.digest() if own else np.asarray(individual).tobytes()


def _feasible(individuals: Iterable[Any]) -> dict[bytes, tuple[float, ...]]:
    """Return the objectives of those that are judged and break no constraint, by their content."""
    return {
        content(individual): individual.fitness.values
        for individual in individuals
        if individual.fitness.valid and getattr(individual.fitness, "violation", 0.0) <= 0
    }
