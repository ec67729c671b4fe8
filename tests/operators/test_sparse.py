"""SparseEA's operators choose by tournament, and change one gene of a child at most."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from deap import creator

from operators.genomes import BitString
from operators.sparse import cxSparse, initSparse, initStripes, mutSparse, scoreAlone

Rng = np.random.Generator
N = 37


def mask_of(rng: Rng, density: float = 0.5) -> Any:
    return creator.Mask2.from_numpy(rng.random(N) < density)


def changed(before: Any, after: Any) -> Any:
    return np.flatnonzero(np.asarray(before) != np.asarray(after))


# Scores ---------------------------------------------------------------------------------------


def test_genes_score_by_the_front_of_the_mask_that_holds_them_alone() -> None:
    points = {0: (2, 2), 1: (0, 1), 2: (1, 0), 3: (1, 1)}
    asked = []

    def evaluate(mask: BitString) -> tuple[int, int]:
        asked.append(mask.to_numpy().tolist())
        return points[mask.to_numpy().argmax()]

    assert scoreAlone(evaluate, 4).tolist() == [-2, 0, 0, -1]
    assert asked == np.eye(4, dtype=bool).tolist()


def test_scores_are_asked_for_by_the_map_that_is_given() -> None:
    def whole(evaluate: Any, masks: list[BitString]) -> list[tuple[int]]:
        return [(i,) for i, _ in enumerate(masks)]

    assert scoreAlone(len, 3, map=whole).tolist() == [0, -1, -2]


# First masks ----------------------------------------------------------------------------------


def test_the_densities_of_first_masks_are_spread(rng: Rng) -> None:
    stripes = [initStripes(BitString, 200, rng=rng).count() / 200 for _ in range(400)]
    tournaments = [initSparse(BitString, np.zeros(200), rng=rng).count() / 200 for _ in range(400)]
    assert np.quantile(stripes, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.08)
    expected = 1 - np.exp(-np.array([0.25, 0.5, 0.75]))  # genes that won at least once
    assert np.quantile(tournaments, [0.25, 0.5, 0.75]) == pytest.approx(expected, abs=0.08)


@pytest.mark.parametrize("density", [0.0, 0.25, 1.0])
def test_a_stripe_has_its_density_and_no_gap(density: float, rng: Rng) -> None:
    for _ in range(30):
        mask = initStripes(BitString, 20, density=density, rng=rng)
        edges = np.count_nonzero(mask.to_numpy() != np.roll(mask.to_numpy(), 1))
        assert mask.count() == 20 * density and edges == (2 if 0 < density < 1 else 0)


def test_stripes_cover_all_genes_alike(rng: Rng) -> None:
    kept = np.mean([initStripes(BitString, 10, density=0.3, rng=rng) for _ in range(4000)], axis=0)
    assert kept == pytest.approx(np.full(10, 0.3), abs=0.04)


def test_a_tournament_mask_without_tournaments_is_empty(rng: Rng) -> None:
    assert initSparse(BitString, np.arange(N), density=0.0, rng=rng).count() == 0


def test_the_best_gene_wins_all_its_tournaments_and_the_worst_only_against_itself(rng: Rng) -> None:
    n, times = 10, 6000
    masks = [initSparse(BitString, np.arange(n), density=0.1, rng=rng) for _ in range(times)]
    won = np.mean(masks, axis=0)
    assert all(mask.count() == 1 for mask in masks)
    expected = (2 * np.arange(n) + 1) / n**2  # of two independent draws the larger
    assert won == pytest.approx(expected, abs=5 * np.sqrt(0.2 / times))


@pytest.mark.parametrize("n", [0, 1])
def test_tiny_masks_pass(n: int, rng: Rng) -> None:
    assert len(initSparse(BitString, np.zeros(n), rng=rng)) == n
    assert len(initStripes(BitString, n, rng=rng)) == n
    a, b = BitString.zeros(n), BitString([1] * n)
    assert len(cxSparse(a, b, score=np.zeros(n), rng=rng)[0]) == n
    assert len(mutSparse(a, score=np.zeros(n), rng=rng)[0]) == n


# Crossover and mutation -----------------------------------------------------------------------


def test_a_crossed_child_takes_or_leaves_one_gene_in_which_its_parents_differ(rng: Rng) -> None:
    for _ in range(200):
        parents = mask_of(rng, 0.3), mask_of(rng, 0.3)
        a, b = BitString(parents[0]), BitString(parents[1])
        cxSparse(a, b, score=rng.random(N), rng=rng)
        for child, own, other in ((a, *parents), (b, *reversed(parents))):
            places = changed(own, child)
            assert places.size == 1
            assert child[int(places[0])] == other[int(places[0])]


@pytest.mark.parametrize(("drop", "change"), [(1.0, -1), (0.0, 1)])
def test_a_child_loses_or_gains_as_asked(drop: float, change: int, rng: Rng) -> None:
    a, b = BitString([1, 1, 1, 0, 0, 0]), BitString([0, 0, 1, 1, 1, 1])
    counts = a.count() + change, b.count() + change
    cxSparse(a, b, score=range(6), drop=drop, rng=rng)
    assert (a.count(), b.count()) == counts
    mask = BitString([1, 0, 1, 0])
    assert mutSparse(mask, score=range(4), drop=drop, rng=rng)[0].count() == 2 + change


def test_a_lost_gene_has_the_lower_score_of_two_and_a_gained_one_the_higher(rng: Rng) -> None:
    score, times, counts = np.arange(4), 4000, np.zeros(4)
    for _ in range(times):
        mask = BitString([1, 1, 0, 0])
        counts[changed([1, 1, 0, 0], mutSparse(mask, score=score, rng=rng)[0])] += 1
    assert counts / times == pytest.approx([3 / 8, 1 / 8, 1 / 8, 3 / 8], abs=0.04)
    lost = np.zeros(2)
    for _ in range(times):
        a, b = BitString([1, 1]), BitString([0, 0])
        cxSparse(a, b, score=[1, 2], drop=1.0, rng=rng)
        lost[changed([1, 1], a)] += 1
        assert b.count() == 0
    assert lost / times == pytest.approx([3 / 4, 1 / 4], abs=0.04)


def test_equal_parents_have_equal_children(rng: Rng) -> None:
    a = mask_of(rng)
    one, other = cxSparse(BitString(a), BitString(a), score=np.arange(N), rng=rng)
    assert one == other == a


@pytest.mark.parametrize(("bit", "drop"), [(0, 1.0), (1, 0.0)])
def test_where_there_is_no_gene_of_the_kind_nothing_changes(
    bit: int, drop: float, rng: Rng
) -> None:
    (mask,) = mutSparse(BitString([bit] * 9), score=range(9), drop=drop, rng=rng)
    assert mask == [bit] * 9


def test_unused_bits_stay_clear(rng: Rng) -> None:
    a, b = mask_of(rng), mask_of(rng)
    for _ in range(50):
        cxSparse(a, b, score=np.zeros(N), rng=rng)
        mutSparse(a, score=np.zeros(N), drop=0.0, rng=rng)
    assert a == BitString.from_packed(a.packed, N) and b == BitString.from_packed(b.packed, N)


def test_the_parents_themselves_come_back_with_their_fitness(rng: Rng) -> None:
    a, b = mask_of(rng), mask_of(rng)
    a.fitness.values = (0.5, 0.25)
    children = cxSparse(a, b, score=np.zeros(N), rng=rng)
    (mutated,) = mutSparse(a, score=np.zeros(N), rng=rng)
    assert children[0] is a is mutated and children[1] is b
    assert a.fitness.values == (0.5, 0.25)


@pytest.mark.usefixtures("no_global_draws")
def test_all_chance_comes_from_the_given_generator(rng: Rng) -> None:
    a, b, score = mask_of(rng), mask_of(rng), np.arange(N)
    initSparse(BitString, score, rng=rng)
    initStripes(BitString, N, rng=rng)
    cxSparse(a, b, score=score, rng=rng)
    mutSparse(a, score=score, rng=rng)


def test_settings_out_of_range_are_refused(rng: Rng) -> None:
    a, b = BitString([0, 1]), BitString([1, 1])
    with pytest.raises(ValueError, match="drop: expected a share from 0 to 1, got 2"):
        cxSparse(a, b, score=[1, 2], drop=2, rng=rng)
    with pytest.raises(ValueError, match="drop: expected a share from 0 to 1, got -1"):
        mutSparse(a, score=[1, 2], drop=-1, rng=rng)
    for make in (partial(initSparse, BitString, [1, 2]), partial(initStripes, BitString, 2)):
        with pytest.raises(ValueError, match=r"density: expected a share from 0 to 1, got 1\.5"):
            make(density=1.5, rng=rng)
    with pytest.raises(ValueError, match="size: expected 1 or more, finite, got 0"):
        scoreAlone(len, 0)


def test_a_score_or_a_parent_of_another_length_is_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match=r"score: expected 2, one for each gene, got shape \(3,\)"):
        mutSparse(BitString([0, 1]), score=[1, 2, 3], rng=rng)
    with pytest.raises(ValueError, match=r"score: expected 1, one for each gene, got shape \(2,\)"):
        cxSparse(BitString([0, 1]), BitString([1]), score=[1, 2], rng=rng)
