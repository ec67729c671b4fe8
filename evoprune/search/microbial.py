"""The microbial GA with elitism: of a pair of good ones, the loser takes genes from the winner.

Yang, An, Li, Diao and Xu, 2019, algorithm 1; the crossover is Harvey's, "The microbial genetic
algorithm", 2009. One number is minimised, a weighted sum of the objectives. What the paper does to
the elite's weights every few generations, retraining, is not part of this loop.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoprune.errors import InputError
from evoprune.records import Generation
from evoprune.search.early import judge
from evoprune.search.nsga2 import check_size, evaluate

Floats = NDArray[np.float64]


def microbial(
    toolbox: Any,
    population: list[Any],
    *,
    weights: ArrayLike,
    best: int = 5,
    mating_probability: float = 0.6,
    rng: np.random.Generator,
    number: int = 0,
    state: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Generation]:
    """Run the microbial GA for as long as it is asked for generations.

    Generation 0 is the given population, evaluated. To go on from a generation that was yielded,
    give its population, number and state, with all random streams set to where they were.

    Args:
        toolbox: DEAP's, with `evaluate`, `mate` and `mutate`, and `clone` and `map` as they are by
            default. `mate` gets the winner and the loser, and its second child is kept:
            `cxMicrobial` is the paper's. `select` is not asked. With `trial` (see
            `search.early`) a child is judged by it, as far as it may still be among the best.
        population: 4 or more individuals; those with a valid fitness are not evaluated again.
        weights: of the objectives, 0 or more, shape (objectives,); the paper's sum to 1.
        best: how many are parents, 2 to the size of the population (K in the paper).
        mating_probability: chance that a pair is crossed, 0 to 1 (Pc); else the child is a copy of
            the loser (ours).
        rng: draws the pairs, and which are crossed.
        number: of the generation that the population is.
        state: of that generation; given, even generation 0 is taken for one yielded before.

    Yields:
        A Generation: the elite, which is the best so far, then its children. A child that was given
        up is there without a fitness.

    Raises:
        InputError: if the population is under 4 or a setting out of range.

    Source: Yang et al. 2019, algorithm 1, whose argmax is read as "the best".
    """
    shares = np.asarray(weights, float)
    _check(population, shares, best, mating_probability)
    population, n = list(population), len(population)
    if number == 0 and not state:
        evaluate(toolbox, population)
        yield Generation(0, population, [], {"number": np.array(0)})
    while True:
        number += 1
        parents = chosen(population, shares, best)
        children = []
        for _ in range(n - 1):
            # Of two parents, drawn at random, the better one is the winner; parents are sorted.
            winner, loser = (parents[i] for i in np.sort(rng.choice(len(parents), 2, False)))
            child = toolbox.clone(loser)
            if rng.random() < mating_probability:
                _, child = toolbox.mate(toolbox.clone(winner), child)
            (child,) = toolbox.mutate(child)
            del child.fitness.values
            children.append(child)
        population = [parents[0], *children]
        if hasattr(toolbox, "trial"):
            judge_best(toolbox, population, shares, best)
        else:
            evaluate(toolbox, children)
        yield Generation(number, population, children, {"number": np.array(number)})


def chosen(population: list[Any], weights: Floats, best: int) -> list[Any]:
    """Return the best individuals, the best one first: by the weighted sum, of equals the first.

    One that breaks a constraint comes behind all that break none, by how far it is outside (ours).
    """
    judged = [individual for individual in population if individual.fitness.valid]
    sums = np.array([individual.fitness.values for individual in judged]) @ weights
    outside = np.array([_violation(individual) for individual in judged])
    order = np.lexsort((sums, outside))
    return [judged[i] for i in order[:best]]


def judge_best(toolbox: Any, population: list[Any], weights: Floats, best: int) -> None:
    """Judge those without a fitness, as long as they may still be among the best.

    A sum with weights of 0 or more is at least that of the best possible objectives. Once as many
    as are chosen have a smaller sum than that, a child is not chosen, whatever it comes to.
    """
    feasible = [x for x in population if x.fitness.valid and not _violation(x)]
    sums = [float(weights @ x.fitness.values) for x in feasible]

    def hopeless(low: Floats) -> bool:
        return len(sums) >= best and bool(weights @ low > np.partition(sums, best - 1)[best - 1])

    for individual in population:
        unknown = not individual.fitness.valid
        if unknown and judge(toolbox, individual, hopeless) and not _violation(individual):
            sums.append(float(weights @ individual.fitness.values))


def _violation(individual: Any) -> float:
    return max(0.0, getattr(individual.fitness, "violation", 0.0))


def _check(population: list[Any], weights: Floats, best: int, mating: float) -> None:
    check_size(population)
    objectives = len(population[0].fitness.weights)
    if weights.shape != (objectives,) or (weights < 0).any():
        raise InputError(
            f"weights: expected {objectives} numbers of 0 or more, one for each objective, got "
            f"{weights.tolist()}; write weights={[round(1 / objectives, 2)] * objectives}"
        )
    if not 2 <= best <= len(population):
        raise InputError(f"best: expected 2 to {len(population)}, got {best}; write best=2")
    if not 0 <= mating <= 1:
        raise InputError(f"mating_probability: expected 0 to 1, got {mating}")
