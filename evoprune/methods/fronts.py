"""What a search of masks hands over: its front, thinned to what a person can look through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evoprune.evaluation.evaluator import Evaluator
from evoprune.space.weights import Bits, Corridor


@dataclass
class Solution:
    """A pruned network: its mask over all weights, and what it is worth on search images.

    Attributes:
        mask: bool, shape (size,).
        error: 0 to 1; the measure that was searched by, until `judged` measures the error.
        density: kept share, 0 to 1.
        phase: where it was found.
    """

    mask: Bits
    error: float
    density: float
    phase: str


@dataclass
class Outcome:
    """What a run of the method found.

    Attributes:
        front: of both phases and the dense network, sparsest first, by error on the whole search
            split.
        coarse: the front of phase 1 alone, as it was searched by.
        anchors: the masks of the light and the heavy anchor.
        corridor: the genes that phase 2 could change.
        dense_error: of the dense network on the whole search split.
    """

    front: list[Solution]
    coarse: list[Solution]
    anchors: dict[str, Bits]
    corridor: Corridor
    dense_error: float


def solution(mask: Bits, individual: Any, phase: str) -> Solution:
    """Return an evaluated individual as a solution."""
    error, density = individual.fitness.values
    return Solution(mask, error, density, phase)


def judged(solutions: Iterable[Solution], evaluator: Evaluator) -> list[Solution]:
    """Measure solutions anew: what looked best to the search was partly lucky with its images."""
    return [replace(s, error=evaluator.judge(s.mask)[0]) for s in solutions]


def front_of(solutions: list[Solution]) -> list[Solution]:
    """Keep the solutions that none beats in both error and density, sorted by density."""
    best, front = np.inf, []
    for solution in sorted(solutions, key=lambda s: (s.density, s.error)):
        if solution.error < best:
            front.append(solution)
            best = solution.error
    return front


def thinned(front: list[Solution], count: int) -> list[Solution]:
    """Keep at most so many solutions of a front, spread evenly by the logarithm of density.

    Each wanted density takes the solution nearest to it; the ends always stay (ours).
    """
    if len(front) <= count:
        return front
    places = np.log([max(s.density, 1e-9) for s in front])
    wanted = np.linspace(places[0], places[-1], count)
    return [front[i] for i in np.unique(np.abs(places[:, None] - wanted).argmin(0))]
