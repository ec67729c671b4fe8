"""Soft filter pruning: what is zeroed may grow back, until it is cut."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.methods.filter_counts import counts_in
from evoprune.methods.soft_filter_pruning import soft_filter_pruning
from evoprune.network import datasets, models
from evoprune.network.training import train
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace


@pytest.fixture
def filters(model: nn.Module) -> FilterSpace:
    return FilterSpace(model, (1, 8, 8))


@pytest.fixture
def prune(filters: FilterSpace) -> Callable[..., Any]:
    return partial(soft_filter_pruning, filters, [2, 4], rng=np.random.default_rng(0),
                   passes=Passes())  # fmt: skip


def zero(model: nn.Module) -> list[bool]:
    """Which filters of the first convolution are zero."""
    return (model[0].weight == 0).flatten(1).all(1).tolist()


def grown(model: nn.Module, place: int, size: float) -> None:
    with torch.no_grad():
        model[0].weight[place] = size


def test_a_filter_that_was_zeroed_can_grow_back(prune: Callable[..., Any]) -> None:
    seen: list[list[bool]] = []

    def training(model: nn.Module, **settings: Any) -> None:
        seen.append(zero(model))
        for place, size in enumerate([0.1, 1.0, 1.0] if len(seen) == 1 else [5.0, 1.0, 0.1]):
            grown(model, place, size)

    pruned = prune(train=training, epochs=2)
    assert seen == [[False, False, False], [True, False, False]]
    assert pruned.mask[:3].tolist() == [True, True, False]
    assert zero(pruned.model) == [False, False, True]


def test_what_is_zero_at_the_end_is_what_is_cut(prune: Callable[..., Any]) -> None:
    pruned = prune(train=lambda model, **settings: None, epochs=1)
    assert zero(pruned.model) == (~pruned.mask[:3]).tolist()


def test_biases_and_norms_of_zeroed_filters_stay(
    prune: Callable[..., Any], filters: FilterSpace
) -> None:
    pruned = prune(train=lambda model, **settings: None, epochs=1)
    assert torch.equal(pruned.model[1].weight, filters.model[1].weight)
    assert torch.equal(pruned.model[1].bias, filters.model[1].bias)


def test_the_rate_falls_along_half_a_cosine(prune: Callable[..., Any]) -> None:
    asked: list[tuple[int, float]] = []

    def training(model: nn.Module, *, epochs: int, rate: float, **settings: Any) -> None:
        asked.append((epochs, rate))

    prune(train=training, epochs=2, rate=0.4)
    assert asked == [(1, 0.4), (1, pytest.approx(0.2))]


def test_no_epoch_is_refused(prune: Callable[..., Any]) -> None:
    with pytest.raises(InputError, match="epochs: expected at least 1, got 0"):
        prune(train=lambda model, **settings: None, epochs=0)


def test_with_the_real_training_filters_grow_back_under_batchnorm(
    filters: FilterSpace, images: torch.Tensor
) -> None:
    digits = datasets.load("digits")
    network = models.build("digits-cnn", channels=1, image_size=8).eval()
    space, passes = FilterSpace(network, (1, 8, 8)), Passes()
    before: list[np.ndarray] = []
    after: list[np.ndarray] = []

    def training(model: nn.Module, **settings: Any) -> None:
        norms = partial(_norms, model, space)
        before.append(norms())
        train(model, digits, progress=False, **settings)
        after.append(norms())

    counts = [max(1, int(n) // 2) for n in np.diff(space.offsets)]
    pruned = soft_filter_pruning(
        space, counts, train=training, epochs=2, rng=np.random.default_rng(0), passes=passes
    )
    assert counts_in(space, pruned.mask) == tuple(counts)
    zeroed = before[1] == 0
    assert zeroed.sum() == space.size - sum(counts)
    assert (after[1][zeroed] > 0).any()
    assert passes["training"] >= 2 * 3 * len(digits.train)


def _norms(model: nn.Module, space: FilterSpace) -> np.ndarray:
    names = [group.makers[0].name for group in space.groups]
    weights = [model.get_submodule(name).weight.detach().flatten(1) for name in names]
    return np.concatenate([weight.norm(dim=1).numpy() for weight in weights])
