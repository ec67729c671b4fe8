"""The command: parse, call, print.

evoprune run METHOD           search, and fill a run folder
evoprune resume RUN           go on with a run that was stopped
evoprune show RUN             print a run's table again
evoprune check FILE.py        see whether operators keep to what an operator must keep to
evoprune xray OPERATOR        draw what an operator does, without any fitness
evoprune lineage RUN          tell how a solution came to be
evoprune export RUN           write a network of the front to a file
evoprune explain RUN          draw what the neurons look at that a transfer keeps
evoprune enumerate NAME       judge every mask of a small network
evoprune train --out FILE     train a network from scratch, for a search to come
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from evoprune.commands import check, explain, export, lineage, run, train, xray
from evoprune.commands import enumerate as enumeration
from evoprune.errors import InputError

COMMANDS = (run, check, xray, lineage, export, explain, enumeration, train)


class Parser(argparse.ArgumentParser):
    """A parser whose complaint is one line."""

    def error(self, message: str) -> None:  # type: ignore[override]
        """Raise what argparse would print with its usage."""
        raise InputError(f"{message} (see `{self.prog} --help`)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0, 1 after a failure, 2 on bad input."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if given[:1] == ["run"] and given[1:] and not given[1].startswith("-"):
            run.method_of(given[1])  # its own complaint offers the nearest name
        options = parser().parse_args(given)
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
    for module in COMMANDS:
        module.add(commands)
    return whole
