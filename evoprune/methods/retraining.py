"""Train what a search has found, before it goes on and at its end.

A single mask is trained as the narrow network that it is, which costs as little as that network
computes; several are trained together, in one set of weights (`Shared`).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import nn

from evoprune.network.datasets import Dataset
from evoprune.network.sharing import Shared
from evoprune.network.surgery import Cut, Kept, narrow_weight, shrink
from evoprune.network.training import train
from evoprune.passes import Passes
from evoprune.running.problem import Problem, augmenting
from evoprune.space.genes import Bits


@dataclass(frozen=True)
class Retraining:
    """How long, and on what.

    Args:
        epochs: over the images that are drawn.
        images: of the training split, drawn anew each time; all if None.
        settings: of `network.optimising.Training` by name, such as `rate`.
        shift: pixels by which images are shifted at most; a network of few filters has none to
            spare for shifted images.
        teacher: see `network.training.train`; None for none.
    """

    epochs: int
    images: int | None
    settings: dict[str, Any]
    shift: int = 0
    teacher: nn.Module | None = None

    def cost(self, data: Dataset) -> int:
        """Return the image passes that it takes."""
        images = len(data.train) if self.images is None else min(self.images, len(data.train))
        return (3 if self.teacher is None else 4) * images * self.epochs


def retrained(
    problem: Problem,
    masks: Sequence[Bits],
    retraining: Retraining,
    *,
    rng: np.random.Generator,
    passes: Passes,
) -> tuple[nn.Module, Cut]:
    """Train for one mask, or for several together.

    Args:
        problem: its network is where training begins; it stays as it was.
        masks: one or more, over all genes.
        retraining: how.
        rng: draws images, their order, their augmentation, and which mask a batch is for.
        passes: counted into as "training".

    Returns:
        The trained network, and what of the old one's channels it has. For one mask it is narrow,
        and single weights that are removed are zero in it; for several it has the old size, and
        what none of them keeps is zero.
    """
    space = problem.space
    cuts = [space.cut(mask) for mask in masks]
    if len(cuts) == 1:
        small = shrink(space.model, cuts[0])
        _train(small, problem, retraining, narrow_masks(cuts[0]), rng=rng, passes=passes)
        return small, removable(cuts[0])
    model = copy.deepcopy(space.model)
    shared = Shared(model, cuts, rng)
    held = {f"model.{name}": mask for name, mask in shared.removed_by_all.items()}
    _train(shared, problem, retraining, held, rng=rng, passes=passes)
    return model, {}


def narrow_masks(cut: Cut) -> dict[str, torch.Tensor]:
    """Return what a cut keeps of single weights, bool, of the shapes of the narrow network."""
    return {
        f"{name}.weight": narrow_weight(kept.weights, replace(kept, weights=None))
        for name, kept in cut.items()
        if kept.weights is not None
    }


def removable(cut: Cut) -> dict[str, Kept]:
    """Return a cut without its single weights: what `network.recipe` knows of it."""
    return {name: replace(kept, weights=None) for name, kept in cut.items()}


def _train(
    model: nn.Module,
    problem: Problem,
    retraining: Retraining,
    masks: dict[str, torch.Tensor],
    *,
    rng: np.random.Generator,
    passes: Passes,
) -> None:
    data = problem.data
    if retraining.images is not None and retraining.images < len(data.train):
        drawn = rng.permutation(len(data.train))[: retraining.images]
        data = replace(data, train=data.train.part(drawn))
    train(
        model,
        data,
        epochs=retraining.epochs,
        rng=rng,
        augmentation=augmenting(problem.data, shift=retraining.shift),
        masks=masks,
        teacher=retraining.teacher,
        passes=passes,
        progress=False,
        **retraining.settings,
    )
