"""The runs behind the transfer section of docs/results.md, and the tables made from them.

python tests/benchmarks/transfer.py run ROOT [PART OF A NAME]   what ROOT does not hold yet, in turn
python tests/benchmarks/transfer.py tables ROOT                 the tables, from what is there

The data and the checkpoints are expected in ./data. A run takes three to fifteen minutes on one
thread, and there are many: name the task, the arm or the seed, such as sign-ours or fashion-pool.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evoprune import cli
from evoprune.studies.transfer_report import TEST, best_ensemble, volume

Summary = dict[str, Any]
TASKS = {
    "sign": "--model squeezenet1_0 --weights data/weights/squeezenet1_0-deepcompression.pth "
    "--data folder:data/sign-digits --foreign cifar10 --unseen fashion-mnist --image-size 112",
    "fashion": "--model resnet56 --weights data/weights/resnet56-4bfd9763.th --data fashion-mnist "
    "--foreign cifar10 folder:data/sign-digits --unseen mnist --image-size 32 "
    "--train-images 2000 --search-images 1000",
}
TASKS |= {
    "sign-pool": f"{TASKS['sign']} --pool 2",
    "fashion-pool": f"{TASKS['fashion']} --layer layer3 --pool 4",
}
OURS = "--guided --no-controls"
ARMS = {
    "ours": OURS,
    "authors": "",
    "soft": f"{OURS} --measure soft_error",
    "inherit": f"{OURS} --inherit",
    "generational": f"{OURS} --algorithm generational",
    "neurons": f"{OURS} --encoding neurons",
    "connections": f"{OURS} --encoding connections",
    "max-softmax": f"{OURS} --score max-softmax",
    "energy": f"{OURS} --score energy",
    "whole": "--schedule authors --population 4 --evaluations 4 --no-controls",  # its dense head
}
SEEDS = range(5)
THIRD = 1 / 3


def plan() -> Iterator[tuple[str, str]]:
    """Yield the name of every run and its flags."""
    for seed in SEEDS:
        for task, flags in TASKS.items():
            for arm, more in ARMS.items():
                yield f"{task}-{arm}-{seed}", f"{flags} {more} --seed {seed}"


def run(root: Path, wanted: str) -> None:
    """Make the runs whose names hold a text and that the folder does not hold yet."""
    for name, flags in plan():
        if wanted not in name or (root / name / "config.json").exists():
            continue
        common = f"--data-root data --threads 1 --features {root}/features --out {root}/{name}"
        cli.main(f"run transfer {flags} {common}".split())


def tables(root: Path) -> None:
    """Print the tables of both tasks."""
    for task in TASKS:
        found = {arm: summaries(root, f"{task}-{arm}") for arm in ARMS}
        print(f"\n{task}\n")
        volumes(found)
        for arm, runs in found.items():
            if runs:
                heads(arm, runs)


def summaries(root: Path, name: str) -> dict[int, Summary]:
    """Return the summaries of a row of runs that have ended, by seed."""
    files = {seed: root / f"{name}-{seed}" / "summary.json" for seed in SEEDS}
    return {seed: json.loads(f.read_text()) for seed, f in files.items() if f.exists()}


def volumes(found: dict[str, dict[int, Summary]]) -> None:
    """Print the hypervolumes of the arms and of their controls, seed by seed."""
    sides: list[tuple[str, dict[int, Summary], str]] = [
        (arm, runs, "front") for arm, runs in found.items()
    ]
    sides += [("random masks", found["authors"], "random"), ("l1-ranked", found["authors"], "l1")]
    print("| hypervolume, test (search) | mean | seeds |\n| --- | --- | --- |")
    for words, runs, front in sides:
        if runs:
            pairs = [run["hypervolume"][front] for run in runs.values()]
            mean = {side: np.mean([pair[side] for pair in pairs]) for side in ("test", "search")}
            each = " ".join(f"{pair['test']:.3f}" for pair in pairs)
            print(f"| {words} | {mean['test']:.3f} ({mean['search']:.3f}) | {each} |")


def heads(arm: str, runs: dict[int, Summary]) -> None:
    """Print what the heads and the ensembles of an arm come to, the mean over its seeds."""
    lines: dict[str, Callable[[Summary], tuple[float, ...] | None]] = {
        "dense head": lambda run: told(run["dense"]),
        "under a third, least search error": lambda run: told(under_a_third(run, "search_error")),
        "under a third, least test error": lambda run: told(under_a_third(run, "test_error")),
        "best ensemble by search": lambda run: told(best_ensemble(run["ensembles"])),
        "its best member in each": best_member,
        "known foreign images, mean of the front": known,
        "hypervolume with unseen, with known": with_known,
    }
    print(f"\n| {arm}, {len(runs)} seeds | density | error | 1-AUROC |\n| --- | --- | --- | --- |")
    for words, value in lines.items():
        rows = [found for found in map(value, runs.values()) if found is not None]
        if rows:
            print(f"| {words} | {' | '.join(f'{mean:.4f}' for mean in np.mean(rows, axis=0))} |")
    reached = [good_enough(run) for run in runs.values()]
    above = [sum(row["above_every_member"] for row in run["ensembles"]) for run in runs.values()]
    of = [len(run["ensembles"]) for run in runs.values()]
    gains = [gain(run) for run in runs.values()]
    print(f"\nheads under a third that err no more than the dense one, on test: {reached}")
    print(f"ensembles above every member in both: {above} of {of}")
    print(f"gain of the best ensemble by search over its best member: {gains}")


def told(row: Summary | None) -> tuple[float, ...] | None:
    """Return density, error and misranked share on the test images."""
    if row is None:
        return None
    return row.get("density", np.nan), row["test_error"], row["test_misranked"]


def under_a_third(run: Summary, column: str) -> Summary | None:
    """Return the head of the least value in a column that keeps less than a third."""
    few = [row for row in run["front"] if row["density"] < THIRD]
    return min(few, key=lambda row: row[column], default=None)


def best_member(run: Summary) -> tuple[float, ...] | None:
    """Return the smallest error and misranked share of a member of the best ensemble."""
    row = best_ensemble(run["ensembles"])
    return row and (np.nan, row["best_member_error"], row["best_member_misranked"])


def known(run: Summary) -> tuple[float, ...]:
    """Return the mean misranked share of the front: unseen data sets, and known ones."""
    columns = ("test_misranked", "test_misranked_known")
    unseen, seen = (np.mean([row[column] for row in run["front"]]) for column in columns)
    return np.nan, float(unseen), float(seen)


def with_known(run: Summary) -> tuple[float, ...]:
    """Return the hypervolume of the front with unseen and with known foreign images."""
    error, density, _ = TEST
    others = (error, density, "test_misranked_known")
    return np.nan, volume(run["front"], TEST), volume(run["front"], others)


def good_enough(run: Summary) -> int:
    """Return how many heads under a third err no more than the dense one, on the test images."""
    few = [row for row in run["front"] if row["density"] < THIRD]
    return sum(row["test_error"] <= run["dense"]["test_error"] for row in few)


def gain(run: Summary) -> tuple[float, float] | None:
    """Return by how much the best ensemble betters its best member, in error and misranked."""
    row = best_ensemble(run["ensembles"])
    if row is None:
        return None
    sides = ("error", "misranked")
    first, second = (round(row[f"best_member_{s}"] - row[f"test_{s}"], 4) for s in sides)
    return first, second


if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in ("run", "tables"):
        raise SystemExit(__doc__)
    if sys.argv[1] == "run":
        run(Path(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "")
    else:
        tables(Path(sys.argv[2]))
