"""Tournament, truncation and roulette: DEAP's for one objective, by rank and room for several."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from deap import base, creator, tools

from operators.individuals import individual_type
from operators.selection import selNSGA2, selRoulette, selTournament, selTruncation

Rng = np.random.Generator


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


def shares(chosen: list[Any], population: list[Any]) -> np.ndarray:
    times = Counter(map(id, chosen))
    return np.array([times[id(one)] for one in population]) / len(chosen)


@pytest.mark.parametrize("tournsize", [1, 2, 3, 9])
@pytest.mark.parametrize("seed", range(5))
def test_tournaments_are_deaps_when_fed_the_same_draws(
    tournsize: int, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    population = individuals(rng.integers(0, 5, (12, 1)))  # with ties: the first drawn wins
    draws = iter(deepcopy(rng).integers(12, size=(20, tournsize)).ravel().tolist())
    monkeypatch.setattr(random, "choice", lambda sequence: sequence[next(draws)])
    expected = tools.selTournament(population, 20, tournsize)
    assert same(selTournament(population, 20, tournsize=tournsize, rng=rng), expected)


def test_a_tournament_of_one_is_chance_alone(rng: Rng) -> None:
    population = individuals([(i,) for i in range(5)])
    chosen = selTournament(population, 2000, tournsize=1, rng=rng)
    assert np.allclose(shares(chosen, population), 0.2, atol=0.05)


def test_a_tournament_of_two_chooses_the_best_of_n_with_chance_2n_less_1_by_n_squared(
    rng: Rng,
) -> None:
    population = individuals([(i,) for i in range(4)])
    found = shares(selTournament(population, 4000, rng=rng), population)
    assert np.allclose(found, np.array([7, 5, 3, 1]) / 16, atol=0.04)


def test_of_several_objectives_the_rank_decides_and_then_the_room() -> None:
    near, wide, behind = individuals([(1, 9), (2, 8)]), individuals([(0, 20), (20, 0)]), (21, 21)
    chosen = selTruncation([*individuals([behind]), *near, *wide], 5)
    assert {id(one) for one in chosen[:2]} == {id(one) for one in wide}  # the ends of the front
    assert {id(one) for one in chosen[2:4]} == {id(one) for one in near}
    assert chosen[4].fitness.values == behind


@pytest.mark.parametrize("seed", range(10))
def test_truncation_is_deaps_selBest_for_one_objective_even_with_ties(seed: int) -> None:
    population = individuals(np.random.default_rng(seed).integers(0, 6, (20, 1)))
    for k in (0, 1, 7, 20, 25):
        assert same(selTruncation(population, k), tools.selBest(population, k))


@pytest.mark.parametrize("objectives", [2, 3])
def test_truncation_keeps_whom_selNSGA2_keeps(objectives: int, rng: Rng) -> None:
    population = individuals(rng.random((40, objectives)))
    for k in (1, 10, 25, 40):
        ours, theirs = selTruncation(population, k), selNSGA2(population, k)
        fronts = set(map(id, ours)) ^ set(map(id, theirs))
        rooms = {one.fitness.crowding_dist for one in theirs if id(one) in fronts}
        assert not fronts or rooms == {np.inf}  # only ends of a front are alike


@pytest.mark.parametrize("objectives", [1, 2])
def test_a_feasible_individual_goes_before_any_infeasible_one(objectives: int, rng: Rng) -> None:
    points = [[9] * objectives, [0] * objectives, [1] * objectives]
    poor, good, worse = individuals(points, violations=[0.0, 1.0, 2.0])
    assert same(selTruncation([worse, good, poor], 3), [poor, good, worse])
    chosen = selTournament([worse, good, poor], 20, tournsize=30, rng=rng)
    assert all(one is poor for one in chosen)
    assert np.allclose(
        shares(selRoulette([worse, good, poor], 2000, rng=rng), [poor, good, worse]),
        [2 / 3, 1 / 3, 0],
        atol=0.05,
    )


def test_the_roulette_gives_a_share_by_the_lead_on_the_worst(rng: Rng) -> None:
    population = individuals([(0.0,), (2.0,), (3.0,), (4.0,)])
    found = shares(selRoulette(population, 4000, rng=rng), population)
    assert np.allclose(found, np.array([4, 2, 1, 0]) / 7, atol=0.04)


def test_the_roulette_is_deaps_on_the_leads(rng: Rng) -> None:
    class Maximised(base.Fitness):
        weights = (1.0,)

    values = rng.random(6).round(2)
    population, theirs = individuals(values[:, None]), individuals(values[:, None])
    for individual, value in zip(theirs, values, strict=True):
        individual.fitness = Maximised((values.max() - value,))
    random.seed(0)
    expected = shares(tools.selRoulette(theirs, 5000), theirs)
    assert np.allclose(
        shares(selRoulette(population, 5000, rng=rng), population), expected, atol=0.04
    )


def test_a_constant_added_to_all_values_leaves_the_roulette_as_it_is(rng: Rng) -> None:
    values, twin = np.array([[1.0], [5.0], [2.0], [7.0]]), deepcopy(rng)
    first, second = individuals(values), individuals(values + 64)
    ours, theirs = selRoulette(first, 50, rng=rng), selRoulette(second, 50, rng=twin)
    assert [one.fitness.values[0] + 64 for one in ours] == [x.fitness.values[0] for x in theirs]


@pytest.mark.parametrize("points", [[(1.0,)] * 4, [(np.inf,)] * 4, [(0.5,)]])
def test_where_all_are_alike_all_have_the_same_share(points: Any, rng: Rng) -> None:
    population = individuals(points)
    found = shares(selRoulette(population, 2000, rng=rng), population)
    assert np.allclose(found, 1 / len(points), atol=0.05)


def test_an_infinite_value_makes_the_roulette_go_by_place(rng: Rng) -> None:
    population = individuals([(0.0,), (5.0,), (np.inf,)])
    found = shares(selRoulette(population, 3000, rng=rng), population)
    assert np.allclose(found, np.array([2, 1, 0]) / 3, atol=0.04)


def test_several_objectives_make_the_roulette_go_by_place(rng: Rng) -> None:
    population = individuals([(0, 0), (1, 1), (2, 2), (9, 9)])
    found = shares(selRoulette(population, 3000, rng=rng), population)
    assert np.allclose(found, np.array([3, 2, 1, 0]) / 6, atol=0.04)


@pytest.mark.parametrize("select", [selTournament, selRoulette])
def test_any_number_of_parents_comes_and_none_from_nobody(select: Any, rng: Rng) -> None:
    for k in (0, 1, 9):
        assert len(select(individuals([(1.0,), (2.0,), (3.0,)]), k, rng=rng)) == k
    with pytest.raises(
        ValueError, match="individuals: expected at least 1 to choose from, got none"
    ):
        select([], 2, rng=rng)


def test_truncation_of_nobody_is_nobody() -> None:
    assert selTruncation([], 3) == []


def test_a_tournament_of_none_is_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match="tournsize: expected 1 or more, finite, got 0"):
        selTournament(individuals([(1.0,)]), 1, tournsize=0, rng=rng)


@pytest.mark.parametrize("select", [selTournament, selRoulette, selTruncation])
def test_an_objective_that_is_no_number_is_refused(select: Any, rng: Rng) -> None:
    drawn = {} if select is selTruncation else {"rng": rng}
    with pytest.raises(ValueError, match="points: expected numbers, got NaN in row 1"):
        select(individuals([(1.0,), (np.nan,)]), 1, **drawn)


def test_types_of_deaps_own_making_are_selected_too(rng: Rng) -> None:
    population = [creator.Mask1([1]), creator.Mask1([0])]
    for individual, value in zip(population, (0.3, 0.2), strict=True):
        individual.fitness.values = (value,)
    assert selTruncation(population, 1)[0] is population[1]
