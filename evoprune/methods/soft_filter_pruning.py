"""Soft filter pruning: filters are zeroed again and again while training goes on, and then cut.

Source: He et al., 2018, "Soft filter pruning for accelerating deep convolutional neural networks".
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.methods.filter_counts import Counts, Pruned, best_by_layer
from evoprune.network import filter_scores
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import Bits

EPOCHS, RATE = 5, 0.01


def soft_filter_pruning(
    space: FilterSpace,
    counts: Counts,
    *,
    train: Callable[..., Any],
    epochs: int,
    rng: np.random.Generator,
    passes: Passes,
    rate: float = RATE,
) -> Pruned:
    """Train on, and zero the weakest filters of each layer after each epoch; they may grow back.

    After the last epoch the filters that are zero are cut. A filter comes back if its gradient is
    not zero beside its weights: where BatchNorm shifts it, or a positive bias does.

    Args:
        space: of filters.
        counts: filters to keep, shape (layers,).
        train: called with the network, `epochs=1`, `rng`, `rate`, `schedule` and `passes`.
        epochs: of training.
        rng: draws the order of the images and their augmentation.
        passes: counter that takes the passes of the training: 3 an image and epoch, and a look at
            the search split, of which nothing is made.
        rate: of the first epoch; falls along half a cosine.

    Raises:
        InputError: if there is no epoch.

    Source: He et al., 2018, "Soft filter pruning", algorithm 1. differs: momentum begins anew in
    each epoch; the counts of the layers are given, not one rate for all.
    """
    if epochs < 1:
        raise InputError(f"epochs: expected at least 1, got {epochs}")
    model = copy.deepcopy(space.model)
    for epoch in range(epochs):
        falling = rate * (1 + math.cos(math.pi * epoch / epochs)) / 2
        train(model, epochs=1, rng=rng, rate=falling, schedule="plateau", passes=passes)
        mask = best_by_layer(space, filter_scores.l2(model, space.groups), counts)
        _zero(model, space, mask)
    return Pruned(mask, model)


def _zero(model: nn.Module, space: FilterSpace, mask: Bits) -> None:
    """Set the weights of removed filters to zero; their biases and norms stay, as in the paper."""
    parts = pairwise(space.offsets.tolist())
    with torch.no_grad():
        for group, (start, stop) in zip(space.groups, parts, strict=True):
            for maker in group.makers:
                removed = maker.places[~mask[start:stop][maker.channels]]
                weight: Any = model.get_submodule(maker.name).weight
                weight[torch.from_numpy(removed)] = 0.0
