"""Scores of foreign images, worked by hand, and the area that they give, by counting pairs."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu

from evoprune.errors import InputError
from evoprune.evaluation.outofdistribution import SCORES, auroc, balanced, energy, max_softmax

LOGITS = torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 1.0]])


def test_the_largest_probability_is_that_of_the_softmax() -> None:
    e = np.exp(2.0)
    assert max_softmax(LOGITS).tolist() == pytest.approx([e / (e + 2), 1 / 3])


def test_a_temperature_divides_the_logits() -> None:
    hot = max_softmax(LOGITS, temperature=4.0)
    assert torch.equal(hot, max_softmax(LOGITS / 4))


def test_at_the_temperature_of_odin_near_images_are_still_told_apart() -> None:
    near = torch.tensor([[1.0, 0.0], [1.0001, 0.0]])
    low, high = SCORES["odin"](near)
    assert low < high


def test_the_energy_is_the_logarithm_of_the_sum_of_exponentials() -> None:
    assert energy(LOGITS).tolist() == pytest.approx([np.log(np.exp(2) + 2), np.log(3 * np.e)])


def test_the_energy_tells_images_apart_whose_probabilities_are_alike() -> None:
    raised = LOGITS + torch.tensor([[0.0], [5.0]])
    assert torch.allclose(max_softmax(raised), max_softmax(LOGITS))
    assert energy(raised)[1] == pytest.approx(float(energy(LOGITS)[1]) + 5)


@pytest.mark.parametrize("seed", range(5))
def test_the_area_is_the_share_of_pairs_in_order_ties_counting_half(seed: int) -> None:
    rng = np.random.default_rng(seed)
    own, foreign = rng.integers(0, 6, 17), rng.integers(0, 5, 23)  # many are equal
    pairs = (own[:, None] > foreign).mean() + (own[:, None] == foreign).mean() / 2
    assert auroc(own, foreign) == pytest.approx(pairs)
    u = mannwhitneyu(own, foreign).statistic
    assert auroc(own, foreign) == pytest.approx(u / (17 * 23))


def test_the_area_does_not_change_with_any_rising_function_of_the_scores() -> None:
    rng = np.random.default_rng(0)
    own, foreign = rng.normal(1, 1, 40), rng.normal(0, 1, 60)
    assert auroc(np.exp(own), np.exp(foreign)) == auroc(own, foreign)


def test_scores_told_apart_without_fail_have_an_area_of_1_and_the_other_way_round_0() -> None:
    assert auroc([3, 4], [1, 2]) == 1.0
    assert auroc([1, 2], [3, 4]) == 0.0


def test_infinite_scores_are_the_highest_and_no_number_is_worth_nothing() -> None:
    assert auroc([np.inf, 1.0], [0.0]) == 1.0
    assert auroc([np.nan, 1.0], [0.0]) == 0.0


def test_scores_of_one_kind_alone_are_refused() -> None:
    with pytest.raises(InputError, match="expected scores of both kinds, got 2 own and 0 foreign"):
        auroc([1, 2], [])


def test_data_sets_give_as_many_images_each() -> None:
    parts = balanced([50, 80, 60], 30, np.random.default_rng(0))
    assert [len(part) for part in parts] == [10, 10, 10]
    assert all((np.diff(part) > 0).all() for part in parts)


def test_what_a_small_data_set_lacks_the_others_give() -> None:
    assert [len(p) for p in balanced([5, 80, 60], 45, np.random.default_rng(0))] == [5, 20, 20]


def test_where_there_are_not_so_many_all_come() -> None:
    assert [len(p) for p in balanced([5, 8], 100, np.random.default_rng(0))] == [5, 8]
