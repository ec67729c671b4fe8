"""`evoprune lineage RUN`: tell how a network of the front came to be, and who made it so."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from evoprune.errors import InputError
from evoprune.running.rundir import RunDir
from evoprune.search.ancestry import Birth, ancestors, births_of, ledger
from evoprune.studies.family import family_figure
from evoprune.studies.ledger import ledger_table
from evoprune.studies.lineage import knee, png, story, traced
from operators.genomes import BitString


def add(commands: Any) -> None:
    """Declare the command."""
    text = "tell how a solution came to be, and draw its family tree"
    command = commands.add_parser("lineage", help=text, description=f"{text.capitalize()}.")
    command.add_argument("run", help="the folder of a run that had --lineage")
    command.add_argument("--id", type=int, help="a row of front.csv (default: the front's knee)")
    command.add_argument(
        "--out", metavar="FILE.png", help="the picture (default: figures/lineage.png of the run)"
    )
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> int:
    """Print the story of a solution and what operators brought, and draw the family tree."""
    folder = RunDir(options.run, resume=True)
    births, objectives = read_births(folder)
    row = solution(folder, births, options.id)
    target, child = _checked(options.out), row["child"]
    picture = png(family_figure(births, child, objectives=objectives))
    if target is None:
        target = folder.write("figures/lineage.png", picture)
    else:
        _write(target, picture)
    print(
        f"network {row['id']:.0f} of the front, {child}: density {row['density']:.4f}, test error "
        f"{row['test_error']:.4f}, {len(ancestors(births, child)) - 1} ancestors\n"
    )
    print(story(births, child, objectives=objectives))
    print(f"\n{ledger_table(ledger(births))}\n")
    print(f"picture: {target}")
    return 0


def read_births(folder: RunDir) -> tuple[list[Birth], list[str]]:
    """Return the births of a run that has ended, and the names of its objectives.

    Raises:
        InputError: if the run has not ended, or kept no lineage.
    """
    folder.check_ended()
    if not (folder.path / "lineage.csv").exists():
        raise InputError(
            f"run: {folder.path} kept no lineage; run again with --lineage into another folder"
        )
    rows = folder.read_table("lineage.csv")
    columns = rows[0] if rows else ()
    return births_of(rows), [column for column in columns if column not in Birth._fields]


def solution(folder: RunDir, births: Sequence[Birth], wanted: int | None) -> Any:
    """Return a row of the front with the name of its network as `child`; the knee if None.

    Raises:
        InputError: if there is no such row, or it was not born in the run.
    """
    front, masks = folder.read_table("front.csv"), folder.read_arrays("masks.npz")
    length = int(masks["weights"])
    known = traced(front, (BitString.from_packed(row, length) for row in masks["packed"]), births)
    if not known:
        raise InputError(f"run: no network of the front of {folder.path} is in its lineage.csv")
    if wanted is None:
        return knee(known)
    for row in known:
        if row["id"] == wanted:
            return row
    ids = ", ".join(f"{row['id']:.0f}" for row in known)
    raise InputError(
        f"id: expected one of {ids}, the networks of the front that were born in this run, got "
        f"{wanted}"
    )


def _write(target: Path, picture: bytes) -> None:
    try:
        target.write_bytes(picture)
    except OSError as cause:
        raise InputError(f"out: cannot write to {target}: {cause.strerror}") from None


def _checked(path: str | None) -> Path | None:
    if path is None:
        return None
    target = Path(path).expanduser()
    if target.suffix != ".png" or not target.absolute().parent.is_dir():
        raise InputError(f"out: expected a .png file in a folder that is there, got {target}")
    return target
