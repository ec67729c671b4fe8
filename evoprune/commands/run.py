"""`evoprune run METHOD`, `resume RUN` and `show RUN`: search, go on, and look again."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

import torch

from evoprune.commands.methods import METHODS, Method
from evoprune.commands.settings import add_mask_settings, add_settings, settings_of
from evoprune.errors import CandidateError, InputError, OperatorError, unknown
from evoprune.methods.own import check_own, parts_of, try_own
from evoprune.running.checkpoint import pack_individuals
from evoprune.running.config import MaskSettings, Settings
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.search.lineage import Lineage
from evoprune.seeding import Streams


def add(commands: Any) -> None:
    """Declare the commands."""
    run = commands.add_parser("run", help="run a method and fill a run folder")
    methods = run.add_subparsers(required=True, metavar="METHOD", dest="method")
    for name, method in METHODS.items():
        one = methods.add_parser(name, help=method.summary)
        default = method.settings()
        add_settings(one, default)
        if isinstance(default, MaskSettings):
            add_mask_settings(one, default)
        method.add(one)
        one.set_defaults(call=_run)
    for name, call, text in (
        ("resume", _resume, "go on with a run that was stopped"),
        ("show", _show, "print a run's table again"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("run", help="the run's folder")
        command.set_defaults(call=call)
        if name == "resume":
            command.add_argument("--threads", type=int, help="threads of torch, if others")


def method_of(name: str) -> Method:
    """Return a method by name.

    Raises:
        InputError: if there is none of that name; the nearest is offered.
    """
    if name not in METHODS:
        raise unknown("method", name, METHODS)
    return METHODS[name]


def _run(options: argparse.Namespace) -> int:
    config = method_of(options.method).settings(**settings_of(options))
    return _drive(config, RunDir(config.out), resume=False)


def _resume(options: argparse.Namespace) -> int:
    folder = RunDir(options.run, resume=True)
    folder.check_writable("run")
    if (folder.path / "summary.json").exists():
        raise InputError(f"run: {folder.path} has ended; `evoprune show {folder.path}` prints it")
    kept = folder.read_json("config.json")
    config = method_of(kept.get("method", "")).settings.from_json(kept)
    for path, print_now in config.files().items():
        same = kept.get("files", {}).get(path, print_now) == print_now
        if not same and print_now != "missing":  # of which loading it will tell
            print(f"evoprune: {path} has changed since the run began", file=sys.stderr)
    if options.threads is not None:
        config = replace(config, threads=options.threads)
    return _drive(config, folder, resume=True)


def _show(options: argparse.Namespace) -> int:
    folder = RunDir(options.run, resume=True)
    folder.check_ended()
    summary = folder.read_json("summary.json")
    print(method_of(summary["method"]).table(summary))
    return 0


def _drive(config: Settings, folder: RunDir, *, resume: bool) -> int:
    """Build the task, search, report; nothing is written before the task stands."""
    method = method_of(config.method)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    parts = parts_of(config)  # to complain before the work, not after it
    method.check(config)
    streams = Streams(config.seed)
    check_own(parts.slots, streams, guided=config.guided)
    trained = folder.path / "weights.pt"
    weights = trained if resume and trained.exists() else None
    problem = method.prepare(config, streams, trained=weights)
    try_own(parts.slots, problem.space.layout())
    if not resume:
        if config.weights is None:
            folder.write_tensors("weights.pt", problem.model.state_dict())
        if isinstance(config, MaskSettings):
            config = replace(config, precision=problem.precision)  # "auto" is decided
        folder.write_json("config.json", config.to_json())  # last: it makes the folder a run
    watching = None
    if config.lineage:
        watching = Lineage(problem.passes.spent, objectives=config.objectives())
    run = Run(
        streams=streams,
        passes=problem.passes,
        directory=folder,
        resume=resume,
        lineage=watching,
    )
    try:
        outcome = method.run(problem, config, run, parts=parts)
        print(method.report(outcome, problem, config, run, folder))
    except (CandidateError, OperatorError) as failed:
        kept = f"the run is kept in {folder.path}"
        if failed.individual is not None:
            file = folder.write_arrays("failed.npz", pack_individuals([failed.individual]))
            kept = f"the individual is kept in {file}"
        print(f"evoprune: {failed}; {kept}", file=sys.stderr)
        return 1
    except InputError as stuck:  # of the settings one could not know it before the search
        print(f"evoprune: {stuck}; the run is kept in {folder.path}", file=sys.stderr)
        return 1
    (folder.path / "failed.npz").unlink(missing_ok=True)  # of an earlier start
    print(f"pictures: {folder.path / 'figures'}")
    return 0
