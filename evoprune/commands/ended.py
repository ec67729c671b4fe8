"""A run that has ended, opened again: its settings, its front, and its task."""

from __future__ import annotations

from typing import Any

import torch

from evoprune.commands.run import method_of
from evoprune.errors import InputError
from evoprune.running.config import Settings
from evoprune.running.rundir import RunDir
from evoprune.seeding import Streams


def opened(folder: RunDir) -> tuple[Settings, list[dict[str, Any]]]:
    """Return the settings of a run, and the rows of its front.

    Raises:
        InputError: if it has not ended, or its front is empty.
    """
    folder.check_ended()
    kept = folder.read_json("config.json")
    config = method_of(kept.get("method", "")).settings.from_json(kept)
    rows = folder.read_table("front.csv")
    if not rows:
        raise InputError(f"run: the front of {folder.path} is empty")
    return config, rows


def task_of(folder: RunDir, config: Settings, threads: int | None = None) -> Any:
    """Build a run's task again; of its seed come the images of a recalibration.

    Args:
        folder: the run's; the weights that it trained are taken from it.
        config: the run's.
        threads: of torch; those of the run if None.

    Raises:
        InputError: if the weights are gone, or what the task needs is.
    """
    threads = config.threads if threads is None else threads
    if threads is not None:
        torch.set_num_threads(threads)
    trained = folder.path / "weights.pt"
    if config.weights is None and not trained.exists():
        raise InputError(f"run: {trained} is gone, the weights that the masks are of")
    return method_of(config.method).prepare(config, Streams(config.seed), trained=trained)
