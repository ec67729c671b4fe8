"""Judging a population: against the loop that a DEAP user would write, and against the machine.

With EVOPRUNE_DATA set, ResNet-56 has its trained weights and sees CIFAR-10; else both are random,
which takes as long, but then bfloat16 agrees less often. LeNet is random.
"""

from __future__ import annotations

import copy
import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from deap import base
from scaling import curve
from timing import DisagreementError, Row, seconds
from torch.utils.data import DataLoader, TensorDataset

from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.network import datasets, models
from evoprune.search.moead import moead
from evoprune.space.weights import WeightSpace
from operators.crossover import cxLayers
from operators.decomposition import weightsFor
from operators.individuals import individual_type
from operators.mutation import mutImportance

SIDE = 2048  # of the matrices whose product is the machine's ceiling
ALIKE = {"fp32": 0.9999, "bf16": 0.97}  # share of guesses that must be the same


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure both networks in both precisions, the ceiling, early stopping, and the growth."""
    torch.set_flush_denormal(True)
    masks, images, rounds = (2, 20, 1) if quick else (40, 1000, 3)
    for name in ("lenet", "resnet20" if quick else "resnet56"):
        space, shown, labels = task(name, images)
        genomes = at_densities(space, masks)
        for precision, aim in (("fp32", 1.3), ("bf16", 2.2)):
            judge = FastEvaluator(space, shown, labels, precision=precision)
            yield population(name, judge, genomes, shown, aim if name == "resnet56" else None)
    for precision in ("fp32", "bf16"):
        side = 256 if quick else SIDE
        yield ceiling(space, shown, labels, precision, rounds=rounds, side=side)
    yield from stopped_early(space, shown, labels, quick=quick)
    sizes = (5, 10, 20) if quick else (125, 250, 500, 1000)
    yield curve("images", "one mask, resnet56, bf16", sizes, partial(judging, space, shown, labels))


def task(name: str, images: int) -> tuple[WeightSpace, torch.Tensor, torch.Tensor]:
    """Return a network as a space, images and labels."""
    if name == "resnet56" and (root := os.environ.get("EVOPRUNE_DATA")):
        model = models.build(name)
        models.load_weights(model, next(Path(root).glob("weights/resnet56*")))
        data = datasets.load("cifar10", root=root, search_from="test")
        shown = datasets.normalise(data.search.images[:images], data)
        return WeightSpace(model), shown, data.search.labels[:images]
    channels, size = (1, 28) if name == "lenet" else (3, 32)
    model = models.build(name, channels=channels, image_size=size)
    shown = torch.randn(images, channels, size, size, generator=torch.Generator().manual_seed(0))
    return WeightSpace(model), shown, torch.zeros(images, dtype=torch.int64)


def at_densities(space: WeightSpace, count: int) -> list[Any]:
    """Return masks by magnitude, from a half of the weights to nearly all."""
    kind, order = individual_type("mask", 2), np.argsort(-space.magnitudes)
    made = []
    for density in np.linspace(0.5, 0.95, count):
        mask = np.zeros(space.size, bool)
        mask[order[: round(density * space.size)]] = True
        made.append(kind.from_numpy(mask))
    return made


def population(
    name: str, judge: FastEvaluator, genomes: list[Any], images: torch.Tensor, aim: float | None
) -> Row:
    """Judge each mask by both sides in turn, and check that they put images into like classes."""
    space, pairs, alike = judge.space, [], []
    judge.logits(judge.decode(genomes[0]))
    for genome in genomes:
        began = time.perf_counter()
        guesses = judge.logits(judge.decode(genome)).argmax(1)
        between = time.perf_counter()
        plain = plainly(space, genome, images, judge.labels)
        pairs.append((between - began, time.perf_counter() - between))
        alike.append(float((guesses == plain).double().mean()))
    if np.mean(alike) < ALIKE[judge.precision]:
        raise DisagreementError(f"{name}, {judge.precision}: {np.mean(alike):.4f} of guesses alike")
    ours, theirs = np.array(pairs).T
    lower, ratio, upper = np.percentile(theirs / ours, (25, 50, 75)).tolist()
    return Row(
        f"population evaluation, {name}, {judge.precision}",
        f"{len(genomes)} masks x {len(images)} images",
        "deepcopy, DataLoader of 128, eager fp32",
        float(ours.sum()), "s", ratio, (lower, upper),
        f"{aim:g} times" if aim else "", ratio >= aim if aim else None,
        f"batch {judge.batch}; {np.mean(alike):.2%} of the guesses alike",
    )  # fmt: skip


def plainly(
    space: WeightSpace, genome: Any, images: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Return what a first version of any such program makes of a mask: a class for each image."""
    network = copy.deepcopy(space.model).eval()
    masks = space.split(torch.from_numpy(genome.to_numpy()))
    with torch.no_grad():
        for layer, mask in zip(space.layers, masks, strict=True):
            weight = network.get_submodule(layer.name).weight
            assert isinstance(weight, torch.Tensor)
            weight.mul_(mask)
        batches = DataLoader(TensorDataset(images, labels), batch_size=128)
        return torch.cat([network(batch).argmax(1) for batch, _ in batches])


def ceiling(
    space: WeightSpace,
    images: torch.Tensor,
    labels: torch.Tensor,
    precision: str,
    *,
    rounds: int,
    side: int,
) -> Row:
    """Measure which share of the speed of a plain matrix product the network reaches."""
    judge = FastEvaluator(space, images, labels, precision=precision)
    mask = np.ones(space.size, bool)
    matrix = torch.randn(side, side).to(judge.images.dtype)
    macs = float(np.diff(space.offsets) @ judge.macs) * len(images)
    products = max(1, round(macs / side**3))  # as much work as the images are

    def multiply() -> None:
        for _ in range(products):
            matrix @ matrix

    judge.logits(mask), multiply()
    pairs = [(seconds(lambda: judge.logits(mask)), seconds(multiply)) for _ in range(2 * rounds)]
    shares = [multiplied / judged * macs / (products * side**3) for judged, multiplied in pairs]
    lower, share, upper = np.percentile(shares, (25, 50, 75)).tolist()
    return Row(
        f"share of the ceiling, {precision}", f"{len(images)} images", f"{side} x {side} product",
        float(np.median([judged for judged, _ in pairs])), "s", share, (lower, upper),
        "0.8", share >= 0.8,
    )  # fmt: skip


def judging(space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, size: int) -> float:
    """Return the median seconds that one mask takes on so many images."""
    judge = FastEvaluator(space, images[:size], labels[:size], precision="bf16")
    mask = np.ones(space.size, bool)
    judge.logits(mask)
    return float(np.median([seconds(lambda: judge.logits(mask)) for _ in range(5)]))


def stopped_early(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, *, quick: bool
) -> Iterator[Row]:
    """Record a run of MOEA/D with early stopping, and judge all its children plainly again.

    Its masks are varied by importance and by layers; no guidance, whose passes would be the same on
    both sides.
    """
    n, generations = (4, 1) if quick else (16, 3)
    options: dict[str, Any] = {"early": True, "objectives": ("soft_error", "density")}
    judge, few = FastEvaluator(space, images[:200], labels[:200], **options), min(n, 8)
    if recorded(space, judge, few, 2, trial=True)[0] != recorded(space, judge, few, 2)[0]:
        raise DisagreementError("early stopping changed a population")
    judge = FastEvaluator(space, images, labels, precision="bf16", **options)
    children: list[Any] = []
    ours = seconds(lambda: children.extend(recorded(space, judge, n, generations, trial=True)[1]))
    theirs = seconds(lambda: [plainly(space, child, images, labels) for child in children])
    spared = judge.passes["spared"] / (judge.passes["spared"] + judge.passes["fitness"])
    yield replace(
        Row("MOEA/D run, resnet56, bf16, stopped early", f"{len(children)} children"),
        theirs="all children, deepcopy, DataLoader of 128, eager fp32",
        value=ours,
        ratio=theirs / ours,
        aim="4 times",
        reached=theirs / ours >= 4,
        note=f"{spared:.0%} of the image passes spared",
    )


def recorded(
    space: WeightSpace, judge: FastEvaluator, n: int, generations: int, *, trial: bool = False
) -> tuple[list[Any], list[Any]]:
    """Run MOEA/D, and return its last population as rows, and all that were judged."""
    rng, score = np.random.default_rng(0), space.magnitudes
    random.seed(0)
    toolbox = base.Toolbox()
    toolbox.register("evaluate", judge)
    if trial:
        toolbox.register("trial", judge.trial)
    toolbox.register("mate", cxLayers, layers=space.offsets, rate=0.5, rng=rng)

    def mutate(individual: Any) -> tuple[Any]:
        return mutImportance(
            individual, score=score, rate=0.002, change=rng.uniform(-0.02, 0.02), temperature=0.1,
            rng=rng,
        )  # fmt: skip

    toolbox.register("mutate", mutate)
    first = at_densities(space, n)
    loop = moead(
        toolbox, first, weights=weightsFor(2, n), neighbours=min(6, n), rng=rng,
    )  # fmt: skip
    made = list(islice(loop, generations + 1))
    last = [(x.digest(), x.fitness.values) for x in made[-1].population]
    return last, [*first, *(child for generation in made for child in generation.offspring)]
