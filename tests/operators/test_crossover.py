"""Crossovers move genes between parents and lose none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from deap import creator

from operators.crossover import (
    cxHalfUniform,
    cxImportance,
    cxKPointPacked,
    cxLayers,
    cxOnePointPacked,
    cxTwoPointPacked,
    cxUniformPacked,
)
from operators.genomes import BitString

Rng = np.random.Generator
LENGTHS = [0, 1, 2, 7, 8, 9, 16, 33, 101]
Mate = Callable[..., tuple[Any, Any]]


def layers_of(n: int) -> list[int]:
    return [0, n // 3, n // 3, n]


def mates(n: int, rate: float = 0.5) -> list[Callable[[Any, Any, Rng], tuple[Any, Any]]]:
    return [
        lambda a, b, rng: cxUniformPacked(a, b, rate=rate, rng=rng),
        lambda a, b, rng: cxTwoPointPacked(a, b, rng=rng),
        lambda a, b, rng: cxLayers(a, b, layers=layers_of(n), rate=rate, rng=rng),
        lambda a, b, rng: cxOnePointPacked(a, b, rng=rng),
        lambda a, b, rng: cxKPointPacked(a, b, points=3, rng=rng),
        lambda a, b, rng: cxHalfUniform(a, b, rng=rng),
        lambda a, b, rng: cxImportance(a, b, score=np.cos(np.arange(n)), bias=rate, rng=rng),
    ]


def parents(n: int, rng: Rng) -> tuple[Any, Any]:
    return tuple(creator.Mask2.from_numpy(rng.random(n) < 0.5) for _ in range(2))  # type: ignore


@pytest.mark.parametrize("n", LENGTHS)
def test_each_locus_keeps_its_genes_and_unused_bits_stay_0(n: int, rng: Rng) -> None:
    for mate in mates(n):
        a, b = parents(n, rng)
        before = a.to_numpy().astype(int) + b.to_numpy()
        mate(a, b, rng)
        assert np.array_equal(before, a.to_numpy().astype(int) + b.to_numpy())
        assert a == BitString.from_packed(a.packed, n) and b == BitString.from_packed(b.packed, n)


@pytest.mark.parametrize("n", LENGTHS)
def test_equal_parents_have_equal_children(n: int, rng: Rng) -> None:
    for mate in mates(n):
        a, _ = parents(n, rng)
        b, before = BitString(a), BitString(a)
        mate(a, b, rng)
        assert a == b == before


def test_the_parents_themselves_come_back_with_their_fitness(rng: Rng) -> None:
    for mate in mates(9):
        a, b = parents(9, rng)
        a.fitness.values = (0.5, 0.5)
        first, second = mate(a, b, rng)
        assert first is a and second is b and a.fitness.values == (0.5, 0.5)


@pytest.mark.parametrize("n", LENGTHS)
def test_rate_0_exchanges_nothing_and_rate_1_everything(n: int, rng: Rng) -> None:
    for which in (0, 2):
        a, b = parents(n, rng)
        first, second = BitString(a), BitString(b)
        mates(n, rate=0.0)[which](a, b, rng)
        assert a == first and b == second
        mates(n, rate=1.0)[which](a, b, rng)
        assert a == second and b == first


@pytest.mark.parametrize("rate", [0.001, 0.2, 0.25, 0.5, 0.99])
def test_uniform_exchanges_genes_at_its_rate(rate: float, rng: Rng) -> None:
    a, b = BitString([1] * 100_001), BitString.zeros(100_001)
    cxUniformPacked(a, b, rate=rate, rng=rng)
    deviation = np.sqrt(rate * (1 - rate) / 100_001)
    assert b.count() / 100_001 == pytest.approx(rate, abs=5 * deviation)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.5])
def test_uniform_exchanges_every_gene_equally_often(rate: float, rng: Rng) -> None:
    exchanged = np.zeros(11)
    for _ in range(1000):
        a, b = BitString([1] * 11), BitString.zeros(11)
        exchanged += cxUniformPacked(a, b, rate=rate, rng=rng)[1].to_numpy()
    assert np.allclose(exchanged / 1000, rate, atol=5 * np.sqrt(rate / 1000))


def test_two_points_exchange_one_run_that_spares_the_first_gene(rng: Rng) -> None:
    starts, stops = set(), set()
    for _ in range(400):
        a, b = BitString([1] * 9), BitString.zeros(9)
        cxTwoPointPacked(a, b, rng=rng)
        places = np.flatnonzero(b.to_numpy())
        assert places.size and np.array_equal(places, np.arange(places[0], places[-1] + 1))
        starts.add(int(places[0]))
        stops.add(int(places[-1]))
    assert starts == stops == set(range(1, 9))


def test_layers_change_places_whole(rng: Rng) -> None:
    layers, patterns = [0, 3, 3, 8, 17], set()
    for _ in range(100):
        a, b = BitString([1] * 17), BitString.zeros(17)
        cxLayers(a, b, layers=layers, rate=0.5, rng=rng)
        moved = [set(b[i:j]) for i, j in pairwise(layers)]
        assert all(len(genes) <= 1 for genes in moved)
        patterns.add(str(moved))
    assert len(patterns) == 8


def test_parents_of_different_length_are_refused(rng: Rng) -> None:
    for mate in mates(9):
        a, b = BitString.zeros(9), BitString([1] * 10)
        with pytest.raises(ValueError, match="parents: expected two of 9 genes, got 9 and 10"):
            mate(a, b, rng)
        assert a.count() == 0 and b.count() == 10


def test_layers_that_do_not_cover_the_genome_are_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match="parents: expected two of 5 genes, got 9 and 9"):
        cxLayers(BitString.zeros(9), BitString.zeros(9), layers=[0, 2, 5], rate=0.5, rng=rng)


def test_the_same_seed_makes_the_same_children() -> None:
    for which in range(len(mates(101))):
        results = []
        for _ in range(2):
            rng = np.random.default_rng(5)
            results.append(mates(101)[which](*parents(101, rng), rng))
        assert results[0] == results[1]


@pytest.mark.usefixtures("no_global_draws")
def test_crossovers_draw_from_their_rng_alone(rng: Rng) -> None:
    for mate in mates(37):
        mate(*parents(37, rng), rng)
