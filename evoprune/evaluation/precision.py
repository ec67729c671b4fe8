"""In which precision a search runs: "fp32", "bf16", or "auto", the faster one of the device."""

from __future__ import annotations

import time
from statistics import median

import torch

from evoprune.errors import InputError, unknown

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
PRECISIONS = (*DTYPES, "auto")
FASTER = 1.3  # times as fast as single precision bfloat16 has to be for "auto" to take it
SIDE = 768  # of the matrices that are multiplied to find out


def resolve_precision(name: str, device: torch.device | str) -> str:
    """Return "fp32" or "bf16"; for "auto" the faster one, by multiplying two matrices.

    Hardware has bfloat16 or it emulates it at a fraction of the speed, so that the answer does not
    hang on a busy moment.

    Args:
        name: "fp32", "bf16" or "auto".
        device: where the network runs.

    Raises:
        InputError: if the name is unknown, or the device cannot do it.
    """
    device = torch.device(device)
    if name != "auto":
        check_precision(name, device)
        return name
    try:
        check_precision("bf16", device)
    except InputError:
        return "fp32"
    single, half = (_seconds(dtype, device) for dtype in DTYPES.values())
    return "bf16" if single > FASTER * half else "fp32"


def check_precision(name: str, device: torch.device) -> None:
    """Raise an InputError if a precision is unknown or a device cannot convolve in it."""
    if name not in DTYPES:
        raise unknown("precision", name, PRECISIONS)
    try:
        image = torch.ones((1, 1, 3, 3), dtype=DTYPES[name], device=device)
        torch.nn.functional.conv2d(image, image)
    except (RuntimeError, TypeError) as cause:
        raise InputError(
            f"precision: {device} cannot convolve in {name}: {str(cause).splitlines()[0]}; "
            "write --precision fp32"
        ) from cause


def _seconds(dtype: torch.dtype, device: torch.device) -> float:
    """Return how long a product of two matrices takes, the median of five after a first one."""
    matrix, times = torch.ones((SIDE, SIDE), dtype=dtype, device=device), []
    for _ in range(6):
        began = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for the device
        times.append(time.perf_counter() - began)
    return median(times[1:])
