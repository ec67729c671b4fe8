"""Selection: who survives (`selNSGA2`), and who becomes a parent (`selCrowdedTournament`)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from operators.dominance import Floats, Ints, crowding, crowdingOfFronts, fronts, ranks

T = TypeVar("T")


def _measured(individuals: Sequence[Any]) -> tuple[Floats, Ints]:
    """Return the points, minimised, shape (n, objectives), and their ranks, feasible first."""
    fitnesses = [individual.fitness for individual in individuals]
    shape = len(fitnesses), len(fitnesses[0].weights)
    values = chain.from_iterable(fitness.wvalues for fitness in fitnesses)
    points = -np.fromiter(values, float, shape[0] * shape[1]).reshape(shape)
    outside = [getattr(fitness, "violation", 0.0) for fitness in fitnesses]
    return points, ranks(points, outside)


def selNSGA2(individuals: Sequence[T], k: int) -> list[T]:
    """Choose the k individuals of the best fronts; the last front gives those with most room.

    Sets `fitness.crowding_dist` of every individual in the fronts it looked at, which DEAP's
    selTournamentDCD reads.

    Args:
        individuals: evaluated; a `fitness.violation` above 0 puts one behind all feasible ones.
        k: how many, 0 or more; all are returned if there are fewer.

    Returns:
        A new list of the individuals themselves, front by front; the same list as DEAP's selNSGA2
        where all are feasible.

    Raises:
        ValueError: if an objective is NaN.

    Source: Deb et al. 2002. differs: none from DEAP, but that the fronts come from moocore.

    >>> from operators.individuals import individual_type
    >>> a, b, c = (individual_type("mask", 2)([i]) for i in (0, 1, 1))
    >>> a.fitness.values, b.fitness.values, c.fitness.values = (0, 1), (1, 0), (1, 1)
    >>> selNSGA2([c, b, a], k=2) == [b, a]
    True
    """
    if k <= 0 or not individuals:
        return []
    points, rank = _measured(individuals)
    found = fronts(points, rank, k)
    order, sizes = np.concatenate(found), [len(front) for front in found]
    people: list[Any] = [individuals[index] for index in order.tolist()]
    room = crowdingOfFronts(-points[order] / people[0].fitness.weights, sizes)
    for individual, distance in zip(people, room.tolist(), strict=True):
        individual.fitness.crowding_dist = distance
    before = len(people) - sizes[-1]
    last = np.argsort(-room[before:], kind="stable")[: max(k - before, 0)]  # most room first
    return people[:before] + [people[before + place] for place in last.tolist()]


def assignCrowding(individuals: Sequence[Any]) -> None:
    """Set `fitness.crowding_dist` of every individual from the population as it stands.

    Args:
        individuals: evaluated; only their `fitness.crowding_dist` changes.
    """
    if individuals:
        points, rank = _measured(individuals)
        for individual, distance in zip(individuals, crowding(points, rank), strict=True):
            individual.fitness.crowding_dist = float(distance)


def selCrowdedTournament(individuals: Sequence[T], k: int, *, rng: np.random.Generator) -> list[T]:
    """Choose k parents, each the better of two: by rank, then by room, then by chance.

    The individuals are shuffled and fight in pairs, round after round, so that all fight equally
    often and the best ones are chosen twice in two rounds. Any number of them will do.

    Args:
        individuals: evaluated, at least 1; a `fitness.violation` above 0 loses to a feasible one.
        k: how many parents, 0 or more; parents may come several times.
        rng: the only source of random numbers.

    Returns:
        A new list of the individuals themselves.

    Raises:
        ValueError: if there is no individual, or an objective is NaN.

    Source: Deb et al. 2002, crowded-comparison operator. differs: ranks and room are taken among
    these individuals anew, so that a run that goes on needs nothing but its population.

    >>> from operators.individuals import individual_type
    >>> a, b = individual_type("mask", 2)([0]), individual_type("mask", 2)([1])
    >>> a.fitness.values, b.fitness.values = (0, 0), (1, 1)
    >>> selCrowdedTournament([a, b], k=3, rng=np.random.default_rng(0)) == [a, a, a]
    True
    """
    n = len(individuals)
    if n == 0:
        raise ValueError("individuals: expected at least 1 to choose from, got none")
    points, rank = _measured(individuals)
    room, coin = crowding(points, rank), rng.random(n)
    place = np.empty(n, np.intp)
    place[np.lexsort((coin, -room, rank))] = np.arange(n)  # 0 is the best
    rounds = -(-2 * k // n)
    fights = np.concatenate([rng.permutation(n) for _ in range(rounds)] or [np.arange(0)])
    left, right = fights[: 2 * k : 2], fights[1 : 2 * k : 2]
    winners = np.where(place[left] <= place[right], left, right)
    return [individuals[index] for index in winners.tolist()]
