"""Genes of a head: features, units or single weights; a narrow head computes what a masked does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.heads import Head, fresh_head
from evoprune.space.heads import ENCODINGS, HeadSpace

FEATURES, UNITS, CLASSES = 5, 3, 4
IMAGES = torch.rand(20, FEATURES, generator=torch.Generator().manual_seed(0)) - 0.3
SIZES = {"features": 5, "neurons": 3, "connections": 15}


def space_of(encoding: str, **settings: Any) -> HeadSpace:
    return HeadSpace(FEATURES, UNITS, encoding, **settings)


@pytest.fixture
def head() -> Head:
    head = fresh_head(FEATURES, UNITS, CLASSES, seed=1)
    nn.init.uniform_(head.out.bias, generator=torch.Generator().manual_seed(2))
    return head


def masked(head: Head, encoding: str, mask: np.ndarray) -> torch.Tensor:
    """Return the logits of the whole head, multiplied by zero where the mask says so."""
    kept = torch.from_numpy(mask).float()
    weight = head.hidden.weight
    if encoding == "features":
        weight = weight * kept
    if encoding == "neurons":
        weight = weight * kept[:, None]
    if encoding == "connections":
        weight = weight * kept.view(UNITS, FEATURES)
    return nn.functional.linear((IMAGES @ weight.T).clamp(min=0), head.out.weight, head.out.bias)


def some_mask(encoding: str, seed: int) -> np.ndarray:
    mask = np.random.default_rng(seed).random(SIZES[encoding]) < 0.4
    mask[seed % len(mask)] = True
    return mask


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_there_is_a_gene_a_feature_a_unit_or_a_weight(encoding: str) -> None:
    space = space_of(encoding)
    assert (space.size, space.unit) == (SIZES[encoding], encoding)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_narrow_head_computes_what_the_masked_one_does(
    head: Head, encoding: str, seed: int
) -> None:
    mask = some_mask(encoding, seed)
    small, _ = space_of(encoding).narrowed(head, mask)
    with torch.no_grad():
        assert torch.allclose(small(IMAGES), masked(head, encoding, mask), atol=1e-6)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_of_a_full_mask_the_whole_head_is_left(head: Head, encoding: str) -> None:
    small, _ = space_of(encoding).narrowed(head, np.ones(SIZES[encoding], bool))
    with torch.no_grad():
        assert torch.equal(small(IMAGES), head(IMAGES))


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_making_it_narrow_copies_the_weights(head: Head, encoding: str) -> None:
    before = {name: value.clone() for name, value in head.state_dict().items()}
    small, _ = space_of(encoding).narrowed(head, some_mask(encoding, 0))
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.fill_(7)
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_a_removed_feature_is_not_read(head: Head) -> None:
    small, kept = space_of("features").narrowed(head, np.array([1, 0, 0, 1, 0], bool))
    assert small.chosen is not None and small.chosen.tolist() == [0, 3]
    assert small.hidden.weight.shape == (UNITS, 2) and kept is None


def test_a_removed_unit_is_not_there(head: Head) -> None:
    small, kept = space_of("neurons").narrowed(head, np.array([0, 1, 0], bool))
    assert small.hidden.weight.shape == (1, FEATURES) and kept is None
    assert torch.equal(small.out.weight, head.out.weight[:, 1:2])


def test_connections_are_numbered_unit_by_unit(head: Head) -> None:
    mask = np.zeros(15, bool)
    mask[1 * FEATURES + 4] = True  # what the second unit reads of the last feature
    features, units, weights = space_of("connections").parts(mask)
    assert features.tolist() == [False] * 4 + [True]
    assert units.tolist() == [False, True, False]
    assert weights is not None and weights.tolist() == [[True]]


def test_features_and_units_without_a_connection_are_not_there(head: Head) -> None:
    mask = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [0, 0, 1, 0, 0]], bool)
    small, kept = space_of("connections").narrowed(head, mask.ravel())
    assert small.hidden.weight.shape == (2, 2)
    assert kept is not None and kept.tolist() == [[True, True], [False, True]]
    assert float(small.hidden.weight[1, 0].detach()) == 0.0


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_density_is_the_share_of_active_genes(encoding: str) -> None:
    mask = some_mask(encoding, 0)
    assert space_of(encoding).density(mask) == sum(mask.tolist()) / SIZES[encoding]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_weights_are_those_that_a_narrow_head_holds_and_that_are_not_zero(
    head: Head, encoding: str
) -> None:
    mask = some_mask(encoding, 3)
    small, kept = space_of(encoding).narrowed(head, mask)
    held = sum(parameter.numel() for parameter in small.parameters())
    zeros = 0 if kept is None else int((~kept).sum())
    assert space_of(encoding).weights(mask, CLASSES) == held - zeros


def test_weights_of_a_small_head_counted_by_hand() -> None:
    mask = np.array([1, 0, 1, 0, 0], bool)
    assert space_of("features").weights(mask, CLASSES) == 2 * 3 + 3 * 4 + 4


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_empty_genome_gets_its_most_important_gene_back(encoding: str) -> None:
    size = SIZES[encoding]
    importance = np.arange(size) % 3
    importance[1] = 9
    mask = space_of(encoding, importance=importance).mask(np.zeros(size, bool))
    assert np.flatnonzero(mask).tolist() == [1]


def test_a_genome_that_keeps_something_is_its_mask_and_is_not_changed() -> None:
    genome = np.array([0, 1, 0, 1, 0])
    mask = space_of("features", importance=[9, 0, 0, 0, 0]).mask(genome)
    assert mask.tolist() == [False, True, False, True, False]
    mask[0] = True
    assert genome.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("encoding", ["features", "neurons"])
def test_features_and_neurons_are_one_layer(encoding: str) -> None:
    layout = space_of(encoding).layout()
    assert layout.offsets.tolist() == [0, SIZES[encoding]]
    assert layout.names == (encoding,)


def test_a_layer_of_connections_is_what_one_unit_reads() -> None:
    importance = np.arange(15.0)
    layout = space_of("connections", importance=importance).layout()
    assert layout.offsets.tolist() == [0, 5, 10, 15]
    assert layout.names == ("unit 0", "unit 1", "unit 2")
    assert layout.score.tolist() == importance.tolist()


def test_an_unknown_encoding_brings_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown encoding 'neuron': did you mean 'neurons'"):
        space_of("neuron")


def test_an_importance_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match=r"importance: expected 3 numbers.*neurons.*\(5,\)"):
        space_of("neurons", importance=np.ones(5))
