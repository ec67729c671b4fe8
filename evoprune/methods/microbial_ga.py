"""Pruning by a microbial GA: filters and single weights at once, retrained on the way.

Source: Yang, An, Li, Diao and Xu, 2019, equation (1) and algorithm 1. Numbered details; what the
paper leaves open is ours.

1. An individual is a network: filters of convolutions and single weights of Linear layers are left
   or removed. In the paper its weights travel with it. Here a genome is a mask over the weights of
   the moment: since after each retraining all stem from the elite, all hold the same ones.
2. f = l1 e + l2 c + l3 (1 - s) is minimised: the error, the share of the multiply-adds that is
   left, and the share of the parameters that is zero. ours: e is measured on the search split, c
   counts the convolutions alone, s biases too.
3. The first population: N mutations of the trained network (`mutants`).
4. A generation (`search.microbial`): the elite stays; of the K best, pairs at random are crossed
   with chance Pc, the loser taking whole layers from the winner (`cxMicrobial`); the N - 1 children
   are mutated.
5. Mutation only removes (`mutRemove`): filters with chance Pmc, single weights with Pmf. ours: read
   as a chance per gene that is left.
6. After T generations the elite is retrained, and N - 1 mutations of it are the others
   (`retraining.py`). ours: how long, on what, and by which optimiser.
7. It ends when the elite's fitness has converged (`converged`). ours: the rule.
8. The elite is retrained at the end. ours: how long, and from whom it learns.
9. ours: the same as a search for a front of the three by NSGA-II. There is no elite whose weights
   all could share, so that those of all masks of the population are trained together.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from deap import base

from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.methods.blocks import Blocks, uncounted
from evoprune.methods.microbial_found import Found, Outcome, elites, front, retraining_of
from evoprune.methods.microbial_settings import Lambdas, MicrobialConfig
from evoprune.methods.own import Parts, check_own, parts_of, register_own, try_own
from evoprune.records import Generation
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.search.indicators import hypervolume
from evoprune.search.microbial import chosen, microbial
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from evoprune.space.genes import Bits, GeneSpace
from operators.individuals import individual_type
from operators.microbial import cxMicrobial
from operators.mutation import mutRemove
from operators.selection import selNSGA2

MASK = individual_type("mask", 3)


def microbial_ga(
    problem: Problem,
    config: MicrobialConfig,
    run: Run,
    *,
    parts: Parts | None = None,
    **own: Any,
) -> Outcome:
    """Search, retrain, search on; return the networks that were found, retrained.

    Args:
        problem: network, images and splits; the network stays as it was.
        config: the settings.
        run: the driver, which keeps budget, log and checkpoints.
        parts: what `parts_of` has made of the settings already.
        own: `mate`, `mutate` or, with nsga2, `select`: functions that take the slots and get what
            they ask for by name (see `operators.supply`); `objective`, a function of a `Candidate`
            in the place of the error. They go before those that the settings name.

    Raises:
        InputError: if an operator asks for what nobody offers.
        OperatorError: if one of them fails.
    """
    parts = parts_of(config, own) if parts is None else parts
    check_own(parts.slots, problem.streams, guided=False)
    try_own(parts.slots, problem.space.layout())
    run.restore()
    dense = run.once("dense", lambda: evaluator_of(problem, config, parts).judge(whole_of(problem)))
    run.notes.setdefault("curve", [])
    found: list[Found] = []
    searches = config.searches()
    for number, lambdas in enumerate(searches):
        blocks = Blocks(problem, config, run, f"search-{number}" if len(searches) > 1 else "")
        budget = config.passes and config.passes * (number + 1) // len(searches)
        one = replace(config, lambdas=lambdas, passes=budget)
        last, task, population = search(blocks, one, run, parts)
        handed_over = elites if config.algorithm == "microbial" else front
        found += handed_over(blocks, one, last, task, population)
    return Outcome(found, run.notes["curve"], tuple(dense))


def fitness(values: Any, lambdas: Lambdas) -> float:
    """Return f = l1 e + l2 c + l3 (1 - s), equation (1), of (e, c, 1 - s).

    >>> fitness((0.25, 0.5, 0.5), (0.5, 0.25, 0.25))
    0.375
    """
    return float(np.dot(lambdas, values))


def converged(goals: list[float], *, tolerance: float, patience: int) -> bool:
    """Tell whether the last so many blocks have not bettered what was best before (detail 7).

    Args:
        goals: what each block ended with, minimised.
        tolerance: by how much it has to be bettered to count.
        patience: blocks.

    >>> converged([0.5, 0.3, 0.3, 0.31], tolerance=0.01, patience=2)
    True
    >>> converged([0.5, 0.3, 0.3, 0.2], tolerance=0.01, patience=2)
    False
    """
    before, last = goals[:-patience], goals[-patience:]
    return bool(before) and min(last) > min(before) - tolerance


def search(
    blocks: Blocks, config: MicrobialConfig, run: Run, parts: Parts
) -> tuple[int, Problem, list[Any]]:
    """Run algorithm 1 to its end.

    Returns:
        The number of the last block, the problem with its weights, and its population.
    """
    block = blocks.start()
    task, population = blocks.task(block), list[Any]()
    retraining = retraining_of(config)
    while True:
        population = run_block(blocks, block, task, population, config, run, parts)
        if ended(blocks, block, config, run, retraining.cost(task.data)):
            return block, task, population
        block += 1
        (elite,) = chosen(population, np.array(config.lambdas), 1)
        learners = [elite] if config.algorithm == "microbial" else population
        task = blocks.retrain(block, task, [task.space.mask(one) for one in learners], retraining)


def run_block(
    blocks: Blocks,
    block: int,
    task: Problem,
    before: list[Any],
    config: MicrobialConfig,
    run: Run,
    parts: Parts,
) -> list[Any]:
    """Run T generations on the weights of a block, and return the population.

    Args:
        blocks: names the phase.
        block: its number.
        task: the problem with its weights.
        before: population of the block before, none of the first.
        config: the settings.
        run: the driver.
        parts: operators of one's own.
    """
    phase, streams, lambdas = blocks.phase(block), task.streams, np.array(config.lambdas)
    evaluator = uncounted(run, phase, lambda: evaluator_of(task, config, parts))
    toolbox = toolbox_of(evaluator, config, streams, parts)
    run.caches.clear()  # those of other weights
    run.keep(phase, evaluator.cache)
    if run.lineage:
        run.lineage.follow(toolbox, decode=evaluator.decode)

    def start() -> list[Any]:
        if block == 0:
            return mutants(toolbox, MASK.from_numpy(whole_of(task)), config.population)
        if config.algorithm == "nsga2":
            return unjudged(toolbox, before)
        (elite,) = unjudged(toolbox, chosen(before, lambdas, 1))
        return [elite, *mutants(toolbox, elite, config.population - 1)]

    def loop(population: list[Any], number: int, state: Any) -> Iterator[Generation]:
        options = {
            "mating_probability": config.mating,
            "rng": streams.select,
            "number": number,
            "state": state,
        }
        if config.algorithm == "nsga2":
            return nsga2(toolbox, population, **options)
        return microbial(toolbox, population, weights=lambdas, best=config.best, **options)

    def observe(generation: Generation) -> None:
        row = row_of(generation, evaluator, config)
        place = {"search": blocks.name, "block": block}
        place["generation"] = block * config.every + generation.number
        run.notes["curve"].append(place | row)

    population, _ = run.phase(
        phase,
        MASK,
        start,
        loop,
        generations=config.every - 1,
        passes=config.passes,
        observe=observe,
    )
    return population


def row_of(
    generation: Generation, evaluator: FastEvaluator, config: MicrobialConfig
) -> dict[str, float]:
    """Return what a generation adds to the curve: its elite; of NSGA-II the hypervolume too."""
    (elite,) = chosen(generation.population, np.array(config.lambdas), 1)
    _, computation, density = elite.fitness.values
    row = {
        "fitness": fitness(elite.fitness.values, config.lambdas),
        "error": evaluator.note(elite)[0],
        "computation": computation,
        "sparsity": 1 - density,
    }
    if config.algorithm == "nsga2":
        points = [x.fitness.values for x in generation.population if x.fitness.violation <= 0]
        row["hypervolume"] = hypervolume(points, np.ones(3))
    return row


def ended(blocks: Blocks, block: int, config: MicrobialConfig, run: Run, cost: int) -> bool:
    """Tell whether a search ends with a block: it has converged, or a limit is reached.

    Args:
        blocks: of the search.
        block: that was just run.
        config: the settings.
        run: its notes and log are read, as they stood after the block.
        cost: image passes of the next retraining.
    """
    rows = [row for row in run.notes["curve"] if row["search"] == blocks.name]
    last = {row["block"]: row for row in rows if row["block"] <= block}
    goals = [
        row["fitness"] if config.algorithm == "microbial" else 1 - row["hypervolume"]
        for row in last.values()
    ]
    if converged(goals, tolerance=config.tolerance, patience=config.patience):
        return True
    spent = [row["passes"] for row in run.logbook if row["phase"] == blocks.phase(block)][-1]
    beyond = config.passes is not None and spent + cost >= config.passes
    return beyond or (block + 2) * config.every > config.generations


def mutants(toolbox: base.Toolbox, individual: Any, count: int) -> list[Any]:
    """Return mutated copies without a fitness."""
    made = []
    for copied in unjudged(toolbox, [individual] * count):
        made += toolbox.mutate(copied)
    return made


def unjudged(toolbox: base.Toolbox, individuals: list[Any]) -> list[Any]:
    """Return copies without a fitness, which belonged to other weights."""
    copies = [toolbox.clone(individual) for individual in individuals]
    for copied in copies:
        del copied.fitness.values
    return copies


def whole_of(problem: Problem) -> Bits:
    """Return the mask that keeps all."""
    return np.ones(problem.space.size, bool)


def evaluator_of(problem: Problem, config: MicrobialConfig, parts: Parts) -> FastEvaluator:
    """Return who judges e, c and 1 - s, on the weights that the problem holds."""
    _, *sizes = config.objectives()
    plain = config.algorithm == "microbial" and not parts.objective
    return problem.evaluator(
        images=config.search_images,
        measure=parts.objective or config.measure,
        objectives=sizes,
        early=config.early and plain,
    )


def toolbox_of(
    evaluator: FastEvaluator, config: MicrobialConfig, streams: Streams, parts: Parts
) -> base.Toolbox:
    """Return the toolbox of details 4 and 5; operators of one's own take their slots."""
    toolbox, space = base.Toolbox(), evaluator.space
    layers = space.gene_offsets
    toolbox.register("mate", cxMicrobial, layers=layers, rng=streams.mate)
    rates = rates_of(space, config)
    toolbox.register("mutate", mutRemove, layers=layers, rate=rates, rng=streams.mutate)
    toolbox.register("select", selNSGA2)
    toolbox.register("evaluate", evaluator)
    toolbox.register("map", evaluator.map)
    if evaluator.early:
        toolbox.register("trial", evaluator.trial)
    if config.algorithm == "nsga2":
        toolbox.register("evaluate", bounded, evaluator=evaluator, bound=config.max_error)
    register_own(toolbox, parts.slots, space.layout(), streams, MASK)
    return toolbox


def rates_of(space: GeneSpace, config: MicrobialConfig) -> list[float]:
    """Return Pmc for each convolution, Pmf for each Linear layer."""
    kinds = {"conv": config.filter_rate, "linear": config.weight_rate}
    return [kinds[layer.kind] for layer in space.layers]


def bounded(individual: Any, *, evaluator: FastEvaluator, bound: float) -> tuple[float, ...]:
    """Judge an individual, and note by how much its error is above a bound."""
    values = evaluator(individual)
    individual.fitness.violation = max(0.0, evaluator.note(individual)[0] - bound)
    return values
