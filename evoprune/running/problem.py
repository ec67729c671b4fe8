"""The task of a run, built from its settings: a network, its genes, images, and who judges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.evaluator import Recalibration
from evoprune.evaluation.fastpath import FastEvaluator, FastGuidance
from evoprune.evaluation.latency import Latency
from evoprune.evaluation.objectives import Objective
from evoprune.evaluation.precision import resolve_precision
from evoprune.evaluation.sensitivity import Sensitivity
from evoprune.network import datasets, models
from evoprune.network.layers import check_mixed
from evoprune.network.subsets import base_name
from evoprune.network.training import train
from evoprune.passes import Passes
from evoprune.running.config import LATENCY, MaskSettings
from evoprune.running.device import usable_device
from evoprune.running.fitting import (
    check_fit,
    check_fit_into_memory,
    has_seen_all,
)
from evoprune.seeding import Streams
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import GeneSpace
from evoprune.space.weights import WeightSpace

POOL = 20_000  # augmented training images that guidance draws from, at most
POOL_VALUES = 2**28  # pixels in all of them: a gigabyte
MIRRORED = ("cifar10", "cifar100", "fashion-mnist")  # a mirrored image shows the same thing
BATCH = 128  # images of a step of guidance
EPOCHS = 12  # of a network that comes without a checkpoint
CALIBRATION = (4, 256)  # batches, and images each, of a recalibration
IN_SEARCH = 2  # of these batches; the figures on the test split are worth all of them
FEW = 2048  # genes up to which a quadratic model of every pair is kept: 32 megabytes
SCORED = (8, 128)  # batches, and images each, that an importance score may look at


class Augmentation(TypedDict):
    """How training images may be changed: shifted by so many pixels, and mirrored."""

    padding: int
    flip: bool


@dataclass
class Problem:
    """A trained network, and images of three kinds, none of which serves for another's purpose.

    Attributes:
        space: all genes of the network, weights or filters, that may be pruned.
        data: the splits; "train" guides, "search" judges, "test" is opened once, at the end.
        recalibration: renews BatchNorm statistics for each candidate, or None.
        passes: image passes by kind, of everything built here.
        streams: the random streams of the run.
        precision: of the search, "fp32" or "bf16".
        device: where network and images are.
        memory: megabytes that the activations of a pass may take; None sets no limit.
    """

    space: GeneSpace
    data: datasets.Dataset
    recalibration: Recalibration | None
    passes: Passes
    streams: Streams
    precision: str = "fp32"
    device: str = "cpu"
    memory: float | None = None

    @property
    def model(self) -> nn.Module:
        """Return the network, trained and whole."""
        return self.space.model

    def evaluator(
        self,
        split: str = "search",
        *,
        images: int | None = None,
        measure: str | Objective = "error",
        objectives: Sequence[str | Objective] = ("density",),
        noted: Sequence[str | Objective] = ("error",),
        precision: str | None = None,
        early: bool = False,
    ) -> FastEvaluator:
        """Return an evaluator on the first images of a split, on all of them if None.

        It minimises a measure, by name or a function, and the other objectives, and notes more. All
        but the search's count their passes apart.
        """
        part = getattr(self.data, split)
        searching = split == "search"
        return FastEvaluator(
            self.space,
            self.images(part.images[:images]),
            part.labels[:images].to(self.device),
            objectives=(measure, *objectives),
            noted=noted,
            recalibration=self._recalibration(searching),
            passes=self.passes if searching else Passes(),
            precision=precision or self.precision,
            memory=self.memory,
            early=early,
        )

    def _recalibration(self, searching: bool) -> Recalibration | None:
        if self.recalibration is None or not searching:
            return self.recalibration
        return replace(self.recalibration, batches=self.recalibration.batches[:IN_SEARCH])

    def _statistics(self) -> str:
        """Return under which BatchNorm statistics guidance runs: those that weigh more (ours)."""
        strength = 0.0 if self.recalibration is None else self.recalibration.strength
        return "batch" if strength >= 0.5 else "fixed"

    def images(self, raw: torch.Tensor) -> torch.Tensor:
        """Normalise raw images, uint8, for the network."""
        return datasets.normalise(raw, self.data).to(self.device)

    def batches(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Draw batches of plain training images and labels, for an importance score."""
        split = self.data.train
        chosen = self.streams.data.permutation(len(split.images))[: SCORED[0] * SCORED[1]]
        return [
            (self.images(split.images[some]), split.labels[some].to(self.device))
            for some in np.array_split(chosen, max(1, len(chosen) // SCORED[1]))
        ]

    def size(self, name: str) -> str | Objective:
        """Return an objective that says how much is left: by its name, or measured on this machine.

        Args:
            name: of an objective, or "latency", the time of a forward pass as a share of the dense
                network's, which is timed now. Its passes are counted apart from the budget.

        Raises:
            InputError: if latency is asked of weights.
        """
        return Latency(self.space, passes=self.passes).share if name == LATENCY else name

    def guidance(self) -> FastGuidance:
        """Return guidance on a pool of augmented training images."""
        images, labels = self._pool()
        return FastGuidance(
            self.space,
            images,
            labels,
            rng=self.streams.data,
            batch=BATCH,
            statistics=self._statistics(),
            passes=self.passes,
            precision=self.precision,
        )

    def sensitivity(self) -> Sensitivity | None:
        """Return sensitivity on such a pool; None where genes are no filters, or too many."""
        if not isinstance(self.space, FilterSpace) or self.space.size > FEW:
            return None
        return Sensitivity(
            self.space,
            self._pool()[0],
            rng=self.streams.data,
            strength=0.0 if self.recalibration is None else self.recalibration.strength,
            passes=self.passes,
            precision=self.precision,
        )

    def _pool(self) -> tuple[torch.Tensor, torch.Tensor]:
        rng, split = self.streams.data, self.data.train
        pool = max(1, min(POOL, POOL_VALUES // split.images[0].numel()))
        chosen = rng.permutation(len(split.images))[:pool]
        raw = datasets.augment(split.images[chosen], rng, **augmentation(self.data))
        return self.images(raw), split.labels[chosen].to(self.device)


def augmentation(data: datasets.Dataset) -> Augmentation:
    """Return how far training images may be shifted, and whether mirrored, without a new meaning.

    An eighth of the width, as is usual for CIFAR. Digits and a user's own images are not mirrored:
    they may be letters.
    """
    return {"padding": data.train.images.shape[-1] // 8, "flip": base_name(data.name) in MIRRORED}


def augmenting(data: datasets.Dataset, *, shift: int | None = None) -> Callable[..., torch.Tensor]:
    """Return the function of images and a generator that changes training images so.

    Args:
        data: whose images.
        shift: pixels by which they are shifted at most; as `augmentation` says, if None.
    """
    usual = augmentation(data)
    padding = usual["padding"] if shift is None else shift
    return partial(datasets.augment, padding=padding, flip=usual["flip"])


def prepare(
    config: MaskSettings,
    streams: Streams,
    *,
    trained: Path | None = None,
    space: GeneSpace | None = None,
) -> Problem:
    """Build the task of a run.

    A network without a checkpoint is trained here first. A checkpoint, or a network of one's own,
    is taken to have seen all training images, so the search split is then half of the official
    test set; unless it is one of `evoprune train`, which holds the search split back.

    Args:
        config: the settings.
        streams: of the run; "data" is drawn from.
        trained: weights that an earlier start of this run trained; None trains them.
        space: of a trained network of one's own, which takes the place of `config.model` and
            `config.weights`; it says which layers may be pruned. The network comes back on the
            device of the settings, in evaluation mode.

    Raises:
        InputError: if model, data, weights or device do not exist or do not fit together.
    """
    data = datasets.load(
        config.data,
        root=config.data_root,
        search_from="test" if has_seen_all(config, space) else "train",
        download=config.download,
    )
    if config.search_images is not None and config.search_images > len(data.search):
        raise InputError(
            f"search-images: expected 1 to {len(data.search)}, got {config.search_images}"
        )
    shape = data.train.images.shape
    torch.set_flush_denormal(True)
    device = usable_device(config.device)
    if space is None:
        model = models.build(
            config.model, classes=len(data.classes), channels=shape[1], image_size=shape[-1]
        )
        check_fit(config, model, data, name=config.model)
        if config.weights:
            models.load_weights(model, config.weights, trust_pickle=config.trust_pickle)
        elif trained is not None:
            models.load_weights(model, trained)
        else:
            train_here(model, data, streams.torch)
    else:
        model = space.model
        check_fit(config, model, data, name=type(model).__name__)
    if config.memory is not None:
        check_fit_into_memory(
            config, model, tuple(shape[1:]), guidance=BATCH, calibration=CALIBRATION[1]
        )
    model.to(device).to(memory_format=torch.channels_last).eval()
    passes = Passes()
    genes = space_of(config, model, tuple(shape[1:]), passes) if space is None else space
    genes.weights = genes.weights.to(device)
    problem = Problem(
        genes,
        data,
        None,
        passes,
        streams,
        resolve_precision(config.precision, device),
        config.device,
        config.memory,
    )
    if config.recalibrate > 0:
        problem.recalibration = recalibration(problem, config.recalibrate)
    return problem


def space_of(
    config: MaskSettings, model: nn.Module, image_shape: tuple[int, ...], passes: Passes
) -> GeneSpace:
    """Return the space of the genes that the settings ask for.

    Raises:
        InputError: if a name fits no layer, or the network's channels cannot be followed.
    """
    include, exclude = config.include, config.exclude
    if config.genes == "weights":
        return WeightSpace(model, include=include, exclude=exclude)
    if config.genes == "neurons" and include is None:
        include = ("conv", "linear")
    linear = ("linear",) if config.genes == "mixed" else ()
    if linear:
        check_mixed(model)
    return FilterSpace(
        model, image_shape, include=include, exclude=exclude, weights=linear, passes=passes
    )


def recalibration(problem: Problem, strength: float) -> Recalibration:
    """Draw the augmented training images over which BatchNorm statistics are gathered."""
    batches, size = CALIBRATION
    rng, images = problem.streams.data, problem.data.train.images
    drawn = [rng.integers(0, len(images), size) for _ in range(batches)]
    options = augmentation(problem.data)
    return Recalibration(
        [problem.images(datasets.augment(images[d], rng, **options)) for d in drawn], strength
    )


def train_here(model: nn.Module, data: datasets.Dataset, rng: np.random.Generator) -> None:
    """Train a network from scratch on the training split, as `EPOCHS` says."""
    train(model, data, epochs=EPOCHS, rng=rng, augmentation=augmenting(data))
