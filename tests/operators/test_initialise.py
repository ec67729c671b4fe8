"""Initialisers keep to bounds, densities, support and core."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operators.genomes import BitString, RealVector
from operators.individuals import individual_type
from operators.initialise import (
    _logistic,
    initAround,
    initDensity,
    initImportance,
    initUniform,
)

Rng = np.random.Generator
Mask = individual_type("mask", 2)


def importance(score: Any, rng: Rng, **settings: Any) -> BitString:
    return initImportance(BitString, score, rng=rng, **{"sharpness": 10.0, **settings})


def test_uniform_genes_fill_their_own_bounds(rng: Rng) -> None:
    low, high = np.array([0.0, -2.0, 5.0]), np.array([1.0, 2.0, 5.0])
    genes = np.array([initUniform(RealVector, low, high, rng=rng) for _ in range(500)])
    assert (genes >= low).all() and (genes <= high).all()
    assert np.allclose(genes.mean(0), (low + high) / 2, atol=0.2)


def test_around_without_sigma_is_the_centre_and_with_it_stays_in_bounds(rng: Rng) -> None:
    centre = np.array([0.0, 0.5, 1.0])
    assert initAround(RealVector, centre, sigma=0, low=0, high=1, rng=rng) == centre
    bounds = {"low": 0, "high": 1, "rng": rng}
    near = [initAround(RealVector, centre, sigma=[0, 0.1, 9], **bounds) for _ in range(99)]
    genes = np.array(near)
    assert (genes[:, 0] == 0).all() and 0.05 < genes[:, 1].std() < 0.2
    assert genes.min() >= 0 and genes.max() <= 1


@pytest.mark.parametrize(("density", "count"), [(0.0, 0), (1.0, 1001)])
def test_density_is_exact_at_its_ends(density: float, count: int, rng: Rng) -> None:
    assert initDensity(BitString, 1001, density=density, rng=rng).count() == count
    assert importance(np.arange(1001), rng, density=density).count() == count


def test_initialisers_make_the_type_that_comes_first(rng: Rng) -> None:
    made = [
        initDensity(Mask, 9, density=0.5, rng=rng),
        initImportance(Mask, np.arange(9), density=0.5, sharpness=5, rng=rng),
    ]
    assert all(type(one) is Mask and not one.fitness.valid for one in made)
    assert sum(initDensity(list, 9, density=1.0, rng=rng)) == 9


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
@pytest.mark.parametrize("density", [0.01, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("sharpness", [0, 1e-3, 0.1, 10, 1e3, 1e6])
def test_the_expected_density_is_as_asked(n: int, density: float, sharpness: float) -> None:
    draw = np.random.default_rng(n)
    for score in (draw.random(n), draw.integers(0, 3, n), np.zeros(n)):
        chance = _logistic(score, density, sharpness)
        assert chance.mean() == pytest.approx(density, abs=1e-8)
        assert (chance >= 0).all() and (chance <= 1).all()


def test_the_chance_is_the_logistic_curve_of_the_rank() -> None:
    n, sharpness, density = 10_000, 8.0, 0.3
    chance = _logistic(np.arange(n), density, sharpness)
    logit = np.log(chance / (1 - chance))
    assert np.allclose(np.diff(logit), sharpness / n, rtol=1e-3)


def test_higher_scores_have_higher_chances_and_equal_scores_equal_ones() -> None:
    chance = _logistic(np.array([3, 1, 2, 1]), 0.5, 5.0)
    assert chance[0] > chance[2] > chance[1] == chance[3]


def test_importance_draws_each_gene_with_its_chance(rng: Rng) -> None:
    score = rng.random(20)
    drawn = np.mean([importance(score, rng, density=0.4).to_numpy() for _ in range(4000)], axis=0)
    assert np.allclose(drawn, _logistic(score, 0.4, 10.0), atol=0.05)


def test_the_sharpest_curve_keeps_the_top_scores(rng: Rng) -> None:
    mask = importance([5, 1, 4, 2, 3, 0], rng, density=0.5, sharpness=1e9)
    assert mask == [1, 0, 1, 0, 1, 0]


def test_genes_outside_the_support_are_never_set_and_the_core_always_is(rng: Rng) -> None:
    score, support = rng.random(1003), rng.random(1003) < 0.6
    core = support & (rng.random(1003) < 0.2)
    masks = [
        importance(score, rng, density=0.3, support=BitString(support), core=core).to_numpy()
        for _ in range(50)
    ]
    assert not any((mask & ~support).any() or (core & ~mask).any() for mask in masks)
    assert np.mean(masks) == pytest.approx(0.3, abs=0.01)


def test_core_and_support_are_the_ends_of_the_density(rng: Rng) -> None:
    support, core = np.arange(10) < 7, np.arange(10) < 3
    for density, genes in ((0.3, core), (0.7, support)):
        assert importance(np.arange(10), rng, density=density, support=support, core=core) == genes
    for density in (0.2, 0.8):
        with pytest.raises(ValueError, match=r"expected 0\.3 \(core\) to 0\.7 \(support\)"):
            importance(np.arange(10), rng, density=density, support=support, core=core)


def test_a_core_outside_the_support_is_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match="core: expected to lie inside the support"):
        importance([1, 2], rng, density=0.5, support=[0, 1], core=[1, 0])


def test_a_negative_sharpness_is_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match="sharpness: expected 0 or more"):
        importance([1, 2], rng, density=0.5, sharpness=-1)


def test_the_same_seed_makes_the_same_individual() -> None:
    score = np.arange(101)
    one, other = (importance(score, np.random.default_rng(3), density=0.5) for _ in range(2))
    assert one == other


@pytest.mark.usefixtures("no_global_draws")
def test_initialisers_draw_from_their_rng_alone(rng: Rng) -> None:
    initUniform(RealVector, [0, 0], [1, 1], rng=rng)
    initAround(RealVector, [0, 0], sigma=1, low=0, high=1, rng=rng)
    initDensity(BitString, 9, density=0.5, rng=rng)
    importance(np.arange(9), rng, density=0.5)


def test_without_a_centre_steps_start_half_way_between_the_bounds(rng: Rng) -> None:
    bounds = {"low": [0.0, 2.0], "high": [1.0, 6.0]}
    assert initAround(RealVector, sigma=0, rng=rng, **bounds) == [0.5, 4.0]


def test_without_a_centre_bounds_have_to_be_finite(rng: Rng) -> None:
    with pytest.raises(ValueError, match="low, high: expected finite numbers"):
        initAround(RealVector, low=[0.0], high=[np.inf], rng=rng)
