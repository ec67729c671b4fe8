"""The layers whose weights can be pruned: every Conv and Linear of a network, in its order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from torch import nn

from evoprune.errors import InputError, unknown

KINDS = ("conv", "linear")
LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)


@dataclass(frozen=True)
class Layer:
    """A layer whose weights can be pruned; biases are never pruned.

    Args:
        name: path of the module in the network, such as "layer1.0.conv1".
        module: the module itself.
        kind: "conv" or "linear".
        size: number of its weights.
    """

    name: str
    module: nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear
    kind: str
    size: int


def prunable(
    model: nn.Module,
    *,
    include: Iterable[str] | None = None,
    exclude: Iterable[str] | None = None,
) -> list[Layer]:
    """List the layers to prune, in the order of the network.

    An entry of `include` or `exclude` is the name of a layer, the name of a module (all layers
    inside it), a kind ("conv", "linear") or a type ("Conv2d"). A weight that two layers share
    belongs to the first of them.

    Args:
        model: any module.
        include: the layers to take; all if None.
        exclude: layers to leave out again.

    Raises:
        InputError: if an entry fits no layer (the nearest name is offered), or no layer is left.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4))
    >>> [(layer.name, layer.kind, layer.size) for layer in prunable(model)]
    [('0', 'conv', 18), ('3', 'linear', 32)]
    >>> [layer.name for layer in prunable(model, exclude=["conv"])]
    ['3']
    """
    layers = _all(model)
    if not layers:
        raise InputError("model: expected at least one Conv or Linear layer to prune, got none")
    wanted = list(layers) if include is None else _chosen(layers, include)
    unwanted = [] if exclude is None else _chosen(layers, exclude)
    left = [layer for layer in layers if layer in wanted and layer not in unwanted]
    if not left:
        raise InputError(
            f"include, exclude: no layer is left to prune of {len(layers)}; exclude fewer"
        )
    return left


def check_mixed(model: nn.Module) -> None:
    """Refuse a network without convolutions, or without Linear layers.

    Raises:
        InputError: saying which it lacks, and what to write instead.
    """
    kinds = {layer.kind for layer in _all(model)}
    for kind, name, instead in (
        ("conv", "a convolution", "neurons or --genes weights"),
        ("linear", "a Linear layer", "filters"),
    ):
        if kind not in kinds:
            raise InputError(
                f"genes: expected {name} for mixed, which removes filters of convolutions and "
                f"weights of Linear layers, got a network without one; write --genes {instead}"
            )


def _all(model: nn.Module) -> list[Layer]:
    """List every Conv and Linear layer; of layers that share a weight the first."""
    layers: list[Layer] = []
    seen: set[int] = set()
    for name, module in model.named_modules():
        if not isinstance(module, LAYERS):
            continue
        if id(module.weight) not in seen:
            seen.add(id(module.weight))
            kind = "linear" if isinstance(module, nn.Linear) else "conv"
            layers.append(Layer(name, module, kind, module.weight.numel()))
    return layers


def _chosen(layers: list[Layer], entries: Iterable[str]) -> list[Layer]:
    """List the layers that fit any of the entries."""
    chosen = []
    for entry in [entries] if isinstance(entries, str) else entries:
        fitting = [layer for layer in layers if _fits(layer, entry)]
        if not fitting:
            types = {type(layer.module).__name__ for layer in layers}
            raise unknown("layer", entry, [*KINDS, *sorted(types), *(at.name for at in layers)])
        chosen += fitting
    return chosen


def _fits(layer: Layer, entry: str) -> bool:
    """Whether an entry is a layer's name, a module around it, its kind or its type."""
    named = layer.name == entry or layer.name.startswith(f"{entry}.")
    return named or entry in (layer.kind, type(layer.module).__name__)
