"""How long networks take, timed in turn: what else the machine does troubles all of them alike.

A time in milliseconds belongs to a machine, a batch size and a number of threads, so `setting` says
these; the ratio of two networks timed in one call travels further.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.masks import modes_kept

WARM_UP = 3  # rounds before any is timed: memory is found, kernels are chosen

Network = Callable[[torch.Tensor], Any]


def latency_ms(models: Sequence[Network], images: torch.Tensor, *, runs: int = 30) -> list[float]:
    """Return the median time of a forward pass of each network, in milliseconds.

    Args:
        models: modules, which are lent and run in evaluation mode, or other functions of images.
        images: one batch, on the networks' device.
        runs: rounds that are timed; in each every network runs once.

    Raises:
        InputError: if there is nothing to time, or runs is below 1.

    >>> slow, fast = nn.Linear(2000, 2000), nn.Linear(2, 2)
    >>> times = latency_ms([slow, lambda images: fast(images[:, :2])], torch.zeros(8, 2000))
    >>> times[0] > times[1]
    True
    """
    return [float(median) for median in np.median(timed(models, images, runs=runs), axis=0)]


def timed(
    models: Sequence[Network], images: torch.Tensor, *, runs: int = 30
) -> npt.NDArray[np.float64]:
    """Return the time of each forward pass in milliseconds, shape (runs, models).

    A row holds runs that were made one right after the other, from the first network to the last
    and in the next row back again, so that none is always the one that finds the cache warm.

    Args:
        models: see `latency_ms`.
        images: one batch, on the networks' device.
        runs: rounds that are timed.

    Raises:
        InputError: if there is nothing to time, or runs is below 1.
    """
    if not len(models) or not len(images) or runs < 1:
        raise InputError(
            "latency: expected at least one network, one image and one run; got "
            f"{len(models)}, {len(images)} and {runs}"
        )
    times = np.zeros((WARM_UP + runs, len(models)))
    forth = list(range(len(models)))
    with ExitStack() as stack:
        for module in models:
            if isinstance(module, nn.Module):
                stack.enter_context(modes_kept(module))
                module.eval()
        stack.enter_context(torch.inference_mode())
        for round_ in range(WARM_UP + runs):
            for place in forth if round_ % 2 == 0 else reversed(forth):
                times[round_, place] = _milliseconds(models[place], images)
    return times[WARM_UP:]


def _milliseconds(model: Network, images: torch.Tensor) -> float:
    """Time one forward pass to its very end: a graphics card answers before its work is done."""
    _wait(images.device)
    start = perf_counter()
    model(images)
    _wait(images.device)
    return (perf_counter() - start) * 1e3


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def setting(images: torch.Tensor, *, runs: int = 30) -> dict[str, Any]:
    """Return what a time is to be told with: batch size, threads, the device in words, runs."""
    return {
        "batch": len(images),
        "threads": torch.get_num_threads(),
        "device": _device(images.device),
        "runs": runs,
    }


def _device(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type != "cpu":
        return str(device)
    return _processor() or platform.processor() or platform.machine()


def _processor() -> str:
    """Return the name of the processor as Linux knows it; "" elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else ""
