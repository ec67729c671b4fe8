"""The device that a network runs on."""

from __future__ import annotations

import torch

from evoprune.errors import InputError


def usable_device(name: str) -> torch.device:
    """Return a device by name, set to calculate the same each time.

    Args:
        name: "cpu", "cuda" or another of torch's.

    Raises:
        InputError: if torch cannot use it.

    >>> usable_device("cpu")
    device(type='cpu')
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as cause:
        raise InputError(f"device: expected one that torch can use, got {name!r}") from cause
    if device.type == "cuda":  # single precision is to be just that, and the same each time
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.deterministic = True
    return device
