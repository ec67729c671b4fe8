"""How a recipe tells of a transferred network: a backbone, and the head in the place of its end.

The entry `head` of a recipe is plain JSON; what it does not say is in the state dict:

    {"layer": null, "pool": 1, "features": {"kept": [0, 3], "of": 512}, "units": 64, "classes": 5}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.heads import Head
from evoprune.network.places import rising
from evoprune.network.trunk import Transferred, Trunk


def head_entry(
    head: Head, *, features: int, layer: str | None = None, pool: int = 1
) -> dict[str, Any]:
    """Return what a recipe says of a head.

    Args:
        head: as it is, narrow or whole.
        features: that the backbone gives, 1 or more.
        layer: of the backbone whose output they are; None as in `Trunk`.
        pool: as in `Trunk`.

    >>> head_entry(Head(2, 5, 3, np.array([0, 3])), features=4)["features"]
    {'kept': [0, 3], 'of': 4}
    """
    kept = list(range(features)) if head.chosen is None else head.chosen.tolist()
    classes, units = head.out.weight.shape
    said = {"kept": kept, "of": features}
    return {"layer": layer, "pool": pool, "features": said, "units": units, "classes": classes}


def with_head(backbone: nn.Module, entry: Any) -> Transferred:
    """Return a backbone with a head as a recipe tells of it; the head is untrained.

    Args:
        backbone: whole; it stays as it was.
        entry: see `head_entry`; it may be anything that somebody wrote into a file.

    Raises:
        InputError: if it is no such entry, or the backbone has no such layer.
    """
    places, of, units, classes, pool = _read(entry)
    chosen = None if len(places) == of else np.array(places, np.int64)
    head = Head(len(places), units, classes, chosen)
    return Transferred(Trunk(backbone, entry["layer"], pool), head).eval()


def check_read(network: nn.Module, entry: Mapping[str, Any]) -> None:
    """Refuse weights whose head reads other features than the recipe says.

    Args:
        network: made by `with_head`, its weights loaded since.
        entry: of the recipe.

    Raises:
        InputError: if it does.
    """
    chosen = getattr(network.head, "chosen", None)
    if isinstance(chosen, torch.Tensor) and chosen.tolist() != entry["features"]["kept"]:
        raise InputError(
            "weights: their head reads other features than the recipe says; take the two files of "
            "one export"
        )


def _read(entry: Any) -> tuple[list[int], int, int, int, int]:
    """Return the places of the features, how many there are of all, units, classes, and pool."""
    kept = entry.get("features") if isinstance(entry, Mapping) else None
    if not isinstance(kept, Mapping) or not isinstance(entry.get("layer", 0), str | None):
        raise InputError(
            "recipe: expected a head with layer, features, units and classes, got "
            f"{entry!r:.60}; export the network anew"
        )
    numbers = {
        "features": kept.get("of"),
        "units": entry.get("units"),
        "classes": entry.get("classes"),
        "pool": entry.get("pool"),
    }
    for name, number in numbers.items():
        if type(number) is not int or number < 1:
            raise InputError(f"recipe: expected {name} of a head from 1 on, got {number!r:.60}")
    of, units, classes, pool = numbers.values()
    return rising(kept.get("kept"), of, "features that the head reads"), of, units, classes, pool
