"""Which channels a layer can do without, if its outputs are to stay as they are: ThiNet.

An output of a layer is a sum over the channels that it reads. On some outputs, drawn at random,
`gram` takes down what each channel adds; `least_lost` removes channels so that the sum changes
least, and `scales` makes up for those removed by scaling those that stay.

Source: Luo et al., 2017, "ThiNet: a filter level pruning method for deep neural network
compression".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.func import functional_call

from evoprune.network.groups import Group, Member
from evoprune.network.importance import Batches
from evoprune.network.masks import modes_kept
from evoprune.passes import Passes

Matrix = npt.NDArray[np.float64]
Kept = npt.NDArray[np.bool_]


def gram(
    model: nn.Module,
    group: Group,
    batches: Batches,
    *,
    rng: np.random.Generator,
    passes: Passes,
    outputs: int = 10,
) -> Matrix:
    """Return X^T X, X holding what each channel adds to each of the outputs that were drawn.

    The error of removing channels, and the best scales of those that stay, ask for no more of X.

    Args:
        model: the network that the group is of, or one with the same module names; lent.
        group: of channels; the layers that read it are looked at, all of them alike.
        batches: pairs of normalised training images and labels.
        rng: draws the outputs.
        passes: counter that takes 1 pass an image under "guidance".
        outputs: drawn of each layer for an image; channel and place.

    Returns:
        float64, shape (group's size, group's size).

    Source: Luo et al., 2017, eq. 4 and sec. 3.2.1. differs: several layers may read the channels.
    """
    total = np.zeros((group.size, group.size))
    with torch.no_grad():
        for images, _ in batches:
            with _read(model, group.readers) as inputs:
                model(images)
            passes["guidance"] += len(images)
            for reader in group.readers:
                for values in inputs[reader.name]:
                    module = model.get_submodule(reader.name)
                    added = _added(module, reader, group.size, values, rng, outputs)
                    total += added.T @ added
    return total


def least_lost(gram: Matrix, count: int) -> Kept:
    """Remove channel after channel, each time the one without which least changes.

    Args:
        gram: X^T X; see `gram`.
        count: channels to keep.

    Returns:
        bool, shape (channels,); what is kept.

    Source: Luo et al., 2017, eq. 6 and algorithm 1: the square of the sum over all that is removed.

    >>> least_lost(np.array([[4.0, -4, 0], [-4, 4, 0], [0, 0, 5]]), 1)  # two that cancel out
    array([False, False,  True])
    """
    kept = np.ones(len(gram), bool)
    with_removed = np.zeros(len(gram))  # by channel, its products with the sum of those removed
    for _ in range(len(gram) - count):
        change = np.where(kept, gram.diagonal() + 2 * with_removed, np.inf)
        worst = int(np.argmin(change))
        kept[worst] = False
        with_removed += gram[worst]
    return kept


def scales(gram: Matrix, kept: Kept) -> Matrix:
    """Return by what each kept channel is multiplied, so that the sum is reconstructed best.

    Least squares, which ask for no more than the products in `gram`; 0 for what is removed. Of many
    solutions the one nearest to 1: a channel that added nothing to what was drawn stays as it is.

    Source: Luo et al., 2017, eq. 7.

    >>> scales(np.array([[1.0, 1], [1, 1]]), np.array([True, False]))  # the second is the first
    array([2., 0.])
    """
    scale = np.zeros(len(gram))
    missing = gram[np.ix_(kept, ~kept)].sum(1)
    scale[kept] = 1 + np.linalg.lstsq(gram[np.ix_(kept, kept)], missing, rcond=1e-10)[0]
    return scale


def rescale(model: nn.Module, group: Group, scale: Matrix) -> None:
    """Multiply, in place, the weights that read each channel of a group by the channel's scale."""
    with torch.no_grad():
        for reader in group.readers:
            weight: Any = model.get_submodule(reader.name).weight
            factors = torch.ones(weight.shape[1])
            factors[torch.from_numpy(reader.places)] = torch.from_numpy(scale).float()[
                torch.from_numpy(reader.channels)
            ]
            weight.mul_(factors.to(weight).view(1, -1, *[1] * (weight.ndim - 2)))


@contextmanager
def _read(model: nn.Module, readers: Sequence[Member]) -> Iterator[dict[str, list[torch.Tensor]]]:
    """Take down what some layers read during the block, in evaluation mode."""
    inputs: dict[str, list[torch.Tensor]] = {reader.name: [] for reader in readers}

    def note(name: str) -> Any:
        return lambda module, values: inputs[name].append(values[0])

    modules = [(name, model.get_submodule(name)) for name in inputs]
    hooks = [module.register_forward_pre_hook(note(name)) for name, module in modules]
    try:
        with modes_kept(model):
            model.eval()
            yield inputs
    finally:
        for hook in hooks:
            hook.remove()


def _added(
    module: Any,
    reader: Member,
    size: int,
    values: torch.Tensor,
    rng: np.random.Generator,
    outputs: int,
) -> Matrix:
    """Return what each channel adds to outputs that are drawn, shape (images * outputs, size)."""
    columns, chosen = [], None
    for channel in range(size):
        places = torch.from_numpy(reader.places[reader.channels == channel])
        part = _alone(module, values, places.to(values.device)).flatten(1)
        if chosen is None:
            drawn = rng.integers(0, part.shape[1], (len(part), outputs))
            chosen = torch.from_numpy(drawn).to(part.device)
        columns.append(part.gather(1, chosen).flatten())
    return torch.stack(columns, 1).double().cpu().numpy()


def _alone(module: Any, values: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return what a layer makes of some of the channels that it reads, without its bias."""
    tensors = {"weight": module.weight[:, places]}
    if module.bias is not None:
        tensors["bias"] = torch.zeros_like(module.bias)
    channels = -1 if isinstance(module, nn.Linear) else 1
    return functional_call(module, tensors, values.index_select(channels, places))
