"""Published ways to prune filters, at the very counts that a search has found.

Start reading at `filter_baseline`. Each takes either a total, or a count for each layer, such as
those of an evolved mask, and meets it exactly; no layer loses its last filter. So a mask is
compared both with what ranks all filters at once and with what only chooses within the layers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from evoprune.errors import InputError, unknown
from evoprune.methods.filter_counts import Kept, Pruned, best_by_layer, best_of_all, counts_of
from evoprune.methods.soft_filter_pruning import EPOCHS, RATE, soft_filter_pruning
from evoprune.methods.thinet import thinet
from evoprune.network import filter_scores
from evoprune.network.importance import Batches
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import Bits

FILTER_BASELINES = (
    *("l1-global", "l1-layer", "l2-global", "l2-layer"),
    *("apoz", "taylor", "random", "thinet", "soft-filter-pruning"),
)
GLOBAL = ("l1-global", "l2-global", "taylor")  # the others keep the counts a layer
OF_IMAGES = ("apoz", "taylor", "thinet")
DRAWING = ("random", "thinet", "soft-filter-pruning")


def filter_baseline(
    name: str,
    space: FilterSpace,
    kept: Kept,
    *,
    batches: Batches = (),
    rng: np.random.Generator | None = None,
    train: Callable[..., Any] | None = None,
    epochs: int = EPOCHS,
    rate: float = RATE,
    passes: Passes | None = None,
) -> Pruned:
    """Prune filters by a published method, to the counts asked for.

    Args:
        name: one of `FILTER_BASELINES`.
        space: of filters alone, without a corridor.
        kept: filters to keep: in all, or of each layer, shape (layers,). Of the counts a layer
            those that rank all filters at once (`GLOBAL`) take the sum; of a total the others make
            the same share of each layer, but "random", which draws from all.
        batches: pairs of normalised training images and labels, for those in `OF_IMAGES`.
        rng: for those in `DRAWING`.
        train: for "soft-filter-pruning": `functools.partial(train, dataset=data)`, with `train` of
            `network.training` and all its settings but those that follow.
        epochs: of soft filter pruning.
        rate: of its first epoch.
        passes: counter that takes the image passes that the choice costs.

    Returns:
        The mask, and a network of its own if its weights were changed.

    Raises:
        InputError: if the name is unknown, a count is out of range, something that the method needs
            is not given, or single weights are genes too.

    Source: l1: Li et al., 2017; l2: He et al., 2018, eq. 2; apoz: Hu et al., 2016; taylor:
    Molchanov et al., 2019; thinet: Luo et al., 2017; soft-filter-pruning: He et al., 2018. ours:
    random. differs: all but soft filter pruning prune all layers once, without training between.
    """
    _check(name, space, batches, rng, train)
    counts = counts_of(space, kept)
    passes = Passes() if passes is None else passes
    if name == "thinet":
        return thinet(space, counts, batches=batches, rng=rng, passes=passes)  # type: ignore[arg-type]
    if name == "soft-filter-pruning":
        return soft_filter_pruning(
            space,
            counts,
            train=train,  # type: ignore[arg-type]
            epochs=epochs,
            rate=rate,
            rng=rng,  # type: ignore[arg-type]
            passes=passes,
        )
    everywhere = name in GLOBAL or (name == "random" and np.ndim(kept) == 0)
    scores = _scores(name, space, batches, rng, passes)
    return Pruned((best_of_all if everywhere else best_by_layer)(space, scores, counts))


def random_search(
    space: FilterSpace,
    kept: Kept,
    evaluate: Callable[[Bits], float],
    *,
    draws: int,
    rng: np.random.Generator,
) -> Pruned:
    """Draw masks at random and return the best of them: what a search must be better than (ours).

    Args:
        space: of filters.
        kept: filters to keep: in all, or of each layer.
        evaluate: of a mask; the smaller, the better. It counts its own passes.
        draws: masks to evaluate, at least 1.
        rng: draws them; one that comes again is evaluated again.

    Raises:
        InputError: if a count is out of range or nothing is drawn.
    """
    if draws < 1:
        raise InputError(f"draws: expected at least 1, got {draws}")
    masks = [filter_baseline("random", space, kept, rng=rng).mask for _ in range(draws)]
    return Pruned(min(masks, key=evaluate))


def _scores(
    name: str,
    space: FilterSpace,
    batches: Batches,
    rng: np.random.Generator | None,
    passes: Passes,
) -> npt.NDArray[np.float64]:
    """Score every filter, higher = rather kept."""
    model, groups = space.model, space.groups
    if name == "apoz":
        return 1 - filter_scores.apoz(model, groups, batches, passes)
    if name == "taylor":
        return filter_scores.taylor(model, groups, batches, passes)
    if rng is not None and name == "random":
        return rng.random(space.size)
    return (filter_scores.l1 if name.startswith("l1") else filter_scores.l2)(model, groups)


def _check(
    name: str,
    space: FilterSpace,
    batches: Batches,
    rng: np.random.Generator | None,
    train: Callable[..., Any] | None,
) -> None:
    """Refuse what the method cannot work with, or without."""
    if name not in FILTER_BASELINES:
        raise unknown("filter baseline", name, FILTER_BASELINES)
    if len(space.groups) != len(space.layers):
        raise InputError(
            "space: expected filters alone, got single weights too; leave weights= out"
        )
    if name in OF_IMAGES and not batches:
        raise InputError(f"batches: {name} expects at least one of training images, got none")
    if name in DRAWING and rng is None:
        raise InputError(f"rng: {name} draws; give it a numpy Generator")
    if name == "soft-filter-pruning" and train is None:
        raise InputError(
            "train: soft-filter-pruning trains; give it "
            "functools.partial(evoprune.network.training.train, dataset=data)"
        )
