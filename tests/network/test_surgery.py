"""Cutting a network: smaller, or with zeros, and the original as it was."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.groups import channel_groups
from evoprune.network.surgery import Cut, Kept, apart, apply, cut_of, parameter_masks, shrink


@pytest.fixture
def cut(model: nn.Module) -> Cut:
    """Channels 0 and 2 of three, and 1 and 3 of four."""
    groups, _ = channel_groups(model, (1, 8, 8))
    return cut_of(groups, [np.array([1, 0, 1], bool), np.array([0, 1, 0, 1], bool)])


def test_a_cut_says_what_stays_of_each_side_of_each_module(cut: Cut) -> None:
    assert {name: (kept.outputs, kept.inputs) for name, kept in cut.items()}.keys() == {
        "0", "1", "3", "4", "8",
    }  # fmt: skip
    assert cut["3"].outputs is not None
    assert cut["3"].inputs is not None
    assert (cut["3"].outputs.tolist(), cut["3"].inputs.tolist()) == ([1, 3], [0, 2])
    assert cut["8"].inputs is not None
    assert cut["8"].inputs.tolist() == [4, 5, 6, 7, 12, 13, 14, 15]


def test_the_smaller_network_is_plain_and_says_its_sizes(model: nn.Module, cut: Cut) -> None:
    small = shrink(model, cut)
    assert repr(small[3]).startswith("Conv2d(2, 2")
    assert small[4].num_features == 2
    assert (small[8].in_features, small[8].out_features) == (8, 5)
    assert small[3].weight.shape == (2, 2, 3, 3)
    assert not small[3]._forward_pre_hooks


def test_the_smaller_network_computes_what_the_zeroed_one_does(
    model: nn.Module, cut: Cut, images: torch.Tensor
) -> None:
    with torch.no_grad():
        assert torch.allclose(shrink(model, cut)(images), apply(model, cut)(images), atol=1e-6)
    assert apart(model, cut, (1, 8, 8)) < 1e-6


def test_a_removed_channel_is_silent_behind_its_norm(
    model: nn.Module, cut: Cut, images: torch.Tensor
) -> None:
    with torch.no_grad():
        behind = apply(model, cut)[:2](images)
    assert (behind[:, 1] == 0).all()
    assert (behind[:, [0, 2]] != 0).any()


def test_zeroing_leaves_masks_that_training_goes_on_under(model: nn.Module, cut: Cut) -> None:
    zeroed = apply(model, cut)
    assert zeroed[3].weight_mask.sum() == 2 * 2 * 9
    assert torch.equal(zeroed[3].weight_orig, model[3].weight)


def test_permanent_zeros_are_plain_parameters(model: nn.Module, cut: Cut) -> None:
    zeroed = apply(model, cut, permanent=True)
    assert zeroed.state_dict().keys() == model.state_dict().keys()
    assert int((zeroed[3].weight != 0).sum()) == 2 * 2 * 9


def test_neither_touches_the_network(model: nn.Module, cut: Cut) -> None:
    before = copy.deepcopy(model.state_dict())
    shrink(model, cut)[0].weight.data.zero_()
    apply(model, cut, permanent=True)[0].weight.data.zero_()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_single_weights_are_zero_in_both(model: nn.Module, images: torch.Tensor) -> None:
    mask = torch.rand((5, 16), generator=torch.Generator().manual_seed(0)) < 0.5
    cut = {"8": Kept(weights=mask)}
    assert torch.equal(shrink(model, cut)[8].weight, model[8].weight * mask)
    assert torch.equal(apply(model, cut)[8].weight, model[8].weight * mask)
    assert torch.equal(parameter_masks(model[8], cut["8"])["bias"], torch.ones(5, dtype=bool))


def test_a_depthwise_convolution_is_cut_with_its_groups() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.PReLU(4), nn.Conv2d(4, 2, 1)
    )
    groups, _ = channel_groups(nn.Sequential(model, nn.Flatten()), (1, 6, 6))
    cut = cut_of(groups, [np.array([1, 0, 0, 1], bool)])
    small = shrink(nn.Sequential(model, nn.Flatten()), cut)[0]
    assert (small[1].groups, small[1].in_channels, small[1].out_channels) == (2, 2, 2)
    assert small[2].num_parameters == 2
    assert small(torch.ones(1, 1, 6, 6)).shape == (1, 2, 4, 4)


def test_a_module_that_is_not_there_is_refused(model: nn.Module) -> None:
    with pytest.raises(InputError, match="unknown module 'conv3'"):
        shrink(model, {"conv3": Kept()})


def test_a_norm_without_numbers_of_its_own_is_cut_by_its_statistics() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.BatchNorm2d(4, affine=False), nn.Conv2d(4, 2, 1), nn.Flatten()
    ).eval()
    groups, _ = channel_groups(model, (1, 3, 3))
    cut = cut_of(groups, [np.array([1, 0, 0, 1], bool)])
    assert shrink(model, cut)[1].num_features == 2
    assert apart(model, cut, (1, 3, 3)) < 1e-6
