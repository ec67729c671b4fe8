"""What a run of the microbial GA hands over: networks, retrained, and their controls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from torch import nn

from evoprune.methods.blocks import Blocks
from evoprune.methods.filter_counts import best_by_layer, counts_in
from evoprune.methods.microbial_settings import TABLE_1, Lambdas, MicrobialConfig
from evoprune.methods.retraining import Retraining
from evoprune.network.surgery import shrink
from evoprune.running.problem import Problem
from evoprune.search.microbial import chosen
from evoprune.seeding import stream
from evoprune.space.genes import Bits
from operators.selection import selNSGA2

FRONT = 24  # networks of NSGA-II that are handed over at most


@dataclass(frozen=True)
class Found:
    """A network that a search came to.

    Attributes:
        mask: bool, shape (size,).
        network: narrow, retrained; what is removed of single weights is zero.
        values: error, computation and density when it was found, before it was retrained.
        lambdas: of its search, or those that it is the best by; empty where it is of a front only.
        phase: where it was found.
        passes: image passes of all retraining that its weights went through.
        final: whether it was retrained at the end.
        control: a network with as many genes of each layer, drawn at random, trained as long; for
            those that were retrained at the end.
    """

    mask: Bits
    network: nn.Module
    values: tuple[float, float, float]
    lambdas: tuple[float, ...]
    phase: str
    passes: int
    final: bool = False
    control: nn.Module | None = None


@dataclass(frozen=True)
class Outcome:
    """What a run found.

    Attributes:
        found: the networks; of the GA, of each search the elite of each block, the last one
            retrained at the end.
        curve: a row a generation: the elite's fitness and what it is made of.
        dense: error, computation and density of the trained network.
    """

    found: list[Found]
    curve: list[dict[str, Any]]
    dense: tuple[float, float, float]


def elites(
    blocks: Blocks, config: MicrobialConfig, last: int, task: Problem, population: list[Any]
) -> list[Found]:
    """Return the elite of each block as it was retrained, the last one at the end (detail 8).

    With `retrain_all` those of the blocks before go on to be trained at the end too (ours).
    """
    per_block = retraining_of(config).cost(task.data)
    known = {row["block"]: row for row in blocks.run.notes["curve"] if row["search"] == blocks.name}
    found = []
    for block in range(last):
        mask, network = blocks.elite(block)
        row = known[block]
        values = row["error"], row["computation"], 1 - row["sparsity"]
        passes = (block + 1) * per_block
        if config.retrain_all:
            final = final_of(config, blocks.problem)
            network = blocks.final(f"final-{block}", blocks.task(block + 1), mask, final)
            passes += final.cost(task.data)
        phase, lambdas = blocks.phase(block), config.lambdas
        found.append(Found(mask, network, values, lambdas, phase, passes, config.retrain_all))
    (elite,) = chosen(population, np.array(config.lambdas), 1)
    return [*found, finished(blocks, "final", config, last, task, elite, config.lambdas)]


def front(
    blocks: Blocks, config: MicrobialConfig, last: int, task: Problem, population: list[Any]
) -> list[Found]:
    """Return the front of NSGA-II; those that are the best by some lambdas retrained at the end."""
    members = selNSGA2(population, min(FRONT, len(population)))
    wanted = dict.fromkeys([config.lambdas, *TABLE_1])
    best = {chosen(members, np.array(lambdas), 1)[0].digest(): lambdas for lambdas in wanted}
    passes = last * retraining_of(config).cost(task.data)
    found, names = [], set[bytes]()
    for place, member in enumerate(members):
        if member.digest() in names or member.fitness.violation > 0:
            continue
        names.add(member.digest())
        if member.digest() in best:
            lambdas = best[member.digest()]
            found.append(finished(blocks, f"final-{place}", config, last, task, member, lambdas))
            continue
        mask = task.space.mask(member)
        network = shrink(task.space.model, task.space.cut(mask))
        values = member.fitness.values
        found.append(Found(mask, network, values, (), blocks.phase(last), passes))
    return found


def finished(
    blocks: Blocks,
    key: str,
    config: MicrobialConfig,
    last: int,
    task: Problem,
    individual: Any,
    lambdas: Lambdas,
) -> Found:
    """Retrain a network at the end, and beside it one of random genes for as long."""
    dense, mask = blocks.problem, task.space.mask(individual)
    final = final_of(config, dense)
    network = blocks.final(key, task, mask, final)
    passes = last * retraining_of(config).cost(task.data) + final.cost(task.data)
    values, phase = individual.fitness.values, blocks.phase(last)
    found = Found(mask, network, values, lambdas, phase, passes, final=True)
    if not config.controls:
        return found
    rng = stream(config.seed, f"control {blocks.name} {key}")
    scores = rng.random(dense.space.size)
    other = best_by_layer(dense.space, scores, counts_in(dense.space, mask))
    as_long = replace(final, epochs=ceil(passes * final.epochs / final.cost(task.data)))
    return replace(found, control=blocks.final(f"control-{key}", dense, other, as_long))


def retraining_of(config: MicrobialConfig) -> Retraining:
    """Return how a search retrains on its way."""
    settings = {"rate": config.rate}
    return Retraining(config.retrain_epochs, config.retrain_images, settings, config.shift)


def final_of(config: MicrobialConfig, problem: Problem) -> Retraining:
    """Return how a network is retrained at the end."""
    settings = {"rate": config.rate, "distillation": config.distillation}
    teacher = problem.space.model if config.distillation else None
    return Retraining(config.final_epochs, None, settings, config.shift, teacher)
