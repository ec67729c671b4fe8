"""A folded copy of a network that is cut anew for each candidate, and so costs what is left of it.

Start reading at `NarrowNetwork`. It is a `FoldedNetwork` to those who run it, but takes cuts in the
place of masks: tensors of the kept channels are set into the copy, and nothing is multiplied by
zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from evoprune.network.folding import FoldedNetwork
from evoprune.network.layers import prunable
from evoprune.network.masks import batchnorms, recalibrate
from evoprune.network.surgery import STATISTICS, Cut, Kept, narrow_weight, narrowed, picked, resize


class NarrowNetwork(FoldedNetwork):
    """A private copy of a network that is cut to the channels of one candidate after another.

    Args:
        model: any module, in evaluation mode; it is copied.
        example: a few images that the folded copy is tried on.
        dtype: of weights and activations; BatchNorm's own numbers stay float32.

    Attributes:
        (all of them): see `FoldedNetwork`, where masks are cuts.

    Raises:
        InputError: if the network cannot be copied.
    """

    def __init__(
        self, model: nn.Module, example: torch.Tensor, *, dtype: torch.dtype = torch.float32
    ) -> None:
        layers = prunable(model)
        self._places = {layer.name: place for place, layer in enumerate(layers)}
        self._others: dict[str, tuple[Any, dict[str, torch.Tensor]]] = {}
        super().__init__(model, layers, example, dtype=dtype)
        for name, module in self.plain.named_modules():
            tensors = narrowed(module, Kept()) if name not in self._places else {}
            if tensors:
                copies = {key: value.clone() for key, value in tensors.items()}
                self._others[name] = module, copies

    def put(self, masks: Cut) -> None:  # type: ignore[override]
        """Cut the folded network, under the statistics that it came with."""
        self._write(*self._once, masks)
        self.run = self.fast

    def put_unfolded(self, masks: Cut) -> None:  # type: ignore[override]
        """Cut the trained weights; BatchNorm layers stand where they stood, cut as well."""
        self._write(self._trained, self._biases, masks)
        self.run = self.plain

    def put_recalibrated(  # type: ignore[override]
        self, masks: Cut, batches: Sequence[torch.Tensor], strength: float
    ) -> list[torch.Tensor]:
        """Cut, gather statistics in one pass over the images, and fold these in.

        Returns:
            The statistics of the kept channels, for `put_with`.
        """
        self.put_unfolded(masks)
        recalibrate(self.plain, [batch.to(self.dtype) for batch in batches], strength=strength)
        statistics = [buffer.clone() for n in batchnorms(self.plain) for buffer in n.buffers()]
        self._fold_narrow()
        return statistics

    def put_with(  # type: ignore[override]
        self, masks: Cut, statistics: Sequence[torch.Tensor]
    ) -> None:
        """Cut once more, under statistics that were gathered for the same cut before."""
        self.put_unfolded(masks)
        buffers = [buffer for norm in batchnorms(self.plain) for buffer in norm.buffers()]
        for buffer, value in zip(buffers, statistics, strict=True):
            buffer.copy_(value)
        self._fold_narrow()

    def _fold_narrow(self) -> None:
        """Fold the norms as they stand, cut, into the layers as they stand."""
        weights = [module.weight.detach() for module in self.modules]
        biases = [None if m.bias is None else m.bias.detach() for m in self.modules]
        folded = self._scaled(weights, biases)
        for module, weight, bias in zip(self.modules, *folded, strict=True):
            _set(module, weight, bias)
        self.run = self.fast

    def _write(
        self,
        weights: Sequence[torch.Tensor],
        biases: Sequence[torch.Tensor | None],
        masks: Any,
    ) -> None:
        """Set the kept channels of weights and biases into the copy, and of all other modules."""
        cut: Cut = masks or {}
        self.unmasked, self.holder = list(weights), None
        for name, place in self._places.items():
            weight, bias, kept = weights[place], biases[place], cut.get(name, Kept())
            bias = None if bias is None else picked(bias, kept.outputs)
            _set(self.modules[place], narrow_weight(weight, kept), bias)
            resize(self.modules[place])
        for name, (module, tensors) in self._others.items():
            kept = cut.get(name, Kept())
            for key, value in tensors.items():
                if len(value) > 1:
                    value = picked(value, kept.outputs)
                if key in STATISTICS:
                    value = value.clone()  # recalibration writes into it
                    module._buffers[key] = value
                else:
                    module._parameters[key] = nn.Parameter(value, requires_grad=False)
            resize(module)


def _set(module: Any, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    """Give a layer other parameters, in the precision that it has."""
    dtype = module.weight.dtype
    weight = weight.to(dtype)
    if weight.ndim == 4:
        weight = weight.contiguous(memory_format=torch.channels_last)
    module._parameters["weight"] = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        module._parameters["bias"] = nn.Parameter(bias.to(dtype), requires_grad=False)
