"""Try an operator on individuals of many kinds, and take down what came of it; `contract` judges.

Nothing here needs a network: the genome, its layers, scores, corridor and saliency are made up.
"""

from __future__ import annotations

import copy
import inspect
import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from itertools import count
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from operators.individuals import individual_type
from operators.layout import Layout
from operators.selection import assignCrowding
from operators.supply import GIVEN, offers, supply

PREFIXES = {"init": "init", "cx": "mate", "mut": "mutate", "sel": "select"}
GENES, LONG, SEEDS = 24, 1000, 4
VALUES, VIOLATION = (0.5, 0.25), 1.5  # of the parents: an operator has to leave them alone
CORRIDOR = frozenset({"space", "support", "core"})  # who asks for one of these has to keep to it
Operator = Callable[..., Any]
Genes = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """Say what an operator is tried on.

    Attributes:
        words: what it is, such as "an empty mask of 24 genes".
        kind: "mask" or "thresholds".
        space: of the genome.
        genes: of the parents or of the population, shape (individuals, n); none for an initialiser.
        wanted: the density that an initialiser is asked for, the number that a selection is.
        seed: of the random numbers, another one in each case.
    """

    words: str
    kind: Literal["mask", "thresholds"]
    space: Layout
    genes: NDArray[Any]
    wanted: float
    seed: int

    def individuals(self) -> list[Any]:
        """Make the individuals anew, with a fitness; every second seed's have drifted before."""
        kind, rng = individual_type(self.kind, 2), np.random.default_rng(0)
        score = rng.random(self.space.genes, np.float32)
        made = [kind.from_numpy(genes) for genes in self.genes]
        for number, individual in enumerate(made):
            individual.fitness.values, individual.fitness.violation = VALUES, VIOLATION
            if len(made) > 2:  # a population: no two alike, and the last ones infeasible
                individual.fitness.values = tuple(rng.random(2))
                individual.fitness.violation = max(number - 8, 0)
            if self.seed % 2 and self.kind == "mask":
                individual.score = score.copy()
        return made


@dataclass(frozen=True)
class Try:
    """Hold what an operator was given, and what came of one call.

    Attributes:
        case: what was tried.
        before: the individuals as they were.
        given: the individuals that were handed over, as they are now.
        returned: what came back; None after an error.
        error: the exception, if there was one.
        drew: the global generators that moved, of "numpy" and "Python".
        spoilt: names of what was lent and has changed: arrays on offer, or the list to select from.
    """

    case: Case
    before: list[Any]
    given: list[Any]
    returned: Any
    error: Exception | None
    drew: tuple[str, ...]
    spoilt: tuple[str, ...]

    def listed(self) -> list[Any]:
        """Return what came back as a list, also where it is a single thing."""
        back = self.returned
        return list(back) if isinstance(back, (tuple, list)) else [back]

    def children(self) -> list[Any]:
        """Return the individuals that came out: what was returned where it is fit, else the given.

        So an operator that forgets to return is still judged by what it did in place.
        """
        made = self.listed()
        fit = len(made) == max(len(self.given), 1) and all(genes_of(x) is not None for x in made)
        return made if fit else self.given

    def content(self) -> Any:
        """Return what tells whether another call came to the same: genes, or who was chosen."""
        if len(self.given) > 2:
            places = {id(one): place for place, one in enumerate(self.given)}
            return tuple(places.get(id(one)) for one in self.listed())
        genes = [genes_of(child) for child in self.children()]
        return tuple(g.tobytes() for g in genes if g is not None)


def genes_of(individual: Any) -> Genes | None:
    """Return genes as numbers, or None of what holds none."""
    try:
        genes = np.asarray(individual, np.float64)
    except Exception:  # whatever numpy makes of whatever a user returns
        return None
    return genes if genes.ndim == 1 else None


def born(tries: Iterable[Try]) -> Iterator[tuple[Try, Any, Genes]]:
    """Yield every child that came out with the right number of genes, with its try."""
    for tried in tries:
        for child in tried.children():
            genes = genes_of(child)
            if genes is not None and genes.size == tried.case.space.genes:
                yield tried, child, genes


def moves(tries: Iterable[Try]) -> Iterator[tuple[Try, Genes, Genes]]:
    """Yield the genes before and after, shape (individuals, n), of tries that kept the length."""
    for tried in tries:
        before, after = (
            [genes for one in several if (genes := genes_of(one)) is not None]
            for several in (tried.before, tried.children())
        )
        if [genes.size for genes in before] == [genes.size for genes in after]:
            yield tried, np.array(before), np.array(after)


def slot_of(name: str) -> str:
    """Return the slot that an operator's name is for, by its prefix.

    Raises:
        ValueError: if the name has none of DEAP's prefixes.

    >>> slot_of("mutMine")
    'mutate'
    """
    for prefix, slot in PREFIXES.items():
        if name.startswith(prefix):
            return slot
    raise ValueError(
        f"slot: expected a name with a prefix of {', '.join(PREFIXES)}, got {name}; "
        f"give the slot, one of {', '.join(PREFIXES.values())}"
    )


def asked_by(operator: Operator) -> frozenset[str]:
    """Return the names of the arguments of an operator, also of one inside a partial."""
    return frozenset(inspect.signature(operator).parameters)


def ground(genes: int, seed: int = 0) -> Layout:
    """Make up a space: four uneven layers, scores that differ, and a corridor if there is room."""
    rng = np.random.default_rng(seed)
    cuts = [0, genes // 8, genes // 2, genes - genes // 4, genes]
    score, order = rng.exponential(size=genes), rng.permutation(genes)
    support, core = order < max(0.85 * genes, 1), order < genes // 10
    return Layout.plain(np.diff(cuts).tolist(), score=score, support=support, core=core)


def madeUpSaliency(space: Layout, rng: np.random.Generator) -> Callable[[Any], NDArray[Any]]:
    """Return a saliency as noisy as one on a batch: a fixed vector that the score hints at."""
    fixed = space.score / space.score.mean() + rng.normal(size=space.genes)

    def saliency(individual: Any) -> NDArray[np.float32]:
        return (fixed + rng.normal(size=fixed.size)).astype(np.float32)

    return saliency


def on_offer(case: Case) -> dict[str, Any]:
    """Return all that an operator can ask for in a case, its own copies of it."""
    rng = np.random.default_rng(case.seed)
    space, more = copy.deepcopy(case.space), {}
    if case.kind == "thresholds":
        more = {"low": np.zeros(space.genes), "high": np.ones(space.genes)}
    saliency = madeUpSaliency(space, np.random.default_rng([case.seed, 1]))
    offered = offers(space, rng=rng, saliency=saliency, **more)
    return {**offered, "density": case.wanted} if case.genes.size == 0 else offered


def attempt(operator: Operator, slot: str, case: Case) -> Try:
    """Call the operator once; every call of the same case meets the same random numbers.

    Raises:
        ValueError: if the operator asks for what is not on offer; its own errors are kept.
    """
    offered = on_offer(case)
    ready = supply(operator, offered, given=GIVEN[slot])
    before, given = case.individuals(), case.individuals()
    if slot == "select":
        assignCrowding(given)  # selTournamentDCD reads it
    front: dict[str, list[Any]] = {
        "init": [individual_type(case.kind, 2)],
        "select": [lent := list(given), int(case.wanted)],
    }
    returned, error = None, None
    with _watched() as drew:
        try:
            returned = ready(*front.get(slot, given))
        except Exception as raised:
            error = raised
    spoilt = [
        part.name
        for part in fields(Layout)
        if not np.array_equal(getattr(offered["space"], part.name), getattr(case.space, part.name))
    ]
    if [*map(id, lent)] != [*map(id, given)]:
        spoilt.append("list of individuals")
    return Try(case, before, given, returned, error, tuple(drew), tuple(spoilt))


@contextmanager
def _watched() -> Iterator[list[str]]:
    """Set both global generators to the same place; at the end name those that moved, restore."""
    python, numpy, moved = random.getstate(), np.random.get_state(), list[str]()  # noqa: NPY002
    try:
        random.seed(0)
        np.random.seed(0)  # noqa: NPY002
        started = _states()
        yield moved
        moved += [name for name, state in _states().items() if state != started[name]]
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _states() -> dict[str, bytes]:
    states = {"numpy": np.random.get_state(), "Python": random.getstate()}  # noqa: NPY002
    return {name: pickle.dumps(state) for name, state in states.items()}


def cases(operator: Operator, slot: str, genome: Any) -> Iterator[Case]:
    """Yield what an operator is tried on: short and long, empty and full, each with a few seeds.

    Parents lie inside the corridor if the operator asks for it by name, anywhere if it does not.

    Args:
        operator: decides by its signature whether there is a corridor.
        slot: "init", "mate", "mutate" or "select".
        genome: "mask" or "thresholds", for genomes of 1, 24 and 1,000 genes; or a Layout: masks of
            its genes alone.
    """
    kind, spaces, seeds = genome, [ground(1), ground(GENES), ground(LONG)], count()
    if isinstance(genome, Layout):
        kind, spaces = "mask", [genome]
    corridor = kind == "mask" and not CORRIDOR.isdisjoint(asked_by(operator))
    for one in spaces:
        n = one.genes
        support, core = (
            (one.support, one.core) if corridor else (np.full(n, True), np.full(n, False))
        )
        for words, genes, wanted in _givens(slot, kind, n):
            if kind == "mask":
                genes = genes & support | core
            if slot == "init":
                wanted = float(core.mean() + wanted * (support.mean() - core.mean()))
                words += f" at density {wanted:.2f}"
            for _ in range(SEEDS):
                yield Case(words, kind, one, genes, wanted, next(seeds))


def _givens(slot: str, kind: str, n: int) -> Iterator[tuple[str, NDArray[Any], float]]:
    """Yield words, genes of the individuals, and what is wanted: a density among the free genes."""
    rng, name = np.random.default_rng(n), "mask" if kind == "mask" else "vector"
    size = f"{n:,} gene{'s' * (n > 1)}"

    def drawn(individuals: int, density: float) -> NDArray[Any]:
        numbers = rng.random((individuals, n))
        return numbers < density if kind == "mask" else numbers * density

    if slot == "init":
        yield from (
            (f"asked for a {name} of {size}", drawn(0, 0), share) for share in (0.2, 0.5, 0.8)
        )
    elif slot == "select":
        yield from ((f"of 12 {name}s where {k} are wanted", drawn(12, 0.5), k) for k in (4, 8))
    else:
        amounts = {"an empty": 0.0, "a sparse": 0.1, "a dense": 0.9, "a full": 1.0}
        for words, density in amounts.items():
            genes = drawn(1, density) if density < 1 else np.ones_like(drawn(1, 1))
            if slot == "mutate":
                yield f"on {words} {name} of {size}", genes, 0
            else:
                other = np.concatenate([genes, drawn(1, 0.5)])
                yield f"on {words} {name} of {size} and a half full one", other, 0
                yield f"on {words} {name} of {size} and its equal", genes[[0, 0]], 0
