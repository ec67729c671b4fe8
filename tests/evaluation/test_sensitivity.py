"""Sensitivity: an image's own row, whose sum is what guidance says."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.guidance import Guidance
from evoprune.evaluation.sensitivity import Sensitivity
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import Corridor
from operators.individuals import individual_type
from tests.conftest import Unchanged

MASK = np.array([1, 0, 1, 1, 0, 1, 1], bool)  # of 3 and 4 filters


@pytest.fixture
def filters(model: nn.Module) -> FilterSpace:
    return FilterSpace(model, (1, 8, 8))


def of(space: FilterSpace, images: torch.Tensor, **settings: object) -> Sensitivity:
    return Sensitivity(space, images, rng=np.random.default_rng(0), **settings)  # type: ignore[arg-type]


def individual(bits: np.ndarray = MASK) -> object:
    return individual_type("mask", 2).from_numpy(bits)


def test_of_a_single_output_the_saliency_is_that_of_guidance(
    model: nn.Sequential, images: torch.Tensor
) -> None:
    model[8] = nn.Linear(16, 1)  # whatever the sign drawn, it is squared
    space, one = FilterSpace(model, (1, 8, 8)), images[:1]
    guidance = Guidance(space, one, torch.zeros(1).long(), rng=np.random.default_rng(0))
    expected = guidance(individual())
    found = of(space, one, count=1).saliency_on(individual())
    assert found == pytest.approx(expected, rel=1e-3, abs=float(1e-5 * np.abs(expected).max()))


def test_behind_the_last_norm_outputs_are_linear_and_rows_exact(
    filters: FilterSpace, images: torch.Tensor
) -> None:
    """Only a pooling and a Linear layer read the second convolution's filters."""
    other = MASK.copy()
    other[3:] = [1, 1, 0, 1]
    (rows, misses), (_, changed) = (
        of(filters, images, count=20)(individual(m)) for m in (MASK, other)
    )
    step = other.astype(float) - MASK
    assert misses + rows @ step == pytest.approx(changed, rel=1e-3, abs=1e-4)


def test_the_dense_network_misses_nothing(filters: FilterSpace, images: torch.Tensor) -> None:
    _, misses = of(filters, images, count=6)(individual(np.ones(7, bool)))
    assert np.abs(misses).max() < 1e-4


def test_a_filter_that_is_constant_is_worth_nothing_where_a_norm_makes_up_for_it(
    model: nn.Sequential, images: torch.Tensor
) -> None:
    with torch.no_grad():
        model[0].weight[1] = 0  # what is left is BatchNorm's shift
        model[1].bias[1] = 1.0
    space, kept = FilterSpace(model, (1, 8, 8)), individual(np.ones(7, bool))
    renewed, _ = of(space, images, count=20, strength=1.0)(kept)
    fixed, _ = of(space, images, count=20)(kept)
    assert np.abs(renewed[:, 1]).max() < 1e-4 < np.abs(fixed[:, 1]).max()


def test_the_free_genes_of_a_corridor_have_a_row(
    filters: FilterSpace, images: torch.Tensor
) -> None:
    core = np.array([1, 0, 0, 1, 0, 0, 0], bool)
    inside = filters.within(Corridor(core, np.ones(7, bool)))
    every, _ = of(filters, images, count=5)(individual())
    free, _ = of(filters, images, count=5).within(inside)(individual(MASK[~core]))
    assert np.array_equal(free, every[:, ~core])


@pytest.mark.parametrize(("strength", "price"), [(0.0, 4), (1.0, 5)])
def test_every_pass_is_counted(
    filters: FilterSpace, images: torch.Tensor, strength: float, price: int
) -> None:
    passes = Passes()
    sensitivity = of(filters, images, count=6, strength=strength, passes=passes)
    sensitivity(individual())
    assert passes["guidance"] == passes.spent() == sensitivity.cost == 6 * price
    assert sensitivity.showing(10).cost == 10 * price


def test_the_network_comes_back_as_it_was(
    filters: FilterSpace, model: nn.Module, images: torch.Tensor, unchanged: Unchanged
) -> None:
    with unchanged(model):
        of(filters, images, count=6, strength=1.0)(individual())


def test_the_same_seed_gives_the_same_rows_whatever_was_asked_before(
    filters: FilterSpace, images: torch.Tensor
) -> None:
    sensitivity = of(filters, images, count=6, strength=1.0)
    sensitivity(individual(np.ones(7, bool)))
    sensitivity.rng = np.random.default_rng(0)
    again = of(filters, images, count=6, strength=1.0)(individual())
    assert all(map(np.array_equal, sensitivity(individual()), again))


def test_an_empty_pool_is_refused(filters: FilterSpace, images: torch.Tensor) -> None:
    with pytest.raises(InputError, match="images: expected at least one training image"):
        of(filters, images[:0])
