"""The genes of a transferred head: features it reads, hidden units it has, or its single weights.

Start reading at `HeadSpace.narrowed`: whatever a gene is, a mask becomes a small head.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from evoprune.errors import InputError, unknown
from evoprune.network.heads import Head, narrowed_head
from operators.layout import Layout

Bits = npt.NDArray[np.bool_]
ENCODINGS = ("features", "neurons", "connections")


class HeadSpace:
    """All masks of one kind of gene over a dense head.

    Args:
        features: that the backbone gives, 1 or more.
        units: of the hidden layer, 1 or more.
        encoding: what a bit keeps: "features" (all weights that read one), "neurons" (hidden
            units) or "connections" (single weights of the hidden layer, unit by unit).
        importance: of each gene, any unit, higher = rather kept; all alike if None.

    Attributes:
        size: number of genes.
        unit: what they are, in words.
        importance: shape (size,).

    Raises:
        InputError: if the encoding is unknown, or the importance has not one number a gene.

    Source: Poyatos et al., 2023, whose code has all three; the paper's results are of features.

    >>> space = HeadSpace(4, 3, "neurons")
    >>> space.size, space.unit
    (3, 'neurons')
    """

    def __init__(
        self,
        features: int,
        units: int,
        encoding: str = "features",
        *,
        importance: npt.ArrayLike | None = None,
    ) -> None:
        if encoding not in ENCODINGS:
            raise unknown("encoding", encoding, ENCODINGS)
        self.features, self.units, self.encoding = features, units, encoding
        sizes = {"features": features, "neurons": units, "connections": features * units}
        self.size, self.unit = sizes[encoding], encoding
        self.importance = np.ones(self.size) if importance is None else np.asarray(importance)
        if self.importance.shape != (self.size,):
            raise InputError(
                f"importance: expected {self.size} numbers, one for each of the {encoding}, got "
                f"shape {self.importance.shape}"
            )

    def layout(self) -> Layout:
        """Describe the genes to operators; of connections a layer is what one hidden unit reads."""
        if self.encoding == "connections":
            names = [f"unit {unit}" for unit in range(self.units)]
            return Layout.plain([self.features] * self.units, score=self.importance, names=names)
        return Layout.plain([self.size], score=self.importance, names=[self.unit])

    def mask(self, genome: npt.ArrayLike) -> Bits:
        """Return what a genome keeps; one that keeps nothing gets its most important gene back.

        Args:
            genome: bits, shape (size,).
        """
        mask = np.array(genome, bool)
        if not mask.any():
            mask[np.argmax(self.importance)] = True
        return mask

    def density(self, mask: Bits) -> float:
        """Return the share of active genes, 0 to 1."""
        return float(np.count_nonzero(mask) / self.size)

    def parts(self, mask: Bits) -> tuple[Bits, Bits, Bits | None]:
        """Return which features are read, which units are there, and which weights of those.

        Args:
            mask: shape (size,), at least one gene.

        Returns:
            Bools of shape (features,) and (units,); of connections also (units kept, features
            kept), else None. A feature or unit without any connection is not there.
        """
        if self.encoding == "features":
            return mask, np.ones(self.units, bool), None
        if self.encoding == "neurons":
            return np.ones(self.features, bool), mask, None
        weights = mask.reshape(self.units, self.features)
        features, units = np.asarray(weights.any(0)), np.asarray(weights.any(1))
        return features, units, weights[units][:, features]

    def narrowed(self, head: Head, mask: Bits) -> tuple[Head, torch.Tensor | None]:
        """Return the small head that a mask leaves of a whole one, which stays as it was.

        Args:
            head: over all features and units; its weights are copied.
            mask: shape (size,), at least one gene.

        Returns:
            The head, and which weights of its hidden layer are there, bool; None if all are.
        """
        features, units, weights = self.parts(mask)
        small = narrowed_head(head, features, units)
        if weights is None:
            return small, None
        kept = torch.from_numpy(weights).to(small.hidden.weight.device)
        with torch.no_grad():
            small.hidden.weight.mul_(kept)
        return small, kept

    def weights(self, mask: Bits, classes: int) -> int:
        """Return how many weights and biases a head has under a mask."""
        features, units, kept = self.parts(mask)
        hidden = int(features.sum() * units.sum() if kept is None else kept.sum())
        return hidden + (int(units.sum()) + 1) * classes
