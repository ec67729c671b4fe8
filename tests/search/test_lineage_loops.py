"""NSGA-II, MOEA/D and the microbial GA under a lineage: none notices, and nobody is missed."""

from __future__ import annotations

import random
from itertools import islice
from typing import Any

import numpy as np
import pytest
from deap import base, tools

from evoprune.search.archive import Archive
from evoprune.search.indicators import hypervolume
from evoprune.search.lineage import Lineage
from evoprune.search.microbial import microbial
from evoprune.search.moead import moead
from evoprune.search.nsga2 import nsga2
from operators.decomposition import weightsFor
from operators.individuals import individual_type
from operators.mutation import mutFlip
from operators.selection import selNSGA2

GENES, MASK = 12, individual_type("mask", 2)


def lost(individual: Any) -> tuple[float, float]:
    """Judge a mask: early genes are worth most, and every gene costs the same."""
    bits = np.asarray(individual, float)
    return float((1 - bits) @ 0.5 ** np.arange(1, GENES + 1)), float(bits.mean())


def generations(algorithm: str, stop: int = 12, lineage: Lineage | None = None) -> list[Any]:
    random.seed(0)
    rng, toolbox = np.random.default_rng(0), base.Toolbox()
    toolbox.register("evaluate", lost)
    toolbox.register("mate", tools.cxTwoPoint)
    toolbox.register("mutate", mutFlip, rate=0.1, rng=rng)
    toolbox.register("select", selNSGA2)
    if lineage:
        lineage.follow(toolbox)
    first = [MASK.from_numpy(rng.random(GENES) < 0.5) for _ in range(10)]
    loops: dict[str, Any] = {
        "nsga2": lambda: nsga2(toolbox, first, rng=rng),
        "moead": lambda: moead(toolbox, first, weights=weightsFor(2, 10), neighbours=4, rng=rng),
        "microbial": lambda: microbial(toolbox, first, weights=(0.6, 0.4), rng=rng),
    }
    yielded = []
    for generation in islice(loops[algorithm](), stop):
        if lineage:
            lineage.observe(generation)
        yielded.append(generation)
    return yielded


ALGORITHMS = pytest.mark.parametrize("algorithm", ["nsga2", "moead", "microbial"])


@ALGORITHMS
def test_a_search_that_is_followed_has_the_same_individuals(algorithm: str) -> None:
    plain, watched = generations(algorithm), generations(algorithm, lineage=Lineage())
    for one, other in zip(plain, watched, strict=True):
        for ours, theirs in ((one.population, other.population), (one.offspring, other.offspring)):
            assert [(list(x), x.fitness.values) for x in ours] == [
                (list(x), x.fitness.values) for x in theirs
            ]
            assert [set(vars(x)) for x in ours] == [set(vars(x)) for x in theirs]


@ALGORITHMS
def test_every_parent_was_born_before_its_child(algorithm: str) -> None:
    lineage, known = Lineage(), set()
    generations(algorithm, lineage=lineage)
    for birth in lineage.births:
        assert birth.parents or birth.generation == 0
        assert set(birth.parents) <= known
        known.add(birth.child)


@ALGORITHMS
def test_the_credit_sums_to_the_hypervolume_of_all_that_was_judged(algorithm: str) -> None:
    lineage, archive = Lineage(), Archive()
    for generation in generations(algorithm, lineage=lineage):
        archive.update([*generation.offspring, *generation.population])
        number = generation.number
        earned = sum(b.hypervolume for b in lineage.births if b.generation <= number)
        assert earned == pytest.approx(hypervolume(archive.points(), (1, 1)))


@ALGORITHMS
def test_who_survived_is_who_is_in_the_population(algorithm: str) -> None:
    lineage = Lineage()
    for generation in generations(algorithm, lineage=lineage)[1:]:
        born = [b for b in lineage.births if b.generation == generation.number]
        alive = {id(individual) for individual in generation.population}
        assert [b.survived for b in born] == [id(x) in alive for x in generation.offspring]
