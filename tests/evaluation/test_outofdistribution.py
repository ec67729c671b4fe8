"""Scores of foreign images, worked by hand, and the area that they give, by counting pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.outofdistribution import (
    ODIN_TEMPERATURE,
    SCORES,
    auroc,
    balanced,
    energy,
    max_softmax,
    perturbed,
)

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


@pytest.mark.parametrize("levels", [1, 2, 5, 1000])
@pytest.mark.parametrize("seed", range(4))
def test_the_area_is_that_of_scikit_learn_ties_included(levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    own = (rng.integers(0, levels, rng.integers(1, 40)) - levels / 3) / 7
    foreign = rng.integers(0, levels, rng.integers(1, 40)) / 7
    truth = np.repeat([1, 0], [len(own), len(foreign)])
    assert auroc(own, foreign) == pytest.approx(
        roc_auc_score(truth, np.concatenate([own, foreign])), abs=1e-12
    )


def test_the_area_of_scores_that_a_high_temperature_brings_together_is_scikit_learns() -> None:
    logits = torch.randn(300, 10, generator=torch.Generator().manual_seed(0))
    scores = SCORES["odin"](logits).numpy()
    truth = np.repeat([1, 0], [120, 180])
    expected = roc_auc_score(truth, scores)
    assert auroc(scores[:120], scores[120:]) == pytest.approx(expected, abs=1e-12)


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


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    layers = (nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4))
    return nn.Sequential(*layers).eval()


IMAGES = torch.randn(9, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def test_a_step_of_0_changes_nothing(network: nn.Module) -> None:
    with torch.no_grad():
        assert torch.equal(perturbed(network, IMAGES, 0.0), network(IMAGES))


def test_a_small_step_raises_the_tempered_probability_of_every_image(network: nn.Module) -> None:
    score = SCORES["odin"]
    with torch.no_grad():
        before = score(network(IMAGES))
    assert (score(perturbed(network, IMAGES, 1e-3)) > before).all()


def test_every_value_moves_by_the_step_along_the_gradient_of_the_tempered_probability() -> None:
    """Of a linear network it is known: (W_y - sum over classes of p_c W_c) / T, y the largest.

    At T = 1,000 all p_c are about 1 / 3. At T = 1 the third class would have no say, and the
    second value of the first image would move the other way.
    """
    weight = torch.tensor([[1.0, 0.2], [0.9, 1.0], [-1.0, -1.0]])
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 3, bias=False))
    network[1].weight = nn.Parameter(weight)
    images = torch.tensor([[5.0, 0.0], [0.0, 3.0]])
    logits = images @ weight.T
    taken = logits.argmax(1)
    slope = weight[taken] - (logits / ODIN_TEMPERATURE).softmax(1) @ weight
    assert slope[0, 1] > 0 > (weight[taken] - logits.softmax(1) @ weight)[0, 1]
    expected = (images + 0.1 * slope.sign()) @ weight.T
    assert torch.allclose(perturbed(network, images.view(2, 1, 1, 2), 0.1), expected)


def test_it_does_not_depend_on_the_batch(network: nn.Module) -> None:
    whole = perturbed(network, IMAGES, 0.1)
    assert torch.allclose(perturbed(network, IMAGES, 0.1, batch=2), whole, atol=1e-6)


def test_network_images_and_gradients_are_left_as_they_were(
    network: nn.Module, unchanged: Any
) -> None:
    images = IMAGES.clone()
    with unchanged(network):
        logits = perturbed(network, images, 0.1)
    assert torch.equal(images, IMAGES) and images.grad is None
    assert not logits.requires_grad and not images.requires_grad
