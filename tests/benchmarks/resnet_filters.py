"""ResNet-56 by filters, without fine-tuning: the hierarchical method beside what it has to beat.

python tests/benchmarks/resnet_filters.py run ROOT [--seed 0] [--passes 250000] [--way NAME]
python tests/benchmarks/resnet_filters.py table ROOT

The genes are the filters of each block's first convolution, 1,008 in all; BatchNorm is
recalibrated, no weight is changed. The data and the checkpoint are expected in ./data. Every way
may spend as many image passes: the hierarchical method on a whole front, the others for each share
of filters kept anew. The way "exchange" is the operators of the method put together for one number
of filters. What ROOT holds already is not made again, and a search that was stopped goes on. The
test half is looked at once for each line that is written.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Callable, Iterator
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evoprune.methods.baselines import baseline
from evoprune.methods.hierarchical import hierarchical
from evoprune.running.config import Config
from evoprune.running.problem import Problem, prepare
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.seeding import Streams
from operators.drift import mutDrift
from operators.exchange import Damage, mutExchange
from operators.individuals import individual_type

KEPT = (0.75, 0.5, 0.25)
IMAGES = 2500  # of the search half that judge a candidate
RATES = (0.005, 0.02, 0.08)  # of the drift; the best by search error is kept
STEP = 3 * 128  # image passes of a step of the drift
ONE_SHOT = ("global-magnitude", "layer-uniform")
PACE = 0.92  # from one rung of the exchange's descent to the next
DESCENT = 0.3  # share of its passes that the descent takes
SWAPS = 4  # pairs that one of its mutations exchanges
SHOWN = 128  # images that each of them adds to the model
SHARPNESS = (10.0, 30.0, 100.0)  # of random masks around the layer-wise ranks
COLUMNS = ("way", "kept", "density", "seed", "passes", "search_error", "test_error")
Make = Callable[[Problem, float, int], np.ndarray]


def settings(seed: int, passes: int) -> Config:
    """Return what every way is told."""
    return Config(
        model="resnet56",
        weights="data/weights/resnet56-4bfd9763.th",
        data="cifar10",
        data_root="data",
        genes="filters",
        recalibrate=1.0,
        precision="bf16",
        search_images=IMAGES,
        generations=(1, 200),
        passes=passes,
        seed=seed,
    )


def one_shot(name: str, problem: Problem, kept: float, passes: int) -> np.ndarray:
    """Return the filters of the largest norm."""
    return baseline(name, problem.space, kept)


def drifted(problem: Problem, kept: float, passes: int) -> np.ndarray:
    """Drift from the layer-wise mask, a third of the passes for each rate."""
    start, space = baseline("layer-uniform", problem.space, kept), problem.space
    guidance, evaluate = problem.guidance(), problem.evaluator(images=IMAGES, measure="soft_error")
    steps = int((passes - problem.passes.spent()) / len(RATES) - evaluate.cost) // STEP
    found = []
    for rate in RATES:
        mask = individual_type("mask", 2).from_numpy(start)
        mean = np.zeros(space.size, np.float32)
        score = space.importance
        mutDrift(mask, saliency=guidance, score=score, steps=steps, rate=rate, mean=mean)
        found.append((evaluate(mask)[0], space.mask(mask)))
    return min(found, key=lambda pair: pair[0])[1]


def at_random(problem: Problem, kept: float, passes: int) -> np.ndarray:
    """Judge masks drawn around the layer-wise one, sharply and softly, and keep the best."""
    evaluate, space = problem.evaluator(images=IMAGES, measure="soft_error"), problem.space
    layers = np.split(space.importance, space.offsets[1:-1])
    ranks = np.concatenate([np.argsort(np.argsort(layer)) / len(layer) for layer in layers])
    count, rng = round(kept * space.size), problem.streams.init
    best, chosen = np.inf, np.zeros(0, bool)
    while problem.passes.spent() + evaluate.cost <= passes:
        score = ranks + rng.logistic(size=space.size) / rng.choice(SHARPNESS)
        mask = space.floored(score >= np.sort(score)[-count])
        value = evaluate(individual_type("mask", 2).from_numpy(mask))[0]
        if value < best:
            best, chosen = value, mask
    return chosen


def exchanged(problem: Problem, kept: float, passes: int) -> np.ndarray:
    """Begin with the best of a descent by exchange and two one-shot masks; keep what is better."""
    space, rng, kind = problem.space, problem.streams.mutate, individual_type("mask", 2)
    evaluate = problem.evaluator(images=IMAGES, measure="soft_error")
    sensitivity, damage = problem.sensitivity(), Damage(space.size)
    change = partial(mutExchange, layers=space.gene_offsets, damage=damage)
    mask = kind.from_numpy(np.ones(space.size, bool))
    rungs = max(1, round(np.log(kept) / np.log(PACE)))
    shown = int(DESCENT * (passes - problem.passes.spent()) / rungs / sensitivity.price)
    for count in np.rint(space.size * np.geomspace(1, kept, rungs + 1)[1:]):
        change(mask, sensitivity=sensitivity.showing(shown), count=int(count), decay=0.7)
    plain = [kind.from_numpy(baseline(name, space, kept)) for name in ONE_SHOT]
    best, mask = min(((evaluate(one)[0], one) for one in (mask, *plain)), key=lambda pair: pair[0])
    few = sensitivity.showing(SHOWN)
    while problem.passes.spent() + few.cost + evaluate.cost <= passes:
        (child,) = change(copy(mask), sensitivity=few, swaps=SWAPS, decay=0.98, rng=rng)
        value = evaluate(child)[0]
        if value < best:
            best, mask = value, child
    return space.mask(mask)


WAYS: dict[str, Make] = {
    "l2 global": partial(one_shot, "global-magnitude"),
    "l2 layer-wise": partial(one_shot, "layer-uniform"),
    "random search": at_random,
    "drift": drifted,
    "exchange": exchanged,
}
HIERARCHICAL = "hierarchical"


def rows_of(
    way: str, shares: list[float], seed: int, passes: int, root: Path
) -> Iterator[dict[str, Any]]:
    """Yield a row for each share of filters that a way is asked for."""
    if way == HIERARCHICAL:
        yield from (row for row in searched(seed, passes, root) if row["kept"] in shares)
        return
    for kept in shares:
        problem = prepare(settings(seed, passes), Streams(seed))
        mask = WAYS[way](problem, kept, passes)
        exact = problem.evaluator(images=None, precision="fp32")
        spent, (wrong, density) = problem.passes.spent(), exact.judge(mask)
        tested = problem.evaluator("test", precision="fp32").judge(mask)[0]
        values = (way, kept, density, seed, spent, wrong, tested)
        yield dict(zip(COLUMNS, values, strict=True))


def searched(seed: int, passes: int, root: Path) -> Iterator[dict[str, Any]]:
    """Search, or go on with it, and yield the largest networks of the front that are small enough.

    As `evoprune run hierarchical --model resnet56 --genes filters --recalibrate --precision bf16
    --search-images 500 --generations 1 200 --passes N` does, but for its report, which measures
    every baseline on the test half.
    """
    config, folder = settings(seed, passes), root / f"hierarchical-{passes}-{seed}"
    resume = (folder / "config.json").exists()
    directory, problem = RunDir(str(folder), resume=resume), prepare(config, Streams(seed))
    directory.write_json("config.json", config.to_json())
    run = Run(streams=problem.streams, passes=problem.passes, directory=directory, resume=resume)
    front = hierarchical(problem, config, run).front
    judge, spent = problem.evaluator("test", precision="fp32"), problem.passes.spent()
    for kept in KEPT:
        small = [solution for solution in front if solution.density <= kept]
        if small:
            chosen = max(small, key=lambda solution: solution.density)
            tested = judge.judge(chosen.mask)[0]
            values = (HIERARCHICAL, kept, chosen.density, seed, spent, chosen.error, tested)
            yield dict(zip(COLUMNS, values, strict=True))


def read(file: Path) -> list[dict[str, str]]:
    """Return the rows that are there."""
    if not file.exists():
        return []
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines))


def run(root: Path, ways: list[str], seed: int, passes: int) -> None:
    """Append what is missing, row by row."""
    root.mkdir(parents=True, exist_ok=True)
    file = root / f"filters-{passes}.csv"
    for way in ways:
        there = {float(r["kept"]) for r in read(file) if (r["way"], int(r["seed"])) == (way, seed)}
        missing = [kept for kept in KEPT if kept not in there]
        for row in rows_of(way, missing, seed, passes, root) if missing else ():
            new = not file.exists()
            with file.open("a", newline="") as lines:
                writer = csv.DictWriter(lines, COLUMNS)
                if new:
                    writer.writeheader()
                writer.writerow(row)


def table(root: Path) -> Iterator[str]:
    """Yield the lines of the table of all that is there."""
    for file in sorted(root.glob("filters-*.csv")):
        yield f"| {file.stem.rpartition('-')[2]} passes, seed | passes spent, mean |" + "".join(
            f" {kept:.0%} kept |" for kept in KEPT
        )
        yield "| --- |" + " --- |" * (len(KEPT) + 1)
        rows = read(file)
        for way, seed in dict.fromkeys((row["way"], row["seed"]) for row in rows):
            mine = [row for row in rows if (row["way"], row["seed"]) == (way, seed)]
            errors = {float(row["kept"]): f"{float(row['test_error']):.3f}" for row in mine}
            spent = np.mean([int(row["passes"]) for row in mine])
            cells = " | ".join(errors.get(kept, "") for kept in KEPT)
            yield f"| {way}, {seed} | {spent:,.0f} | {cells} |"


def main() -> None:
    """Run what is missing, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("do", choices=("run", "table"))
    parser.add_argument("root", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--passes", type=int, default=250_000)
    parser.add_argument("--way", choices=(*WAYS, HIERARCHICAL))
    options = parser.parse_args()
    if options.do == "run":
        ways = [options.way] if options.way else [*WAYS, HIERARCHICAL]
        run(options.root, ways, options.seed, options.passes)
    print("\n".join(table(options.root)))


if __name__ == "__main__":
    main()
