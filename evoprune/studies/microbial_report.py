"""The end of a run of the microbial GA: the test split is opened once, and all is written down.

Fills the run folder with front.csv, curve.csv, baselines.csv, masks.npz, tuned/ID.pt, figures and
summary.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import nn
from tqdm import tqdm

from evoprune.methods.microbial_found import Found, Outcome
from evoprune.methods.microbial_settings import MicrobialConfig
from evoprune.methods.retraining import removable
from evoprune.network.recipe import recipe_of
from evoprune.network.training import error
from evoprune.passes import KINDS
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.search.indicators import hypervolume
from evoprune.studies.lineage import keep_lineage, png
from evoprune.studies.microbial_figures import curves_figure, networks_figure
from evoprune.studies.report import splits

Row = dict[str, Any]


def report(
    outcome: Outcome, problem: Problem, config: MicrobialConfig, run: Run, folder: RunDir
) -> str:
    """Measure the networks and their controls on the test split, and fill the run folder.

    Returns:
        The table that is printed at the end of a run.
    """
    shown = tqdm(outcome.found, desc="test", disable=not run.bar)
    rows = [row_of(place, found, problem) for place, found in enumerate(shown)]
    controls = [
        {"id": row["id"], "name": "random"} | _sizes(row) | judged(found.control, problem)
        for row, found in zip(rows, outcome.found, strict=True)
        if found.control is not None
    ]
    dense = dict(zip(("search_error", "computation", "params"), outcome.dense, strict=True))
    dense |= judged(problem.space.model, problem)
    for row, found in zip(rows, outcome.found, strict=True):
        keep_network(folder, row, found, problem)
    folder.write_table("front.csv", rows)
    folder.write_table("curve.csv", outcome.curve)
    folder.write_table("baselines.csv", controls)
    masks = [found.mask for found in outcome.found]
    folder.write_masks(masks)
    several = len(config.searches()) > 1
    titles = {
        f"search-{place}" if several else "": f"lambda = {words(lambdas)}"
        for place, lambdas in enumerate(config.searches())
    }
    figures = {
        "curves": curves_figure(outcome.curve, titles),
        "networks": networks_figure(rows, controls, dense["test_error"]),
    }
    for name, figure in figures.items():
        folder.write(f"figures/{name}.png", png(figure))
    if run.lineage:
        keep_lineage(run.lineage, rows, masks, folder)
    summary = {
        "method": config.method,
        "algorithm": config.algorithm,
        "seed": config.seed,
        "dense": dense | {"genes": problem.space.size},
        "splits": splits(problem.data),
        "passes": {kind: int(run.passes[kind]) for kind in KINDS},
        "spared": int(run.passes["spared"]),
        "not_finite": int(run.passes["not finite"]),
        "generations": len(outcome.curve),
        "hypervolume": {split: volume(rows, split) for split in ("search", "test")},
        "seconds": {name: round(seconds, 3) for name, seconds in run.seconds.items()},
        "baselines": controls,
        "front": rows,
    }
    folder.write_json("summary.json", summary)  # last: it says that the run has ended
    return table(summary)


def row_of(place: int, found: Found, problem: Problem) -> Row:
    """Return a row of front.csv; `before` is the error before the network was retrained."""
    before, computation, params = found.values
    return {
        "id": place,
        "density": problem.space.density(found.mask),
        "computation": computation,
        "params": params,
        "sparsity": 1 - params,
        "before": before,
        **judged(found.network, problem),
        "lambdas": words(found.lambdas),
        "phase": found.phase,
        "passes": found.passes,
        "final": int(found.final),
    }


def judged(network: nn.Module, problem: Problem) -> Row:
    """Return a network's errors on the search and the test split, all of their images."""
    data, device = problem.data, problem.device
    network = network.to(device)
    return {
        "search_error": error(network, data.search, data),
        "test_error": error(network, data.test, data),
    }


def words(lambdas: Sequence[float]) -> str:
    """Write the three weights in a short form.

    >>> words((0.3, 0.4, 0.3))
    '0.3 0.4 0.3'
    """
    return " ".join(f"{weight:g}" for weight in lambdas)


def keep_network(folder: RunDir, row: Row, found: Found, problem: Problem) -> None:
    """Write the narrow network's weights where the export looks for them."""
    cut = removable(problem.space.cut(found.mask))
    content = {
        "state_dict": {name: value.cpu() for name, value in found.network.state_dict().items()},
        "recipe": recipe_of(problem.space.model, cut),
        "passes": found.passes,
        "test_error": row["test_error"],
    }
    folder.write_tensors(f"tuned/{row['id']}.pt", content)


def volume(rows: Sequence[Row], split: str) -> float:
    """Return the hypervolume of error, computation and parameters left; reference (1, 1, 1)."""
    points = [[row[f"{split}_error"], row["computation"], row["params"]] for row in rows]
    return float(hypervolume(points, np.ones(3)))


def table(summary: Mapping[str, Any]) -> str:
    """Return the table of a run, as the paper's Table 1: what was retrained at the end."""
    dense = summary["dense"]
    controls = {row["id"]: row["test_error"] for row in summary["baselines"]}
    lines = [
        f"{'id':>4} {'lambda':>12} {'error %':>8} {'computation %':>14} {'sparsity %':>11} "
        f"{'random genes':>13}",
        f"{'':4} {'dense':>12} {100 * dense['test_error']:8.2f} {100:14.2f} {0:11.2f}",
    ]
    for row in summary["front"]:
        if row["final"]:
            lines.append(
                f"{row['id']:4d} {row['lambdas']:>12} {100 * row['test_error']:8.2f} "
                f"{100 * row['computation']:14.2f} {100 * row['sparsity']:11.2f} "
                + (f"{100 * controls[row['id']]:13.2f}" if row["id"] in controls else "")
            )
    others = sum(not row["final"] for row in summary["front"])
    lines.append(f"{others} more networks in front.csv, {summary['generations']} generations")
    lines.append(f"hypervolume {summary['hypervolume']['test']:.4f}, reference (1, 1, 1)")
    lines.append(f"test error, on {summary['splits']['test']}")
    return "\n".join(lines)


def _sizes(row: Row) -> Row:
    return {name: row[name] for name in ("density", "computation", "params", "sparsity")}
