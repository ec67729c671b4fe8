"""Bounds on the error, as a constraint: who breaks them stands behind all who keep to them.

The loops and the selection know feasibility by `fitness.violation`; this is who sets it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evoprune.errors import InputError
from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.evaluation.objectives import error

Bounds = tuple[float, float]


def check_bounds(bounds: Bounds) -> None:
    """Refuse what is no range of errors.

    Raises:
        InputError: if there are not two shares, or the larger one comes first.
    """
    if len(bounds) != 2 or not all(0 <= bound <= 1 for bound in bounds):
        raise InputError(
            f"bounds: expected two errors from 0 to 1, got {' '.join(map(str, bounds))}; write "
            "for example --bounds 0.01 0.7"
        )
    low, high = bounds
    if low >= high:
        raise InputError(
            f"bounds: expected the smaller error first, got {low:g} and {high:g}; write "
            f"--bounds {high:g} {low:g}"
            if low > high
            else f"bounds: expected two different errors, got {low:g} twice; write --bounds 0 1 "
            "for no bounds"
        )


def violation(value: float, bounds: Bounds) -> float:
    """Return by how much an error lies outside its bounds, 0 inside.

    >>> violation(0.5, (0.25, 0.75)), violation(0.125, (0.25, 0.75)), violation(1, (0.25, 0.75))
    (0.0, 0.125, 0.25)
    """
    low, high = bounds
    return max(low - value, value - high, 0.0)


class BoundedEvaluator:
    """Judge masks as an evaluator does, and note on each by how much its error is out of bounds.

    Args:
        evaluator: it notes the error beside what it minimises.
        bounds: smallest and largest error of a feasible mask, 0 to 1; see `check_bounds`.
    """

    def __init__(self, evaluator: FastEvaluator, bounds: Bounds) -> None:
        check_bounds(bounds)
        self.evaluator, self.bounds = evaluator, bounds
        self.of_error = evaluator.objectives[0] is error

    def __call__(self, individual: Any) -> tuple[float, ...]:
        """Return the objectives of one individual; DEAP's `evaluate`."""
        values = self.evaluator(individual)
        self.mark(individual)
        return values

    def mark(self, individual: Any) -> None:
        """Set the violation of an individual that the evaluator knows."""
        (value,) = self.evaluator.note(individual)
        individual.fitness.violation = violation(value, self.bounds)

    def trial(self, individual: Any) -> BoundedTrial:
        """Begin to judge an individual, so that it can be given up before the last image."""
        return BoundedTrial(self, individual)


class BoundedTrial:
    """A trial (`search.early`) whose hope ends where the error is certainly too large.

    What is infeasible stands behind every feasible one, as if its objectives were infinite. That
    is all the loops need to give it up in the very place where nothing is lost: whoever is sure not
    to survive if it were feasible does not survive if it is not.

    Args:
        judge: of the individual.
        individual: its violation is set with its values.
    """

    def __init__(self, judge: BoundedEvaluator, individual: Any) -> None:
        self.judge, self.individual = judge, individual
        self.inner = judge.evaluator.trial(individual)
        self._note()

    @property
    def low(self) -> tuple[float, ...]:
        """The best objectives that are still possible for a feasible one."""
        low = self.inner.low
        too_large = self.judge.of_error and low[0] > self.judge.bounds[1]
        return (np.inf,) * len(low) if too_large else low

    @property
    def values(self) -> tuple[float, ...] | None:
        """The objectives, None while images are still to come."""
        return self.inner.values

    def advance(self) -> None:
        """Show the images of the next round."""
        self.inner.advance()
        self._note()

    def give_up(self) -> None:
        """Count the images that need not be shown any more."""
        self.inner.give_up()

    def _note(self) -> None:
        if self.inner.values is not None:
            self.judge.mark(self.individual)
