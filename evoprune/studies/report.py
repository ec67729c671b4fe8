"""The end of a run: the test split is opened once, controls are measured, all is written down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evoprune.methods.baselines import baseline
from evoprune.methods.fronts import Outcome, thinned
from evoprune.network.datasets import Dataset
from evoprune.passes import KINDS
from evoprune.running.config import LATENCY, Config
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.search.indicators import hypervolume
from evoprune.studies.controls import baseline_rows, measured, solution_rows, tester
from evoprune.studies.figures import front_figure, hypervolume_figure, layers_figure
from evoprune.studies.lineage import keep_lineage, png

DENSITIES = (0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.48, 0.6, 0.8)
COARSE = 24  # solutions of phase 1 that are measured on the test images at most
ROUNDING = 1.001  # of a density to whole genes
PICKS = (0.6, 0.48, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03)


def report(outcome: Outcome, problem: Problem, config: Config, run: Run, folder: RunDir) -> str:
    """Measure the front and the baselines on the test split and fill the run folder.

    Test errors are of single-precision arithmetic whatever the search used.

    Returns:
        The table that is printed at the end of a run.
    """
    judge = tester(problem, latency=config.size == LATENCY)
    dense_row = measured("dense", judge, np.ones(problem.space.size, bool))
    dense_row["search_error"] = outcome.dense_error
    front = solution_rows(outcome.front, judge, bar=run.bar)
    coarse = solution_rows(thinned(outcome.coarse, COARSE), judge, bar=run.bar)
    controls = baseline_rows(config, judge, problem, DENSITIES, bar=run.bar)
    anchors = [measured(name, judge, mask) for name, mask in outcome.anchors.items()]
    summary = summarise(config, problem, run, dense_row, front, coarse, controls, anchors)
    folder.write_table("front.csv", front)
    folder.write_table("baselines.csv", controls)
    masks = [solution.mask for solution in outcome.front]
    folder.write_masks(masks)
    draw(outcome, problem, config, run, folder, front, coarse, controls, anchors, dense_row)
    if run.lineage:
        keep_lineage(run.lineage, front, masks, folder)
    folder.write_json("summary.json", summary)  # last: it says that the run has ended
    return table(summary)


def volume(
    rows: Sequence[Mapping[str, Any]],
    split: str,
    dense: Mapping[str, Any],
    size: str = "density",
) -> float:
    """Return the hypervolume of rows and the dense network on a split.

    Minimised (error, size), reference (1, 1), not normalised. Rows that are on no front do not
    count: a front was chosen on the search split, by what was minimised there. Of a baseline all
    rows count.
    """
    counted = [row for row in rows if row.get("on_front", True)]
    points = np.array([[row[f"{split}_error"], row[size]] for row in [*counted, dense]])
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
            "hypervolume": {s: volume(rows, s, dense, config.size) for s in ("search", "test")},
        }

    names = dict.fromkeys(row["name"] for row in controls)
    by_name = {name: [row for row in controls if row["name"] == name] for name in names}
    return {
        "method": config.method,
        "seed": config.seed,
        "dense": {
            "search_error": dense["search_error"],
            "test_error": dense["test_error"],
            "weights": problem.space.size,
            "unit": problem.space.unit,
        },
        "size": config.size,
        "splits": splits(problem.data),
        "passes": {kind: int(run.passes[kind]) for kind in KINDS},
        "spared": int(run.passes["spared"]),
        "not_finite": int(run.passes["not finite"]),
        "phases": [
            phase("thresholds", ("thresholds",), first, coarse),
            phase("masks", ("descent", "masks"), run.passes.spent() - first, front),
        ],
        "baselines": {
            name: {
                "hypervolume": {"test": volume(rows, "test", dense, config.size)},
                "points": [{k: v for k, v in r.items() if k != "name"} for r in rows],
            }
            for name, rows in by_name.items()
        },
        "anchors": anchors,
        "notes": run.notes,
        "seconds": {
            "network": round(sum(run.network_seconds.values()), 3),
            "phases": round(sum(run.seconds.values()), 3),
        },
        "front": front,
    }


def splits(data: Dataset) -> dict[str, str]:
    """Say in words which images judged in the search, and which are the figures' own."""
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

    A pick is the largest network that is at most so large. A baseline stands at just that density;
    where another size was minimised it is the largest one measured that is at most so large.
    """
    front, baselines = summary["front"], summary["baselines"]
    size = summary.get("size", "density")
    shown = [name for name in ("global-magnitude", "lamp", "layer-uniform") if name in baselines]
    dense = summary["dense"]
    genes = f"{dense['weights']:,} {dense.get('unit', 'weights')}"
    lines = [
        f"{'at most':>9} {'kept' if size == 'density' else size:>7} {'front':>7}"
        + "".join(f" {name:>17}" for name in shown),
        f"{1.0:9.2f} {1.0:7.3f} {dense['test_error']:7.4f}   dense, {genes}",
    ]
    for wanted, next_wanted in zip(PICKS, (*PICKS[1:], 0.0), strict=True):
        pick = densest(front, wanted, size)
        if pick is None or pick[size] <= next_wanted * ROUNDING:
            continue  # the next line shows the same network, beside smaller baselines
        line = f"{wanted:9.2f} {pick[size]:7.3f} {pick['test_error']:7.4f}"
        for name in shown:
            line += f" {beside(baselines[name]['points'], wanted, size, dense['weights']):>17}"
        lines.append(line)
    volumes = [baselines[name]["hypervolume"]["test"] for name in shown]
    lines.append(
        f"{'hypervolume':17} {summary['phases'][1]['hypervolume']['test']:7.4f}"
        + "".join(f" {value:17.4f}" for value in volumes)
    )
    lines.append(f"test error, on {summary['splits']['test']}")
    return "\n".join(lines)


def densest(
    front: Sequence[Mapping[str, Any]], density: float, size: str = "density"
) -> Mapping[str, Any] | None:
    """Return the row of the largest network that is at most so large, None if there is none."""
    below = [row for row in front if row[size] <= density * ROUNDING]
    return max(below, key=lambda row: row[size], default=None)


def beside(points: Sequence[Mapping[str, Any]], wanted: float, size: str, genes: int) -> str:
    """Return the test error of a baseline that a pick of the front is fairly set beside."""
    if size == "density":
        return at_density(points, wanted, genes=genes)
    pick = densest(points, wanted, size)
    return "" if pick is None else f"{pick['test_error']:.4f}"


def at_density(
    points: Sequence[Mapping[str, float]], density: float, *, genes: int = 1_000_000
) -> str:
    """Return the test error measured at a density, to 2 % or a gene; empty if none was."""
    nearest = min(points, key=lambda point: abs(point["density"] - density))
    measured_there = abs(nearest["density"] - density) <= max(0.02 * density, 0.5001 / genes)
    return f"{nearest['test_error']:.4f}" if measured_there else ""


def draw(
    outcome: Outcome,
    problem: Problem,
    config: Config,
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
    size, unit = config.size, space.unit
    names = [layer.name for layer in space.layers]
    corridor = outcome.corridor.core.mean(), outcome.corridor.support.mean()
    figures = {
        "front": front_figure(
            front,
            coarse,
            controls,
            anchors,
            corridor,
            dense["test_error"],
            size=size,
            unit=unit,
        )
    }
    figures["hypervolume"] = hypervolume_figure(list(run.logbook))
    figures["layers"] = layers_figure(
        names,
        [space.kept_by_layer(s.mask) for s in chosen],
        [s.density for s in chosen],
        space.kept_by_layer(baseline("global-magnitude", space, reference)),
        reference,
        unit=unit,
    )
    for name, figure in figures.items():
        folder.write(f"figures/{name}.png", png(figure))
