"""On problems with known fronts our loops are not worse than pymoo's, at equal evaluations.

pymoo's MOEA/D does not normalise objectives. Loop against loop, ours does not either; on a problem
whose objectives have unlike units, ours does.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache, partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
from deap import base, tools

from evoprune.search.indicators import igd_plus
from evoprune.search.moead import moead
from evoprune.search.nsga2 import nsga2
from operators.decomposition import weightsFor
from operators.individuals import individual_type
from operators.problems import dtlz2, front, zdt1, zdt2
from operators.selection import selNSGA2

pytest.importorskip("pymoo")
from pymoo.algorithms.moo.moead import MOEAD
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.optimize import minimize
from scipy.stats import mannwhitneyu

SEEDS, GENES, POPULATION, GENERATIONS = 10, 5, 20, 30
ETA_MATE, ETA_MUTATE = 15, 20
NEIGHBOURS = 6
CASES: dict[str, tuple[Callable[[Any], Any], Callable[..., Any], int]] = {
    "zdt1": (zdt1, zdt1, 2),
    "zdt2": (zdt2, zdt2, 2),
    "dtlz2": (partial(dtlz2, objectives=3), dtlz2, 3),
}


def unlike(individual: Any) -> tuple[float, float]:
    """Return zdt1 with its second objective in a unit a hundred times as small."""
    first, second = zdt1(individual)
    return first, 100 * second


def our_points(algorithm: str, problem: Callable[[Any], Any], objectives: int, seed: int) -> Any:
    random.seed(seed)
    rng = np.random.default_rng(seed)
    kind = individual_type("thresholds", objectives)
    population = [kind.from_numpy(rng.random(GENES)) for _ in range(POPULATION)]
    toolbox = base.Toolbox()
    toolbox.register("evaluate", problem)
    toolbox.register("mate", tools.cxSimulatedBinaryBounded, eta=ETA_MATE, low=0.0, up=1.0)
    toolbox.register(
        "mutate", tools.mutPolynomialBounded, eta=ETA_MUTATE, low=0.0, up=1.0, indpb=1 / GENES
    )
    toolbox.register("select", selNSGA2)
    if algorithm == "nsga2":
        loop = nsga2(toolbox, population, rng=rng)
    else:
        loop = moead(
            toolbox,
            population,
            weights=weightsFor(objectives, POPULATION),
            scalarise="tchebycheff" if objectives == 2 else "pbi",
            neighbours=NEIGHBOURS,
            batch=5 if algorithm == "moead, batched" else 1,
            normalise=problem is unlike,
            rng=rng,
        )
    *_, last = islice(loop, GENERATIONS)
    return [individual.fitness.values for individual in last.population]


def their_points(algorithm: str, problem: Callable[[Any], Any], objectives: int, seed: int) -> Any:
    class Rows(Problem):  # type: ignore[misc]
        def _evaluate(self, x: Any, out: dict[str, Any], *args: Any, **kwargs: Any) -> None:
            out["F"] = np.array([problem(row) for row in x])

    mating = 0.9 if algorithm == "nsga2" else 1.0  # as ours: MOEA/D crosses every pair
    operators = {
        "crossover": SBX(prob=mating, eta=ETA_MATE),
        "mutation": PM(prob=1.0, eta=ETA_MUTATE),
    }
    if algorithm == "nsga2":
        theirs = NSGA2(pop_size=POPULATION, eliminate_duplicates=True, **operators)
    else:
        theirs = MOEAD(
            weightsFor(objectives, POPULATION),
            n_neighbors=NEIGHBOURS,
            prob_neighbor_mating=0.9,
            **operators,
        )
    rows = Rows(n_var=GENES, n_obj=objectives, xl=0.0, xu=1.0)
    result = minimize(rows, theirs, ("n_gen", GENERATIONS), seed=seed)
    assert result.algorithm.evaluator.n_eval == POPULATION * GENERATIONS
    return result.pop.get("F")


@cache
def distances(side: Callable[..., Any], case: str, algorithm: str) -> list[float]:
    problem, known, objectives = CASES[case]
    best = front(known, 200, objectives=objectives)
    return [igd_plus(side(algorithm, problem, objectives, seed), best) for seed in range(SEEDS)]


@pytest.mark.parametrize("algorithm", ["nsga2", "moead", "moead, batched"])
@pytest.mark.parametrize("case", CASES)
def test_we_are_not_worse_than_pymoo(case: str, algorithm: str) -> None:
    ours = distances(our_points, case, algorithm)
    theirs = distances(their_points, case, algorithm.split(",")[0])
    worse = mannwhitneyu(ours, theirs, alternative="greater").pvalue
    assert worse > 0.01, f"median {np.median(ours):.4f}, pymoo's {np.median(theirs):.4f}"


def test_with_unlike_units_normalising_is_better_than_pymoo() -> None:
    best = front(zdt1, 200)
    ours, theirs = (
        [igd_plus(side("moead", unlike, 2, seed) / np.array([1, 100]), best) for seed in range(6)]
        for side in (our_points, their_points)
    )
    better = mannwhitneyu(ours, theirs, alternative="less").pvalue
    assert better < 0.05, f"median {np.median(ours):.4f}, pymoo's {np.median(theirs):.4f}"
