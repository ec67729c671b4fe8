"""`evoprune export RUN`: write a network of the front to a file, with a certificate beside it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from evoprune.commands.ended import opened, task_of
from evoprune.commands.run import method_of
from evoprune.errors import InputError
from evoprune.network import certificate
from evoprune.network.export import FORMATS, checked
from evoprune.running.config import Settings
from evoprune.running.rundir import RunDir
from evoprune.studies.picks import after_tuning, choose, parsed

MEASURABLE = ("macs", "params")  # of a network, where front.csv has no such column


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
    method, problem = method_of(config.method), task_of(folder, config, options.threads)
    if row is None:
        row = choose(pick, method.sized(offered, problem, folder), dense_error)
    out = out or folder.path / "exports" / _name(row["id"], options)
    try:
        content = method.export(
            problem,
            config,
            folder,
            row,
            out,
            to=options.to,
            shrink=options.shrink,
            round_to=options.round_to,
            tuned=options.tuned,
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
    config, rows = opened(folder)
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
    return config, rows, out


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
    lines = [head, certificate.told(content)]
    for key, name in (("error", "error"), ("misranked", "1-AUROC")):
        if key in content:
            value = content[key]
            line = f"{name} of the file: search {value['search']:.4f}, test {value['test']:.4f}"
            known = value["test_in_run"]
            lines.append(line if known is None else f"{line} (in the run {known:.4f})")
    return "\n".join(lines)
