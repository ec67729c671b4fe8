"""What a search of masks hands over: its front, thinned to what a person can look through."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evoprune.evaluation.evaluator import Evaluator
from evoprune.methods.anchors import better_than
from evoprune.space.genes import Bits, Corridor
from operators.individuals import individual_type


@dataclass
class Solution:
    """A pruned network: its mask over all weights, and what it is worth on search images.

    Attributes:
        mask: bool, shape (size,).
        value: what was minimised beside the density, such as the soft error.
        error: 0 to 1.
        density: kept share, 0 to 1.
        phase: where it was found.
        size: what else was minimised, a share of the dense network's, 0 to 1; the density unless
            another was asked for.
    """

    mask: Bits
    value: float
    error: float
    density: float
    phase: str
    size: float = -1.0

    def __post_init__(self) -> None:
        """Take the density for the size where none is given."""
        if self.size < 0:
            self.size = self.density


@dataclass
class Outcome:
    """What a run of the method found.

    Attributes:
        front: of both phases and the dense network, smallest first, with what is near it.
        coarse: the front of phase 1 alone, in the precision of the search.
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
        (value, size), (error,) = individual.fitness.values, evaluator.note(individual)
        mask = evaluator.decode(individual)
        density = evaluator.space.density(mask)
        result.append(Solution(mask, value, error, density, phase, size))
    return result


def judged_anew(found: Iterable[Solution], evaluator: Evaluator) -> list[Solution]:
    """Return the same networks with what another evaluator, such as one in fp32, makes of them."""
    kind = individual_type("mask", 2)
    result = []
    for solution in found:
        mask = kind.from_numpy(solution.mask)
        (value, size), (error,) = evaluator(mask), evaluator.note(mask)
        result.append(replace(solution, value=value, error=error, size=size))
    return result


def alive(solutions: Iterable[Solution], *, guess: float) -> list[Solution]:
    """Keep the solutions that do better than guessing."""
    return [solution for solution in solutions if better_than(guess, solution.value)]


def front_of(solutions: Iterable[Solution]) -> list[Solution]:
    """Keep the solutions that none beats in both value and size, sorted by size."""
    best, front = np.inf, []
    for solution in _smallest_first(solutions):
        if solution.value < best:
            front.append(solution)
            best = solution.value
    return front


def near_front(solutions: Iterable[Solution], *, images: int | None) -> list[Solution]:
    """Keep what no smaller solution beats by more than noise, sorted by size (ours).

    Near the dense network all are about equally good, and on few images one lucky mask drives all
    larger ones off a front: those that lose few answers. Noise is half a standard error of an error
    rate on so many images; networks that mostly make the same mistakes differ by less than a whole.
    What is no error rate has no such noise: `images` is None then, and only the front is kept.
    """
    best, kept = np.inf if images is None else 1.0, list[Solution]()
    for solution in _smallest_first(solutions):
        noise = 0.0 if images is None else 0.5 * np.sqrt(best * (1 - best) / images)
        larger = not kept or solution.size > kept[-1].size
        if larger and solution.value < best + noise:
            kept.append(solution)
        best = min(best, solution.value)
    return kept


def thinned(solutions: list[Solution], count: int) -> list[Solution]:
    """Keep at most so many solutions, sorted by size: the best of each cell of like sizes.

    The cells are equal by the logarithm of size, the first holds the smallest solution alone
    (ours). A cell that holds any of the front keeps one of the front.
    """
    if len(solutions) <= count:
        return solutions
    places = np.log([max(s.size, 1e-9) for s in solutions])
    cells = np.searchsorted(np.linspace(places[0], places[-1], count), places)
    best: dict[int, Solution] = {}
    for cell, solution in zip(cells.tolist(), solutions, strict=True):
        if cell not in best or solution.value < best[cell].value:
            best[cell] = solution
    return list(best.values())


def _smallest_first(solutions: Iterable[Solution]) -> list[Solution]:
    return sorted(solutions, key=lambda solution: (solution.size, solution.value))
