"""Channels that single zeros have left without use, so that they can be taken out as a whole.

Where single weights were removed, a filter may stand there whose output nobody reads any more, or
whose every weight is gone. Start reading at `unused`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.network.groups import Group, Member, channel_groups
from evoprune.network.masks import modes_kept
from evoprune.network.surgery import Kept, cut_of

Bits = npt.NDArray[np.bool_]


def unused(model: nn.Module, images: torch.Tensor) -> dict[str, Kept]:
    """Return the cut that takes out what a network of zeros does not need; empty if it needs all.

    A channel goes if all weights that read it are zero, or if it is zero itself: all weights that
    make it are, so that it says the same of any image, and of these images it says nothing. What
    has gone reads nothing any more, which is why others may follow it.

    Args:
        model: the network with its zeros; lent.
        images: a few, normalised, shape (images, channels, height, width).

    Raises:
        InputError: if the network cannot be followed.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)).eval()
    >>> with torch.no_grad():
    ...     _ = model[2].weight[0, 1].zero_()
    >>> unused(model, torch.ones(1, 2))["0"].outputs
    array([0, 2])
    """
    groups, _ = channel_groups(model, tuple(images.shape[1:]))
    heard = _heard(model, groups, images)
    kept = [np.ones(group.size, bool) for group in groups]
    while True:
        cut = cut_of(groups, kept)
        needed = [
            _at_least_one(_read(group, cut) & (_fed(group, cut) | some), old)
            for group, some, old in zip(groups, heard, kept, strict=True)
        ]
        if all(map(np.array_equal, needed, kept)):
            break
        kept = needed
    return cut if any(not channels.all() for channels in kept) else {}


def _at_least_one(needed: Bits, kept: Bits) -> Bits:
    """Leave a group that needs none of its channels the first one."""
    needed = needed & kept
    if not needed.any():
        needed[np.flatnonzero(kept)[0]] = True
    return needed


def _read(group: Group, cut: dict[str, Kept]) -> Bits:
    """Tell which channels of a group any weight reads that is left and not zero."""
    read = np.zeros(group.size, bool)
    for reader in group.readers:
        into: Bits = np.any(_alive(reader, cut[reader.name].outputs, None), axis=0)
        np.logical_or.at(read, reader.channels, into[reader.places])
    return read


def _fed(group: Group, cut: dict[str, Kept]) -> Bits:
    """Tell which channels of a group depend on anything that is left."""
    fed = np.zeros(group.size, bool)
    for maker in group.makers:
        out: Bits = np.any(_alive(maker, None, cut[maker.name].inputs), axis=1)
        np.logical_or.at(fed, maker.channels, out[maker.places])
    return fed


def _alive(
    member: Member, outputs: npt.NDArray[np.int64] | None, inputs: npt.NDArray[np.int64] | None
) -> Bits:
    """Return from which input of a layer a weight other than zero leads to which output."""
    weight: Any = member.module.weight.detach().cpu()
    alive = (weight != 0).flatten(2).any(2).numpy() if weight.ndim > 2 else (weight != 0).numpy()
    alive = alive if outputs is None else alive[outputs]
    return alive if inputs is None else alive[:, inputs]


def _heard(model: nn.Module, groups: Sequence[Group], images: torch.Tensor) -> list[Bits]:
    """Tell which channels of each group are not zero where they are read, on the images."""
    heard = [np.zeros(group.size, bool) for group in groups]
    with ExitStack() as stack:
        stack.enter_context(modes_kept(model))
        stack.enter_context(torch.no_grad())
        model.eval()
        for group, channels in zip(groups, heard, strict=True):
            for reader in group.readers:
                hook = partial(_listen, reader, channels)
                stack.callback(reader.module.register_forward_pre_hook(hook).remove)
        model(images)
    return heard


def _listen(reader: Member, heard: Bits, module: nn.Module, inputs: Any) -> None:
    """Note which inputs of a layer are not zero; a forward pre-hook."""
    values = inputs[0] if isinstance(module, nn.Linear) else inputs[0].movedim(1, -1)
    loud = (values != 0).flatten(0, -2).any(0).cpu().numpy()
    np.logical_or.at(heard, reader.channels, loud[reader.places])
