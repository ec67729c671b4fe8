"""Masks of filters beside every published baseline at the same counts, before and after training.

python tests/benchmarks/filters.py --model lenet-8-16 --weights weights/lenet-8-16.pt --data mnist \
    --data-root data --out ROOT --kept 6 10 --kept 4 5

Each `--kept` is a count for each layer. `--masks RUN` adds those of the masks in the folder of a
run on filters that have these counts; without `--kept` it takes the counts from them. The baselines
that rank all filters at once keep as many in all.

Everything is fine-tuned alike: `--epochs` at `--rate`, which falls along half a cosine, images
shifted; with `--schedule plateau` as `evoprune run emofp` does it, the rate falling where the loss
on the search split no longer does, and the best epoch kept. `--epochs 0` leaves it out, and soft
filter pruning, which trains, with it. `--tune 0.003 0.01 0.03` chooses the rate: it prints the mean
error on the search split of the l2-layer, apoz and random masks after each, and ends.

A row goes to ROOT/filters.csv as soon as it is there, so that the command can be stopped at any
time and given again; the tables are printed at the end. Random search draws `--draws` masks with
the counts asked for, and keeps the best on 1,000 images of the search split.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.methods.filter_baselines import FILTER_BASELINES, filter_baseline, random_search
from evoprune.methods.filter_counts import Pruned, counts_in
from evoprune.methods.finetuned import FALLING
from evoprune.network import datasets, models
from evoprune.network.training import error, train
from evoprune.passes import Passes
from evoprune.running.problem import augmenting
from evoprune.running.rundir import RunDir
from evoprune.seeding import Streams
from evoprune.space.filters import FilterSpace
from evoprune.studies.filters import compare

SCORED, BATCH = 8, 128  # batches, and images each, that a score may look at
SEARCHED = 1000  # images that random search looks at
PLATEAU = {name: getattr(FALLING, name) for name in ("schedule", "factor", "patience")}
TUNED = ("l2-layer", "apoz", "random")
NAMES = (*FILTER_BASELINES, "random search")
ERRORS = ("search_before", "test_before", "search_after", "test_after")
COLUMNS = (
    *("model", "wanted", "seed", "name", "kept", "macs", "params", *ERRORS),
    *("schedule", "epochs", "rate", "spent", "passes"),
)
KEY = ("model", "wanted", "seed", "name", "schedule", "epochs", "rate")  # of what is not made twice
Row = dict[str, Any]


class Task:
    """A trained network with its images, and what all masks of it share."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        held_back = models.held_back(options.weights, options.data)
        self.data = datasets.load(
            options.data, root=options.data_root, search_from="train" if held_back else "test"
        )
        shape = tuple(self.data.train.images.shape[1:])
        model = models.build(
            options.model,
            classes=len(self.data.classes),
            channels=shape[0],
            image_size=shape[-1],
        )
        models.load_weights(model, options.weights)
        self.space = FilterSpace(model.eval(), shape)
        self.train = partial(train, dataset=self.data, augmentation=augmenting(self.data))

    def finetune(self, rate: float) -> Any:
        """Return the fine-tuning, the same for all."""
        epochs = self.options.epochs
        if epochs == 0:
            return lambda network, **settings: None
        falling = PLATEAU | {"stop_after": epochs} if self.options.schedule == "plateau" else {}
        return partial(self.train, epochs=epochs, rate=rate, progress=False, **falling)

    def pruned(self, name: str, kept: Sequence[int], seed: int) -> tuple[Pruned, Passes]:
        """Prune by one of `NAMES`, and return what that cost."""
        streams, passes = Streams(seed), Passes()
        if name == "random search":
            return self._searched(kept, streams, passes), passes
        images = self.data.train.part(
            streams.data.permutation(len(self.data.train))[: SCORED * BATCH]
        )
        inputs = datasets.normalise(images.images, self.data)
        batches = list(zip(inputs.split(BATCH), images.labels.split(BATCH), strict=True))
        found = filter_baseline(
            name,
            self.space,
            kept,
            batches=batches,
            rng=streams.init,
            train=partial(self.train, progress=False),
            epochs=self.options.epochs,
            rate=self.options.rate,
            passes=passes,
        )
        return found, passes

    def _searched(self, kept: Sequence[int], streams: Streams, passes: Passes) -> Pruned:
        part = self.data.search.part(slice(0, SEARCHED))
        inputs = datasets.normalise(part.images, self.data)
        judge = FastEvaluator(self.space, inputs, part.labels, objectives=("error",), passes=passes)
        return random_search(
            self.space,
            kept,
            lambda mask: judge.judge(mask)[0],
            draws=self.options.draws,
            rng=streams.init,
        )

    def given(self) -> dict[str, Pruned]:
        """Return the masks of the run, by its folder's name and the number in its front.csv."""
        if self.options.masks is None:
            return {}
        folder = RunDir(self.options.masks, resume=True)
        arrays, front = folder.read_arrays("masks.npz"), folder.read_table("front.csv")
        masks = np.unpackbits(arrays["packed"], axis=1, count=self.space.size).astype(bool)
        return {
            f"{folder.path.name} {int(float(row['id']))}": Pruned(mask)
            for row, mask in zip(front, masks, strict=True)
        }


def rows(task: Task, done: Sequence[Row]) -> Iterator[Row]:
    """Yield a row for each mask and seed that is not there yet."""
    options, given = task.options, task.given()
    counts = {name: counts_in(task.space, pruned.mask) for name, pruned in given.items()}
    wanted = [tuple(kept) for kept in options.kept] or sorted(set(counts.values()))
    known = {tuple(str(row[key]) for key in KEY) for row in done}
    for seed in range(options.seeds):
        for kept in wanted:
            names = [name for name, count in counts.items() if count == kept]
            for name in (*names, *options.names):
                if options.epochs == 0 and name == "soft-filter-pruning":
                    continue
                key = (options.model, _words(kept), seed, name, *_settings(options).values())
                if tuple(map(str, key)) in known:
                    continue
                found = (given[name], Passes()) if name in given else task.pruned(name, kept, seed)
                yield row(task, name, kept, seed, *found)


def row(
    task: Task, name: str, kept: Sequence[int], seed: int, pruned: Pruned, passes: Passes
) -> Row:
    """Fine-tune one mask and return its row; `spent` are the passes of the choice."""
    options = task.options
    finetune = task.finetune(options.rate)
    [result] = compare(task.space, {name: pruned}, task.data, finetune=finetune, seed=seed)
    of_choice = {"spent": passes["fitness"] + passes["guidance"] + passes["training"]}
    settings = {"model": options.model, "wanted": _words(kept), "seed": seed}
    fine = _settings(options)
    return settings | asdict(result) | fine | of_choice | {"kept": _words(result.kept)}


def _settings(options: argparse.Namespace) -> Row:
    """Return what fine-tuning is told."""
    return {key: getattr(options, key) for key in ("schedule", "epochs", "rate")}


def _words(counts: Sequence[int]) -> str:
    return " ".join(map(str, counts))


def tune(task: Task) -> None:
    """Print what each rate comes to on the search split."""
    for rate in task.options.tune:
        errors = []
        for kept in task.options.kept:
            masks = {name: task.pruned(name, kept, 0)[0] for name in TUNED}
            found = compare(task.space, masks, task.data, finetune=task.finetune(rate), seed=0)
            errors += [result.search_after for result in found]
        print(f"rate {rate:g}: mean error on the search split {np.mean(errors):.5f}", flush=True)


def read(file: Path) -> list[Row]:
    """Return the rows that are there."""
    if not file.exists():
        return []
    with file.open(newline="") as content:
        return list(csv.DictReader(content))


def tables(found: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table for each count of filters, means over the seeds."""
    key = ("wanted", "schedule", "epochs", "rate")
    for of_table in dict.fromkeys(tuple(row[k] for k in key) for row in found):
        these = [row for row in found if tuple(row[k] for k in key) == of_table]
        seeds = len({row["seed"] for row in these})
        wanted, schedule, epochs, rate = of_table
        yield (
            f"\n{these[0]['model']}, {wanted.replace(' ', ', ')} filters kept, {epochs} epochs at "
            f"{rate} ({schedule}), seeds: {seeds}\n"
        )
        yield "| | kept | MACs | parameters | before | after | after, search | passes to choose |"
        yield "| --- |" + " --- |" * 7
        for name in dict.fromkeys(row["name"] for row in these):
            of = [row for row in these if row["name"] == name]
            kept = " or ".join(dict.fromkeys(row["kept"] for row in of)) if len(of) < 3 else ""
            shares = " | ".join(f"{_mean(of, key):.3f}" for key in ("macs", "params"))
            keys = ("test_before", "test_after", "search_after")
            errors = " | ".join(f"{_mean(of, key):.4f}" for key in keys)
            yield f"| {name} | {kept} | {shares} | {errors} | {_mean(of, 'spent'):,.0f} |"


def _mean(of: Sequence[Row], key: str) -> float:
    return float(np.mean([float(row[key]) for row in of]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing, and print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--model", required=True)
    add("--weights", required=True, help="of `evoprune train`, or a published checkpoint")
    add("--data", required=True)
    add("--data-root")
    add("--out", type=Path, help="folder of filters.csv")
    add("--kept", type=int, nargs="+", action="append", default=[], help="of each layer")
    add("--masks", metavar="RUN", help="folder of a run on filters")
    add("--names", nargs="*", choices=NAMES, default=NAMES, help="baselines (default: all)")
    add("--epochs", type=int, default=5, help="of fine-tuning (default: %(default)s)")
    add("--rate", type=float, default=0.01, help="of its first step (default: %(default)s)")
    add("--schedule", choices=("cosine", "plateau"), default="cosine", help="how it falls")
    add("--tune", type=float, nargs="+", metavar="RATE", help="rates to choose from")
    add("--draws", type=int, default=1000, help="of random search (default: %(default)s)")
    add("--seeds", type=int, default=1, help="0, 1, ... (default: %(default)s)")
    options = parser.parse_args(arguments)
    task = Task(options)
    if options.tune:
        return tune(task)
    if options.out is None:
        parser.error("--out is missing")
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "filters.csv"
    if not file.exists():
        file.write_text(",".join(COLUMNS) + "\n")
    for made in rows(task, read(file)):
        with file.open("a", newline="") as out:
            csv.DictWriter(out, COLUMNS, lineterminator="\n").writerow(made)
    dense = [
        error(task.space.model, split, task.data) for split in (task.data.search, task.data.test)
    ]
    print("dense: error on the search split {:.4f}, on the test split {:.4f}".format(*dense))
    print("\n".join(tables([row for row in read(file) if row["model"] == options.model])))


if __name__ == "__main__":
    main()
