"""A candidate that is judged image by image, and may be given up when its fate is decided.

Images come in the order of their difficulty for the dense network: what a mask gets wrong is mostly
among the first of them, so that after few images little can still change.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch

from evoprune.evaluation.evaluator import blamed, key_of
from evoprune.evaluation.objectives import Candidate, at_least
from evoprune.space.genes import Bits

if TYPE_CHECKING:
    from evoprune.evaluation.fastpath import FastEvaluator


class Trial:
    """The judging of one individual, in a few rounds of images.

    Args:
        evaluator: with `early`; its cache, counters and images are used.
        individual: it is not changed.

    Attributes:
        low: the best objectives that are still possible; exact when `values` is set.
        values: the objectives, None while images are still to come.
    """

    def __init__(self, evaluator: FastEvaluator, individual: Any) -> None:
        self.evaluator, self.individual, self.key = evaluator, individual, key_of(individual)
        self.values: tuple[float, ...] | None = None
        self._outputs: list[torch.Tensor] = []
        self._statistics: list[torch.Tensor] | None = None
        passes = evaluator.passes
        passes["evaluations"] += 1
        passes["cached"] += self.key in evaluator.cache
        if self.key in evaluator.cache:
            self.low = self.values = evaluator.cache[self.key][: len(evaluator.objectives)]
            return
        with blamed(individual):
            mask = np.asarray(evaluator.decode(individual))
            self._packed, self._size = np.packbits(mask), len(mask)
            self.low = self._bound(None)

    @property
    def mask(self) -> Bits:
        """The mask over all weights; kept as bits, because a generation of trials is open at once.
        """  # noqa: D200
        return np.unpackbits(self._packed, count=self._size).view(np.bool_)

    @property
    def seen(self) -> int:
        """Images seen so far."""
        return sum(map(len, self._outputs))

    def advance(self) -> None:
        """Show the images of the next round; after the last one the values are there."""
        evaluator = self.evaluator
        if self.values is not None:
            return
        with blamed(self.individual):
            self._put()
            self._outputs.append(evaluator.run(evaluator.rounds()[len(self._outputs)]))
            if self.seen < len(evaluator.images):
                self.low = self._bound(torch.cat(self._outputs))
                return
            values, finite = evaluator.measure(self.mask, evaluator.in_order(self._outputs))
        evaluator.remember(self.key, values, finite)
        self.low = self.values = values[: len(evaluator.objectives)]

    def give_up(self) -> None:
        """Count the images that need not be shown any more, as "spared"."""
        evaluator = self.evaluator
        evaluator.passes["given up"] += 1
        evaluator.passes["spared"] += len(evaluator.images) - self.seen
        if evaluator.recalibration is not None and not self.seen:
            evaluator.passes["spared"] += evaluator.recalibration.images

    def _put(self) -> None:
        """Put the mask on, unless it is on; what was recalibrated once is not gathered again."""
        evaluator = self.evaluator
        network = evaluator.network
        if network.holder is self:
            return
        if self._statistics is not None:
            network.put_with(evaluator.masks(self.mask), self._statistics)
        else:
            self._statistics = evaluator.put(self.mask)
        network.holder = self

    def _bound(self, logits: torch.Tensor | None) -> tuple[float, ...]:
        """Return the best that is possible after the images seen so far."""
        evaluator = self.evaluator
        seen = 0 if logits is None else len(logits)
        labels = evaluator.labels[evaluator.order[:seen]]
        part = Candidate(
            self.mask, evaluator.space, labels, lambda: cast(torch.Tensor, logits), evaluator.macs
        )
        share = seen / len(evaluator.images)
        return tuple(at_least(objective, part, share) for objective in evaluator.objectives)
