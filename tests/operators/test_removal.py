"""A mutation that only removes: nothing comes back, and each kept gene goes with its rate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from deap import creator

from operators.genomes import BitString
from operators.mutation import mutRemove

Rng = np.random.Generator
LENGTHS = [1, 2, 7, 8, 9, 33, 101]


def mask_of(n: int, rng: Rng, density: float = 0.5) -> Any:
    return creator.Mask2.from_numpy(rng.random(n) < density)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 1.0])
def test_no_gene_comes_back(n: int, rate: float, rng: Rng) -> None:
    mask = mask_of(n, rng)
    before = mask.to_numpy()
    (after,) = mutRemove(mask, layers=[0, n // 2, n], rate=rate, rng=rng)
    assert after is mask
    assert not (mask.to_numpy() & ~before).any()
    assert mask == BitString.from_packed(mask.packed, n)  # unused bits are 0


@pytest.mark.parametrize("n", LENGTHS)
def test_at_rate_0_nothing_is_removed_and_at_1_everything(n: int, rng: Rng) -> None:
    mask = mask_of(n, rng)
    before = BitString(mask)
    assert mutRemove(mask, layers=[0, n], rate=0.0, rng=rng)[0] == before
    assert mutRemove(mask, layers=[0, n], rate=1.0, rng=rng)[0].count() == 0


def test_each_layer_loses_its_genes_at_its_own_rate(rng: Rng) -> None:
    ones = np.ones(12, bool)
    layers, rates = [0, 3, 10, 12], [0.1, 0.5, 0.0]
    left = np.mean(
        [
            mutRemove(BitString(ones), layers=layers, rate=rates, rng=rng)[0].to_numpy()
            for _ in range(3000)
        ],
        axis=0,
    )
    assert np.allclose(left, np.repeat(1 - np.array(rates), [3, 7, 2]), atol=0.04)


def test_genes_that_are_gone_take_no_share_of_the_rate(rng: Rng) -> None:
    half = np.arange(4000) % 2 == 0
    mask = BitString(half)
    mutRemove(mask, layers=[0, 4000], rate=0.15, rng=rng)
    assert mask.count() / 2000 == pytest.approx(0.85, abs=5 * np.sqrt(0.15 * 0.85 / 2000))


def test_a_line_of_descent_keeps_a_power_of_the_share(rng: Rng) -> None:
    mask = BitString(np.ones(100_000, bool))
    for _ in range(18):
        mutRemove(mask, layers=[0, 100_000], rate=0.15, rng=rng)
    assert mask.count() / 100_000 == pytest.approx(0.85**18, abs=0.004)


def test_the_fitness_is_left_alone(rng: Rng) -> None:
    mask = mask_of(37, rng)
    mask.fitness.values = (0.5, 0.25)
    mutRemove(mask, layers=[0, 37], rate=0.5, rng=rng)
    assert mask.fitness.values == (0.5, 0.25)


def test_a_layer_without_genes_is_passed_over(rng: Rng) -> None:
    mask = BitString([1, 1, 1])
    assert mutRemove(mask, layers=[0, 2, 2, 3], rate=[0.0, 1.0, 1.0], rng=rng)[0] == [1, 1, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 1.5}, r"rate: expected a share from 0 to 1, got 1\.5"),
        ({"rate": [0.1, -0.1]}, r"rate: expected a share from 0 to 1, got -0\.1"),
        ({"rate": [0.1]}, "rate: expected one, or 2, one for each layer"),
        ({"layers": [0, 2, 5]}, "layers: expected offsets from 0 to 4 genes, got 0 to 5"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_changes(
    settings: dict[str, Any], message: str, rng: Rng
) -> None:
    mask = BitString([1, 0, 1, 1])
    with pytest.raises(ValueError, match=message):
        mutRemove(mask, **{"layers": [0, 2, 4], **settings}, rng=rng)
    assert mask == [1, 0, 1, 1]
