"""Putting a mask on a lent network, renewing its statistics, and giving it back."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from evoprune.network.masks import (
    batch_statistics,
    batchnorms,
    buffers_kept,
    masked,
    modes_kept,
    recalibrate,
)


def weights_of(model: nn.Module) -> list[nn.Parameter]:
    return [model[place].weight for place in (0, 3, 8)]


def random_masks(model: nn.Module) -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return [torch.rand(weight.shape, generator=rng) < 0.5 for weight in weights_of(model)]


def test_inside_the_block_the_weights_are_multiplied_by_their_masks(model: nn.Module) -> None:
    masks = random_masks(model)
    expected = [w.detach() * m for w, m in zip(weights_of(model), masks, strict=True)]
    with masked(weights_of(model), masks):
        pairs = zip(weights_of(model), expected, strict=True)
        assert all(torch.equal(weight, plain) for weight, plain in pairs)


def test_the_weights_come_back_to_the_bit(model: nn.Module, unchanged: Any) -> None:
    with unchanged(model), masked(weights_of(model), random_masks(model)):
        pass


def test_the_weights_come_back_from_an_exception(model: nn.Module, unchanged: Any) -> None:
    with unchanged(model), pytest.raises(KeyError, match="inside"):  # noqa: SIM117
        with masked(weights_of(model), random_masks(model)):
            raise KeyError("inside")


def test_a_mask_of_another_shape_leaves_the_weights_as_they_were(
    model: nn.Module, unchanged: Any
) -> None:
    masks = random_masks(model)
    masks[2] = torch.ones(7, 7)
    with unchanged(model), pytest.raises(RuntimeError, match="size of tensor"):  # noqa: SIM117
        with masked(weights_of(model), masks):
            pass


def test_a_missing_mask_leaves_the_weights_as_they_were(model: nn.Module, unchanged: Any) -> None:
    with unchanged(model), pytest.raises(ValueError, match="shorter"):  # noqa: SIM117
        with masked(weights_of(model), random_masks(model)[:2]):
            pass


def test_infinite_weights_come_back(model: nn.Module) -> None:
    with torch.no_grad():
        model[0].weight[0, 0, 0, 0] = float("inf")
    with masked(weights_of(model), [torch.zeros_like(weight) for weight in weights_of(model)]):
        pass
    assert model[0].weight[0, 0, 0, 0] == float("inf")


def test_every_modules_own_mode_comes_back(model: nn.Module, unchanged: Any) -> None:
    model.train()
    model[4].eval()
    with unchanged(model), modes_kept(model):
        model.eval()
        model[4].train()


def test_buffers_come_back(model: nn.Module, images: torch.Tensor, unchanged: Any) -> None:
    model.train()
    with unchanged(model), buffers_kept(model), torch.no_grad():
        model(images)
        assert model[1].num_batches_tracked == 8


def test_batchnorms_without_running_statistics_are_passed_over() -> None:
    kept, none = nn.BatchNorm2d(2), nn.BatchNorm2d(2, track_running_stats=False)
    assert batchnorms(nn.Sequential(kept, none, nn.GroupNorm(1, 2))) == [kept]


def test_with_batch_statistics_each_channel_is_normalised_by_the_batch(
    model: nn.Module, images: torch.Tensor
) -> None:
    mixed = model[0](images).detach()
    mean, variance = mixed.mean((0, 2, 3)), mixed.var((0, 2, 3), correction=0)
    scale, shift = model[1].weight.detach(), model[1].bias.detach()
    centred = (mixed - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
    expected = centred * scale[:, None, None] + shift[:, None, None]
    with batch_statistics(model, momentum=0.0):
        torch.testing.assert_close(model[1](mixed).detach(), expected)


def test_batch_statistics_at_momentum_0_leave_the_running_ones(
    model: nn.Module, images: torch.Tensor
) -> None:
    before = model[1].running_mean.clone(), model[1].running_var.clone()
    with batch_statistics(model, momentum=0.0):
        model(images)
    assert torch.equal(model[1].running_mean, before[0])
    assert torch.equal(model[1].running_var, before[1])


def test_under_batch_statistics_dropout_stays_off(images: torch.Tensor) -> None:
    model = nn.Sequential(nn.BatchNorm2d(1), nn.Dropout(0.5)).train()
    with batch_statistics(model, momentum=0.0):
        assert model[0].training
        assert not model[1].training
    assert model[1].training


def test_modes_and_momenta_come_back_from_an_exception(model: nn.Module, unchanged: Any) -> None:
    with unchanged(model), pytest.raises(KeyError, match="inside"):  # noqa: SIM117
        with batch_statistics(model, momentum=None):
            raise KeyError("inside")


def test_recalibration_averages_the_statistics_of_all_batches_alike(
    model: nn.Module, images: torch.Tensor
) -> None:
    batches = [images[:12], images[12:]]
    with torch.no_grad():
        mixed = [model[0](batch) for batch in batches]
    mean = sum(each.mean((0, 2, 3)) for each in mixed) / 2
    variance = sum(each.var((0, 2, 3)) for each in mixed) / 2
    recalibrate(model, batches, strength=1.0)
    torch.testing.assert_close(model[1].running_mean, mean)
    torch.testing.assert_close(model[1].running_var, variance)


def test_strength_0_keeps_the_old_statistics_to_the_bit(
    model: nn.Module, images: torch.Tensor
) -> None:
    before = copy.deepcopy(model)
    recalibrate(model, [images], strength=0.0)
    for place in (1, 4):
        assert torch.equal(model[place].running_mean, before[place].running_mean)
        assert torch.equal(model[place].running_var, before[place].running_var)


def test_strength_in_between_mixes_them(model: nn.Module, images: torch.Tensor) -> None:
    whole, old = copy.deepcopy(model), model[4].running_var.clone()
    recalibrate(whole, [images], strength=1.0)
    recalibrate(model, [images], strength=0.25)
    torch.testing.assert_close(model[4].running_var, 0.25 * whole[4].running_var + 0.75 * old)


def test_a_network_without_batchnorm_is_recalibrated_to_itself(images: torch.Tensor) -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2)).eval()
    before = model(images)
    recalibrate(model, [images], strength=1.0)
    assert torch.equal(model(images), before)
