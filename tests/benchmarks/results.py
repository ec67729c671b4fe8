"""The runs behind docs/results.md, and the tables made from them.

python tests/benchmarks/results.py run ROOT [PART OF A NAME]   what ROOT does not hold yet, in turn
python tests/benchmarks/results.py tables ROOT                 the tables, from what is there

The data and the checkpoints are expected in ./data. A run takes a quarter of an hour on one thread;
two may be made at a time, with different parts of a name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoprune import cli
from evoprune.studies.report import densest

Summary = dict[str, Any]
DENSITIES = (0.6, 0.48, 0.4, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03)
WEIGHTS = {"resnet56": "resnet56-4bfd9763.th", "resnet20": "resnet20-12fca82f.th"}
TREATMENTS = {"fixed": "", "recalibrated": "--recalibrate"}
ALGORITHMS = {"nsga2": "NSGA-II", "moead": "MOEA/D"}
PARTS = {  # what each part brings; a part's name, and the flags that leave the others
    "phase 1 run on": "--no-guidance --generations 1000 1",
    "no guidance": "--no-guidance",
    "drift alone": "--descent 1",
    "all of it": "",
}
SEEDS = (0, 1, 2)
TEST_IMAGES = 5000
HALF = 0.481  # the paper removes 51.9 %
AIMS = {
    "fixed": {"hypervolume": 0.87, 0.48: 0.074, 0.4: 0.079, 0.3: 0.083, 0.2: 0.105, 0.15: 0.15,
              0.1: 0.22},
    "recalibrated": {"hypervolume": 0.905, 0.48: 0.069, 0.4: 0.071, 0.3: 0.074, 0.2: 0.082,
                     0.1: 0.115, 0.05: 0.165, 0.03: 0.22},
}  # fmt: skip


def plan() -> Iterator[tuple[str, str]]:
    """Yield the name of every run and its flags, the ones that measure baselines first."""
    for seed in SEEDS:
        for treatment, flag in TREATMENTS.items():
            for algorithm in ALGORITHMS:
                name = f"resnet56-{treatment}-{algorithm}-{seed}"
                yield name, f"{flag} --passes 450000 --algorithm {algorithm} --seed {seed}"
        for part, flag in PARTS.items():
            name = f"resnet20-recalibrated-{part.replace(' ', '-')}-{seed}"
            yield name, f"--recalibrate --passes 300000 --seed {seed} {flag}"


def run(root: Path, wanted: str) -> None:
    """Make the runs whose names hold a text and that the folder does not hold yet."""
    for name, flags in plan():
        if wanted not in name or (root / name / "config.json").exists():
            continue
        model, treatment = name.split("-")[:2]
        command = (
            f"run hierarchical --model {model} --weights data/weights/{WEIGHTS[model]} "
            f"--data cifar10 --data-root data --generations 1 100 --search-images 1000 "
            f"--precision bf16 --threads 1 {flags} --out {root / name}"
        )
        done = sorted(root.glob(f"{model}-{treatment}-*/summary.json"))
        borrowed = ["--baselines-from", str(done[0].parent)] if done else []
        print("evoprune", command, *borrowed, flush=True)
        if cli.main([*command.split(), *borrowed]) != 0:
            sys.exit(f"{name} failed")


def summaries(root: Path, name: str) -> list[Summary]:
    """Return the summaries of all finished seeds of a run."""
    files = [root / f"{name}-{seed}" / "summary.json" for seed in SEEDS]
    return [json.loads(file.read_text()) for file in files if file.exists()]


def error_at(front: Sequence[Summary], density: float) -> float | None:
    """Return the test error of the densest network that is no denser, None if there is none."""
    pick = densest(front, density)
    return None if pick is None else pick["test_error"]


def baseline_at(measured: Summary) -> dict[float, float]:
    """Return a baseline's test error by density."""
    return {round(point["density"], 3): point["test_error"] for point in measured["points"]}


def volume(summary: Summary, phase: int = 1) -> float:
    """Return the test hypervolume of a phase."""
    return summary["phases"][phase]["hypervolume"]["test"]


def row(name: str, first: float | None, errors: Sequence[float | None]) -> str:
    """Return a line of a table."""
    cells = ["" if value is None else f"{value:.3f}" for value in (first, *errors)]
    return f"| {name} | " + " | ".join(cells) + " |"


def front_table(root: Path, names: dict[str, str], aims: dict[Any, float]) -> Iterator[str]:
    """Yield the lines of one table: runs, their means, phase 1, the baselines, the aim."""
    yield "| | hypervolume | " + " | ".join(f"{density:g}" for density in DENSITIES) + " |"
    yield "| --- |" + " --- |" * (len(DENSITIES) + 1)
    found: list[Summary] = []
    blank = [None] * len(DENSITIES)
    for name, label in names.items():
        several = summaries(root, name)
        errors = [[error_at(s["front"], density) for density in DENSITIES] for s in several]
        for summary, line in zip(several, errors, strict=True):
            yield row(f"{label}, seed {summary['seed']}", volume(summary), line)
        if len(several) > 1:
            means = [
                None if None in column else float(np.mean(column))
                for column in zip(*errors, strict=True)
            ]
            yield row(f"**{label}, mean**", float(np.mean([volume(s) for s in several])), means)
        found += several
    if found:
        yield row("phase 1 alone, mean", float(np.mean([volume(s, 0) for s in found])), blank)
        for name, measured in found[0]["baselines"].items():
            points = [baseline_at(measured).get(density) for density in DENSITIES]
            yield row(name, measured["hypervolume"]["test"], points)
    if aims:
        yield row("aim", aims["hypervolume"], [aims.get(density) for density in DENSITIES])


def parts_table(root: Path) -> Iterator[str]:
    """Yield the lines of the table of what each part brings: test hypervolume by seed."""
    yield "| | " + " | ".join(f"seed {seed}" for seed in SEEDS) + " | mean | passes, mean |"
    yield "| --- |" + " --- |" * (len(SEEDS) + 2)
    for part in PARTS:
        several = summaries(root, f"resnet20-recalibrated-{part.replace(' ', '-')}")
        if several:
            by_seed = {summary["seed"]: volume(summary) for summary in several}
            cells = [f"{by_seed[seed]:.4f}" if seed in by_seed else "" for seed in SEEDS]
            passes = np.mean([sum(summary["passes"].values()) for summary in several])
            mean = np.mean(list(by_seed.values()))
            yield f"| {part} | {' | '.join(cells)} | {mean:.4f} | {passes:,.0f} |"


def worse_table(root: Path) -> Iterator[str]:
    """Yield a line for each density at which a baseline is better by more than a standard error."""
    for name, summary in finished(root):
        for density in (d for d in DENSITIES if d >= 0.1):
            ours = error_at(summary["front"], density)
            for baseline, measured in summary["baselines"].items():
                theirs = baseline_at(measured).get(density)
                if ours is None or theirs is None:
                    continue
                if ours - theirs > np.sqrt(theirs * (1 - theirs) / TEST_IMAGES):
                    yield f"- {name}, {density:g}: {baseline} {theirs:.4f}, the front {ours:.4f}"


def half_table(root: Path) -> Iterator[str]:
    """Yield a line a run: the densest network with 51.9 % of the weights removed, and the time."""
    yield "| | dense | half | kept | passes | minutes of search | outside passes |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, summary in finished(root):
        pick = densest(summary["front"], HALF)
        assert pick is not None
        seconds, dense = summary["seconds"], summary["dense"]["test_error"]
        outside = 1 - seconds["network"] / seconds["phases"]
        yield (
            f"| {name} | {dense:.4f} | {pick['test_error']:.4f} | {pick['density']:.1%} | "
            f"{sum(summary['passes'].values()):,} | {seconds['phases'] / 60:.0f} | {outside:.1%} |"
        )


def finished(root: Path) -> Iterator[tuple[str, Summary]]:
    """Yield the names and summaries of all finished runs."""
    for name in sorted(name for name, _ in plan()):
        file = root / name / "summary.json"
        if file.exists():
            yield name, json.loads(file.read_text())


def tables(root: Path) -> Iterator[str]:
    """Yield the lines of all tables."""
    for treatment in TREATMENTS:
        yield f"\n## ResNet-56, {treatment}\n"
        names = {f"resnet56-{treatment}-{key}": label for key, label in ALGORITHMS.items()}
        yield from front_table(root, names, AIMS[treatment])
    yield "\n## What each part brings\n"
    yield from parts_table(root)
    yield "\n## ResNet-20\n"
    yield from front_table(root, {"resnet20-recalibrated-all-of-it": "NSGA-II"}, {})
    yield "\n## A baseline is better by more than one standard error\n"
    yield from worse_table(root)
    yield "\n## Half of the weights, and the time\n"
    yield from half_table(root)


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"] and len(sys.argv) in (3, 4):
        run(Path(sys.argv[2]), "".join(sys.argv[3:]))
    elif sys.argv[1:2] == ["tables"] and len(sys.argv) == 3:
        print("\n".join(tables(Path(sys.argv[2]))))
    else:
        sys.exit(__doc__)
