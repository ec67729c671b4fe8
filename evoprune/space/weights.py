"""The space of weight masks: a gene is one weight of a chosen Conv or Linear layer."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.layers import prunable
from evoprune.network.surgery import Cut, Kept
from evoprune.space.genes import Bits, Corridor, GeneSpace


class WeightSpace(GeneSpace):
    """All masks over the Conv and Linear weights of a network.

    Args:
        model: any module; it is lent, and its trained weights are remembered here.
        include: names or types of the layers to prune; all Conv and Linear layers if None.
        exclude: names or types of layers to leave alone.
        corridor: the genes that a genome holds; all weights if None.

    Attributes:
        importance: of each weight, shape (size,), higher = rather kept; |w| unless `scored`.
        (the others): see `GeneSpace`.

    Raises:
        InputError: if no layer can be pruned, a name fits none, or a weight is computed from other
            tensors at each pass, so that a mask on it would be lost.
    """

    unit = "weights"

    def __init__(
        self,
        model: nn.Module,
        *,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        corridor: Corridor | None = None,
    ) -> None:
        layers = prunable(model, include=include, exclude=exclude)
        for layer in layers:
            if not isinstance(layer.module.weight, nn.Parameter):
                raise InputError(
                    f"model: the weight of {layer.name} is computed at each pass; make it plain by "
                    "torch.nn.utils.parametrize.remove_parametrizations or "
                    "torch.nn.utils.prune.remove, or exclude the layer"
                )
        self.carriers = layers
        self.parameters = [layer.module.weight for layer in layers]
        self.weights = torch.cat([p.detach().reshape(-1).float() for p in self.parameters]).clone()
        super().__init__(model, layers, np.abs(self.weights.cpu().numpy()), corridor)

    def weight_mask(self, mask: Bits) -> Bits:
        """Return the mask itself: a gene is a weight."""
        return mask

    def gathered(self, values: npt.NDArray, mask: Bits) -> npt.NDArray:
        """Return the values themselves: a gene is a weight."""
        return values

    def cut(self, mask: Bits) -> Cut:
        """Return the single weights that a mask keeps of each layer."""
        masks = self.split(torch.from_numpy(mask))
        pairs = zip(self.layers, masks, strict=True)
        return {layer.name: Kept(weights=part) for layer, part in pairs}

    def macs(self, mask: Bits, uses: npt.NDArray[np.number]) -> float:
        """Return the share of the layers' multiply-adds that a mask leaves, 0 to 1."""
        sizes = np.diff(self.offsets)
        return float(self.kept_by_layer(mask) * sizes @ uses / (sizes @ uses))

    def params(self, mask: Bits) -> float:
        """Return the share of the network's parameters that a mask leaves, 0 to 1."""
        every = sum(parameter.numel() for parameter in self.model.parameters())
        return 1 - float(self.size - np.count_nonzero(mask)) / every
