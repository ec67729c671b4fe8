"""Drive a search: count its budget, keep archive and logbook, draw the bar, write checkpoints.

A search loop is a generator of `Generation`s and knows nothing of all this. `Run.phase` takes one
and exhausts it; called again on the same folder, it goes on where it stopped.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from deap import tools
from tqdm import tqdm

from evoprune.errors import InputError
from evoprune.passes import KINDS, Passes
from evoprune.records import Generation
from evoprune.running.checkpoint import (
    SCHEMA,
    Arrays,
    nest,
    pack_individuals,
    pack_json,
    unnest,
    unpack_individuals,
    unpack_json,
)
from evoprune.running.rundir import RunDir
from evoprune.search.archive import Archive
from evoprune.search.indicators import hypervolume
from evoprune.search.lineage import Lineage
from evoprune.seeding import Streams

Loop = Callable[[list[Any], int, Arrays], Iterator[Generation]]


class Run:
    """A run of one or more phases under one budget of image passes.

    Args:
        streams: the named random streams; saved in every checkpoint.
        passes: the counter that evaluator and guidance count into.
        directory: where rows and checkpoints go; None keeps all in memory.
        resume: whether to go on from the folder's checkpoint.
        bar: whether to draw progress bars.
        lineage: what writes down who made whom, of every toolbox that it follows; None for none.

    Attributes:
        logbook: DEAP's; a row a generation over all phases.
        seconds: time spent by phase.
        network_seconds: the part of it spent in forward and backward passes.
        reference: of the hypervolume in the log; all ones, if None.
    """

    def __init__(
        self,
        *,
        streams: Streams,
        passes: Passes,
        directory: RunDir | None = None,
        resume: bool = False,
        bar: bool = True,
        lineage: Lineage | None = None,
    ) -> None:
        self.streams, self.passes, self.directory, self.bar = streams, passes, directory, bar
        self.lineage = lineage
        self.logbook = tools.Logbook()
        self.seconds: dict[str, float] = defaultdict(float)
        self.network_seconds: dict[str, float] = defaultdict(float)
        self.reference: tuple[float, ...] | None = None
        self.notes: dict[str, Any] = {}
        self.caches: dict[str, dict[bytes, tuple[float, ...]]] = {}
        self._pending: tuple[dict[str, Any], Arrays] | None = None
        self._finished: dict[str, Arrays] = {}
        self._halfway: dict[str, Arrays] = {}
        if resume and directory is not None:
            self._load(directory)

    def once(self, name: str, measure: Callable[[], Any]) -> Any:
        """Measure something JSON can hold, once: a run that goes on takes what was noted."""
        if name not in self.notes:
            self.notes[name] = measure()
        return self.notes[name]

    def keep(self, name: str, cache: dict[bytes, tuple[float, ...]]) -> None:
        """Keep an evaluator's cache in every checkpoint; going on, fill it from the latest one."""
        self.caches[name] = cache
        if self._pending is not None:
            saved = unnest(f"cache-{name}", self._pending[1])
            for key, values in zip(saved.get("keys", ()), saved.get("values", ()), strict=True):
                cache[key.tobytes()] = tuple(values.tolist())

    def begun(self, name: str) -> bool:
        """Return whether the folder held a checkpoint of a phase when this run was taken up."""
        return name in self._finished or name in self._halfway

    def phase(
        self,
        name: str,
        kind: Any,
        start: Callable[[], list[Any]],
        loop: Loop,
        *,
        generations: int,
        passes: int | None = None,
        learners: Mapping[str, Any] | None = None,
        observe: Callable[[Generation], None] = lambda generation: None,
    ) -> tuple[list[Any], Archive]:
        """Run one phase to its end, or go on with it, and return its population and archive.

        Args:
            name: of the phase; a column of the log.
            kind: creator type of the individuals.
            start: builds the first population; not called when going on.
            loop: from a population, the number of its generation and the loop's own state to the
                generator of the generations that follow.
            generations: how many to run after the first population.
            passes: from so many image passes over the run on, no generation begins but a run's
                very first.
            learners: objects with `state()` and `restore(state)` that learn during the phase.
            observe: called with every generation before it is saved, so that operators can learn.
        """
        learners = dict(learners or {})
        if self.lineage:
            learners["lineage"] = self.lineage
            self.lineage.begin(name, self.reference)
        archive = Archive()
        if name in self._finished:
            return self._restore(name, self._finished[name], kind, archive, learners)[:2]
        began = time.perf_counter()
        population: list[Any] = []
        number, state = 0, Arrays()
        if name in self._halfway:
            saved = self._halfway[name]
            population, archive, number, state = self._restore(name, saved, kind, archive, learners)
        else:
            population = start()
        bar = tqdm(total=generations, initial=number, desc=name, disable=not self.bar)
        before = self.seconds[name], self.network_seconds[name] - self.passes.seconds
        with bar:
            if not self._spent(number, generations, passes) or not self.logbook:
                for generation in loop(population, number, state):
                    population, number = generation.population, generation.number
                    archive.update([*generation.offspring, *population])
                    _forget_scores(archive, population)
                    if self.lineage:  # before the operators clear what they noted
                        self.lineage.observe(generation)
                    observe(generation)
                    self.seconds[name] = before[0] + time.perf_counter() - began
                    self.network_seconds[name] = before[1] + self.passes.seconds
                    self._record(name, generation, archive)
                    bar.set_postfix(hypervolume=f"{self.logbook[-1]['hypervolume']:.4f}")
                    bar.update(number - bar.n)
                    done = self._spent(number, generations, passes)
                    self._save(name, population, archive, generation, learners, done)
                    if done:
                        break
        return population, archive

    def _spent(self, number: int, generations: int, passes: int | None) -> bool:
        return number >= generations or (passes is not None and self.passes.spent() >= passes)

    def _record(self, phase: str, generation: Generation, archive: Archive) -> None:
        points = archive.points()
        corner = self.reference or np.ones(points.shape[1])
        volume = hypervolume(points, corner) if len(points) else 0.0
        self.logbook.record(
            phase=phase,
            generation=generation.number,
            evaluations=self.passes["evaluations"] - sum(self.logbook.select("evaluations")),
            **{f"passes_{kind}": int(self.passes[kind]) for kind in KINDS},
            passes=self.passes.spent(),
            cached=int(self.passes["cached"]),
            spared=int(self.passes["spared"]),
            not_finite=int(self.passes["not finite"]),
            repaired=int(self.passes["repaired"]),
            front=len(points),
            hypervolume=float(volume),
        )

    def _save(
        self,
        name: str,
        population: list[Any],
        archive: Archive,
        generation: Generation,
        learners: Mapping[str, Any],
        done: bool,
    ) -> None:
        """Write the log and the checkpoint of this phase, one file that says where all stands."""
        if self.directory is None:
            return
        record = {
            "schema": SCHEMA,
            "phase": name,
            "number": generation.number,
            "done": done,
            "streams": self.streams.state(),
            "passes": dict(self.passes),
            "seconds": dict(self.seconds),
            "network_seconds": dict(self.network_seconds),
            "notes": self.notes,
            "log": list(self.logbook),
        }
        arrays = {"record": pack_json(record)}
        arrays |= nest("population", pack_individuals(population))
        arrays |= nest("archive", pack_individuals(list(archive), scores=False))
        arrays |= nest("state", generation.state)
        for learner, value in learners.items():
            arrays |= nest(f"learner-{learner}", value.state())
        for cache, entries in self.caches.items():
            if not entries:
                continue
            keys = np.frombuffer(b"".join(entries), np.uint8).reshape(len(entries), -1)
            arrays |= {f"cache-{cache}/keys": keys}
            arrays |= {f"cache-{cache}/values": np.array(list(entries.values()))}
        self.directory.write_table("log.csv", list(self.logbook))
        self.directory.write_arrays(f"checkpoint/{name}.npz", arrays)

    def _load(self, directory: RunDir) -> None:
        """Read all checkpoints; the latest one gives streams, passes and log."""
        latest: tuple[int, dict[str, Any], Arrays] | None = None
        for file in sorted((directory.path / "checkpoint").glob("*.npz")):
            arrays = directory.read_arrays(f"checkpoint/{file.name}")
            record = unpack_json(arrays["record"])
            if record.get("schema") != SCHEMA:
                raise InputError(
                    f"run: expected a checkpoint of schema {SCHEMA}, got {record.get('schema')} in "
                    f"{file}; go on with the version of evoprune that config.json names"
                )
            (self._finished if record["done"] else self._halfway)[record["phase"]] = arrays
            if latest is None or len(record["log"]) > latest[0]:
                latest = (len(record["log"]), record, arrays)
        if latest is not None:
            self._pending = latest[1], latest[2]

    def restore(self) -> None:
        """Set streams, passes, notes and log as the latest checkpoint holds them.

        Call it once everything that draws or counts while it is built has been built.
        """
        if self._pending is None:
            return
        record, _ = self._pending
        self.streams.restore(record["streams"])
        self.passes.clear()
        self.passes.update(record["passes"])
        self.seconds.update(record["seconds"])
        self.network_seconds.update(record["network_seconds"])
        self.notes.update(record["notes"])
        for row in record["log"]:
            self.logbook.record(**row)

    def _restore(
        self, name: str, arrays: Arrays, kind: Any, archive: Archive, learners: Mapping[str, Any]
    ) -> tuple[list[Any], Archive, int, Arrays]:
        archive.update(unpack_individuals(unnest("archive", arrays), kind))
        for learner, value in learners.items():
            value.restore(unnest(f"learner-{learner}", arrays))
        population = unpack_individuals(unnest("population", arrays), kind)
        number = unpack_json(arrays["record"])["number"]
        return population, archive, number, unnest("state", arrays)


def _forget_scores(archive: Archive, population: list[Any]) -> None:
    """Drop the drift's scores, 32 times as large as the mask, where no parent needs them."""
    parents = {id(individual) for individual in population}
    for individual in archive:
        if id(individual) not in parents and hasattr(individual, "score"):
            del individual.score
