"""The layers that can be pruned, chosen by name, module, kind or type."""

from __future__ import annotations

import pytest
from torch import nn

from evoprune.errors import InputError
from evoprune.network.layers import prunable
from evoprune.network.models import build


@pytest.fixture
def model() -> nn.Module:
    return build("resnet20")


def names(model: nn.Module, **chosen: list[str]) -> list[str]:
    return [layer.name for layer in prunable(model, **chosen)]


def test_all_conv_and_linear_layers_are_found_in_the_order_of_the_network(
    model: nn.Module,
) -> None:
    found = prunable(model)
    assert len(found) == 20
    assert (found[0].name, found[0].kind, found[0].size) == ("conv1", "conv", 432)
    assert (found[-1].name, found[-1].kind, found[-1].size) == ("linear", "linear", 640)
    assert all(layer.module.weight.numel() == layer.size for layer in found)


def test_a_layer_is_chosen_by_its_name_and_only_it(model: nn.Module) -> None:
    assert names(model, include=["conv1"]) == ["conv1"]


def test_the_order_is_that_of_the_network_not_of_the_choice(model: nn.Module) -> None:
    assert names(model, include=["linear", "conv1", "conv1"]) == ["conv1", "linear"]


def test_a_module_stands_for_all_layers_inside_it(model: nn.Module) -> None:
    assert names(model, include=["layer2.0"]) == ["layer2.0.conv1", "layer2.0.conv2"]


@pytest.mark.parametrize("entry", ["linear", "Linear"])
def test_a_kind_and_a_type_choose_alike(entry: str) -> None:
    lenet = build("lenet", channels=1, image_size=28)
    assert names(lenet, include=[entry]) == ["linear1", "linear2", "linear3"]


def test_what_is_excluded_is_left_out_of_what_is_included(model: nn.Module) -> None:
    assert names(model, include=["layer1", "linear"], exclude=["conv"]) == ["linear"]


def test_no_choice_and_the_choice_of_all_names_are_the_same(model: nn.Module) -> None:
    assert prunable(model, include=names(model)) == prunable(model)


def test_a_shared_weight_is_found_once() -> None:
    first, second = nn.Linear(3, 3), nn.Linear(3, 3)
    second.weight = first.weight
    assert names(nn.Sequential(first, second, first)) == ["0"]


def test_a_lone_layer_is_a_network() -> None:
    assert [layer.size for layer in prunable(nn.Linear(3, 2))] == [6]


@pytest.mark.parametrize("which", ["include", "exclude"])
def test_an_unknown_layer_brings_the_nearest(model: nn.Module, which: str) -> None:
    with pytest.raises(InputError, match=r"unknown layer 'layr1.0.conv1': did you mean 'layer1"):
        prunable(model, **{which: ["layr1.0.conv1"]})


def test_a_network_without_such_layers_is_refused() -> None:
    with pytest.raises(InputError, match="model: expected at least one Conv or Linear layer"):
        prunable(nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3)))


def test_leaving_no_layer_is_refused(model: nn.Module) -> None:
    with pytest.raises(InputError, match="no layer is left to prune of 20; exclude fewer"):
        prunable(model, exclude=["conv", "linear"])
