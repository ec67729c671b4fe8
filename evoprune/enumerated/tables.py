"""Tables of enumerated networks: where they lie, and how they are read. No torch, no pickle."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from evoprune.enumerated.network import EnumeratedNetwork
from evoprune.errors import InputError, unknown
from operators.layout import Layout

FOLDER = Path(__file__).parent
NAMES = ("filters", "groups")
SPLITS = ("search", "test")
WEIGHT = "weight_"  # in front of the name of a parameter


def load(name: str | Path) -> EnumeratedNetwork:
    """Return an enumerated network, by name or from a file that `evoprune enumerate` made.

    "filters": a CNN of three convolutions for the digits, a gene a filter, 65,536 masks. It has no
    saliency: behind a ReLU, a filter of zeros gets no gradient.
    "groups": a perceptron of three layers for the digits, a gene a block of weights of like
    magnitude, 16,384 masks, with the saliency of every gene under every mask.

    Args:
        name: "filters", "groups", or the path of an .npz file.

    Raises:
        InputError: if the name is unknown (the nearest is offered), or the file is no table.

    >>> load("groups").genes
    14
    """
    path = Path(name)
    if str(name) in NAMES:
        path = FOLDER / f"{name}.npz"
    elif path.suffix != ".npz":
        raise unknown("enumerated network", str(name), NAMES)
    elif not path.is_file():
        raise InputError(f"enumerated network: expected a file, found none at {path}")
    try:
        with np.load(path) as file:
            return from_arrays(path.stem, dict(file))
    except (zipfile.BadZipFile, KeyError, ValueError, EOFError) as cause:
        raise InputError(
            f"enumerated network: expected a table of `evoprune enumerate`, got {path} ({cause})"
        ) from cause


def from_arrays(name: str, arrays: dict[str, Any]) -> EnumeratedNetwork:
    """Return the network that arrays describe, as they stand in a file.

    Args:
        name: of the network.
        arrays: `names` and `sizes` of the layers, `score`, `cost`, `images` (of search and test),
            `wrong_search`, `wrong_test`, `soft_search`, `soft_test`, `weight_...`; `loss` and
            `first_order` where there is guidance.
    """
    layout = Layout.plain(
        arrays["sizes"].tolist(), score=arrays["score"], names=arrays["names"].tolist()
    )
    return EnumeratedNetwork(
        name=name,
        layout=layout,
        images=dict(zip(SPLITS, arrays["images"].tolist(), strict=True)),
        wrong={split: arrays[f"wrong_{split}"] for split in SPLITS},
        soft_error={split: arrays[f"soft_{split}"] for split in SPLITS},
        cost=arrays["cost"],
        loss=arrays.get("loss"),
        first_order=arrays.get("first_order"),
        weights={k.removeprefix(WEIGHT): v for k, v in arrays.items() if k.startswith(WEIGHT)},
    )
