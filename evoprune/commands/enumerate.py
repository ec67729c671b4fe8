"""`evoprune enumerate NAME --out FILE`: evaluate every mask of a small network again."""

from __future__ import annotations

import argparse
import io
import os
from pathlib import Path
from typing import Any

import numpy as np

from evoprune.enumerated.network import EnumeratedNetwork
from evoprune.enumerated.tables import NAMES, SPLITS, from_arrays, load
from evoprune.errors import InputError, unknown


def add(commands: Any) -> None:
    """Declare the command."""
    text = "evaluate every mask of a small network, and write the table"
    command = commands.add_parser("enumerate", help=text, description=f"{text.capitalize()}.")
    command.add_argument("name", help=f"one of: {', '.join(NAMES)}")
    command.add_argument("--out", required=True, metavar="FILE", help="the table, an .npz file")
    command.add_argument(
        "--shipped-weights",
        action="store_true",
        help="evaluate the package's trained weights instead of training anew",
    )
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> int:
    """Make the table, write it, and say how it compares with the package's."""
    if options.name not in NAMES:
        raise unknown("enumerated network", options.name, NAMES)
    path = checked(options.out)
    from evoprune.studies.enumerate import tables  # takes torch along, and seconds to import

    shipped = load(options.name)
    arrays = tables(options.name, weights=shipped.weights if options.shipped_weights else None)
    write(path, arrays)
    print(said(from_arrays(options.name, arrays), shipped))
    print(f"table: {path}, {path.stat().st_size / 1000:,.0f} kB")
    return 0


def checked(out: str) -> Path:
    """Return the path of a file that can be written and is not there.

    Raises:
        InputError: if it is there, has another ending or no folder.
    """
    path = Path(out).expanduser().absolute()
    if path.suffix != ".npz":
        raise InputError(f"out: expected a name that ends in .npz, got {out}; write {out}.npz")
    if path.exists():
        raise InputError(f"out: {path} is there already; name another file")
    if not path.parent.is_dir():
        raise InputError(f"out: expected a folder, found none at {path.parent}; make it first")
    return path


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write the arrays beside the path and rename: the file is whole or not there."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)  # type: ignore[arg-type]
    beside = path.with_name(f"{path.name}.part")
    try:
        beside.write_bytes(content.getvalue())
        os.replace(beside, path)
    except OSError as cause:
        raise InputError(f"out: cannot write to {path}: {cause.strerror}") from None


def said(made: EnumeratedNetwork, shipped: EnumeratedNetwork) -> str:
    """Return in words how many counts of a new table differ from the package's."""
    if any(not np.array_equal(made.weights[key], w) for key, w in shipped.weights.items()):
        return "trained to other weights than the package's: its table is of another network"
    unlike = sum(int((made.wrong[s] != shipped.wrong[s]).sum()) for s in SPLITS)
    return f"the package's weights; {unlike} of {2 * len(made.cost):,} counts differ from its table"
