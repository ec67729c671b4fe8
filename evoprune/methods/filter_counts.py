"""How many filters stay: in all or by layer, met exactly, and never none of a layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from torch import nn

from evoprune.errors import InputError
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import Bits, GeneSpace

Kept = int | Sequence[int]
Counts = Sequence[int] | npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pruned:
    """A mask, and the network that it is of.

    Args:
        mask: bool, shape (size,).
        model: the network to cut: one of its own where a method changes weights too; None for that
            of the space.
    """

    mask: Bits
    model: nn.Module | None = None


def counts_of(space: FilterSpace, kept: Kept) -> npt.NDArray[np.int64]:
    """Return how many filters to keep of each layer, shape (layers,).

    A total becomes about the same share of each layer: filter by filter is given to the layer whose
    share would be the smallest even with half of it.

    Args:
        space: of filters; its floor holds.
        kept: in all, or of each layer.

    Raises:
        InputError: if a count is out of range, or there is not one for each layer.
    """
    sizes = np.diff(space.offsets)
    floors = np.minimum(space.floor, sizes)
    given = np.asarray(kept, np.int64)
    if given.ndim == 0:
        if not floors.sum() <= given <= sizes.sum():
            raise InputError(
                f"kept: expected {floors.sum()} to {sizes.sum()} filters in all, got {kept}"
            )
        counts = floors.copy()
        for _ in range(int(given) - int(floors.sum())):
            share = np.where(counts < sizes, (counts + 0.5) / sizes, np.inf)
            counts[np.argmin(share)] += 1
        return counts
    if given.shape != sizes.shape or (given < floors).any() or (given > sizes).any():
        ranges = ", ".join(f"{low} to {high}" for low, high in zip(floors, sizes, strict=True))
        raise InputError(
            f"kept: expected a count for each of {len(sizes)} layers ({ranges}), "
            f"got {', '.join(map(str, given.ravel()))}"
        )
    return given


def counts_in(space: GeneSpace, mask: Bits) -> tuple[int, ...]:
    """Return how many filters a mask keeps of each layer."""
    return tuple(np.add.reduceat(mask.astype(np.int64), space.offsets[:-1]).tolist())


def best_by_layer(space: GeneSpace, scores: npt.ArrayLike, counts: Counts) -> Bits:
    """Return the mask that keeps the highest scores of each layer; of equal ones the first.

    Args:
        space: of filters.
        scores: shape (size,).
        counts: filters to keep, shape (layers,).
    """
    mask, order = np.zeros(space.size, bool), np.asarray(scores)
    for (start, stop), count in zip(pairwise(space.offsets.tolist()), counts, strict=True):
        mask[start + np.argsort(-order[start:stop], kind="stable")[:count]] = True
    return mask


def best_of_all(space: FilterSpace, scores: npt.ArrayLike, counts: Counts) -> Bits:
    """Return the mask that keeps the highest scores wherever they are, and each layer's floor.

    Args:
        space: of filters.
        scores: shape (size,).
        counts: filters to keep, shape (layers,); their sum is met.
    """
    floors = np.minimum(space.floor, np.diff(space.offsets))
    safe = best_by_layer(space, scores, floors)
    order = np.lexsort((-np.asarray(scores), ~safe))
    mask = np.zeros(space.size, bool)
    mask[order[: int(np.sum(counts))]] = True
    return mask
