"""What an operator may know of the genes: their layers, their importance, and the corridor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Layout:
    """Describe the genes of a space to the operators that ask for `space`. Nothing here changes.

    Attributes:
        offsets: int, shape (L + 1,); layer i holds the genes offsets[i] up to offsets[i + 1].
        score: importance of each gene in any unit, shape (n,), higher = rather kept.
        support: bool, shape (n,); genes outside may not be 1.
        core: bool, shape (n,), inside the support; these genes must be 1.
        names: of the layers, L of them.

    >>> layout = Layout.plain([2, 3], score=[1, 5, 2, 4, 3])
    >>> layout.genes, layout.layer_of([0, 2, 4]).tolist(), layout.names
    (5, [0, 1, 1], ('layer 0', 'layer 1'))
    """

    offsets: NDArray[np.int64]
    score: NDArray[np.floating]
    support: NDArray[np.bool_]
    core: NDArray[np.bool_]
    names: tuple[str, ...]

    @classmethod
    def plain(
        cls,
        sizes: Sequence[int],
        *,
        score: ArrayLike | None = None,
        support: ArrayLike | None = None,
        core: ArrayLike | None = None,
        names: Sequence[str] | None = None,
    ) -> Layout:
        """Describe a genome by the sizes of its layers; what is left out restricts nothing.

        Args:
            sizes: genes of each layer, such as [64] for a genome without layers.
            score: shape (n,); all genes alike, if None.
            support: bools, shape (n,); all genes, if None.
            core: bools, shape (n,), inside the support; none, if None.
            names: of the layers; "layer 0" and so on, if None.

        Raises:
            ValueError: if an array has not one entry a gene, or the core lies outside the support.
        """
        offsets = np.concatenate([[0], np.cumsum(np.asarray(sizes, np.int64))])
        n = int(offsets[-1])
        layout = cls(
            offsets,
            np.ones(n) if score is None else np.asarray(score, np.float64),
            np.ones(n, np.bool_) if support is None else np.asarray(support, np.bool_),
            np.zeros(n, np.bool_) if core is None else np.asarray(core, np.bool_),
            tuple(names or (f"layer {i}" for i in range(len(sizes)))),
        )
        for name in ("score", "support", "core"):
            shape = getattr(layout, name).shape
            if shape != (n,):
                raise ValueError(f"{name}: expected {n} entries, one for each gene, got {shape}")
        if (layout.core & ~layout.support).any():
            raise ValueError("core: expected to lie inside the support, got genes outside")
        return layout

    @property
    def genes(self) -> int:
        """Number of genes, n."""
        return int(self.offsets[-1])

    def layer_of(self, genes: ArrayLike) -> NDArray[np.int64]:
        """Return the index of the layer that holds each of the given genes."""
        return np.searchsorted(self.offsets, np.asarray(genes), side="right") - 1
