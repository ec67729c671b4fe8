"""What is certified of an exported network: its size, its speed, and that it is the same network.

Each function measures one thing of the dense network and of the exported one, and returns it as
plain numbers for certificate.json. What is timed runs in turn, in the same runtime.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evoprune.network.cost import macs_per_weight
from evoprune.network.latency import Network, setting, timed
from evoprune.network.layers import prunable

FILE = "certificate.json"
TOLERANCE = 1e-4  # of outputs, as a share of the largest; rounding is about 1e-6
BATCH, RUNS = 32, 30


class ExportError(RuntimeError):
    """A network that cannot be written as asked, or that is another one when it is read again."""


def agreement(
    masked: nn.Module, cut: nn.Module, read: Network, images: torch.Tensor
) -> dict[str, Any]:
    """Compare the masked network, the cut one and the one that was read from the file.

    Args:
        masked: of the old size, with zeros.
        cut: what was written.
        read: what came back.
        images: run as one batch, and the first of them as a batch of its own.

    Returns:
        The largest difference of two outputs, as a share of the largest output, for each pair.

    Raises:
        ExportError: if a difference is above `TOLERANCE`, or an output is not finite.
    """
    batches = [images, images[:1]]
    with torch.no_grad():
        outputs = [[network(batch) for batch in batches] for network in (masked, cut, read)]
    differences = {
        "masked_cut": _apart(outputs[0], outputs[1]),
        "cut_file": _apart(outputs[1], outputs[2]),
        "masked_file": _apart(outputs[0], outputs[2]),
    }
    for pair, difference in differences.items():
        if not difference <= TOLERANCE:  # also where it is NaN
            one, other = pair.split("_")
            raise ExportError(
                f"certificate: the {one} network and the {other} are {difference:.1e} of the "
                f"largest output apart, more than {TOLERANCE:.0e}; nothing was written"
            )
    sizes = [len(batch) for batch in batches]
    return {**differences, "tolerance": TOLERANCE, "images": len(images), "batches": sizes}


def _apart(ones: list[torch.Tensor], others: list[torch.Tensor]) -> float:
    """Return the largest difference as a share of the largest output."""
    if any(one.shape != other.shape for one, other in zip(ones, others, strict=True)):
        return float("inf")
    largest = max(float(one.abs().max()) for one in ones)
    difference = max(
        float((one - other).abs().max()) for one, other in zip(ones, others, strict=True)
    )
    return difference / max(largest, 1e-12) if np.isfinite(largest) else float("nan")


def sizes(dense: nn.Module, small: nn.Module, dense_bytes: int, bytes_: int) -> dict[str, Any]:
    """Return bytes of the files and parameters of the networks; zeros are counted apart."""
    before, after = _parameters(dense), _parameters(small)
    removed = sum(int((layer.module.weight == 0).sum()) for layer in prunable(small))
    return {
        "bytes": _both(dense_bytes, bytes_),
        "parameters": {**_both(before, after), "not_zero": after - removed},
    }


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(
    dense: nn.Module, small: nn.Module, image_shape: tuple[int, ...]
) -> dict[str, Any]:
    """Return the MACs of one image; `not_zero` are those that are left if zeros cost nothing."""
    (before, _), (after, nonzero) = (_macs(model, image_shape) for model in (dense, small))
    return {**_both(before, after), "not_zero": nonzero}


def _macs(model: nn.Module, image_shape: tuple[int, ...]) -> tuple[int, int]:
    layers = prunable(model)
    uses = macs_per_weight(model, image_shape, layers)
    nonzero = [int(torch.count_nonzero(layer.module.weight)) for layer in layers]
    return int(np.array([layer.size for layer in layers]) @ uses), int(np.array(nonzero) @ uses)


def latency(
    dense: Network, small: Network, images: torch.Tensor, *, batch: int = BATCH, runs: int = RUNS
) -> dict[str, Any]:
    """Return the medians of a forward pass in milliseconds, and of the ratios pair by pair.

    Args:
        dense: the network before pruning.
        small: the exported one, in the same runtime.
        images: repeated or cut to a batch.
        batch: images a pass.
        runs: of each network, in turn.
    """
    batched = images[torch.arange(batch) % len(images)]
    times = timed([dense, small], batched, runs=runs)
    before, after = np.median(times, axis=0)
    return {
        "dense_ms": float(before),
        "exported_ms": float(after),
        "times_as_fast": float(np.median(times[:, 0] / times[:, 1])),
        **setting(batched, runs=runs),
    }


def _both(dense: int, exported: int) -> dict[str, Any]:
    return {"dense": dense, "exported": exported, "share": exported / dense}


def write(content: Mapping[str, Any], path: Path) -> None:
    """Write a certificate as indented JSON."""
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def told(content: Mapping[str, Any]) -> str:
    """Return a certificate in a few lines."""
    lines = [f"{'':12} {'dense':>14} {'exported':>14}"]
    for name, key in (("parameters", "parameters"), ("MACs", "macs"), ("bytes", "bytes")):
        row = content[key]
        line = f"{name:12} {row['dense']:>14,} {row['exported']:>14,} {row['share']:8.1%}"
        if row.get("not_zero", row["exported"]) < row["exported"]:
            line += f"   of them not zero {row['not_zero']:,}, {row['not_zero'] / row['dense']:.1%}"
        lines.append(line)
    time = content["latency"]
    lines.append(
        f"{'latency, ms':12} {time['dense_ms']:14.3f} {time['exported_ms']:14.3f}"
        f"   {time['times_as_fast']:.2f} times as fast (batch {time['batch']}, threads "
        f"{time['threads']}, {time['device']}, median of {time['runs']} pairs)"
    )
    same = content["agreement"]
    lines.append(
        f"masked = cut to {same['masked_cut']:.1e}, cut = file to {same['cut_file']:.1e} of the "
        f"largest output (tolerance {same['tolerance']:.0e}, {same['images']} images)"
    )
    return "\n".join(lines)
