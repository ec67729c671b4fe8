"""Calls that write over their input: which ones do, and that no output changes."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import fx, nn
from torch.nn import functional

from evoprune.network.models import build
from evoprune.network.overwriting import overwrite


class Around(nn.Module):
    """A convolution, and what is made of its output."""

    def __init__(self, after: Callable[[Any, Any], Any]) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.ReLU()
        self.after = after

    def forward(self, x: torch.Tensor) -> Any:
        return self.after(self, x)


CHANGED: dict[str, Callable[[Any, Any], Any]] = {
    "torch.relu": lambda m, x: torch.relu(m.conv(x)),
    "functional.relu": lambda m, x: functional.relu(m.conv(x)),
    "a ReLU": lambda m, x: m.relu(m.conv(x)),
    "behind BatchNorm": lambda m, x: m.relu(m.norm(x)),
    "a sum with the input": lambda m, x: m.conv(x) + x,
    "torch.add": lambda m, x: torch.add(m.conv(x), x),
    "a sum with itself": lambda m, x: (y := m.conv(x)) + y,
    "a ReLU behind a sum that stays": lambda m, x: functional.relu(x + m.conv(x)),
}
LEFT: dict[str, Callable[[Any, Any], Any]] = {
    "of the input": lambda m, x: torch.relu(x),
    "of a view of the input": lambda m, x: torch.relu(x.flatten(1)),
    "of what is read once more": lambda m, x: torch.relu(y := m.conv(x)) + 2 * y,
    "of the outputs": lambda m, x: (y := m.conv(x), torch.relu(y)),
    "with a number": lambda m, x: m.conv(x) + 1,
    "with a factor": lambda m, x: torch.add(m.conv(x), x, alpha=2),
}


def both(after: Callable[[Any, Any], Any]) -> tuple[nn.Module, nn.Module, int]:
    """Return a network, the one whose calls write over their inputs, and how many of them do."""
    torch.manual_seed(0)
    model = Around(after).eval()
    graph = fx.Tracer().trace(model)
    count = overwrite(graph, model)
    return model, fx.GraphModule(model, graph), count


@pytest.mark.parametrize("name", CHANGED)
def test_new_memory_that_nobody_else_reads_is_written_over(name: str) -> None:
    assert both(CHANGED[name])[2] == 1


@pytest.mark.parametrize("name", LEFT)
def test_all_else_is_left(name: str) -> None:
    assert both(LEFT[name])[2] == 0


@pytest.mark.parametrize("name", [*CHANGED, *LEFT])
def test_outputs_and_inputs_stay_what_they_are(name: str) -> None:
    plain, other, _ = both({**CHANGED, **LEFT}[name])
    x = torch.randn(3, 2, 4, 4)
    before = x.clone()
    expected, got = plain(x), other(x)
    assert torch.equal(x, before)
    pairs = zip(expected, got, strict=True) if isinstance(got, tuple) else [(expected, got)]
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_residual_network_gives_the_same_gradients_to_the_bit() -> None:
    model = build("resnet20")
    graph = fx.Tracer().trace(model)
    other = copy.deepcopy(fx.GraphModule(model, graph))
    # By hand: the first ReLU, and of each of the 9 blocks two ReLUs and a sum.
    assert overwrite(graph, model) == 1 + 9 * 3
    changed, x = fx.GraphModule(model, graph), torch.randn(2, 3, 8, 8)
    gradients = []
    for network in (other, changed):
        network.requires_grad_(True)
        gradients.append(torch.autograd.grad(network(x).square().sum(), network.parameters()))
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))


def test_a_sum_that_wrote_over_what_another_reads_is_no_new_memory() -> None:
    graph = fx.Graph()
    x = graph.placeholder("x")
    y = graph.call_module("conv", (x,))
    relu = graph.call_function(torch.relu, (graph.call_function(operator.iadd, (y, x)),))
    graph.output(graph.call_function(operator.sub, (relu, y)))
    assert overwrite(graph, Around(lambda m, x: x)) == 0
