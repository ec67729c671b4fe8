"""The command: parse, call, print.

evoprune run hierarchical     search, and fill a run folder
evoprune resume RUN           go on with a run that was stopped
evoprune show RUN             print a run's table again
evoprune check FILE.py        see whether operators keep to what an operator must keep to
evoprune xray OPERATOR        draw what an operator does, without any fitness
evoprune lineage RUN          tell how a solution came to be
evoprune enumerate NAME       judge every mask of a small network
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from evoprune.commands import check, lineage, xray
from evoprune.commands import enumerate as enumeration
from evoprune.errors import CandidateError, InputError, OperatorError, unknown
from evoprune.methods.hierarchical import hierarchical
from evoprune.methods.own import check_own, parts_of, try_own
from evoprune.network.importance import SCORES
from evoprune.running import plugins
from evoprune.running.checkpoint import pack_individuals
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.running.run import Run
from evoprune.running.rundir import RunDir
from evoprune.search.lineage import Lineage
from evoprune.seeding import Streams
from evoprune.studies.report import borrowed_baselines, report, table

METHODS = {"hierarchical": hierarchical}
COMMANDS = (check, xray, lineage, enumeration)
OWN = {
    "mate": "crossover of phase 2",
    "mutate": "mutation of phase 2",
    "init": "what makes the first masks",
    "select": "what chooses the survivors of phase 2",
}


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raise what argparse would print with its usage."""
        raise InputError(f"{message} (see `{self.prog} --help`)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 after a failure, 2 on bad input."""
    try:
        options = parser().parse_args(arguments)
        return options.call(options)
    except InputError as wrong:
        print(f"evoprune: {wrong}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever was reading, such as `head`, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def parser() -> Parser:
    """Return the parser of all commands."""
    whole = Parser(prog="evoprune", description="Evolutionary pruning of PyTorch networks.")
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser("run", help="run a method and fill a run folder")
    run.add_argument("method", help=f"one of: {', '.join(METHODS)}")
    _add_settings(run)
    run.set_defaults(call=_run)
    for name, call, text in (
        ("resume", _resume, "go on with a run that was stopped"),
        ("show", _show, "print a run's table again"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("run", help="the run's folder")
        command.set_defaults(call=call)
        if name == "resume":
            command.add_argument("--threads", type=int, help="threads of torch, if others")
    for module in COMMANDS:
        module.add(commands)
    return whole


def _add_settings(run: argparse.ArgumentParser) -> None:
    default = Config()
    add = run.add_argument
    add("--model", default=default.model, help="network (default: %(default)s)")
    add("--weights", help="checkpoint; without one the network is trained first")
    add("--data", default=default.data, help="data set, or folder:PATH (default: %(default)s)")
    add("--data-root", help="folder of the data sets (default: EVOPRUNE_DATA)")
    add("--download", action="store_true", help="let torchvision fetch the data set")
    add("--algorithm", default=default.algorithm, help="of phase 2: nsga2 or moead")
    add("--population", type=int, default=default.population, help="(default: %(default)s)")
    add(
        "--generations",
        type=int,
        nargs="+",
        default=list(default.generations),
        help="one number for each phase, or one for both (default: 12 12)",
    )
    add("--passes", type=int, help="image passes from which on no generation begins")
    add("--search-images", type=int, help="images that judge a candidate (default: all)")
    add(
        "--recalibrate",
        type=float,
        nargs="?",
        const=1.0,
        default=0.0,
        metavar="STRENGTH",
        help="renew BatchNorm statistics for each candidate; strength 0 to 1",
    )
    add("--no-guidance", dest="guided", action="store_false", help="leave the drift out")
    add(
        "--no-adaptation",
        dest="adaptive",
        action="store_false",
        help="draw operators evenly and rates as they are",
    )
    add(
        "--descent",
        type=float,
        default=default.descent,
        help="with --passes: share of phase 2's that drifts the first masks (default: %(default)s)",
    )
    add(
        "--measure",
        default=default.measure,
        help="what is minimised beside the density: error, soft_error or FILE.py:NAME",
    )
    for slot, text in OWN.items():
        add(f"--{slot}", metavar="OPERATOR", help=f"{text}: a name, or FILE.py:NAME")
        add(
            f"--{slot}-arg",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a setting of it, such as rate=0.01; may be given again",
        )
    add(
        "--importance",
        default=default.importance,
        help=f"that scores weights in phase 2: {', '.join(SCORES)} or FILE.py:NAME",
    )
    add("--precision", default=default.precision, help="of the search: fp32, bf16 or auto")
    add(
        "--no-early",
        dest="early",
        action="store_false",
        help="judge every candidate to its last image, also where its fate is decided",
    )
    add("--memory", type=float, metavar="MB", help="that activations of a pass may take")
    add("--lineage", action="store_true", help="write down who made whom")
    add("--threads", type=int, help="threads of torch (default: torch's own)")
    add("--seed", type=int, default=default.seed, help="(default: %(default)s)")
    add("--device", default=default.device, help="(default: %(default)s)")
    add("--out", default=default.out, help="folder of the run (default: %(default)s)")
    add("--baselines-from", metavar="RUN", help="take the baselines that this run measured")
    add("--trust-pickle", action="store_true", help="load a checkpoint that needs unpickling")


def _run(options: argparse.Namespace) -> int:
    settings = {k: v for k, v in vars(options).items() if k != "call"}
    generations = tuple(settings.pop("generations"))
    generations = generations * 2 if len(generations) == 1 else generations
    settings["data_root"] = settings["data_root"] or os.environ.get("EVOPRUNE_DATA")
    # Absolute, because a run may be resumed from elsewhere.
    for name in ("weights", "data_root", "baselines_from", "out"):
        if settings[name]:
            settings[name] = _absolute(settings[name])
    if settings["data"].startswith("folder:"):
        settings["data"] = "folder:" + _absolute(settings["data"].removeprefix("folder:"))
    for slot in OWN:
        settings[f"{slot}_args"] = plugins.settings(settings.pop(f"{slot}_arg")) or None
    for name in (*OWN, "measure", "importance"):
        if settings[name]:
            settings[name] = plugins.absolute(settings[name])
    config = Config(generations=generations, **settings)
    return _drive(config, RunDir(config.out), resume=False)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute())


def _resume(options: argparse.Namespace) -> int:
    folder = RunDir(options.run, resume=True)
    folder.check_writable("run")
    if (folder.path / "summary.json").exists():
        raise InputError(f"run: {folder.path} has ended; `evoprune show {folder.path}` prints it")
    kept = folder.read_json("config.json")
    config = Config.from_json(kept)
    for path, print_now in config.files().items():
        same = kept.get("files", {}).get(path, print_now) == print_now
        if not same and print_now != "missing":  # of which loading it will tell
            print(f"evoprune: {path} has changed since the run began", file=sys.stderr)
    if options.threads is not None:
        config = replace(config, threads=options.threads)
    return _drive(config, folder, resume=True)


def _show(options: argparse.Namespace) -> int:
    folder = RunDir(options.run, resume=True)
    if not (folder.path / "summary.json").exists():
        raise InputError(
            f"run: {folder.path} has not ended; `evoprune resume {folder.path}` goes on with it"
        )
    print(table(folder.read_json("summary.json")))
    return 0


def _drive(config: Config, folder: RunDir, *, resume: bool) -> int:
    """Build the task, run both phases, report; nothing is written before the task stands."""
    if config.method not in METHODS:
        raise unknown("method", config.method, METHODS)
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    parts = parts_of(config)  # to complain before the work, not after it
    if config.baselines_from:
        borrowed_baselines(config)
    streams = Streams(config.seed)
    check_own(parts.slots, streams, guided=config.guided)
    trained = folder.path / "weights.pt"
    problem = prepare(config, streams, trained=trained if resume and trained.exists() else None)
    try_own(parts.slots, problem.space.layout())
    if not resume:
        if config.weights is None:
            buffer = io.BytesIO()
            torch.save(problem.space.model.state_dict(), buffer)
            folder.write("weights.pt", buffer.getvalue())
        config = replace(config, precision=problem.precision)  # "auto" is decided
        folder.write_json("config.json", config.to_json())  # last: it makes the folder a run
    watching = None
    if config.lineage:
        measure = config.measure.rpartition(":")[2]
        watching = Lineage(problem.passes.spent, objectives=(measure, "density"))
    run = Run(
        streams=streams,
        passes=problem.passes,
        directory=folder,
        resume=resume,
        lineage=watching,
    )
    try:
        outcome = METHODS[config.method](problem, config, run)
        print(report(outcome, problem, config, run, folder))
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
