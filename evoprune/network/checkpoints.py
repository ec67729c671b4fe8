"""What a checkpoint file holds: the weights, and the note that `evoprune train` leaves beside them.

`evoprune.network.models.load_weights` puts the weights into a network.
"""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evoprune.errors import InputError


def content_of(path: str | Path, *, trust_pickle: bool = False) -> Any:
    """Read all that a checkpoint holds, on the CPU.

    Args:
        path: the file, made by `torch.save`.
        trust_pickle: also read a file that holds more than tensors. Such a file may run any code
            while it is read: say so for files of your own only.

    Raises:
        InputError: if the file is absent, is no checkpoint or needs trust.
    """
    if not Path(path).is_file():
        raise InputError(f"weights: expected a file, found none at {path}")
    try:
        return torch.load(path, map_location="cpu", weights_only=not trust_pickle)
    except pickle.UnpicklingError as cause:
        if trust_pickle:
            raise InputError(f"weights {path}: expected a file made by torch.save") from cause
        raise InputError(
            f"weights {path}: the file holds more than tensors, or is no checkpoint; reading it "
            "may run code. If it is your own, say --trust-pickle (trust_pickle=True)"
        ) from cause
    except (RuntimeError, EOFError, OSError, AttributeError, ImportError) as cause:
        raise InputError(f"weights {path}: expected a file made by torch.save") from cause


def state_dict_in(content: Any, path: str | Path) -> dict[str, Any]:
    """Return the state dict: the content itself, what it holds under "state_dict", or a network's.

    The prefix `module.` that parallel training leaves on every key is taken off.

    Args:
        content: of the checkpoint.
        path: its file, which an error names.

    Raises:
        InputError: if there is none.

    >>> state_dict_in({"state_dict": {"module.bias": 0}, "epoch": 3}, "w.pt")
    {'bias': 0}
    """
    if isinstance(content, nn.Module):
        content = content.state_dict()
    elif isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise InputError(f"weights {path}: expected a state dict, got a {type(content).__name__}")
    if all(str(key).startswith("module.") for key in content):
        return {key.removeprefix("module."): value for key, value in content.items()}
    return dict(content)


def note_in(content: Any) -> dict[str, Any]:
    """Return the note of `evoprune train` in a checkpoint; an empty one if it has none.

    >>> note_in({"state_dict": {}, "evoprune": {"data": "digits"}})
    {'data': 'digits'}
    """
    note = content.get("evoprune") if isinstance(content, dict) else None
    return note if isinstance(note, dict) else {}
