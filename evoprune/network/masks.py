"""Lend a network: put a mask on, and give the network back as it was.

Everything here is a context manager that saves on entry and restores in `finally`, so that a
network survives an exception inside. Nothing else in evoprune writes to weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def masked(weights: Sequence[torch.Tensor], masks: Sequence[torch.Tensor]) -> Iterator[None]:
    """Zero the weights whose mask is 0 for the time of the block.

    Args:
        weights: parameters, each of any shape.
        masks: bool or float tensors of the same shapes; 0 removes.
    """
    saved = [weight.detach().clone() for weight in weights]
    try:
        with torch.no_grad():
            for weight, mask in zip(weights, masks, strict=True):
                weight.mul_(mask)
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, saved, strict=True):
                weight.copy_(value)


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Restore every module's train/eval mode after the block."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def buffers_kept(model: nn.Module) -> Iterator[None]:
    """Restore every buffer, such as BatchNorm's running statistics, after the block."""
    saved = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        for buffer, value in saved:
            buffer.copy_(value)


def batchnorms(model: nn.Module) -> list[_BatchNorm]:
    """List the BatchNorm layers that keep running statistics."""
    return [m for m in model.modules() if isinstance(m, _BatchNorm) and m.track_running_stats]


@contextmanager
def batch_statistics(model: nn.Module, *, momentum: float | None) -> Iterator[None]:
    """Let BatchNorm normalise by the batch at hand; everything else stays in evaluation mode.

    Args:
        model: the network; modes and momenta are restored.
        momentum: 0 leaves the running statistics alone, None averages over all batches seen.
    """
    layers = batchnorms(model)
    momenta = [layer.momentum for layer in layers]
    with modes_kept(model):
        model.eval()
        try:
            for layer in layers:
                layer.momentum = momentum
                layer.train()
            yield
        finally:
            for layer, value in zip(layers, momenta, strict=True):
                layer.momentum = value


def recalibrate(model: nn.Module, batches: Sequence[torch.Tensor], *, strength: float) -> None:
    """Replace BatchNorm's running statistics by those of the given images, in place.

    The statistics are cumulative averages over the batches; `strength` s mixes them with the ones
    that were there: s * new + (1 - s) * old. Wrap the call in `buffers_kept` to undo it.

    Args:
        model: the network, as it will be evaluated.
        batches: normalised images, each (batch, channels, height, width).
        strength: 0 (nothing changes) to 1.
    """
    layers = batchnorms(model)
    pairs = [(layer.running_mean, layer.running_var) for layer in layers]
    statistics = [statistic for pair in pairs for statistic in pair if statistic is not None]
    old = [statistic.clone() for statistic in statistics]
    for layer in layers:
        layer.reset_running_stats()
    with torch.no_grad(), batch_statistics(model, momentum=None):
        for batch in batches:
            model(batch)
    for new, before in zip(statistics, old, strict=True):
        new.lerp_(before, 1 - strength)
