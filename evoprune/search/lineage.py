"""Lineage: who made this individual, by which operator, and what each operator brought.

`Lineage` looks on. The loops know nothing of it: it stands in three slots of a toolbox, `clone`,
`mate` and `mutate`, and sees every generation once it is judged. It draws nothing and puts nothing
on an individual, so a run with it has the same individuals as one without. What it saw becomes one
`Birth` a child; what can be asked of a list of them is in ancestry.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from weakref import ref

import moocore
import numpy as np
from numpy.typing import ArrayLike

from evoprune.records import Generation
from evoprune.search.ancestry import FIRST, Birth, genome_name
from evoprune.search.early import content
from evoprune.search.indicators import hypervolume
from operators.genomes import BitString
from operators.supply import name_of

MOST = 4  # objectives of which a hypervolume is taken; with more it costs too much


@dataclass
class _Note:
    """What is known of a child before its generation is judged.

    The child is held weakly: MOEA/D lets one of each pair go, and its genes should go with it.
    """

    child: ref[Any]
    parents: list[Any] = field(default_factory=list)
    crossover: str = ""
    mutation: str = ""
    passes: int = 0


class Lineage:
    """Write down who made whom.

    Args:
        spent: says how many image passes have been spent so far; without it all cost 0.
        objectives: their names, for the columns of `rows`; objective_1, ... if empty.
        reference: worst corner of the hypervolume, shape (objectives,); (1, 1, ...) if None.

    Attributes:
        births: a Birth a child, in order. About 170 bytes each in a checkpoint, which holds all so
            far: 24 children over 100 generations are 0.4 MB, 100 over 1,000 are 17 MB.

    >>> from deap import base, tools
    >>> from operators.individuals import individual_type
    >>> parent = individual_type("mask", 2)([1, 1, 0, 1])
    >>> toolbox, lineage = base.Toolbox(), Lineage()
    >>> toolbox.register("mate", tools.cxTwoPoint)
    >>> toolbox.register("mutate", tools.mutFlipBit, indpb=1.0)
    >>> lineage.follow(toolbox)
    >>> child, = toolbox.mutate(toolbox.clone(parent))
    >>> child.fitness.values = .5, .25
    >>> lineage.observe(Generation(1, [child], [child], {}))
    >>> birth, = lineage.births
    >>> birth.mutation, birth.changed, birth.hypervolume, birth.survived
    ('mutFlipBit', 4, 0.375, True)
    """

    def __init__(
        self,
        spent: Callable[[], int] = lambda: 0,
        *,
        objectives: Sequence[str] = (),
        reference: ArrayLike | None = None,
    ) -> None:
        self.births: list[Birth] = []
        # A name that is another column's would hide it.
        self.objectives = tuple(n + "_" if n in Birth._fields else n for n in objectives)
        self.reference = reference
        self._spent, self._phase = spent, "search"
        self._decode: Callable[[Any], ArrayLike] | None = None
        self._notes: dict[int, _Note] = {}  # by the child's id
        self._judged: set[str] = set()
        self._front, self._volume, self._paid = np.zeros((0, 0)), 0.0, spent()

    def follow(self, toolbox: Any, *, decode: Callable[[Any], ArrayLike] | None = None) -> None:
        """Stand in the slots `clone`, `mate` and `mutate` of a toolbox; once all are registered.

        Args:
            toolbox: DEAP's; its operators are called as they were.
            decode: from an individual to the mask that it is named by, so that one network has one
                name whatever its genome; None names the genome itself.
        """
        self._decode = decode
        for slot, stand_in in (
            ("clone", self._clone),
            ("mate", self._mate),
            ("mutate", self._mutate),
        ):
            setattr(toolbox, slot, partial(stand_in, getattr(toolbox, slot)))

    def begin(self, phase: str, reference: ArrayLike | None = None) -> None:
        """Begin a phase, or go on with it: what was spent up to here is nobody's.

        Args:
            phase: its name.
            reference: another one than before; give it before the first individual is judged.
        """
        self._phase, self._paid = phase, self._spent()
        self.reference = self.reference if reference is None else reference

    def observe(self, generation: Generation) -> None:
        """Take down a generation's births; call it before its individuals' notes are cleared."""
        names: dict[int, str] = {}

        def name(individual: Any) -> str:
            key = id(individual)
            names[key] = names.get(key) or self._name(individual)
            return names[key]

        made = [(child, self._note(child)) for child in generation.offspring]
        if generation.number == 0:
            first = generation.offspring or generation.population
            new = [child for child in first if name(child) not in self._judged]
            made = [(child, _Note(ref(child), mutation=FIRST)) for child in new]
        alive = {id(individual) for individual in generation.population}
        born = [self._birth(*one, generation.number, name, alive) for one in made]
        self.births += self._priced(born)
        self._notes.clear()

    def rows(self) -> list[dict[str, Any]]:
        """Return a row a birth, as plain values for a CSV file; `births_of` reads them again."""
        rows = []
        for birth in self.births:
            row = birth._asdict() | {"parents": " ".join(birth.parents)}
            row |= {"survived": int(birth.survived), "copy": int(birth.copy)}
            del row["objectives"]
            names = self.objectives or [f"objective_{i + 1}" for i in range(len(birth.objectives))]
            rows.append(row | dict(zip(names, birth.objectives, strict=False)))
        return rows

    def state(self) -> dict[str, np.ndarray]:
        """Return the births, which are all that it has to remember, as one array of JSON."""
        return {"births": np.frombuffer(json.dumps(self.births).encode(), np.uint8)}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Take back what `state()` gave."""
        saved = (Birth(*row) for row in json.loads(state["births"].tobytes()))
        self.births = [
            birth._replace(parents=tuple(birth.parents), objectives=tuple(birth.objectives))
            for birth in saved
        ]
        self._judged = {birth.child for birth in self.births if birth.objectives}
        self._front, self._volume = np.zeros((0, 0)), 0.0
        gained = [birth.objectives for birth in self.births if birth.hypervolume > 0]
        if gained:
            self._front = _nondominated(gained)
            self._volume = hypervolume(self._front, self._corner(len(gained[0])))

    def _clone(self, clone: Callable[[Any], Any], parent: Any) -> Any:
        """Note whose copy it is; that of an unfinished child goes on from the child's parents."""
        child, known = clone(parent), self._note(parent)
        if parent.fitness.valid or not known.parents:
            known = _Note(known.child, [parent])
        self._notes[id(child)] = replace(known, child=ref(child), passes=0)
        return child

    def _mate(self, mate: Callable[[Any, Any], Any], a: Any, b: Any) -> tuple[Any, ...]:
        notes, before = (self._note(a), self._note(b)), self._spent()
        both = list({id(p): p for note in notes for p in note.parents}.values())
        genes = [content(parent) for parent in both]
        children = tuple(mate(a, b))
        costs = _shares(self._spent() - before, len(children))
        for child, note, cost in zip(children, notes, costs, strict=True):
            same = [p for p, was in zip(both, genes, strict=True) if was == content(child)]
            self._notes[id(child)] = replace(
                note,
                child=ref(child),
                parents=same[:1] or both,
                crossover="" if same else getattr(child, "mated", None) or name_of(mate),
                passes=note.passes + cost,
            )
        return children

    def _mutate(self, mutate: Callable[[Any], Any], individual: Any) -> tuple[Any, ...]:
        note, before = self._note(individual), self._spent()
        (child,) = mutate(individual)
        self._notes[id(child)] = replace(
            note,
            child=ref(child),
            mutation=getattr(child, "operator", None) or name_of(mutate),
            passes=note.passes + self._spent() - before,
        )
        return (child,)

    def _note(self, individual: Any) -> _Note:
        """Return what is known of an individual; of one that was never cloned, nothing."""
        note = self._notes.get(id(individual))
        if note is None or note.child() is not individual:  # an id may come again
            return _Note(ref(individual))
        return note

    def _name(self, individual: Any) -> str:
        if self._decode is not None:
            individual = BitString.from_numpy(self._decode(individual))
        return genome_name(individual)

    def _birth(
        self, child: Any, note: _Note, number: int, name: Callable[[Any], str], alive: set[int]
    ) -> Birth:
        fitness, nearest = child.fitness, sorted(note.parents, key=partial(unlike, child))
        called, judged = name(child), tuple(map(float, fitness.values))
        copy = called in self._judged
        feasible = getattr(fitness, "violation", 0.0) <= 0
        birth = Birth(
            generation=number,
            phase=self._phase,
            child=called,
            parents=tuple(dict.fromkeys(map(name, nearest))),
            crossover=note.crossover,
            mutation=note.mutation or ("" if note.crossover else self._phase),
            changed=unlike(child, nearest[0]) if nearest else 0,
            survived=bool(judged) and id(child) in alive,
            copy=copy,
            passes=note.passes,
            hypervolume=self._credit(judged) if feasible and not copy else 0.0,
            objectives=judged,
        )
        if judged:
            self._judged.add(called)
        return birth

    def _credit(self, values: tuple[float, ...]) -> float:
        """Put a point to the front and return by how much the hypervolume grew."""
        corner = self._corner(len(values))
        if not 0 < len(values) == len(corner) <= MOST or not np.isfinite(values).all():
            return 0.0
        if self._front.size and self._front.shape[1] != len(values):
            return 0.0  # a phase with other objectives than the first one's
        points = _nondominated([*self._front.tolist(), values])
        before, grown = self._volume, hypervolume(points, corner)
        if grown <= before:
            return 0.0
        self._front, self._volume = points, grown
        return grown - before

    def _corner(self, objectives: int) -> np.ndarray:
        return np.ones(objectives) if self.reference is None else np.asarray(self.reference, float)

    def _priced(self, births: list[Birth]) -> list[Birth]:
        """Share out what judging cost, evenly among those whose genome was not known."""
        total, made = self._spent() - self._paid, sum(birth.passes for birth in births)
        self._paid += total
        paying = [i for i, birth in enumerate(births) if not birth.copy] or range(len(births))
        for i, cost in zip(paying, _shares(total - made, len(paying)), strict=True):
            births[i] = births[i]._replace(passes=births[i].passes + cost)
        return births


def unlike(a: Any, b: Any) -> int:
    """Return how many genes differ between two individuals of one length.

    >>> unlike(BitString([1, 0, 1]), BitString([1, 1, 0])), unlike([0.5, 0.25], [0.5, 0.0])
    (2, 1)
    """
    if isinstance(a, BitString) and isinstance(b, BitString):
        return int(np.bitwise_count(a.packed ^ b.packed).sum(dtype=np.int64))
    return int(np.count_nonzero(np.asarray(a) != np.asarray(b)))


def _nondominated(points: Sequence[Sequence[float]]) -> np.ndarray:
    """Return the points that none dominates, sorted, each once."""
    distinct = np.unique(np.array(points), axis=0)
    return distinct[moocore.is_nondominated(distinct)]


def _shares(total: int, n: int) -> list[int]:
    """Cut a whole number into n that sum to it and differ by 1 at most.

    >>> _shares(7, 3)
    [2, 2, 3]
    """
    return np.diff(np.arange(n + 1) * total // max(n, 1)).tolist()
