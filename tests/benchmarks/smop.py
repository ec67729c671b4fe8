"""Sparse search on problems whose answer is known: SMOP1 to SMOP8, 1,000 variables.

python tests/benchmarks/smop.py run ROOT [EVALUATIONS [SEEDS]]   what ROOT does not hold yet
python tests/benchmarks/smop.py tables ROOT [EVALUATIONS]        the tables, from what is there

EVALUATIONS is 100,000 if left out, 100 a variable, as published; SEEDS is 20. A row goes to
ROOT/smop.csv after each run, so that the command can be stopped at any time and given again. Runs
are made seed after seed, so that what is there compares. A run of 20,000 takes 5 to 8 seconds.

The figure is IGD+ of the last population, to 1,000 points of the known front. What SparseEA and
`scored` spend on their scores, one evaluation a variable, is part of the budget.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from deap import base
from pymoo.algorithms.moo.nsga2 import NSGA2
from pymoo.core.problem import Problem
from pymoo.operators.crossover.sbx import SBX
from pymoo.operators.mutation.pm import PM
from pymoo.optimize import minimize
from scipy import stats

from evoprune.search.indicators import igd_plus
from evoprune.search.nsga2 import nsga2
from operators import smop
from operators.crossover import cxImportance, cxTwoPointPacked
from operators.genomes import BitString
from operators.individuals import individual_type
from operators.initialise import initImportance, initUniform
from operators.mutation import mutImportance
from operators.rates import mutBalanced
from operators.reals import cxSBX, mutPolynomial
from operators.selection import selNSGA2
from operators.sparse import cxSparse, initSparse, initStripes, mutSparse, scoreAlone
from operators.sparse_vector import SparseVector, cxBoth, initBoth, mutBoth

Rng = np.random.Generator
Evaluate = Callable[[np.ndarray], np.ndarray]  # of rows
PROBLEMS = {f"smop{i}": getattr(smop, f"smop{i}") for i in range(1, 9)}
VARIABLES, POPULATION = 1000, 100
LOW, HIGH = smop.smopBounds(VARIABLES)
DENSITIES = (np.arange(POPULATION) + 0.5) / POPULATION
COLUMNS = ("problem", "algorithm", "seed", "budget", "spent", "igd_plus", "nonzero", "seconds")


# NSGA-II on reals, and on masks with values -------------------------------------------------------


def loop(evaluate: Evaluate, first: list[Any], mate: Any, mutate: Any, left: int, rng: Rng) -> Any:
    """Run NSGA-II until what is left of the budget is spent; return the last population, decoded.

    Every pair is crossed and every child mutated, and a population is evaluated in one call.
    """

    def whole(rows: Evaluate, genomes: Sequence[Any]) -> list[list[float]]:
        return rows(np.stack([genome.to_numpy() for genome in genomes])).tolist()

    toolbox = base.Toolbox()
    toolbox.register("evaluate", evaluate)
    toolbox.register("map", whole)
    toolbox.register("mate", mate)
    toolbox.register("mutate", mutate)
    toolbox.register("select", selNSGA2)
    for generation in nsga2(toolbox, first, mating_probability=1.0, rng=rng):
        left -= len(generation.offspring) or len(first)
        if left < POPULATION:
            return np.stack([individual.to_numpy() for individual in generation.population]), left


def plain(evaluate: Evaluate, budget: int, rng: Rng) -> tuple[np.ndarray, int]:
    """NSGA-II on the reals themselves, by its own operators."""
    box = {"low": LOW, "high": HIGH, "rng": rng}
    kind = individual_type("thresholds", 2)
    first = [initUniform(kind, **box) for _ in range(POPULATION)]
    return loop(evaluate, first, partial(cxSBX, **box), partial(mutPolynomial, **box), budget, rng)


def both(
    evaluate: Evaluate, masks: Sequence[Any], mate: Any, mutate: Any, left: int, rng: Rng
) -> tuple[np.ndarray, int]:
    """Search masks and values; on the values work, as in SparseEA, the operators of NSGA-II."""
    box = {"low": LOW, "high": HIGH, "rng": rng}
    kind, values = individual_type("sparse", 2), partial(initUniform, **box)
    first = [initBoth(kind, mask=mask, values=values) for mask in masks]
    mate = partial(cxBoth, mask=mate, values=partial(cxSBX, **box))
    mutate = partial(mutBoth, mask=mutate, values=partial(mutPolynomial, **box))
    return loop(evaluate, first, mate, mutate, left, rng)


# What is compared ---------------------------------------------------------------------------------


def scores(evaluate: Evaluate, rng: Rng) -> np.ndarray:
    """Score each variable as SparseEA does: alone, at a random value."""

    def alone(mask: BitString) -> Any:
        return evaluate(SparseVector(mask, rng.uniform(LOW, HIGH)).to_numpy()[None])[0]

    return scoreAlone(alone, VARIABLES)


def sparseea(evaluate: Evaluate, budget: int, rng: Rng) -> tuple[np.ndarray, int]:
    """SparseEA: first masks, crossover and mutation by tournaments on the scores."""
    known = {"score": scores(evaluate, rng), "rng": rng}
    masks = [partial(initSparse, **known)] * POPULATION
    mate, mutate = partial(cxSparse, **known), partial(mutSparse, **known)
    return both(evaluate, masks, mate, mutate, budget - VARIABLES, rng)


def scored(evaluate: Evaluate, budget: int, rng: Rng) -> tuple[np.ndarray, int]:
    """Ours, with the same scores: in the first masks, in crossover and in half of the mutations."""
    known = {"score": scores(evaluate, rng), "rng": rng}

    def mutate(mask: BitString) -> tuple[BitString]:
        if rng.random() < 0.5:
            return mutBalanced(mask, rng=rng)
        return mutImportance(mask, **known)

    masks = [partial(initImportance, density=p, sharpness=10.0, **known) for p in DENSITIES]
    return both(evaluate, masks, partial(cxImportance, **known), mutate, budget - VARIABLES, rng)


def stripes(evaluate: Evaluate, budget: int, rng: Rng) -> tuple[np.ndarray, int]:
    """Ours, without scores: stripes of all densities, crossover in stripes, balanced mutation."""
    masks = [partial(initStripes, size=VARIABLES, density=p, rng=rng) for p in DENSITIES]
    mate, mutate = partial(cxTwoPointPacked, rng=rng), partial(mutBalanced, rng=rng)
    return both(evaluate, masks, mate, mutate, budget, rng)


def shuffled(evaluate: Evaluate, budget: int, rng: Rng) -> tuple[np.ndarray, int]:
    """The control of `stripes`: the same on genes in random order, where neighbours mean nothing.

    The genes that SMOP1 to 3, 7 and 8 want lie side by side, which suits a stripe.
    """
    order = np.append(0, 1 + rng.permutation(VARIABLES - 1))
    found, left = stripes(lambda rows: evaluate(rows[:, order]), budget, rng)
    return found[:, order], left


def pymoo(evaluate: Evaluate, budget: int, rng: Rng) -> tuple[np.ndarray, int]:
    """pymoo's NSGA-II, with the settings of `plain`."""

    def rows(x: np.ndarray, out: dict[str, Any], *_: Any, **__: Any) -> None:
        out["F"] = evaluate(x)

    problem = Problem(n_var=VARIABLES, n_obj=2, xl=LOW, xu=HIGH)
    problem._evaluate = rows
    algorithm = NSGA2(
        pop_size=POPULATION,
        crossover=SBX(prob=1.0, eta=20),
        mutation=PM(prob=1.0, prob_var=1 / VARIABLES, eta=20),
    )
    seed = int(rng.integers(2**31))
    done = minimize(problem, algorithm, ("n_eval", budget), seed=seed, copy_algorithm=False)
    return done.pop.get("X"), budget - done.algorithm.evaluator.n_eval


ALGORITHMS = {
    "sparseea": sparseea,
    "scored": scored,
    "stripes": stripes,
    "shuffled": shuffled,
    "nsga2": plain,
    "pymoo": pymoo,
}


# Runs and tables ----------------------------------------------------------------------------------


def one(name: str, algorithm: str, seed: int, budget: int) -> dict[str, Any]:
    """Make a run and return its row."""
    problem, start = PROBLEMS[name], time.process_time()
    evaluate = partial(smop.smopRows, problem)
    found, left = ALGORITHMS[algorithm](evaluate, budget, np.random.default_rng(seed))
    seconds = time.process_time() - start
    figure = igd_plus(evaluate(found), smop.smopFront(problem, 1000))
    nonzero = np.count_nonzero(found[:, 1:], axis=1).mean() / (VARIABLES - 1)
    values = (name, algorithm, seed, budget, budget - left, figure, nonzero, round(seconds, 1))
    return dict(zip(COLUMNS, values, strict=True))


def read(root: Path, budget: int) -> dict[tuple[str, str], dict[int, dict[str, str]]]:
    """Return the rows of a budget by problem and algorithm, then by seed."""
    rows: dict[tuple[str, str], dict[int, dict[str, str]]] = {}
    if (root / "smop.csv").exists():
        with (root / "smop.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                if int(row["budget"]) == budget:
                    by_seed = rows.setdefault((row["problem"], row["algorithm"]), {})
                    by_seed[int(row["seed"])] = row
    return rows


def run(root: Path, budget: int = 100 * VARIABLES, seeds: int = 20) -> None:
    """Make the runs that the folder does not hold, and add a row after each."""
    least = VARIABLES + POPULATION  # the scores, and a first population
    if budget < least:
        raise ValueError(f"evaluations: expected {least} or more, got {budget}")
    root.mkdir(parents=True, exist_ok=True)
    done, file = read(root, budget), root / "smop.csv"
    if not file.exists():
        file.write_text(",".join(COLUMNS) + "\n")
    for seed in range(seeds):
        for name in PROBLEMS:
            for algorithm in ALGORITHMS:
                if seed not in done.get((name, algorithm), {}):
                    row = one(name, algorithm, seed, budget)
                    with file.open("a", newline="") as out:
                        csv.DictWriter(out, COLUMNS, lineterminator="\n").writerow(row)


def figures(rows: dict[int, dict[str, str]], column: str = "igd_plus") -> np.ndarray:
    """Return a column, ordered by seed."""
    return np.array([float(rows[seed][column]) for seed in sorted(rows)])


def holm(p: Sequence[float]) -> np.ndarray:
    """Correct p-values for their number: the smallest times n, the next times n - 1, and so on.

    Source: Holm 1979.
    """
    order = np.argsort(p)
    stepped = np.asarray(p)[order] * np.arange(len(p), 0, -1)
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(np.maximum.accumulate(stepped), 1)
    return corrected


def tables(root: Path, budget: int = 100 * VARIABLES) -> Iterator[str]:
    """Yield the lines of all tables."""
    rows = read(root, budget)
    labels = [label for label in ALGORITHMS if all((name, label) in rows for name in PROBLEMS)]
    head = "| | " + " | ".join(labels) + " |\n| --- |" + " --- |" * len(labels)
    counts = [len(of) for of in rows.values()]
    yield f"\n{budget:,} evaluations, {min(counts)} to {max(counts)} seeds\n"
    yield "IGD+, median (quartiles); + and - where better or worse than SparseEA\n"
    yield head
    marks = {label: compared(rows, label) for label in labels}
    for i, name in enumerate(PROBLEMS):
        cells = []
        for label in labels:
            low, middle, high = np.quantile(figures(rows[name, label]), [0.25, 0.5, 0.75])
            cells.append(f"{middle:.4f} ({low:.4f} to {high:.4f}) {marks[label][i]}".rstrip())
        yield f"| {name} | " + " | ".join(cells) + " |"
    yield "\nShare of variables other than 0 at the end, median; at the front it is .1\n"
    yield head
    for name in PROBLEMS:
        shares = [np.median(figures(rows[name, label], "nonzero")) for label in labels]
        yield f"| {name} | " + " | ".join(f"{share:.3f}" for share in shares) + " |"
    seconds = [np.median(figures(rows["smop1", label], "seconds")) for label in labels]
    yield "| seconds, smop1 | " + " | ".join(f"{value:.1f}" for value in seconds) + " |"


def compared(rows: dict[tuple[str, str], dict[int, dict[str, str]]], label: str) -> list[str]:
    """Mark each problem by a rank-sum test against SparseEA, two-sided, at .05 after Holm."""
    pairs = [(figures(rows[name, label]), figures(rows[name, "sparseea"])) for name in PROBLEMS]
    p = holm([stats.mannwhitneyu(ours, theirs).pvalue for ours, theirs in pairs])
    better = [np.median(ours) < np.median(theirs) for ours, theirs in pairs]
    return [("+" if good else "-") if q < 0.05 else "" for good, q in zip(better, p, strict=True)]


if __name__ == "__main__":
    command, numbers = sys.argv[1:2], [int(number) for number in sys.argv[3:]]
    if command == ["run"] and 3 <= len(sys.argv) <= 5:
        run(Path(sys.argv[2]), *numbers)
    elif command == ["tables"] and len(sys.argv) in (3, 4):
        print("\n".join(tables(Path(sys.argv[2]), *numbers)))
    else:
        sys.exit(__doc__)
