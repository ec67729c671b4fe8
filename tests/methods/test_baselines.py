"""One-shot pruning: as many weights as asked for, and the right ones."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.methods.baselines import BASELINES, baseline
from evoprune.network.importance import importance
from evoprune.space.weights import WeightSpace

DENSITIES = [0.0, 1 / 215, 0.1, 0.37, 0.5, 0.999, 1.0]
PARTS = [slice(0, 27), slice(27, 135), slice(135, 215)]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("name", BASELINES)
def test_the_density_is_met_to_the_weight(space: WeightSpace, name: str, density: float) -> None:
    mask = baseline(name, space, density, rng=rng())
    assert (mask.dtype, mask.shape) == (np.dtype(bool), (215,))
    assert mask.sum() == round(density * 215)


@pytest.mark.parametrize("name", ["global-magnitude", "lamp", "layer-uniform"])
def test_a_sparser_mask_lies_inside_a_denser_one(space: WeightSpace, name: str) -> None:
    masks = [baseline(name, space, density) for density in DENSITIES]
    for sparse, dense in itertools.pairwise(masks):
        assert not (sparse & ~dense).any()


@pytest.mark.parametrize(
    ("name", "score"),
    [("global-magnitude", "magnitude"), ("lamp", "lamp"), ("layer-uniform", "uniform")],
)
def test_every_weight_kept_scores_at_least_as_high_as_any_removed(
    model: nn.Module, space: WeightSpace, name: str, score: str
) -> None:
    scores, mask = importance(score, model, space.layers), baseline(name, space, 0.4)
    assert scores[mask].min() >= scores[~mask].max()


def test_global_magnitude_keeps_the_largest_weights_wherever_they_are(space: WeightSpace) -> None:
    kept = sorted(range(215), key=lambda place: space.magnitudes[place])[-60:]
    assert set(np.flatnonzero(baseline("global-magnitude", space, 60 / 215))) == set(kept)


def test_layer_uniform_keeps_the_same_share_of_every_layer_to_the_weight(
    space: WeightSpace,
) -> None:
    mask = baseline("layer-uniform", space, 0.4)
    for part in PARTS:
        assert abs(mask[part].sum() - 0.4 * mask[part].size) <= 1


@pytest.mark.parametrize("name", ["global-magnitude", "lamp", "layer-uniform"])
def test_every_layer_is_cut_by_magnitude(space: WeightSpace, name: str) -> None:
    mask = baseline(name, space, 0.3)
    for part in PARTS:
        kept, magnitudes = mask[part], space.magnitudes[part]
        assert magnitudes[kept].min() >= magnitudes[~kept].max()


def test_lamp_keeps_one_weight_of_every_layer_where_there_are_no_more(space: WeightSpace) -> None:
    mask = baseline("lamp", space, 3 / 215)
    assert [mask[part].sum() for part in PARTS] == [1, 1, 1]


def test_weights_whose_scores_are_too_small_to_tell_apart_are_cut_by_magnitude() -> None:
    model = nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[3e-24, 1e-24, 2e-24, 1.0]]))  # squares below float32's
    assert baseline("lamp", WeightSpace(model), 0.75).tolist() == [True, False, True, True]


def test_random_masks_are_drawn_from_the_rng_given(space: WeightSpace) -> None:
    one, same, other = (baseline("random", space, 0.5, rng=rng(seed)) for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_random_masks_keep_every_weight_equally_often(space: WeightSpace) -> None:
    drawn, stream = np.zeros(215), rng()
    for _ in range(400):
        drawn += baseline("random", space, 0.3, rng=stream)
    assert np.abs(drawn / 400 - 0.3).max() < 5 * np.sqrt(0.3 * 0.7 / 400)


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_meets_every_density_to_the_weight(space: WeightSpace, name: str) -> None:
    kept = [baseline(name, space, density, rng=rng()).sum() for density in (0.5, 0.1, 0.0, 1.0)]
    assert kept == [108, 22, 0, 215]


def test_the_random_baseline_without_an_rng_is_refused(space: WeightSpace) -> None:
    with pytest.raises(InputError, match="rng: the random baseline draws; give it a numpy"):
        baseline("random", space, 0.5)


@pytest.mark.parametrize("density", [-0.1, 1.1, float("nan")])
def test_a_density_that_is_no_share_is_refused(space: WeightSpace, density: float) -> None:
    with pytest.raises(InputError, match=f"density: expected a share from 0 to 1, got {density}"):
        baseline("lamp", space, density)


def test_an_unknown_baseline_brings_the_nearest_name(space: WeightSpace) -> None:
    with pytest.raises(InputError, match="unknown baseline 'layer-unifrom': did you mean 'layer-u"):
        baseline("layer-unifrom", space, 0.5)
