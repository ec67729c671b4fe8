"""MOEA/D: many problems of one objective, each solved with the help of its neighbours.

Zhang & Li, "MOEA/D: a multiobjective evolutionary algorithm based on decomposition", IEEE
Transactions on Evolutionary Computation 11(6), 2007; delta and n_r from Li & Zhang, "Multiobjective
optimization problems with complicated Pareto sets, MOEA/D and NSGA-II", same journal 13(2), 2009.
The numbers in `moead` are those of the 2009 paper (section II-B). Start reading there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evoprune.errors import InputError, unknown
from evoprune.records import Generation
from evoprune.search.early import judge
from evoprune.search.nsga2 import check_size, evaluate
from operators.decomposition import neighbourhoods, pbi, tchebycheff, weightedSum

Floats = NDArray[np.float64]
Scalarise = Callable[[Floats, Floats], Floats]
SCALARISE: dict[str, Scalarise] = {
    "tchebycheff": tchebycheff,
    "pbi": pbi,
    "weighted-sum": weightedSum,
}
MONOTONE = ("tchebycheff", "weighted-sum")  # a better objective makes no score worse
FAR = 1e9  # what an infinite objective counts as, in ranges of the population


def moead(
    toolbox: Any,
    population: list[Any],
    *,
    weights: ArrayLike,
    scalarise: str = "tchebycheff",
    neighbours: int = 20,
    mating_probability: float = 0.9,
    replacements: int = 2,
    batch: int = 1,
    normalise: bool = True,
    rng: np.random.Generator,
    number: int = 0,
    state: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Generation]:
    """Run MOEA/D for as long as it is asked for generations.

    Individual i belongs to weight vector i. Generation 0 is the given population, evaluated and
    put in order; every other one is as many children as there are weights. To go on from a
    generation that was yielded, give its population, number and state, with all random streams
    set to where they were; the next one yielded is number + 1.

    Args:
        toolbox: DEAP's, with `evaluate`, `mate` and `mutate`, and `clone` and `map` as they are by
            default. `select` is not asked: the neighbourhood decides who survives. With `trial`
            (see `search.early`) and a monotone scalarisation, children are judged by it, one at a
            time and not by `map` and `evaluate`, as far as they can still change anything.
        population: 4 or more individuals, as many as weights; those with a valid fitness are not
            evaluated again. The list is not changed.
        weights: shape (n, objectives), such as `operators.decomposition.weightsFor(2, n)`.
        scalarise: "tchebycheff", "pbi" or "weighted-sum".
        neighbours: size of a neighbourhood, 2 to n (T in the paper).
        mating_probability: chance that parents come from the neighbourhood, and that the child may
            replace only there, 0 to 1; else they come from the whole population (delta).
        replacements: how many individuals a child may replace, 1 or more (n_r).
        batch: children made and evaluated together by one call of `toolbox.map`, 1 to n. 1 is the
            paper; more lets an evaluator work in parallel, and children of a batch do not yet see
            each other.
        normalise: False leaves the objectives in their own units and only shifts the ideal to 0:
            better where these are alike, as on the zdt problems, much worse where they are not.
        rng: draws the order of the subproblems, the parents, and who is replaced.
        number: of the generation that the population is.
        state: of that generation; given, even generation 0 is taken for one yielded before.

    Yields:
        A Generation. One individual may stand in several places of its population; a trial that
        was given up leaves its individual without a fitness.

    Raises:
        InputError: if the population is under 4 or not as many as the weights, or a setting is
            unknown or out of range.

    Source: Zhang & Li 2007; Li & Zhang 2009. differs: variation is the toolbox's, one child of each
    pair; objectives are normalised (0 the best so far, 1 the worst of the population, measured
    anew each generation); of two, the one with the smaller `fitness.violation` is better; the first
    population is handed out by a greedy match, not by chance (all ours).
    """
    rows = np.asarray(weights, float)
    _check(population, rows, scalarise, neighbours, mating_probability, replacements, batch)
    population, n = list(population), len(population)
    near, everyone = neighbourhoods(rows, neighbours), np.arange(n)
    early = hasattr(toolbox, "trial") and scalarise in MONOTONE
    if number == 0 and not state:
        # Step 1: evaluate x_1 ... x_N, set z, give each subproblem its individual.
        evaluate(toolbox, population)
        unknown_yet = np.full(rows.shape[1], np.inf)
        scale = Scale(unknown_yet, unknown_yet, SCALARISE[scalarise], normalise=normalise)
        scale.learn(population)
        population = [population[i] for i in match(population, rows, scale, rng)]
        yield Generation(0, list(population), [], scale.state())
    else:
        if not state or "ideal" not in state:
            raise InputError("state: going on needs the state of the generation; it was not given")
        ideal, nadir = (np.array(state[name], float) for name in ("ideal", "nadir"))
        scale = Scale(ideal, nadir, SCALARISE[scalarise], normalise=normalise)
    while True:
        number += 1
        offspring: list[Any] = []
        for block in np.split(order := rng.permutation(n), range(batch, len(order), batch)):
            # Steps 2.1 to 2.3: choose the mating pool, make one child y of two of it, evaluate.
            pools = [near[i] if rng.random() < mating_probability else everyone for i in block]
            children = [_child(toolbox, population, pool, rng) for pool in pools]
            if not early:
                evaluate(toolbox, children)
            for child, pool in zip(children, pools, strict=True):
                if early and not judge(toolbox, child, scale.hopeless(population, pool, rows)):
                    continue
                # Steps 2.4 and 2.5: update z, then let y replace at most n_r of the pool.
                scale.see(child)
                better = pool[scale.better(child, [population[i] for i in pool], rows[pool])]
                for i in rng.permutation(better)[:replacements].tolist():
                    population[i] = child
            offspring.extend(children)
        scale.learn(population)
        yield Generation(number, list(population), offspring, scale.state())


class Scale:
    """Remember the ideal and nadir points, and compare individuals on the scale they make.

    Args:
        ideal: shape (objectives,), the best value of each seen so far; infinite at first.
        nadir: shape (objectives,), the worst of each in the population; infinite at first.
        scalarise: from normalised points and weights, row by row, to one number a row.
        normalise: False takes a span of 1 for every objective.
    """

    def __init__(
        self, ideal: Floats, nadir: Floats, scalarise: Scalarise, *, normalise: bool = True
    ) -> None:
        self.ideal, self.nadir, self.scalarise = ideal, nadir, scalarise
        self.normalise = normalise

    def state(self) -> dict[str, np.ndarray]:
        """Return both points as arrays."""
        return {"ideal": self.ideal.copy(), "nadir": self.nadir.copy()}

    def see(self, individual: Any) -> None:
        """Move the ideal point to where an individual, if feasible, is better."""
        if _violation(individual) <= 0:
            self.ideal = np.fmin(self.ideal, individual.fitness.values)

    def learn(self, population: Sequence[Any]) -> None:
        """Measure the nadir anew: the worst of each objective in the population.

        Not within its front alone: that may shrink to a corner, the scale with it, and then
        whatever is not in the corner looks bad.
        """
        feasible = [x for x in population if _violation(x) <= 0] or list(population)
        values = np.array([individual.fitness.values for individual in feasible])
        self.ideal = np.fmin(self.ideal, values.min(axis=0))
        worst = np.where(np.isfinite(values), values, -np.inf).max(axis=0)
        self.nadir = np.where(worst > self.ideal, worst, self.nadir)

    def scores(self, individuals: Sequence[Any], weights: Floats) -> Floats:
        """Return the scalarised objectives, individual by weight, shape (n,)."""
        return self.scores_of(np.array([x.fitness.values for x in individuals]), weights)

    def scores_of(self, values: Floats, weights: Floats) -> Floats:
        """Return the scalarised values, row by row, shape (n,)."""
        ideal = np.where(np.isfinite(self.ideal), self.ideal, 0.0)
        span = np.where(np.isfinite(self.nadir) & self.normalise, self.nadir - ideal, 1.0)
        span[span <= 0] = 1.0
        return self.scalarise(np.minimum((values - ideal) / span, FAR), weights)

    def better(self, child: Any, others: Sequence[Any], weights: Floats) -> NDArray[np.bool_]:
        """Tell for which weights the child is at least as good as the individual there."""
        ours, theirs = _violation(child), np.array([_violation(other) for other in others])
        no_worse = self.scores([child], weights) <= self.scores(others, weights)
        return (ours < theirs) | ((ours == theirs) & no_worse)

    def hopeless(
        self, population: Sequence[Any], pool: NDArray[Any], weights: Floats
    ) -> Callable[[Floats], bool]:
        """Return what says of the best that a child can come to whether it can change nothing.

        That is where a member of the population is at least as good in all objectives, so that
        neither the ideal point nor an archive would change, and it replaces nobody in the pool.
        """
        others = [population[i] for i in pool]
        feasible = all(_violation(other) <= 0 for other in population)
        points = np.array([individual.fitness.values for individual in population])
        theirs = self.scores(others, weights[pool])

        def nothing_left(low: Floats) -> bool:
            if not feasible or not (points <= low).all(axis=1).any():
                return False
            return bool((self.scores_of(low[None], weights[pool]) > theirs).all())

        return nothing_left


def match(
    population: Sequence[Any], weights: Floats, scale: Scale, rng: np.random.Generator
) -> list[int]:
    """Hand out the individuals: each weight, in random order, takes the best one that is left.

    Returns:
        For each weight the index of its individual; a permutation.
    """
    outside = np.array([_violation(individual) for individual in population])
    left, owner = np.arange(len(population)), [0] * len(population)
    for i in rng.permutation(len(population)).tolist():
        scores = scale.scores([population[j] for j in left.tolist()], weights[i])
        place = np.lexsort((scores, outside[left]))[0]
        owner[i], left = int(left[place]), np.delete(left, place)
    return owner


def _child(toolbox: Any, population: list[Any], pool: NDArray[Any], rng: Any) -> Any:
    """Make one child, not yet evaluated, of two different parents from the pool.

    One individual may hold several places: another pair is drawn then, a few times at most.
    """
    for _ in range(8):
        first, second = (population[i] for i in rng.choice(pool, 2, replace=False).tolist())
        if not np.all(first == second):
            break
    a, b = toolbox.clone(first), toolbox.clone(second)
    child, _ = toolbox.mate(a, b)
    (child,) = toolbox.mutate(child)
    del child.fitness.values
    return child


def _violation(individual: Any) -> float:
    return getattr(individual.fitness, "violation", 0.0)


def _check(
    population: Sequence[Any],
    weights: Floats,
    scalarise: str,
    neighbours: int,
    mating_probability: float,
    replacements: int,
    batch: int,
) -> None:
    check_size(population)
    n = len(population)
    objectives = len(population[0].fitness.weights)
    if weights.shape != (n, objectives):
        raise InputError(
            f"weights: expected shape ({n}, {objectives}), a row for each individual and a column "
            f"for each objective, got {weights.shape}; write weights=weightsFor({objectives}, {n})"
        )
    if scalarise not in SCALARISE:
        raise unknown("scalarise", scalarise, SCALARISE)
    if not 0 <= mating_probability <= 1:
        raise InputError(f"mating_probability: expected 0 to 1, got {mating_probability}")
    for name, value, low, high in (
        ("neighbours", neighbours, 2, n),
        ("replacements", replacements, 1, n),
        ("batch", batch, 1, n),
    ):
        if not low <= value <= high:
            raise InputError(f"{name}: expected {low} to {high}, got {value}; write {name}={low}")
