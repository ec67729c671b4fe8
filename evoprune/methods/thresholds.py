"""Phase 1 of the hierarchical method: one threshold a layer, searched by NSGA-II."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from deap import base, tools

from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.methods.baselines import baseline
from evoprune.records import Generation
from evoprune.running.config import Config
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.search.archive import Archive
from evoprune.search.nsga2 import nsga2
from evoprune.space.decode import ThresholdDecoder
from operators.individuals import individual_type
from operators.initialise import initUniform
from operators.selection import selNSGA2

SEEDED_DENSITIES = (0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02)


def search_thresholds(
    problem: Problem, config: Config, run: Run, evaluator: FastEvaluator, decoder: ThresholdDecoder
) -> Archive:
    """Run phase 1: NSGA-II with DEAP's bounded SBX and polynomial mutation.

    The mating and mutation settings are those of Deb et al., 2002: eta 20, a gene in `layers`.
    """
    toolbox = threshold_toolbox(problem, evaluator, decoder)
    if run.lineage:
        run.lineage.follow(toolbox, decode=decoder)
    run.keep("thresholds", evaluator.cache)

    def loop(population: list[Any], number: int, state: Any) -> Iterator[Generation]:
        return nsga2(toolbox, population, rng=problem.streams.select, number=number, state=state)

    return run.phase(
        "thresholds",
        individual_type("thresholds", 2),
        partial(toolbox.population, n=config.population),
        loop,
        generations=config.generations[0],
        passes=config.passes,
    )[1]


def threshold_toolbox(
    problem: Problem, evaluator: FastEvaluator, decoder: ThresholdDecoder
) -> base.Toolbox:
    """Return the toolbox of phase 1."""
    layers, rng = len(problem.space.layers), problem.streams.init
    kind = individual_type("thresholds", 2)
    toolbox = base.Toolbox()
    toolbox.register("individual", initUniform, kind, [0.0] * layers, [1.0] * layers, rng=rng)
    toolbox.register("population", first_thresholds, toolbox.individual, decoder, rng=rng)
    toolbox.register("evaluate", evaluator)
    toolbox.register("map", evaluator.map)
    if evaluator.early:
        toolbox.register("trial", evaluator.trial)
    toolbox.register("mate", tools.cxSimulatedBinaryBounded, eta=20.0, low=0.0, up=1.0)
    toolbox.register(
        "mutate", tools.mutPolynomialBounded, eta=20.0, low=0.0, up=1.0, indpb=1.0 / layers
    )
    toolbox.register("select", selNSGA2)
    return toolbox


def first_thresholds(
    individual: Callable[[], Any], decoder: ThresholdDecoder, n: int, *, rng: np.random.Generator
) -> list[Any]:
    """Return two thirds of plain baselines at several densities, and uniform draws (ours)."""
    kind = individual_type("thresholds", 2)
    seeds = [
        kind.from_numpy(decoder.encode(baseline(name, decoder.space, density)))
        for density in SEEDED_DENSITIES
        for name in ("global-magnitude", "lamp", "layer-uniform")
    ]
    chosen = rng.permutation(len(seeds))[: max(1, 2 * n // 3)]
    drawn = [seeds[place] for place in chosen]
    return drawn + [individual() for _ in range(n - len(drawn))]
