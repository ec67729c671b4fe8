"""Fold BatchNorm into the layer before it: the same outputs, one layer less to go through.

    scale * (W x + b - mean) / deviation + shift  =  W' x + b'

Masks commute with the folding, because every output channel of W' is a multiple of W's: a network
is folded once, and each candidate only puts its mask on W'. Start reading at `FoldedNetwork`.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence

import torch
from torch import fx, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from evoprune.errors import InputError
from evoprune.network.layers import Layer
from evoprune.network.masks import batchnorms, buffers_kept, recalibrate
from evoprune.network.overwriting import overwrite

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
TOLERANCE = 1e-3  # of folded outputs, as a share of the largest; rounding stays below 1e-5


class Tracer(fx.Tracer):
    """A tracer that sees a BatchNorm of one's own as one layer too, which it leaves alone."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Whether a module is one call."""
        return isinstance(m, _BatchNorm) or super().is_leaf_module(m, module_qualified_name)


def foldable(graph: fx.Graph, model: nn.Module, names: Sequence[str]) -> dict[str, str]:
    """Find the BatchNorm layers that can be folded into the layer before them.

    That is where the layer's output goes to the BatchNorm alone, both are called once, the weight
    belongs to no other layer, and the BatchNorm is one of torch's and keeps running statistics.

    Args:
        graph: the calls of the model, as `Tracer` follows them.
        model: in evaluation mode.
        names: the layers that something may be folded into.

    Returns:
        The name of the BatchNorm by the name of the layer before it.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).eval()
    >>> foldable(Tracer().trace(model), model, ["0"])
    {'0': '1'}
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    called = [node for node in graph.nodes if node.op == "call_module"]
    calls = Counter(id(modules[node.target]) for node in called)
    owners = Counter(id(getattr(module, "weight", None)) for module in model.modules())
    found: dict[str, str] = {}
    for node in called:
        norm, inputs = modules[node.target], node.all_input_nodes
        if type(norm) not in NORMS or norm.running_mean is None or len(inputs) != 1:
            continue
        before = inputs[0]
        if before.op != "call_module" or before.target not in names or len(before.users) > 1:
            continue
        layer = modules[before.target]
        once = calls[id(layer)] == calls[id(norm)] == owners[id(layer.weight)] == 1
        if once and len(layer.weight) == norm.num_features:
            found[str(before.target)] = str(node.target)
    return found


class FoldedNetwork:
    """A private copy of a network that masks are put on; the network itself is never touched.

    It begins dense and folded. Where torch.fx can follow the network, BatchNorm is folded; where it
    cannot, the copy is run as it is and `reason` says why.

    Args:
        model: any module, in evaluation mode; it is copied.
        layers: the layers that masks are for.
        example: a few images that the folded copy is tried on.
        dtype: of weights and activations; BatchNorm's own numbers stay float32.

    Raises:
        InputError: if the network cannot be copied.

    Attributes:
        modules: the layers of the copy.
        unmasked: the weights that the masks were last put on, folded or not, one a layer.
        holder: for a caller to say whose masks are on; None after each change of masks.
        folded: names of the BatchNorm layers that are folded.
        reason: why the network could not be followed; None if it could.
    """

    def __init__(
        self,
        model: nn.Module,
        layers: Sequence[Layer],
        example: torch.Tensor,
        *,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.plain, self.dtype = _copy(model).eval().requires_grad_(False), dtype
        modules = dict(self.plain.named_modules(remove_duplicate=False))
        self.modules = [modules[layer.name] for layer in layers]
        self.norms: list[_BatchNorm | None] = [None] * len(layers)
        self.fast: nn.Module = self.plain
        self.reason: str | None = None
        self.folded: tuple[str, ...] = ()
        self._trained = [module.weight.clone() for module in self.modules]
        self._biases = [None if m.bias is None else m.bias.clone() for m in self.modules]
        self._fold(modules, [layer.name for layer in layers], example)
        self._once = self._scaled(self._trained)
        self._cast(images=example.ndim == 4)
        self._buffers = [buffer for n in batchnorms(self.plain) for buffer in n.buffers()]
        self._statistics = [buffer.clone() for buffer in self._buffers]
        self.unmasked: list[torch.Tensor] = []
        self.holder: object = None
        self._write(*self._once, None)
        self.run = self.fast

    def __call__(self, images: torch.Tensor) -> torch.Tensor:
        """Return the outputs of the network as it was last put; float32."""
        return self.run(images.to(self.dtype)).float()

    def put(self, masks: Sequence[torch.Tensor] | None) -> None:
        """Put masks on the folded weights, under the statistics that the network came with.

        Args:
            masks: one a layer, bool, of the weight's shape; all is kept, if None.
        """
        self._set(self._statistics)
        self._write(*self._once, masks)
        self.run = self.fast

    def put_unfolded(self, masks: Sequence[torch.Tensor] | None) -> None:
        """Put masks on the trained weights; BatchNorm layers stand where they stood."""
        self._set(self._statistics)
        self._write(self._trained, self._biases, masks)
        self.run = self.plain

    def put_recalibrated(
        self, masks: Sequence[torch.Tensor], batches: Sequence[torch.Tensor], strength: float
    ) -> list[torch.Tensor]:
        """Put masks on, gather statistics in one pass over the images, and fold these in.

        Returns:
            The statistics, for `put_with`.
        """
        self.put_unfolded(masks)
        recalibrate(self.plain, [batch.to(self.dtype) for batch in batches], strength=strength)
        statistics = [buffer.clone() for buffer in self._buffers]
        self.put_with(masks, statistics)
        return statistics

    def put_with(
        self, masks: Sequence[torch.Tensor], statistics: Sequence[torch.Tensor]
    ) -> None:
        """Put masks on once more under statistics that were gathered for them before."""
        self._set(statistics)
        self._write(*self._scaled(self._trained), masks)
        self.run = self.fast

    def _fold(
        self, modules: dict[str, nn.Module], names: Sequence[str], example: torch.Tensor
    ) -> None:
        """Take foldable norms out of the calls, if the outputs stay what they are."""
        with buffers_kept(self.plain), torch.no_grad():
            self.plain(example)  # first: a network may keep what it first sees
            _perturb(self.plain)  # what is as good as nothing would not show in the outputs
            expected = self.plain(example)
            try:
                graph = Tracer().trace(self.plain)
                norms = foldable(graph, self.plain, names)
                for node in [n for n in graph.nodes if n.target in norms.values()]:
                    node.replace_all_uses_with(node.all_input_nodes[0])
                    graph.erase_node(node)
                overwrite(graph, self.plain)
                self.fast = fx.GraphModule(self.plain, graph)
                self._give_biases([norms.get(name, "") for name in names], modules)
                outputs = self.fast(example)
                apart = TOLERANCE * float(expected.nan_to_num().abs().max())
                if not torch.allclose(outputs, expected, rtol=0, atol=apart, equal_nan=True):
                    raise RuntimeError("the calls that were followed give other outputs")
                self.folded = tuple(norms.values())
            except Exception as cause:  # torch.fx runs the network's code, which may raise anything
                self.reason = (str(cause) or repr(cause)).splitlines()[0]
                self.fast, self.norms = self.plain, [None] * len(names)
                self._write(self._trained, self._biases, None)

    def _give_biases(self, behind: Sequence[str], modules: dict[str, nn.Module]) -> None:
        """Note the norms, give each layer before one a bias, and fold."""
        norms = [modules[name] if name else None for name in behind]
        self.norms = [norm if isinstance(norm, _BatchNorm) else None for norm in norms]
        for i, module in enumerate(self.modules):
            if self.norms[i] is not None and module.bias is None:
                module.bias = nn.Parameter(module.weight.new_zeros(len(module.weight)), False)
                self._biases[i] = module.bias.clone()
        self._write(*self._scaled(self._trained), None)

    def _scaled(
        self,
        weights: Sequence[torch.Tensor],
        unfolded: Sequence[torch.Tensor | None] | None = None,
    ) -> tuple[list[torch.Tensor], list[torch.Tensor | None]]:
        """Fold the statistics as they are into weights and biases, one a layer."""
        unfolded = self._biases if unfolded is None else unfolded
        folded, biases = list(weights), list(unfolded)
        for i, (weight, norm) in enumerate(zip(weights, self.norms, strict=True)):
            if norm is None:
                continue
            fuse = fuse_linear_bn_weights if weight.ndim == 2 else fuse_conv_bn_weights
            parts = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
            w, b = fuse(weight, unfolded[i], *parts)  # type: ignore[arg-type]
            folded[i], biases[i] = w.detach(), b.detach()
        return folded, biases

    def _write(
        self,
        weights: Sequence[torch.Tensor],
        biases: Sequence[torch.Tensor | None],
        masks: Sequence[torch.Tensor] | None,
    ) -> None:
        """Write weights, masked, and biases into the copy."""
        self.unmasked, self.holder = list(weights), None
        with torch.no_grad():
            for i, module in enumerate(self.modules):
                value = weights[i] if masks is None else weights[i] * masks[i]
                module.weight.copy_(value)
                if biases[i] is not None:
                    module.bias.copy_(biases[i])

    def _cast(self, *, images: bool) -> None:
        """Bring both networks to the dtype, all but BatchNorm, and to the layout that is fast."""
        norms = [(norm, copy.deepcopy(norm.state_dict())) for norm in batchnorms(self.plain)]
        for network in (self.plain, self.fast):  # a traced network holds buffers of its own
            network.to(self.dtype)
            if images:
                network.to(memory_format=torch.channels_last)
        for norm, state in norms:
            norm.float().load_state_dict(state)

    def _set(self, statistics: Sequence[torch.Tensor]) -> None:
        """Set BatchNorm's statistics."""
        for buffer, value in zip(self._buffers, statistics, strict=True):
            buffer.copy_(value)


def _copy(model: nn.Module) -> nn.Module:
    try:
        return copy.deepcopy(model)
    except Exception as cause:  # a module may hold anything, such as a lock
        raise InputError(
            f"model: expected one that can be copied, not {type(model).__name__}: {cause}; give it "
            "a __deepcopy__, or use the plain Evaluator and Guidance"
        ) from cause


def _perturb(model: nn.Module) -> None:
    """Move the statistics of every BatchNorm, of each channel by another share of its deviation."""
    for norm in batchnorms(model):
        if norm.running_mean is not None and norm.running_var is not None:
            steps = torch.linspace(-0.2, 0.2, norm.num_features, device=norm.running_mean.device)
            norm.running_mean += steps * norm.running_var.sqrt()
            norm.running_var *= 1 + steps
