"""What every space of masks shares: the arithmetic of genes, layers and corridors.

What a gene is, a weight or a filter, says `weights.py` or `filters.py`. A genome of phase 2 holds
only the genes that a *corridor* leaves free; `mask` puts the fixed ones back and `genome` takes
them out again.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.layers import Layer
from evoprune.network.surgery import Cut
from operators.layout import Layout

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Corridor:
    """The genes that a search may change: inside `support`, outside `core`.

    Args:
        core: bool, shape (weights,); genes fixed at 1.
        support: bool, shape (weights,); genes outside are fixed at 0.

    Raises:
        InputError: if the core is not inside the support, or leaves no gene free.
    """

    core: Bits
    support: Bits

    def __post_init__(self) -> None:
        """Check that the walls are the right way round."""
        if (self.core & ~self.support).any():
            raise InputError(
                "corridor: the core must lie inside the support; got "
                f"{int((self.core & ~self.support).sum())} genes fixed at 1 and at 0: "
                "swap the heavy and the light anchor"
            )
        if not self.free.any():
            raise InputError("corridor: no gene is free; choose anchors further apart")

    @property
    def free(self) -> Bits:
        """The genes of a genome inside this corridor, bool, shape (weights,)."""
        return self.support & ~self.core


class GeneSpace(ABC):
    """The genes of a network, by layer, and which of them a genome holds.

    A space of its own says beside this what a mask of genes does to the network.

    Args:
        model: any module; it is lent.
        layers: in the order of the network; the size of each is its number of genes.
        magnitudes: of each gene, shape (size,), in a unit that all layers share.
        corridor: the genes that a genome holds; all if None.

    Attributes:
        offsets: int, shape (layers + 1,); layer i holds genes offsets[i] up to offsets[i + 1].
        importance: of each gene, shape (size,), higher = rather kept; its magnitude, unless
            `scored`.
        size: number of genes of the network.
        genes: number of free genes, the length of a mask genome.
        carriers: the layers on whose weights a mask is put.
        parameters: these weights, as the network holds them.
        weights: their trained values, one flat float32 tensor.
    """

    unit = "genes"
    carriers: list[Layer]
    parameters: list[torch.Tensor]
    weights: torch.Tensor

    def __init__(
        self,
        model: nn.Module,
        layers: list[Layer],
        magnitudes: npt.NDArray[np.floating],
        corridor: Corridor | None,
    ) -> None:
        self.model, self.layers, self.magnitudes = model, layers, magnitudes
        self.offsets = np.concatenate([[0], np.cumsum([layer.size for layer in layers])])
        self.size = int(self.offsets[-1])
        self.importance: npt.NDArray[np.floating] = magnitudes
        self.corridor = corridor
        self._free = None if corridor is None else np.flatnonzero(corridor.free)

    def within(self, corridor: Corridor) -> Self:
        """Return the space of the same network that leaves only the corridor's genes free."""
        narrowed = copy.copy(self)
        narrowed.corridor, narrowed._free = corridor, np.flatnonzero(corridor.free)
        return narrowed

    def scored(self, importance: npt.ArrayLike) -> Self:
        """Return the same space with another importance of its genes.

        Args:
            importance: a number a gene in any unit, shape (size,), higher = rather kept.

        Raises:
            InputError: if there is not one number a gene, or one is not finite.
        """
        score = np.asarray(importance, np.float32)
        if score.shape != (self.size,) or not np.isfinite(score).all():
            raise InputError(
                f"importance: expected {self.size} finite numbers, one for each gene, got "
                f"{int(np.isfinite(score).sum())} in the shape {score.shape}"
            )
        other = copy.copy(self)
        other.importance = score
        return other

    def layout(self) -> Layout:
        """Describe the free genes to operators that ask for `space`."""
        return Layout.plain(
            np.diff(self.gene_offsets).tolist(),
            score=self.free(self.importance),
            names=[layer.name for layer in self.layers],
        )

    @property
    def genes(self) -> int:
        """Length of a mask genome."""
        return self.size if self._free is None else len(self._free)

    @property
    def gene_offsets(self) -> npt.NDArray[np.int64]:
        """Where each layer begins in a genome of free genes, shape (layers + 1,)."""
        if self._free is None:
            return self.offsets
        return np.searchsorted(self._free, self.offsets)

    def layer_of(self, genes: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Return the index of the layer that holds each of the given free genes."""
        return np.searchsorted(self.gene_offsets, np.asarray(genes), side="right") - 1

    def free(self, values: npt.NDArray) -> npt.NDArray:
        """Pick the entries of the free genes from an array over all genes."""
        return values if self._free is None else values[self._free]

    def mask(self, genome: object) -> Bits:
        """Decode a mask genome, bits of the free genes, into a mask over all genes.

        Raises:
            InputError: if the genome's length is not the number of free genes.
        """
        bits = np.asarray(genome.to_numpy() if hasattr(genome, "to_numpy") else genome, bool)
        if len(bits) != self.genes:
            raise InputError(
                f"genome: expected {self.genes} genes, one for each free gene; got {len(bits)}"
            )
        if self.corridor is None:
            return self.floored(bits)
        mask = self.corridor.core.copy()
        mask[self._free] = bits
        return self.floored(mask)

    def floored(self, mask: Bits) -> Bits:
        """Return the mask, or a repaired copy if the network cannot live under it."""
        return mask

    def genome(self, mask: Bits) -> Bits:
        """Encode a mask over all genes as the bits of the free genes; fixed ones are dropped."""
        return np.asarray(self.free(mask), bool)

    def density(self, mask: Bits) -> float:
        """Share of the genes that a mask keeps, 0 to 1."""
        return float(np.count_nonzero(mask)) / self.size

    def split(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Cut a flat tensor over all weights of the carriers into tensors of the layers' shapes."""
        parts = torch.split(values, [parameter.numel() for parameter in self.parameters])
        return [part.view_as(p) for part, p in zip(parts, self.parameters, strict=True)]

    def kept_by_layer(self, mask: Bits) -> npt.NDArray[np.float64]:
        """Kept share of each layer, shape (layers,)."""
        return np.add.reduceat(mask.astype(np.int64), self.offsets[:-1]) / np.diff(self.offsets)

    @abstractmethod
    def weight_mask(self, mask: Bits) -> Bits:
        """Return which weights of the carriers a mask over all genes keeps, flat."""

    @abstractmethod
    def gathered(self, values: npt.NDArray, mask: Bits) -> npt.NDArray:
        """Sum a number a weight of the carriers over the weights of each gene, shape (size,)."""

    @abstractmethod
    def cut(self, mask: Bits) -> Cut:
        """Return what a mask over all genes keeps of each module, for `network.surgery`."""

    @abstractmethod
    def macs(self, mask: Bits, uses: npt.NDArray[np.number]) -> float:
        """Return the share of the multiply-adds that a mask leaves, 0 to 1.

        Args:
            mask: bool, shape (size,).
            uses: how often an image uses each weight of a carrier, shape (carriers,).
        """

    @abstractmethod
    def params(self, mask: Bits) -> float:
        """Return the share of the network's parameters that a mask leaves, 0 to 1."""
