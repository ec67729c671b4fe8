"""Where scores stand, and which is the k-th, as a full sort finds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operators.order import kthLargest, standing

Rng = np.random.Generator


def scores(n: int, rng: Rng) -> list[np.ndarray]:
    """Scores of all kinds: distinct, with ties, of both signs, infinite, in every type."""
    normal = rng.normal(size=n)
    return [
        normal,
        normal.astype(np.float32),
        normal.astype(np.float32).round(1),
        rng.integers(0, 3, n),
        rng.integers(0, 3, n).astype(np.float32) - 1,
        np.zeros(n, np.float32),
        rng.choice(np.array([-np.inf, -0.0, 0.0, 1e-40, np.inf], np.float32), n),
        rng.random(n) < 0.5,
    ]


@pytest.mark.parametrize("n", [0, 1, 2, 5, 300])
def test_standing_counts_the_scores_below_and_not_above(n: int, rng: Rng) -> None:
    for score in scores(n, rng):
        below, upto = standing(score)
        assert below.tolist() == [int((score < one).sum()) for one in score]
        assert upto.tolist() == [int((score <= one).sum()) for one in score]


def test_numbers_that_are_none_stand_highest_whatever_their_sign() -> None:
    for dtype in (np.float32, np.float64):
        below, _ = standing(np.array([np.nan, 1, -np.copysign(np.nan, 1), -np.inf], dtype))
        assert below[1] == 1 and below[3] == 0 and min(below[0], below[2]) == 2


def test_scores_changed_in_place_are_ranked_anew(rng: Rng) -> None:
    score = rng.random(50, np.float32)
    standing(score)
    score[:] = score[::-1].copy()
    below, _ = standing(score)
    assert np.array_equal(below, [int((score < one).sum()) for one in score])


def test_equal_scores_of_another_type_are_ranked_alike() -> None:
    for dtype in (np.int64, np.float64, np.float32, np.uint8):
        assert standing(np.array([3, 1, 2, 1], dtype))[0].tolist() == [3, 0, 2, 0]


def test_what_is_remembered_cannot_be_written_to() -> None:
    below, _ = standing([1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        below[0] = 5


@pytest.mark.parametrize("n", [1, 2, 60, 61, 62, 5000])
def test_the_kth_largest_is_that_of_a_full_sort(n: int, rng: Rng) -> None:
    for score in scores(n, rng)[:-1]:
        ordered = np.sort(score)[::-1]
        for k in {1, 2, n // 5, n // 2, n - 1, n} & set(range(1, n + 1)):
            found = kthLargest(score, k)
            assert found == ordered[k - 1] and found.dtype == score.dtype


@pytest.mark.parametrize("where", ["sampled", "not sampled"])
def test_the_kth_largest_is_right_where_the_sample_misleads(where: str) -> None:
    score = np.arange(20_000, dtype=np.float32)
    high: Any = np.zeros(score.size, bool)
    high[::61] = True
    score[high if where == "sampled" else ~high] += 1e6
    for k in (1, 200, 329, 5000, 19_000, 20_000):
        assert kthLargest(score, k) == np.sort(score)[-k]


def test_finding_the_kth_leaves_the_scores_alone(rng: Rng) -> None:
    score = rng.random(1000)
    score.flags.writeable = False
    kthLargest(score, 300)
    standing(score)
