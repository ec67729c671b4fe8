"""Measured latency as an objective: how long the network takes once a filter mask has cut it.

Multiply-adds say little of time: a convolution of 9 channels may take as long as one of 16. What a
machine does beside comes and goes, so the dense network runs in turn with each candidate, and only
the ratio of the two is measured anew.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.objectives import Candidate
from evoprune.network.latency import setting, timed
from evoprune.network.surgery import shrink
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import GeneSpace

Timer = Callable[..., npt.NDArray[np.float64]]


class Latency:
    """Time of a forward pass of the cut network, in milliseconds; an objective of filter masks.

    It is the time of the dense network, taken once, times the median of cut / dense over the runs.
    The networks are those that `surgery.shrink` makes, nothing folded, channels last in memory.
    Two calls for one mask differ a little; an evaluator asks once for each genome.

    Args:
        space: of filters; its network is copied.
        batch: images a pass; a network that answers single requests wants 1.
        runs: pairs of passes a candidate, after a few that are not timed.
        passes: counter that takes the images of all passes under "latency", apart from what is
            spent.
        timer: see `network.latency.timed`.

    Attributes:
        dense_ms: time of the dense network.
        setting: what a time is to be told with: batch size, threads, device, runs.

    Raises:
        InputError: if the space is one of weights, or batch or runs are below 1.

    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3), nn.Flatten())
    >>> space = FilterSpace(model, (1, 8, 8))
    >>> latency = Latency(space, batch=10, runs=5)
    >>> latency.setting["batch"], latency.of(np.array([1, 0, 0, 1], bool)) > 0
    (10, True)
    """

    __name__ = "latency_ms"

    def __init__(
        self,
        space: GeneSpace,
        *,
        batch: int = 100,
        runs: int = 20,
        passes: Passes | None = None,
        timer: Timer = timed,
    ) -> None:
        if not isinstance(space, FilterSpace):
            raise InputError(
                f"space: expected one of filters, got a {type(space).__name__}: a weight of zero "
                "takes as long as any other; write FilterSpace(model, image_shape)"
            )
        if batch < 1 or runs < 1:
            raise InputError(
                f"latency: expected batch and runs from 1 on; got batch={batch}, runs={runs}"
            )
        self.space, self.runs, self._timer = space, runs, timer
        self.passes = Passes() if passes is None else passes
        first = next(space.model.parameters())
        self._images = torch.zeros((batch, *space.image_shape), device=first.device)
        if self._images.ndim == 4:
            self._images = self._images.contiguous(memory_format=torch.channels_last)
        self._dense = self._laid_out(copy.deepcopy(space.model))
        self.setting: dict[str, Any] = setting(self._images, runs=runs)
        self.dense_ms = float(np.median(self._times([self._dense])))

    def __call__(self, candidate: Candidate) -> float:
        """Return the time of a candidate's cut network, in milliseconds."""
        return self.of(candidate.mask)

    def share(self, candidate: Candidate) -> float:
        """Return the time of a candidate's cut network as a share of the dense one's."""
        return self.of(candidate.mask) / self.dense_ms

    def of(self, mask: npt.NDArray[np.bool_]) -> float:
        """Return the time of the network that a mask over all genes leaves, in milliseconds."""
        cut = self._laid_out(shrink(self.space.model, self.space.cut(mask)))
        times = self._times([self._dense, cut])
        return self.dense_ms * float(np.median(times[:, 1] / times[:, 0]))

    def _times(self, networks: Sequence[nn.Module]) -> npt.NDArray[np.float64]:
        """Time networks in turn, shape (runs, networks), and count what went through them."""
        self.passes["latency"] += len(networks) * self.runs * len(self._images)
        return self._timer(networks, self._images, runs=self.runs)

    def _laid_out(self, network: nn.Module) -> nn.Module:
        """Bring a network's weights to the layout of the images."""
        channels_last = self._images.ndim == 4
        return network.to(memory_format=torch.channels_last) if channels_last else network
