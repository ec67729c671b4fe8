"""The space of weight masks: a gene is one weight of a chosen Conv or Linear layer.

Start reading at `WeightSpace`. A genome of phase 2 holds only the genes that a *corridor* leaves
free; `mask` puts the fixed ones back and `genome` takes them out again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.layers import prunable
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


class WeightSpace:
    """All masks over the Conv and Linear weights of a network.

    Args:
        model: any module; it is lent, and its trained weights are remembered here.
        include: names or types of the layers to prune; all Conv and Linear layers if None.
        exclude: names or types of layers to leave alone.
        corridor: the genes that a genome holds; all weights if None.

    Attributes:
        layers: the prunable layers in the order of the network.
        offsets: int, shape (layers + 1,); layer i holds weights offsets[i] up to offsets[i + 1].
        weights: the trained weights, one flat float32 tensor, shape (size,).
        importance: of each weight, shape (size,), higher = rather kept; |w| unless `scored`.
        size: number of weights.
        genes: number of free genes, the length of a mask genome.

    Raises:
        InputError: if no layer can be pruned, a name fits none, or a weight is computed from other
            tensors at each pass, so that a mask on it would be lost.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        corridor: Corridor | None = None,
    ) -> None:
        self.model = model
        self.layers = prunable(model, include=include, exclude=exclude)
        for layer in self.layers:
            if not isinstance(layer.module.weight, nn.Parameter):
                raise InputError(
                    f"model: the weight of {layer.name} is computed at each pass; make it plain by "
                    "torch.nn.utils.parametrize.remove_parametrizations or "
                    "torch.nn.utils.prune.remove, or exclude the layer"
                )
        self.parameters = [layer.module.weight for layer in self.layers]
        sizes = [parameter.numel() for parameter in self.parameters]
        self.offsets = np.concatenate([[0], np.cumsum(sizes)])
        self.size = int(self.offsets[-1])
        self.weights = torch.cat([p.detach().reshape(-1).float() for p in self.parameters]).clone()
        self.magnitudes = np.abs(self.weights.cpu().numpy())
        self.importance: npt.NDArray[np.floating] = self.magnitudes
        self.corridor = corridor
        self._free = None if corridor is None else np.flatnonzero(corridor.free)

    def within(self, corridor: Corridor) -> WeightSpace:
        """Return the space of the same network that leaves only the corridor's genes free."""
        narrowed = copy.copy(self)
        narrowed.corridor, narrowed._free = corridor, np.flatnonzero(corridor.free)
        return narrowed

    def scored(self, importance: npt.ArrayLike) -> WeightSpace:
        """Return the same space with another importance of its weights.

        Args:
            importance: a number a weight in any unit, shape (size,), higher = rather kept.

        Raises:
            InputError: if there is not one number a weight, or one is not finite.
        """
        score = np.asarray(importance, np.float32)
        if score.shape != (self.size,) or not np.isfinite(score).all():
            raise InputError(
                f"importance: expected {self.size} finite numbers, one for each weight, got "
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
        """Pick the entries of the free genes from an array over all weights."""
        return values if self._free is None else values[self._free]

    def mask(self, genome: object) -> Bits:
        """Decode a mask genome, bits of the free genes, into a mask over all weights.

        Raises:
            InputError: if the genome's length is not the number of free genes.
        """
        bits = np.asarray(genome.to_numpy() if hasattr(genome, "to_numpy") else genome, bool)
        if len(bits) != self.genes:
            raise InputError(
                f"genome: expected {self.genes} genes, one for each free weight; got {len(bits)}"
            )
        if self.corridor is None:
            return bits
        mask = self.corridor.core.copy()
        mask[self._free] = bits
        return mask

    def genome(self, mask: Bits) -> Bits:
        """Encode a mask over all weights as the bits of the free genes; fixed ones are dropped."""
        return np.asarray(self.free(mask), bool)

    def density(self, mask: Bits) -> float:
        """Share of the weights that a mask keeps, 0 to 1."""
        return float(np.count_nonzero(mask)) / self.size

    def split(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Cut a flat tensor over all weights into tensors of the layers' shapes."""
        parts = torch.split(values, np.diff(self.offsets).tolist())
        return [part.view_as(p) for part, p in zip(parts, self.parameters, strict=True)]

    def kept_by_layer(self, mask: Bits) -> npt.NDArray[np.float64]:
        """Kept share of each layer, shape (layers,)."""
        return np.add.reduceat(mask.astype(np.int64), self.offsets[:-1]) / np.diff(self.offsets)
