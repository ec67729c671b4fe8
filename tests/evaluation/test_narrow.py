"""Filter masks in the evaluators: the cut network against its plain, masked twin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.evaluation.evaluator import Evaluator, Recalibration
from evoprune.evaluation.fastpath import FastEvaluator, FastGuidance
from evoprune.evaluation.guidance import Guidance
from evoprune.network.models import build
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import Corridor
from operators.individuals import individual_type

ALL = ("error", "soft_error", "loss", "density", "macs", "params")
Mask = individual_type("mask", 2)


@pytest.fixture
def filters(model: nn.Module) -> FilterSpace:
    return FilterSpace(model, (1, 8, 8))


@pytest.fixture
def residual() -> tuple[FilterSpace, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(2)
    images = torch.randn((6, 3, 8, 8), generator=rng)
    model = build("resnet20", classes=5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=rng)
            module.running_var.uniform_(0.5, 2, generator=rng)
    labels = torch.randint(0, 5, (6,), generator=rng)
    return FilterSpace(model, (3, 8, 8)), images, labels


def some_mask(space: FilterSpace, seed: int) -> np.ndarray:
    return space.floored(np.random.default_rng(seed).random(space.size) < 0.5)


@pytest.mark.parametrize("strength", [None, 0.0, 0.5, 1.0])
def test_the_cut_network_is_worth_what_the_masked_one_is(
    residual: tuple[FilterSpace, torch.Tensor, torch.Tensor], strength: float | None
) -> None:
    space, images, labels = residual
    rng = torch.Generator().manual_seed(3)
    batches = [torch.randn((4, 3, 8, 8), generator=rng) + 1 for _ in range(2)]
    renewal = None if strength is None else Recalibration(batches, strength)
    options: dict[str, Any] = {"objectives": ALL, "recalibration": renewal}
    plain = Evaluator(space, images, labels, **options)
    fast = FastEvaluator(space, images, labels, **options)
    for seed in (*range(3), 0):  # the first one again, after the others
        mask = some_mask(space, seed)
        assert fast.judge(mask) == pytest.approx(plain.judge(mask), rel=1e-4, abs=1e-6)


def test_the_passes_are_those_of_the_plain_evaluator(
    filters: FilterSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    plain, fast = (kind(filters, images, labels) for kind in (Evaluator, FastEvaluator))
    for evaluator in (plain, fast):
        before = evaluator.passes["fitness"]
        evaluator(Mask.from_numpy(some_mask(filters, 0)))
        assert evaluator.passes["fitness"] - before == len(images)


def test_a_network_whose_norms_cannot_be_folded_is_cut_too(
    images: torch.Tensor, labels: torch.Tensor
) -> None:
    """A norm before its convolution, as in DenseNet."""
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.PReLU(4), nn.Conv2d(4, 5, 3),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    ).eval()  # fmt: skip
    model[2].running_mean.copy_(torch.arange(4.0))
    space = FilterSpace(model, (1, 8, 8))
    plain, fast = (
        kind(space, images, labels, objectives=ALL) for kind in (Evaluator, FastEvaluator)
    )
    for seed in range(3):
        mask = some_mask(space, seed)
        assert fast.judge(mask) == pytest.approx(plain.judge(mask), rel=1e-4)


def test_single_weights_are_masked_within_the_cut_network(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    space = FilterSpace(model, (1, 8, 8), weights=["linear"])
    plain, fast = (
        kind(space, images, labels, objectives=ALL) for kind in (Evaluator, FastEvaluator)
    )
    for seed in range(3):
        mask = some_mask(space, seed)
        assert fast.judge(mask) == pytest.approx(plain.judge(mask), rel=1e-4)


def test_trials_end_where_whole_judgements_do(
    filters: FilterSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    evaluator = FastEvaluator(filters, images, labels, early=True)
    individual = Mask.from_numpy(some_mask(filters, 0))
    trial = evaluator.trial(individual)
    while trial.values is None:
        trial.advance()
    assert trial.values == Evaluator(filters, images, labels)(individual)


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_fast_guidance_is_plain_guidance(
    residual: tuple[FilterSpace, torch.Tensor, torch.Tensor], statistics: str
) -> None:
    space, images, labels = residual
    options: dict[str, Any] = {"statistics": statistics, "batch": 6}
    plain, fast = (
        kind(space, images, labels, rng=np.random.default_rng(0), **options)
        for kind in (Guidance, FastGuidance)
    )
    mask = some_mask(space, 0)
    expected = plain.saliency(mask)
    assert expected.shape == (space.size,)
    assert np.abs(fast.saliency(mask) - expected).max() < 1e-3 * np.abs(expected).max()


def test_a_filter_s_saliency_is_the_first_order_fall_of_the_loss(
    filters: FilterSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    """Against a difference quotient: a removed filter is let in by a thousandth."""
    guidance = Guidance(
        filters, images, labels, rng=Each(), loss="cross-entropy", batch=len(images)
    )
    mask, step = np.array([1, 0, 1, 1, 1, 0, 1], bool), 1e-3
    before = loss_under(filters, mask, images, labels)
    read_it = slice(8, 12)  # the columns of the last layer that read the filter of gene 5
    after = loss_under(filters, mask, images, labels, columns=read_it, share=step)
    assert guidance.saliency(mask)[5] == pytest.approx((before - after) / step, rel=0.05)


class Each(np.random.Generator):
    """A generator that draws every image once."""

    def __init__(self) -> None:
        super().__init__(np.random.PCG64(0))

    def integers(self, low: int, high: int, size: int) -> np.ndarray:  # type: ignore[override]
        return np.arange(size)


def loss_under(
    space: FilterSpace,
    mask: np.ndarray,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    columns: slice = slice(0, 0),
    share: float = 0.0,
) -> float:
    """Return the cross-entropy under a mask, some inputs of the last layer let in by a share."""
    parts = space.split(torch.from_numpy(space.weight_mask(mask)).double())
    parts[-1][:, columns] = share
    saved = [parameter.detach().clone() for parameter in space.parameters]
    with torch.no_grad():
        for parameter, part in zip(space.parameters, parts, strict=True):
            parameter.mul_(part)
        value = nn.functional.cross_entropy(space.model(images).double(), labels)
        for parameter, old in zip(space.parameters, saved, strict=True):
            parameter.copy_(old)
    return float(value)


def test_a_corridor_leaves_its_free_filters_to_the_genome(filters: FilterSpace) -> None:
    support = np.array([1, 1, 1, 1, 1, 1, 0], bool)
    core = np.array([1, 0, 0, 0, 0, 0, 0], bool)
    narrowed = filters.within(Corridor(core=core, support=support))
    assert narrowed.genes == 5
    assert narrowed.mask([0, 1, 0, 0, 1]).tolist() == [True, False, True, False, False, True, False]
