"""Importance scores against loops written by the book."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import InputError
from evoprune.network.importance import SCORES, importance
from evoprune.network.layers import Layer, prunable
from evoprune.passes import Passes
from evoprune.space.weights import WeightSpace

PARTS = [slice(0, 27), slice(27, 135), slice(135, 215)]
Batches = list[tuple[torch.Tensor, torch.Tensor]]


@pytest.fixture
def layers(model: nn.Module) -> list[Layer]:
    return prunable(model)


@pytest.fixture
def batches(images: torch.Tensor, labels: torch.Tensor) -> Batches:
    return [(images[:12], labels[:12]), (images[12:], labels[12:])]


def gradients(model: nn.Module, batch: tuple[torch.Tensor, torch.Tensor]) -> np.ndarray:
    """The plain way: backward on a copy."""
    network = copy.deepcopy(model).eval()
    functional.cross_entropy(network(batch[0]), batch[1]).backward()
    return torch.cat([network[place].weight.grad.reshape(-1) for place in (0, 3, 8)]).numpy()


def weights(model: nn.Module) -> np.ndarray:
    return WeightSpace(model).weights.numpy()


def test_magnitude_is_the_absolute_weight(model: nn.Module, layers: list[Layer]) -> None:
    assert (importance("magnitude", model, layers) == np.abs(weights(model))).all()


def test_lamp_is_equation_3_by_a_double_loop(model: nn.Module, layers: list[Layer]) -> None:
    w, expected = weights(model).astype(float), np.zeros(215)
    for part in PARTS:
        layer = w[part]
        for u, value in enumerate(layer):
            others = [v for v in layer if abs(v) >= abs(value)]
            expected[part.start + u] = value**2 / sum(v**2 for v in others)
    np.testing.assert_allclose(importance("lamp", model, layers), expected, rtol=1e-6)


def test_lamp_gives_the_largest_weight_of_every_layer_the_score_1(
    model: nn.Module, layers: list[Layer]
) -> None:
    scores = importance("lamp", model, layers)
    assert [scores[part].max() for part in PARTS] == [1.0, 1.0, 1.0]
    assert (scores == 1).sum() == 3


def test_lamp_keeps_the_order_of_magnitude_within_a_layer(
    model: nn.Module, layers: list[Layer]
) -> None:
    scores, magnitudes = importance("lamp", model, layers), np.abs(weights(model))
    for part in PARTS:
        assert (np.argsort(scores[part]) == np.argsort(magnitudes[part])).all()


def test_a_layer_of_zeros_scores_0(model: nn.Module, layers: list[Layer]) -> None:
    nn.init.zeros_(model[3].weight)
    assert (importance("lamp", model, layers)[PARTS[1]] == 0).all()


def test_uniform_is_the_rank_within_the_layer(model: nn.Module, layers: list[Layer]) -> None:
    scores, magnitudes = importance("uniform", model, layers), np.abs(weights(model))
    for part in PARTS:
        layer = magnitudes[part]
        ranks = [(layer <= value).mean() for value in layer]
        np.testing.assert_allclose(scores[part], ranks, rtol=1e-6)


def test_taylor_is_weight_times_the_gradient_averaged_over_batches(
    model: nn.Module, layers: list[Layer], batches: Batches
) -> None:
    mean = (gradients(model, batches[0]) + gradients(model, batches[1])) / 2
    scores = importance("taylor", model, layers, batches)
    np.testing.assert_allclose(scores, np.abs(weights(model) * mean), rtol=1e-3, atol=1e-7)


def test_snip_is_the_share_of_the_first_batch(
    model: nn.Module, layers: list[Layer], batches: Batches
) -> None:
    plain = np.abs(weights(model) * gradients(model, batches[0]))
    scores = importance("snip", model, layers, batches)
    np.testing.assert_allclose(scores, plain / plain.sum(), rtol=1e-3, atol=1e-8)


def test_fisher_is_half_the_squared_weight_times_the_mean_squared_gradient(
    model: nn.Module, layers: list[Layer], batches: Batches
) -> None:
    mean = (gradients(model, batches[0]) ** 2 + gradients(model, batches[1]) ** 2) / 2
    scores = importance("fisher", model, layers, batches)
    np.testing.assert_allclose(scores, weights(model) ** 2 * mean / 2, rtol=1e-3, atol=1e-8)


@pytest.mark.parametrize("name", SCORES)
def test_every_score_is_a_float32_a_weight_and_not_negative(
    model: nn.Module, layers: list[Layer], batches: Batches, name: str
) -> None:
    scores = importance(name, model, layers, batches)
    assert (scores.dtype, scores.shape) == (np.dtype(np.float32), (215,))
    assert (scores >= 0).all()


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_given_for_the_chosen_layers_alone(
    model: nn.Module, batches: Batches, name: str
) -> None:
    assert importance(name, model, prunable(model, include=["8"]), batches).shape == (80,)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("magnitude", 0), ("lamp", 0), ("uniform", 0), ("taylor", 60), ("snip", 36), ("fisher", 60)],
)
def test_passes_are_three_for_each_image_asked(
    model: nn.Module, layers: list[Layer], batches: Batches, name: str, expected: int
) -> None:
    passes = Passes()
    importance(name, model, layers, batches, passes)
    assert (passes["guidance"], passes.spent()) == (expected, expected)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("training", [False, True])
def test_the_network_comes_back_as_it_was(
    model: nn.Module, layers: list[Layer], batches: Batches, unchanged: Any, name: str,
    training: bool,
) -> None:
    model.train(training)
    model[0].weight.requires_grad_(False)
    model[3].weight.grad = torch.ones_like(model[3].weight)
    with unchanged(model):
        importance(name, model, layers, batches)


@pytest.mark.parametrize("name", ["taylor", "snip", "fisher"])
def test_the_network_comes_back_as_it_was_also_from_an_exception(
    model: nn.Module, layers: list[Layer], batches: Batches, unchanged: Any, name: str
) -> None:
    def fail(module: nn.Module, inputs: object) -> None:
        raise FloatingPointError("the layer broke")

    model.train()
    model[0].weight.requires_grad_(False)
    hook = model[4].register_forward_pre_hook(fail)
    with unchanged(model), pytest.raises(FloatingPointError, match="the layer broke"):
        importance(name, model, layers, batches)
    hook.remove()


def test_a_layer_that_the_network_does_not_use_scores_0(
    two_heads: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    scores = importance("taylor", two_heads, prunable(two_heads), [(images, labels)])
    assert (scores[:320] > 0).any()
    assert (scores[320:] == 0).all()


def test_an_unknown_importance_brings_the_nearest_name(
    model: nn.Module, layers: list[Layer]
) -> None:
    with pytest.raises(InputError, match="unknown importance 'tailor': did you mean 'taylor'"):
        importance("tailor", model, layers)


@pytest.mark.parametrize("name", ["taylor", "snip", "fisher"])
def test_a_score_that_asks_images_is_refused_without_any(
    model: nn.Module, layers: list[Layer], name: str
) -> None:
    message = f"batches: {name} expects at least one of training images, got none"
    with pytest.raises(InputError, match=message):
        importance(name, model, layers)
