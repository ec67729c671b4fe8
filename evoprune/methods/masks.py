"""Phase 2: masks of the free genes, drifted down the densities first, then searched.

Any slot of its toolbox takes an operator of one's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import ceil
from typing import Any

import numpy as np
from deap import base

from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.evaluation.guidance import Guidance
from evoprune.evaluation.sensitivity import Sensitivity
from evoprune.methods.descent import descend, descend_by_exchange
from evoprune.methods.variation import Variation
from evoprune.records import Generation
from evoprune.running.config import Config
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.search.archive import Archive
from evoprune.search.moead import moead
from evoprune.search.nsga2 import nsga2
from evoprune.search.toolbox import check
from evoprune.seeding import Streams
from evoprune.space.genes import GeneSpace
from operators.decomposition import weightsFor
from operators.drift import Saliency
from operators.exchange import Damage
from operators.individuals import individual_type
from operators.initialise import initImportance
from operators.selection import selCrowdedTournament, selNSGA2

STEPS = 20  # of the drift on each rung of the descent, where no budget of passes says otherwise
IMAGES = 256  # of the sensitivity on each rung, likewise
SHARPNESS = 200.0  # of the first masks: half a per cent of the ranks either side of a clean cut
SOFT = 2.0  # genes either side of it at least, or all first masks of few genes would be alike
RATE = 0.002  # of the descent; of 0.001 and 0.002 the better on ResNet-20 by search error


def first_masks(
    individual: Callable[..., Any], space: GeneSpace, densities: list[float]
) -> list[Any]:
    """Draw a mask of the free genes for each density of the network."""
    return [individual(density=free_share(space, density)) for density in densities]


def free_share(space: GeneSpace, density: float) -> float:
    """Return which share of the free genes a network of a density keeps, 0 to 1."""
    core = 0 if space.corridor is None else np.count_nonzero(space.corridor.core)
    return float(np.clip((density * space.size - core) / space.genes, 0, 1))


def search_masks(
    problem: Problem,
    config: Config,
    run: Run,
    evaluator: FastEvaluator,
    guidance: Guidance | Sensitivity | None,
    densities: list[float],
    own: base.Toolbox | None,
) -> tuple[list[Any], list[Any]]:
    """Phase 2: masks of the free genes; a descent for the first ones, then NSGA-II or MOEA/D.

    Returns:
        All rungs of the descent, and of all other masks those that none beats.
    """
    space, streams = evaluator.space, problem.streams
    run.keep("masks", evaluator.cache)
    kind = individual_type("mask", 2)
    variation = Variation(
        space,
        guidance,
        streams,
        problem.passes,
        cost=evaluator.cost,
        adaptive=config.adaptive,
    )
    toolbox = mask_toolbox(evaluator, guidance, variation, streams, own)
    check(toolbox, kind.zeros(space.genes))
    if own and hasattr(own, "mate"):
        toolbox.mate = variation.noting(toolbox.mate)
    if run.lineage:
        run.lineage.follow(toolbox, decode=evaluator.decode)
    rungs: list[Any] = []
    archive, start = Archive(), partial(toolbox.population, densities)
    if guidance:
        begin = partial(toolbox.population, densities[:1])
        rungs, archive = run_descent(
            config, run, toolbox, evaluator, guidance, begin, densities, variation.damage
        )
        start = partial(list, rungs)

    def loop(population: list[Any], number: int, state: dict[str, Any]) -> Iterator[Generation]:
        if config.algorithm == "nsga2":
            return nsga2(toolbox, population, rng=streams.select, number=number, state=state)
        weights = weightsFor(2, len(population))
        return moead(
            toolbox,
            population,
            weights=weights,
            neighbours=min(6, len(population)),
            rng=streams.select,
            number=number,
            state=state,
        )

    _, found = run.phase(
        "masks",
        kind,
        start,
        loop,
        generations=config.generations[1],
        passes=config.passes,
        learners=variation.learners,
        observe=variation.observe,
    )
    archive.update(list(found))
    known = {mask.digest() for mask in rungs}
    return rungs, [mask for mask in archive if mask.digest() not in known]


def run_descent(
    config: Config,
    run: Run,
    toolbox: base.Toolbox,
    evaluator: FastEvaluator,
    guidance: Guidance | Sensitivity,
    start: Callable[[], list[Any]],
    densities: list[float],
    damage: Damage | None,
) -> tuple[list[Any], Archive]:
    """Bring the first mask down the densities; its share of the budget is spread over the rungs.

    By exchange where the sensitivity is known, whose model learns on the way, else by drift.
    """
    space = evaluator.space
    counts = [max(1, round(free_share(space, d) * space.genes)) for d in densities[1:]]
    spent = run.once("before descent", run.passes.spent)
    batch = getattr(toolbox.saliency, "batch", None)  # what one's own costs, nobody knows

    def left(rung: int, *, ahead: int) -> float:
        """Return the passes that are left for a rung, when its judging is paid."""
        assert config.passes is not None
        budget = config.descent * (config.passes - spent) - (run.passes.spent() - spent)
        judged = evaluator.cost * (len(counts) - max(rung - ahead, 0))
        return (budget - judged) / (len(counts) - rung)

    def steps(rung: int) -> int:
        if config.passes is None or batch is None:
            return STEPS
        return max(1, ceil(left(rung, ahead=1) / (3 * batch)))  # the drift is a rung ahead

    def images(rung: int) -> int:
        assert isinstance(guidance, Sensitivity)
        if config.passes is None:
            return IMAGES
        return max(guidance.count, ceil(left(rung, ahead=0) / guidance.price))

    def exchange(population: list[Any], number: int, state: dict[str, Any]) -> Iterator[Generation]:
        assert isinstance(guidance, Sensitivity) and damage is not None
        return descend_by_exchange(
            toolbox,
            population,
            counts=counts,
            images=images,
            sensitivity=guidance,
            damage=damage,
            number=number,
            state=state,
        )

    def loop(population: list[Any], number: int, state: dict[str, Any]) -> Iterator[Generation]:
        score = space.free(space.importance)
        return descend(
            toolbox,
            population,
            counts=counts,
            steps=steps,
            score=score,
            rate=RATE,
            number=number,
            state=state,
        )

    kind = individual_type("mask", 2)
    by = exchange if isinstance(guidance, Sensitivity) else loop
    learners = None if damage is None else {"damage": damage}
    return run.phase("descent", kind, start, by, generations=len(counts), learners=learners)


def mask_toolbox(
    evaluator: FastEvaluator,
    guidance: Guidance | Sensitivity | None,
    variation: Variation,
    streams: Streams,
    own: base.Toolbox | None = None,
) -> base.Toolbox:
    """Return the toolbox of phase 2; what is registered in one's own takes its slot."""
    toolbox, space = base.Toolbox(), evaluator.space
    toolbox.register(
        "individual",
        initImportance,
        individual_type("mask", 2),
        space.free(space.importance),
        sharpness=min(SHARPNESS, space.genes / SOFT),
        rng=streams.init,
    )
    toolbox.register("evaluate", evaluator)
    toolbox.register("map", evaluator.map)
    toolbox.saliency = saliency_of(guidance)  # None without guidance
    toolbox.register("mate", variation.mate)
    toolbox.register("mutate", variation.mutate)
    toolbox.register("select", selNSGA2)
    toolbox.register("select_parents", pairs_of_like_density, rng=streams.select)
    plain = vars(base.Toolbox())  # every toolbox comes with a plain clone and map
    for slot, operator in vars(own).items() if own else ():
        if slot not in plain or getattr(operator, "func", None) is not plain[slot].func:
            setattr(toolbox, slot, operator)
    if evaluator.early and not hasattr(toolbox, "trial"):
        # What is given up would be missed by another way of judging, or of choosing survivors.
        ours = {"evaluate": evaluator, "map": evaluator.map, "select": selNSGA2}
        if all(getattr(getattr(toolbox, slot), "func", None) == ours[slot] for slot in ours):
            toolbox.register("trial", evaluator.trial)
    if not hasattr(toolbox, "population"):
        toolbox.register("population", first_masks, toolbox.individual, space)
    return toolbox


def saliency_of(guidance: Guidance | Sensitivity | None) -> Saliency | None:
    """Return what an operator gets that asks for the saliency."""
    return guidance.saliency_on if isinstance(guidance, Sensitivity) else guidance


def pairs_of_like_density(population: list[Any], k: int, *, rng: np.random.Generator) -> list[Any]:
    """Choose parents by crowded tournament; those of like size become pairs (ours).

    The better ones are chosen twice; nobody is paired with itself while there is another.
    """
    chosen = selCrowdedTournament(population, k, rng=rng)
    chosen.sort(key=lambda individual: individual.fitness.values[1])
    for i in range(1, k, 2):
        if chosen[i] == chosen[i - 1]:
            _part_twins(chosen, i)
    return chosen


def _part_twins(chosen: list[Any], i: int) -> None:
    """Exchange place i with one in the nearest pair, later ones first, that holds no copy of it."""
    for j in (*range(i + 1, len(chosen)), *range(i - 2, -1, -1)):
        pair = chosen[j - j % 2 : j - j % 2 + 2]
        if chosen[i] not in pair:
            chosen[i], chosen[j] = chosen[j], chosen[i]
            return
