"""Latency as an objective: what is timed, and what is made of the times; clocks are made up."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.evaluator import Evaluator
from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.evaluation.latency import Latency
from evoprune.network.surgery import shrink
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace
from evoprune.space.weights import WeightSpace
from operators.individuals import individual_type

Mask = individual_type("mask", 2)


class Clock:
    """A timer that has its times given, and remembers what it was to time."""

    def __init__(self, *times: Any) -> None:
        self.times, self.seen = [np.array(rows, float) for rows in times], list[Any]()

    def __call__(self, networks: Any, images: torch.Tensor, *, runs: int) -> np.ndarray:
        self.seen.append((list(networks), images, runs))
        return self.times[len(self.seen) - 1]


@pytest.fixture
def filters(model: nn.Module) -> FilterSpace:
    return FilterSpace(model, (1, 8, 8))


def half(space: FilterSpace) -> np.ndarray:
    return space.floored(np.arange(space.size) % 2 == 0)


def test_it_is_the_dense_time_times_the_median_of_the_ratios(filters: FilterSpace) -> None:
    # By hand: dense 5 ms; ratios 1/2, 1/4 and 9/10 where the machine was busy; median 1/2.
    clock = Clock([[4.0], [5.0], [90.0]], [[2, 1], [4, 1], [1000, 900]])
    latency = Latency(filters, runs=3, timer=clock)
    assert latency.dense_ms == 5
    assert latency.of(half(filters)) == 2.5


def test_a_machine_that_is_three_times_as_slow_gives_the_same(filters: FilterSpace) -> None:
    pairs = np.array([[2.0, 1.0], [4.0, 1.0]])
    clock = Clock([[5.0]], pairs, 3 * pairs)
    latency = Latency(filters, timer=clock)
    assert latency.of(half(filters)) == latency.of(half(filters))


def test_the_cut_network_is_timed_beside_the_dense_one(filters: FilterSpace) -> None:
    clock = Clock([[1.0]], [[1.0, 1.0]])
    Latency(filters, batch=7, runs=9, timer=clock).of(half(filters))
    ([alone], *_), ([dense, cut], images, runs) = clock.seen
    sizes = [[p.numel() for p in network.parameters()] for network in (alone, dense, cut)]
    expected = shrink(filters.model, filters.cut(half(filters)))
    assert sizes[0] == sizes[1] == [p.numel() for p in filters.model.parameters()]
    assert sizes[2] == [p.numel() for p in expected.parameters()] != sizes[1]
    assert images.shape == (7, 1, 8, 8) and runs == 9


def test_the_network_is_lent(filters: FilterSpace) -> None:
    before = {key: value.clone() for key, value in filters.model.state_dict().items()}
    strides = [p.stride() for p in filters.model.parameters()]
    Latency(filters, batch=2, runs=1).of(half(filters))
    assert [p.stride() for p in filters.model.parameters()] == strides
    for key, value in filters.model.state_dict().items():
        assert torch.equal(value, before[key])


@pytest.mark.parametrize("judge", [Evaluator, FastEvaluator])
def test_an_evaluator_minimises_it_and_asks_once_for_a_genome(
    filters: FilterSpace, images: torch.Tensor, labels: torch.Tensor, judge: Any
) -> None:
    clock = Clock([[8.0]], [[4.0, 1.0]], [[4.0, 3.0]])
    evaluate = judge(filters, images, labels, objectives=("density", Latency(filters, timer=clock)))
    first, other = Mask.from_numpy(half(filters)), Mask.from_numpy(np.ones(filters.size, bool))
    assert evaluate(first)[1] == 2 == evaluate(first)[1]
    assert evaluate(other) == (1, 6)
    assert len(clock.seen) == 3


def test_its_passes_are_counted_apart_from_what_is_spent(filters: FilterSpace) -> None:
    passes = Passes()
    Latency(filters, batch=10, runs=4, passes=passes).of(half(filters))
    assert passes["latency"] == 10 * 4 + 2 * 10 * 4
    assert passes.spent() == 0


def test_a_time_is_told_with_batch_threads_device_and_runs(filters: FilterSpace) -> None:
    said = Latency(filters, batch=3, runs=2).setting
    assert (said["batch"], said["runs"]) == (3, 2)
    assert said["threads"] == torch.get_num_threads() and said["device"]


def test_weights_are_refused(model: nn.Module) -> None:
    with pytest.raises(InputError, match=r"got a WeightSpace: a weight of zero takes as long .*"):
        Latency(WeightSpace(model))


@pytest.mark.parametrize("wrong", [{"batch": 0}, {"runs": 0}, {"batch": -1}])
def test_no_image_or_no_run_is_refused(filters: FilterSpace, wrong: Any) -> None:
    with pytest.raises(InputError, match="expected batch and runs from 1 on"):
        Latency(filters, **wrong)
