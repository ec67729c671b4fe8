"""Compare masks of filters: each cut out, judged, fine-tuned alike, and judged again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from evoprune.methods.filter_counts import Pruned, counts_in
from evoprune.network.cost import macs_per_weight
from evoprune.network.datasets import Dataset
from evoprune.network.masks import batchnorms, recalibrate
from evoprune.network.surgery import shrink
from evoprune.network.training import error
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace


@dataclass(frozen=True)
class Compared:
    """What a mask came to.

    Attributes:
        name: of the method, as it was given.
        kept: filters of each layer.
        macs: share of the dense network's multiply-adds that is left, 0 to 1.
        params: share of its parameters, likewise.
        search_before: error on the search split of the network as it is cut, 0 to 1.
        test_before: on the test split.
        search_after: after fine-tuning.
        test_after: likewise.
        passes: image passes of the fine-tuning.
    """

    name: str
    kept: tuple[int, ...]
    macs: float
    params: float
    search_before: float
    test_before: float
    search_after: float
    test_after: float
    passes: int


def compare(
    space: FilterSpace,
    candidates: Mapping[str, Pruned],
    dataset: Dataset,
    *,
    finetune: Callable[..., Any],
    seed: int,
    calibration: Sequence[torch.Tensor] = (),
) -> Iterator[Compared]:
    """Cut, judge, fine-tune and judge each candidate; all of them see the same images in one order.

    Args:
        space: that the masks are of.
        candidates: masks, with networks of their own where weights were changed, by name.
        dataset: `search` and `test` judge.
        finetune: `network.training.train` with all it needs but the network, `rng` and `passes`,
            such as `functools.partial(train, dataset=dataset, epochs=5, rate=0.01)`.
        seed: of the order of the images and of their augmentation, anew for each candidate.
        calibration: batches of normalised training images over which BatchNorm's statistics are
            gathered for the cut network before it is judged first; none leaves them as they are.

    Yields:
        A row a candidate, as soon as it is there.
    """
    device = space.weights.device
    shape = tuple(dataset.train.images.shape[1:])
    uses = macs_per_weight(space.model, shape, space.carriers)
    for name, pruned in candidates.items():
        network = cut_out(space, pruned).to(device)
        if calibration and batchnorms(network):
            recalibrate(network, calibration, strength=1.0)
        before = _errors(network, dataset)
        passes = Passes()
        finetune(network, rng=np.random.default_rng(seed), passes=passes)
        after = _errors(network, dataset)
        yield Compared(
            name=name,
            kept=counts_in(space, pruned.mask),
            macs=space.macs(pruned.mask, uses),
            params=space.params(pruned.mask),
            search_before=before[0],
            test_before=before[1],
            search_after=after[0],
            test_after=after[1],
            passes=passes["training"],
        )


def cut_out(space: FilterSpace, pruned: Pruned) -> nn.Module:
    """Return the smaller network that a mask leaves, in evaluation mode."""
    model = space.model if pruned.model is None else pruned.model
    return shrink(model, space.cut(pruned.mask)).eval()


def _errors(network: nn.Module, dataset: Dataset) -> tuple[float, float]:
    """Return the errors on the search and the test split."""
    return error(network, dataset.search, dataset), error(network, dataset.test, dataset)
