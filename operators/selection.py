"""Selection: who survives (`selNSGA2`, `selTruncation`), and who becomes a parent (the others).

Everything is minimised, and a feasible individual goes before any infeasible one. Those that bear
the names of DEAP's (`selTournament`, `selRoulette`) draw from `rng`, not from `random`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from operators.dominance import Floats, Ints, crowding, crowdingOfFronts, fronts, ranks
from operators.ranges import at_least

T = TypeVar("T")


def measured(individuals: Sequence[Any]) -> tuple[Floats, Ints]:
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
    points, rank = measured(individuals)
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
        points, rank = measured(individuals)
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
    n, (points, rank) = len(individuals), measured(_some(individuals))
    room, coin = crowding(points, rank), rng.random(n)
    place = np.empty(n, np.intp)
    place[np.lexsort((coin, -room, rank))] = np.arange(n)  # 0 is the best
    rounds = -(-2 * k // n)
    fights = np.concatenate([rng.permutation(n) for _ in range(rounds)] or [np.arange(0)])
    left, right = fights[: 2 * k : 2], fights[1 : 2 * k : 2]
    winners = np.where(place[left] <= place[right], left, right)
    return [individuals[index] for index in winners.tolist()]


def selTournament(
    individuals: Sequence[T], k: int, *, tournsize: int = 2, rng: np.random.Generator
) -> list[T]:
    """Choose k parents, each the best of a few drawn by chance.

    The larger the tournament, the harder the selection. An individual may be drawn several times,
    into a fight with itself too, and some are never drawn; see `selCrowdedTournament` for fights
    that all have equally often.

    Cost: one random number a fighter, and a sort into ranks.

    Args:
        individuals: evaluated, at least 1. One objective is compared by value, several by rank and
            then by room; a `fitness.violation` above 0 loses to a feasible one.
        k: how many parents, 0 or more; parents may come several times.
        tournsize: fighters in a tournament, 1 (chance alone) or more.
        rng: the only source of random numbers.

    Returns:
        A new list of the individuals themselves.

    Raises:
        ValueError: if there is no individual, or tournsize is below 1, or an objective is NaN.

    Source: Brindle 1981; as DEAP's selTournament, of equals the first drawn. differs: feasible
    first, and dominance where DEAP compares the first objective, then the second.

    >>> from operators.individuals import individual_type
    >>> good, bad = individual_type("mask", 1)([0]), individual_type("mask", 1)([1])
    >>> good.fitness.values, bad.fitness.values = (0.1,), (0.9,)
    >>> winners = selTournament([bad, good], k=3, tournsize=20, rng=np.random.default_rng(0))
    >>> winners == [good, good, good]
    True
    """
    at_least("tournsize", tournsize, 1)
    place = _places(_some(individuals))
    fighters = rng.integers(len(individuals), size=(max(k, 0), tournsize))
    best = place[fighters].argmin(axis=1)
    return [individuals[index] for index in fighters[np.arange(len(best)), best].tolist()]


def _places(individuals: Sequence[Any]) -> Ints:
    """Return how each stands among all, 0 the best; those equally good stand alike.

    By rank, feasible first, which is by value where there is one objective; of several objectives
    then by room.
    """
    points, rank = measured(individuals)
    room = crowding(points, rank) if points.shape[1] > 1 else np.zeros(len(points))
    return np.unique(np.stack([rank, -room], axis=1), axis=0, return_inverse=True)[1].ravel()


def selTruncation(individuals: Sequence[T], k: int) -> list[T]:
    """Choose the k best, the best one first.

    The hardest selection there is, and it draws nothing.

    Cost: a sort into ranks.

    Args:
        individuals: evaluated. One objective is compared by value, several by rank and then by room
            among all individuals; a `fitness.violation` above 0 comes after all feasible ones.
        k: how many, 0 or more; all are returned if there are fewer.

    Returns:
        A new list of the individuals themselves; of equals the one that came first.

    Raises:
        ValueError: if an objective is NaN.

    Source: Muehlenbein & Schlierkamp-Voosen 1993; as DEAP's selBest for one objective.

    >>> from operators.individuals import individual_type
    >>> good, bad = individual_type("mask", 1)([0]), individual_type("mask", 1)([1])
    >>> good.fitness.values, bad.fitness.values = (0.1,), (0.9,)
    >>> selTruncation([bad, good], k=1) == [good]
    True
    """
    if k <= 0 or not individuals:
        return []
    order = np.argsort(_places(individuals), kind="stable")[:k]
    return [individuals[index] for index in order.tolist()]


def selRoulette(individuals: Sequence[T], k: int, *, rng: np.random.Generator) -> list[T]:
    """Choose k parents, each with a chance in proportion to how much better it is than the worst.

    A roulette gives everyone a share of the wheel by fitness, which wants values to be maximised.
    As ours are minimised, the share is worst - value: the worst has none, and a constant added to
    all values changes nothing. Several objectives, or values of which some are infinite or
    infeasible, have no such difference; there the share is the number of steps an individual
    stands above the worst, by rank and then by room.

    Cost: one random number a parent, and a sort into ranks.

    Args:
        individuals: evaluated, at least 1. If all are equally good, all have the same share.
        k: how many parents, 0 or more; parents may come several times.
        rng: the only source of random numbers.

    Returns:
        A new list of the individuals themselves.

    Raises:
        ValueError: if there is no individual, or an objective is NaN.

    Source: Holland 1975, fitness-proportionate selection. differs: worst - value as the share, for
    DEAP's selRoulette cannot minimise; by place for several objectives (both ours).

    >>> from operators.individuals import individual_type
    >>> good, bad = individual_type("mask", 1)([0]), individual_type("mask", 1)([1])
    >>> good.fitness.values, bad.fitness.values = (0.1,), (0.9,)
    >>> selRoulette([bad, good], k=2, rng=np.random.default_rng(0)) == [good, good]
    True
    """
    chances = _shares(_some(individuals))
    chosen = rng.choice(len(individuals), max(k, 0), p=chances)
    return [individuals[index] for index in chosen.tolist()]


def _shares(individuals: Sequence[Any]) -> Floats:
    """Return each one's share of the wheel; they sum to 1."""
    points, _ = measured(individuals)
    feasible = all(getattr(one.fitness, "violation", 0.0) <= 0 for one in individuals)
    by_value = points.shape[1] == 1 and feasible and np.isfinite(points).all()
    loss = points[:, 0] if by_value else _places(individuals).astype(float)
    better = loss.max() - loss
    return better / better.sum() if better.any() else np.full(len(loss), 1 / len(loss))


def _some(individuals: Sequence[T]) -> Sequence[T]:
    """Return the individuals; none at all are refused."""
    if not individuals:
        raise ValueError("individuals: expected at least 1 to choose from, got none")
    return individuals
