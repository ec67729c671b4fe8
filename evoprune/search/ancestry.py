"""Questions asked of a run's births: whose child is this, and what did each operator bring?

A list of `Birth`s is what `search.lineage` writes down, and `births_of` reads from lineage.csv.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from statistics import median
from typing import Any, NamedTuple

from evoprune.search.early import content

FIRST = "init"  # what the first population counts as made by


class Birth(NamedTuple):
    """One child: where it came from and what became of it.

    Attributes:
        generation: the number it was judged in, of its phase.
        phase: of the run.
        child: its name, 12 hex digits of a digest after an "x" (so that none reads as a number).
        parents: their names, the nearest first; empty in a first population. A crossover that gave
            back one of its two parents leaves that one alone.
        crossover: the operator's name; empty if none changed the child.
        mutation: the operator's name; the phase's where neither is known.
        changed: genes unlike those of the nearest parent.
        survived: whether it was in the population at the end of its generation; in the microbial
            GA every child that was judged is.
        copy: whether the same genome had been judged before; it then earns nothing.
        passes: image passes spent on making it, and its share of what judging its generation cost.
        hypervolume: what it added to that of all judged before it.
        objectives: empty if it was given up.
    """

    generation: int
    phase: str
    child: str
    parents: tuple[str, ...]
    crossover: str
    mutation: str
    changed: int
    survived: bool
    copy: bool
    passes: int
    hypervolume: float
    objectives: tuple[float, ...]


def genome_name(genome: Any) -> str:
    """Return the name that a lineage calls a genome by.

    >>> from operators.genomes import BitString
    >>> genome_name(BitString([1, 0])), genome_name(BitString([1, 0, 0]))
    ('xf478a1b84626', 'x0c2b878059d1')
    """
    return "x" + blake2b(content(genome), digest_size=6).hexdigest()


def births_of(rows: Iterable[Mapping[str, Any]]) -> list[Birth]:
    """Return the births of a table's rows, the inverse of `Lineage.rows`.

    Args:
        rows: as `RunDir.read_table("lineage.csv")` gives them; the columns that are no field of a
            `Birth` are objectives.
    """
    births = []
    for row in rows:
        values = [row[key] for key in row if key not in Birth._fields]
        births.append(
            Birth(
                generation=int(row["generation"]),
                phase=row["phase"],
                child=row["child"],
                parents=tuple(row["parents"].split()),
                crossover=row["crossover"],
                mutation=row["mutation"],
                changed=int(row["changed"]),
                survived=bool(row["survived"]),
                copy=bool(row["copy"]),
                passes=int(row["passes"]),
                hypervolume=float(row["hypervolume"]),
                objectives=tuple(float(value) for value in values if value != ""),
            )
        )
    return births


def first_births(births: Iterable[Birth]) -> dict[str, Birth]:
    """Return by name the birth that first brought a genome to a fitness, in order."""
    first: dict[str, Birth] = {}
    for birth in births:
        if birth.objectives:
            first.setdefault(birth.child, birth)
    return first


def ancestors(births: Iterable[Birth], child: str) -> dict[str, Birth]:
    """Return an individual and all that it descends from, as a graph: a birth names its parents.

    Args:
        births: of a run, in order.
        child: the individual's name.

    Returns:
        The first birth of each by its name, in order of birth; the individual itself comes last.
        Empty if it is not among the births.

    >>> a, b, c, d = (Birth(0, "", x, (), "", "", 0, 1, 0, 0, 0.0, (1.0,)) for x in "abcd")
    >>> list(ancestors([a, b, c._replace(parents=("a",)), d._replace(parents=("c", "a"))], "d"))
    ['a', 'c', 'd']
    """
    first = first_births(births)
    found, asked = set(), [child]
    while asked:
        name = asked.pop()
        if name in first and name not in found:
            found.add(name)
            asked.extend(first[name].parents)
    return {name: birth for name, birth in first.items() if name in found}


def main_line(family: Mapping[str, Birth], child: str) -> list[Birth]:
    """Return the line of nearest parents that ends in an individual, the oldest first.

    Args:
        family: what `ancestors` returned.
        child: the individual's name.
    """
    line: list[Birth] = []
    while child in family:
        line.append(family[child])
        child = next(iter(line[-1].parents), "")
    return line[::-1]


def ledger(births: Iterable[Birth]) -> list[dict[str, Any]]:
    """Return what each operator brought, a row an operator of a phase.

    A child counts once among the mutations and, where its phase crosses at all, once among the
    crossovers, of which one is that none changed it: the rows of either sum to those children. A
    first population is neither.

    Returns:
        Rows of phase, slot ("init", "crossover" or "mutation"), operator ("" for no crossover),
        children, copies (of a genome that had been judged before), survivors (no copies),
        success_rate (survivors per child), changed (median of genes unlike the nearest parent's),
        hypervolume (added to that of all judged before), passes, and hypervolume per million
        passes (None where none were spent); by phase and slot, most hypervolume per pass first.
    """
    parts: dict[tuple[str, str, str], list[Birth]] = {}
    made = list(births)
    crossing = {birth.phase for birth in made if birth.crossover}
    for birth in made:
        slots = {"mutation": birth.mutation}
        if birth.phase in crossing:
            slots["crossover"] = birth.crossover
        if birth.mutation == FIRST and not birth.parents:
            slots = {"init": FIRST}
        for slot, operator in slots.items():
            parts.setdefault((birth.phase, slot, operator), []).append(birth)
    rows = [
        {"phase": phase, "slot": slot, "operator": operator, **_entry(children)}
        for (phase, slot, operator), children in parts.items()
    ]
    phases, order = [birth.phase for birth in made], ("init", "crossover", "mutation")
    return sorted(
        rows,
        key=lambda row: (
            phases.index(row["phase"]),
            order.index(row["slot"]),
            -(row["hypervolume_per_million"] or 0.0),
        ),
    )


def _entry(made: Sequence[Birth]) -> dict[str, Any]:
    survivors = sum(birth.survived and not birth.copy for birth in made)
    volume, passes = sum(birth.hypervolume for birth in made), sum(birth.passes for birth in made)
    return {
        "children": len(made),
        "copies": sum(birth.copy for birth in made),
        "survivors": survivors,
        "success_rate": survivors / len(made),
        "changed": median(birth.changed for birth in made),
        "hypervolume": volume,
        "passes": passes,
        "hypervolume_per_million": volume / passes * 1e6 if passes else None,
    }
