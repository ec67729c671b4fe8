"""Masks drawn at random, each layer keeping its floor: what a search has to be better than."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from deap import base

from evoprune.evaluation.bounds import BoundedEvaluator
from evoprune.methods.emofp_settings import Emofp
from evoprune.records import Generation
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.search.archive import Archive
from evoprune.search.nsga2 import evaluate
from operators.individuals import individual_type
from operators.initialise import initDensity
from operators.repair import floorLayers

KIND = individual_type("mask", 2)


def mend(individual: Any, *, space: Any) -> Any:
    """Put the strongest filter back into each layer that has none left, in place, and count it.

    What is put back is inherited (Lamarck's way): else every child would need it anew.
    """
    layers, score = space.gene_offsets, space.free(space.importance)
    put_back = floorLayers(individual, layers=layers, floor=space.floor, score=score)
    space.passes["repaired"] += put_back
    return individual


def search_at_random(judge: BoundedEvaluator, problem: Problem, config: Emofp, run: Run) -> Archive:
    """Draw masks of all densities until as many passes are spent, and return their front."""
    spent = run.once("passes of the search", run.passes.spent)
    toolbox, space, rng = base.Toolbox(), judge.evaluator.space, problem.streams.init
    toolbox.register("evaluate", judge)
    toolbox.register("map", judge.evaluator.map)

    def drawn() -> Any:
        return mend(initDensity(KIND, space.genes, density=rng.random(), rng=rng), space=space)

    def loop(population: list[Any], number: int, state: dict[str, Any]) -> Iterator[Generation]:
        while True:
            number += 1
            masks = evaluate(toolbox, [drawn() for _ in range(config.population)])
            yield Generation(number, [], masks, {"number": np.array(number)})

    _, archive = run.phase(
        "random", KIND, list, loop, generations=config.generations + 1, passes=2 * spent
    )
    return archive
