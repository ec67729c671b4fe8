"""A run with a lineage that was stopped goes on, and ends with the same births."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deap import base

from evoprune.passes import Passes
from evoprune.records import Generation
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.search.lineage import Lineage
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from operators.crossover import cxUniformPacked
from operators.individuals import individual_type
from operators.mutation import mutFlip
from operators.problems import lotz
from operators.selection import selNSGA2

GENES, MASK = 12, individual_type("mask", 2)
PHASES = {"one": 2, "two": 6}


def run(folder: Path, *, resume: bool = False) -> tuple[Lineage, Passes]:
    """Run NSGA-II in two phases, each with a first population of its own."""
    random.seed(0)
    streams, passes, toolbox = Streams(0), Passes(), base.Toolbox()
    lineage = Lineage(passes.spent, reference=(1e9, 1e9))
    if not resume:
        RunDir(folder).write_json("config.json", {})
    driver = Run(
        streams=streams,
        passes=passes,
        directory=RunDir(folder, resume=True),
        resume=resume,
        bar=False,
        lineage=lineage,
    )

    def evaluate(individual: Any) -> tuple[float, float]:
        passes["fitness"] += 100
        return lotz(individual)

    toolbox.register("evaluate", evaluate)
    toolbox.register("mate", cxUniformPacked, rate=0.5, rng=streams.mate)
    toolbox.register("mutate", mutFlip, rate=0.1, rng=streams.mutate)
    toolbox.register("select", selNSGA2)
    lineage.follow(toolbox)
    driver.restore()

    def start() -> list[Any]:
        return [MASK.from_numpy(streams.init.random(GENES) < 0.5) for _ in range(8)]

    def loop(population: Any, number: int, state: Any) -> Iterator[Generation]:
        return nsga2(toolbox, population, rng=streams.select, number=number, state=state)

    for phase, generations in PHASES.items():
        driver.phase(phase, MASK, start, loop, generations=generations)
        passes["fitness"] += 1000  # spent between the phases, on nobody
    return lineage, passes


@pytest.mark.parametrize("saves", [1, 3, 4, 7])
def test_a_run_stopped_after_any_checkpoint_ends_with_the_same_births(
    tmp_path: Path, stopped_after: Any, saves: int
) -> None:
    whole, _ = run(tmp_path / "whole")
    with stopped_after(saves):
        run(tmp_path / "parts")
    again, _ = run(tmp_path / "parts", resume=True)
    assert len(again.births) > 50
    assert again.births == whole.births


def test_all_passes_but_those_between_phases_are_somebodys(tmp_path: Path) -> None:
    lineage, passes = run(tmp_path / "run")
    between = 1000 * len(PHASES)
    assert sum(birth.passes for birth in lineage.births) == passes.spent() - between


def test_births_know_the_phase_they_were_born_in(tmp_path: Path) -> None:
    lineage, _ = run(tmp_path / "run")
    assert {(b.phase, b.generation) for b in lineage.births} == {
        (phase, number) for phase, last in PHASES.items() for number in range(last + 1)
    }


def test_what_was_restored_is_what_was_given_out() -> None:
    lineage, again = Lineage(), Lineage()
    first = MASK([1, 0])
    first.fitness.values = (np.inf, 0.1)
    lineage.observe(Generation(0, [first], [], {}))
    again.restore(lineage.state())
    assert again.births == lineage.births
