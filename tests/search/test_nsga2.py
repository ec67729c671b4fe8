"""NSGA-II: what is registered is used, a stopped run goes on, the toy front is found."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from deap import base, tools

from evoprune.errors import InputError
from evoprune.search.archive import Archive
from evoprune.search.nsga2 import nsga2
from evoprune.search.toolbox import check
from operators.individuals import individual_type
from operators.problems import front, lotz
from operators.selection import selNSGA2

GENES = 8


def mask_toolbox() -> base.Toolbox:
    """Make DEAP's plain operators for bits, on `lotz`."""
    toolbox = base.Toolbox()
    toolbox.register("evaluate", lotz)
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", tools.mutFlipBit, indpb=1 / GENES)
    toolbox.register("select", selNSGA2)
    return toolbox


def masks(n: int, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [individual_type("mask", 2).from_numpy(rng.random(GENES) < 0.5) for _ in range(n)]


def rows(population: list[Any]) -> list[Any]:
    return [(list(x), x.fitness.values, x.fitness.violation) for x in population]


def generations(toolbox: Any, n: int, stop: int, **settings: Any) -> list[Any]:
    random.seed(0)
    rng = np.random.default_rng(0)
    return list(islice(nsga2(toolbox, masks(n), rng=rng, **settings), stop))


def counted(toolbox: base.Toolbox, slot: str) -> list[Any]:
    """Register what is in a slot again so that it notes each call."""
    calls: list[Any] = []
    inner: Callable[..., Any] = getattr(toolbox, slot)

    def spy(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        return inner(*args, **kwargs)

    toolbox.register(slot, spy)
    return calls


@pytest.mark.parametrize("n", [4, 5, 10, 21])
def test_any_population_size_keeps_its_size(n: int) -> None:
    found = generations(mask_toolbox(), n, 4)
    assert [generation.number for generation in found] == [0, 1, 2, 3]
    assert all(len(generation.population) == n for generation in found)
    assert found[0].offspring == []
    assert all(len(generation.offspring) == n for generation in found[1:])


def test_the_whole_front_of_a_toy_problem_is_found() -> None:
    archive = Archive()
    for generation in generations(mask_toolbox(), 20, 60):
        archive.update(generation.population)
    assert archive.points().tolist() == front(lotz, GENES).tolist()


def test_a_run_stopped_at_5_goes_on_as_one_of_10() -> None:
    whole = generations(mask_toolbox(), 9, 11)
    random.seed(0)
    rng = np.random.default_rng(0)
    half = list(islice(nsga2(mask_toolbox(), masks(9), rng=rng), 6))[-1]
    saved = copy.deepcopy(rng.bit_generator.state), random.getstate()
    population = copy.deepcopy(half.population)

    random.seed(99)
    other = np.random.default_rng(99)
    other.bit_generator.state = saved[0]
    random.setstate(saved[1])
    on = nsga2(mask_toolbox(), population, rng=other, number=half.number, state=half.state)
    for expected, got in zip(whole[6:], islice(on, 5), strict=True):
        assert got.number == expected.number
        assert rows(got.population) == rows(expected.population)
        assert rows(got.offspring) == rows(expected.offspring)


def test_a_run_stopped_at_0_does_not_yield_it_again() -> None:
    first = next(nsga2(mask_toolbox(), masks(4), rng=np.random.default_rng(0)))
    on = nsga2(
        mask_toolbox(), first.population, rng=np.random.default_rng(0), state=first.state
    )
    assert next(on).number == 1


def test_the_same_seed_gives_the_same_rows() -> None:
    first, second = (generations(mask_toolbox(), 8, 5) for _ in range(2))
    assert [rows(g.population) for g in first] == [rows(g.population) for g in second]


@pytest.mark.parametrize("slot", ["evaluate", "mate", "mutate", "select", "map", "clone"])
def test_whatever_is_registered_is_used(slot: str) -> None:
    toolbox = mask_toolbox()
    calls = counted(toolbox, slot)
    generations(toolbox, 6, 2)
    assert calls


def test_a_registered_choice_of_parents_is_used_with_crowding_set() -> None:
    toolbox = mask_toolbox()
    toolbox.register("select_parents", tools.selTournamentDCD)
    calls = counted(toolbox, "select_parents")
    generations(toolbox, 8, 3)
    assert [(len(population), k) for population, k in calls] == [(8, 8)] * 2


def test_only_what_has_no_valid_fitness_is_evaluated() -> None:
    toolbox = mask_toolbox()
    calls = counted(toolbox, "evaluate")
    population = masks(4)
    population[0].fitness.values = (1.0, 1.0)
    next(nsga2(toolbox, population, rng=np.random.default_rng(0)))
    assert len(calls) == 3


def test_without_mating_and_mutation_nothing_is_new() -> None:
    found = generations(mask_toolbox(), 6, 3, mating_probability=0.0, mutation_probability=0.0)
    assert [generation.offspring for generation in found] == [[], [], []]
    genomes = {tuple(x) for x in found[0].population}
    assert {tuple(x) for x in found[-1].population} <= genomes


def test_survivors_are_the_very_objects_of_the_offspring() -> None:
    before, after = generations(mask_toolbox(), 10, 2)
    known = {id(x) for x in before.population} | {id(x) for x in after.offspring}
    assert all(id(x) in known for x in after.population)
    assert {id(x) for x in after.population} & {id(x) for x in after.offspring}


def test_attributes_set_by_the_mutation_travel_with_the_offspring() -> None:
    toolbox = mask_toolbox()

    def mutate(individual: Any) -> tuple[Any]:
        individual.operator, individual.score = "flip", np.ones(GENES)
        return tools.mutFlipBit(individual, 0.2)

    toolbox.register("mutate", mutate)
    *_, last = generations(toolbox, 6, 4)
    assert all(x.operator == "flip" for x in last.offspring)
    assert len({id(x.score) for x in last.offspring}) == 6


def test_generations_already_yielded_do_not_change() -> None:
    toolbox, rng = mask_toolbox(), np.random.default_rng(0)
    seen: list[Any] = []
    for generation in islice(nsga2(toolbox, masks(6), rng=rng), 5):
        seen.append((generation, rows(generation.population)))
    assert all(rows(generation.population) == then for generation, then in seen)


def test_the_population_given_keeps_its_order_and_length() -> None:
    population = masks(6)
    before = list(population)
    list(islice(nsga2(mask_toolbox(), population, rng=np.random.default_rng(0)), 4))
    assert [a is b for a, b in zip(population, before, strict=True)] == [True] * 6


def test_a_violation_set_by_the_evaluation_keeps_infeasible_ones_out() -> None:
    toolbox = mask_toolbox()

    def evaluate(individual: Any) -> tuple[float, float]:
        individual.fitness.violation = float(max(0, individual.count() - 4))
        return lotz(individual)

    toolbox.register("evaluate", evaluate)
    last = generations(toolbox, 12, 15)[-1]
    assert all(x.fitness.violation == 0 and x.count() <= 4 for x in last.population)


def test_without_a_number_of_offspring_there_are_as_many_as_parents_bit_for_bit() -> None:
    told, untold = (generations(mask_toolbox(), 9, 8, offspring=n) for n in (9, None))
    assert [rows(g.population) for g in told] == [rows(g.population) for g in untold]
    assert [rows(g.offspring) for g in told] == [rows(g.offspring) for g in untold]


@pytest.mark.parametrize("offspring", [1, 2, 3, 7, 20])
def test_so_many_children_are_made_a_generation(offspring: int) -> None:
    first, *found = generations(mask_toolbox(), 10, 6, offspring=offspring)
    assert first.offspring == []
    assert all(len(generation.offspring) == offspring for generation in found)
    assert all(len(generation.population) == 10 for generation in found)


@pytest.mark.parametrize(("offspring", "pairs"), [(1, 0), (2, 1), (3, 1), (5, 2)])
def test_an_odd_child_is_mutated_but_not_crossed(offspring: int, pairs: int) -> None:
    toolbox = mask_toolbox()
    crossed, mutated = counted(toolbox, "mate"), counted(toolbox, "mutate")
    generations(toolbox, 6, 2, mating_probability=1.0, offspring=offspring)
    assert (len(crossed), len(mutated)) == (pairs, offspring)


def test_of_a_steady_state_all_but_the_children_are_the_very_parents() -> None:
    found = generations(mask_toolbox(), 8, 12, offspring=2)
    for before, after in pairwise(found):
        children = {id(child) for child in after.offspring}
        old = {id(one) for one in before.population}
        assert len({id(one) for one in after.population} & old) >= 6
        assert {id(one) for one in after.population} <= old | children


def test_a_steady_state_finds_the_whole_front_of_a_toy_problem() -> None:
    archive = Archive()
    for generation in generations(mask_toolbox(), 20, 600, offspring=2):
        archive.update(generation.population)
    assert archive.points().tolist() == front(lotz, GENES).tolist()


def test_a_steady_state_stopped_goes_on_as_one_that_was_not() -> None:
    whole = generations(mask_toolbox(), 6, 9, offspring=2)
    random.seed(0)
    rng = np.random.default_rng(0)
    half = list(islice(nsga2(mask_toolbox(), masks(6), rng=rng, offspring=2), 4))[-1]
    on = nsga2(
        mask_toolbox(),
        copy.deepcopy(half.population),
        rng=rng,
        offspring=2,
        number=half.number,
        state=half.state,
    )
    for expected, got in zip(whole[4:], islice(on, 5), strict=True):
        assert rows(got.population) == rows(expected.population)


@pytest.mark.parametrize("offspring", [0, -2])
def test_no_offspring_are_refused(offspring: int) -> None:
    with pytest.raises(InputError, match=rf"offspring: expected at least 1, got {offspring}; wri"):
        generations(mask_toolbox(), 4, 1, offspring=offspring)


def test_a_population_under_4_is_refused() -> None:
    with pytest.raises(InputError, match=r"population: expected at least 4 individuals, got 3"):
        next(nsga2(mask_toolbox(), masks(3), rng=np.random.default_rng(0)))


@pytest.mark.parametrize("name", ["mating_probability", "mutation_probability"])
def test_a_probability_out_of_range_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: expected 0 to 1, got 1.5"):
        generations(mask_toolbox(), 4, 1, **{name: 1.5})


def test_a_fitting_toolbox_passes_the_check_and_is_not_called() -> None:
    toolbox = mask_toolbox()
    calls = counted(toolbox, "mate") + counted(toolbox, "evaluate")
    check(toolbox, masks(1)[0])
    assert calls == []


def test_a_missing_slot_is_named() -> None:
    toolbox = mask_toolbox()
    toolbox.unregister("mutate")
    with pytest.raises(InputError, match=r'mutate is missing; write toolbox.register\("mutate"'):
        check(toolbox, masks(1)[0])


@pytest.mark.parametrize(
    ("slot", "operator", "message"),
    [
        ("mate", tools.cxPartialyMatched, "mate: cxPartialyMatched is for permutations"),
        ("mutate", tools.mutGaussian, "mutate: mutGaussian is for reals.*register mutFlip"),
    ],
)
def test_an_operator_for_other_genomes_is_named(slot: str, operator: Any, message: str) -> None:
    toolbox = mask_toolbox()
    toolbox.register(slot, operator)
    with pytest.raises(InputError, match=message):
        check(toolbox, masks(1)[0])


def test_an_operator_for_bits_does_not_fit_reals() -> None:
    vector = individual_type("thresholds", 2)([0.5])
    with pytest.raises(InputError, match=r"mutate: mutFlipBit is for bits.*mutPolynomialBounded"):
        check(mask_toolbox(), vector)
