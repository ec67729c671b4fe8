"""evoprune xray OPERATOR     see what an operator does, without a network."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from evoprune.commands.options import add_options, genome_of
from evoprune.errors import InputError, said
from evoprune.running import plugins
from evoprune.studies.xray import xray_figure, xray_table
from operators.tries import slot_of
from operators.xray import Choices, XRay, xray


def add(commands: Any) -> None:
    """Declare the command to the parser of all commands."""
    text = "draw what an operator does, without a network"
    command = commands.add_parser("xray", help=text, description=f"{text.capitalize()}.")
    command.add_argument("operator", help="such as cxLayers, or my_file.py:mutMine")
    command.add_argument("--runs", type=int, default=10_000, help="(default: %(default)s)")
    command.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    command.add_argument("--out", metavar="FILE.png", help="the picture (default: OPERATOR.png)")
    add_options(command)
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> int:
    """Run the operator, print the numbers, write the picture, and return 0."""
    asked = None if options.out is None else _checked(options.out)
    seen = _seen(options)
    print(xray_table(seen))
    out = asked or Path(f"{seen.name}.png")
    try:
        xray_figure(seen).savefig(out)
    except (OSError, ValueError) as cause:
        raise InputError(f"out: cannot write to {out}: {said(cause)}") from None
    print(f"the picture is {out}")
    return 0


def _checked(out: str) -> Path:
    """Return where the picture goes, before seconds are spent on what it shows."""
    path = Path(out).expanduser()
    if not path.suffix or path.is_dir():
        name = path.name or "picture"
        raise InputError(f"out: expected the name of a picture, got {out}; write {name}.png")
    if not path.absolute().parent.is_dir():
        raise InputError(f"out: expected a folder, found none at {path.parent}; make it first")
    return path


def _seen(options: argparse.Namespace) -> XRay | Choices:
    reference = plugins.absolute(options.operator)
    operator, settings = plugins.load(reference), plugins.settings(options.arg)
    path, name = plugins.split(reference)
    try:
        return xray(
            operator,
            genome=options.genome or genome_of(operator),
            slot=options.slot or slot_of(name),
            runs=options.runs,
            seed=options.seed,
            **settings,
        )
    except Exception as cause:  # of the user's operator, whatever it is
        if path is not None and (place := plugins.where(cause, path)) != str(path):
            raise InputError(f"operator: {place}: {said(cause)}") from cause
        raise InputError(str(cause) if isinstance(cause, ValueError) else said(cause)) from cause
