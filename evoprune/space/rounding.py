"""Widths that hardware likes: channels are put back until each layer has a multiple of eight."""

from __future__ import annotations

import numpy as np

from evoprune.errors import InputError
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import Bits


def rounded(space: FilterSpace, mask: Bits, multiple: int) -> Bits:
    """Return a mask whose groups keep a multiple of so many channels, or all that they have.

    The most important of the removed channels come back. Single weights stay as they are.

    Args:
        space: that the mask is of; `importance` says which channels come back first.
        mask: bool, shape (size,).
        multiple: such as 8, at least 1.

    Raises:
        InputError: if the multiple is below 1.

    >>> from torch import nn
    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2)).eval()
    >>> space = FilterSpace(model, (1, 4, 4)).scored([1, 2, 3, 4])
    >>> rounded(space, np.array([True, False, False, False]), 2)
    array([ True, False, False,  True])
    """
    if multiple < 1:
        raise InputError(f"round-to: expected 1 or more, got {multiple}; write for example 8")
    mask, groups = mask.copy(), {group.name for group in space.groups}
    for layer, start, stop in zip(space.layers, space.offsets, space.offsets[1:], strict=False):
        if layer.name not in groups:
            continue
        removed = start + np.flatnonzero(~mask[start:stop])
        kept = layer.size - len(removed)
        best = np.argsort(-space.importance[removed], kind="stable")
        mask[removed[best[: -kept % multiple]]] = True
    return mask
