"""ThiNet: of each layer the channels are kept from which the next one's outputs are best rebuilt.

Source: Luo et al., 2017, "ThiNet: a filter level pruning method for deep neural network
compression". What it does for one layer is in `evoprune.network.reconstruction`.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import numpy as np

from evoprune.methods.filter_counts import Counts, Pruned
from evoprune.network import reconstruction, surgery
from evoprune.network.importance import Batches
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace


def thinet(
    space: FilterSpace,
    counts: Counts,
    *,
    batches: Batches,
    rng: np.random.Generator,
    passes: Passes,
    rescale: bool = True,
) -> Pruned:
    """Keep, layer after layer, the channels of which the layers that read them change least.

    Args:
        space: of filters.
        counts: filters to keep, shape (layers,).
        batches: pairs of normalised training images and labels.
        rng: draws the outputs that are to stay.
        passes: counter that takes 1 pass an image and layer under "guidance".
        rescale: whether the channels that stay are scaled to make up for the others.

    Source: Luo et al., 2017, sec. 3. differs: no fine-tuning between the layers; the outputs to
    reconstruct are those of the network as it is pruned so far, as in the paper.
    """
    model, mask = copy.deepcopy(space.model), np.ones(space.size, bool)
    parts = pairwise(space.offsets.tolist())
    for group, (start, stop), count in zip(space.groups, parts, counts, strict=True):
        so_far = surgery.apply(model, space.cut(mask), permanent=True)
        gram = reconstruction.gram(so_far, group, batches, rng=rng, passes=passes)
        mask[start:stop] = reconstruction.least_lost(gram, count)
        if rescale:
            scale = reconstruction.scales(gram, mask[start:stop])
            reconstruction.rescale(model, group, scale)
    return Pruned(mask, model if rescale else None)
