"""Lineage: parents, operators, credit and passes, on generations made by hand."""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np
import pytest
from deap import base

from evoprune.passes import Passes
from evoprune.records import Generation
from evoprune.running.run import Run
from evoprune.search.ancestry import FIRST, genome_name
from evoprune.search.lineage import Lineage
from evoprune.seeding import Streams
from operators.individuals import individual_type

GENES, MASK = 12, individual_type("mask", 2)


def swap_tails(a: Any, b: Any) -> tuple[Any, Any]:
    a[8:], b[8:] = b[8:], a[8:]
    return a, b


def flip_first(individual: Any) -> tuple[Any]:
    individual[0] = 1 - individual[0]
    return (individual,)


def judged(bits: Any, values: Any = (0.5, 0.5), kind: Any = MASK) -> Any:
    individual = kind(bits)
    individual.fitness.values = values
    return individual


def followed(mate: Any = swap_tails, mutate: Any = flip_first, **settings: Any) -> Any:
    toolbox, lineage = base.Toolbox(), Lineage(**settings)
    toolbox.register("mate", mate)
    toolbox.register("mutate", mutate)
    lineage.follow(toolbox)
    return toolbox, lineage


def test_a_toolbox_that_nobody_follows_keeps_its_very_slots() -> None:
    toolbox = base.Toolbox()
    toolbox.register("mutate", flip_first)
    slots = dict(vars(toolbox))
    run = Run(streams=Streams(0), passes=Passes(), bar=False)
    run.phase("masks", MASK, lambda: [judged([1])], lambda *_: iter(()), generations=1)
    assert run.lineage is None
    assert all(vars(toolbox)[slot] is operator for slot, operator in slots.items())


def test_the_nearest_parent_comes_first_and_changes_are_counted_from_it() -> None:
    toolbox, lineage = followed()
    a, b = judged([0] * GENES), judged([1] * 11 + [0])
    child, _ = toolbox.mate(toolbox.clone(a), toolbox.clone(b))
    (child,) = toolbox.mutate(child)
    child.fitness.values = 0.5, 0.5
    lineage.observe(Generation(1, [a], [child], {}))
    (birth,) = lineage.births
    assert list(child) == [1] + [0] * 7 + [1, 1, 1, 0]
    assert birth.parents == (genome_name(a), genome_name(b))
    assert (birth.changed, birth.crossover, birth.mutation) == (4, "swap_tails", "flip_first")
    assert not birth.survived


def test_a_crossover_that_gives_back_a_parent_leaves_that_one_alone() -> None:
    toolbox, lineage = followed()
    a, b = judged([0] * GENES), judged([1] * 8 + [0] * 4)
    children = toolbox.mate(toolbox.clone(a), toolbox.clone(b))
    mutated = [toolbox.mutate(child)[0] for child in children]
    for child in mutated:
        child.fitness.values = 0.5, 0.5
    lineage.observe(Generation(1, mutated, mutated, {}))
    assert [birth.parents for birth in lineage.births] == [(genome_name(a),), (genome_name(b),)]
    assert [(birth.crossover, birth.changed) for birth in lineage.births] == [("", 1), ("", 1)]


def test_what_an_operator_notes_on_a_child_is_its_name() -> None:
    def choose(individual: Any) -> Any:
        individual.operator = "drift"
        return flip_first(individual)

    def cross(a: Any, b: Any) -> Any:
        a.mated = b.mated = "layers"
        return swap_tails(a, b)

    toolbox, lineage = followed(cross, choose)
    child, _ = toolbox.mate(toolbox.clone(judged([0] * GENES)), toolbox.clone(judged([1] * GENES)))
    toolbox.mutate(child)
    lineage.observe(Generation(1, [], [child], {}))
    assert (lineage.births[0].crossover, lineage.births[0].mutation) == ("layers", "drift")


def test_operators_that_return_new_objects_are_followed() -> None:
    def anew(individual: Any) -> tuple[Any]:
        return (MASK(1 - gene for gene in individual),)

    toolbox, lineage = followed(mutate=anew)
    parent = judged([0, 1, 1])
    (child,) = toolbox.mutate(toolbox.clone(parent))
    child.fitness.values = 0.5, 0.5
    lineage.observe(Generation(1, [child], [child], {}))
    assert (lineage.births[0].parents, lineage.births[0].changed) == ((genome_name(parent),), 3)


def test_a_copy_of_an_unfinished_child_has_the_parents_of_the_child() -> None:
    toolbox, lineage = followed()
    parent = judged([0, 1, 1])
    (child,) = toolbox.mutate(toolbox.clone(parent))
    del child.fitness.values
    again = toolbox.clone(child)
    again.fitness.values = 0.5, 0.5
    lineage.observe(Generation(1, [again], [again], {}))
    assert lineage.births[0].parents == (genome_name(parent),)
    assert lineage.births[0].mutation == "flip_first"


def test_a_child_that_was_judged_in_this_generation_is_a_parent() -> None:
    toolbox, lineage = followed()
    (child,) = toolbox.mutate(toolbox.clone(judged([0, 1, 1])))
    child.fitness.values = 0.5, 0.5
    grandchild = toolbox.clone(child)
    grandchild[2] = 0
    lineage.observe(Generation(1, [grandchild], [child, grandchild], {}))
    assert lineage.births[1].parents == (lineage.births[0].child,)


def test_a_child_that_is_let_go_is_not_kept() -> None:
    toolbox, lineage = followed()
    a, b = toolbox.mate(toolbox.clone(judged([0] * GENES)), toolbox.clone(judged([1] * GENES)))
    watched = ref(b)
    del b
    assert watched() is None
    lineage.observe(Generation(1, [a], [a], {}))
    assert len(lineage.births) == 1


def test_a_child_that_no_operator_touched_is_the_work_of_its_phase() -> None:
    toolbox, lineage = followed()
    lineage.begin("descent")
    parent = judged([1, 1, 1])
    child = toolbox.clone(parent)
    child[0] = 0
    lineage.observe(Generation(3, [parent, child], [child], {}))
    assert lineage.births[0].mutation == "descent"
    assert lineage.births[0].parents == (genome_name(parent),)


def test_a_first_population_has_no_parents_and_what_was_born_before_is_not_born_again() -> None:
    toolbox, lineage = followed()
    old, new = judged([1, 0]), judged([0, 1])
    lineage.observe(Generation(0, [old], [], {}))
    lineage.begin("masks")
    lineage.observe(Generation(0, [toolbox.clone(old), toolbox.clone(new)], [], {}))
    assert [birth.child for birth in lineage.births] == [genome_name(old), genome_name(new)]
    assert {(birth.mutation, birth.parents) for birth in lineage.births} == {(FIRST, ())}


def test_one_that_was_given_up_has_no_objectives_and_did_not_survive() -> None:
    toolbox, lineage = followed()
    (child,) = toolbox.mutate(toolbox.clone(judged([1, 0])))
    del child.fitness.values
    lineage.observe(Generation(1, [child], [child], {}))
    assert (lineage.births[0].objectives, lineage.births[0].survived) == ((), False)


def test_a_genome_that_was_judged_before_is_a_copy_and_earns_nothing() -> None:
    toolbox, lineage = followed()
    twins = [toolbox.clone(judged([1, 0])) for _ in range(2)]
    better = judged([1, 0], (0.1, 0.1))
    lineage.observe(Generation(1, twins, twins, {}))
    lineage.observe(Generation(2, [better], [better], {}))
    assert [birth.copy for birth in lineage.births] == [False, True, True]
    assert [birth.hypervolume for birth in lineage.births] == [0.25, 0.0, 0.0]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_what_is_not_finite_earns_nothing(value: float) -> None:
    lineage = Lineage()
    lineage.observe(Generation(0, [judged([1, 0], (value, 0.1))], [], {}))
    assert lineage.births[0].hypervolume == 0.0


def test_one_that_is_not_feasible_earns_nothing() -> None:
    lineage, outside = Lineage(), judged([1, 0])
    outside.fitness.violation = 1.0
    lineage.observe(Generation(0, [outside], [], {}))
    assert lineage.births[0].hypervolume == 0.0


@pytest.mark.parametrize(("objectives", "earned"), [(1, 0.5), (3, 0.125), (4, 0.0625)])
def test_any_number_of_objectives_up_to_four_earns(objectives: int, earned: float) -> None:
    lineage = Lineage()
    child = judged([1], (0.5,) * objectives, individual_type("mask", objectives))
    lineage.observe(Generation(0, [child], [], {}))
    assert lineage.births[0].hypervolume == pytest.approx(earned)


def test_more_than_four_objectives_earn_nothing() -> None:
    class Many(base.Fitness):
        weights = (-1.0,) * 5

    child, lineage = MASK([1]), Lineage()
    child.fitness = Many((0.5,) * 5)
    lineage.observe(Generation(0, [child], [], {}))
    assert lineage.births[0].objectives == (0.5,) * 5
    assert lineage.births[0].hypervolume == 0.0


def test_a_phase_may_bring_another_reference() -> None:
    lineage = Lineage()
    lineage.begin("masks", (3.0, 1.0))
    lineage.observe(Generation(0, [judged([1], (2.0, 0.5))], [], {}))
    assert lineage.births[0].hypervolume == pytest.approx(0.5)


def test_genes_of_reals_are_changed_where_they_differ() -> None:
    kind = individual_type("thresholds", 2)
    toolbox, lineage = followed(mutate=flip_first)
    (child,) = toolbox.mutate(toolbox.clone(judged([0.25, 0.5], kind=kind)))
    lineage.observe(Generation(1, [child], [child], {}))
    assert lineage.births[0].changed == 1


def test_passes_go_to_who_spent_them_and_judging_is_shared_by_those_judged() -> None:
    spent = [1000]

    def dear(individual: Any) -> tuple[Any]:
        spent[0] += 30
        return flip_first(individual)

    toolbox, lineage = followed(mutate=dear, spent=lambda: spent[0])
    parent = judged([1, 0, 0])
    lineage.observe(Generation(0, [parent], [], {}))
    spent[0] += 500
    lineage.begin("masks")
    plain, copy = toolbox.clone(judged([1, 1, 1])), toolbox.clone(parent)
    (mutated,) = toolbox.mutate(toolbox.clone(parent))
    spent[0] += 21
    lineage.observe(Generation(1, [], [plain, copy, mutated], {}))
    assert [birth.passes for birth in lineage.births] == [0, 10, 0, 41]


def test_a_network_has_one_name_whatever_its_genome() -> None:
    toolbox, lineage = base.Toolbox(), Lineage()
    toolbox.register("mate", swap_tails)
    toolbox.register("mutate", flip_first)
    lineage.follow(toolbox, decode=lambda genome: np.append(np.asarray(genome, bool), True))
    lineage.observe(Generation(0, [judged([1, 0])], [], {}))
    assert lineage.births[0].child == genome_name(MASK([1, 0, 1]))
