"""What a search of masks hands over: its front, thinned to what a person can look through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from evoprune.evaluation.evaluator import Evaluator
from evoprune.space.weights import Bits, Corridor


@dataclass
class Solution:
    """A pruned network: its mask over all weights, and what it is worth on search images.

    Attributes:
        mask: bool, shape (size,).
        value: what was minimised beside the density, such as the soft error.
        error: 0 to 1.
        density: kept share, 0 to 1.
        phase: where it was found.
    """

    mask: Bits
    value: float
    error: float
    density: float
    phase: str


@dataclass
class Outcome:
    """What a run of the method found.

    Attributes:
        front: of both phases and the dense network, sparsest first.
        coarse: the front of phase 1 alone.
        anchors: the masks of the light and the heavy anchor.
        corridor: the genes that phase 2 could change.
        dense_error: of the dense network on the search images.
    """

    front: list[Solution]
    coarse: list[Solution]
    anchors: dict[str, Bits]
    corridor: Corridor
    dense_error: float


def solutions(found: Iterable[Any], evaluator: Evaluator, phase: str) -> list[Solution]:
    """Return judged individuals as solutions; the evaluator has noted their errors."""
    result = []
    for individual in found:
        (value, density), (error,) = individual.fitness.values, evaluator.note(individual)
        result.append(Solution(evaluator.decode(individual), value, error, density, phase))
    return result


def alive(solutions: Iterable[Solution], *, classes: int) -> list[Solution]:
    """Keep the solutions that do better than guessing; nobody would choose another (ours)."""
    return [solution for solution in solutions if solution.value < 0.99 * (1 - 1 / classes)]


def front_of(solutions: list[Solution]) -> list[Solution]:
    """Keep the solutions that none beats in both value and density, sorted by density."""
    best, front = np.inf, []
    for solution in sorted(solutions, key=lambda s: (s.density, s.value)):
        if solution.value < best:
            front.append(solution)
            best = solution.value
    return front


def dense_end(
    solutions: Iterable[Solution], front: list[Solution], *, images: int
) -> list[Solution]:
    """Return what is denser than the whole front and worse than its best by less than noise (ours).

    Near the dense network all are about equally good, and on few images one lucky mask drives all
    denser ones off a front. Those worse by less than half a standard error of an error rate on so
    many images are kept beside it: who wants few losses chooses among them.
    """
    best = front[-1]
    noise = 0.5 * np.sqrt(best.value * (1 - best.value) / images)
    near = [s for s in solutions if s.density > best.density and s.value < best.value + noise]
    return sorted(near, key=lambda solution: solution.density)


def thinned(front: list[Solution], count: int) -> list[Solution]:
    """Keep at most so many solutions of a front, spread evenly by the logarithm of density.

    Each wanted density takes the solution nearest to it; the ends always stay (ours).
    """
    if len(front) <= count:
        return front
    places = np.log([max(s.density, 1e-9) for s in front])
    wanted = np.linspace(places[0], places[-1], count)
    return [front[i] for i in np.unique(np.abs(places[:, None] - wanted).argmin(0))]
