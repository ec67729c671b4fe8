"""Mutations flip, swap and trade as many genes as asked for."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from deap import creator

from operators.genomes import BitString
from operators.mutation import mutFlip, mutImportance, mutSwap

Rng = np.random.Generator
LENGTHS = [1, 2, 7, 8, 9, 33, 101]


def mask_of(n: int, rng: Rng, density: float = 0.5) -> Any:
    return creator.Mask2.from_numpy(rng.random(n) < density)


def trade(mask: Any, rng: Rng, **settings: Any) -> BitString:
    usual = {"score": np.arange(len(mask)), "rate": 0.0, "change": 0.0, "temperature": 0.1}
    return mutImportance(mask, rng=rng, **{**usual, **settings})[0]


def all_mutations(mask: Any, rng: Rng, rate: float) -> None:
    for result in (
        mutFlip(mask, rate=rate, rng=rng),
        mutSwap(mask, rate=rate, rng=rng),
        (trade(mask, rng, rate=rate),),
    ):
        assert len(result) == 1 and result[0] is mask


@pytest.mark.parametrize("n", LENGTHS)
def test_rate_0_changes_nothing(n: int, rng: Rng) -> None:
    mask = mask_of(n, rng)
    before = BitString(mask)
    all_mutations(mask, rng, rate=0.0)
    assert mask == before


@pytest.mark.parametrize("n", LENGTHS)
def test_flipping_at_rate_1_complements(n: int, rng: Rng) -> None:
    mask = mask_of(n, rng)
    before = mask.to_numpy()
    mutFlip(mask, rate=1.0, rng=rng)
    assert mask == ~before and mask == BitString.from_packed(mask.packed, n)


def test_the_fitness_is_left_alone(rng: Rng) -> None:
    mask = mask_of(37, rng)
    mask.fitness.values = (0.5, 0.25)
    all_mutations(mask, rng, rate=0.5)
    assert mask.fitness.values == (0.5, 0.25)


@pytest.mark.parametrize("mutate", [mutFlip, mutSwap])
@pytest.mark.parametrize("bits", [[], [1, 1, 1], [0, 0, 0]])
def test_empty_full_and_bare_genomes_pass(mutate: Any, bits: list[int], rng: Rng) -> None:
    assert len(mutate(BitString(bits), rate=0.5, rng=rng)[0]) == len(bits)
    assert len(trade(BitString(bits), rng, rate=0.5, change=0.1)) == len(bits)


def test_each_gene_flips_with_the_rate(rng: Rng) -> None:
    masks = [mutFlip(BitString.zeros(9), rate=0.3, rng=rng)[0] for _ in range(3000)]
    flips = np.mean(masks, axis=0)
    assert np.allclose(flips, 0.3, atol=0.04)


def test_the_number_of_flips_is_binomial(rng: Rng) -> None:
    flips = [mutFlip(BitString.zeros(1000), rate=0.01, rng=rng)[0].count() for _ in range(2000)]
    assert np.mean(flips) == pytest.approx(10, abs=0.4)
    assert np.var(flips) == pytest.approx(9.9, rel=0.2)


@pytest.mark.parametrize("rate", [0.01, 0.2, 0.5, 0.7])
def test_each_gene_flips_with_the_rate_whether_few_flip_or_many(rate: float, rng: Rng) -> None:
    flips = [mutFlip(BitString.zeros(13), rate=rate, rng=rng)[0].to_numpy() for _ in range(1000)]
    assert np.allclose(np.mean(flips, axis=0), rate, atol=5 * np.sqrt(rate / 1000))


def test_few_flips_in_25_million_genes_cost_little(rng: Rng) -> None:
    mask = BitString.zeros(25_000_000)
    tracemalloc.start()
    mutFlip(mask, rate=1e-5, rng=rng)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1e6 and mask.count() > 100


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("density", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_a_swap_keeps_the_count(n: int, density: float, rate: float, rng: Rng) -> None:
    mask = mask_of(n, rng, density)
    before = mask.to_numpy()
    mutSwap(mask, rate=rate, rng=rng)
    assert mask.count() == before.sum()
    if rate == 1.0:
        moved = int((mask.to_numpy() != before).sum())
        assert moved == 2 * min(before.sum(), n - before.sum())


@pytest.mark.parametrize("n", [20, 2000])
@pytest.mark.parametrize("rate", [0.005, 0.4])
def test_every_gene_of_its_kind_is_swapped_equally_often(n: int, rate: float, rng: Rng) -> None:
    before, moved, times = np.arange(n) % 4 == 0, np.zeros(n), 40_000 // n
    for _ in range(times):
        moved += mutSwap(BitString(before), rate=rate, rng=rng)[0].to_numpy() != before
    for kind, chance in ((before, rate), (~before, rate / 3)):
        spread = 5 * np.sqrt(chance / times / kind.sum()) + 0.5 / times / kind.sum()
        assert (moved / times)[kind].mean() == pytest.approx(chance, abs=spread)
        assert (moved / times)[kind].max() < chance + 6 * np.sqrt(chance / times) + 6 / times


@pytest.mark.parametrize("rate", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("change", "count"), [(0, 40), (0.2, 60), (-0.2, 20), (1, 100), (-1, 0)])
def test_the_density_changes_by_what_is_asked(
    rate: float, change: float, count: int, rng: Rng
) -> None:
    mask = BitString(rng.permutation(100) < 40)
    assert trade(mask, rng, rate=rate, change=change, temperature=1.0).count() == count


def test_a_change_below_half_a_gene_is_none(rng: Rng) -> None:
    assert trade(BitString([1, 0, 1]), rng, change=0.1) == [1, 0, 1]


def test_at_temperature_0_the_lowest_drop_and_the_highest_return(rng: Rng) -> None:
    score = [1, 2, 3, 4, 5, 6, 7, 8]
    kept_half = [1, 1, 1, 1, 0, 0, 0, 0]
    settings = {"score": score, "temperature": 0.0}
    assert trade(BitString(kept_half), rng, change=-0.25, **settings) == [0, 0, 1, 1, 0, 0, 0, 0]
    assert trade(BitString(kept_half), rng, change=0.25, **settings) == [1, 1, 1, 1, 0, 0, 1, 1]
    assert trade(BitString(kept_half), rng, rate=1.0, **settings) == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_low_temperature_follows_the_score_and_a_high_one_ignores_it(rng: Rng) -> None:
    score = rng.permutation(1000)
    means = []
    for temperature in (0.05, 100.0):
        mask = BitString([1] * 1000)
        trade(mask, rng, score=score, change=-0.2, temperature=temperature)
        means.append(score[~mask.to_numpy()].mean())
    assert means[0] < 200 and means[1] == pytest.approx(500, abs=80)


def test_dropped_genes_follow_the_weights_that_the_docstring_gives(rng: Rng) -> None:
    dropped = np.zeros(3)
    for _ in range(2500):
        dropped += ~trade(BitString([1, 1, 1]), rng, change=-1 / 3, temperature=0.5).to_numpy()
    weights = np.exp(-np.array([1 / 6, 3 / 6, 5 / 6]) / 0.5)
    assert np.allclose(dropped / 2500, weights / weights.sum(), atol=0.04)


def plainly(mask: Any, rng: Rng, score: Any, drops: int, temperature: float) -> BitString:
    """Drop genes as mutImportance does, one after the other, by the weights of its docstring."""
    rank = np.array([(score < one).sum() + (score <= one).sum() for one in score]) / len(score) / 2
    for _ in range(drops):
        weight = np.exp(-rank / temperature) * mask.to_numpy()
        mask[int(rng.choice(len(mask), p=weight / weight.sum()))] = 0
    return mask


@pytest.mark.parametrize("drops", [1, 2, 6])  # few are drawn with repeats, many by noise
@pytest.mark.parametrize("temperature", [0.05, 0.3])
def test_each_set_of_genes_is_dropped_as_often_as_the_plain_way_drops_it(
    drops: int, temperature: float, rng: Rng
) -> None:
    score, kept, rounds = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 8, 7]), [1] * 10 + [0] * 2, 600
    settings = {"score": score, "temperature": temperature}
    ours = [trade(BitString(kept), rng, change=-drops / 12, **settings) for _ in range(rounds)]
    theirs = [plainly(BitString(kept), rng, drops=drops, **settings) for _ in range(rounds)]
    assert np.allclose(np.mean(ours, axis=0), np.mean(theirs, axis=0), atol=0.11)
    together = [np.array(side, int).T @ np.array(side, int) / rounds for side in (ours, theirs)]
    assert np.allclose(*together, atol=0.11)


def test_restored_genes_follow_the_weights_too(rng: Rng) -> None:
    restored = np.zeros(8)
    for _ in range(2500):
        mask = trade(BitString([0] * 8), rng, change=1 / 8, temperature=0.4)
        restored += mask.to_numpy()
    weights = np.exp((np.arange(8) + 0.5) / 8 / 0.4)
    assert np.allclose(restored / 2500, weights / weights.sum(), atol=0.04)


@pytest.mark.parametrize("temperature", [1e-310, 1e-12, 0.001])
def test_a_temperature_near_0_takes_strictly_by_score(temperature: float, rng: Rng) -> None:
    mask = trade(BitString([1] * 40), rng, change=-0.2, temperature=temperature)
    assert mask == [0] * 8 + [1] * 32


def test_equal_scores_have_equal_chances(rng: Rng) -> None:
    dropped = np.zeros(4)
    for _ in range(2000):
        mask = trade(BitString([1] * 4), rng, score=np.zeros(4), change=-0.25, temperature=0.01)
        dropped += ~mask.to_numpy()
    assert np.allclose(dropped / 2000, 0.25, atol=0.04)


@pytest.mark.parametrize("scores", [1, 9, 11])
def test_another_number_of_scores_than_of_genes_is_refused(scores: int, rng: Rng) -> None:
    with pytest.raises(ValueError, match=f"score: expected 10, one for each gene, got {scores}"):
        trade(BitString([1, 0] * 5), rng, score=np.arange(scores), rate=1.0)


def test_only_the_order_of_the_scores_matters() -> None:
    score = np.arange(1.0, 102.0)
    results = [
        trade(BitString([1, 0] * 50 + [1]), np.random.default_rng(2), score=given, rate=0.3)
        for given in (score, np.log(score), score.astype(np.float32) ** 3)
    ]
    assert results[0] == results[1] == results[2]


def test_the_same_seed_makes_the_same_child() -> None:
    results = []
    for _ in range(2):
        rng = np.random.default_rng(7)
        mask = mask_of(101, rng)
        all_mutations(mask, rng, rate=0.3)
        results.append(mask)
    assert results[0] == results[1]


@pytest.mark.usefixtures("no_global_draws")
def test_mutations_draw_from_their_rng_alone(rng: Rng) -> None:
    all_mutations(mask_of(37, rng), rng, rate=0.3)
