"""One-shot pruning at any density: what every front is drawn beside."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch

from evoprune.errors import InputError, unknown
from evoprune.network.importance import Scores, lamp_of, rank_of
from evoprune.space.genes import Bits, GeneSpace

BASELINES = ("global-magnitude", "lamp", "layer-uniform", "random")
_SCORES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {  # of one layer's magnitudes
    "global-magnitude": torch.Tensor.abs,
    "lamp": lamp_of,
    "layer-uniform": rank_of,
}


def baseline(
    name: str, space: GeneSpace, density: float, *, rng: np.random.Generator | None = None
) -> Bits:
    """Return the mask, bool, shape (size,), of a one-shot method at a density.

    The magnitude of a filter is the norm of its weights; see the space.

    Args:
        name: one of `BASELINES`.
        space: a space without a corridor.
        density: share of the genes to keep, 0 to 1; met to the gene, but where a layer would lose
            all its filters.
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
        scores = _by_layer(_SCORES[name], space)
    mask = np.zeros(space.size, bool)
    order = np.lexsort((space.magnitudes, scores))  # scores that float32 cannot tell apart: by |w|
    mask[order[space.size - round(density * space.size) :]] = True
    return space.floored(mask)


def _by_layer(score: Callable[[torch.Tensor], torch.Tensor], space: GeneSpace) -> Scores:
    """Score the genes of each layer by their magnitudes."""
    magnitudes = torch.from_numpy(np.asarray(space.magnitudes, np.float32))
    parts = [score(magnitudes[start:stop]) for start, stop in pairwise(space.offsets.tolist())]
    return np.asarray(torch.cat(parts).float().numpy(), np.float32)
