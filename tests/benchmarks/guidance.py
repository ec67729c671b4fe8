"""A step of the guided drift, against the same step as one writes it down first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from evaluation import task
from timing import Row, compare
from torch.nn import functional

from evoprune.evaluation.fastpath import FastGuidance
from evoprune.network.masks import batch_statistics
from evoprune.space.weights import WeightSpace
from operators.drift import mutDrift
from operators.individuals import individual_type

BATCH, POOL, RATE, DECAY = 128, 512, 0.002, 0.9
ALIKE = {"fp32": 1e-5, "bf16": 5e-3}  # share of the genes that may differ in the end


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure both kinds of statistics in both precisions."""
    torch.set_flush_denormal(True)
    steps, rounds = (1, 1) if quick else (4, 5)
    space, images, labels = task("resnet20", 16) if quick else task("resnet56", POOL)
    space.model.to(memory_format=torch.channels_last)
    for statistics in ("fixed", "batch"):
        for precision in ("fp32", "bf16"):
            batch = min(BATCH, len(images))
            guidance = FastGuidance(
                space, images, labels, rng=np.random.default_rng(0), batch=batch,
                statistics=statistics, precision=precision,
            )  # fmt: skip
            aimed = precision == "bf16" and statistics == "fixed"
            yield compare(
                f"drift step, {statistics} statistics, {precision}",
                (f"{steps} steps of {batch} images", ours(space, guidance, steps)),
                ("written plainly, fp32, channels last", plainly(space, images, batch, steps,
                                                                 statistics)),
                agree=alike(ALIKE[precision]),
                rounds=rounds,
                at_least=1.8 if aimed else None,
            )  # fmt: skip


def start(space: WeightSpace) -> np.ndarray:
    """Return the mask by magnitude of half of the weights."""
    return space.magnitudes > np.median(space.magnitudes)


def ours(space: WeightSpace, guidance: FastGuidance, steps: int) -> Callable[[], np.ndarray]:
    """Return our side: `mutDrift` at a steady number of ones."""

    def drift() -> np.ndarray:
        guidance.rng = np.random.default_rng(1)
        individual: Any = individual_type("mask", 2).from_numpy(start(space))
        mutDrift(
            individual, saliency=guidance, score=space.magnitudes, count=individual.count(),
            steps=steps, rate=RATE, decay=DECAY,
        )  # fmt: skip
        return individual.to_numpy()

    return drift


def plainly(
    space: WeightSpace, images: torch.Tensor, batch: int, steps: int, statistics: str
) -> Callable[[], np.ndarray]:
    """Return the other side: the formulas of `mutDrift`, one after the other, in torch."""
    model, weights = space.model, space.split(space.weights)
    with torch.no_grad():
        dense = torch.cat([model(part) for part in images.split(256)])

    def drift() -> np.ndarray:
        rng = np.random.default_rng(1)
        mask = torch.from_numpy(start(space))
        score, v = torch.from_numpy(space.magnitudes.copy()), torch.zeros(space.size)
        count = int(mask.sum())
        threshold = score.sort(descending=True).values[count - 1]
        for _ in range(steps):
            chosen = torch.from_numpy(rng.integers(0, len(images), batch))
            with torch.no_grad():
                for parameter, weight, part in zip(
                    space.parameters, weights, space.split(mask), strict=True
                ):
                    parameter.copy_(weight * part)
            model.zero_grad()
            if statistics == "batch":
                with batch_statistics(model, momentum=0.0):
                    outputs = model(images[chosen])
            else:
                outputs = model(images[chosen])
            functional.mse_loss(outputs, dense[chosen]).backward()
            gradient = torch.cat([p.grad.reshape(-1) for p in space.parameters])
            v = DECAY * v - (1 - DECAY) * gradient * space.weights
            score = score + RATE * threshold.abs() * v / v.abs().mean()
            threshold = score.sort(descending=True).values[count - 1]
            mask = score >= threshold
        with torch.no_grad():
            for parameter, weight in zip(space.parameters, weights, strict=True):
                parameter.copy_(weight)
        return mask.numpy()

    return drift


def alike(share: float) -> Callable[[np.ndarray, np.ndarray], bool]:
    """Return what says whether two masks differ in no more than this share of the genes."""
    return lambda a, b: float((a != b).mean()) <= share
