"""From layer thresholds to masks, and from two anchors to a corridor."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from evoprune.errors import InputError
from evoprune.space.genes import Bits, Corridor, GeneSpace


class ThresholdDecoder:
    """Decode one threshold a layer into a mask.

    A gene is a place in the ranking of *all* magnitudes of the network, 0 (nothing falls) to 1
    (everything falls): layer l keeps the weights whose rank is at least gene_l * size. Equal genes
    are therefore exactly global magnitude pruning, and since LAMP and layer-uniform pruning both
    cut each layer by magnitude, there are vectors that are exactly these.

    The unit is ours; the paper leaves it open. Thresholds in units of each layer's own deviation
    have no such points among them and ended below plain global magnitude.

    Args:
        space: a space without a corridor.

    Attributes:
        ranks: int, shape (size,); place of each weight by magnitude, ties by position.
    """

    def __init__(self, space: GeneSpace) -> None:
        self.space = space
        self.ranks = np.empty(space.size, np.int64)
        self.ranks[np.argsort(space.magnitudes, kind="stable")] = np.arange(space.size)

    def __call__(self, genome: object) -> Bits:
        """Return the mask, bool, shape (size,), of a threshold genome of one gene a layer."""
        genes = np.asarray(genome, np.float64)
        if len(genes) != len(self.space.layers):
            raise InputError(
                f"thresholds: expected {len(self.space.layers)} genes, one for each layer; "
                f"got {len(genes)}"
            )
        cuts = np.rint(np.clip(genes, 0, 1) * self.space.size)
        return self.space.floored(self.ranks >= np.repeat(cuts, np.diff(self.space.offsets)))

    def encode(self, mask: Bits) -> npt.NDArray[np.float64]:
        """Return the thresholds, shape (layers,), of a mask that cuts each layer by magnitude.

        The inverse of decoding for such masks; for others it is the cut at the smallest rank kept.
        """
        kept = np.where(mask, self.ranks, self.space.size)
        return np.minimum.reduceat(kept, self.space.offsets[:-1]) / self.space.size


def corridor_between(
    light: Bits,
    heavy: Bits,
    *,
    ranks: npt.ArrayLike,
    margin: float,
    core_margin: float | None = None,
) -> Corridor:
    """Open a corridor between a light and a heavy pruning of the same network.

    The *light* anchor removes few weights, the *heavy* one many. What the light anchor removes
    stays removed and what the heavy anchor keeps stays kept, but both walls are moved outwards by
    a margin, or guidance could not move at them: the `margin` share of removed weights that rank
    highest comes in, and the `core_margin` share of core weights that rank lowest is set free
    (ours).

    Args:
        light: bool, shape (size,); the mask that keeps more.
        heavy: bool, shape (size,); the mask that keeps less.
        ranks: shape (size,); the higher, the later a weight is removed.
        margin: 0 (walls at the anchors) to 1 (every gene is free).
        core_margin: the same for the inner wall; `margin` if None.

    Raises:
        InputError: if the light anchor is not lighter, or the margin is out of range.

    >>> light, heavy = np.array([0, 1, 1, 1], bool), np.array([0, 0, 0, 1], bool)
    >>> corridor_between(light, heavy, ranks=np.arange(4), margin=0.0).free.astype(int)
    array([0, 1, 1, 0])
    """
    core_margin = margin if core_margin is None else core_margin
    for share in (margin, core_margin):
        if not 0 <= share <= 1:
            raise InputError(f"margin: expected a share from 0 to 1, got {share}")
    if np.count_nonzero(light) <= np.count_nonzero(heavy):
        raise InputError(
            f"corridor: the light anchor must keep more than the heavy one; got "
            f"{np.count_nonzero(light)} and {np.count_nonzero(heavy)} of {len(light)} weights: "
            "swap them, or give phase 1 more generations"
        )
    ranks = np.asarray(ranks)
    support, core = light | heavy, light & heavy
    walls = ((support, ~support, True, margin), (core, core.copy(), False, core_margin))
    for wall, inside, highest, share in walls:
        places = np.flatnonzero(inside)
        order = places[np.argsort(ranks[places], kind="stable")]
        count = int(np.ceil(share * len(order)))
        chosen = order[len(order) - count :] if highest else order[:count]
        wall[chosen] = highest
    return Corridor(core=core, support=support)
