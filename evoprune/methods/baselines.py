"""One-shot pruning at any density: what every front is drawn beside."""

from __future__ import annotations

import numpy as np

from evoprune.errors import InputError, unknown
from evoprune.network.importance import importance
from evoprune.space.weights import Bits, WeightSpace

BASELINES = ("global-magnitude", "lamp", "layer-uniform", "random")
_SCORES = {"global-magnitude": "magnitude", "lamp": "lamp", "layer-uniform": "uniform"}


def baseline(
    name: str, space: WeightSpace, density: float, *, rng: np.random.Generator | None = None
) -> Bits:
    """Return the mask, bool, shape (size,), of a one-shot method at a density.

    Args:
        name: one of `BASELINES`.
        space: a space without a corridor.
        density: share of the weights to keep, 0 to 1; met to the weight.
        rng: needed by "random" alone.

    Raises:
        InputError: if the name is unknown or the density is out of range.
    """
    if name not in BASELINES:
        raise unknown("baseline", name, BASELINES)
    if not 0 <= density <= 1:
        raise InputError(f"density: expected a share from 0 to 1, got {density}")
    if name == "random":
        if rng is None:
            raise InputError("rng: the random baseline draws; give it a numpy Generator")
        scores = rng.random(space.size, dtype=np.float32)
    else:
        scores = importance(_SCORES[name], space.model, space.layers)
    mask = np.zeros(space.size, bool)
    order = np.lexsort((space.magnitudes, scores))  # scores that float32 cannot tell apart: by |w|
    mask[order[space.size - round(density * space.size) :]] = True
    return mask
