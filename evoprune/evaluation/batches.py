"""How many images go through a network at a time: as many as are fastest, and fit."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from math import ceil

import torch

from evoprune.errors import InputError

SMALL = (25, 50, 100, 200)  # on a CPU: they stay in its cache
LARGE = (250, 1000, 4000)  # on any other device: enough to keep it busy
DEFAULT = 100
TRIES = 3  # of each size
VISIBLE = 1e-3  # share of the largest output by which a batch size may change outputs unnoticed


@torch.inference_mode()
def best_batch(
    network: Callable[[torch.Tensor], torch.Tensor],
    images: torch.Tensor,
    *,
    limit: int | None = None,
) -> int:
    """Return the fastest of a few batch sizes, found by a short trial.

    Only sizes that give the very outputs of the others may win, bit for bit, so that no result
    hangs on how fast the machine was during the trial.

    Args:
        network: from images to outputs.
        images: the first of them, as many as the largest size, are shown once a size and round.
        limit: the largest size that fits into memory; None for any.

    Returns:
        Images a forward pass, at least 1.
    """
    most = min(len(images), limit or len(images))
    known = SMALL if images.device.type == "cpu" else LARGE
    sizes = [size for size in known if size <= most]
    if len(sizes) < 2:
        return min(most, known[-1])
    shown = images[: max(sizes)]
    default = DEFAULT if DEFAULT in sizes else sizes[-1]
    trials = {size: _outputs(network, shown, size) for size in sizes}
    expected = trials[default]
    alike = [size for size in sizes if torch.equal(trials[size], expected)]
    apart = [size for size in sizes if _apart(trials[size], expected)]
    if apart:
        warnings.warn(
            f"model: its outputs change with the batch size: {apart[0]} and {default} images a "
            "pass give other errors; look for a layer that normalises over the batch",
            stacklevel=2,
        )
    times: dict[int, float] = dict.fromkeys(alike, float("inf"))
    for _ in range(TRIES):  # in turn, so that a busy moment meets them all
        for size in alike:
            began = time.perf_counter()
            _outputs(network, shown, size).cpu()
            times[size] = min(times[size], time.perf_counter() - began)
    return min(times, key=lambda size: times[size], default=default)


def cut(images: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
    """Cut images into batches of like size: one image alone is multiplied in another way."""
    return images.tensor_split(ceil(len(images) / size))


def check_memory(memory: float, needed: float, what: str) -> None:
    """Raise an InputError if so many megabytes do not hold what is needed, in bytes."""
    if memory * 1e6 < needed:
        smallest = ceil(needed / 1e4) / 100
        raise InputError(
            f"memory: expected at least {smallest:g} MB, which {what} takes, got {memory:g}; "
            f"write --memory {smallest:g}"
        )


def _outputs(
    network: Callable[[torch.Tensor], torch.Tensor], images: torch.Tensor, size: int
) -> torch.Tensor:
    return torch.cat([network(part) for part in cut(images, size)])


def _apart(outputs: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether outputs differ by more than rounding."""
    return bool((outputs - expected).abs().max() > VISIBLE * expected.abs().max())
