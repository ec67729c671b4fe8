"""Repairs bring individuals back into what is allowed, and say how much they changed."""

from __future__ import annotations

import numpy as np
import pytest
from deap import creator

from operators.genomes import BitString, RealVector
from operators.repair import clampBounds, corridor, floorLayers

Rng = np.random.Generator


def test_each_layer_gets_its_highest_scores_up_to_the_floor() -> None:
    mask = BitString([0, 0, 0, 0, 1, 0, 1, 1, 1])
    score = [1, 4, 3, 2, 1, 9, 1, 1, 1]
    assert floorLayers(mask, layers=[0, 4, 6, 9], floor=2, score=score) == 3
    assert mask == [0, 1, 1, 0, 1, 1, 1, 1, 1]


def test_a_layer_at_its_floor_is_left_as_it_is(rng: Rng) -> None:
    mask = BitString([1] * 33)
    assert floorLayers(mask, layers=[0, 10, 33], floor=[10, 5], score=rng.random(33)) == 0
    assert mask.count() == 33


def test_a_layer_smaller_than_the_floor_is_kept_whole_and_an_empty_one_passes() -> None:
    mask = BitString.zeros(9)
    assert floorLayers(mask, layers=[0, 2, 2, 9], floor=3, score=np.zeros(9)) == 5
    assert mask == [1, 1, 1, 1, 1, 0, 0, 0, 0]


def test_floors_may_differ_between_layers() -> None:
    mask = BitString.zeros(9)
    floorLayers(mask, layers=[0, 4, 9], floor=[0, 2], score=np.arange(9))
    assert mask == [0, 0, 0, 0, 0, 0, 0, 1, 1]


def test_repairing_twice_changes_nothing_more(rng: Rng) -> None:
    mask, score = BitString(rng.random(101) < 0.02), rng.random(101)
    layers = [0, 10, 50, 101]
    before, changed = mask.count(), floorLayers(mask, layers=layers, floor=4, score=score)
    assert mask.count() == before + changed
    assert floorLayers(mask, layers=layers, floor=4, score=score) == 0


def test_genes_out_of_bounds_move_to_the_bound_they_passed() -> None:
    vector = RealVector([-1.0, 0.5, 3.0])
    assert clampBounds(vector, [0, 0, 0], [1, 1, 2]) == 2
    assert vector == [0.0, 0.5, 2.0]
    assert clampBounds(vector, 0, 2) == 0


@pytest.mark.parametrize("n", [1, 8, 9, 101])
def test_the_corridor_clears_outside_the_support_and_sets_the_core(n: int, rng: Rng) -> None:
    genes, support = rng.random(n) < 0.5, rng.random(n) < 0.7
    core = support & (rng.random(n) < 0.3)
    expected = (genes & support) | core
    for given in ((support, core), (BitString(support), BitString(core))):
        mask = BitString(genes)
        assert corridor(mask, *given) == (expected != genes).sum()
        assert mask == expected


def test_a_corridor_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a support and a core of 9 genes, got 9 and 10"):
        corridor(BitString.zeros(9), BitString.zeros(9), BitString.zeros(10))


@pytest.mark.usefixtures("no_global_draws")
def test_repairs_draw_nothing_and_leave_the_fitness() -> None:
    mask, vector = creator.Mask2([0, 1]), creator.Thresholds2([2.0])
    mask.fitness.values = vector.fitness.values = (0.5, 0.25)
    floorLayers(mask, layers=[0, 2], floor=2, score=[1, 2])
    corridor(mask, [1, 1], [0, 0])
    clampBounds(vector, 0, 1)
    assert mask.fitness.values == vector.fitness.values == (0.5, 0.25)
