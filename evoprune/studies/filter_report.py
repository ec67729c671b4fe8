"""The end of a run on filters: the test split is opened once, controls are measured, all is told.

Fills the run folder with front.csv, picks.csv, baselines.csv, masks.npz, figures and summary.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from evoprune.evaluation.evaluator import Evaluator
from evoprune.methods.emofp_settings import Emofp
from evoprune.methods.filter_baselines import filter_baseline
from evoprune.methods.filter_counts import counts_in
from evoprune.methods.finetuned import FilterOutcome, Tuned
from evoprune.methods.fronts import Solution, thinned
from evoprune.network.cost import macs_per_weight
from evoprune.network.course import save
from evoprune.network.layers import prunable
from evoprune.network.surgery import shrink
from evoprune.network.training import error
from evoprune.passes import KINDS
from evoprune.running.config import LATENCY
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.search.indicators import hypervolume
from evoprune.space.filters import FilterSpace
from evoprune.studies.controls import columns, tester
from evoprune.studies.figures import hypervolume_figure
from evoprune.studies.filter_figures import front_figure, layers_figure, tuning_figure
from evoprune.studies.lineage import keep_lineage, png
from evoprune.studies.report import splits

BASELINES = ("l1-global", "l1-layer", "l2-global", "l2-layer", "random")
COUNTS = 10  # sizes at which the baselines are measured, beside those of the picks
RANDOM = 24  # networks of the random search that are measured on the test images at most
Row = dict[str, Any]


def report(
    outcome: FilterOutcome, problem: Problem, config: Emofp, run: Run, folder: RunDir
) -> str:
    """Measure front, picks and baselines on the test split, and fill the run folder.

    Returns:
        The table that is printed at the end of a run.
    """
    judge = tester(problem, latency=config.size == LATENCY)
    dense = measured(judge, np.ones(problem.space.size, bool)) | {"id": "", "kept_by_layer": ""}
    dense["search_error"] = outcome.dense_error
    shown = tqdm(outcome.front, desc="test", disable=not run.bar)
    front = [
        {"id": place, **solution_row(solution, judge), "on_front": 1}
        for place, solution in enumerate(shown)
    ]
    drawn = [solution_row(solution, judge) for solution in thinned(outcome.random, RANDOM)]
    picks = [pick_row(front[place], outcome, problem, dense) for place in sorted(outcome.tuned)]
    for row in picks:
        front[row["id"]] |= {k: row[k] for k in ("tuned_search_error", "tuned_test_error")}
        note_error(folder, row)
    least, picked = front[0]["kept"], [row["kept"] for row in picks]
    counts = counts_of(least, problem.space.size, picked)
    controls = baseline_rows(counts, judge, problem, bar=run.bar)
    summary = {
        "method": config.method,
        "seed": config.seed,
        "dense": dense | {"filters": problem.space.size},
        "splits": splits(problem.data),
        "passes": {kind: int(run.passes[kind]) for kind in KINDS},
        "spared": int(run.passes["spared"]),
        "repaired": int(run.passes["repaired"]),
        "not_finite": int(run.passes["not finite"]),
        "hypervolume": {
            name: {split: volume(rows, split) for split in ("search", "test")}
            for name, rows in (("masks", front), ("random", drawn))
            if rows
        },
        "seconds": {name: round(seconds, 3) for name, seconds in run.seconds.items()},
        "bounds": list(config.bounds),
        "remarks": outcome.remarks,
        "picks": picks,
        "baselines": controls,
        "random": drawn,
        "front": front,
    }
    folder.write_table("front.csv", front)
    folder.write_table("picks.csv", picks)
    searched = [{"name": "random-search", **row} for row in drawn]
    folder.write_table("baselines.csv", [*controls, *searched])
    masks = [solution.mask for solution in outcome.front]
    folder.write_masks(masks)
    figures = {
        "front": front_figure(front, drawn, controls, picks, config.bounds, dense["test_error"]),
        "hypervolume": hypervolume_figure(list(run.logbook)),
        "layers": layers_figure(
            [layer.name for layer in problem.space.layers],
            [layer.size for layer in problem.space.layers],
            [counts_in(space_of(problem), masks[row["id"]]) for row in picks or front[:1]],
        ),
    }
    if picks:
        figures["tuning"] = tuning_figure(picks, dense["test_error"])
    for name, figure in figures.items():
        folder.write(f"figures/{name}.png", png(figure))
    if run.lineage:
        keep_lineage(run.lineage, front, masks, folder)
    folder.write_json("summary.json", summary)  # last: it says that the run has ended
    return table(summary)


def space_of(problem: Problem) -> FilterSpace:
    """Return the space, which a method for filters has made sure of."""
    assert isinstance(problem.space, FilterSpace)
    return problem.space


def measured(judge: Evaluator, mask: np.ndarray) -> Row:
    """Return how much of the network a mask leaves, and its error on the test split."""
    return {"kept": int(np.count_nonzero(mask)), **columns(judge.judge(mask))}


def solution_row(solution: Solution, judge: Evaluator) -> Row:
    """Return a row of front.csv without its number."""
    return {
        **measured(judge, solution.mask),
        "search_error": solution.error,
        "search_value": solution.value,
        "phase": solution.phase,
    }


def pick_row(row: Row, outcome: FilterOutcome, problem: Problem, dense: Row) -> Row:
    """Return a row of picks.csv: a network before and after its fine-tuning.

    The relative error is the paper's: (error after - error of the dense network) / the latter. So
    is the compression ratio: all filters over those that are kept (64 / 9 is its 7.11).
    """
    mask, data = outcome.front[row["id"]].mask, problem.data
    network = shrink(problem.space.model, problem.space.cut(mask))
    shape = tuple(data.train.images.shape[1:])
    layers = prunable(network)
    found: Row = {
        "id": row["id"],
        "kept": row["kept"],
        "kept_by_layer": " ".join(map(str, counts_in(space_of(problem), mask))),
        "density": row["density"],
        "compression": 1 / row["density"],
        "macs": sum(
            layer.size * int(use)
            for layer, use in zip(layers, macs_per_weight(network, shape, layers), strict=True)
        ),
        "macs_share": row["macs"],
        "params": sum(parameter.numel() for parameter in network.parameters()),
        "params_share": row["params"],
        "paper_flops": paper_flops(network),
        "search_error": row["search_error"],
        "test_error": row["test_error"],
    }
    for name, kind in (("tuned", outcome.tuned), ("control", outcome.controls)):
        if row["id"] in kind:
            found |= after(name, kind[row["id"]], problem)
    found["relative_error"] = relative(found["tuned_test_error"], dense["test_error"])
    return found


def after(name: str, tuned: Tuned, problem: Problem) -> Row:
    """Return what a training came to."""
    network, data = tuned.network.to(problem.device), problem.data
    return {
        f"{name}_search_error": error(network, data.search, data),
        f"{name}_test_error": error(network, data.test, data),
        f"{name}_epochs": tuned.epochs,
        f"{name}_passes": tuned.passes,
    }


def note_error(folder: RunDir, row: Row) -> None:
    """Write the test error of a fine-tuned network beside its weights, for whoever exports it."""
    path = folder.path / "tuned" / f"{row['id']}.pt"
    content = torch.load(path, map_location="cpu", weights_only=True)
    save(content | {"test_error": row["tuned_test_error"]}, path, argument="out")


def relative(value: float, dense: float) -> float | None:
    """Return by which share of it an error is above the dense network's; None where that is 0."""
    return (value - dense) / dense if dense else None


def paper_flops(network: nn.Module) -> int:
    """Return what the paper calls FLOPs: twice the weights, and one for each tensor of weights.

    It counts how many numbers there are, not how often they are used; for that see `macs`.

    Source: Wu et al., 2021, derived from 28 of 31 entries of their tables.

    >>> paper_flops(nn.Sequential(nn.Conv2d(1, 8, 5), nn.Flatten(), nn.Linear(8, 10)))
    562
    """
    return sum(2 * layer.size + 1 for layer in prunable(network))


def counts_of(least: int, most: int, picks: Sequence[int]) -> list[int]:
    """Return the counts of filters at which baselines are measured: the picks', and some between.

    >>> counts_of(2, 20, [5])
    [2, 4, 5, 6, 8, 10, 12, 14, 16, 18, 20]
    """
    between = np.linspace(least, most, COUNTS).round().astype(int).tolist()
    return sorted({*between, *picks})


def baseline_rows(
    counts: Sequence[int], judge: Evaluator, problem: Problem, *, bar: bool
) -> list[Row]:
    """Measure the one-shot baselines that need no images at counts of filters."""
    rng = np.random.default_rng(problem.streams.seed)
    wanted = [(name, count) for name in BASELINES for count in counts]
    rows = []
    for name, count in tqdm(wanted, desc="baselines", disable=not bar):
        mask = filter_baseline(name, space_of(problem), count, rng=rng).mask
        rows.append({"name": name, **measured(judge, mask)})
    return rows


def volume(rows: Sequence[Row], split: str) -> float:
    """Return the hypervolume of rows on a split: (error, density) minimised, reference (1, 1)."""
    points = np.array([[row[f"{split}_error"], row["density"]] for row in rows])
    return float(hypervolume(points, np.ones(2)))


def table(summary: Mapping[str, Any]) -> str:
    """Return the short table of a run: the dense network, the picks, the baselines beside them."""
    dense, baselines, picks = summary["dense"], summary["baselines"], summary["picks"]
    names = [name for name in BASELINES if any(row["name"] == name for row in baselines)]
    tuned = any("tuned_test_error" in row for row in picks)
    control = any("control_test_error" in row for row in picks)
    head = f"{'kept':>6} {'share':>6} {'macs':>6} {'params':>6} {'error':>7}"
    head += f" {'tuned':>7}" * tuned + f" {'control':>7}" * control
    lines = [head + "".join(f" {name:>10}" for name in names)]
    lines.append(
        f"{dense['kept']:6d} {1:6.3f} {1:6.3f} {1:6.3f} {dense['test_error']:7.4f}   dense"
    )
    measured_at = {row["kept"] for row in baselines}
    for row in picks or [row for row in summary["front"] if row["kept"] in measured_at]:
        shares = row.get("macs_share", row["macs"]), row.get("params_share", row["params"])
        line = f"{row['kept']:6d} {row['density']:6.3f} {shares[0]:6.3f} {shares[1]:6.3f}"
        line += f" {row['test_error']:7.4f}"
        line += f" {row['tuned_test_error']:7.4f}" if tuned else ""
        line += f" {row['control_test_error']:7.4f}" if control else ""
        for name in names:
            same = [b for b in baselines if b["name"] == name and b["kept"] == row["kept"]]
            line += f" {same[0]['test_error']:10.4f}" if same else " " * 11
        lines.append(line)
    volumes = summary["hypervolume"]
    lines.append(
        "hypervolume "
        + ", ".join(f"{name} {volumes[name]['test']:.4f}" for name in volumes)
        + f": {len(summary['front'])} networks of the search"
        + (", beside a random search of as many passes" if "random" in volumes else "")
    )
    lines.append(f"test error, on {summary['splits']['test']}")
    return "\n".join([*lines, *summary["remarks"]])
