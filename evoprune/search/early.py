"""Lossless early stopping: a candidate whose fate is decided is not judged to the end.

A toolbox may offer `trial(individual)` beside `evaluate`. What it returns shows its images a few at
a time (`advance`), says what is still possible at best (`low`), and has `values` once all images
are seen; `give_up` ends it. The loops stop a trial only where its values, whatever they came to,
could change neither a population nor the archive: runs with and without it have the same
individuals, one by one. docs/performance.md has the proofs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
        toolbox: with `trial`.
        parents: evaluated; as many survive.
        offspring: those without a valid fitness are judged; losers stay without.

    Returns:
        Those that had no fitness, losers among them.
    """
    invalid = [individual for individual in offspring if not individual.fitness.valid]
    first = {individual.digest(): individual for individual in reversed(invalid)}
    trials = {key: toolbox.trial(individual) for key, individual in first.items()}
    known = {
        x.digest(): x.fitness.values
        for x in [*parents, *offspring]
        if x.fitness.valid and getattr(x.fitness, "violation", 0.0) <= 0
    }
    running = [key for key in trials if key not in known]
    for key in running:
        trials[key].advance()
    while True:
        known |= {key: trials[key].values for key in running if trials[key].values is not None}
        running = [key for key in running if trials[key].values is None]
        if not running:
            break
        lows = np.array([trials[key].low for key in running])
        lost, level = losers(np.array(list(known.values())), lows, len(parents))
        for key, gone in zip(running, lost.tolist(), strict=True):
            if gone:
                trials[key].give_up()
        left = np.flatnonzero(~lost)
        if left.size:
            trials[running[left[np.argmin(level[left])]]].advance()
        running = [running[i] for i in left.tolist()]
    for individual in invalid:
        if (values := known.get(individual.digest())) is not None:
            individual.fitness.values = values
    return invalid


def losers(finished: Floats, lows: Floats, survivors: int) -> tuple[NDArray[np.bool_], Floats]:
    """Tell which unfinished points certainly do not survive a selection by NSGA-II.

    A point's rank is the longest chain of points that dominate one another and it. An unfinished
    point ranks behind every finished one that dominates its best possible value; a finished point's
    rank grows by at most one for each unfinished one whose best possible value is as good. Where
    as many finished points as survive rank, at worst, before an unfinished one at best, it is lost.

    Args:
        finished: shape (n, objectives), of distinct individuals.
        lows: shape (m, objectives), the best that the unfinished may come to.
        survivors: how many survive.

    Returns:
        Whether each unfinished point is lost, and the best rank that it may have, shape (m,) each.

    Source: ours.

    >>> losers(np.array([[0., 0.], [1., 1.]]), np.array([[2., 2.], [0., 3.]]), survivors=2)
    (array([ True, False]), array([2, 1]))
    """
    rank = ranks(finished)
    no_worse = (finished[:, None] <= lows[None]).all(axis=2)
    dominates = no_worse & (finished[:, None] < lows[None]).any(axis=2)
    best = np.where(dominates, rank[:, None] + 1, 0).max(axis=0, initial=0)
    above = (lows[None] <= finished[:, None]).all(axis=2).sum(axis=1)
    before = (rank + above)[:, None] < best[None]
    return before.sum(axis=0) >= survivors, best
