"""The driver: what a phase keeps, when it ends, and what a second start finds again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evoprune.passes import Passes
from evoprune.records import Generation
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.seeding import Streams
from operators.individuals import individual_type

KIND = individual_type("mask", 2)


def started(folder: Path | None, *, resume: bool = False) -> Run:
    directory = None if folder is None else RunDir(folder, resume=resume)
    return Run(
        streams=Streams(0), passes=Passes(), directory=directory, resume=resume, bar=False
    )


def judged(error: float, density: float) -> Any:
    individual = KIND([1, 0, 1])
    individual.fitness.values = (error, density)
    return individual


def loop(run: Run) -> Any:
    def generations(population: list[Any], number: int, state: Any) -> Iterator[Generation]:
        while True:
            if number or state or run.logbook:
                number += 1
            child = judged(0.5 - 0.1 * number, 0.5)
            run.passes["fitness"] += 100
            yield Generation(number, [child], [child], {"number": np.array(number)})

    return generations


def test_a_phase_runs_its_generations_and_keeps_the_best() -> None:
    run = started(None)
    _, archive = run.phase("masks", KIND, lambda: [judged(1, 1)], loop(run), generations=3)
    assert run.logbook.select("generation") == [0, 1, 2, 3]
    assert np.allclose(archive.points(), [[0.2, 0.5]])


def test_a_budget_ends_a_phase() -> None:
    run = started(None)
    run.phase("masks", KIND, lambda: [judged(1, 1)], loop(run), generations=99, passes=250)
    assert run.logbook.select("passes_fitness") == [100, 200, 300]


def test_a_second_start_finds_phase_notes_passes_and_cache(tmp_path: Path) -> None:
    run = started(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    cache = {b"0123456789abcdef": (0.25, 0.5)}
    run.keep("masks", cache)
    run.once("margin", lambda: 0.1)
    run.phase("masks", KIND, lambda: [judged(1, 1)], loop(run), generations=2)

    again = started(tmp_path, resume=True)
    again.restore()
    found: dict[bytes, tuple[float, ...]] = {}
    again.keep("masks", found)
    assert found == cache
    assert again.once("margin", lambda: 0.9) == 0.1
    assert again.passes == run.passes
    assert list(again.logbook) == list(run.logbook)


def test_a_phase_that_has_ended_is_not_run_again(tmp_path: Path) -> None:
    run = started(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    _, archive = run.phase("masks", KIND, lambda: [judged(1, 1)], loop(run), generations=2)
    again = started(tmp_path, resume=True)
    again.restore()
    population, same = again.phase("masks", KIND, list, loop(again), generations=2)
    assert np.array_equal(same.points(), archive.points())
    assert [individual.fitness.values for individual in population] == [(0.3, 0.5)]
    assert again.passes == run.passes


def test_individuals_outside_the_population_give_up_their_scores() -> None:
    run = started(None)
    old, new = judged(0.1, 0.9), judged(0.9, 0.1)
    old.score = new.score = np.zeros(3, np.float32)

    def once(population: list[Any], number: int, state: Any) -> Iterator[Generation]:
        yield Generation(0, [new], [old, new], {})

    _, archive = run.phase("masks", KIND, lambda: [new], once, generations=1)
    assert [hasattr(individual, "score") for individual in archive] == [False, True]
