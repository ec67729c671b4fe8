"""Operators chosen by credit, on a network of two layers."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.evaluation.guidance import Guidance
from evoprune.methods.variation import DRIFT_STEPS, NOTES, Variation
from evoprune.passes import Passes
from evoprune.records import Generation
from evoprune.seeding import Streams
from evoprune.space.weights import WeightSpace
from operators.adaptation import OperatorCredit
from operators.individuals import individual_type
from operators.supply import name_of


@pytest.fixture
def variation() -> Variation:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    space, passes, streams = WeightSpace(model), Passes(), Streams(0)
    images, labels = torch.randn(20, 1, 8, 8), torch.zeros(20, dtype=torch.long)
    guidance = Guidance(space, images, labels, rng=streams.data, batch=4, passes=passes)
    return Variation(space, guidance, streams, passes, cost=10)


def mask(variation: Variation, density: float = 0.5) -> object:
    drawn = np.random.default_rng(1).random(variation.space.genes) < density
    return individual_type("mask", 2).from_numpy(drawn)


@pytest.mark.parametrize("name", ["importance", "drift", "descend"])
def test_every_mutation_changes_a_mask(variation: Variation, name: str) -> None:
    individual = mask(variation)
    before = individual.to_numpy()  # type: ignore[attr-defined]
    for _ in range(5):
        variation.mutations[name](individual)
    assert (individual.to_numpy() != before).any()  # type: ignore[attr-defined]


def test_a_mutation_notes_its_name_and_what_it_spent(variation: Variation) -> None:
    (individual,) = variation.mutate(mask(variation))
    assert individual.operator in variation.mutations
    guided = individual.operator in ("drift", "descend")
    assert individual.passes == (3 * 4 * DRIFT_STEPS if guided else 0)


def test_survivors_of_an_operator_raise_its_chance(variation: Variation) -> None:
    children = [variation.mutate(mask(variation))[0] for _ in range(60)]
    winners = [child for child in children if child.operator == "importance"]
    variation.observe(Generation(1, winners, children, {}))
    learner = variation.learners["mutate"]
    chances = dict(zip(learner.names, learner.chances(), strict=True))
    assert max(chances, key=lambda name: chances[name]) == "importance"


def test_a_copy_of_a_parent_earns_nothing(variation: Variation) -> None:
    """Two variations see the same children; in one of them the copies do not survive."""
    chances = []
    for keep in (True, False):
        children = [variation.mutate(mask(variation))[0] for _ in range(60)]
        for child in children:
            child.operator = "none"
            child.packed[:] = mask(variation).packed  # type: ignore[attr-defined]
        learner = OperatorCredit(list(variation.mutations), floor=0.05, decay=0.95)
        variation.mutation_credit = learner
        variation.observe(Generation(1, children if keep else [], children, {}))
        chances.append(learner.chances())
    assert (chances[0] == chances[1]).all()


def test_a_crossed_child_that_no_mutation_changed_pays_both_operators(variation: Variation) -> None:
    a, b = mask(variation), mask(variation, 0.3)
    variation.mutations = {"none": variation.mutations["none"]}
    variation.mutation_credit = OperatorCredit(["none"], floor=0.05, decay=1.0)
    variation.crossover_credit = OperatorCredit(["layers"], floor=0.05, decay=1.0)
    while a.packed.tobytes() == mask(variation).packed.tobytes():  # type: ignore[attr-defined]
        variation.mate(a, b)
    variation.mutate(a)
    variation.observe(Generation(1, [a], [a], {}))
    for learner in (variation.mutation_credit, variation.crossover_credit):
        assert learner.state()["survived"].tolist() == [1.0]
        assert learner.state()["passes"].tolist() == [10.0]


def test_a_child_that_ones_own_crossover_changed_is_new_to_the_mutation_that_left_it(
    variation: Variation,
) -> None:
    def cxMine(a: Any, b: Any) -> Any:
        a[0], b[0] = 1 - a[0], 1 - b[0]
        return a, b

    own = variation.noting(cxMine)
    variation.mutations = {"none": variation.mutations["none"]}
    variation.mutation_credit = OperatorCredit(["none"], floor=0.05, decay=1.0)
    a, _ = own(mask(variation), mask(variation, 0.3))
    variation.mutate(a)
    variation.observe(Generation(1, [a], [a], {}))
    assert variation.mutation_credit.state()["survived"].tolist() == [1.0]
    assert variation.mutation_credit.state()["passes"].tolist() == [10.0]
    assert name_of(own) == "cxMine"


def test_a_crossover_that_changed_nothing_is_not_paid_for_the_mutation(
    variation: Variation,
) -> None:
    a, b = mask(variation), mask(variation)
    variation.mate(a, b)
    variation.mutations["importance"](a)
    variation.mutate(a)
    before = variation.crossover_credit.state()["survived"].copy()
    variation.observe(Generation(1, [a], [a], {}))
    assert (variation.crossover_credit.state()["survived"] == before).all()


def test_to_begin_with_an_operator_is_chosen_by_its_price(variation: Variation) -> None:
    chances = dict(
        zip(variation.mutations, variation.mutation_credit.chances(), strict=True)
    )
    assert chances["none"] == chances["importance"] > chances["drift"] == chances["descend"]


def test_without_adaptation_all_operators_stay_equally_likely(variation: Variation) -> None:
    even = Variation(
        variation.space, variation.guidance, Streams(0), Passes(), cost=10, adaptive=False
    )
    children = [even.mutate(mask(even))[0] for _ in range(40)]
    even.observe(Generation(1, children[:5], children, {}))
    assert even.mutation_credit.chances().tolist() == [0.25] * 4
    assert even.rates.draw(np.random.default_rng(0)) == 0.0005


def test_what_operators_noted_on_a_child_is_not_passed_on(variation: Variation) -> None:
    a, b = mask(variation), mask(variation, 0.3)
    variation.mate(a, b)
    variation.mutate(a)
    variation.observe(Generation(1, [a, b], [a, b], {}))
    for child in (a, b):
        assert not set(NOTES) & set(child.__dict__)


@pytest.mark.parametrize("name", ["drift", "descend"])
def test_a_mask_that_lost_its_last_gene_can_still_drift(variation: Variation, name: str) -> None:
    empty = mask(variation, 0.0)
    variation.mutations[name](empty)
    assert empty.count() == 1  # type: ignore[attr-defined]


def test_the_operators_survive_pickling(variation: Variation) -> None:
    again = pickle.loads(pickle.dumps(variation))
    assert list(again.mutations) == list(variation.mutations)
    assert again.mutate(mask(variation))[0] == variation.mutate(mask(variation))[0]


def test_without_guidance_the_guided_operators_are_left_out(variation: Variation) -> None:
    plain = Variation(variation.space, None, Streams(0), Passes(), cost=1)
    assert list(plain.mutations) == ["importance", "swap"]
    assert list(plain.crossovers) == ["layers"]


@pytest.mark.parametrize("name", ["layers", "scores"])
def test_a_crossover_of_equal_parents_changes_nothing(variation: Variation, name: str) -> None:
    a, b = mask(variation), mask(variation)
    variation.mutations["drift"](a)
    b.packed[:], b.score = a.packed, a.score.copy()  # type: ignore[attr-defined]
    before = a.to_numpy()  # type: ignore[attr-defined]
    variation.crossovers[name](a, b)
    assert np.array_equal(a.to_numpy(), before)  # type: ignore[attr-defined]
    assert a == b
