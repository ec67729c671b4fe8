"""Scores of filters against values worked out by hand, and against loops written by the book."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from evoprune.network import filter_scores
from evoprune.network.groups import Group, channel_groups
from evoprune.passes import Passes

Batches = list[tuple[torch.Tensor, torch.Tensor]]
FILTERS = ((0, 3), (3, 4))  # places of the convolutions, and how many filters they have


@pytest.fixture
def groups(model: nn.Module) -> list[Group]:
    return channel_groups(model, (1, 8, 8))[0]


@pytest.fixture
def batches(images: torch.Tensor, labels: torch.Tensor) -> Batches:
    return [(images[:12], labels[:12]), (images[12:], labels[12:])]


class Added(nn.Module):
    """Two convolutions that make the same two channels, across an addition."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 2, 1)
        self.head = nn.Conv2d(2, 3, 1)
        with torch.no_grad():
            self.one.weight.copy_(torch.tensor([3.0, -1.0]).view(2, 1, 1, 1))
            self.other.weight.copy_(torch.tensor([-4.0, 1.0]).view(2, 1, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(functional.relu(self.one(x) + self.other(x))).flatten(2).mean(2)


def two_filters() -> nn.Module:
    """The first filter passes a pixel on, the second its negative; no biases."""
    model = nn.Sequential(
        nn.Conv2d(1, 2, 1, bias=False), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2, bias=False)
    )
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
    return model


def test_l1_and_l2_are_norms_of_each_filter(model: nn.Module, groups: list[Group]) -> None:
    flat = [model[place].weight[i].flatten() for place, count in FILTERS for i in range(count)]
    l1 = [float(filter_.detach().abs().sum()) for filter_ in flat]
    l2 = [float(filter_.detach().norm()) for filter_ in flat]
    np.testing.assert_allclose(filter_scores.l1(model, groups), l1, rtol=1e-6)
    np.testing.assert_allclose(filter_scores.l2(model, groups), l2, rtol=1e-6)


def test_of_channels_with_several_makers_all_weights_count() -> None:
    model = Added()
    groups, _ = channel_groups(model, (1, 2, 2))
    assert filter_scores.l1(model, groups).tolist() == [7.0, 2.0]
    np.testing.assert_allclose(filter_scores.l2(model, groups), [5.0, np.sqrt(2)])


def test_apoz_is_the_share_of_zeros_behind_the_activation() -> None:
    model = two_filters()
    groups, _ = channel_groups(model, (1, 2, 2))
    images = torch.tensor([[1.0, 2, 3, -1], [1.0, 1, -1, -1]]).view(2, 1, 2, 2)
    batches = [(images[:1], torch.zeros(1)), (images[1:], torch.zeros(1))]
    assert filter_scores.apoz(model, groups, batches, Passes()).tolist() == [3 / 8, 5 / 8]


def test_apoz_counts_a_zero_image_in_full() -> None:
    model = two_filters()
    groups, _ = channel_groups(model, (1, 2, 2))
    batches = [(torch.zeros(3, 1, 2, 2), torch.zeros(3))]
    assert filter_scores.apoz(model, groups, batches, Passes()).tolist() == [1.0, 1.0]


def test_apoz_is_taken_behind_pooling(
    model: nn.Module, groups: list[Group], batches: Batches
) -> None:
    images = torch.cat([images for images, _ in batches])
    with torch.no_grad():
        read = [model[:3](images), model[:7](images)]  # by the second convolution, by the head
    expected = [(values == 0).double().mean((0, 2, 3)).numpy() for values in read]
    found = filter_scores.apoz(model, groups, batches, Passes())
    np.testing.assert_allclose(found, np.concatenate(expected))
    assert 0 < found.mean() < 1


def test_taylor_is_equation_8_by_a_loop(
    model: nn.Module, groups: list[Group], batches: Batches
) -> None:
    expected = np.zeros(7)
    for images, labels in batches:
        network = copy.deepcopy(model)
        functional.cross_entropy(network(images), labels).backward()
        products = [
            float((network[place].weight.grad[i] * network[place].weight[i].detach()).sum())
            for place, count in FILTERS
            for i in range(count)
        ]
        expected += np.square(products) / len(batches)
    found = filter_scores.taylor(model, groups, batches, Passes())
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-9)


def test_taylor_adds_over_makers_before_it_squares() -> None:
    model = Added()
    groups, _ = channel_groups(model, (1, 2, 2))
    images, labels = torch.rand(4, 1, 2, 2) + 0.1, torch.tensor([0, 1, 2, 0])
    functional.cross_entropy(model(images), labels).backward()
    one, other = ((m.weight.grad * m.weight).detach().flatten() for m in (model.one, model.other))
    found = filter_scores.taylor(model, groups, [(images, labels)], Passes())
    np.testing.assert_allclose(found, (one + other).square().numpy(), rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize(("name", "expected"), [("apoz", 20), ("taylor", 60)])
def test_passes_are_counted_as_guidance(
    model: nn.Module, groups: list[Group], batches: Batches, name: str, expected: int
) -> None:
    passes = Passes()
    getattr(filter_scores, name)(model, groups, batches, passes)
    assert (passes["guidance"], passes.spent()) == (expected, expected)


@pytest.mark.parametrize("name", ["l1", "l2", "apoz", "taylor"])
@pytest.mark.parametrize("training", [False, True])
def test_the_network_comes_back_as_it_was(
    model: nn.Module,
    groups: list[Group],
    batches: Batches,
    unchanged: Any,
    name: str,
    training: bool,
) -> None:
    model.train(training)
    score: Callable[..., Any] = getattr(filter_scores, name)
    if name in ("apoz", "taylor"):
        score = partial(score, batches=batches, passes=Passes())
    with unchanged(model):
        score(model, groups)


def test_the_network_comes_back_as_it_was_also_from_an_exception(
    model: nn.Module, groups: list[Group], unchanged: Any
) -> None:
    with unchanged(model), pytest.raises(RuntimeError, match="channels"):
        filter_scores.apoz(model, groups, [(torch.zeros(2, 5, 8, 8), torch.zeros(2))], Passes())


def test_a_copy_of_the_network_is_scored_by_the_same_groups(
    model: nn.Module, groups: list[Group]
) -> None:
    other = copy.deepcopy(model)
    with torch.no_grad():
        other[0].weight.mul_(2)
    assert (filter_scores.l1(other, groups)[:3] == 2 * filter_scores.l1(model, groups)[:3]).all()
