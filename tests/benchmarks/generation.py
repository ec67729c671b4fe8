"""A generation without evaluation: parents, clones, crossover, mutation, survivors.

Beside DEAP's own operators on lists, and beside pymoo's NSGA-II on boolean arrays. Ours alone also
names each child by its digest and decodes it, as the evaluator does.
"""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
from deap import base, creator, tools
from pymoo.algorithms.moo.nsga2 import binary_tournament
from pymoo.core.mating import Mating
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.crossover.ux import UX
from pymoo.operators.mutation.bitflip import BitflipMutation
from pymoo.operators.selection.tournament import TournamentSelection
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding
from timing import Row, alone, compare, spoken

from evoprune.search.nsga2 import nsga2
from operators.crossover import cxLayers, cxUniformPacked
from operators.dominance import ranks
from operators.individuals import individual_type
from operators.mutation import mutFlip, mutImportance
from operators.selection import selCrowdedTournament, selNSGA2

Points = np.ndarray[Any, np.dtype[np.float64]]
POPULATION = 100
RATE = 0.001  # of flips, per gene
RESNET56, RESNET50 = 848_944, 25_600_000  # genes
CHECKED = 100_000  # genes on which an operator must do what it says


class ListMask(list):
    """A genome as DEAP's tutorials have it."""

    def __init__(self, genes: Any) -> None:
        super().__init__(genes)
        self.fitness = creator.FitnessMin2()


def ours(n: int, *, importance: bool = False) -> base.Toolbox:
    """Return our operators; of the two kinds those that know layers and scores, if asked for."""
    toolbox, rng = base.Toolbox(), np.random.default_rng(0)
    toolbox.register("select_parents", selCrowdedTournament, rng=rng)
    if importance:
        score = np.abs(rng.standard_normal(n, np.float32))
        layers = np.linspace(0, n, 57).astype(int)
        toolbox.register("mate", cxLayers, layers=layers, rate=0.5, rng=rng)
        settings = {"score": score, "rate": RATE, "change": 0, "temperature": 0.1}
        toolbox.register("mutate", mutImportance, **settings, rng=rng)
    else:
        toolbox.register("mate", cxUniformPacked, rate=0.5, rng=rng)
        toolbox.register("mutate", mutFlip, rate=RATE, rng=rng)
    toolbox.register("select", selNSGA2)
    return toolbox


def deaps() -> base.Toolbox:
    """Return DEAP's own operators."""
    toolbox = base.Toolbox()
    toolbox.register("select_parents", tools.selTournamentDCD)
    toolbox.register("mate", tools.cxUniform, indpb=0.5)
    toolbox.register("mutate", tools.mutFlipBit, indpb=RATE)
    toolbox.register("select", tools.selNSGA2)
    return toolbox


def people(make: Callable[[], Any], points: Points) -> list[Any]:
    """Return a population with these objective values, sorted once as a running search has it."""
    made = [make() for _ in points]
    for individual, values in zip(made, points.tolist(), strict=True):
        individual.fitness.values = tuple(values)
    return selNSGA2(made, len(made))


def generation(
    toolbox: base.Toolbox, population: Sequence[Any], points: Points, *, names: bool = False
) -> tuple[list[Any], list[Any]]:
    """Return the offspring, which are given these objective values unseen, and who survives."""
    offspring = [toolbox.clone(p) for p in toolbox.select_parents(population, len(population))]
    for a, b in zip(offspring[::2], offspring[1::2], strict=False):  # the odd one stays
        toolbox.mate(a, b)
    for child, values in zip(offspring, points.tolist(), strict=True):
        toolbox.mutate(child)
        child.fitness.values = tuple(values)
        if names:
            child.digest()
            child.to_numpy()
    return offspring, toolbox.select([*population, *offspring], len(population))


def survivors(result: tuple[list[Any], list[Any]], population: Sequence[Any]) -> list[int]:
    """Return the places of those that survived, among the population and then the offspring."""
    place = {id(one): index for index, one in enumerate([*population, *result[0]])}
    return [place[id(one)] for one in result[1]]


def as_told(mate: Callable[[Any, Any], Any], mutate: Callable[[Any], Any]) -> bool:
    """Say whether a crossover loses no gene and exchanges half, and as many flip as should."""
    ones, half = np.ones(CHECKED, bool), np.arange(CHECKED) % 2 == 0
    a, b = (np.array(child, bool) for child in mate(ones, ~ones))
    flips = np.count_nonzero(np.array(mutate(half), bool) != half)
    mixed = abs(a.mean() - 0.5) < 5 * 0.5 / np.sqrt(CHECKED)
    right = abs(flips - CHECKED * RATE) < 5 * np.sqrt(CHECKED * RATE)
    return bool((a != b).all() and mixed and right)


def toolbox_as_told(toolbox: base.Toolbox, make: Callable[[Any], Any]) -> bool:
    """Say so of a toolbox, on the genomes that `make` makes of an array."""
    return as_told(
        lambda a, b: toolbox.mate(make(a), make(b)), lambda bits: toolbox.mutate(make(bits))[0]
    )


def beside_deap(n: int, rounds: int) -> Row:
    """Compare with DEAP's operators on lists."""
    rng = np.random.default_rng(1)
    before, after = rng.random((2, POPULATION, 2))
    mask, both = individual_type("mask", 2), (ours(n), deaps())
    bits = lambda: rng.random(n) < 0.5  # noqa: E731
    packed = people(lambda: mask.from_numpy(bits()), before)
    lists = people(lambda: ListMask(bits().tolist()), before)

    def agree(one: Any, other: Any) -> bool:
        random.seed(1)  # DEAP's draw from there
        told = toolbox_as_told(both[0], mask.from_numpy)
        told &= toolbox_as_told(both[1], lambda bits: ListMask(bits.tolist()))
        return told and survivors(one, packed) == survivors(other, lists)

    return compare(
        f"a generation of {POPULATION}, {n:,} genes, against lists",
        ("packed bits, our operators", partial(generation, both[0], packed, after)),
        ("lists, DEAP's operators", partial(generation, both[1], lists, after)),
        agree=agree,
        rounds=rounds,
        at_least=100,
        note="selTournamentDCD, deepcopy, cxUniform, mutFlipBit, selNSGA2; the same survivors",
    )


def beside_pymoo(n: int, rounds: int) -> Row:
    """Compare with pymoo's operators on boolean arrays."""
    rng = np.random.default_rng(1)
    before, after = rng.random((2, POPULATION, 2))
    mask, toolbox = individual_type("mask", 2), ours(n)
    bits = rng.random((POPULATION, n), np.float32) < 0.5
    genes = iter(bits)
    packed = people(lambda: mask.from_numpy(next(genes)), before)
    problem, survive = Problem(n_var=n, n_obj=2, vtype=bool), RankAndCrowding()
    algorithm = SimpleNamespace(tournament_type="comp_by_dom_and_crowding", random_state=rng)
    mating = Mating(
        TournamentSelection(func_comp=binary_tournament),
        UX(prob=1.0),
        BitflipMutation(prob=1.0, prob_var=RATE),
    )
    population = survive.do(
        problem, Population.new(X=bits, F=before), n_survive=POPULATION, random_state=rng
    )

    def theirs() -> Any:
        settings = {"algorithm": algorithm, "random_state": rng}
        offspring = mating.do(problem, population, POPULATION, **settings)
        offspring.set("F", after)
        merged = Population.merge(population, offspring)
        return survive.do(problem, merged, n_survive=POPULATION, random_state=rng)

    def agree(one: Any, other: Any) -> bool:
        short = Problem(n_var=CHECKED, n_obj=2, vtype=bool)

        def mate(a: Any, b: Any) -> Any:
            pair = Population.new(X=np.array([a, b]))
            return mating.crossover.do(short, [pair], random_state=rng).get("X")

        def mutate(bits: Any) -> Any:
            bits = Population.new(X=bits[None].copy())
            return mating.mutation.do(short, bits, random_state=rng).get("X")[0]

        told = as_told(mate, mutate) and toolbox_as_told(toolbox, mask.from_numpy)
        values = np.array([individual.fitness.values for individual in one[1]])
        return told and same_ranks(values, other.get("F"), np.concatenate([before, after]))

    return compare(
        f"a generation of {POPULATION}, {n:,} genes, against arrays",
        ("packed bits, our operators", partial(generation, toolbox, packed, after)),
        ("boolean arrays, pymoo's NSGA-II", theirs),
        agree=agree,
        rounds=rounds,
        at_least=5,
        note="TournamentSelection, UX, BitflipMutation, RankAndCrowding, copies not eliminated",
    )


def same_ranks(ours: Points, theirs: Points, everyone: Points) -> bool:
    """Say whether two choices hold equally many of each rank among everyone."""
    rank = {tuple(point): int(r) for point, r in zip(everyone, ranks(everyone), strict=True)}
    one, other = (sorted(rank[tuple(point)] for point in points) for points in (ours, theirs))
    return one == other


def by_itself(n: int, rounds: int, aim: float | None, *, importance: bool = False) -> Row:
    """Time a generation with names and decoding; weigh its population and offspring."""
    rng = np.random.default_rng(1)
    before, after = rng.random((2, POPULATION, 2))
    mask, toolbox = individual_type("mask", 2), ours(n, importance=importance)
    tracemalloc.start()
    packed = people(lambda: random_mask(mask, n, rng), before)
    first = generation(toolbox, packed, after, names=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    def right(result: tuple[list[Any], list[Any]]) -> bool:
        expected = tools.selNSGA2([*packed, *result[0]], POPULATION)
        same = [id(one) for one in result[1]] == [id(one) for one in expected]
        if importance:  # as many kept as before, though not the same
            old, new = packed[0], toolbox.mutate(toolbox.clone(packed[0]))[0]
            return same and old.count() == new.count() and old != new
        return same and toolbox_as_told(toolbox, mask.from_numpy)

    what = "cxLayers, mutImportance" if importance else "cxUniformPacked, mutFlip"
    return alone(
        f"a generation of {POPULATION}, {n:,} genes, with digests and decoding",
        (what, partial(generation, toolbox, packed, after, names=True)),
        right=right,
        first=first,
        rounds=rounds,
        at_most=aim,
        note=f"population and offspring and all that is made on the way: {spoken(peak, 'B')} at "
        "the most",
    )


def loop(n: int, rounds: int) -> Row:
    """Time the generations of evoprune's own nsga2, copies left out, with decoding alone judged."""
    rng = np.random.default_rng(1)
    mask, toolbox = individual_type("mask", 2), ours(n)

    def evaluate(individual: Any) -> tuple[float, float]:
        individual.to_numpy()
        return tuple(rng.random(2).tolist())  # type: ignore[return-value]

    toolbox.register("evaluate", evaluate)
    start = [random_mask(mask, n, rng) for _ in range(POPULATION)]
    generations = nsga2(toolbox, start, mating_probability=1.0, rng=rng)
    next(generations)
    return alone(
        f"a generation of {POPULATION}, {n:,} genes, of evoprune's loop",
        ("nsga2 with cxUniformPacked, mutFlip", partial(next, generations)),
        right=lambda found: len(found.population) == len(found.offspring) == POPULATION,
        rounds=rounds,
        note="evaluation is decoding alone; parents and offspring are named, to leave out copies",
    )


def random_mask(mask: Any, n: int, rng: np.random.Generator) -> Any:
    """Return a mask of which half is kept, without an array of n numbers on the way."""
    return mask.from_packed(np.frombuffer(rng.bytes(-(-n // 8)), np.uint8), n)


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of this file."""
    rounds = 2 if quick else 7
    yield beside_deap(500 if quick else 50_000, rounds)
    yield beside_pymoo(5_000 if quick else RESNET56, rounds)
    for n, aim in ((5_000, 0.05),) if quick else ((RESNET56, 0.05), (RESNET50, 1.5)):
        yield by_itself(n, rounds, aim)
        yield by_itself(n, 1 if n == RESNET50 else rounds, None, importance=True)
    yield loop(5_000 if quick else RESNET56, rounds)
