"""Error against measured latency: ResNet-56 by filters, ours beside torch-pruning's pruner.

python tests/benchmarks/latency.py make ROOT SIDE SHARE   prune to a share of the MACs, fine-tune
python tests/benchmarks/latency.py time ROOT              time all that ROOT holds, table, picture

SIDE is "ours" or "group-norm". The data and the checkpoint are expected in ./data. What a file in
ROOT holds already is not made again.

The padded shortcuts tie the channels of a stage to shifted ones of the next, which torch-pruning
cannot follow. So both sides cut the first convolution of each block only, by the same `shrink`, and
both are fine-tuned by one recipe from one seed.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch_pruning
from torch import nn

from evoprune.evaluation.evaluator import Recalibration
from evoprune.evaluation.fastpath import FastEvaluator, FastGuidance
from evoprune.network import datasets, latency, models
from evoprune.network.cost import macs_per_weight
from evoprune.network.masks import recalibrate
from evoprune.network.surgery import shrink
from evoprune.network.training import error, train
from evoprune.space.filters import FilterSpace
from operators.drift import mutDrift
from operators.individuals import individual_type

Mask = npt.NDArray[np.bool_]
IMAGE = (3, 32, 32)
SHARES = (0.75, 0.5, 0.35, 0.25)
SIDES = {"ours": "drift, then search", "group-norm": "torch-pruning's group norm"}
SEED = 0
POOL, BATCH = 2560, 128  # images of guidance, and those of a step
ROUNDS, STEPS, RATE = 10, 8, 0.015  # of the drift
TRIALS, CALIBRATION, JUDGED = 40, 256, 256  # of the search; images a trial
TUNED = 12_800  # training images of the fine-tuning, each seen once
RECIPE: dict[str, Any] = {
    "epochs": 1, "rate": 0.02, "batch": 128, "precision": "bf16", "augmentation": datasets.augment,
}  # fmt: skip
CURVES = (  # column, line, words
    ("test_error", "o-", "fine-tuned"),
    ("test_error_recalibrated", "o:", "recalibrated only"),
)
BATCHES = (1, 100)  # images a pass, of the latencies
RUNS = 60


class Task:
    """ResNet-56 as its authors left it, CIFAR-10, and the filters that both sides may cut."""

    def __init__(self) -> None:
        self.model = models.build("resnet56")
        models.load_weights(self.model, next(Path("data/weights").glob("resnet56*")))
        self.data = datasets.load("cifar10", root="data", search_from="test")
        self.space = FilterSpace(self.model, IMAGE)
        uses = macs_per_weight(self.model, IMAGE, self.space.carriers)
        self.macs: Callable[[Mask], float] = lambda mask: self.space.macs(mask, uses)
        whole = np.ones(self.space.size, bool)
        costs = np.empty(self.space.size)
        for start, stop in zip(self.space.offsets, self.space.offsets[1:], strict=False):
            without = whole.copy()
            without[start] = False
            costs[start:stop] = 1 - self.macs(without)
        self.costs = costs  # of a filter in shares of the MACs; these cuts do not touch each other

    def training_images(self, count: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """Return augmented training images as the network takes them, and their labels."""
        chosen = self.data.train.part(rng.choice(len(self.data.train), count, replace=False))
        images = datasets.augment(chosen.images, rng)
        return datasets.normalise(images, self.data), chosen.labels

    def filled(self, score: npt.NDArray, share: float) -> Mask:
        """Keep what scores highest, one filter a layer and then all that the MACs allow."""
        mask = np.zeros(self.space.size, bool)
        for start, stop in zip(self.space.offsets, self.space.offsets[1:], strict=False):
            mask[start + score[start:stop].argmax()] = True
        left = share - (1 - self.costs[~mask].sum())
        for gene in np.argsort(-score, kind="stable"):
            if not mask[gene] and self.costs[gene] <= left:
                mask[gene], left = True, left - self.costs[gene]
        return mask


def ours(task: Task, share: float) -> Mask:
    """Drift from the layers' own norms, by saliency per MAC; then change the mask as it helps."""
    space, rng = task.space, np.random.default_rng(SEED)
    images, labels = task.training_images(POOL, rng)
    guidance = FastGuidance(
        space, images, labels, rng=rng, batch=BATCH, statistics="batch", precision="bf16"
    )
    unit = (task.costs / task.costs.mean()).astype(np.float32)
    judge = FastEvaluator(
        space, images[:JUDGED], labels[:JUDGED], objectives=[near(task, images[:JUDGED])],
        recalibration=Recalibration([images[-CALIBRATION:]]), batch=64,
    )  # fmt: skip
    scores = drifted(task, share, lambda genome: guidance(genome) / unit)
    score = min(scores, key=lambda score: judge.judge(task.filled(score, share))[0])
    return searched(task, share, score, lambda mask: judge.judge(mask)[0], rng)


def drifted(
    task: Task, share: float, saliency: Callable[[Any], npt.NDArray]
) -> Iterator[npt.NDArray]:
    """Yield the score of the layers' own norms, and those that a drift comes by from there.

    Its ones follow the MACs: after each round the mask is filled up to them anew.
    """
    start = np.concatenate([
        norms.argsort().argsort() / len(norms)
        for norms in np.split(task.space.magnitudes, task.space.offsets[1:-1])
    ]).astype(np.float32)  # fmt: skip
    yield start
    kind = individual_type("mask", 1)
    individual, mean = kind.from_numpy(task.filled(start, share)), np.empty_like(start)
    for _ in range(ROUNDS):
        mutDrift(individual, saliency=saliency, score=start, steps=STEPS, rate=RATE, mean=mean)
        yield mean.copy()
        score = individual.score
        individual = kind.from_numpy(task.filled(score, share))
        individual.score = score


def near(task: Task, images: torch.Tensor) -> Callable[[Any], float]:
    """Return an objective: the mean squared distance of a candidate's logits to the dense ones."""
    with torch.no_grad():
        dense = torch.cat([task.model(part) for part in images.split(100)])

    def distance(candidate: Any) -> float:
        return float((candidate.logits - dense).square().mean())

    return distance


def searched(
    task: Task,
    share: float,
    score: npt.NDArray,
    judge: Callable[[Mask], float],
    rng: np.random.Generator,
) -> Mask:
    """Shake the score, keep what is nearer to the dense network, and shake less if that is rare."""
    mask, width = task.filled(score, share), 0.05 * float(score.std())
    best = judge(mask)
    print(f"drift {best:.4f}", flush=True)
    for trial in range(TRIALS):
        shaken = score + rng.normal(0, width, len(score)) * (rng.random(len(score)) < 0.2)
        value = judge(candidate := task.filled(shaken, share))
        width *= 1.5 if value < best else 0.9  # the 1/5 rule, near enough
        if value < best:
            best, mask, score = value, candidate, shaken
            print(f"trial {trial} {best:.4f}", flush=True)
    return mask


def group_norm(task: Task, share: float) -> Mask:
    """Prune by torch-pruning's GroupNormPruner, to the same MACs.

    Both of its ways are tried, each layer by the same share and all layers by one threshold; the
    one that errs less on the search images goes on.
    """
    masks = [nearest(task, share, overall=overall) for overall in (False, True)]
    search = task.data.search.part(slice(0, 2000))
    return min(masks, key=lambda mask: recalibrated_error(task, mask, search))


def nearest(task: Task, share: float, *, overall: bool) -> Mask:
    """Return the pruner's mask at the largest MACs that are no more than asked for, by halving."""
    low, high, best = 0.0, 1.0, None
    for _ in range(12):
        ratio = (low + high) / 2
        mask = pruned(task, ratio, overall=overall)
        if task.macs(mask) <= share:
            high, best = ratio, mask
        else:
            low = ratio
    assert best is not None
    return best


def pruned(task: Task, ratio: float, *, overall: bool) -> Mask:
    """Return what torch-pruning's GroupNormPruner leaves of the filters at a pruning ratio."""
    network = models.build("resnet56")
    network.load_state_dict(task.model.state_dict())
    cut = {layer.name for layer in task.space.layers}
    kept = [m for name, m in network.named_modules()
            if isinstance(m, (nn.Conv2d, nn.Linear)) and name not in cut]  # fmt: skip
    pruner = torch_pruning.pruner.GroupNormPruner(
        network.requires_grad_(True), torch.zeros(1, *IMAGE),
        importance=torch_pruning.importance.GroupMagnitudeImportance(p=2),
        global_pruning=overall, pruning_ratio=ratio, ignored_layers=kept,
    )  # fmt: skip
    mask = np.ones(task.space.size, bool)
    first = dict(zip([layer.name for layer in task.space.layers], task.space.offsets, strict=False))
    for group in pruner.step(interactive=True):
        name = str(group[0].dep.target.name).split(" (")[0]
        mask[first[name] + np.array(group[0].idxs)] = False
    return task.space.floored(mask)


def recalibrated_error(task: Task, mask: Mask, split: datasets.Split) -> float:
    """Return the error of the cut network after BatchNorm has seen some training images."""
    network = shrink(task.model, task.space.cut(mask))
    images, _ = task.training_images(4 * 256, np.random.default_rng(SEED))
    recalibrate(network, images.split(256), strength=1.0)
    return error(network, split, task.data)


def tuned(task: Task, mask: Mask, checkpoint: Path) -> nn.Module:
    """Return the cut network, fine-tuned on a quarter of the training images."""
    rng = np.random.default_rng(SEED)
    chosen = rng.choice(len(task.data.train), TUNED, replace=False)
    data = replace(task.data, train=task.data.train.part(chosen))
    network = shrink(task.model, task.space.cut(mask))
    train(network, data, rng=rng, checkpoint=checkpoint, progress=False, **RECIPE)
    return network


def make(root: Path, side: str, share: float) -> None:
    """Make one network, its mask first, and write what is to be known of it."""
    name = f"{side}-{share:g}"
    mask_file, row_file = root / f"{name}.npy", root / f"{name}.json"
    if row_file.exists():
        return
    task = Task()
    if not mask_file.exists():
        np.save(mask_file, {"ours": ours, "group-norm": group_norm}[side](task, share))
    mask = np.load(mask_file)
    network = tuned(task, mask, root / f"{name}.course")
    torch.save(network.state_dict(), root / f"{name}.pt")
    row = {
        "side": side, "share": share, "seed": SEED, "macs": task.macs(mask),
        "params": task.space.params(mask), "filters": float(mask.mean()),
        "test_error_recalibrated": recalibrated_error(task, mask, task.data.test),
        "test_error": error(network, task.data.test, task.data),
    }  # fmt: skip
    row_file.write_text(json.dumps(row, indent=1) + "\n")
    print(row)


def timed(root: Path) -> list[dict[str, Any]]:
    """Time the dense network and all others in turn; a row each, the dense one first."""
    task = Task()
    dense = error(task.model, task.data.test, task.data)
    first = dict.fromkeys(("share", "macs", "filters", "params"), 1.0)
    rows: list[dict[str, Any]] = [{"side": "dense", **first, "test_error": dense}]
    networks = [task.model]
    for file in sorted(root.glob("*.json")):
        network = shrink(task.model, task.space.cut(np.load(file.with_suffix(".npy"))))
        network.load_state_dict(torch.load(file.with_suffix(".pt"), weights_only=True))
        rows.append(json.loads(file.read_text()))
        networks.append(network)
    for network in networks:
        network.to(memory_format=torch.channels_last)
    for batch in BATCHES:
        images = datasets.normalise(task.data.test.images[:batch], task.data)
        times = latency.timed(networks, images, runs=RUNS)
        ratios = np.percentile(times / times[:, :1], (25, 50, 75), axis=0).T
        for row, ratio in zip(rows, ratios.tolist(), strict=True):
            row[f"latency_{batch}"] = ratio[1]
            row[f"latency_{batch}_quartiles"] = (ratio[0], ratio[2])
            row[f"dense_ms_{batch}"] = float(np.median(times[:, 0]))
    print(latency.setting(images, runs=RUNS))
    return rows


def report(root: Path) -> None:
    """Write latency.csv and filters-latency.png, and print the table."""
    rows = sorted(timed(root), key=lambda row: (-row["share"], row["side"]))
    with (root / "latency.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[-1]))
        writer.writeheader()
        writer.writerows(rows)
    print("| | MACs | filters | latency, batch 100 | batch 1 | recalibrated | fine-tuned |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        cells = [f"{row.get(key, np.nan):.3f}".lstrip("0") for key in
                 ("macs", "filters", "latency_100", "latency_1", "test_error_recalibrated",
                  "test_error")]  # fmt: skip
        print(f"| {SIDES.get(row['side'], 'dense')} | {' | '.join(cells)} |".replace("nan", ""))
    draw(rows, root / "filters-latency.png")


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw error against latency, a curve a side."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    dense = next(row for row in rows if row["side"] == "dense")
    for (side, label), colour in zip(SIDES.items(), ("tab:blue", "tab:orange"), strict=True):
        own = [row for row in rows if row["side"] == side]
        times = [row["latency_100"] for row in own]
        for key, style, when in CURVES:
            errors, said = [row[key] for row in own], f"{label}, {when}"
            axes.plot(times, errors, style, color=colour, label=said)
    axes.plot(1, dense["test_error"], "ks", label="dense")
    axes.set(yscale="log", ylabel="test error", title="ResNet-56 on CIFAR-10, filters cut")
    axes.set_xlabel("latency, as a share of the dense network's (batch of 100, one thread)")
    ticks = [0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks], minor=False)
    axes.minorticks_off()
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    if sys.argv[1:2] == ["make"] and len(sys.argv) == 5 and sys.argv[3] in SIDES:
        make(Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
    elif sys.argv[1:2] == ["time"] and len(sys.argv) == 3:
        report(Path(sys.argv[2]))
    else:
        sys.exit(__doc__)
