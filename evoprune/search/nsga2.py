"""NSGA-II: the best fronts survive, and within the last one those with most room.

Deb, Pratap, Agarwal & Meyarivan, "A fast and elitist multiobjective genetic algorithm: NSGA-II",
IEEE Transactions on Evolutionary Computation 6(2), 2002. The numbers in `nsga2` are those of its
main loop (section III-C).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from evoprune.errors import InputError
from evoprune.records import Generation
from evoprune.search.early import content, judge_offspring
from operators.selection import assignCrowding, selCrowdedTournament


def nsga2(
    toolbox: Any,
    population: list[Any],
    *,
    mating_probability: float = 0.9,
    mutation_probability: float = 1.0,
    offspring: int | None = None,
    rng: np.random.Generator,
    number: int = 0,
    state: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Generation]:
    """Run NSGA-II for as long as it is asked for generations.

    Generation 0 is the given population, evaluated. To go on from a generation that was yielded,
    give its population, number and state, with all random streams set to where they were; the
    next one yielded is number + 1.

    Args:
        toolbox: DEAP's, with `evaluate`, `mate`, `mutate`, `select` (survivors, such as
            `operators.selection.selNSGA2`), and `clone` and `map` as they are by default. Parents
            come from `select_parents(population, n)` if registered, for which crowding distances
            are set, else from a crowded tournament. With `trial` (see `search.early`) offspring
            are judged by it, not by `map` and `evaluate`, as far as their survival is open; then
            `select` has to be one that fills up front by front.
        population: 4 or more individuals of any number; those with a valid fitness are not
            evaluated again. The list is not changed.
        mating_probability: chance that a pair of parents is crossed, 0 to 1.
        mutation_probability: chance that a child is mutated, 0 to 1.
        offspring: children a generation, 1 or more; as many as the population, if None. A few of
            them make it a steady state: what they learnt is at hand for the next ones.
        rng: draws which are crossed and mutated, and the tournament.
        number: of the generation that the population is.
        state: of that generation; given, even generation 0 is taken for one yielded before.

    Yields:
        A Generation. Its offspring are those that had to be evaluated; a trial that was given up
        leaves its individual without a fitness.

    Raises:
        InputError: if the population is under 4, there are no offspring, or a probability is out of
            range.

    Source: Deb et al. 2002. differs: room in the tournament is measured among the survivors anew,
    where the paper keeps what was measured before the last front was cut; copies do not compete,
    as long as there are enough others.
    """
    _check(population, mating_probability, mutation_probability, offspring)
    population, n = [*population], len(population)
    count = n if offspring is None else offspring
    select_parents = getattr(toolbox, "select_parents", partial(selCrowdedTournament, rng=rng))
    if number == 0 and not state:
        evaluate(toolbox, population)
        yield Generation(0, population, [], {"number": np.array(0)})
    while True:
        number += 1
        # Step 1: parents P_t become offspring Q_t by tournament, crossover and mutation.
        assignCrowding(population)
        children = [toolbox.clone(parent) for parent in select_parents(population, count)]
        for i in range(0, count - 1, 2):
            if rng.random() < mating_probability:
                children[i : i + 2] = toolbox.mate(*children[i : i + 2])
                del children[i].fitness.values, children[i + 1].fitness.values
        for i in range(count):
            if rng.random() < mutation_probability:
                (children[i],) = toolbox.mutate(children[i])
                del children[i].fitness.values
        if hasattr(toolbox, "trial"):
            evaluated = judge_offspring(toolbox, population, children)
            children = [child for child in children if child.fitness.valid]
        else:
            evaluated = evaluate(toolbox, children)
        # Steps 2 to 4: sort R_t, the union of both, and fill P_t+1 from its best fronts.
        population = toolbox.select(distinct(population + children, n), n)
        yield Generation(number, population, evaluated, {"number": np.array(number)})


def distinct(individuals: Sequence[Any], n: int) -> list[Any]:
    """Leave out copies of those that come before; where fewer than n remain, copies fill up.

    >>> distinct([[1, 0], [0, 1], [1, 0], [1, 0]], 3)
    [[1, 0], [0, 1], [1, 0]]
    """
    first: dict[bytes, Any] = {}
    copies = []
    for individual in individuals:
        if first.setdefault(content(individual), individual) is not individual:
            copies.append(individual)
    return [*first.values(), *copies[: max(0, n - len(first))]]


def evaluate(toolbox: Any, individuals: Sequence[Any]) -> list[Any]:
    """Evaluate the individuals without a valid fitness, by `toolbox.map`, and return them.

    Args:
        toolbox: DEAP's, with `evaluate` and `map`.
        individuals: their `fitness.values` are set.
    """
    invalid = [individual for individual in individuals if not individual.fitness.valid]
    for individual, values in zip(invalid, toolbox.map(toolbox.evaluate, invalid), strict=True):
        individual.fitness.values = values
    return invalid


def check_size(population: Sequence[Any]) -> None:
    """Raise an InputError if the population is under 4."""
    if len(population) < 4:
        raise InputError(
            f"population: expected at least 4 individuals, got {len(population)}; "
            "write toolbox.population(n=4) or more"
        )


def _check(
    population: Sequence[Any], mating: float, mutation: float, offspring: int | None
) -> None:
    check_size(population)
    if offspring is not None and offspring < 1:
        raise InputError(f"offspring: expected at least 1, got {offspring}; write offspring=2")
    for name, chance in (("mating_probability", mating), ("mutation_probability", mutation)):
        if not 0 <= chance <= 1:
            raise InputError(f"{name}: expected 0 to 1, got {chance}; write {name}=0.9")
