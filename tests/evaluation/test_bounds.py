"""Bounds on the error: how far a mask is outside, and what may still be given up early."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.bounds import BoundedEvaluator, check_bounds, violation
from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.search.early import judge_offspring
from evoprune.space.filters import FilterSpace
from operators.individuals import individual_type

KIND = individual_type("mask", 2)
ALL = [1] * 7  # filters of the tiny network


@pytest.fixture
def evaluator(model: nn.Module, labels: torch.Tensor) -> FastEvaluator:
    images = torch.randn(250, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    space = FilterSpace(model, (1, 8, 8))
    with torch.no_grad():
        right = model(images).argmax(1)  # the dense network makes no mistake
    return FastEvaluator(
        space, images, right, objectives=("error", "density"), noted=("error",), early=True
    )


@pytest.mark.parametrize(
    ("error", "outside"),
    [(0.25, 0.0), (0.5, 0.0), (0.75, 0.0), (0.0, 0.25), (0.125, 0.125), (1.0, 0.25)],
)
def test_a_violation_is_the_distance_to_the_nearer_bound(error: float, outside: float) -> None:
    assert violation(error, (0.25, 0.75)) == outside


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ((0.7, 0.1), "the smaller error first, got 0.7 and 0.1; write --bounds 0.1 0.7"),
        ((0.5, 0.5), "two different errors, got 0.5 twice; write --bounds 0 1"),
        ((-0.1, 0.5), "two errors from 0 to 1, got -0.1 0.5"),
        ((0.1, 1.5), "two errors from 0 to 1, got 0.1 1.5"),
        ((0.1,), "two errors from 0 to 1, got 0.1"),
    ],
)
def test_bounds_that_are_none_are_refused(bounds: tuple[float, float], said: str) -> None:
    with pytest.raises(InputError, match=f"^bounds: expected {re.escape(said)}"):
        check_bounds(bounds)


def test_a_bounded_evaluator_gives_the_values_of_the_plain_one_and_notes_the_violation(
    evaluator: FastEvaluator,
) -> None:
    dense = KIND(ALL)
    assert BoundedEvaluator(evaluator, (0.25, 1.0))(dense) == evaluator(dense) == (0.0, 1.0)
    assert dense.fitness.violation == 0.25


def test_a_mask_inside_the_bounds_has_no_violation(evaluator: FastEvaluator) -> None:
    dense = KIND(ALL)
    BoundedEvaluator(evaluator, (0.0, 0.5))(dense)
    assert dense.fitness.violation == 0.0


def test_a_trial_that_is_shown_all_images_ends_with_values_and_violation(
    evaluator: FastEvaluator,
) -> None:
    judge, one, other = BoundedEvaluator(evaluator, (0.0, 0.01)), KIND([1, 0] * 3 + [1]), KIND(ALL)
    trial = judge.trial(one)
    while trial.values is None:
        trial.advance()
    plain = KIND([1, 0] * 3 + [1])
    assert trial.values == BoundedEvaluator(evaluator.within(evaluator.space), (0.0, 0.01))(plain)
    assert one.fitness.violation == plain.fitness.violation > 0
    assert judge.trial(other).low[0] == 0  # nothing is known yet


def test_a_trial_has_no_hope_once_its_error_is_certainly_too_large(
    evaluator: FastEvaluator,
) -> None:
    trial = BoundedEvaluator(evaluator, (0.0, 0.01)).trial(KIND([1, 0] * 3 + [1]))
    trial.advance()
    assert trial.values is None and trial.low == (np.inf, np.inf)
    free = BoundedEvaluator(evaluator.within(evaluator.space), (0.0, 1.0))
    hoping = free.trial(KIND([1, 0] * 3 + [1]))
    hoping.advance()
    assert hoping.low[0] < 1


def test_what_is_known_already_is_marked_without_an_image(evaluator: FastEvaluator) -> None:
    judge, again = BoundedEvaluator(evaluator, (0.25, 1.0)), KIND(ALL)
    judge(KIND(ALL))
    before = evaluator.passes.spent()
    assert judge.trial(again).values == (0.0, 1.0)
    assert again.fitness.violation == 0.25 and evaluator.passes.spent() == before


def test_offspring_that_are_certainly_infeasible_are_given_up_where_enough_are_feasible(
    evaluator: FastEvaluator,
) -> None:
    class Box:
        trial = BoundedEvaluator(evaluator, (0.0, 0.01)).trial

    parents = [KIND(ALL) for _ in range(4)]
    for place, parent in enumerate(parents):  # four that are unlike, and feasible
        parent[place] = 0
        parent.fitness.values = (0.0, 6 / 7)
    child = KIND([1, 0] * 3 + [1])
    judge_offspring(Box, parents, [child])
    assert not child.fitness.valid and evaluator.passes["given up"] == 1
