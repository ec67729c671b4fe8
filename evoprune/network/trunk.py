"""Trunk: a trained network up to its pooled features, frozen, and the head that goes on from there.

What a transfer learns is the head alone; so features are computed once for each image, and kept.
"""

from __future__ import annotations

import copy

import torch
from torch import fx, nn

from evoprune.errors import InputError, unknown

LAST = (nn.Linear, nn.Conv2d)  # kinds of the layer that gives the classes


class Trunk(nn.Module):
    """A network up to one of its tensors, averaged over its positions if it has any.

    Args:
        model: trained; it stays as it was.
        layer: whose output the features are; None takes what the last Linear or convolution reads,
            the one that gives the classes.
        pool: cells that a map is averaged over, along each side: 1 makes a feature of each map, 2
            makes four, in reading order, and so on. Of larger grids the features also say where.

    Attributes:
        layer: whose output the features are.
        pool: as given.

    Raises:
        InputError: if the network cannot be followed, there is no such layer, what it gives is
            neither (images, features) nor (images, features, height, width), or it has fewer
            positions than there are cells.
    """

    def __init__(self, model: nn.Module, layer: str | None = None, pool: int = 1) -> None:
        super().__init__()
        self.pool = pool
        model = copy.deepcopy(model).eval().requires_grad_(False)
        graph = _traced(model, layer)
        node = _read_by_the_last(model, graph) if layer is None else _named(graph, layer)
        self.layer = str(node.target) if node.op == "call_module" else node.name
        self.upto = _cut(model, graph, node)
        self.eval()

    def train(self, mode: bool = True) -> Trunk:
        """Stay in evaluation mode, whatever is asked for: a trunk is frozen."""
        return super().train(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, height, width) to features (batch, features)."""
        return self.pooled(self.upto(images))

    def pooled(self, maps: torch.Tensor) -> torch.Tensor:
        """Average maps (batch, maps, height, width) to features; those without positions stay.

        Raises:
            InputError: if that cannot be.
        """
        shape = ", ".join(map(str, maps.shape[1:]))
        if maps.ndim not in (2, 4):
            raise InputError(
                f"backbone: expected a layer that gives (images, features) or (images, features, "
                f"height, width); {self.layer} gives (images, {shape}); name another with --layer"
            )
        if self.pool > min(maps.shape[2:], default=1):
            raise InputError(
                f"pool: {self.layer} gives (images, {shape}), too few positions for {self.pool} x "
                f"{self.pool} cells; write a smaller --pool, or name an earlier layer with --layer"
            )
        if maps.ndim == 2:
            return maps
        if self.pool == 1:
            return maps.mean((2, 3))
        return nn.functional.adaptive_avg_pool2d(maps, self.pool).flatten(1)


class Transferred(nn.Module):
    """A trunk with a head: one network, from images to the classes of the transfer.

    Args:
        trunk: frozen.
        head: from features to logits.
        mean: that is taken from all features on their way.
        deviation: that they are then divided by, above 0.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(
        self, trunk: nn.Module, head: nn.Module, mean: float = 0.0, deviation: float = 1.0
    ) -> None:
        super().__init__()
        self.trunk, self.head = trunk, head
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("deviation", torch.tensor(deviation))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, height, width) to logits (batch, classes)."""
        return self.head((self.trunk(images) - self.mean) / self.deviation)


def features_of(
    trunk: nn.Module, images: torch.Tensor, *, batch: int = 128, size: int | None = None
) -> torch.Tensor:
    """Return the features of many images.

    Args:
        trunk: frozen.
        images: normalised, shape (images, channels, height, width).
        batch: images a forward pass.
        size: height and width that they are brought to first, bilinearly; None leaves them.

    Returns:
        float32, shape (images, features), on the device of the images.
    """
    parts = []
    with torch.inference_mode():
        for some in images.split(batch):
            if size is not None:
                some = nn.functional.interpolate(some, (size, size), mode="bilinear")
            parts.append(trunk(some).float())
    return torch.cat(parts)


class _Tracer(fx.Tracer):
    """Follow a network call by call, but for one layer, which stays whole: its output is wanted.

    Otherwise the output of a block that ends in an addition would be no layer's.
    """

    def __init__(self, whole: str | None) -> None:
        super().__init__()
        self.whole = whole

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Tell whether a module is one call."""
        return module_qualified_name == self.whole or super().is_leaf_module(
            m, module_qualified_name
        )


def _traced(model: nn.Module, whole: str | None) -> fx.Graph:
    """Return what a network computes in evaluation mode, call by call; one layer stays whole."""
    try:
        return _Tracer(whole).trace(model)
    except Exception as cause:  # whatever the forward pass of an unknown network raises
        raise InputError(
            f"backbone: {type(model).__name__} cannot be followed by torch.fx: "
            f"{str(cause).splitlines()[0]}; write its forward pass without branches on values"
        ) from cause


def _named(graph: fx.Graph, layer: str) -> fx.Node:
    """Return the last call of a layer that the user named, or of one inside it if it has none."""
    calls = {str(node.target): node for node in graph.nodes if node.op == "call_module"}
    inside = [node for name, node in calls.items() if f"{name}.".startswith(f"{layer}.")]
    if not inside:
        raise unknown("layer", layer, calls)
    return inside[-1]


def _read_by_the_last(model: nn.Module, graph: fx.Graph) -> fx.Node:
    """Return what the last Linear or convolution reads."""
    for node in reversed(graph.nodes):
        if node.op == "call_module" and isinstance(model.get_submodule(str(node.target)), LAST):
            source = node.args[0] if node.args else None
            if isinstance(source, fx.Node) and source.op != "placeholder":
                return source
            break
    raise InputError(
        f"backbone: {type(model).__name__} has no features that a last Linear layer or convolution "
        "reads; name the layer that gives them with --layer"
    )


def _cut(model: nn.Module, graph: fx.Graph, node: fx.Node) -> fx.GraphModule:
    """Return the part of a network that a node needs."""
    for last in graph.find_nodes(op="output"):
        graph.erase_node(last)
    with graph.inserting_after(node):
        graph.output(node)
    part = fx.GraphModule(model, graph, type(model).__name__)
    part.graph.eliminate_dead_code()
    part.recompile()
    part.delete_all_unused_submodules()
    return part
