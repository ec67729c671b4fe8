"""Drift: masks that move along a saliency, and scores that are crossed."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch

from operators.drift import alignScore, cxScores, keepTop, mutDrift
from operators.individuals import individual_type

Mask = individual_type("mask", 2)
GENES = 60
LAYERS = np.array([0, 10, 35, GENES])


def top(score: np.ndarray, count: int) -> np.ndarray:
    """The plain way: the `count` best, ties in the order of the genome."""
    bits = np.zeros(len(score), bool)
    bits[np.argsort(-score, kind="stable")[:count]] = True
    return bits


def magnitudes(seed: int = 0) -> np.ndarray:
    return np.abs(np.random.default_rng(seed).normal(size=GENES)).astype(np.float32)


def start(count: int = 30, seed: int = 0) -> Any:
    return Mask.from_numpy(top(magnitudes(seed), count))


def constant(seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=GENES).astype(np.float32)


def drift(mask: Any, count: int, steps: int = 6, saliency: Any = None, rate: float = 0.3) -> Any:
    asked = (lambda _: constant()) if saliency is None else saliency
    mutDrift(mask, saliency=asked, score=magnitudes(), count=count, steps=steps, rate=rate)
    return mask


def drifted(seed: int, count: int = 30) -> Any:
    return drift(start(count), count, saliency=lambda _: constant(seed))


@pytest.mark.parametrize("count", [0, 1, 7, 30, 59, 60])
def test_keep_top_sets_the_best_and_gives_the_lowest_score_kept(count: int) -> None:
    mask, score = Mask.zeros(GENES), magnitudes()
    threshold = keepTop(mask, score, count)
    assert mask == top(score, count)
    assert threshold == (np.sort(score)[GENES - count] if count else np.inf)


def test_keep_top_takes_ties_in_the_order_of_the_genome() -> None:
    mask = Mask.zeros(5)
    keepTop(mask, np.array([1.0, 2.0, 1.0, 1.0, 0.0]), 3)
    assert mask == [1, 1, 1, 0, 0]


@pytest.mark.parametrize("decimals", [1, 8])
@pytest.mark.parametrize("count", [1, 700, 6_500, 9_999])
def test_keep_top_of_many_is_that_of_a_full_sort_also_with_ties(count: int, decimals: int) -> None:
    score = np.random.default_rng(0).normal(size=9_999).astype(np.float32).round(decimals)
    mask = Mask.zeros(score.size)
    assert keepTop(mask, score, count) == np.sort(score)[-count]
    assert mask == top(score, count)


def test_a_drift_of_many_genes_is_the_plain_one_to_the_bit() -> None:
    rng = np.random.default_rng(0)
    s, answers = np.abs(rng.normal(size=5_000)).astype(np.float32), rng.normal(size=(6, 5_000))
    answers, v, bits = answers.astype(np.float32), np.zeros_like(s), top(s, 2_000)
    mask, asked = Mask.from_numpy(bits), iter(answers)
    mutDrift(mask, saliency=lambda _: next(asked), score=s, count=500, steps=6, rate=0.3)
    threshold = np.sort(s)[-2_000]
    for step, answer in enumerate(answers):
        v = 0.9 * v + (1 - 0.9) * answer
        s = s + (0.3 * abs(float(threshold)) / float(np.abs(v).mean())) * v
        count = round(2_000 * (500 / 2_000) ** min(1.0, 2 * (step + 1) / 6))
        threshold, bits = np.sort(s)[-count], top(s, count)
    assert mask == bits
    assert (mask.score == s).all()


@pytest.mark.parametrize("count", [-1, 61])
def test_no_other_count_than_of_its_genes_can_be_kept(count: int) -> None:
    with pytest.raises(ValueError, match=f"count: expected 0 to 60 genes, got {count}"):
        keepTop(start(), magnitudes(), count)


@pytest.mark.parametrize("count", [-1, 0, 61])
def test_a_drift_to_nothing_or_beyond_the_genes_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match=f"count: expected 1 to 60 genes, got {count}"):
        drift(start(), count)


def test_no_step_changes_nothing() -> None:
    mask = drift(start(), 10, steps=0)
    assert mask == start()
    assert not hasattr(mask, "score")


@pytest.mark.parametrize("steps", [1, 2, 3, 8])
@pytest.mark.parametrize("count", [1, 3, 29, 30, 45, 60])
def test_a_drift_ends_at_the_wanted_count(count: int, steps: int) -> None:
    assert drift(start(30), count, steps=steps).count() == count


@pytest.mark.parametrize("first", [0, 1, 60])
def test_a_drift_reaches_its_count_from_the_ends_too(first: int) -> None:
    assert drift(start(first), 20).count() == 20


def test_the_count_glides_over_the_first_half_and_settles_in_the_second() -> None:
    seen = []

    def watch(mask: Any) -> np.ndarray:
        seen.append(mask.count())
        return constant()

    assert drift(start(32), 2, steps=8, saliency=watch).count() == 2
    assert seen == [32, 16, 8, 4, 2, 2, 2, 2]


def test_each_step_asks_for_the_saliency_once_on_the_mask_as_it_is_now() -> None:
    seen = []

    def watch(mask: Any) -> np.ndarray:
        seen.append(mask.to_numpy())
        return constant()

    drift(start(), 30, steps=5, saliency=watch, rate=1.0)
    assert len(seen) == 5
    assert (seen[0] == start().to_numpy()).all()
    assert (seen[4] != seen[0]).any()


def test_a_constant_saliency_moves_the_scores_as_counted_by_hand() -> None:
    # v / mean|v| is a / mean|a| in every step, so each one adds rate * threshold * a / mean|a|.
    a, rate = constant().astype(np.float64), 0.3
    expected = magnitudes().astype(np.float64)
    for _ in range(6):
        expected += rate * abs(np.sort(expected)[-30]) * a / np.abs(a).mean()
    mask = drift(start(), 30, steps=6, rate=rate)
    np.testing.assert_allclose(mask.score, expected, rtol=1e-4, atol=1e-5)
    assert mask == top(expected, 30)


def test_a_long_drift_ends_with_the_genes_of_the_highest_saliency() -> None:
    wanted = np.abs(constant())
    assert drift(start(), 30, steps=60, saliency=lambda _: wanted) == top(wanted, 30)


def test_the_average_remembers_as_much_as_decay_says() -> None:
    first, second, decay = constant(1), constant(2), 0.75
    answers = iter([first, second])
    mask = start()
    mutDrift(
        mask, saliency=lambda _: next(answers), score=magnitudes(), count=30, steps=2, rate=0.2,
        decay=decay,
    )
    s, v = magnitudes().astype(np.float64), np.zeros(GENES)
    for answer in (first, second):
        v = decay * v + (1 - decay) * answer
        s += 0.2 * abs(np.sort(s)[-30]) * v / np.abs(v).mean()
    np.testing.assert_allclose(mask.score, s, rtol=1e-4, atol=1e-5)


def test_a_saliency_that_says_nothing_leaves_the_mask() -> None:
    assert drift(start(), 30, saliency=lambda _: np.zeros(GENES, np.float32)) == start()


def test_rate_0_at_the_same_count_leaves_the_mask() -> None:
    assert drift(start(), 30, rate=0.0) == start()


def test_a_second_drift_goes_on_from_the_score_of_the_first() -> None:
    mask = drifted(5)
    before = mask.score.copy()
    mutDrift(
        mask, saliency=lambda _: np.zeros(GENES), score=-magnitudes(), count=30, steps=3, rate=0.3
    )
    assert (mask.score == before).all()


@pytest.mark.parametrize("count", [1, 12, 30, 60])
def test_the_bits_are_the_top_of_the_score_afterwards(count: int) -> None:
    mask = drift(start(), count)
    assert mask.score.dtype == np.float32
    assert mask == top(mask.score, count)


def test_the_first_score_given_is_not_written_to() -> None:
    score = magnitudes()
    mutDrift(start(), saliency=lambda _: constant(), score=score, count=9, steps=4, rate=1.0)
    assert (score == magnitudes()).all()


def traced(steps: int, count: int = 20) -> tuple[list[np.ndarray], np.ndarray, Any]:
    """Return the scores after each step, as drifts of 1, 2, ... steps leave them; and the mean."""
    scores = []
    for step in range(1, steps + 1):
        cut = start(count)
        answers = (constant(seed) for seed in range(step))
        drift(cut, count, steps=step, saliency=lambda _, answers=answers: next(answers))
        scores.append(cut.score)
    mask, mean, answers = start(count), np.full(GENES, np.nan, np.float32), iter(range(steps))
    mutDrift(
        mask, saliency=lambda _: constant(next(answers)), score=magnitudes(), count=count,
        steps=steps, rate=0.3, mean=mean,
    )
    return scores, mean, mask


@pytest.mark.parametrize("steps", [1, 2, 5, 8])
def test_the_mean_is_over_the_settled_steps_each_from_its_threshold(steps: int) -> None:
    scores, mean, _ = traced(steps)
    settled = scores[(steps + 1) // 2 - 1 :]
    thresholds = [np.sort(score)[-20] for score in settled]
    expected = np.mean([s - t for s, t in zip(settled, thresholds, strict=True)], axis=0)
    np.testing.assert_allclose(mean, expected + thresholds[-1], rtol=1e-4, atol=1e-5)


def test_asking_for_the_mean_changes_nothing_of_the_drift() -> None:
    scores, _, mask = traced(6)
    assert (mask.score == scores[-1]).all()
    assert mask == top(scores[-1], 20)


def test_the_mean_of_a_noisy_drift_is_nearer_to_where_it_leads() -> None:
    target, rng = magnitudes(1), np.random.default_rng(3)
    wanted = top(target, 20)

    def noisy(mask: Any) -> np.ndarray:
        pull = np.where(wanted, 1.0, -1.0) * (mask.to_numpy() != wanted)
        return (pull + rng.normal(0, 4, GENES)).astype(np.float32)

    mask, mean = start(20), np.zeros(GENES, np.float32)
    mutDrift(
        mask, saliency=noisy, score=magnitudes(), count=20, steps=400, rate=0.2, decay=0.0,
        mean=mean,
    )
    assert (top(mean, 20) != wanted).sum() < (mask.to_numpy() != wanted).sum()


def test_a_drift_draws_no_random_number() -> None:
    python, numpy = random.getstate(), np.random.get_state(legacy=False)  # noqa: NPY002
    drift(start(), 12)
    assert random.getstate() == python
    after = np.random.get_state(legacy=False)  # noqa: NPY002
    assert after["state"]["pos"] == numpy["state"]["pos"]
    assert (after["state"]["key"] == numpy["state"]["key"]).all()


@pytest.mark.parametrize("seed", range(20))
def test_an_aligned_score_agrees_with_any_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mask = Mask.from_numpy(rng.random(GENES) < rng.random())
    score = rng.normal(size=GENES).astype(np.float32).round(rng.integers(0, 4))  # with ties
    aligned = alignScore(mask, score)
    assert top(aligned, mask.count()).tolist() == mask.to_numpy().tolist()


def test_an_aligned_score_moves_only_the_genes_on_the_wrong_side() -> None:
    mask, order = start(), np.argsort(-magnitudes())
    cleared, set_ = order[3], order[50]
    mask[int(cleared)], mask[int(set_)] = 0, 1
    moved = np.flatnonzero(alignScore(mask, magnitudes()) != magnitudes())
    assert set(moved) == {cleared, set_}


def test_aligning_holds_at_a_threshold_of_0_also_where_denormals_are_flushed() -> None:
    mask, score = Mask([0, 1, 0, 1]), np.zeros(4, np.float32)
    torch.set_flush_denormal(True)
    try:
        assert mask == top(alignScore(mask, score), 2)
    finally:
        torch.set_flush_denormal(False)


def test_aligning_what_agrees_changes_nothing() -> None:
    mask = drifted(5)
    assert (alignScore(mask, magnitudes()) == mask.score).all()


def test_aligning_leaves_the_individual_and_its_score_alone() -> None:
    mask = drifted(5)
    mask[[0, 1, 2]] = [1, 1, 1]
    bits, score = mask.to_numpy(), mask.score.copy()
    alignScore(mask, magnitudes())
    assert mask == bits
    assert (mask.score == score).all()


def cross(
    a: Any, b: Any, *, rate: float = 1.0, blend: float = 0.5, seed: int = 0
) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return cxScores(a, b, layers=LAYERS, rate=rate, blend=blend, rng=rng)


@pytest.mark.parametrize(("rate", "blend"), [(1.0, 0.0), (0.0, 0.5), (0.0, 1.0)])
def test_blend_0_or_rate_0_changes_nothing(rate: float, blend: float) -> None:
    a, b = cross(drifted(1), drifted(2, 20), rate=rate, blend=blend)
    assert (a, b) == (drifted(1), drifted(2, 20))
    assert (a.score == drifted(1).score).all()


def test_blend_0_keeps_bits_that_another_operator_set_since_the_drift() -> None:
    a, b = drifted(1), drifted(2)
    a[[0, 5]] = 1 - a[[0, 5]].astype(int)
    bits = a.to_numpy()
    cross(a, b, blend=0.0)
    assert a == bits


def test_blend_1_at_rate_1_exchanges_masks_of_equal_counts() -> None:
    a, b = cross(drifted(1), drifted(2), blend=1.0)
    assert drifted(1) != drifted(2)
    assert (a, b) == (drifted(2), drifted(1))


@pytest.mark.parametrize("blend", [0.0, 0.3, 0.5, 1.0])
def test_equal_parents_give_equal_children(blend: float) -> None:
    a, b = cross(drifted(1), drifted(1), blend=blend)
    assert (a, b) == (drifted(1), drifted(1))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("counts", [(30, 30), (50, 5), (60, 1)])
def test_crossed_scores_keep_both_counts(counts: tuple[int, int], seed: int) -> None:
    parents = drifted(1, counts[0]), drifted(2, counts[1])
    children = cross(*parents, rate=0.5, seed=seed)
    assert tuple(child.count() for child in children) == counts


def test_an_empty_mask_can_be_crossed() -> None:
    a, b = drifted(1), drifted(2)
    a[:] = np.zeros(GENES)
    children = cross(a, b)
    assert [child.count() for child in children] == [0, 30]


def test_the_mean_of_two_scores_is_measured_from_the_thresholds() -> None:
    a, b = drifted(1, 40), drifted(2, 20)
    above_a, above_b = a.score - np.sort(a.score)[-40], b.score - np.sort(b.score)[-20]
    expected = (above_a + above_b) / 2
    cross(a, b)
    assert a == top(expected, 40)
    assert b == top(expected, 20)


def test_parents_of_other_densities_meet_at_their_thresholds_also_in_some_layers() -> None:
    a, b = drifted(1, 45), drifted(2, 10)
    above_a, above_b = a.score - np.sort(a.score)[-45], b.score - np.sort(b.score)[-10]
    chosen = np.repeat(np.random.default_rng(3).random(3) < 0.5, np.diff(LAYERS))
    cross(a, b, rate=0.5, blend=1.0, seed=3)
    assert a == top(np.where(chosen, above_b, above_a), 45)
    assert b == top(np.where(chosen, above_a, above_b), 10)


def test_layers_that_are_not_chosen_keep_their_scores() -> None:
    a, b = drifted(1), drifted(2)
    cross(a, b, rate=0.5, seed=3)
    chosen = np.repeat(np.random.default_rng(3).random(3) < 0.5, np.diff(LAYERS))
    assert 0 < chosen.sum() < GENES
    assert ((a.score != drifted(1).score) == chosen).all()


def test_the_children_agree_with_their_scores() -> None:
    for child in cross(drifted(1), drifted(2, 12), rate=0.5, blend=0.3):
        assert child == top(child.score, child.count())


def test_without_a_score_nothing_is_crossed_and_nothing_drawn() -> None:
    rng = np.random.default_rng(0)
    a, b = cxScores(drifted(1), start(), layers=LAYERS, rate=1.0, blend=1.0, rng=rng)
    assert (a, b) == (drifted(1), start())
    assert rng.random() == np.random.default_rng(0).random()


def test_crossing_scores_draws_from_its_rng_alone() -> None:
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    first = cross(drifted(1), drifted(2), rate=0.5)
    random.seed(2)
    np.random.seed(2)  # noqa: NPY002
    assert cross(drifted(1), drifted(2), rate=0.5) == first
