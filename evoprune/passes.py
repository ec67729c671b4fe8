"""The one budget: image passes. A forward pass of one image is 1, forward with backward is 3."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

KINDS = ("fitness", "guidance", "recalibration", "training")


class Passes(Counter[str]):
    """Image passes by kind, and the seconds spent in them.

    `KINDS` are the kinds that cost; "spared" are those that were not needed, because a candidate's
    fate was decided. "evaluations" counts candidates, "cached" those of them that cost nothing,
    "given up" those not judged to the end, and "not finite" those whose logits were not finite.
    "repaired" counts filters that were put back because a layer would have lost all of its, and
    genes that were because a head would have.

    >>> passes = Passes()
    >>> passes["guidance"] += 3 * 128
    >>> passes["cached"] += 1
    >>> passes.spent()
    384
    """

    seconds = 0.0

    def spent(self) -> int:
        """Return all passes that cost."""
        return sum(self[kind] for kind in KINDS)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add the time of the block, one of forward and backward passes, to `seconds`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds += time.perf_counter() - began
