"""`evoprune export RUN`: write a network of the front to a file, with a certificate beside it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evoprune.commands.run import method_of
from evoprune.errors import InputError
from evoprune.network import certificate
from evoprune.network.cost import macs_per_weight
from evoprune.network.export import FORMATS, checked
from evoprune.running.config import Settings
from evoprune.running.problem import Problem, prepare
from evoprune.running.rundir import RunDir
from evoprune.seeding import Streams
from evoprune.space.genes import Bits
from evoprune.studies.exporting import export_pick
from evoprune.studies.picks import after_tuning, choose, parsed

MEASURABLE = ("macs", "params")  # of a mask, where front.csv has no such column


def add(commands: Any) -> None:
    """Declare the command."""
    text = "write a network of the front to a file that others can run"
    command = commands.add_parser("export", help=text, description=f"{text.capitalize()}.")
    add = command.add_argument
    add("run", help="the folder of a run that has ended")
    add(
        "--pick",
        default="knee",
        metavar="PICK",
        help="an id of front.csv, knee, max-error-rise=0.01, min-macs,max-error=0.1 and the like; "
        "errors are those of the search split (default: %(default)s)",
    )
    add("--to", default="state-dict", help=f"one of: {', '.join(FORMATS)} (default: %(default)s)")
    add("--shrink", action="store_true", help="take out what is removed, instead of zeros")
    add("--round-to", type=int, metavar="N", help="with --shrink: widths are multiples of it")
    add("--no-tuned", dest="tuned", action="store_false", help="leave fine-tuned weights aside")
    add("--out", metavar="FOLDER", help="must not be there yet (default: in exports of the run)")
    add("--batch", type=int, default=certificate.BATCH, help="images of a timed pass (%(default)s)")
    add("--runs", type=int, default=certificate.RUNS, help="passes that are timed (%(default)s)")
    add("--threads", type=int, help="threads of torch (default: those of the run)")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> int:
    """Export, and print the certificate; return 1 if it does not hold."""
    folder = RunDir(options.run, resume=True)
    config, rows, out = _checked(folder, options)
    offered = after_tuning(rows) if options.tuned else rows
    columns = [name for name, value in rows[0].items() if isinstance(value, float)]
    pick = parsed(options.pick, [*dict.fromkeys([*columns, *MEASURABLE])])
    known = pick.columns <= set(columns)
    dense_error = folder.read_json("summary.json")["dense"]["search_error"]
    row = choose(pick, offered, dense_error) if known else None  # to complain before the work
    problem = _problem(folder, config, options.threads)
    masks = _masks(folder, problem)
    if row is None:
        row = choose(pick, sized(offered, masks, problem), dense_error)
    out = out or folder.path / "exports" / _name(row["id"], options)
    shape = problem.data.train.images.shape
    network = {
        "name": config.model,
        "classes": len(problem.data.classes),
        "channels": int(shape[1]),
        "image_size": int(shape[-1]),
    }
    try:
        content = export_pick(
            problem,
            folder,
            row,
            masks[[each["id"] for each in rows].index(row["id"])],
            out,
            to=options.to,
            shrink=options.shrink,
            round_to=options.round_to,
            tuned=options.tuned,
            network=network,
            timing={"batch": options.batch, "runs": options.runs},
        )
    except certificate.ExportError as failed:
        print(f"evoprune: {failed}", file=sys.stderr)
        return 1
    print(_told(content, folder, pick.text))
    print(f"file: {out / content['file']}")
    return 0


def _checked(
    folder: RunDir, options: argparse.Namespace
) -> tuple[Settings, list[dict[str, Any]], Path | None]:
    """Return settings, front and target, if all that can be known before the work is right."""
    if not (folder.path / "summary.json").exists():
        raise InputError(
            f"run: {folder.path} has not ended; `evoprune resume {folder.path}` goes on with it"
        )
    checked(options.to)
    if options.round_to is not None and not options.shrink:
        raise InputError("round-to: expected with --shrink, which makes widths; write both")
    for name in ("round_to", "batch", "runs", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"{name.replace('_', '-')}: expected at least 1, got {value}")
    out = None if options.out is None else Path(options.out).expanduser().absolute()
    if out is not None and out.exists():
        raise InputError(f"out: {out} is there already; name another folder")
    kept = folder.read_json("config.json")
    config = method_of(kept.get("method", "")).settings.from_json(kept)
    rows = folder.read_table("front.csv")
    if not rows:
        raise InputError(f"run: the front of {folder.path} is empty")
    return config, rows, out


def _problem(folder: RunDir, config: Settings, threads: int | None) -> Problem:
    """Build the run's task again; of its seed come the images of a recalibration."""
    threads = config.threads if threads is None else threads
    if threads is not None:
        torch.set_num_threads(threads)
    trained = folder.path / "weights.pt"
    if config.weights is None and not trained.exists():
        raise InputError(f"run: {trained} is gone, the weights that the masks are of")
    return prepare(config, Streams(config.seed), trained=trained)


def _masks(folder: RunDir, problem: Problem) -> list[Bits]:
    """Return the masks of the front, in the order of its rows."""
    arrays, size = folder.read_arrays("masks.npz"), problem.space.size
    if int(arrays["weights"]) != size:
        raise InputError(
            f"run: the masks of {folder.path} have {int(arrays['weights']):,} genes, the network "
            f"of its config.json {size:,}; one of your own is exported by evoprune.network.export"
        )
    return [np.unpackbits(packed, count=size).astype(bool) for packed in arrays["packed"]]


def sized(
    rows: Sequence[dict[str, Any]], masks: Sequence[Bits], problem: Problem
) -> list[dict[str, Any]]:
    """Return the rows with the shares of MACs and parameters that each mask leaves."""
    space, shape = problem.space, problem.data.train.images.shape
    uses = macs_per_weight(space.model, tuple(shape[1:]), space.carriers)
    return [
        {"macs": space.macs(mask, uses), "params": space.params(mask), **row}
        for row, mask in zip(rows, masks, strict=True)
    ]


def _name(number: float, options: argparse.Namespace) -> str:
    """Return the folder of an export that was given none: 7-onnx-shrunk-8."""
    parts = [f"{number:.0f}", options.to]
    parts += ["shrunk"] if options.shrink else []
    parts += [str(options.round_to)] if options.round_to else []
    return "-".join([*parts, *([] if options.tuned else ["untuned"])])


def _told(content: dict[str, Any], folder: RunDir, pick: str) -> str:
    """Return the certificate in lines."""
    head = f"network {content['id']} of {folder.path} ({pick}): "
    head += f"{content['density']:.1%} of the {content['genes']}, weights {content['weights']}"
    if "recalibrated" in content:
        head += f", BatchNorm recalibrated on {content['recalibrated']['images']} images"
    if "rounded_to" in content:
        head += (
            f", widths rounded up to multiples of {content['rounded_to']}: {content['put_back']} "
            "channels put back, so that this is another network than the run's"
        )
    error = content["error"]
    line = f"error of the file: search {error['search']:.4f}, test {error['test']:.4f}"
    if error["test_in_run"] is not None:
        line += f" (in the run {error['test_in_run']:.4f})"
    return f"{head}\n{certificate.told(content)}\n{line}"
