"""Each check catches the operator that is wrong in just this, and lets the right ones pass."""

from __future__ import annotations

import random
import re
from typing import Any

import numpy as np
import pytest

from operators.catalogue import CATALOGUE
from operators.contract import CHECKS, Finding, check
from operators.genomes import BitString
from operators.layout import Layout

Rng = np.random.Generator
UNSEEDED = np.random.default_rng()


def flip(individual: Any, rng: Rng) -> None:
    """Flip a random gene: what a wrong operator does beside what is wrong with it."""
    place = int(rng.integers(len(individual)))
    individual[place] = 1 - individual[place]


def swap(a: Any, b: Any, rng: Rng) -> None:
    """Exchange the genes from a random place on."""
    cut = int(rng.integers(len(a)))
    a[cut:], b[cut:] = b[cut:], a[cut:]


# --- the right ones ----------------------------------------------------------------------------


def mutRight(individual: Any, *, rng: Rng) -> Any:
    flip(individual, rng)
    return (individual,)


def cxRight(a: Any, b: Any, *, rng: Rng) -> Any:
    swap(a, b, rng)
    return a, b


def initRight(container: Any, *, size: int, density: float, rng: Rng) -> Any:
    return container(rng.random(size) < density)


def selRight(individuals: Any, k: int, *, rng: Rng) -> Any:
    return [individuals[place] for place in rng.choice(len(individuals), k)]


def mutInside(individual: Any, *, support: Any, core: Any, rng: Rng) -> Any:
    free = np.flatnonzero(support & ~core)
    if free.size:
        place = int(rng.choice(free))
        individual[place] = 1 - individual[place]
    return (individual,)


# --- the wrong ones, each in one thing ---------------------------------------------------------


def mutReturnsNothing(individual: Any, *, rng: Rng) -> Any:
    flip(individual, rng)


def mutReturnsBare(individual: Any, *, rng: Rng) -> Any:
    flip(individual, rng)
    return individual


def mutReturnsTwo(individual: Any, *, rng: Rng) -> Any:
    flip(individual, rng)
    return individual, 0.5


def mutCopies(individual: Any, *, rng: Rng) -> Any:
    made = BitString(individual)
    flip(made, rng)
    return (made,)


def mutPastTheEnd(individual: Any, *, rng: Rng) -> Any:
    individual.packed[:] ^= rng.integers(0, 256, individual.packed.size, np.uint8)
    return (individual,)


def mutFitness(individual: Any, *, rng: Rng) -> Any:
    flip(individual, rng)
    del individual.fitness.values
    return (individual,)


def mutViolation(individual: Any, *, rng: Rng) -> Any:
    flip(individual, rng)
    individual.fitness.violation = 0.0
    return (individual,)


def mutNumpys(individual: Any, *, rng: Rng) -> Any:
    np.random.rand()  # noqa: NPY002
    flip(individual, rng)
    return (individual,)


def mutPythons(individual: Any, *, rng: Rng) -> Any:
    random.random()
    flip(individual, rng)
    return (individual,)


def mutOwnGenerator(individual: Any) -> Any:
    flip(individual, UNSEEDED)
    return (individual,)


def mutDeaf(individual: Any, *, rng: Rng) -> Any:
    individual[0] = 1 - individual[0]
    return (individual,)


def mutSpoils(individual: Any, *, score: Any, rng: Rng) -> Any:
    score += 1
    flip(individual, rng)
    return (individual,)


def mutOutside(individual: Any, *, support: Any, core: Any, rng: Rng) -> Any:
    individual[np.flatnonzero(~core)] = rng.random(int((~core).sum())) < 0.5
    return (individual,)


def mutClearsCore(individual: Any, *, space: Layout, rng: Rng) -> Any:
    individual[np.flatnonzero(space.support)] = rng.random(int(space.support.sum())) < 0.5
    return (individual,)


def mutRaises(individual: Any, *, rng: Rng) -> Any:
    if individual.count() == len(individual) > 1:
        raise ZeroDivisionError("no gene is removed")
    flip(individual, rng)
    return (individual,)


def mutOneGene(individual: Any, *, rng: Rng) -> Any:
    individual[int(rng.integers(1, len(individual)))] = int(rng.integers(2))
    return (individual,)


def mutOnlyClears(individual: Any, *, rng: Rng) -> Any:
    individual[rng.random(len(individual)) < 0.1] = 0
    return (individual,)


def mutOnlySets(individual: Any, *, rng: Rng) -> Any:
    individual[rng.random(len(individual)) < 0.1] = 1
    return (individual,)


def mutIdle(individual: Any) -> Any:
    return (individual,)


def cxLoses(a: Any, b: Any, *, rng: Rng) -> Any:
    swap(a, b, rng)
    if a != b:
        a[0] = b[0]
    return a, b


def cxMutates(a: Any, b: Any, *, rng: Rng) -> Any:
    flip(a, rng) if a == b else swap(a, b, rng)
    return a, b


def cxTurned(a: Any, b: Any, *, rng: Rng) -> Any:
    swap(a, b, rng)
    return b, a


def cxShares(a: Any, b: Any, *, rng: Rng) -> Any:
    b.packed = a.packed
    flip(a, rng)
    return a, b


def initList(container: Any, *, size: int, density: float, rng: Rng) -> Any:
    return (rng.random(size) < density).tolist()


def initShort(container: Any, *, size: int, density: float, rng: Rng) -> Any:
    return container(rng.random(size - 1) < density)


def initHalf(container: Any, *, size: int, density: float, rng: Rng) -> Any:
    return container(rng.random(size) < 0.5)


def initSparser(container: Any, *, size: int, density: float, rng: Rng) -> Any:
    return container(rng.random(size) < density**2)


def initJudged(container: Any, *, size: int, rng: Rng) -> Any:
    made = container(rng.random(size) < 0.5)
    made.fitness.values = 0.0, 0.0
    return made


def initOutside(container: Any, *, size: int, core: Any, rng: Rng) -> Any:
    return container(core | (rng.random(size) < 0.5))


def selCopies(individuals: Any, k: int, *, rng: Rng) -> Any:
    return [type(one)(one) for one in selRight(individuals, k, rng=rng)]


def selTooMany(individuals: Any, k: int, *, rng: Rng) -> Any:
    return selRight(individuals, k + 1, rng=rng)


def selChanges(individuals: Any, k: int, *, rng: Rng) -> Any:
    individuals[0][0] = 1 - individuals[0][0]
    return selRight(individuals, k, rng=rng)


WRONG = {
    mutReturnsNothing: ("returns a tuple", "returns nothing, .*write `return \\(individual,\\)`"),
    mutReturnsBare: ("returns a tuple", "returns a Mask2, on an empty mask of 1 gene"),
    mutReturnsTwo: ("returns a tuple", "returns a tuple of 2"),
    mutCopies: ("changes in place", "others than the very objects"),
    cxTurned: ("changes in place", "others than the very objects"),
    mutPastTheEnd: ("leaves valid genes", "0 past the last gene"),
    mutFitness: ("leaves the fitness", "the loop deletes them"),
    mutViolation: ("leaves the fitness", "or its violation"),
    mutOutside: ("stays in the corridor", "sets genes outside the support"),
    mutClearsCore: ("stays in the corridor", "clears genes of the core"),
    initOutside: ("stays in the corridor", "end with corridor"),
    mutNumpys: ("draws from its rng alone", "numpy's global generator; ask for `rng`"),
    mutPythons: ("draws from its rng alone", "Python's global generator; ask for `rng`"),
    mutOwnGenerator: ("repeats itself", "two results by the same `rng`"),
    mutSpoils: ("leaves what is lent", "changes the score that it was lent"),
    mutRaises: ("runs through", r"ZeroDivisionError: no gene is removed, at .*contract.py:\d+"),
    cxShares: ("keeps children apart", "both children share one array"),
    initList: ("makes what the container makes", "returns a list.*return container"),
    initShort: ("keeps the length", "leaves 0 genes.*keep all 1"),
    initHalf: ("reaches the density", r"0.20, 0.50, 0.80, makes 0\.[45]., 0\.[45]., 0\.[45].;"),
    initJudged: ("leaves the fitness unset", "sets a fitness"),
    selCopies: ("returns the very individuals", "others than the given"),
    selTooMany: ("returns as many as wanted", "returns 5 of 12 masks where 4 are wanted"),
    selChanges: ("leaves the individuals", "only choose"),
}
MIND = {
    mutDeaf: ("listens to its rng", "whatever `rng` it gets"),
    mutOneGene: ("runs through", "ValueError: .*of 1 gene"),
    mutOnlyClears: ("sets and clears", "can only clear bits; let another operator set"),
    mutOnlySets: ("sets and clears", "can only set bits"),
    mutIdle: ("changes something", "changed nothing in any try"),
    cxLoses: ("keeps all genes", "do not hold what the parents held"),
    cxMutates: (
        "leaves equal parents equal",
        "equal parents have unequal children, on an empty mask",
    ),
    initSparser: ("reaches the density", "asked for densities 0.20, 0.50, 0.80, makes 0.0"),
}


def caught(findings: list[Finding], *statuses: str) -> list[Finding]:
    return [found for found in findings if found.status in statuses]


@pytest.mark.parametrize("operator", WRONG, ids=lambda operator: operator.__name__)
def test_what_is_wrong_is_caught_by_its_check_alone(operator: Any) -> None:
    name, words = WRONG[operator]
    (found,) = caught(check(operator), "wrong")
    assert found.name == name
    assert re.search(words, found.words), found.words


@pytest.mark.parametrize("operator", MIND, ids=lambda operator: operator.__name__)
def test_a_habit_is_named_by_its_check_alone(operator: Any) -> None:
    name, words = MIND[operator]
    (found,) = caught(check(operator), "wrong", "mind")
    assert (found.name, found.status) == (name, "mind")
    assert re.search(words, found.words), found.words


@pytest.mark.parametrize("operator", [mutRight, cxRight, initRight, selRight, mutInside])
def test_a_right_operator_passes_every_check(operator: Any) -> None:
    assert caught(check(operator), "wrong", "mind") == []


def test_every_check_has_an_operator_that_it_catches() -> None:
    known = {one.__name__.replace("_", " ") for several in CHECKS.values() for one in several}
    known |= {"runs through"}
    assert known == {name for name, _ in (*WRONG.values(), *MIND.values())}


@pytest.mark.parametrize("name", CATALOGUE)
def test_nothing_is_wrong_with_an_operator_of_the_library(name: str) -> None:
    entry = CATALOGUE[name]
    for genome in ("mask", "thresholds") if entry.genome == "any" else (entry.genome,):
        assert caught(check(entry.operator, genome=genome), "wrong") == []  # type: ignore[arg-type]
