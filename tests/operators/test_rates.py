"""Mutations that find their own rate follow the law that their docstrings give."""

from __future__ import annotations

import tracemalloc
from copy import deepcopy
from math import comb
from typing import Any

import numpy as np
import pytest
from deap import creator

from operators.genomes import BitString
from operators.mutation import mutFlip
from operators.rates import mutBalanced, mutHeavyTail, mutLogNormal

Rng = np.random.Generator


def flips_by_heavy_tail(n: int, beta: float) -> np.ndarray:
    """Return the chance of 0 ... n flips, by the definition: a mixture of binomials."""
    chances = np.zeros(n + 1)
    alphas = np.arange(1, n // 2 + 1)
    weights = alphas**-beta / (alphas**-beta).sum()
    for alpha, weight in zip(alphas.tolist(), weights, strict=True):
        p = alpha / n
        chances += weight * np.array([comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])
    return chances


@pytest.mark.parametrize(("n", "beta"), [(2, 1.5), (9, 1.1), (20, 1.5), (20, 3.0)])
def test_the_number_of_heavy_tailed_flips_is_the_papers(n: int, beta: float, rng: Rng) -> None:
    runs = 2000
    counts = [mutHeavyTail(BitString.zeros(n), beta=beta, rng=rng)[0].count() for _ in range(runs)]
    found = np.bincount(counts, minlength=n + 1) / runs
    assert np.allclose(found, flips_by_heavy_tail(n, beta), atol=5 * np.sqrt(0.25 / runs))


def test_heavy_tailed_flips_meet_every_gene_equally_often(rng: Rng) -> None:
    flips = np.mean([mutHeavyTail(BitString.zeros(9), rng=rng)[0] for _ in range(3000)], axis=0)
    assert np.allclose(flips, flips.mean(), atol=0.05)


def test_a_steep_tail_flips_one_gene_in_the_mean(rng: Rng) -> None:
    counts = [mutHeavyTail(BitString.zeros(50), beta=60, rng=rng)[0].count() for _ in range(2000)]
    assert np.mean(counts) == pytest.approx(1, abs=0.1) and np.var(counts) < 1.2


def test_a_heavy_tail_makes_long_steps_now_and_then(rng: Rng) -> None:
    counts = [mutHeavyTail(BitString.zeros(1000), rng=rng)[0].count() for _ in range(1000)]
    assert np.median(counts) <= 4 and max(counts) > 300


@pytest.mark.parametrize("beta", [1.0, -1.0, float("nan"), float("inf")])
def test_a_tail_too_heavy_is_refused(beta: float, rng: Rng) -> None:
    with pytest.raises(ValueError, match=r"beta: expected 1\.1 or more, finite, got"):
        mutHeavyTail(BitString([1, 0]), beta=beta, rng=rng)


@pytest.mark.parametrize("density", [0.02, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("rate", [0.01, 0.2, 1.0])
def test_balanced_flips_keep_the_expected_number_of_ones(
    density: float, rate: float, rng: Rng
) -> None:
    before = np.arange(1000) < 1000 * density
    counts = [mutBalanced(BitString(before), rate=rate, rng=rng)[0].count() for _ in range(225)]
    assert np.mean(counts) == pytest.approx(1000 * density, abs=float(np.std(counts)) / 3 + 1e-9)


@pytest.mark.parametrize("kept", [10, 50, 80])
def test_balanced_chances_are_those_of_the_formula(kept: int, rng: Rng) -> None:
    before, rate, p, runs = np.arange(100) < kept, 0.1, kept / 100, 1000
    flips = np.zeros(100)
    for _ in range(runs):
        flips += mutBalanced(BitString(before), rate=rate, rng=rng)[0].to_numpy() != before
    chances = np.where(before, rate / (2 * p), rate / (2 * (1 - p)))
    assert np.allclose(flips / runs, chances, atol=5 * np.sqrt(0.25 / runs))
    assert flips.sum() / runs == pytest.approx(100 * rate, rel=0.06)


def test_balanced_flips_at_rate_1_complement_a_half_full_mask(rng: Rng) -> None:
    assert mutBalanced(BitString([1, 0, 0, 1]), rate=1.0, rng=rng)[0] == [0, 1, 1, 0]


@pytest.mark.parametrize("kept", [0, 1, 30, 60])
def test_at_rate_0_balanced_flips_change_nothing(kept: int, rng: Rng) -> None:
    before = BitString(np.arange(60) < kept)
    assert mutBalanced(BitString(before), rate=0.0, rng=rng)[0] == before


@pytest.mark.parametrize("bit", [0, 1])
def test_a_full_and_an_empty_mask_flip_at_half_the_rate(bit: int, rng: Rng) -> None:
    masks = [mutBalanced(BitString([bit] * 1000), rate=0.3, rng=rng)[0] for _ in range(50)]
    assert np.mean(np.array(masks) != bit) == pytest.approx(0.15, abs=0.01)


def test_where_the_rarer_kind_is_too_small_all_of_it_flips(rng: Rng) -> None:
    mask = mutBalanced(BitString([1, 1] + [0] * 98), rate=0.5, rng=rng)[0]
    assert mask[:2].count() == 0


def test_by_default_one_gene_flips_in_the_mean(rng: Rng) -> None:
    before = BitString([1, 0] * 20)
    for mutate in (mutFlip, mutBalanced):
        flips = [
            (mutate(BitString(before), rng=rng)[0].packed != before.packed) for _ in range(2000)
        ]
        assert np.sum(flips) / 2000 == pytest.approx(1, abs=0.12)


@pytest.mark.parametrize("rate", [None, 0.2])
def test_an_individual_without_a_rate_starts_from_the_one_given(
    rate: float | None, rng: Rng
) -> None:
    (mask,) = mutLogNormal(BitString.zeros(20), rate=rate, gamma=0.0, rng=rng)
    assert mask.mutation_rate == pytest.approx(rate or 1 / 20)


def test_a_rate_that_is_carried_goes_before_the_one_given(rng: Rng) -> None:
    mask: Any = BitString.zeros(20)
    mask.mutation_rate = 0.3
    mutLogNormal(mask, rate=0.1, gamma=0.0, rng=rng)
    assert mask.mutation_rate == pytest.approx(0.3)


def test_the_rate_changes_by_the_papers_formula_and_then_flips(rng: Rng) -> None:
    twin = deepcopy(rng)
    mask: Any = mutLogNormal(BitString.zeros(50), rate=0.1, gamma=0.5, rng=rng)[0]
    p = 1 / (1 + 0.9 / 0.1 * np.exp(-0.5 * twin.normal()))
    assert mask.mutation_rate == pytest.approx(p)
    assert mask == mutFlip(BitString.zeros(50), rate=mask.mutation_rate, rng=twin)[0]


def test_the_logit_of_the_rate_takes_normal_steps(rng: Rng) -> None:
    rates = []
    for _ in range(2000):
        mask: Any = mutLogNormal(BitString.zeros(1000), rate=0.5, gamma=0.22, rng=rng)[0]
        rates.append(mask.mutation_rate)
    steps = np.log(np.array(rates) / (1 - np.array(rates)))
    assert steps.mean() == pytest.approx(0, abs=0.025) and steps.std() == pytest.approx(
        0.22, rel=0.1
    )


def test_small_rates_step_as_log_normally_as_evolution_strategies(rng: Rng) -> None:
    twin = deepcopy(rng)
    mask: Any = mutLogNormal(BitString.zeros(100_000), rate=1e-4, gamma=0.5, rng=rng)[0]
    assert mask.mutation_rate == pytest.approx(1e-4 * np.exp(0.5 * twin.normal()), rel=1e-3)


@pytest.mark.parametrize("rate", [0.0, 1e-9, 0.02])
def test_the_rate_stays_at_one_gene_or_above(rate: float, rng: Rng) -> None:
    mask: Any = BitString.zeros(50)
    for _ in range(50):
        mutLogNormal(mask, rate=rate, gamma=2.0, rng=rng)
        assert 1 / 50 <= mask.mutation_rate <= 1


def test_a_clone_inherits_the_rate_and_changes_its_own(rng: Rng) -> None:
    parent = mutLogNormal(creator.Mask2([1, 0] * 20), rate=0.2, rng=rng)[0]
    before = parent.mutation_rate
    child = deepcopy(parent)
    assert child.mutation_rate == before
    mutLogNormal(child, rng=rng)
    assert child.mutation_rate != before and parent.mutation_rate == before


def test_selection_finds_the_rate_that_pays(rng: Rng) -> None:
    """Those with the most flips survive, so rates rise; with the fewest, they fall."""
    ends = []
    for sign in (1, -1):
        masks: list[Any] = [BitString.zeros(200) for _ in range(20)]
        for _ in range(30):
            for mask in masks:
                mask.packed[:] = 0
                mutLogNormal(mask, rate=0.1, rng=rng)
            best = sorted(masks, key=lambda mask: sign * mask.count())[10:]
            masks = [deepcopy(mask) for mask in best for _ in range(2)]
        ends.append(np.mean([mask.mutation_rate for mask in masks]))
    assert ends[0] > 0.2 and ends[1] < 0.05


@pytest.mark.parametrize("mutate", [mutBalanced, mutLogNormal])
@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_out_of_range_is_refused(mutate: Any, rate: float, rng: Rng) -> None:
    mask = BitString([1, 0, 1])
    with pytest.raises(ValueError, match="rate: expected a share from 0 to 1, got"):
        mutate(mask, rate=rate, rng=rng)
    assert mask == [1, 0, 1]


def test_a_negative_spread_of_the_rate_is_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match=r"gamma: expected 0 or more, finite, got -0.1"):
        mutLogNormal(BitString([1]), gamma=-0.1, rng=rng)


@pytest.mark.parametrize("mutate", [mutHeavyTail, mutBalanced, mutLogNormal])
def test_few_flips_in_25_million_genes_cost_little(mutate: Any, rng: Rng) -> None:
    mask = BitString.from_packed(np.full(3_125_000, 0b10101010, np.uint8), 25_000_000)
    tracemalloc.start()
    mutate(mask, rng=np.random.default_rng(1))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100e6  # a float for each gene would be 200 MB
