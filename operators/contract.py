"""What an operator must keep to, as a list of small checks: `print(report(check(mutMine)))`.

It is tried on individuals of many kinds (`tries.py`), and each check looks at all the tries. Those
checks that look at the individuals are in `checks.py`, those of how an operator goes about it here.
"""

from __future__ import annotations

import inspect
import textwrap
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any, Literal

from operators import checks
from operators.checks import NOT_ASKED, Said, Seen, Status
from operators.layout import Layout
from operators.supply import GIVEN, name_of, plain, settle
from operators.tries import Operator, asked_by, attempt, cases, slot_of

Check = Callable[[Seen], Said]


@dataclass(frozen=True)
class Finding:
    """Hold what one check found.

    Attributes:
        name: of the check: what an operator has to do.
        status: "ok", "wrong", "mind" (may be meant so) or "not asked" (does not apply).
        words: what it does, on what, and how to repair it; empty where all is well.
    """

    name: str
    status: Status
    words: str = ""


def check(
    mine: Operator,
    *,
    genome: Literal["mask", "thresholds"] | Layout = "mask",
    slot: str | None = None,
    **settings: Any,
) -> list[Finding]:
    """Try an operator on genomes of many kinds and say what it does that it must not do.

    It is called some hundred times on empty, sparse, dense and full genomes of 1, 24 and 1,000
    genes, twice with the same random numbers each. The global generators come back as they were.

    Args:
        mine: an operator; it gets what it asks for by name (see `operators.supply`).
        genome: "mask", "thresholds" (reals from 0 to 1), or a Layout: masks of its genes alone.
        slot: "init", "mate", "mutate" or "select"; None reads it off the prefix of the name.
        settings: of the operator, such as rate=0.1.

    Returns:
        A finding for each check, in a fixed order.

    Raises:
        ValueError: for an unknown genome, slot or setting.

    >>> def mutMine(individual): individual[0] = 1
    >>> [found.words for found in check(mutMine) if found.status == "wrong"]
    ['returns nothing, on an empty mask of 1 gene; write `return (individual,)`']
    """
    slot = slot_of(name_of(mine)) if slot is None else slot
    if slot not in GIVEN:
        raise ValueError(f"slot: expected one of {', '.join(GIVEN)}, got {slot!r}")
    if not isinstance(genome, Layout) and genome not in ("mask", "thresholds"):
        raise ValueError(f"genome: expected 'mask', 'thresholds' or a Layout, got {genome!r}")
    try:
        settle(mine, {}, given=GIVEN[slot])
    except ValueError as wrong:  # it does not take the individuals
        return _findings(slot, None, str(wrong))
    ready = settle(mine, settings, given=GIVEN[slot])
    plan = list(cases(ready, slot, genome))
    try:
        tries, again = ([attempt(ready, slot, case) for case in plan] for _ in range(2))
    except ValueError as wrong:  # it asks for what nobody offers
        return _findings(slot, None, str(wrong))
    return _findings(slot, Seen(ready, slot, tries, again))


def _findings(slot: str, seen: Seen | None, refused: str = "") -> list[Finding]:
    """Run the checks of a slot; those of what came out look only at the tries that ended."""
    findings = [Finding("asks for what is on offer", "wrong" if refused else "ok", refused)]
    ended = None
    if seen is not None:
        findings.append(_finding(runs_through, seen))
        whole = [not (a.error or b.error) for a, b in zip(seen.tries, seen.again, strict=True)]
        several = (list(compress(tries, whole)) for tries in (seen.tries, seen.again))
        ended = Seen(seen.operator, seen.slot, *several) if any(whole) else None
    return findings + [_finding(check, ended) for check in CHECKS[slot]]


def _finding(check: Check, seen: Seen | None) -> Finding:
    said = ("not asked", "it never ran through") if seen is None else check(seen)
    return Finding(check.__name__.replace("_", " "), *(said or ("ok",)))


def report(findings: Sequence[Finding]) -> str:
    """Return findings as text: what is wrong first, in capitals, and last the names of the rest.

    >>> wrong = Finding("returns a tuple", "wrong", "returns nothing; write `return (individual,)`")
    >>> print(report([Finding("runs through", "ok"), wrong, Finding("repeats itself", "ok")]))
    WRONG      returns a tuple: returns nothing; write `return (individual,)`
    ok         runs through, repeats itself
    """
    said = [
        (one.status.upper() if one.status == "wrong" else one.status, f"{one.name}: {one.words}")
        for status in ("wrong", "mind")
        for one in findings
        if one.status == status
    ]
    for status in ("ok", "not asked"):
        names = ", ".join(one.name for one in findings if one.status == status)
        said += [(status, names)] if names else []
    return "\n".join(
        textwrap.fill(f"{status:11}{text}", 98, subsequent_indent=" " * 11) for status, text in said
    )


def runs_through(seen: Seen) -> Said:
    """Look for exceptions. On a single gene one may be excused: there is nothing to cut."""
    failed = [tried for tried in (*seen.tries, *seen.again) if tried.error]
    for tried in sorted(failed, key=lambda tried: tried.case.space.genes == 1):
        said = (str(tried.error).strip() or "no message").splitlines()[0]
        small = tried.case.space.genes == 1 and len(failed) < len(seen.tries)
        return "mind" if small else "wrong", (
            f"raises {type(tried.error).__name__}: {said}, "
            f"{_place(seen.operator, tried.error)}{tried.case.words}"
        )
    return None


def _place(operator: Operator, error: Exception | None) -> str:
    """Return the line of the operator's own file that an exception came through."""
    frames = traceback.extract_tb(error.__traceback__ if error else None)
    code = getattr(_bare(operator), "__code__", None)
    own = [frame for frame in frames if code and frame.filename == code.co_filename]
    return f"at {own[-1].filename}:{own[-1].lineno}, " if own else ""


def _bare(operator: Operator) -> Operator:
    """Return the function inside of partials and decorators."""
    return inspect.unwrap(plain(operator))


def draws_from_its_rng_alone(seen: Seen) -> Said:
    """Look for draws from the generators that all code shares: no seed of a run owns them."""
    drew = {name for tried in seen.tries for name in tried.drew}
    module = getattr(_bare(seen.operator), "__module__", None) or ""
    if drew == {"Python"} and module.startswith("deap."):
        return "mind", "draws from Python's `random`, which a run seeds and saves"
    if drew:
        names = " and ".join(sorted(f"{name}'s" for name in drew))
        return "wrong", (
            f"draws from {names} global generator; ask for `rng` and write rng.random(n), "
            "rng.integers(n)"
        )
    return None


def repeats_itself(seen: Seen) -> Said:
    """Look for another result by the same random numbers: a new generator, the clock, a memory."""
    for first, second in zip(seen.tries, seen.again, strict=True):
        if first.content() != second.content():
            return "wrong", (
                f"gives two results by the same `rng`, {first.case.words}; make no generator of "
                "its own, keep nothing between calls"
            )
    return None


def listens_to_its_rng(seen: Seen) -> Said:
    """Look for an `rng` that is asked for and decides nothing."""
    if "rng" not in asked_by(seen.operator):
        return NOT_ASKED
    results: dict[tuple[str, int], set[Any]] = {}
    for tried in seen.tries:  # those that have drifted stand apart from those that have not
        key = tried.case.words, tried.case.seed % 2
        results.setdefault(key, set()).add(tried.content())
    if all(len(several) == 1 for several in results.values()):
        return "mind", "does the same whatever `rng` it gets, at these settings"
    return None


def leaves_what_is_lent(seen: Seen) -> Said:
    """Look for scores, layers, support, core or a population written to: others go on with them."""
    for tried in seen.tries:
        if tried.spoilt:
            name = tried.spoilt[0]
            return "wrong", (
                f"changes the {name} that it was lent, {tried.case.words}; write to a copy"
            )
    return None


CONDUCT = (draws_from_its_rng_alone, repeats_itself, listens_to_its_rng, leaves_what_is_lent)
IN_PLACE = (
    checks.returns_a_tuple,
    checks.changes_in_place,
    checks.keeps_the_length,
    checks.leaves_valid_genes,
    checks.leaves_the_fitness,
    checks.stays_in_the_corridor,
)
CHECKS: dict[str, tuple[Check, ...]] = {
    "mutate": (*IN_PLACE, *CONDUCT, checks.changes_something, checks.sets_and_clears),
    "mate": (
        *IN_PLACE,
        checks.keeps_children_apart,
        *CONDUCT,
        checks.changes_something,
        checks.keeps_all_genes,
        checks.leaves_equal_parents_equal,
    ),
    "init": (
        checks.makes_what_the_container_makes,
        checks.keeps_the_length,
        checks.leaves_valid_genes,
        checks.leaves_the_fitness_unset,
        checks.stays_in_the_corridor,
        checks.reaches_the_density,
        *CONDUCT,
    ),
    "select": (
        checks.returns_as_many_as_wanted,
        checks.returns_the_very_individuals,
        checks.leaves_the_individuals,
        *CONDUCT,
    ),
}
