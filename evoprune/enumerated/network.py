"""A network with all its masks: every question about one mask, or about all, is a look-up.

Mask number i holds the bits of i, gene 0 in the highest: number 0 keeps nothing, the last one
everything. Both objectives are minimised: the error, and the multiply-adds as a share of the dense
network's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoprune.errors import InputError, unknown
from evoprune.search import indicators
from operators.genomes import BitString
from operators.layout import Layout

Floats = NDArray[np.float64]
WORST = (1.0, 1.0)  # the reference of every hypervolume here: all wrong, nothing saved
ROUNDING = 1e-12  # of a hypervolume


@dataclass(frozen=True, eq=False)
class EnumeratedNetwork:
    """Answer for all masks of a small network, from tables that were measured once.

    Attributes:
        name: as given to `load`.
        layout: what an operator may ask of the genes: layers, importance (mean |w| of a gene).
        images: number of images in each split, "search" and "test".
        wrong: wrong answers of each mask by split, uint16, shape (masks,).
        soft_error: mean of 1 - p, p the probability of the true class, by split, float32.
        cost: multiply-adds of each mask for one image, uint32, shape (masks,).
        loss: mean cross-entropy of each mask on the training images, float32, or None.
        first_order: what `saliency` looks up, float16, shape (masks, genes), or None.
        weights: trained parameters by name, float32, to build the network again.

    >>> from evoprune.enumerated import load
    >>> network = load("filters")
    >>> network.genes, network.names, network.evaluate([0] * 16)[1]
    (16, ('conv1', 'conv2', 'conv3'), 0.0)
    """

    name: str
    layout: Layout
    images: Mapping[str, int]
    wrong: Mapping[str, NDArray[np.uint16]]
    soft_error: Mapping[str, NDArray[np.float32]]
    cost: NDArray[np.uint32]
    loss: NDArray[np.float32] | None
    first_order: NDArray[np.float16] | None
    weights: Mapping[str, NDArray[np.float32]]

    @property
    def genes(self) -> int:
        """Number of genes, n; there are 2 ** n masks."""
        return self.layout.genes

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Offsets of the layers in the genome, 0 ... n."""
        return self.layout.offsets

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the layers."""
        return self.layout.names

    @property
    def score(self) -> NDArray[np.floating]:
        """One-off importance of each gene, the mean |w| of its weights, shape (n,)."""
        return self.layout.score

    def index(self, individual: Any) -> int:
        """Return the number of a mask.

        Args:
            individual: a BitString, or n bools.

        Raises:
            InputError: if it has not n genes.
        """
        if len(individual) != self.genes:
            raise InputError(
                f"individual: expected {self.genes} genes, got {len(individual)}; "
                f"make it for {self.name!r}, whose layout has {self.genes}"
            )
        made = individual if isinstance(individual, BitString) else BitString(individual)
        return int.from_bytes(made.packed.tobytes(), "big") >> (-self.genes % 8)

    def masks(self, numbers: ArrayLike) -> NDArray[np.bool_]:
        """Return the masks of these numbers as bools, shape (masks, n)."""
        shifts = np.arange(self.genes - 1, -1, -1)
        return (np.asarray(numbers, np.int64)[:, None] >> shifts & 1).astype(np.bool_)

    def evaluate(self, individual: Any, split: str = "search") -> tuple[float, float]:
        """Return error and share of multiply-adds of one mask; DEAP's `evaluate`.

        Args:
            individual: a BitString, or n bools.
            split: "search", or "test", which is opened once, at the end.
        """
        error, macs = self.points(split)[self.index(individual)].tolist()
        return error, macs

    def saliency(self, individual: Any) -> NDArray[np.float32]:
        """Return what the loss falls by, to first order, when each gene is set; for `mutDrift`.

        On a network it would cost 3 passes a training image; count them.

        Returns:
            The sum over a gene's weights of -g w, g the gradient of the training loss by the
            weights of the masked network, removed ones too; shape (n,).

        Raises:
            InputError: if the network has no such table.
        """
        return self._guided(self.first_order)[self.index(individual)].astype(np.float32)

    def gain(self, individual: Any) -> NDArray[np.float32]:
        """Return what the training loss really falls by when each gene is flipped, shape (n,).

        Raises:
            InputError: if the network has no such table.
        """
        number, loss = self.index(individual), self._guided(self.loss)
        flipped = number ^ (1 << np.arange(self.genes - 1, -1, -1))
        return loss[number] - loss[flipped]

    def points(self, split: str = "search") -> Floats:
        """Return error and share of multiply-adds of every mask, shape (masks, 2), read-only.

        Raises:
            InputError: if the split is unknown.
        """
        if split not in self._points:
            raise unknown("split", split, self._points)
        return self._points[split]

    def front(self, split: str = "search") -> Floats:
        """Return the true front: points that no mask dominates, sorted by error, shape (m, 2)."""
        points = self.points(split)
        return np.unique(points[self._on_front[split]], axis=0)

    def masks_on_front(self, split: str = "search") -> NDArray[np.bool_]:
        """Return all masks whose points lie on the true front, shape (m, n), sorted by number.

        They may be more than the points, as several masks can come to the same point.
        """
        self.points(split)
        return self.masks(self._on_front[split])

    def regret(self, points: ArrayLike, split: str = "search") -> float:
        """Return the share of the true front's hypervolume that points leave, 0 to 1.

        Args:
            points: (error, share of multiply-adds) of any masks of this network, shape (k, 2).
            split: on which they were evaluated.

        Raises:
            InputError: if a point beats the true front, so that it is not of this split.
        """
        front, given = self.front(split), np.asarray(points, np.float64)
        if given.size == 0:
            return 1.0
        best, reached = (indicators.hypervolume(part, WORST) for part in (front, given))
        if indicators.hypervolume(np.concatenate([front, given]), WORST) > best + ROUNDING:
            raise InputError(
                f"points: expected what masks of {self.name!r} come to on {split!r}, got points "
                "better than the true front; name the split that they were evaluated on"
            )
        return max(0.0, 1 - reached / best)

    def igd_plus(self, points: ArrayLike, split: str = "search") -> float:
        """Return how far the true front is from points on average, 0 if they hold all of it."""
        return indicators.igd_plus(points, self.front(split))

    def found(self, points: ArrayLike, split: str = "search") -> float:
        """Return the share of the true front's points that are among these, 0 to 1."""
        have = set(map(tuple, np.asarray(points, np.float64).tolist()))
        front = list(map(tuple, self.front(split).tolist()))
        return sum(point in have for point in front) / len(front)

    @cached_property
    def _points(self) -> dict[str, Floats]:
        made = {}
        for split, wrong in self.wrong.items():
            made[split] = np.stack([wrong / self.images[split], self.cost / self.cost[-1]], axis=1)
            made[split].flags.writeable = False
        return made

    @cached_property
    def _on_front(self) -> dict[str, NDArray[np.int64]]:
        """Numbers of the masks on the true front, copies of a point too, by split."""
        return {
            split: np.flatnonzero(moocore.is_nondominated(points, keep_weakly=True))
            for split, points in self._points.items()
        }

    def _guided(self, table: NDArray[Any] | None) -> NDArray[Any]:
        if table is None:
            raise InputError(
                f"saliency: {self.name!r} has no table of gradients; write load('groups')"
            )
        return table
