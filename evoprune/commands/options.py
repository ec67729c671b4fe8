"""What the commands that look at one operator ask alike."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from operators.catalogue import CATALOGUE
from operators.supply import GIVEN
from operators.xray import Genome


def add_options(command: argparse.ArgumentParser) -> None:
    """Declare the operator's settings, and on what genome and in which slot it is tried."""
    command.add_argument(
        "--arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting, such as rate=0.1",
    )
    command.add_argument(
        "--genome",
        choices=("mask", "thresholds"),
        help="(default: mask; of a known operator what it is for)",
    )
    command.add_argument(
        "--slot", choices=tuple(GIVEN), help="where the name's prefix does not say"
    )


def genome_of(operator: Callable[..., Any]) -> Genome:
    """Return what an operator of the library is for; of all others, and where both do, a mask."""
    entries = [entry for entry in CATALOGUE.values() if entry.operator is operator]
    return "thresholds" if entries and entries[0].genome == "thresholds" else "mask"
