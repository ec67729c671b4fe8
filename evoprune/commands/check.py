"""evoprune check FILE.py     look for what is wrong with operators of one's own."""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from evoprune.commands.options import add_options, genome_of
from evoprune.errors import InputError
from evoprune.running import plugins
from operators.contract import Finding, check, report
from operators.tries import PREFIXES, asked_by, slot_of

Operators = dict[str, Callable[..., Any]]


def add(commands: Any) -> None:
    """Declare the command to the parser of all commands."""
    text = "look for what is wrong with operators of your own"
    command = commands.add_parser("check", help=text, description=f"{text.capitalize()}.")
    command.add_argument(
        "operators",
        metavar="FILE.py[:NAME]",
        help="a file, one function in it, or a known operator",
    )
    add_options(command)
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> int:
    """Check, print what was found, and return 1 if anything is wrong, else 0."""
    found = _operators(options.operators)
    settings = plugins.settings(options.arg)
    shares = _shared_out(settings, found)
    wrong = 0
    for name, operator in found.items():
        try:
            slot = options.slot or slot_of(name)
            genome = options.genome or genome_of(operator)
            findings = check(operator, genome=genome, slot=slot, **shares[name])
        except (TypeError, ValueError) as refused:  # a setting of a name that check itself has
            raise InputError(str(refused)) from None
        print(f"{name}, to {slot}: {_count(findings)}\n{report(findings)}\n")
        wrong += any(finding.status == "wrong" for finding in findings)
    return 1 if wrong else 0


def _operators(reference: str) -> Operators:
    """Return what is to be checked: one function, or all in a file whose names say their slot."""
    if not reference.endswith(".py"):
        return {plugins.split(reference)[1]: plugins.load(plugins.absolute(reference))}
    found = _own(plugins.module_at(Path(reference).expanduser().absolute()))
    if not found:
        raise InputError(
            f"operators: expected functions whose names begin with {', '.join(PREFIXES)}, "
            f"{reference} has none; name one, {reference}:NAME"
        )
    return found


def _own(module: ModuleType) -> Operators:
    """Return the functions that a file defines itself, in its order, if their names say a slot."""
    return {
        name: function
        for name, function in vars(module).items()
        if inspect.isfunction(function)
        and function.__module__ == module.__name__
        and name.startswith(tuple(PREFIXES))
    }


def _shared_out(settings: Mapping[str, Any], found: Operators) -> dict[str, dict[str, Any]]:
    """Give to one operator all settings, of several to each those that it takes."""
    if len(found) == 1:
        return {name: dict(settings) for name in found}
    shares = {
        name: {key: settings[key] for key in settings if key in asked_by(operator)}
        for name, operator in found.items()
    }
    for key in settings:
        if not any(key in share for share in shares.values()):
            raise InputError(f"arg: expected a setting of {', '.join(found)}, got {key!r}")
    return shares


def _count(findings: list[Finding]) -> str:
    """Say in a few words how it stands."""
    wrong, mind = (sum(one.status == status for one in findings) for status in ("wrong", "mind"))
    if not wrong:
        return "nothing is wrong" + (f", {mind} to mind" if mind else "")
    return f"{wrong} wrong" + (f", {mind} to mind" if mind else "")
