"""Where both phases start: baselines as thresholds, and masks drawn by importance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.evaluation.evaluator import Evaluator
from evoprune.methods.baselines import baseline
from evoprune.methods.masks import first_masks, free_share, mask_toolbox
from evoprune.methods.thresholds import SEEDED_DENSITIES, first_thresholds
from evoprune.methods.variation import Variation
from evoprune.passes import Passes
from evoprune.seeding import Streams
from evoprune.space.decode import ThresholdDecoder
from evoprune.space.genes import Corridor
from evoprune.space.weights import WeightSpace
from operators.individuals import individual_type

PLAIN = ("global-magnitude", "lamp", "layer-uniform")
ALL = 42  # two thirds of it are as many as there are baselines to start from, and one more


def population(decoder: ThresholdDecoder, n: int, seed: int = 0) -> list[Any]:
    """Draw a first population; what is no baseline are thresholds that keep nothing."""
    nothing = individual_type("thresholds", 2)([1.0, 1.0, 1.0])
    return first_thresholds(lambda: nothing, decoder, n, rng=np.random.default_rng(seed))


def decoded(decoder: ThresholdDecoder, n: int, seed: int = 0) -> list[bytes]:
    return [decoder(individual).tobytes() for individual in population(decoder, n, seed)]


@pytest.fixture
def decoder(space: WeightSpace) -> ThresholdDecoder:
    return ThresholdDecoder(space)


@pytest.mark.parametrize("density", SEEDED_DENSITIES)
@pytest.mark.parametrize("name", PLAIN)
def test_a_large_first_population_holds_every_plain_baseline(
    decoder: ThresholdDecoder, name: str, density: float
) -> None:
    assert baseline(name, decoder.space, density).tobytes() in decoded(decoder, ALL)


@pytest.mark.parametrize("n", [4, 5, 24])
def test_two_thirds_of_any_first_population_are_baselines_and_the_rest_is_drawn(
    decoder: ThresholdDecoder, n: int
) -> None:
    plain = {baseline(p, decoder.space, d).tobytes() for p in PLAIN for d in SEEDED_DENSITIES}
    nothing = np.zeros(215, bool).tobytes()
    found = decoded(decoder, n)
    assert sum(mask in plain for mask in found) == 2 * n // 3
    assert found.count(nothing) == n - 2 * n // 3


def test_the_baselines_of_a_small_first_population_are_drawn_by_the_rng(
    decoder: ThresholdDecoder,
) -> None:
    one, same, other = (decoded(decoder, 6, seed) for seed in (0, 0, 1))
    assert one == same != other


def wide(corridor: Corridor | None = None) -> WeightSpace:
    """Return a space of 4,000 weights; that many make shares of them nearly certain."""
    torch.manual_seed(0)
    space = WeightSpace(nn.Sequential(nn.Flatten(), nn.Linear(64, 50), nn.Linear(50, 16)))
    return space if corridor is None else space.within(corridor)


@pytest.fixture
def corridor() -> Corridor:
    """Fix the 400 largest weights at 1 and the 1,000 smallest at 0."""
    ranks = ThresholdDecoder(wide()).ranks
    return Corridor(core=ranks >= 3600, support=ranks >= 1000)


def individual(space: WeightSpace, seed: int = 0) -> Callable[..., Any]:
    """Return what phase 2's toolbox registers as `individual`."""
    evaluator = Evaluator(space, torch.zeros(1, 1, 8, 8), torch.zeros(1, dtype=torch.long))
    streams = Streams(seed)
    variation = Variation(space, None, streams, Passes(), cost=1)
    return mask_toolbox(evaluator, None, variation, streams).individual


@pytest.mark.parametrize("walls", [False, True])
def test_the_first_masks_have_the_densities_asked_for_of_the_whole_network(
    corridor: Corridor, walls: bool
) -> None:
    space, asked = wide(corridor if walls else None), [0.7, 0.5, 0.3, 0.15]
    masks = first_masks(individual(space), space, asked)
    found = [space.density(space.mask(mask)) for mask in masks]
    assert found == pytest.approx(asked, abs=0.01)


@pytest.mark.parametrize(("density", "share"), [(0.05, 0.0), (0.1, 0.0), (0.425, 0.5), (0.9, 1.0)])
def test_a_density_outside_the_corridor_is_brought_to_its_wall(
    corridor: Corridor, density: float, share: float
) -> None:
    """Of 4,000 weights 400 are fixed at 1 and 2,600 are free: 1,300 of them make .425."""
    assert free_share(wide(corridor), density) == pytest.approx(share)


def test_the_larger_a_weight_the_more_often_a_first_mask_keeps_it() -> None:
    space = wide()
    draw = individual(space)
    kept = np.mean([draw(density=0.5).to_numpy() for _ in range(40)], axis=0)
    shares = kept[np.argsort(space.magnitudes)]
    around = [shares[at - 20 : at].mean() for at in (1960, 1980, 2000, 2020, 2040, 2060)]
    assert around == sorted(around)
    assert around[0] < 0.3 < 0.7 < around[-1]
    assert shares[:1500].max() == 0.0 and shares[2500:].min() == 1.0


def test_two_first_masks_of_one_density_differ() -> None:
    one, other = first_masks(individual(wide()), wide(), [0.5, 0.5])
    assert one != other
