"""The masks that a run keeps of its front, and how much of a network each of them leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evoprune.errors import InputError
from evoprune.network.cost import macs_per_weight
from evoprune.running.problem import Problem
from evoprune.running.rundir import RunDir
from evoprune.space.genes import Bits


def sized(
    rows: Sequence[Mapping[str, Any]], problem: Problem, folder: RunDir
) -> list[dict[str, Any]]:
    """Return the rows with the shares of MACs and parameters that each mask leaves."""
    space, shape = problem.space, problem.data.train.images.shape
    uses = macs_per_weight(space.model, tuple(shape[1:]), space.carriers)
    masks = masks_of(folder, space.size)
    return [
        {"macs": space.macs(mask, uses), "params": space.params(mask), **row}
        for row, mask in zip(rows, masks, strict=True)
    ]


def masks_of(folder: RunDir, size: int) -> list[Bits]:
    """Return the masks of a run's front, in the order of its rows.

    Args:
        folder: the run's.
        size: genes of the network of its settings.

    Raises:
        InputError: if the masks have as many as another network.
    """
    arrays = folder.read_arrays("masks.npz")
    if int(arrays["weights"]) != size:
        raise InputError(
            f"run: the masks of {folder.path} have {int(arrays['weights']):,} genes, the network "
            f"of its config.json {size:,}; one of your own is exported by evoprune.network.export"
        )
    return [np.unpackbits(packed, count=size).astype(bool) for packed in arrays["packed"]]


def mask_of(row: Mapping[str, Any], folder: RunDir, size: int) -> Bits:
    """Return the mask of a row of front.csv."""
    ids = [each["id"] for each in folder.read_table("front.csv")]
    return masks_of(folder, size)[ids.index(row["id"])]
