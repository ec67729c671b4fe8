"""What a search has seen: each genome is evaluated, and counted, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray


class Seen:
    """Stand in the slot `evaluate`, and remember each genome's objectives in order of arrival.

    A genome that comes again is free, as it is with an evaluator's cache: so a budget counts
    different genomes.

    Args:
        evaluate: from an individual to its objectives.

    >>> from operators import BitString
    >>> seen = Seen(lambda individual: (individual.count(), 0.5))
    >>> seen(BitString([1, 0])), seen(BitString([1, 1])), seen(BitString([1, 0])), len(seen)
    ((1, 0.5), (2, 0.5), (1, 0.5), 2)
    >>> seen.points(1)
    array([[1. , 0.5]])
    """

    def __init__(self, evaluate: Callable[[Any], tuple[float, ...]]) -> None:
        self.evaluate = evaluate
        self._known: dict[bytes, tuple[float, ...]] = {}

    def __call__(self, individual: Any) -> tuple[float, ...]:
        """Return the objectives of an individual, which has a `digest`."""
        key = individual.digest()
        if key not in self._known:
            self._known[key] = self.evaluate(individual)
        return self._known[key]

    def __len__(self) -> int:
        """Return how many different genomes were evaluated."""
        return len(self._known)

    def points(self, budget: int | None = None) -> NDArray[np.float64]:
        """Return the objectives of the first genomes, as many as the budget, shape (k, m)."""
        return np.array(list(self._known.values())[:budget], np.float64)
