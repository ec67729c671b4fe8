"""Scores of filters: a number a channel of each group, asked once of the dense network.

Each function returns one flat array over the channels of the groups, in their order; the higher,
the more a channel matters. `apoz` alone is named for the contrary. A group that several layers
make, across an addition, has all their filters for a channel: what is measured of each is added up.
Scores that look at images take training images; never test ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.network.groups import Group, Member
from evoprune.network.importance import Batches, gradients
from evoprune.network.layers import Layer
from evoprune.network.masks import modes_kept
from evoprune.passes import Passes

Scores = npt.NDArray[np.float64]


def l1(model: nn.Module, groups: Sequence[Group]) -> Scores:
    """Score each channel by the sum of the magnitudes |w| of its filter's weights.

    Source: Li et al., 2017, "Pruning filters for efficient ConvNets", sec. 3.1.

    >>> from evoprune.network.groups import channel_groups
    >>> model = nn.Sequential(nn.Conv2d(1, 2, 1), nn.Flatten(), nn.Linear(2, 2))
    >>> with torch.no_grad():
    ...     _ = model[0].weight.copy_(torch.tensor([-3.0, 1.0]).view(2, 1, 1, 1))
    >>> l1(model, channel_groups(model, (1, 1, 1))[0])
    array([3., 1.])
    """
    return _of_filters(model, groups, torch.Tensor.abs)


def l2(model: nn.Module, groups: Sequence[Group]) -> Scores:
    """Score each channel by the root of the sum of the squares of its filter's weights.

    Source: He et al., 2018, "Soft filter pruning", eq. 2, with p = 2.
    """
    return np.sqrt(_of_filters(model, groups, torch.Tensor.square))


def taylor(model: nn.Module, groups: Sequence[Group], batches: Batches, passes: Passes) -> Scores:
    """Score each channel by (sum of g w)^2 over its filter's weights, mean over the batches.

    g is the gradient of the cross-entropy: the sum is what the loss changes by, to first order,
    without the filter.

    Args:
        model: the dense network; lent.
        groups: of its channels.
        batches: pairs of normalised training images and labels.
        passes: counter that takes 3 passes an image under "guidance".

    Source: Molchanov et al., 2019, "Importance estimation for neural network pruning", eq. 8.
    differs: of a trained network that stands still, once, not in turn with its training.
    """
    makers = list(dict.fromkeys(maker.name for group in groups for maker in group.makers))
    layers = [_layer(model, name) for name in makers]
    total = np.zeros(sum(group.size for group in groups))
    for batch in batches:
        flat = torch.from_numpy(gradients(model, layers, [batch], passes, square=False))
        parts = dict(zip(makers, flat.split([layer.size for layer in layers]), strict=True))
        total += _added(groups, partial(_first_order, model, parts)) ** 2
    return total / max(1, len(batches))


def apoz(model: nn.Module, groups: Sequence[Group], batches: Batches, passes: Passes) -> Scores:
    """Return each channel's average percentage of zeros behind its activation, as a share, 0 to 1.

    A channel that is nearly always zero says little. The fewest zeros are to be kept.

    Args:
        model: the dense network; lent.
        groups: of its channels.
        batches: pairs of normalised training images and labels.
        passes: counter that takes 1 pass an image under "guidance".

    Source: Hu et al., 2016, "Network trimming", eq. 1. differs: counted where a later layer reads
    the channel, which is behind pooling if there is any; training images, not validation ones.
    """
    zeros = [np.zeros(group.size) for group in groups]
    seen = [np.zeros(group.size) for group in groups]
    with ExitStack() as stack, torch.no_grad():
        stack.enter_context(modes_kept(model))
        model.eval()
        for group, absent, all_ in zip(groups, zeros, seen, strict=True):
            for reader in group.readers:
                hook = partial(_count_zeros, reader, absent, all_)
                module = model.get_submodule(reader.name)
                stack.callback(module.register_forward_pre_hook(hook).remove)
        for images, _ in batches:
            model(images)
            passes["guidance"] += len(images)
    return np.concatenate(zeros) / np.maximum(np.concatenate(seen), 1)


def _channels_first(values: torch.Tensor, module: nn.Module) -> torch.Tensor:
    """Return what a layer reads or writes with its channels before the images and all the rest."""
    return values.movedim(-1 if isinstance(module, nn.Linear) else 1, 0)


def _count_zeros(
    reader: Member, zeros: Scores, seen: Scores, module: nn.Module, inputs: tuple[torch.Tensor]
) -> None:
    """Add the zeros of one call, and how many values there were; a forward pre-hook."""
    values = _channels_first(inputs[0], module).flatten(1)
    count = (values == 0).sum(1).cpu().numpy()
    np.add.at(zeros, reader.channels, count[reader.places])
    np.add.at(seen, reader.channels, values.shape[1])


def _of_filters(
    model: nn.Module, groups: Sequence[Group], each: Callable[[torch.Tensor], torch.Tensor]
) -> Scores:
    """Add up what a function makes of each weight of a channel's filters."""

    def of(maker: Member) -> torch.Tensor:
        weight: Any = model.get_submodule(maker.name).weight
        return each(weight.detach().double()).flatten(1).sum(1)

    return _added(groups, of)


def _first_order(
    model: nn.Module, gradients: dict[str, torch.Tensor], maker: Member
) -> torch.Tensor:
    """Return the sum of g w over each filter of a layer."""
    weight: Any = model.get_submodule(maker.name).weight
    products = gradients[maker.name].double().view(weight.shape) * weight.detach().cpu().double()
    return products.flatten(1).sum(1)


def _added(groups: Sequence[Group], of: Callable[[Member], torch.Tensor]) -> Scores:
    """Add up a number a filter of each maker by the channel that the filter makes."""
    sums = []
    for group in groups:
        total = np.zeros(group.size)
        for maker in group.makers:
            np.add.at(total, maker.channels, of(maker).cpu().numpy()[maker.places])
        sums.append(total)
    return np.concatenate(sums)


def _layer(model: nn.Module, name: str) -> Layer:
    module: Any = model.get_submodule(name)
    kind = "linear" if isinstance(module, nn.Linear) else "conv"
    return Layer(name, module, kind, module.weight.numel())
