"""Let a sum or a ReLU write over its input where nobody else reads that: outputs stay, to the bit.

Beside convolutions of few channels, a sum that looks for new memory takes as long as a convolution.
"""

from __future__ import annotations

import operator

import torch
from torch import fx, nn
from torch.nn import functional

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
MAKERS = (*CONVOLUTIONS, *NORMS, nn.Linear)  # whose outputs are new memory
SUMS = (operator.add, torch.add, operator.iadd)  # the last one writes over its input anyway
RELUS = (torch.relu, functional.relu)


def overwrite(graph: fx.Graph, model: nn.Module) -> int:
    """Let sums and ReLUs write over an input that is new memory and has no other reader.

    Args:
        graph: the calls of the model; changed in place.
        model: the modules that are called.

    Returns:
        How many calls were changed.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
    >>> graph = fx.Tracer().trace(model)
    >>> overwrite(graph, model), [node.target for node in graph.nodes if node.op == "call_method"]
    (1, ['relu_'])
    """
    modules = dict(model.named_modules(remove_duplicate=False))
    changed, fresh = 0, set[fx.Node]()
    for node in list(graph.nodes):
        module = modules.get(str(node.target)) if node.op == "call_module" else None
        name = _in_place(node, module)
        if name and node.args[0] in fresh and len(node.args[0].users) == 1:
            with graph.inserting_before(node):
                over = graph.call_method(name, node.args)
            node.replace_all_uses_with(over)
            graph.erase_node(node)
            changed += 1
            if name == "add_":
                fresh.add(over)
        elif type(module) in MAKERS or (name == "add_" and node.target is not operator.iadd):
            fresh.add(node)
    return changed


def _in_place(node: fx.Node, module: nn.Module | None) -> str:
    """Return the name of the method that does in place what a call of two tensors or one does."""
    tensors = all(isinstance(argument, fx.Node) for argument in node.args)
    if node.op == "call_function" and tensors and not node.kwargs.keys() - {"inplace"}:
        if node.target in SUMS and len(node.args) == 2:
            return "add_"
        if node.target in RELUS and len(node.args) == 1:
            return "relu_"
    return "relu_" if type(module) is nn.ReLU and len(node.args) == 1 else ""
