"""The end of a run: the test split is opened once, controls are measured, all is written down."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from evoprune.errors import InputError
from evoprune.evaluation.evaluator import Evaluator
from evoprune.methods.baselines import BASELINES, baseline
from evoprune.methods.fronts import Outcome, Solution, front_of, thinned
from evoprune.passes import KINDS
from evoprune.running.config import Config
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.search.indicators import hypervolume
from evoprune.studies.figures import front_figure, hypervolume_figure, layers_figure
from evoprune.studies.lineage import keep_lineage
from operators.individuals import individual_type

DENSITIES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.48, 0.6, 0.8)
COARSE = 24  # solutions of phase 1 that are measured on the test images at most
RANDOM_DENSITIES = (0.3, 0.8)  # random masks are dead long before
SAME_TREATMENT = ("model", "weights", "data", "recalibrate")
ROUNDING = 1.001  # of a density to whole weights
PICKS = (0.6, 0.48, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03)


def report(outcome: Outcome, problem: Problem, config: Config, run: Run, folder: RunDir) -> str:
    """Measure the front and the baselines on the test split and fill the run folder.

    Test errors are of single-precision arithmetic whatever the search used.

    Returns:
        The table that is printed at the end of a run.
    """
    judge = problem.evaluator("test", precision="fp32")
    dense_row = measured("dense", judge, np.ones(problem.space.size, bool))
    dense_row["search_error"] = outcome.dense_error
    front = solution_rows(outcome.front, judge, bar=run.bar)
    coarse = solution_rows(thinned(outcome.coarse, COARSE), judge, bar=run.bar)
    controls = baseline_rows(config, judge, problem, bar=run.bar)
    anchors = [measured(name, judge, mask) for name, mask in outcome.anchors.items()]
    summary = summarise(config, problem, run, dense_row, front, coarse, controls, anchors)
    folder.write_table("front.csv", front)
    folder.write_table("baselines.csv", controls)
    masks = np.stack([np.packbits(solution.mask) for solution in outcome.front])
    folder.write_arrays("masks.npz", {"packed": masks, "weights": np.array(problem.space.size)})
    draw(outcome, problem, run, folder, front, coarse, controls, anchors, dense_row)
    if run.lineage:
        keep_lineage(run.lineage, front, [solution.mask for solution in outcome.front], folder)
    folder.write_json("summary.json", summary)  # last: it says that the run has ended
    return table(summary)


def measured(name: str, judge: Evaluator, mask: np.ndarray) -> dict[str, Any]:
    """Return one row: density, and error on the test split; a mask seen before costs nothing."""
    error, density = judge(individual_type("mask", 2).from_numpy(mask))
    return {"name": name, "density": density, "test_error": error}


def solution_rows(
    solutions: Sequence[Solution], judge: Evaluator, *, bar: bool
) -> list[dict[str, Any]]:
    """Return a row a solution, numbered from the sparsest.

    `search_value` is what was minimised, by it a solution is on the front of them or not.
    """
    on_front = {id(solution) for solution in front_of(solutions)}
    rows = []
    for place, solution in enumerate(tqdm(solutions, desc="test", disable=not bar)):
        row = measured(solution.phase, judge, solution.mask)
        rows.append(
            {
                "id": place,
                "density": row["density"],
                "search_error": solution.error,
                "search_value": solution.value,
                "test_error": row["test_error"],
                "phase": solution.phase,
                "on_front": int(id(solution) in on_front),
            }
        )
    return rows


def baseline_rows(
    config: Config, judge: Evaluator, problem: Problem, *, bar: bool
) -> list[dict[str, Any]]:
    """Measure the one-shot baselines, or take those of a run under the same treatment."""
    if config.baselines_from:
        return borrowed_baselines(config)
    rng = problem.streams.init
    wanted = [(name, density) for name in BASELINES for density in DENSITIES]
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
    same = SAME_TREATMENT if config.weights else (*SAME_TREATMENT, "seed")  # trained by the seed
    different = [key for key in same if theirs.get(key) != ours[key]]
    if different:
        raise InputError(
            f"baselines-from: {config.baselines_from} differs in {', '.join(different)}; "
            "leave the option out to measure the baselines anew"
        )
    return rows


def volume(rows: Sequence[Mapping[str, Any]], split: str, dense: Mapping[str, Any]) -> float:
    """Return the hypervolume of rows and the dense network on a split.

    Minimised (error, density), reference (1, 1), not normalised. Rows that are on no front do not
    count: a front was chosen on the search split, by what was minimised there. Of a baseline all
    rows count.
    """
    counted = [row for row in rows if row.get("on_front", True)]
    points = np.array([[row[f"{split}_error"], row["density"]] for row in [*counted, dense]])
    return float(hypervolume(points, np.ones(2)))


def summarise(
    config: Config,
    problem: Problem,
    run: Run,
    dense: dict[str, Any],
    front: list[dict[str, Any]],
    coarse: list[dict[str, Any]],
    controls: list[dict[str, Any]],
    anchors: list[dict[str, Any]],
) -> dict[str, Any]:
    """Put the run into one dictionary, the content of summary.json."""
    logged = {name: [row for row in run.logbook if row["phase"] == name] for name in run.seconds}
    # The guidance that was got ready before phase 1 is phase 2's.
    last = logged["thresholds"][-1]
    first = last["passes"] - last["passes_guidance"]

    def phase(
        name: str, parts: tuple[str, ...], passes: int, rows: list[dict[str, Any]]
    ) -> dict[str, Any]:
        return {
            "name": name,
            "evaluations": sum(row["evaluations"] for p in parts for row in logged.get(p, ())),
            "passes": passes,
            "seconds": round(sum(run.seconds.get(part, 0.0) for part in parts), 3),
            "hypervolume": {s: volume(rows, s, dense) for s in ("search", "test")},
        }

    names = dict.fromkeys(row["name"] for row in controls)
    return {
        "method": config.method,
        "seed": config.seed,
        "dense": {
            "search_error": dense["search_error"],
            "test_error": dense["test_error"],
            "weights": problem.space.size,
        },
        "splits": splits(problem),
        "passes": {kind: int(run.passes[kind]) for kind in KINDS},
        "spared": int(run.passes["spared"]),
        "not_finite": int(run.passes["not finite"]),
        "phases": [
            phase("thresholds", ("thresholds",), first, coarse),
            phase("masks", ("descent", "masks"), run.passes.spent() - first, front),
        ],
        "baselines": {
            name: {
                "hypervolume": {
                    "test": volume([r for r in controls if r["name"] == name], "test", dense)
                },
                "points": [
                    {k: v for k, v in r.items() if k != "name"}
                    for r in controls
                    if r["name"] == name
                ],
            }
            for name in names
        },
        "anchors": anchors,
        "notes": run.notes,
        "seconds": {
            "network": round(sum(run.network_seconds.values()), 3),
            "phases": round(sum(run.seconds.values()), 3),
        },
        "front": front,
    }


def splits(problem: Problem) -> dict[str, str]:
    """Say in words which images judged in the search, and which are the figures' own."""
    data = problem.data
    if data.seen_all_training:
        which = "half of the official test images; the network has seen all training images"
        return {
            "search": f"{which}; {len(data.search):,} images",
            "test": f"the other half; {len(data.test):,} images",
        }
    return {
        "search": f"kept from the training images before training; {len(data.search):,} images",
        "test": f"the test images of {data.name}; {len(data.test):,} images",
    }


def table(summary: Mapping[str, Any]) -> str:
    """Return the short table of a run: the dense network, picks of the front, the baselines.

    A pick is the densest network that is at most so dense; a baseline stands at just that density.
    """
    front, baselines = summary["front"], summary["baselines"]
    shown = [name for name in ("global-magnitude", "lamp", "layer-uniform") if name in baselines]
    dense = summary["dense"]
    lines = [
        f"{'at most':>9} {'kept':>7} {'front':>7}" + "".join(f" {name:>17}" for name in shown),
        f"{1.0:9.2f} {1.0:7.3f} {dense['test_error']:7.4f}   dense, {dense['weights']:,} weights",
    ]
    for wanted, next_wanted in zip(PICKS, (*PICKS[1:], 0.0), strict=True):
        pick = densest(front, wanted)
        if pick is None or pick["density"] <= next_wanted * ROUNDING:
            continue  # the next line shows the same network, beside sparser baselines
        line = f"{wanted:9.2f} {pick['density']:7.3f} {pick['test_error']:7.4f}"
        for name in shown:
            line += f" {at_density(baselines[name]['points'], wanted):>17}"
        lines.append(line)
    volumes = [baselines[name]["hypervolume"]["test"] for name in shown]
    lines.append(
        f"{'hypervolume':17} {summary['phases'][1]['hypervolume']['test']:7.4f}"
        + "".join(f" {value:17.4f}" for value in volumes)
    )
    lines.append(f"test error, on {summary['splits']['test']}")
    return "\n".join(lines)


def densest(front: Sequence[Mapping[str, Any]], density: float) -> Mapping[str, Any] | None:
    """Return the row of the densest network that is at most so dense, None if there is none."""
    below = [row for row in front if row["density"] <= density * ROUNDING]
    return max(below, key=lambda row: row["density"], default=None)


def at_density(points: Sequence[Mapping[str, float]], density: float) -> str:
    """Return the test error that was measured at a density, to 2 %; empty if none was."""
    nearest = min(points, key=lambda point: abs(point["density"] - density))
    measured_there = abs(nearest["density"] - density) <= 0.02 * density
    return f"{nearest['test_error']:.4f}" if measured_there else ""


def draw(
    outcome: Outcome,
    problem: Problem,
    run: Run,
    folder: RunDir,
    front: list[dict[str, Any]],
    coarse: list[dict[str, Any]],
    controls: list[dict[str, Any]],
    anchors: list[dict[str, Any]],
    dense: dict[str, Any],
) -> None:
    """Draw the run's pictures into its folder."""
    space = problem.space
    chosen = [outcome.front[i] for i in np.linspace(0, len(outcome.front) - 1, 5).astype(int)[:-1]]
    reference = chosen[len(chosen) // 2].density
    names = [layer.name for layer in space.layers]
    corridor = outcome.corridor.core.mean(), outcome.corridor.support.mean()
    figures = {
        "front": front_figure(front, coarse, controls, anchors, corridor, dense["test_error"])
    }
    figures["hypervolume"] = hypervolume_figure(list(run.logbook))
    figures["layers"] = layers_figure(
        names,
        [space.kept_by_layer(s.mask) for s in chosen],
        [s.density for s in chosen],
        space.kept_by_layer(baseline("global-magnitude", space, reference)),
        reference,
    )
    for name, figure in figures.items():
        picture = io.BytesIO()
        figure.savefig(picture, format="png")
        folder.write(f"figures/{name}.png", picture.getvalue())
