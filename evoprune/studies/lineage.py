"""How a solution came to be, told line by line; what a run with a lineage leaves in its folder."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from evoprune.running.rundir import RunDir
from evoprune.search.ancestry import Birth, ancestors, first_births, genome_name, ledger, main_line
from evoprune.search.lineage import Lineage
from evoprune.studies.family import ALONE, family_figure, maker, names_of
from evoprune.studies.ledger import operators_figure
from operators.genomes import BitString

Row = Mapping[str, Any]


def keep_lineage(
    lineage: Lineage, front: Sequence[Row], masks: Iterable[np.ndarray], folder: RunDir
) -> None:
    """Write a run's births and ledger, and draw both, the tree for the knee of its front.

    Args:
        lineage: what watched the run.
        front: rows of front.csv.
        masks: of these rows, over all weights, bool, shape (weights,).
        folder: gets lineage.csv, operators.csv, figures/lineage.png and figures/operators.png.
    """
    births, rows = lineage.births, ledger(lineage.births)
    folder.write_table("lineage.csv", lineage.rows())
    folder.write_table("operators.csv", rows)
    applied = any(row["slot"] != "init" for row in rows)
    figures = {"operators": operators_figure(rows)} if applied else {}
    known = traced(front, map(BitString.from_numpy, masks), births)
    if known:
        name = knee(known)["child"]
        figures["lineage"] = family_figure(births, name, objectives=lineage.objectives)
    for file, figure in figures.items():
        folder.write(f"figures/{file}.png", png(figure))


def png(figure: Figure) -> bytes:
    """Return a picture as the content of a PNG file."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def traced(
    front: Iterable[Row], masks: Iterable[Any], births: Iterable[Birth]
) -> list[dict[str, Any]]:
    """Return the rows of a front that are among the births, with their name as `child`.

    The dense network is not: nobody made it.

    Args:
        front: rows of front.csv.
        masks: of these rows, genomes over all weights.
        births: of the run.
    """
    born = first_births(births)
    named = [{**row, "child": genome_name(mask)} for row, mask in zip(front, masks, strict=True)]
    return [row for row in named if row["child"] in born]


def story(births: Sequence[Birth], child: str, *, objectives: Sequence[str] = ()) -> str:
    """Return the main line of an individual, a line a step, the oldest first.

    Args:
        births: of a run, in order.
        child: the individual's name; it is among the births.
        objectives: their names.
    """
    family = ancestors(births, child)
    names = names_of(objectives, family[child])
    head = f"{'phase':<11} {'gen':>4}  {'made by':<44} {'changed':>9}"
    lines = [head + "".join(f" {name:>12}" for name in names) + "  name"]
    for birth in main_line(family, child):
        changed = f"{birth.changed:,}" if birth.parents else ""
        lines.append(
            f"{birth.phase:<11} {birth.generation:>4}  {made_by(birth):<44} {changed:>9}"
            + "".join(f" {value:12.4f}" for value in birth.objectives)
            + f"  {birth.child}"
        )
    return "\n".join(lines)


def made_by(birth: Birth) -> str:
    """Return in words which operators made a child.

    >>> made_by(Birth(1, "masks", "xa", ("xb", "xc"), "layers", "drift", 3, 1, 0, 0, 0.0, (0.5,)))
    'layers with xc, then drift'
    """
    if not birth.crossover:
        return maker(birth.mutation)
    other = " ".join(birth.parents[1:])
    crossed = f"{birth.crossover} with {other}" if other else birth.crossover
    return crossed if birth.mutation in ALONE else f"{crossed}, then {birth.mutation}"


def knee(rows: Sequence[Row], columns: Sequence[str] | None = None) -> Row:
    """Return the row where giving up a little of any column costs much of another.

    That is where the sum of the columns is least, each scaled to 0 to 1 over the rows: the point
    of the front furthest from the straight line between its ends.

    Args:
        rows: of a front, 1 or more.
        columns: what is minimised; None takes what the search minimised, of each method's front.

    Source: Das 1999, for two objectives.

    >>> knee([{"e": 1.0, "d": 0.0}, {"e": 0.2, "d": 0.3}, {"e": 0.0, "d": 1.0}], ["e", "d"])
    {'e': 0.2, 'd': 0.3}
    """
    columns = minimised(rows[0]) if columns is None else columns
    values = np.array([[row[column] for column in columns] for row in rows], float)
    spread = np.ptp(values, axis=0)
    scaled = (values - values.min(axis=0)) / np.where(spread > 0, spread, 1.0)
    return rows[int(np.argmin(scaled.sum(axis=1)))]


def minimised(row: Row) -> list[str]:
    """Return the columns of a front that say what the search minimised.

    >>> minimised({"density": 0.5, "search_error": 0.1, "search_misranked": 0.2, "test_error": 0.1})
    ['search_error', 'density', 'search_misranked']
    """
    value = "search_value" if "search_value" in row else "search_error"
    return [value, "density", *(name for name in ("search_misranked",) if name in row)]
