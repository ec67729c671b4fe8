"""Where a training stands, and the file from which it goes on.

A checkpoint holds tensors, numbers and words alone, and loads with `weights_only=True`.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from evoprune.errors import InputError

Stamp = Mapping[str, Any]


@dataclass(frozen=True)
class Epoch:
    """What an epoch of training came to.

    Args:
        number: from 1 on.
        rate: learning rate of its first step.
        loss: mean over its batches of what is gone down, plain cross-entropy unless told
            otherwise, in nats.
        error: share of its images put into a wrong class while the weights were moving.
        passes: image passes so far; forward and backward of an image are 3, a teacher's look at it
            is 1, and so is each image of the `search` split that is measured.
        search_loss: mean cross-entropy on the `search` split after it; None if not measured.
        search_error: share of wrong ones there.
    """

    number: int
    rate: float
    loss: float
    error: float
    passes: int
    search_loss: float | None = None
    search_error: float | None = None


@dataclass
class Course:
    """All that a training goes on from.

    Attributes:
        model: the network that is trained.
        optimiser: with its averages.
        schedule: of the learning rate.
        rng: that draws the order of the images and the augmentation.
        precision: "fp32" or "bf16"; "auto" is decided.
        history: an entry for each epoch so far.
        passes: image passes so far.
        best: the weights of the smallest error on the `search` split; None if it is not watched.
        best_error: that error.
        stale: epochs since then.
    """

    model: nn.Module
    optimiser: torch.optim.Optimizer
    schedule: LRScheduler | ReduceLROnPlateau
    rng: np.random.Generator
    precision: str
    history: list[Epoch] = field(default_factory=list)
    passes: int = 0
    best: dict[str, torch.Tensor] | None = None
    best_error: float = float("inf")
    stale: int = 0

    def compare(self, error: float) -> None:
        """Keep the weights if none had a smaller or equal error before."""
        self.stale += 1
        if error < self.best_error:
            self.best_error, self.stale = error, 0
            self.best = {key: value.clone() for key, value in self.model.state_dict().items()}

    def save(self, path: Path, stamp: Stamp) -> None:
        """Write all of it, and what training it is of."""
        device = next(self.model.parameters()).device
        plain = ("precision", "passes", "best", "best_error", "stale")
        content = {
            "training": dict(stamp),
            "model": self.model.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "schedule": self.schedule.state_dict(),
            "rng": self.rng.bit_generator.state,
            "torch": torch.get_rng_state(),
            "device": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
            "history": [asdict(epoch) for epoch in self.history],
            **{name: getattr(self, name) for name in plain},
        }
        save(content, path, argument="checkpoint")

    def load(self, path: Path, stamp: Stamp) -> None:
        """Go back to where `save` was called, torch's generator included.

        Raises:
            InputError: if the file is no such checkpoint, or is of another training.
        """
        content = _read(path)
        for name, value in stamp.items():
            if content["training"].get(name) != value:
                raise InputError(
                    f"checkpoint: {path} is of a training with another {name} "
                    f"({_short(content['training'].get(name))}, not {_short(value)}); "
                    "name another file"
                )
        self.model.load_state_dict(content["model"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.schedule.load_state_dict(content["schedule"])
        self.rng.bit_generator.state = content["rng"]
        torch.set_rng_state(content["torch"])
        if content["device"] is not None:
            torch.cuda.set_rng_state(content["device"], next(self.model.parameters()).device)
        self.history = [Epoch(**entry) for entry in content["history"]]
        for name in ("precision", "passes", "best", "best_error", "stale"):
            setattr(self, name, content[name])


def save(content: Mapping[str, Any], path: Path, *, argument: str) -> None:
    """Write by `torch.save` beside the path, then rename: the file is whole or not there.

    Args:
        content: tensors, numbers, words, and lists and dicts of them.
        path: the file; replaced if it is there.
        argument: that named the path, for the error.

    Raises:
        InputError: if it cannot be written.
    """
    buffer, beside = io.BytesIO(), path.with_name(f"{path.name}.part")
    torch.save(dict(content), buffer)
    try:
        beside.write_bytes(buffer.getvalue())
        os.replace(beside, path)
    except OSError as cause:
        raise InputError(f"{argument}: cannot write to {path}: {cause.strerror}") from None


def _read(path: Path) -> dict[str, Any]:
    """Read a checkpoint of `Course.save`."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as cause:
        raise InputError(f"checkpoint: {path} is none of a training; name another file") from cause
    if not isinstance(content, dict) or not isinstance(content.get("training"), dict):
        raise InputError(f"checkpoint: {path} is none of a training; name another file")
    return content


def _short(value: object) -> str:
    """Write a value in one short piece."""
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40]}..."
