"""The archive: every non-dominated solution a search has come upon."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import moocore
import numpy as np


class Archive:
    """Keep the non-dominated, feasible individuals seen so far, whatever the population forgets.

    Individuals are kept themselves, not as copies; the loops never change one once evaluated. Of
    several with equal objectives the first one stays. `Archive().update(list(archive))` makes the
    same archive again: its individuals are all its state.

    >>> from operators.individuals import individual_type
    >>> a, b, c = (individual_type("mask", 2)([i]) for i in (0, 1, 1))
    >>> a.fitness.values, b.fitness.values, c.fitness.values = (.9, .1), (.1, .9), (.9, .9)
    >>> archive = Archive(); archive.update([a, b, c]); archive.points()
    array([[0.1, 0.9],
           [0.9, 0.1]])
    """

    def __init__(self) -> None:
        self._members: list[Any] = []

    def update(self, individuals: Iterable[Any]) -> None:
        """Take in what is evaluated, feasible and not dominated; drop what that dominates.

        Args:
            individuals: any number of them; those without a valid fitness are passed over.
        """
        candidates = self._members + [
            individual
            for individual in individuals
            if individual.fitness.valid and getattr(individual.fitness, "violation", 0.0) <= 0
        ]
        if not candidates:
            return
        values = np.array([individual.fitness.values for individual in candidates])
        points, first = np.unique(values, axis=0, return_index=True)  # sorted by objectives
        self._members = [candidates[i] for i in first[moocore.is_nondominated(points)]]

    def points(self) -> np.ndarray:
        """Return the objectives, shape (members, objectives), sorted by the first; (0, 0) if empty.
        """  # noqa: D200
        values = [individual.fitness.values for individual in self._members]
        return np.array(values) if values else np.zeros((0, 0))

    def __iter__(self) -> Iterator[Any]:
        """Yield the individuals, sorted by their first objective."""
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)
