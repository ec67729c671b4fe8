"""The rows of a run's tables: the front and its controls, measured on the test split."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from evoprune.errors import InputError
from evoprune.evaluation.evaluator import Evaluator
from evoprune.methods.baselines import BASELINES, baseline
from evoprune.methods.fronts import Solution, front_of
from evoprune.running.config import LATENCY, SIZES, Config
from evoprune.running.problem import Problem
from evoprune.running.rundir import RunDir
from evoprune.space.genes import GeneSpace
from operators.individuals import individual_type

RANDOM_DENSITIES = (0.3, 0.8)  # random masks are dead long before
SAME_TREATMENT = ("model", "weights", "data", "recalibrate", "genes", "include", "exclude")


def tester(problem: Problem, *, latency: bool = False) -> Evaluator:
    """Return what judges masks on the test split, in single precision: error, and every size.

    Args:
        problem: its test split.
        latency: whether the time is measured too, the last of the sizes.
    """
    sizes = (*SIZES, problem.size(LATENCY)) if latency else SIZES
    return problem.evaluator("test", precision="fp32", objectives=sizes, noted=())


def reachable(densities: Sequence[float], space: GeneSpace) -> list[float]:
    """Keep the densities at which a network can be; each layer of filters keeps one at least.

    Among few genes two densities may mean as many genes; the first of them is kept.
    """
    least = int(np.count_nonzero(space.floored(np.zeros(space.size, bool))))
    by_count = {round(d * space.size): d for d in reversed(densities)}
    return [d for count, d in sorted(by_count.items()) if count >= max(1, least)]


def measured(name: str, judge: Evaluator, mask: np.ndarray) -> dict[str, Any]:
    """Return one row: what is left, and the error on the test split; `judge` is `tester`'s."""
    return {"name": name, **columns(judge(individual_type("mask", 2).from_numpy(mask)))}


def columns(values: Sequence[float]) -> dict[str, float]:
    """Return what is left, and the error on the test split, by their columns.

    Args:
        values: that `tester`'s evaluator measured.
    """
    error, *sizes = values
    names = (*SIZES, LATENCY)[: len(sizes)]
    return {**dict(zip(names, sizes, strict=True)), "test_error": error}


def solution_rows(
    solutions: Sequence[Solution], judge: Evaluator, *, bar: bool
) -> list[dict[str, Any]]:
    """Return a row a solution, numbered from the smallest.

    `search_value` is what was minimised, by it a solution is on the front of them or not.
    """
    on_front = {id(solution) for solution in front_of(solutions)}
    rows = []
    for place, solution in enumerate(tqdm(solutions, desc="test", disable=not bar)):
        row = measured(solution.phase, judge, solution.mask)
        rows.append(
            {
                "id": place,
                **{key: row[key] for key in row if key not in ("name", "test_error")},
                "search_error": solution.error,
                "search_value": solution.value,
                "test_error": row["test_error"],
                "phase": solution.phase,
                "on_front": int(id(solution) in on_front),
            }
        )
    return rows


def baseline_rows(
    config: Config,
    judge: Evaluator,
    problem: Problem,
    densities: Sequence[float],
    *,
    bar: bool,
) -> list[dict[str, Any]]:
    """Measure the one-shot baselines, or take those of a run under the same treatment."""
    if config.baselines_from:
        return borrowed_baselines(config)
    rng = problem.streams.init
    densities = reachable(densities, problem.space)
    wanted = [(name, density) for name in BASELINES for density in densities]
    wanted = [(n, d) for n, d in wanted if n != "random" or d in RANDOM_DENSITIES]
    rows = []
    for name, density in tqdm(wanted, desc="baselines", disable=not bar):
        mask = baseline(name, problem.space, density, rng=rng)
        rows.append(measured(name, judge, mask))
    return rows


def borrowed_baselines(config: Config) -> list[dict[str, Any]]:
    """Return the baselines that another run measured.

    Raises:
        InputError: if there are none, or the other run's network, data or treatment differ.
    """
    try:
        other = RunDir(str(config.baselines_from), resume=True)
        theirs, rows = other.read_json("config.json"), other.read_table("baselines.csv")
    except InputError as cause:
        raise InputError(f"baselines-from: {cause}") from cause
    ours = config.to_json()
    theirs = {"genes": "weights", "include": None, "exclude": None, **theirs}  # of an older run
    same = SAME_TREATMENT if config.weights else (*SAME_TREATMENT, "seed")  # trained by the seed
    different = [key for key in same if _plain(theirs.get(key)) != _plain(ours[key])]
    if different:
        raise InputError(
            f"baselines-from: {config.baselines_from} differs in {', '.join(different)}; "
            "leave the option out to measure the baselines anew"
        )
    if config.size not in rows[0]:
        raise InputError(
            f"baselines-from: {config.baselines_from} does not tell {config.size} of its "
            "baselines; leave the option out to measure them anew"
        )
    return rows


def _plain(value: Any) -> Any:
    """Bring a setting to the form in which JSON keeps it."""
    return list(value) if isinstance(value, tuple) else value
