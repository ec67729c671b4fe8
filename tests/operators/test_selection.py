"""selNSGA2 is DEAP's, only faster; the tournament prefers the better of two."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest
from deap import tools

from operators.individuals import individual_type
from operators.selection import assignCrowding, selCrowdedTournament, selNSGA2


def individuals(points: Any, violations: Any = None) -> list[Any]:
    points = np.asarray(points, float)
    made = [individual_type("mask", points.shape[1])([1, 0]) for _ in points]
    for row, individual in enumerate(made):
        individual.fitness.values = tuple(points[row].tolist())
        if violations is not None:
            individual.fitness.violation = violations[row]
    return made


def same(ours: list[Any], theirs: list[Any]) -> bool:
    return [id(x) for x in ours] == [id(x) for x in theirs]


@pytest.mark.parametrize("objectives", [2, 3])
@pytest.mark.parametrize("seed", range(40))
def test_the_same_survivors_as_deap_in_the_same_order(objectives: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 80))
    population = individuals(rng.random((n, objectives)))
    for k in {0, 1, 2, n // 3, n // 2, n - 1, n, n + 1}:
        theirs = tools.selNSGA2(population, k)
        rooms = [individual.fitness.crowding_dist for individual in theirs]
        ours = selNSGA2(population, k)
        assert same(ours, theirs), f"seed {seed}, k {k}"
        assert [individual.fitness.crowding_dist for individual in ours] == rooms


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("seed", range(20))
def test_the_same_survivors_as_deap_even_with_ties(objectives: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    population = individuals(rng.integers(0, 5, (40, objectives)))
    for k in (1, 7, 20, 39):
        assert same(selNSGA2(population, k), tools.selNSGA2(population, k)), f"seed {seed}, k {k}"


def test_the_same_survivors_as_deap_where_fronts_are_long() -> None:
    first = np.random.default_rng(0).random(100)
    population = individuals(np.r_[np.c_[first, 1 - first], np.c_[first + 0.1, 1.1 - first]])
    for k in (50, 101, 102, 150):
        assert same(selNSGA2(population, k), tools.selNSGA2(population, k))


@pytest.mark.parametrize("objectives", [2, 3])
def test_the_same_survivors_as_deap_from_many(objectives: int) -> None:
    population = individuals(np.random.default_rng(0).random((300, objectives)).round(2))
    for k in (1, 150):
        theirs = tools.selNSGA2(population, k)
        rooms = [individual.fitness.crowding_dist for individual in theirs]
        ours = selNSGA2(population, k)
        assert same(ours, theirs)
        assert [individual.fitness.crowding_dist for individual in ours] == rooms


def test_weights_of_any_size_give_deaps_crowding() -> None:
    from deap import base

    class Fitness(base.Fitness):
        weights = (-0.3, 7.0)

    population = individuals(np.random.default_rng(0).random((40, 2)))
    for individual in population:
        individual.fitness = Fitness(individual.fitness.values)
    theirs = tools.selNSGA2(population, 25)
    rooms = [individual.fitness.crowding_dist for individual in theirs]
    ours = selNSGA2(population, 25)
    assert same(ours, theirs)
    assert [individual.fitness.crowding_dist for individual in ours] == rooms


def test_individuals_that_were_not_judged_are_refused() -> None:
    population = individuals([(0, 1), (1, 0)])
    del population[1].fitness.values
    with pytest.raises(ValueError, match="too short"):
        selNSGA2(population, 1)


def test_maximised_objectives_are_taken_as_deap_takes_them() -> None:
    from deap import base

    class Fitness(base.Fitness):
        weights = (1.0, -1.0)

    population = individuals(np.random.default_rng(0).random((30, 2)))
    for individual in population:
        individual.fitness = Fitness(individual.fitness.values)
    assert same(selNSGA2(population, 11), tools.selNSGA2(population, 11))


@pytest.mark.parametrize("objectives", [1, 2])
def test_several_infinite_values_are_no_better_than_one(objectives: int) -> None:
    good, *poor = individuals([(0.5,) * objectives] + [(np.inf,) * objectives] * 3)
    assert same(selNSGA2([*poor, good], 2), [good, poor[0]])


def test_a_feasible_individual_survives_any_infeasible_one() -> None:
    poor, good, worse = individuals([(9, 9), (0, 0), (0, 0)], violations=[0.0, 1.0, 2.0])
    assert same(selNSGA2([worse, good, poor], 2), [poor, good])


def test_deaps_tournament_works_on_what_selNSGA2_has_sorted() -> None:
    random.seed(0)
    population = selNSGA2(individuals(np.random.default_rng(0).random((8, 2))), 8)
    assert len(tools.selTournamentDCD(population, 8)) == 8


def test_assigned_crowding_is_deaps_within_one_front() -> None:
    first = np.random.default_rng(3).random(20)
    population = individuals(np.c_[first, 1 - first])
    tools.emo.assignCrowdingDist(population)
    expected = [individual.fitness.crowding_dist for individual in population]
    assignCrowding(population)
    assert [individual.fitness.crowding_dist for individual in population] == expected


@pytest.mark.parametrize("n", [1, 2, 5, 8])
@pytest.mark.parametrize("k", [0, 1, 4, 5, 20])
def test_the_tournament_gives_k_parents_of_any_population(n: int, k: int) -> None:
    population = individuals(np.random.default_rng(n).random((n, 2)))
    parents = selCrowdedTournament(population, k, rng=np.random.default_rng(0))
    assert len(parents) == k
    assert all(any(parent is x for x in population) for parent in parents)


def test_in_two_rounds_the_best_is_chosen_twice_and_the_worst_never() -> None:
    population = individuals([(i, i) for i in range(10)])
    parents = selCrowdedTournament(population, 10, rng=np.random.default_rng(0))
    times = Counter(id(parent) for parent in parents)
    assert times[id(population[0])] == 2
    assert times[id(population[-1])] == 0


def test_within_a_front_the_one_with_more_room_wins() -> None:
    population = individuals([(0, 10), (1, 9), (1.1, 8.9), (10, 0)])
    for seed in range(20):
        parents = selCrowdedTournament(population, 4, rng=np.random.default_rng(seed))
        times = Counter(id(parent) for parent in parents)
        assert times[id(population[0])] + times[id(population[3])] >= 2


def test_a_feasible_individual_wins_every_fight() -> None:
    poor, good = individuals([(9, 9), (0, 0)], violations=[0.0, 1.0])
    parents = selCrowdedTournament([poor, good], 4, rng=np.random.default_rng(0))
    assert all(parent is poor for parent in parents)


def test_the_same_seed_chooses_the_same_parents() -> None:
    population = individuals(np.random.default_rng(0).random((9, 2)))
    first, second = (
        selCrowdedTournament(population, 9, rng=np.random.default_rng(5)) for _ in range(2)
    )
    assert same(first, second)


def test_an_empty_population_has_no_parents() -> None:
    with pytest.raises(ValueError, match="expected at least 1 to choose from, got none"):
        selCrowdedTournament([], 2, rng=np.random.default_rng(0))
