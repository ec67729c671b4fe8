"""Who survives: selNSGA2 against DEAP's, which it must equal, and against pymoo's."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from deap import tools
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from timing import Row, compare

from operators.dominance import ranks
from operators.individuals import individual_type
from operators.selection import selNSGA2

LISTS = 2_000  # DEAP's takes minutes beyond


def individuals(points: Any) -> list[Any]:
    """Return individuals of one gene with these objective values."""
    made = [individual_type("mask", points.shape[1])([1]) for _ in points]
    for individual, values in zip(made, points.tolist(), strict=True):
        individual.fitness.values = tuple(values)
    return made


def beside_deap(n: int, objectives: int, rounds: int) -> Row:
    """Compare with DEAP's: the very same list."""
    people = individuals(np.random.default_rng(0).random((n, objectives)))
    return compare(
        f"selection from {n:,}, {objectives} objectives",
        ("selNSGA2", partial(selNSGA2, people, n // 2)),
        ("DEAP's selNSGA2", partial(tools.selNSGA2, people, n // 2)),
        agree=lambda one, other: list(map(id, one)) == list(map(id, other)),
        rounds=rounds,
        at_least=20 if n >= 1000 else None,
        note="the same list",
    )


def beside_pymoo(n: int, objectives: int, rounds: int) -> Row:
    """Compare with pymoo's: equally many of each rank."""
    points = np.random.default_rng(0).random((n, objectives))
    people, population = individuals(points), Population.new(F=points)
    rank = dict(zip(map(tuple, points.tolist()), ranks(points).tolist(), strict=True))
    survive, problem = RankAndCrowding(), Problem(n_var=1, n_obj=objectives)

    def agree(one: Any, other: Any) -> bool:
        ours = sorted(rank[individual.fitness.values] for individual in one)
        return ours == sorted(rank[tuple(values)] for values in other.get("F").tolist())

    return compare(
        f"selection from {n:,}, {objectives} objectives",
        ("selNSGA2", partial(selNSGA2, people, n // 2)),
        ("pymoo's RankAndCrowding", partial(survive.do, problem, population, n_survive=n // 2)),
        agree=agree,
        rounds=rounds,
        at_least=1,
        note="equally many of each rank",
    )


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of this file."""
    for n in (50,) if quick else (200, 1_000, 10_000):
        for objectives in (2, 3):
            if n <= LISTS:
                yield beside_deap(n, objectives, 2 if quick else 7)
            yield beside_pymoo(n, objectives, 2 if quick else 15)
