"""A budget counts different genomes, in the order in which they came."""

from __future__ import annotations

from collections.abc import Sequence

from evoprune.enumerated import Seen
from operators import BitString


def counted(calls: list[int]) -> Seen:
    def evaluate(individual: BitString) -> tuple[float, float]:
        calls.append(individual.count())
        return float(individual.count()), 0.0

    return Seen(evaluate)


def seen(seen: Seen, genomes: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
    return [seen(BitString(genome)) for genome in genomes]


def test_a_genome_that_comes_again_is_not_evaluated_again() -> None:
    calls: list[int] = []
    watched = counted(calls)
    assert seen(watched, [[1, 1], [0, 1], [1, 1]]) == [(2, 0), (1, 0), (2, 0)]
    assert calls == [2, 1] and len(watched) == 2


def test_genomes_of_equal_objectives_are_different_genomes() -> None:
    watched = counted([])
    seen(watched, [[1, 0], [0, 1]])
    assert len(watched) == 2 and watched.points().tolist() == [[1, 0], [1, 0]]


def test_points_are_the_first_ones_up_to_a_budget() -> None:
    watched = counted([])
    seen(watched, [[1, 1], [0, 0], [1, 1], [1, 0]])
    assert watched.points(2).tolist() == [[2, 0], [0, 0]]
    assert len(watched.points(9)) == 3
