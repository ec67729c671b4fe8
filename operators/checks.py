"""What `contract.check` looks for in the individuals that come out, one small function each.

The name of a check is what an operator has to do. It looks at all the tries of an operator and
returns nothing where all is well, NOT_ASKED where it does not apply, else a status and what is
wrong, in words that say how to repair it. "mind" marks a habit that may be meant so.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np

from operators.genomes import BitString
from operators.individuals import individual_type
from operators.tries import CORRIDOR, Try, asked_by, born, genes_of, moves

Status = Literal["ok", "wrong", "mind", "not asked"]
Said = tuple[Status, str] | None
NOT_ASKED: Said = ("not asked", "")


@dataclass(frozen=True)
class Seen:
    """Hold all the tries of an operator; `again` holds the same ones, made a second time."""

    operator: partial[Any]
    slot: str
    tries: list[Try]
    again: list[Try]


def _what(thing: Any) -> str:
    return "nothing" if thing is None else f"a {type(thing).__name__}"


def returns_a_tuple(seen: Seen) -> Said:
    """Look for anything but a tuple of as many individuals as were given."""
    line = "return (individual,)" if seen.slot == "mutate" else "return first, second"
    for tried in seen.tries:
        back = tried.returned
        if not isinstance(back, tuple) or len(back) != len(tried.given):
            what = _what(back) + (f" of {len(back)}" if isinstance(back, tuple) else "")
            return "wrong", f"returns {what}, {tried.case.words}; write `{line}`"
    return None


def changes_in_place(seen: Seen) -> Said:
    """Look for copies: a loop goes on with the very objects that it gave, in their order."""
    for tried in seen.tries:
        if any(a is not b for a, b in zip(tried.children(), tried.given, strict=True)):
            return "wrong", (
                f"returns others than the very objects that it was given, {tried.case.words}; "
                "write into these, `individual[:] = genes`, and return them"
            )
    return None


def keeps_the_length(seen: Seen) -> Said:
    """Look for genomes that grew or shrank."""
    for tried in seen.tries:
        for child in tried.children():
            n, genes = tried.case.space.genes, genes_of(child)
            if genes is not None and genes.size != n:
                return "wrong", f"leaves {genes.size} genes, {tried.case.words}; keep all {n}"
    return None


def leaves_valid_genes(seen: Seen) -> Said:
    """Look for genes that are no bits, or NaN, or out of bounds, and for bits past the end."""
    for tried in seen.tries:
        if any(isinstance(one, BitString) and not _sound(one) for one in tried.children()):
            return "wrong", (
                "leaves in `packed` something else than bytes of uint8 with 0 past the last gene, "
                f"{tried.case.words}; write `individual[:] = genes`"
            )
    for tried, _, genes in born(seen.tries):
        if np.isnan(genes).any():
            return "wrong", f"leaves NaN, {tried.case.words}; look for a 0 / 0"
        if tried.case.kind == "mask" and not np.isin(genes, (0, 1)).all():
            return "wrong", f"leaves genes other than 0 and 1, {tried.case.words}; write x != 0"
        if ((genes < 0) | (genes > 1)).any():
            return "wrong", (
                f"leaves genes outside of the bounds 0 and 1, {tried.case.words}; ask for `low` "
                "and `high` and end with clampBounds(individual, low, high)"
            )
    return None


def _sound(mask: BitString) -> bool:
    """Tell whether a mask has the bytes that its length asks for."""
    try:
        clean = BitString.from_packed(mask.packed, len(mask)).packed
    except (TypeError, ValueError):
        return False
    return mask.packed.dtype == np.uint8 and np.array_equal(clean, mask.packed)


def leaves_the_fitness(seen: Seen) -> Said:
    """Look for a fitness set or deleted: the loop alone knows when it holds."""
    for tried in seen.tries:
        if any(_judged(a) != _judged(b) for a, b in zip(tried.before, tried.given, strict=True)):
            return "wrong", (
                f"changes the fitness or its violation, {tried.case.words}; leave both alone: the "
                "loop deletes them"
            )
    return None


def _judged(individual: Any) -> tuple[Any, Any]:
    """Return what is known of an individual, also of one whose fitness is gone."""
    fitness = getattr(individual, "fitness", None)
    return getattr(fitness, "values", None), getattr(fitness, "violation", None)


def stays_in_the_corridor(seen: Seen) -> Said:
    """Look for genes set outside the support, and for those of the core cleared."""
    if seen.tries[0].case.kind != "mask" or asked_by(seen.operator).isdisjoint(CORRIDOR):
        return NOT_ASKED
    for tried, _, genes in born(seen.tries):
        space = tried.case.space
        what = "sets genes outside the support" if genes[~space.support].any() else ""
        what = what or ("clears genes of the core" if not genes[space.core].all() else "")
        if what:
            return "wrong", (
                f"{what}, {tried.case.words}; end with corridor(individual, support, core)"
            )
    return None


def changes_something(seen: Seen) -> Said:
    """Look for operators that never do anything."""
    if all(np.array_equal(before, after) for _, before, after in moves(seen.tries)):
        return "mind", "changed nothing in any try; give it a higher rate to see it work"
    return None


def sets_and_clears(seen: Seen) -> Said:
    """Look for mutations that can go only one way: the density drifts with every generation."""
    if seen.tries[0].case.kind != "mask":
        return NOT_ASKED
    steps = [after - before for _, before, after in moves(seen.tries)]
    sets, clears = (any((sign * move > 0).any() for move in steps) for sign in (1, -1))
    if sets == clears:
        return None
    only, never = ("set", "clear") if sets else ("clear", "set")
    return "mind", f"can only {only} bits; let another operator {never} some, or the density drifts"


def keeps_all_genes(seen: Seen) -> Said:
    """Look for loci at which two unlike parents' bits are not their children's bits."""
    if seen.tries[0].case.kind != "mask":
        return NOT_ASKED
    for tried, before, after in moves(seen.tries):
        unlike = not np.array_equal(*before)
        if unlike and not np.array_equal(before.sum(axis=0), after.sum(axis=0)):
            return "mind", (
                "at some locus the children do not hold what the parents held, "
                f"{tried.case.words}; well if it is meant to make new genes"
            )
    return None


def leaves_equal_parents_equal(seen: Seen) -> Said:
    """Look for children that differ though their parents did not."""
    for tried, before, after in moves(seen.tries):
        if np.array_equal(*before) and not np.array_equal(*after):
            return "mind", (
                f"equal parents have unequal children, {tried.case.words}: it mutates as well"
            )
    return None


def keeps_children_apart(seen: Seen) -> Said:
    """Look for two children that share one array: whoever changes one changes both."""
    for tried in seen.tries:
        arrays: list[Any] = [
            getattr(one, "packed", getattr(one, "array", None)) for one in tried.given
        ]
        if all(isinstance(one, np.ndarray) for one in arrays) and np.shares_memory(
            arrays[0], arrays[1]
        ):
            return "wrong", f"lets both children share one array, {tried.case.words}; write a copy"
    return None


def makes_what_the_container_makes(seen: Seen) -> Said:
    """Look for initialisers that return an array, or a list, or an individual made before."""
    for tried in seen.tries:
        if not isinstance(tried.returned, individual_type(tried.case.kind, 2)):
            return "wrong", (
                f"returns {_what(tried.returned)}, {tried.case.words}; write `return "
                "container(genes)`"
            )
    made = {id(tried.returned) for tried in (*seen.tries, *seen.again)}
    if len(made) < len(seen.tries) + len(seen.again):
        return "wrong", "returns one and the same individual again; write `return container(genes)`"
    return None


def leaves_the_fitness_unset(seen: Seen) -> Said:
    """Look for individuals that are born with a fitness: nothing would evaluate them."""
    for tried in seen.tries:
        if getattr(getattr(tried.returned, "fitness", None), "valid", False):
            return "wrong", f"sets a fitness, {tried.case.words}; leave it as it is made"
    return None


def reaches_the_density(seen: Seen) -> Said:
    """Look for initialisers that ask for a density and make another one, or always the same."""
    mask = seen.tries[0].case.kind == "mask"
    if not mask or "density" not in asked_by(seen.operator) or "density" in seen.operator.keywords:
        return NOT_ASKED
    longest = max(tried.case.space.genes for tried in seen.tries)
    made: dict[float, list[float]] = {}
    for tried, _, genes in born(seen.tries):
        if genes.size == longest:
            made.setdefault(tried.case.wanted, []).append(float(genes.mean()))
    wanted, got = np.array(list(made)), np.array([np.mean(several) for several in made.values()])
    if (np.abs(got - wanted) <= 0.1 + 1 / np.sqrt(longest)).all():  # chance moves a short genome
        return None
    ignored = np.ptp(got) < np.ptp(wanted) / 3
    return "wrong" if ignored else "mind", (
        f"asked for densities {_shares(wanted)}, makes {_shares(got)}; set that share of the genes"
    )


def _shares(values: Any) -> str:
    return ", ".join(f"{value:.2f}" for value in values)


def returns_as_many_as_wanted(seen: Seen) -> Said:
    """Look for selections that are too long or too short."""
    for tried in seen.tries:
        k, chosen = int(tried.case.wanted), tried.returned
        if not hasattr(chosen, "__len__") or len(chosen) != k:
            what = f"{len(chosen)}" if hasattr(chosen, "__len__") else _what(chosen)
            return "wrong", f"returns {what} {tried.case.words}; return a list of k individuals"
    return None


def returns_the_very_individuals(seen: Seen) -> Said:
    """Look for copies among the chosen: survivors keep their fitness and their memory."""
    for tried in seen.tries:
        known = {id(one) for one in tried.given}
        chosen = tried.returned if hasattr(tried.returned, "__len__") else ()
        if any(id(one) not in known for one in chosen):
            return "wrong", f"returns others than the given individuals, {tried.case.words}"
    return None


def leaves_the_individuals(seen: Seen) -> Said:
    """Look for selections that change genes or fitness."""
    for tried in seen.tries:
        for old, new in zip(tried.before, tried.given, strict=True):
            if old != new or _judged(old) != _judged(new):
                return "wrong", f"changes genes or fitness, {tried.case.words}; only choose"
    return None
