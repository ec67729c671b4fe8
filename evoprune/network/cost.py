"""What a layer costs: multiply-adds for one image.

The convention: one multiply-add is one MAC. Biases, BatchNorm, activations and pooling are not
counted. A weight costs one MAC each time it is used, so the MACs of a masked network are the sum of
`macs_per_weight` over the weights that are kept:

    Conv      a weight is used once for each output position, height x width
    Linear    a weight is used once for each row that goes in (one, or one for each token)
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.layers import Layer, prunable
from evoprune.network.masks import modes_kept

USES: dict[str, Callable[[torch.Tensor], int]] = {  # from the output of one image
    "conv": lambda output: output.numel() // output.shape[1],
    "linear": lambda output: output.numel() // output.shape[-1],
}


def macs_by_layer(model: nn.Module, image_shape: Sequence[int]) -> dict[str, int]:
    """Return the MACs of each dense Conv and Linear layer for one image, by the layer's name.

    Args:
        model: any module; lent.
        image_shape: (channels, height, width) of an image.

    Raises:
        InputError: if the network has no such layer or does not take such images.

    >>> macs_by_layer(nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 4)), (1, 4, 4))
    {'0': 72, '2': 32}
    """
    layers = prunable(model)
    uses = macs_per_weight(model, image_shape, layers)
    return {layer.name: layer.size * int(use) for layer, use in zip(layers, uses, strict=True)}


def macs_per_weight(
    model: nn.Module, image_shape: Sequence[int], layers: Sequence[Layer]
) -> npt.NDArray[np.int64]:
    """Return how often one image uses each weight of each layer, shape (layers,).

    One black image goes through the network, and every layer's output is measured. A layer that is
    never called as a module counts 0: attention takes the weight of its output projection itself.

    Args:
        model: any module; lent.
        image_shape: (channels, height, width) of an image.
        layers: the layers to measure.

    Raises:
        InputError: if the network does not take such images.
    """
    uses = np.zeros(len(layers), np.int64)
    first = next(model.parameters())
    image = torch.zeros((1, *image_shape), dtype=first.dtype, device=first.device)
    with ExitStack() as stack, torch.no_grad():
        stack.enter_context(modes_kept(model))
        model.eval()
        for place, layer in enumerate(layers):
            hook = partial(_count, uses, place, USES[layer.kind])
            stack.callback(layer.module.register_forward_hook(hook).remove)
        try:
            model(image)
        except RuntimeError as cause:
            raise InputError(
                f"image_shape: the network does not take images of shape {tuple(image_shape)} "
                f"(channels, height, width): {str(cause).splitlines()[0]}"
            ) from cause
    return uses


def _count(
    uses: npt.NDArray[np.int64],
    place: int,
    formula: Callable[[torch.Tensor], int],
    module: nn.Module,
    inputs: object,
    output: torch.Tensor,
) -> None:
    """Add the uses of one call; a forward hook."""
    uses[place] += formula(output)


def activation_bytes(model: nn.Module, image_shape: Sequence[int]) -> tuple[int, int]:
    """Return what the activations of one image take in float32.

    Args:
        model: any module; lent.
        image_shape: (channels, height, width) of an image.

    Returns:
        Bytes of a forward pass alone, which holds a layer's input, its output and a shortcut at a
        time (three of the largest), and of one with a backward pass, which holds what all layers
        keep for it.
    """
    outputs, kept = [0], dict[int, int]()

    def note(module: nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, torch.Tensor):
            outputs.append(output.numel() * output.element_size())

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.data_ptr() not in weights:
            kept[tensor.data_ptr()] = tensor.numel() * tensor.element_size()
        return tensor

    weights = {parameter.data_ptr() for parameter in model.parameters()}
    first = next(model.parameters())
    image = torch.zeros((1, *image_shape), dtype=first.dtype, device=first.device)
    with ExitStack() as stack:
        stack.enter_context(modes_kept(model))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor))
        model.eval()
        for module in model.modules():
            if not any(module.children()):
                stack.callback(module.register_forward_hook(note).remove)
        result = model(image)
    outputs.append(image.numel() * image.element_size())
    backward = max(sum(kept.values()), sum(outputs))
    del result
    return 3 * max(outputs), backward
