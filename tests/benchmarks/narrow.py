"""Filters: a candidate cut narrow against the same candidate masked.

ResNet-56, the first convolution of each block, 1,008 filters; every n-th one goes. Both sides give
the same outputs. Beside it stand the plain masked network and the masked network of the fast path,
whose BatchNorm is folded. Weights and images are random, which takes as long.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from timing import Row, compare

from evoprune.evaluation.evaluator import Evaluator
from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.network import models
from evoprune.space.filters import FilterSpace
from evoprune.space.weights import WeightSpace

KEPT = (1.0, 0.75, 0.5, 0.25)
AIM = 2.0  # times, at half of the filters
APART = 1e-5  # of the largest output


def rows(*, quick: bool) -> Iterator[Row]:
    """Time the narrow network beside both masked ones, share by share."""
    torch.set_flush_denormal(True)
    name, count, rounds = ("resnet20", 10, 1) if quick else ("resnet56", 200, 9)
    rng = torch.Generator().manual_seed(0)
    images, labels = torch.randn(count, 3, 32, 32, generator=rng), torch.zeros(count).long()
    model = models.build(name)
    space = FilterSpace(model, (3, 32, 32))
    narrow = FastEvaluator(space, images, labels)
    plain = Evaluator(space, images, labels)
    folded = FastEvaluator(WeightSpace(model), images, labels)
    for kept in KEPT:
        mask = spread(space, kept)
        weights = space.weight_mask(mask)
        for words, masked, full in (
            ("masked, plain evaluator", plain, mask),
            ("masked, fast path", folded, weights),
        ):
            yield compare(
                f"filters: narrow against masked, {kept:g} kept, {name}",
                (f"cut network, {count} images", lambda m=mask: narrow.logits(m)),
                (words, lambda e=masked, m=full: e.logits(m)),
                agree=alike, rounds=rounds, at_least=AIM if kept == 0.5 else None,
                note=f"{space.macs(mask, narrow.macs):.2f} of the multiply-adds; "
                f"batch {narrow.batch}",
            )  # fmt: skip


def spread(space: FilterSpace, kept: float) -> npt.NDArray[np.bool_]:
    """Return a mask that keeps a share of the filters, evenly spread over each layer."""
    places = np.arange(space.size)
    return np.floor((places + 1) * kept) > np.floor(places * kept)


def alike(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Tell whether outputs differ by rounding alone."""
    return float((ours - theirs).abs().max()) <= APART * float(theirs.abs().max())
