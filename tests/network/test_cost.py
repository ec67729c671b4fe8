"""Multiply-adds by layer, against the closed formula and against torch's own counter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from evoprune.errors import InputError
from evoprune.network.cost import activation_bytes, macs_by_layer, macs_per_weight
from evoprune.network.layers import prunable
from evoprune.network.models import build

SHAPES = {"digits-cnn": (1, 8, 8), "lenet": (1, 28, 28), "resnet20": (3, 32, 32)}


def a_model(name: str) -> nn.Module:
    return build(name, channels=SHAPES[name][0], image_size=SHAPES[name][1])


def test_the_digits_cnn_costs_the_closed_formula() -> None:
    assert macs_by_layer(a_model("digits-cnn"), (1, 8, 8)) == {
        "conv1": 8 * 8 * 9 * 1 * 16,
        "conv2": 8 * 8 * 9 * 16 * 32,
        "conv3": 4 * 4 * 9 * 32 * 32,
        "linear": 512 * 10,
    }


@pytest.mark.parametrize("name", SHAPES)
def test_the_macs_are_half_of_what_torch_counts_as_flops(name: str) -> None:
    model = a_model(name)
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, *SHAPES[name]))
    assert 2 * sum(macs_by_layer(model, SHAPES[name]).values()) == counter.get_total_flops()


def test_groups_strides_and_dilation_are_counted() -> None:
    model = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, dilation=2, groups=4))
    image = torch.zeros(1, 4, 11, 9)
    with FlopCounterMode(display=False) as counter:
        model(image)
    assert 2 * macs_by_layer(model, (4, 11, 9))["0"] == counter.get_total_flops()


def test_a_weight_is_used_once_for_each_output_position() -> None:
    model = a_model("resnet20")
    uses = macs_per_weight(model, (3, 32, 32), prunable(model))
    assert uses.tolist() == [32 * 32] * 7 + [16 * 16] * 6 + [8 * 8] * 6 + [1]


def test_the_kept_weights_cost_what_the_network_cut_down_to_them_costs() -> None:
    wide, narrow = nn.Conv2d(3, 8, 3), nn.Conv2d(3, 5, 3)
    mask = np.zeros((8, 3, 3, 3))
    mask[:5] = 1
    uses = macs_per_weight(wide, (3, 10, 10), prunable(wide))
    assert mask.sum() * uses[0] == macs_by_layer(narrow, (3, 10, 10))[""]


def test_a_linear_layer_on_tokens_costs_once_a_token() -> None:
    model = nn.Sequential(nn.Flatten(2), nn.Linear(16, 4))
    assert macs_by_layer(model, (3, 4, 4)) == {"1": 3 * 16 * 4}


def test_a_layer_called_twice_costs_twice() -> None:
    layer = nn.Linear(4, 4)
    model = nn.Sequential(nn.Flatten(), layer, layer)
    assert macs_by_layer(model, (1, 2, 2)) == {"1": 2 * 16}


def test_only_the_layers_asked_for_are_measured() -> None:
    model = a_model("lenet")
    layers = prunable(model, include=["conv"])
    assert macs_per_weight(model, (1, 28, 28), layers).tolist() == [28 * 28, 10 * 10]


def test_measuring_leaves_mode_buffers_and_hooks_as_they_were() -> None:
    model = a_model("digits-cnn").train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    macs_by_layer(model, (1, 8, 8))
    assert all(module.training and not module._forward_hooks for module in model.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_images_that_do_not_fit_are_refused_and_no_hook_stays() -> None:
    model = a_model("digits-cnn")
    with pytest.raises(InputError, match=r"does not take images of shape \(3, 8, 8\)"):
        macs_by_layer(model, (3, 8, 8))
    assert not any(module._forward_hooks for module in model.modules())


def test_activations_take_four_bytes_for_each_number_of_each_layer(model: nn.Module) -> None:
    outputs = 3 * (3 * 8 * 8) + 3 * (4 * 4 * 4) + 2 * (4 * 2 * 2) + 5  # Conv to ReLU twice, the end
    image = 1 * 8 * 8
    assert activation_bytes(model, (1, 8, 8)) == (4 * 3 * (3 * 8 * 8), 4 * (outputs + image))


def test_an_image_larger_than_every_output_is_the_largest() -> None:
    model = nn.Sequential(nn.Conv2d(3, 1, 1, stride=4), nn.Flatten(), nn.Linear(4, 2))
    image = 3 * 8 * 8
    assert activation_bytes(model, (3, 8, 8)) == (4 * 3 * image, 4 * (image + 4 + 4 + 2))


def test_a_network_of_one_layer_holds_its_input_and_its_output() -> None:
    assert activation_bytes(nn.Linear(12, 5), (12,)) == (4 * 3 * 12, 4 * 17)


@pytest.mark.parametrize("name", SHAPES)
def test_a_backward_pass_finds_no_more_than_was_reckoned_with(name: str) -> None:
    model, kept = a_model(name), {}
    own = {value.untyped_storage().data_ptr() for value in model.state_dict().values()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model(torch.zeros(1, *SHAPES[name]))
    saved = sum(value.untyped_storage().nbytes() for at, value in kept.items() if at not in own)
    assert 0 < saved <= 1.01 * activation_bytes(model, SHAPES[name])[1]


@pytest.mark.parametrize("training", [False, True])
def test_measuring_activations_leaves_the_network_as_it_was(
    model: nn.Module, unchanged: Any, training: bool
) -> None:
    model.train(training)
    with unchanged(model):
        activation_bytes(model, (1, 8, 8))


def test_measuring_activations_of_images_that_do_not_fit_leaves_no_hook(
    model: nn.Module, unchanged: Any
) -> None:
    with unchanged(model.train()), pytest.raises((InputError, RuntimeError), match="channels"):
        activation_bytes(model, (3, 8, 8))
