"""Objectives against plainly written oracles: copy the network, multiply, count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import InputError
from evoprune.evaluation.evaluator import Evaluator
from evoprune.evaluation.objectives import OBJECTIVES, Candidate, at_least, bounded, resolve
from evoprune.space.weights import WeightSpace

USES = [64, 16, 1]  # output positions of the two convolutions, rows of the linear layer


def random_mask(seed: int, share: float = 0.6) -> np.ndarray:
    return np.random.default_rng(seed).random(215) < share


def judge(
    name: str, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, mask: np.ndarray
) -> float:
    return Evaluator(space, images, labels, objectives=[name]).judge(mask)[0]


def given(logits: torch.Tensor, labels: torch.Tensor, space: WeightSpace) -> Candidate:
    return Candidate(random_mask(0), space, labels, lambda: logits, np.ones(3))


@pytest.mark.parametrize("seed", range(4))
def test_error_is_the_share_of_wrong_classes_of_a_network_that_was_cut(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, cut: Any,
    seed: int,
) -> None:
    mask, wrong = random_mask(seed), 0
    network = cut(model, mask)
    for image, label in zip(images, labels, strict=True):
        wrong += int(network(image[None]).argmax()) != int(label)
    assert judge("error", space, images, labels, mask) == wrong / 20


@pytest.mark.parametrize("seed", range(4))
def test_loss_is_the_mean_of_minus_log_of_the_share_given_to_the_right_class(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, cut: Any,
    seed: int,
) -> None:
    mask = random_mask(seed)
    shares = functional.softmax(cut(model, mask)(images).detach(), 1)
    plain = [-math.log(shares[i, int(label)]) for i, label in enumerate(labels)]
    assert judge("loss", space, images, labels, mask) == pytest.approx(sum(plain) / 20, rel=1e-5)


def test_density_is_the_kept_share(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    mask = random_mask(0)
    assert judge("density", space, images, labels, mask) == sum(mask.tolist()) / 215


def test_macs_are_the_uses_of_the_kept_weights_as_a_share_of_all(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    mask = random_mask(0)
    kept = [part.sum() for part in np.split(mask, [27, 135])]
    share = np.dot(kept, USES) / np.dot([27, 108, 80], USES)
    assert judge("macs", space, images, labels, mask) == pytest.approx(share, rel=1e-12)


def test_the_dense_network_has_density_and_macs_1_and_the_empty_one_0(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judged = Evaluator(space, images, labels, objectives=["density", "macs"])
    assert judged.judge(np.ones(215, bool)) == (1.0, 1.0)
    assert judged.judge(np.zeros(215, bool)) == (0.0, 0.0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_one_logit_that_is_not_finite_is_the_worst_error_and_loss(
    space: WeightSpace, labels: torch.Tensor, bad: float
) -> None:
    logits = functional.one_hot(labels, 5).float()  # all right, but for one number
    logits[7, 3] = bad
    candidate = given(logits, labels, space)
    assert OBJECTIVES["error"](candidate) == 1.0
    assert OBJECTIVES["loss"](candidate) == math.inf
    assert not candidate.finite


def test_a_candidate_runs_its_network_once_however_often_it_is_asked(
    space: WeightSpace, labels: torch.Tensor
) -> None:
    runs = []
    candidate = given(torch.zeros(20, 5), labels, space)
    candidate.forward = lambda: runs.append(1) or torch.zeros(20, 5)
    for _ in range(3):
        OBJECTIVES["error"](candidate)
        OBJECTIVES["loss"](candidate)
    assert len(runs) == 1


def test_a_candidate_that_was_never_run_counts_as_finite(
    space: WeightSpace, labels: torch.Tensor
) -> None:
    candidate = given(torch.full((20, 5), float("nan")), labels, space)
    OBJECTIVES["density"](candidate)
    OBJECTIVES["macs"](candidate)
    assert candidate.finite


def test_names_and_functions_may_be_mixed() -> None:
    def layers_cut(candidate: Candidate) -> float:
        return float((candidate.space.kept_by_layer(candidate.mask) < 1).sum())

    assert resolve(["error", layers_cut]) == [OBJECTIVES["error"], layers_cut]


def test_an_unknown_objective_brings_the_nearest_name() -> None:
    with pytest.raises(InputError, match="unknown objective 'densty': did you mean 'density'"):
        resolve(["error", "densty"])


def random_logits(seed: int, labels: torch.Tensor, margin: float) -> torch.Tensor:
    """Draw logits that put the margin on the right class."""
    logits = torch.randn(20, 5, generator=torch.Generator().manual_seed(seed)) * 3
    return logits + margin * functional.one_hot(labels, 5)


MARGINS = pytest.mark.parametrize("margin", [0.0, 5.0, 20.0, 100.0])


@MARGINS
@pytest.mark.parametrize("name", OBJECTIVES)
def test_an_objective_comes_to_at_least_its_bound_after_any_part_of_the_images(
    space: WeightSpace, labels: torch.Tensor, name: str, margin: float
) -> None:
    for seed in range(10):
        logits, whole = random_logits(seed, labels, margin), OBJECTIVES[name]
        value = whole(given(logits, labels, space))
        for seen in range(21):
            part = given(logits[:seen], labels[:seen], space)
            assert at_least(whole, part, seen / 20) <= value, (seed, seen)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_bound_after_all_images_is_the_value(
    space: WeightSpace, labels: torch.Tensor, name: str
) -> None:
    whole = given(random_logits(0, labels, 0.0), labels, space)
    value = OBJECTIVES[name](whole)
    assert at_least(OBJECTIVES[name], whole, 1.0) == pytest.approx(value, rel=1e-5)


def test_the_bound_of_a_mean_counts_images_to_come_as_perfect(
    space: WeightSpace, labels: torch.Tensor
) -> None:
    wrong = given(functional.one_hot((labels[:8] + 1) % 5, 5).float(), labels[:8], space)
    assert at_least(OBJECTIVES["error"], wrong, 0.4) == pytest.approx(8 / 20)


def test_before_any_image_a_mean_may_come_to_0_and_the_mask_is_known(
    space: WeightSpace, labels: torch.Tensor
) -> None:
    none = given(torch.zeros(0, 5), labels[:0], space)
    assert [at_least(OBJECTIVES[name], none, 0.0) for name in ("error", "soft_error", "loss")] == [
        0.0, 0.0, 0.0,
    ]  # fmt: skip
    assert at_least(OBJECTIVES["density"], none, 0.0) == none.mask.mean()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["error", "soft_error", "loss"])
def test_a_bound_holds_where_a_logit_is_not_finite(
    space: WeightSpace, labels: torch.Tensor, name: str, bad: float
) -> None:
    logits = random_logits(0, labels, 5.0)
    logits[7, 3] = bad
    value = OBJECTIVES[name](given(logits, labels, space))
    for seen in range(21):
        bound = at_least(OBJECTIVES[name], given(logits[:seen], labels[:seen], space), seen / 20)
        assert bound <= value


def test_every_objective_with_a_name_is_bounded_and_one_of_ones_own_is_not() -> None:
    assert all(map(bounded, OBJECTIVES.values()))
    assert not bounded(lambda candidate: 0.0)
