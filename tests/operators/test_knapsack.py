"""The knapsack problem packs what fits, and its front is that of trying everything."""

from __future__ import annotations

import pickle
from itertools import product
from typing import Any

import moocore
import numpy as np
import pytest

from operators.genomes import BitString
from operators.knapsack import Knapsack
from operators.problems import front

# Ratios, the best of both knapsacks: 3, 2.5, 1, 4.
SMALL = Knapsack([[6, 5, 2, 1], [1, 1, 3, 8]], [[2, 2, 3, 1], [2, 1, 3, 2]], [5, 5])


def feasible(knapsack: Knapsack) -> np.ndarray:
    everything = np.array(list(product([0, 1], repeat=knapsack.profits.shape[1])))
    return everything[(everything @ knapsack.weights.T <= knapsack.capacities).all(axis=1)]


@pytest.mark.parametrize(
    ("taken", "packed"),
    [
        ([0, 0, 0, 0], [0, 0, 0, 0]),
        ([1, 1, 0, 1], [1, 1, 0, 1]),  # weighs 5 and 5
        ([1, 1, 1, 1], [1, 1, 0, 1]),
        ([1, 1, 1, 0], [1, 1, 0, 0]),
        ([1, 0, 1, 1], [1, 0, 0, 1]),  # too heavy in both
        ([0, 1, 1, 1], [0, 1, 0, 1]),  # weighs 6 and 6
    ],
)
def test_items_of_least_profit_for_their_weight_go_first(
    taken: list[int], packed: list[int]
) -> None:
    assert SMALL.packed(taken).tolist() == packed


def test_objectives_are_the_profits_of_what_is_not_packed() -> None:
    assert SMALL([0, 0, 0, 0]) == (14.0, 13.0)
    assert SMALL(BitString([1, 1, 1, 1])) == (2.0, 3.0)


@pytest.mark.parametrize("seed", range(5))
def test_repair_takes_no_more_than_it_must(seed: int) -> None:
    knapsack, rng = Knapsack.drawn(40, 3, seed), np.random.default_rng(seed)
    ratio = (knapsack.profits / knapsack.weights).max(axis=0)
    for density in (0.2, 0.6, 1.0):
        taken = rng.random(40) < density
        packed = knapsack.packed(taken)
        assert (knapsack.weights @ packed <= knapsack.capacities).all()
        gone = np.flatnonzero(taken & ~packed)
        if gone.size:
            assert ratio[gone].max() <= ratio[packed].min()
            packed[gone[np.argmax(ratio[gone])]] = True
            assert (knapsack.weights @ packed > knapsack.capacities).any()


def test_what_is_feasible_is_not_repaired() -> None:
    knapsack = Knapsack.drawn(8, 2, 3)
    for genome in feasible(knapsack):
        assert np.array_equal(knapsack.packed(genome), genome)


def test_the_genome_stays_as_it_is() -> None:
    genome = BitString([1, 1, 1, 1])
    SMALL(genome)
    assert genome == [1, 1, 1, 1]


@pytest.mark.parametrize(("items", "objectives"), [(1, 2), (9, 1), (10, 2), (9, 3)])
@pytest.mark.parametrize("seed", range(3))
def test_the_front_is_that_of_trying_everything(items: int, objectives: int, seed: int) -> None:
    knapsack = Knapsack.drawn(items, objectives, seed)
    points = np.array([knapsack(genome) for genome in feasible(knapsack)])
    expected = np.unique(points[moocore.is_nondominated(points, keep_weakly=True)], axis=0)
    assert np.array_equal(knapsack.front(), expected)
    assert np.array_equal(front(knapsack), expected)


def test_no_random_genome_of_a_larger_problem_is_better_than_its_front(
    rng: np.random.Generator,
) -> None:
    knapsack = Knapsack.drawn(25, 2, 7)
    known = knapsack.front()
    points = np.array([knapsack(genome) for genome in rng.random((500, 25)) < 0.7])
    both = np.r_[known, np.unique(points, axis=0)]
    assert moocore.is_nondominated(both, keep_weakly=True)[: len(known)].all()


def test_profits_and_weights_are_10_to_100_and_half_of_all_fits() -> None:
    knapsack = Knapsack.drawn(2000, 3, 1)
    for numbers in (knapsack.profits, knapsack.weights):
        assert numbers.shape == (3, 2000) and (numbers.min(), numbers.max()) == (10, 100)
    assert knapsack.capacities.tolist() == (knapsack.weights.sum(axis=1) // 2).tolist()


def test_a_seed_names_the_problem_and_it_travels() -> None:
    one, other, third = (Knapsack.drawn(9, 2, seed) for seed in (1, 1, 2))
    assert np.array_equal(one.profits, other.profits)
    assert not np.array_equal(one.profits, third.profits)
    assert pickle.loads(pickle.dumps(one))([1] * 9) == one([1] * 9)


@pytest.mark.parametrize(
    ("profits", "weights", "capacities", "message"),
    [
        ([1, 2], [1, 2], [1], r"expected shapes \(knapsacks, items\) twice"),
        ([[1, 2]], [[1, 2]], [1, 1], r"got \(1, 2\), \(1, 2\) and \(2,\)"),
        ([[1, 2]], [[1, 0]], [1], "weights: expected 1 or more, finite, got 0"),
        ([[-1, 2]], [[1, 1]], [1], "profits: expected 0 or more, finite, got -1"),
    ],
)
def test_what_is_no_knapsack_problem_is_refused(
    profits: Any, weights: Any, capacities: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Knapsack(profits, weights, capacities)


def test_a_genome_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected 4 genes, one an item, got shape \(3,\)"):
        SMALL([1, 1, 1])
    with pytest.raises(ValueError, match="items: expected 1 or more, finite, got 0"):
        Knapsack.drawn(0)
