"""Where crossovers cut, and which of the differing genes they exchange."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from deap import tools

from operators.crossover import cxHalfUniform, cxImportance, cxKPointPacked, cxOnePointPacked
from operators.genomes import BitString

Rng = np.random.Generator


def unlike(n: int) -> tuple[BitString, BitString]:
    return BitString([1] * n), BitString([0] * n)


def changed(mate: Any, n: int, rng: Rng, **settings: Any) -> np.ndarray:
    """Return which genes of two parents that differ everywhere change places."""
    return mate(*unlike(n), rng=rng, **settings)[1].to_numpy()


def test_one_point_exchanges_a_tail_and_cuts_everywhere_inside(rng: Rng) -> None:
    cuts = set()
    for _ in range(200):
        genes = changed(cxOnePointPacked, 9, rng)
        cut = int(genes.argmax())
        assert genes.tolist() == [False] * cut + [True] * (9 - cut)
        cuts.add(cut)
    assert cuts == set(range(1, 9))


@pytest.mark.parametrize("seed", range(10))
def test_one_point_is_deaps_at_the_same_cut(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(seed)
    a, b = (BitString(rng.random(12) < 0.5) for _ in range(2))
    cut = int(changed(cxOnePointPacked, 12, deepcopy(rng)).argmax())
    monkeypatch.setattr(random, "randint", lambda low, high: cut)
    expected = tools.cxOnePoint(list(a), list(b))
    assert cxOnePointPacked(a, b, rng=rng) == tuple(map(BitString, expected))


@pytest.mark.parametrize("points", [0, 1, 2, 5, 8])
def test_so_many_points_are_so_many_changes_of_side(points: int, rng: Rng) -> None:
    for _ in range(50):
        genes = changed(cxKPointPacked, 9, rng, points=points)
        assert not genes[0] and np.count_nonzero(np.diff(genes)) == points


def test_as_many_points_as_fit_exchange_every_second_gene(rng: Rng) -> None:
    assert changed(cxKPointPacked, 6, rng, points=99).tolist() == [False, True] * 3


def test_every_pair_of_cuts_is_as_likely_as_any_other(rng: Rng) -> None:
    cuts = Counter(
        tuple(np.flatnonzero(np.diff(changed(cxKPointPacked, 5, rng, points=2))).tolist())
        for _ in range(1800)
    )
    assert len(cuts) == 6 and min(cuts.values()) > 220


def test_a_negative_number_of_points_is_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match="points: expected 0 or more, finite, got -1"):
        cxKPointPacked(*unlike(4), points=-1, rng=rng)


@pytest.mark.parametrize("differing", [0, 1, 2, 7, 40, 10_000])
def test_exactly_half_of_the_differing_genes_change_places(differing: int, rng: Rng) -> None:
    a = BitString(rng.random(10_000) < 0.5)
    b = BitString(a.to_numpy() ^ (rng.permutation(10_000) < differing))
    before = a.to_numpy()
    cxHalfUniform(a, b, rng=rng)
    assert np.count_nonzero(a.to_numpy() != before) == differing // 2
    assert np.count_nonzero(a.to_numpy() != b.to_numpy()) == differing


def test_every_half_is_as_likely_as_any_other(rng: Rng) -> None:
    halves = Counter(tuple(changed(cxHalfUniform, 4, rng).tolist()) for _ in range(1800))
    assert len(halves) == 6 and min(halves.values()) > 220


def first_child(rng: Rng, n: int, runs: int = 2000, **settings: Any) -> np.ndarray:
    """Return how often the first child gets each gene that one of two unlike parents keeps."""
    a, b = BitString([1, 0] * (n // 2)), BitString([0, 1] * (n // 2))
    made = [cxImportance(deepcopy(a), deepcopy(b), rng=rng, **settings)[0] for _ in range(runs)]
    return np.mean(made, axis=0)


@pytest.mark.parametrize("bias", [0.0, 0.5, 1.0])
def test_the_first_child_gets_each_gene_with_the_chance_of_its_rank(bias: float, rng: Rng) -> None:
    score = rng.permutation(10)
    chances = 0.5 + bias * ((score + 0.5) / 10 - 0.5)
    assert np.allclose(first_child(rng, 10, score=score, bias=bias), chances, atol=0.06)


def test_only_the_differing_genes_are_ranked(rng: Rng) -> None:
    a, b = BitString([1, 1, 1, 0, 0]), BitString([1, 1, 0, 1, 0])
    settings: dict[str, Any] = {"score": [8, 9, 1, 2, 0], "bias": 1.0, "rng": rng}
    made = [cxImportance(deepcopy(a), deepcopy(b), **settings)[0] for _ in range(2000)]
    assert np.allclose(np.mean(made, axis=0), [1, 1, 0.25, 0.75, 0], atol=0.06)


@pytest.mark.parametrize("bias", [0.0, 1.0])
def test_both_children_expect_half_of_the_differing_genes(bias: float, rng: Rng) -> None:
    shares = first_child(rng, 40, 500, score=rng.exponential(size=40), bias=bias)
    assert shares.mean() == pytest.approx(0.5, abs=0.02)


def test_equal_scores_go_to_either_child_alike(rng: Rng) -> None:
    assert np.allclose(first_child(rng, 6, score=np.ones(6), bias=1.0), 0.5, atol=0.06)


def test_only_the_order_of_the_scores_matters_to_the_children() -> None:
    score = np.arange(1.0, 21.0)
    made = [
        cxImportance(*unlike(20), score=given, rng=np.random.default_rng(3))
        for given in (score, np.log(score), score.astype(np.float32) ** 3)
    ]
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize("scores", [1, 5, 7])
def test_another_number_of_scores_than_of_genes_is_refused(scores: int, rng: Rng) -> None:
    with pytest.raises(ValueError, match=f"score: expected 6, one for each gene, got {scores}"):
        cxImportance(*unlike(6), score=np.arange(scores), rng=rng)


@pytest.mark.parametrize("bias", [-0.1, 1.1, float("nan")])
def test_a_bias_out_of_range_is_refused(bias: float, rng: Rng) -> None:
    with pytest.raises(ValueError, match="bias: expected a share from 0 to 1, got"):
        cxImportance(*unlike(6), score=np.arange(6), bias=bias, rng=rng)
