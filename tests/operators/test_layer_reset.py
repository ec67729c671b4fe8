"""One layer is drawn anew, the others stay."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from operators.genomes import BitString
from operators.mutation import mutLayerReset

Rng = np.random.Generator
LAYERS = [0, 3, 3, 8, 17]


def touched(before: np.ndarray, after: Any) -> list[int]:
    """Return the layers in which something differs."""
    spans = enumerate(pairwise(LAYERS))
    return [i for i, (a, b) in spans if (before[a:b] != after.to_numpy()[a:b]).any()]


def test_at_most_one_layer_changes_and_each_that_holds_genes_does(rng: Rng) -> None:
    seen = set()
    for _ in range(200):
        before = rng.random(17) < 0.5
        layers = touched(before, mutLayerReset(BitString(before), layers=LAYERS, rng=rng)[0])
        assert len(layers) <= 1
        seen.update(layers)
    assert seen == {0, 2, 3}


@pytest.mark.parametrize(("density", "bit"), [(0.0, 0), (1.0, 1)])
def test_the_ends_of_the_density_clear_or_fill_the_layer(
    density: float, bit: int, rng: Rng
) -> None:
    before = np.full(17, 1 - bit, bool)
    mask = mutLayerReset(BitString(before), layers=LAYERS, density=density, rng=rng)[0]
    (layer,) = touched(before, mask)
    assert set(mask[LAYERS[layer] : LAYERS[layer + 1]]) == {bit}


@pytest.mark.parametrize("kept", [0, 1, 3, 10])
def test_without_a_density_the_layer_keeps_its_own_in_the_mean(kept: int, rng: Rng) -> None:
    before = rng.permutation(10) < kept
    made = [mutLayerReset(BitString(before), layers=[0, 10], rng=rng)[0] for _ in range(2000)]
    assert np.allclose(np.mean(made, axis=0), kept / 10, atol=0.06)


@pytest.mark.parametrize("layers", [[0], [0, 0], [0, 0, 0]])
def test_a_genome_without_genes_passes(layers: list[int], rng: Rng) -> None:
    assert len(mutLayerReset(BitString(), layers=layers, rng=rng)[0]) == 0


def test_layers_that_do_not_cover_the_genome_are_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match="layers: expected offsets from 0 to 9 genes, got 0 to 5"):
        mutLayerReset(BitString.zeros(9), layers=[0, 2, 5], rng=rng)


@pytest.mark.parametrize("density", [-0.1, 1.5, float("nan")])
def test_a_density_out_of_range_is_refused(density: float, rng: Rng) -> None:
    with pytest.raises(ValueError, match="density: expected a share from 0 to 1, got"):
        mutLayerReset(BitString.zeros(9), layers=[0, 9], density=density, rng=rng)


def test_a_density_out_of_range_is_refused_before_anything_is_drawn(rng: Rng) -> None:
    with pytest.raises(ValueError, match="density: expected a share from 0 to 1, got 2"):
        mutLayerReset(BitString(), layers=[0], density=2, rng=rng)
    before = rng.bit_generator.state
    with pytest.raises(ValueError, match="density"):
        mutLayerReset(BitString.zeros(9), layers=[0, 9], density=2, rng=rng)
    assert rng.bit_generator.state == before
