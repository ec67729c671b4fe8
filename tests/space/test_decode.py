"""Thresholds to masks and back, and the corridor between two anchors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.methods.baselines import baseline
from evoprune.space.decode import ThresholdDecoder, corridor_between
from evoprune.space.weights import WeightSpace
from operators.genomes import RealVector

DENSITIES = [0.0, 0.01, 0.1, 0.37, 0.5, 0.8, 0.99, 1.0]
SIZE = 215


@pytest.fixture
def decoder(space: WeightSpace) -> ThresholdDecoder:
    return ThresholdDecoder(space)


@pytest.fixture
def tied() -> WeightSpace:
    """Weights of few magnitudes, some 0 and some too small for float32 to square."""
    model = nn.Sequential(nn.Linear(8, 6, bias=False), nn.Linear(6, 10, bias=False))
    values = torch.tensor([0.5, -0.5, 0.25, 0.0, -1.0, 1e-24, 3e-25, 2e-24])
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in model:
            drawn = torch.randint(0, len(values), (layer.weight.numel(),), generator=rng)
            layer.weight.copy_(values[drawn].view_as(layer.weight))
    return WeightSpace(model)


@pytest.mark.parametrize("density", DENSITIES)
def test_equal_genes_are_global_magnitude_pruning(
    decoder: ThresholdDecoder, space: WeightSpace, density: float
) -> None:
    plain = baseline("global-magnitude", space, density)
    assert (decoder(RealVector([1 - space.density(plain)] * 3)) == plain).all()


def test_equal_genes_keep_the_largest_magnitudes(decoder: ThresholdDecoder) -> None:
    magnitudes = decoder.space.magnitudes
    plain = np.zeros(SIZE, bool)
    for place in sorted(range(SIZE), key=lambda i: magnitudes[i])[SIZE - 43 :]:
        plain[place] = True
    assert (decoder([0.8, 0.8, 0.8]) == plain).all()


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("name", ["global-magnitude", "lamp", "layer-uniform"])
def test_an_encoded_baseline_decodes_to_itself(
    decoder: ThresholdDecoder, space: WeightSpace, name: str, density: float
) -> None:
    mask = baseline(name, space, density)
    assert (decoder(decoder.encode(mask)) == mask).all()


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("name", ["global-magnitude", "lamp", "layer-uniform"])
def test_so_does_a_baseline_among_ties_and_tiny_weights(
    tied: WeightSpace, name: str, density: float
) -> None:
    decoder, mask = ThresholdDecoder(tied), baseline(name, tied, density)
    assert (decoder(decoder.encode(mask)) == mask).all()


def test_gene_0_keeps_a_layer_whole_and_gene_1_removes_it(decoder: ThresholdDecoder) -> None:
    assert decoder.space.kept_by_layer(decoder([0.0, 1.0, 0.0])).tolist() == [1.0, 0.0, 1.0]


def test_a_gene_changes_its_own_layer_only(decoder: ThresholdDecoder) -> None:
    changed = decoder([0.5, 0.5, 0.5]) != decoder([0.5, 0.2, 0.5])
    assert changed[27:135].any()
    assert not changed[:27].any()
    assert not changed[135:].any()


def test_a_higher_gene_keeps_a_part_of_what_a_lower_one_keeps(decoder: ThresholdDecoder) -> None:
    low, high = decoder([0.3, 0.6, 0.1]), decoder([0.4, 0.7, 0.9])
    assert not (high & ~low).any()


def test_genes_beyond_their_range_are_taken_as_its_ends(decoder: ThresholdDecoder) -> None:
    assert (decoder([-3.0, 7.0, 0.5]) == decoder([0.0, 1.0, 0.5])).all()


def test_encoding_any_mask_cuts_at_the_smallest_rank_kept(decoder: ThresholdDecoder) -> None:
    mask = np.random.default_rng(0).random(SIZE) < 0.3
    genes = decoder.encode(mask)
    for layer, part in enumerate([slice(0, 27), slice(27, 135), slice(135, SIZE)]):
        assert genes[layer] == decoder.ranks[part][mask[part]].min() / SIZE


def test_one_gene_too_few_is_refused(decoder: ThresholdDecoder) -> None:
    with pytest.raises(InputError, match="thresholds: expected 3 genes, one for each layer; got 2"):
        decoder([0.5, 0.5])


LIGHT = np.array([0, 0, 1, 1, 1, 1, 1, 1], bool)
HEAVY = np.array([0, 0, 0, 0, 0, 0, 1, 1], bool)
RANKS = np.arange(8)


def test_margin_0_puts_the_walls_at_the_anchors() -> None:
    corridor = corridor_between(LIGHT, HEAVY, ranks=RANKS, margin=0.0)
    assert (corridor.support == LIGHT).all()
    assert (corridor.core == HEAVY).all()


def test_margin_1_leaves_every_gene_free() -> None:
    assert corridor_between(LIGHT, HEAVY, ranks=RANKS, margin=1.0).free.all()


def test_a_margin_opens_the_walls_next_to_the_anchors_first() -> None:
    corridor = corridor_between(LIGHT, HEAVY, ranks=RANKS, margin=0.5)
    assert corridor.support.astype(int).tolist() == [0, 1, 1, 1, 1, 1, 1, 1]
    assert corridor.core.astype(int).tolist() == [0, 0, 0, 0, 0, 0, 0, 1]


def test_both_anchors_lie_inside_also_if_they_cross() -> None:
    light, heavy = np.array([1, 1, 1, 0, 0], bool), np.array([0, 1, 0, 1, 0], bool)
    corridor = corridor_between(light, heavy, ranks=np.arange(5), margin=0.0)
    for anchor in (light, heavy):
        assert not (anchor & ~corridor.support).any()
        assert not (corridor.core & ~anchor).any()


def test_the_anchors_are_not_written_to() -> None:
    light, heavy = LIGHT.copy(), HEAVY.copy()
    corridor_between(light, heavy, ranks=RANKS, margin=0.7)
    assert (light == LIGHT).all()
    assert (heavy == HEAVY).all()


@pytest.mark.parametrize("heavy", [LIGHT, np.ones(8, bool)])
def test_a_light_anchor_that_is_not_lighter_is_refused(heavy: np.ndarray) -> None:
    came = f"must keep more than the heavy one; got 6 and {heavy.sum()} of 8"
    with pytest.raises(InputError, match=came):
        corridor_between(LIGHT, heavy, ranks=RANKS, margin=0.1)


@pytest.mark.parametrize("margin", [-0.1, 1.1, float("nan")])
def test_a_margin_that_is_no_share_is_refused(margin: float) -> None:
    with pytest.raises(InputError, match=f"margin: expected a share from 0 to 1, got {margin}"):
        corridor_between(LIGHT, HEAVY, ranks=RANKS, margin=margin)
