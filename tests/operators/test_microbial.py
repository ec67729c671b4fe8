"""In the microbial crossover the loser takes layers from the winner, who stays as it is."""

from __future__ import annotations

from copy import deepcopy
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from operators.crossover import cxLayers
from operators.genomes import BitString
from operators.individuals import individual_type
from operators.microbial import cxMicrobial

Rng = np.random.Generator
LAYERS = [0, 3, 3, 8, 17]


def judged(bits: Any, *values: float, violation: float = 0.0) -> Any:
    one = individual_type("mask", len(values) or 2)(bits)
    if values:
        one.fitness.values = values
        one.fitness.violation = violation
    return one


def loser_of(a: Any, b: Any, rng: Rng) -> str:
    """Say which of two unlike parents became a copy of the other, "a" or "b"."""
    before = BitString(a), BitString(b)
    cxMicrobial(a, b, layers=[0, len(a)], rate=1.0, rng=rng)
    assert a == b and a in before
    return "a" if a == before[1] else "b"


@pytest.mark.parametrize(("one", "other", "loser"), [(0.9, 0.1, "a"), (0.1, 0.9, "b")])
def test_the_worse_one_loses_wherever_it_stands(
    one: float, other: float, loser: str, rng: Rng
) -> None:
    assert loser_of(judged([1] * 9, one), judged([0] * 9, other), rng) == loser


@pytest.mark.parametrize(
    ("a", "b", "loser"),
    [
        ((0.5, 0.5), (0.5, 0.5), "b"),  # equal
        ((0.9, 0.1), (0.1, 0.9), "b"),  # neither dominates
        ((0.1, 0.9), (0.9, 0.1), "b"),
        ((0.5, 0.5), (0.5, 0.4), "a"),  # dominated
        ((), (0.5, 0.5), "b"),  # not judged
        ((0.5, 0.5), (), "b"),
        ((), (), "b"),
    ],
)
def test_the_second_loses_unless_it_dominates(a: Any, b: Any, loser: str, rng: Rng) -> None:
    assert loser_of(judged([1] * 9, *a), judged([0] * 9, *b), rng) == loser


def test_a_feasible_one_wins_against_any_infeasible_one(rng: Rng) -> None:
    good, poor = judged([1] * 9, 0.0, 0.0, violation=0.5), judged([0] * 9, 1.0, 1.0)
    assert loser_of(good, poor, rng) == "a"


def test_of_two_infeasible_ones_that_of_the_larger_violation_loses(rng: Rng) -> None:
    near = judged([0] * 9, 1.0, 1.0, violation=0.5)
    assert loser_of(judged([1] * 9, 0.0, 0.0, violation=0.9), near, rng) == "a"


def test_genomes_without_a_fitness_are_crossed_too(rng: Rng) -> None:
    assert loser_of(BitString([1] * 9), BitString([0] * 9), rng) == "b"


@pytest.mark.parametrize("rate", [0.0, 0.5, 1.0])
def test_the_loser_is_what_an_exchange_of_layers_makes_of_it_and_the_winner_stays(
    rate: float, rng: Rng
) -> None:
    twin = deepcopy(rng)
    winner, loser = judged(rng.random(17) < 0.5, 0.1), judged(rng.random(17) < 0.5, 0.9)
    twin.random(34)
    kept, expected = BitString(winner), BitString(loser)
    cxLayers(BitString(winner), expected, layers=LAYERS, rate=rate, rng=twin)
    cxMicrobial(loser, winner, layers=LAYERS, rate=rate, rng=rng)
    assert winner == kept and loser == expected


def test_layers_are_taken_whole_each_at_the_rate(rng: Rng) -> None:
    taken = np.zeros(17)
    for _ in range(1000):
        _, loser = cxMicrobial(
            BitString([1] * 17), BitString([0] * 17), layers=LAYERS, rate=0.3, rng=rng
        )
        assert all(len(set(loser[i:j])) <= 1 for i, j in pairwise(LAYERS))
        taken += loser.to_numpy()
    assert np.allclose(taken / 1000, 0.3, atol=0.08)


def test_rate_0_changes_nothing(rng: Rng) -> None:
    a, b = BitString([1] * 17), BitString([0] * 17)
    cxMicrobial(a, b, layers=LAYERS, rate=0.0, rng=rng)
    assert a == [1] * 17 and b == [0] * 17


def test_equal_parents_have_equal_children(rng: Rng) -> None:
    a, b = BitString([1, 0, 1] * 3), BitString([1, 0, 1] * 3)
    cxMicrobial(a, b, layers=[0, 4, 9], rng=rng)
    assert a == b == [1, 0, 1] * 3


def test_the_parents_come_back_in_their_order_with_their_fitness(rng: Rng) -> None:
    a, b = judged([1] * 9, 0.9, 0.9), judged([0] * 9, 0.1, 0.1, violation=0.0)
    first, second = cxMicrobial(a, b, layers=[0, 4, 9], rng=rng)
    assert first is a and second is b
    assert a.fitness.values == (0.9, 0.9) and b.fitness.values == (0.1, 0.1)


def test_another_length_is_refused_and_nothing_changes(rng: Rng) -> None:
    a, b = BitString([1] * 9), BitString([0] * 9)
    with pytest.raises(ValueError, match="parents: expected two of 5 genes, got 9 and 9"):
        cxMicrobial(a, b, layers=[0, 2, 5], rng=rng)
    assert a.count() == 9 and b.count() == 0


def test_a_rate_out_of_range_is_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match="rate: expected a share from 0 to 1, got"):
        cxMicrobial(BitString([1]), BitString([0]), layers=[0, 1], rate=1.5, rng=rng)
