"""Blocks of generations with a retraining between them, kept so that a run goes on after a kill.

Every network that was trained is written down as what the export reads: narrow, with the recipe of
its channels. A block's checkpoint goes when that of the next is complete.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import nn

from evoprune.methods.retraining import Retraining, retrained
from evoprune.network.recipe import cut_in, rebuild, recipe_of, widened
from evoprune.running.config import MaskSettings
from evoprune.running.problem import Problem, space_of
from evoprune.running.run import Run
from evoprune.seeding import stream
from evoprune.space.genes import Bits

Content = dict[str, Any]


class Blocks:
    """The weights of a search, block by block.

    Args:
        problem: with the network that the search begins with.
        config: the settings.
        run: the driver; its folder takes the files.
        name: of the search, where the run has several; "" if not.
    """

    def __init__(self, problem: Problem, config: MaskSettings, run: Run, name: str = "") -> None:
        self.problem, self.config, self.run, self.name = problem, config, run, name
        self._contents: dict[str, Content] = {}

    def phase(self, block: int) -> str:
        """Return the name of a block's phase."""
        return self._named(f"block-{block}")

    def start(self) -> int:
        """Return the block to begin with: 0, or the first of which a checkpoint is there."""
        block = 0
        while self._has(f"{block + 1}") and not self.run.begun(self.phase(block)):
            block += 1
        return block

    def task(self, block: int) -> Problem:
        """Return the problem with the weights that a block searches on."""
        if block == 0:
            return self.problem
        content, dense = self._content(f"{block}"), self.problem.space.model
        small = rebuild(dense, content["recipe"], content["state_dict"])
        model = widened(dense, cut_in(content["recipe"], dense), small)
        model.to(self.problem.device).to(memory_format=torch.channels_last).eval()
        shape = tuple(self.problem.data.train.images.shape[1:])
        space = space_of(self.config, model, shape, self.problem.passes)
        space.weights = space.weights.to(self.problem.device)
        return replace(self.problem, space=space)

    def retrain(
        self, block: int, task: Problem, masks: Sequence[Bits], retraining: Retraining
    ) -> Problem:
        """Train the weights of the block before for these masks, and return the next problem.

        Args:
            block: that is to begin.
            task: of the block before.
            masks: one or more, over all genes.
            retraining: how; counted into the run's passes.
        """
        passes = self.run.passes
        if self._has(f"{block}") and not self.run.begun(self.phase(block)):
            passes["training"] += retraining.cost(self.problem.data)  # by the start that was ended
        self._once(f"{block}", task, masks, retraining, passes)
        if self.run.directory is not None and block > 1:
            old = self.run.directory.path / f"checkpoint/{self.phase(block - 2)}.npz"
            old.unlink(missing_ok=True)
        return self.task(block)

    def final(self, key: str, task: Problem, mask: Bits, retraining: Retraining) -> nn.Module:
        """Return the narrow network of a mask, trained at the end; not counted in the run's passes.

        Args:
            key: that it is kept by, none that a block has.
            task: with the weights to begin with.
            mask: over all genes.
            retraining: how.
        """
        content = self._once(key, task, [mask], retraining, type(self.run.passes)())
        return rebuild(self.problem.space.model, content["recipe"], content["state_dict"])

    def elite(self, block: int) -> tuple[Bits, nn.Module]:
        """Return the mask that a block ended with, and its narrow network, retrained."""
        content = self._content(f"{block + 1}")
        packed, size = content["masks"][0].numpy(), self.problem.space.size
        mask = np.unpackbits(packed, count=size).view(np.bool_)
        small = rebuild(self.problem.space.model, content["recipe"], content["state_dict"])
        return mask, small

    def _once(
        self,
        key: str,
        task: Problem,
        masks: Sequence[Bits],
        retraining: Retraining,
        passes: Any,
    ) -> Content:
        """Train, unless it was done; what is drawn depends on the seed and the key alone."""
        if not self._has(key):
            rng = stream(self.config.seed, f"retraining {self._named(key)}")
            network, cut = retrained(task, masks, retraining, rng=rng, passes=passes)
            packed = [torch.from_numpy(np.packbits(mask)) for mask in masks[:1]]
            self._contents[key] = {
                "state_dict": {name: v.cpu() for name, v in network.state_dict().items()},
                "recipe": recipe_of(task.space.model, cut),
                "masks": packed,
            }
            self._write(key)
        return self._content(key)

    def _write(self, key: str) -> None:
        if self.run.directory is not None:
            self.run.directory.write_tensors(self._file(key), self._contents[key])

    def _content(self, key: str) -> Content:
        if key not in self._contents and self.run.directory is not None:
            path = self.run.directory.path / self._file(key)
            self._contents[key] = torch.load(path, map_location="cpu", weights_only=True)
        return self._contents[key]

    def _has(self, key: str) -> bool:
        folder = self.run.directory
        return key in self._contents or (
            folder is not None and (folder.path / self._file(key)).exists()
        )

    def _file(self, key: str) -> str:
        return f"retrained/{self._named(key)}.pt"

    def _named(self, key: str) -> str:
        return f"{self.name}-{key}" if self.name else key


def uncounted(run: Run, phase: str, build: Callable[[], Any]) -> Any:
    """Build what counts image passes; they are in the checkpoint of a phase that was begun."""
    before = dict(run.passes)
    built = build()
    if run.begun(phase):
        run.passes.clear()
        run.passes.update(before)
    return built
