"""MOEA/D: neighbourhoods decide, objectives are normalised, a stopped run goes on."""

from __future__ import annotations

import copy
import random
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from deap import base, tools

from evoprune.errors import InputError
from evoprune.search.archive import Archive
from evoprune.search.moead import Scale, _child, match, moead
from operators.decomposition import tchebycheff, weightsFor
from operators.individuals import individual_type
from operators.problems import front, lotz

GENES = 8


def mask_toolbox() -> base.Toolbox:
    """Make DEAP's plain operators for bits, on `lotz`."""
    toolbox = base.Toolbox()
    toolbox.register("evaluate", lotz)
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", tools.mutFlipBit, indpb=1 / GENES)
    return toolbox


def masks(n: int, seed: int = 0) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [individual_type("mask", 2).from_numpy(rng.random(GENES) < 0.5) for _ in range(n)]


def measured(points: Any, violations: Any = None) -> list[Any]:
    made = masks(len(points))
    for row, individual in enumerate(made):
        individual.fitness.values = tuple(points[row])
        individual.fitness.violation = 0.0 if violations is None else violations[row]
    return made


def rows(population: list[Any]) -> list[Any]:
    return [(list(x), x.fitness.values, x.fitness.violation) for x in population]


def generations(toolbox: Any, n: int, stop: int, **settings: Any) -> list[Any]:
    random.seed(0)
    settings = {"weights": weightsFor(2, n), "neighbours": min(n, 5)} | settings
    return list(islice(moead(toolbox, masks(n), rng=np.random.default_rng(0), **settings), stop))


@pytest.mark.parametrize("scalarise", ["tchebycheff", "pbi", "weighted-sum"])
@pytest.mark.parametrize("batch", [1, 7, 18])
def test_the_whole_front_of_a_toy_problem_is_found(scalarise: str, batch: int) -> None:
    archive = Archive()
    for generation in generations(mask_toolbox(), 18, 120, scalarise=scalarise, batch=batch):
        archive.update(generation.offspring)
    assert archive.points().tolist() == front(lotz, GENES).tolist()


@pytest.mark.parametrize("batch", [1, 3, 10])
def test_a_run_stopped_at_5_goes_on_as_one_of_10(batch: int) -> None:
    settings: dict[str, Any] = {"weights": weightsFor(2, 10), "neighbours": 4, "batch": batch}
    whole = generations(mask_toolbox(), 10, 11, **settings)
    random.seed(0)
    rng = np.random.default_rng(0)
    half = list(islice(moead(mask_toolbox(), masks(10), rng=rng, **settings), 6))[-1]
    saved = copy.deepcopy(rng.bit_generator.state), random.getstate()
    population = [copy.deepcopy(x) for x in half.population]

    other = np.random.default_rng(99)
    other.bit_generator.state = saved[0]
    random.setstate(saved[1])
    on = moead(
        mask_toolbox(), population, rng=other, number=half.number, state=half.state, **settings
    )
    for expected, got in zip(whole[6:], islice(on, 5), strict=True):
        assert got.number == expected.number
        assert rows(got.population) == rows(expected.population)
        assert rows(got.offspring) == rows(expected.offspring)
        assert {k: v.tolist() for k, v in got.state.items()} == {
            k: v.tolist() for k, v in expected.state.items()
        }


def test_a_run_stopped_at_0_does_not_yield_it_again() -> None:
    first = generations(mask_toolbox(), 4, 1)[0]
    on = moead(
        mask_toolbox(), first.population, weights=weightsFor(2, 4), neighbours=3,
        rng=np.random.default_rng(0), state=first.state,
    )  # fmt: skip
    assert next(on).number == 1


def test_a_generation_is_as_many_children_as_weights() -> None:
    found = generations(mask_toolbox(), 9, 4, batch=4)
    assert [len(generation.offspring) for generation in found] == [0, 9, 9, 9]
    assert all(len(generation.population) == 9 for generation in found)


def test_a_batch_is_evaluated_by_one_call_of_map() -> None:
    toolbox, sizes = mask_toolbox(), []

    def spy(function: Any, individuals: Any) -> Any:
        sizes.append(len(individuals))
        return map(function, individuals)

    toolbox.register("map", spy)
    generations(toolbox, 10, 2, batch=4)
    assert sizes == [10, 4, 4, 2]


@pytest.mark.parametrize("slot", ["evaluate", "mate", "mutate", "map", "clone"])
def test_whatever_is_registered_is_used(slot: str) -> None:
    toolbox, calls = mask_toolbox(), []
    inner = getattr(toolbox, slot)

    def spy(*args: Any) -> Any:
        calls.append(args)
        return inner(*args)

    toolbox.register(slot, spy)
    generations(toolbox, 6, 2)
    assert calls


def test_a_child_replaces_at_most_so_many() -> None:
    before, after = generations(mask_toolbox(), 12, 2, replacements=1, mating_probability=0.0)
    assert len({id(x) for x in after.population}) == 12
    assert before.number + 1 == after.number


def test_survivors_are_the_very_objects_of_the_offspring_and_parents_stay_as_they_were() -> None:
    toolbox, rng, seen = mask_toolbox(), np.random.default_rng(0), []
    loop = moead(toolbox, masks(10), weights=weightsFor(2, 10), neighbours=4, rng=rng)
    for generation in islice(loop, 6):
        seen.append((generation, rows(generation.population)))
    assert all(rows(generation.population) == then for generation, then in seen)
    for (before, _), (after, _) in pairwise(seen):
        known = {id(x) for x in [*before.population, *after.offspring]}
        assert all(id(x) in known for x in after.population)


def test_the_scale_runs_from_the_best_seen_to_the_worst_of_the_population() -> None:
    scale = Scale(np.full(2, np.inf), np.full(2, np.inf), tchebycheff)
    scale.learn(measured([(0.0, 10.0), (3.0, 2.0), (4.0, 5.0)]))
    assert scale.ideal.tolist() == [0.0, 2.0]
    assert scale.nadir.tolist() == [4.0, 10.0]
    half = measured([(2.0, 6.0)])
    assert scale.scores(half, np.array([1.0, 0.0])) == scale.scores(half, np.array([0.0, 1.0]))


def test_without_normalisation_every_objective_keeps_its_unit() -> None:
    scale = Scale(np.zeros(2), np.array([1.0, 50.0]), tchebycheff, normalise=False)
    assert scale.scores(measured([(0.5, 10.0)]), np.array([0.5, 0.5])).tolist() == [5.0]


def test_the_ideal_never_gets_worse_and_infeasible_ones_do_not_count() -> None:
    scale = Scale(np.full(2, np.inf), np.full(2, np.inf), tchebycheff)
    for individual in measured([(1, 5), (3, 2), (0, 0)], violations=[0, 0, 1]):
        scale.see(individual)
    assert scale.ideal.tolist() == [1.0, 2.0]


def test_a_flat_or_infinite_front_still_has_a_scale() -> None:
    for points in ([(1.0, 1.0)] * 4, [(np.inf, 0.5), (0.2, np.inf)], [(np.inf, np.inf)] * 2):
        scale = Scale(np.full(2, np.inf), np.full(2, np.inf), tchebycheff)
        population = measured(points)
        scale.learn(population)
        assert np.isfinite(scale.scores(population, np.array([0.0, 1.0]))).all()


def test_feasibility_comes_first_in_the_neighbourhood() -> None:
    scale = Scale(np.zeros(2), np.ones(2), tchebycheff)
    weights = np.array([[0.5, 0.5]] * 3)
    others = measured([(0.0, 0.0), (0.9, 0.9), (0.9, 0.9)], violations=[1.0, 0.0, 0.5])
    feasible = measured([(0.5, 0.5)])[0]
    infeasible = measured([(0.5, 0.5)], violations=[0.5])[0]
    assert scale.better(feasible, others, weights).tolist() == [True, True, True]
    assert scale.better(infeasible, others, weights).tolist() == [True, False, True]


def constrained(most: int) -> base.Toolbox:
    """Make the toolbox in which a mask of more ones than so many is infeasible."""
    toolbox = mask_toolbox()

    def evaluate(individual: Any) -> tuple[float, float]:
        individual.fitness.violation = float(max(0, individual.count() - most))
        return lotz(individual)

    toolbox.register("evaluate", evaluate)
    return toolbox


@pytest.mark.parametrize("batch", [1, 7])
def test_a_violation_set_by_the_evaluation_keeps_infeasible_ones_out(batch: int) -> None:
    """Without the constraint all masks of leading ones are optimal, also those of 5 to 8 ones."""
    free = generations(constrained(GENES), 18, 60, batch=batch)[-1].population
    bound = generations(constrained(4), 18, 60, batch=batch)[-1].population
    assert max(x.count() for x in free) == GENES
    assert all(x.fitness.violation == 0 and x.count() <= 4 for x in bound)


def test_the_front_within_a_constraint_is_found() -> None:
    """Of `lotz` within 4 ones it is that of all: the masks of up to 4 leading ones."""
    archive = Archive()
    for generation in generations(constrained(4), 18, 120):
        archive.update(generation.offspring)
    known = front(lotz, GENES).tolist()
    reachable = [list(lotz(np.arange(GENES) < ones)) for ones in range(5)]
    assert archive.points().tolist() == [point for point in known if point in reachable]


def test_a_first_population_that_fits_the_weights_is_matched_to_them() -> None:
    weights = weightsFor(2, 5)
    points = np.c_[weights[:, 1], weights[:, 0]]  # where a large weight is, a small value
    shuffled = np.random.default_rng(1).permutation(5)
    scale = Scale(np.zeros(2), np.ones(2), tchebycheff)
    owner = match(measured(points[shuffled]), weights, scale, np.random.default_rng(0))
    assert points[shuffled][owner].tolist() == points.tolist()


def test_three_objectives_are_searched_too() -> None:
    toolbox = base.Toolbox()
    toolbox.register("evaluate", lambda x: (*lotz(x), float(x.count())))
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", tools.mutFlipBit, indpb=1 / GENES)
    kind, rng = individual_type("mask", 3), np.random.default_rng(0)
    population = [kind.from_numpy(rng.random(GENES) < 0.5) for _ in range(15)]
    loop = moead(toolbox, population, weights=weightsFor(3, 15), neighbours=5, rng=rng)
    assert [len(generation.population) for generation in islice(loop, 4)] == [15] * 4


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"weights": weightsFor(2, 7)},
            r"weights: expected shape \(6, 2\).*got \(7, 2\); write weights=weightsFor\(2, 6\)",
        ),
        ({"weights": weightsFor(3, 6)}, r"got \(6, 3\)"),
        ({"scalarise": "tchebychef"}, "unknown scalarise 'tchebychef': did you mean 'tchebycheff'"),
        ({"neighbours": 7}, "neighbours: expected 2 to 6, got 7"),
        ({"replacements": 0}, "replacements: expected 1 to 6, got 0"),
        ({"batch": 0}, "batch: expected 1 to 6, got 0"),
        ({"mating_probability": -1}, "mating_probability: expected 0 to 1, got -1"),
        ({"number": 3}, "state: going on needs the state"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        generations(mask_toolbox(), 6, 1, **settings)


def test_a_population_under_4_is_refused() -> None:
    with pytest.raises(InputError, match="expected at least 4 individuals, got 3"):
        generations(mask_toolbox(), 3, 1)


def test_parents_differ_though_one_individual_holds_most_places() -> None:
    toolbox, pairs = mask_toolbox(), []

    def mate(a: Any, b: Any) -> tuple[Any, Any]:
        pairs.append((list(a), list(b)))
        return a, b

    toolbox.register("mate", mate)
    winner = individual_type("mask", 2).from_numpy(np.ones(GENES, bool))
    winner.fitness.values = lotz(winner)
    rest = measured([(8.0, 8.0)] * 2)
    rng = np.random.default_rng(0)
    for _ in range(50):
        _child(toolbox, [winner, winner, winner, *rest], np.arange(5), rng)
    assert sum(a == b for a, b in pairs) <= 2  # three in ten pairs were the winner with itself
