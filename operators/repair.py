"""Repairs: bring an individual back to what the space allows, in place, without chance.

Each returns how many genes it changed, so that a caller can see whether the fitness still holds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from operators.genomes import BitString, RealVector
from operators.ranges import ordered


def floorLayers(
    ind: BitString, *, layers: ArrayLike, floor: int | ArrayLike, score: ArrayLike
) -> int:
    """Restore the highest scores of each layer that keeps fewer genes than its floor.

    An empty layer cuts the network in two, and nothing behind it can be evaluated.

    Args:
        ind: the individual, changed in place.
        layers: offsets of the layers in the genome, 0 ... n, shape [L + 1].
        floor: least number of genes kept, one or [L]; a smaller layer is kept whole.
        score: importance of each gene in any unit, shape [n], higher = restored first; of
            equal scores the first gene.

    Returns:
        Number of genes set.

    Source: ours.

    >>> mask = BitString([0, 0, 0, 1, 0])
    >>> floorLayers(mask, layers=[0, 3, 5], floor=1, score=[1, 3, 2, 1, 9]), mask
    (1, BitString('01010'))
    """
    offsets, importance = np.asarray(layers), np.asarray(score)
    floors = np.minimum(floor, np.diff(offsets))
    changed = 0
    for start, stop, least in zip(offsets[:-1], offsets[1:], floors, strict=True):
        kept = ind[start:stop]
        missing = int(least) - kept.count()
        if missing > 0:
            removed = start + np.flatnonzero(~kept.to_numpy())
            best = np.argsort(-importance[removed], kind="stable")[:missing]
            ind[removed[best]] = True
            changed += missing
    return changed


def clampBounds(ind: RealVector, low: ArrayLike, high: ArrayLike) -> int:
    """Move genes that are out of bounds to the bound they passed.

    Args:
        ind: the individual, changed in place.
        low: lower bounds, one or [n].
        high: upper bounds, one or [n].

    Returns:
        Number of genes moved.

    Raises:
        ValueError: if a lower bound is above the upper one, or either is NaN.

    >>> vector = RealVector([-0.5, 0.5, 1.5])
    >>> clampBounds(vector, 0, 1), vector
    (2, RealVector([0.0, 0.5, 1.0]))
    """
    ordered(low, high)
    clamped = np.clip(ind.array, low, high)
    changed = int((clamped != ind.array).sum())
    ind.array[:] = clamped
    return changed


def corridor(ind: BitString, support: ArrayLike | BitString, core: ArrayLike | BitString) -> int:
    """Clear what lies outside the support and set the core.

    Args:
        ind: the individual, changed in place.
        support: genes that may be 1, shape [n]; quickest as a BitString.
        core: genes that must be 1, shape [n], inside the support.

    Returns:
        Number of genes changed.

    >>> mask = BitString([1, 1, 0, 0])
    >>> corridor(mask, support=[0, 1, 1, 1], core=[0, 0, 0, 1]), mask
    (2, BitString('0101'))
    """
    allowed, fixed = (
        genes if isinstance(genes, BitString) else BitString.from_numpy(genes)
        for genes in (support, core)
    )
    if not len(ind) == len(allowed) == len(fixed):
        raise ValueError(
            f"corridor: expected a support and a core of {len(ind)} genes, got {len(allowed)} "
            f"and {len(fixed)}; make them from the same space"
        )
    repaired = (ind.packed & allowed.packed) | fixed.packed
    changed = int(np.bitwise_count(repaired ^ ind.packed).sum(dtype=np.int64))
    ind.packed[:] = repaired
    return changed
