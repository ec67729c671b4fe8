"""The folder of a run. Every file is written beside its place and renamed: none is ever half there.

config.json    settings, resolved, with versions     log.csv      a row a generation
weights.pt     of a network trained here             checkpoint/  plain arrays, a file a phase
front.csv      a row a solution                      masks.npz    the front's masks, packed
baselines.csv  the controls                          summary.json all in one
picks.csv      a row a fine-tuned network            tuned/       their weights; so control/
features/      of images, by a backbone              heads/       of a transfer, trained
ensembles.csv  a row an ensemble of heads            figures/     pictures
lineage.csv    a row a birth, and operators.csv a row an operator, if the run kept a lineage
failed.npz     the individual whose evaluation ended the run, if one did
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch

from evoprune.errors import InputError, said

OWN = ("summary.json", "weights.pt", "log.csv", "front.csv", "baselines.csv", "masks.npz",
       "checkpoint", "figures", "failed.npz", "lineage.csv", "operators.csv",
       "picks.csv", "tuned", "control", "curve.csv", "retrained", "features", "heads",
       "ensembles.csv")  # fmt: skip


class RunDir:
    """A folder that holds one run.

    Args:
        path: the folder; made if absent.
        resume: whether it is meant to hold a run already.

    Raises:
        InputError: if it holds a run or files that a run would replace and should not, or should
            hold a run and does not.
    """

    def __init__(self, path: str | Path, *, resume: bool = False) -> None:
        self.path = Path(path)
        held = (self.path / "config.json").exists()
        if held and not resume:
            raise InputError(
                f"out: {self.path} holds a run already; name another folder, or go on with it by "
                f"`evoprune resume {self.path}`"
            )
        if resume and not held:
            raise InputError(f"run: expected a folder with a run, got {self.path}")
        if self.path.exists() and not self.path.is_dir():
            raise InputError(f"out: expected a folder, got the file {self.path}")
        if not resume:
            for name in OWN:
                if (self.path / name).exists():
                    raise InputError(
                        f"out: {self.path} holds {name}, which a run would replace; name another "
                        "folder"
                    )
            self.check_writable("out")

    def check_writable(self, argument: str) -> None:
        """Raise an InputError that names the argument if the folder cannot be written to."""
        above = self.path.absolute()
        while not above.exists():
            above = above.parent
        if not (above.is_dir() and os.access(above, os.W_OK)):
            raise InputError(f"{argument}: cannot write to {above}; name a folder that can be made")

    def check_ended(self) -> None:
        """Raise an InputError that says how to go on if the run has not ended."""
        if not (self.path / "summary.json").exists():
            raise InputError(
                f"run: {self.path} has not ended; `evoprune resume {self.path}` goes on with it"
            )

    def write(self, name: str, content: bytes) -> Path:
        """Write a file whole or not at all, and return its path."""
        target = self._target(name)
        beside = target.with_name(target.name + ".part")
        beside.write_bytes(content)
        os.replace(beside, target)
        return target

    def _target(self, name: str) -> Path:
        """Return the path of a file, its folder being there."""
        target = self.path / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise InputError(
                f"out: cannot make {target.parent}: {said(cause)}; name another folder"
            ) from cause
        return target

    def write_json(self, name: str, value: Any) -> Path:
        """Write a value as indented JSON."""
        return self.write(name, (json.dumps(value, indent=1) + "\n").encode())

    def read_json(self, name: str) -> Any:
        """Read a JSON file of the run."""
        try:
            return json.loads((self.path / name).read_text())
        except (OSError, ValueError) as cause:
            raise InputError(f"run: cannot read {self.path / name}: {cause}") from cause

    def write_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Write rows as CSV; the columns are all keys in order of first sight."""
        columns = list(dict.fromkeys(key for row in rows for key in row))
        target = self._target(name)
        beside = target.with_name(target.name + ".part")
        with beside.open("w", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(rows)
        os.replace(beside, target)
        return target

    def read_table(self, name: str) -> list[dict[str, float | str]]:
        """Read a CSV file of the run; what looks like a number is one."""
        try:
            with (self.path / name).open(newline="") as file:
                return [{k: _number(v) for k, v in row.items()} for row in csv.DictReader(file)]
        except OSError as cause:
            raise InputError(f"run: cannot read {self.path / name}: {cause}") from cause

    def write_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> Path:
        """Write arrays as npz."""
        target = self._target(name)
        beside = target.with_name(target.name + ".part")
        with beside.open("wb") as file:
            np.savez(file, **dict(arrays))  # type: ignore[arg-type]
        os.replace(beside, target)
        return target

    def write_tensors(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write tensors, numbers and words as `torch.save` does."""
        buffer = io.BytesIO()
        torch.save(content, buffer)
        return self.write(name, buffer.getvalue())

    def write_masks(self, masks: Sequence[np.ndarray]) -> Path:
        """Write the masks of a front, bools over all genes, in the order of front.csv."""
        packed = np.stack([np.packbits(mask) for mask in masks])
        return self.write_arrays(
            "masks.npz", {"packed": packed, "weights": np.array(len(masks[0]))}
        )

    def read_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Read an npz file; pickled objects in it are refused."""
        try:
            with (self.path / name).open("rb") as whole, np.load(whole, allow_pickle=False) as file:
                return dict(file)
        except (OSError, ValueError, BadZipFile) as cause:
            raise InputError(f"run: cannot read {self.path / name}: {cause}") from cause


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
