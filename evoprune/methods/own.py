"""A user's own operators in the slots of a method: they get what they ask for, and are watched.

An operator is a plain function (see `operators.supply`). What fails in it, or what it must not hand
back, ends a run with one line and the individual it happened to; the run's state is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import signature
from math import isnan
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
from deap import base

from evoprune.errors import InputError, OperatorError, unknown
from evoprune.network.importance import OF_IMAGES, importance
from evoprune.running.config import Settings
from evoprune.running.plugins import chosen
from evoprune.running.problem import Problem
from evoprune.search.toolbox import check_fit
from evoprune.seeding import Streams
from operators.catalogue import CATALOGUE
from operators.individuals import individual_type
from operators.layout import Layout
from operators.supply import GIVEN, name_of, offers, plain, supply

Operator = Callable[..., Any]
OF_THE_CALL = None  # stands for a density until a call brings one
FOR_A_SCORE = ("weights", "space", "model", "batches", "passes")  # on offer to an importance


@dataclass(frozen=True)
class Parts:
    """What stands in the place of a method's own.

    Attributes:
        slots: operators by "init", "mate", "mutate" and "select".
        objective: a function of a `Candidate`, or None.
        importance: a name or a function, or None for |w|.
    """

    slots: dict[str, Operator]
    objective: Operator | None
    importance: str | Operator | None


def parts_of(config: Settings, own: Mapping[str, Any] | None = None) -> Parts:
    """Return what the settings name, and before it what is given from Python.

    Raises:
        InputError: if a part is unknown, cannot be loaded, has no such setting, is no function, or
            asks for what nobody offers; or if there is nothing that would ask it.
    """
    given = {name: part for name, part in (own or {}).items() if part is not None}
    for name, part in given.items():
        _check_part(name, part)
    found = {**chosen(config), **given}
    if "select" in found and getattr(config, "algorithm", "") == "moead":
        raise InputError(
            "select: expected none with moead, whose neighbourhoods decide who survives; leave it "
            "out or write --algorithm nsga2"
        )
    if callable(found.get("importance")):
        _served(found["importance"], dict.fromkeys(FOR_A_SCORE))
    slots = {slot: found[slot] for slot in GIVEN if slot in found}
    objective = found.get("objective")
    return Parts(slots, objective and watched_objective(objective), found.get("importance"))


def _check_part(name: str, part: Any) -> None:
    if name not in (*GIVEN, "objective", "importance"):
        raise unknown("part", name, (*GIVEN, "objective", "importance"))
    if not callable(part) and not (name == "importance" and isinstance(part, str)):
        raise InputError(
            f"{name}: expected a function, got {part!r:.60}; a name goes into the Config"
        )


def importance_of(problem: Problem, asked: str | Operator) -> np.ndarray:
    """Return the importance of each weight, by name or by a user's function.

    Raises:
        InputError: if the name is unknown, or the function asks for what nobody offers.
        OperatorError: if the function fails.
    """
    space, passes = problem.space, problem.passes
    if isinstance(asked, str):
        batches = problem.batches() if asked in OF_IMAGES else ()
        return importance(asked, space.model, space.layers, batches, passes)
    weights = space.weights.cpu().numpy().copy()
    images = problem.batches() if "batches" in signature(asked).parameters else ()
    offered = (weights, space, space.model, images, passes)
    ready = _served(asked, dict(zip(FOR_A_SCORE, offered, strict=True)))
    try:
        return np.asarray(ready(), np.float32)
    except Exception as cause:
        raise OperatorError(name_of(asked), "importance", None, cause) from cause


def _served(importance: Operator, offered: Mapping[str, Any]) -> partial[Any]:
    try:
        return supply(importance, offered, given=0)
    except ValueError as wrong:
        raise InputError(f"importance: {wrong}") from None


def watched_objective(objective: Operator) -> Operator:
    """Return an objective that gives a float, and whose failure names it.

    What is not a number is infinitely bad: so a network whose outputs are not finite counts as the
    worst, and the search goes on.

    Raises:
        InputError: if it needs more than a candidate.
    """
    name = name_of(objective)
    try:
        signature(objective).bind("a candidate")
    except TypeError:
        raise InputError(
            f"objective: expected a function of a Candidate alone, got {name}"
            f"{signature(objective)}; give the others a default"
        ) from None

    def judge(candidate: Any) -> float:
        try:
            value = float(objective(candidate))
        except Exception as cause:
            raise OperatorError(name, "objective", None, cause) from cause
        return float("inf") if isnan(value) else value

    return judge


def check_own(own: Mapping[str, Operator], streams: Streams, *, guided: bool) -> None:
    """Refuse, before any work, operators that ask for what nobody will offer.

    Args:
        own: operators by slot.
        streams: of the run; nothing is drawn.
        guided: whether there will be a saliency.

    Raises:
        InputError: naming the operator, what it wants, and what is on offer.
    """
    nothing, kind = base.Toolbox(), individual_type("mask", 2)
    for slot in ("mate", "mutate"):
        if slot in own:
            check_fit(slot, own[slot], kind())
    register_own(nothing, own, Layout.plain([1]), streams, kind, saliency=abs if guided else None)


def try_own(own: Mapping[str, Operator], space: Layout) -> None:
    """Call each operator of the library once, so that a setting out of its range shows at once.

    Nothing of the run is drawn or changed. A user's own operators are not called: they may
    remember.

    Args:
        own: operators by slot.
        space: of a genome as large as any of the run.

    Raises:
        InputError: naming the setting.
    """
    kind, streams = individual_type("mask", 2), dict.fromkeys(GIVEN, np.random.default_rng(0))
    for slot, operator in own.items():
        known = CATALOGUE.get(name_of(operator))
        if known is None or known.operator is not plain(operator):
            continue
        half, lent = np.arange(space.genes) % 2 == 0, cast("Any", SimpleNamespace(**streams))
        box, pair = base.Toolbox(), [kind.from_numpy(half), kind.from_numpy(~half)]
        register_own(box, {slot: operator}, space, lent, kind, saliency=_no_opinion)
        for individual in pair:
            individual.fitness.values = (0.5, 0.5)
        front = {"mate": pair, "mutate": pair[:1], "select": [pair, 1], "init": []}[slot]
        call = partial(box.individual, density=0.5) if slot == "init" else getattr(box, slot)
        try:
            call(*front)
        except OperatorError as failed:
            raise InputError(f"{slot}: {failed.operator}: {failed.cause}") from None


def _no_opinion(individual: Any) -> np.ndarray:
    return np.zeros(len(individual), np.float32)


def register_own(
    toolbox: base.Toolbox,
    own: Mapping[str, Operator],
    space: Layout,
    streams: Streams,
    kind: Any,
    *,
    saliency: Operator | None = None,
) -> None:
    """Register operators by slot, each with what it asks for by name.

    Args:
        toolbox: changed.
        own: from "init", "mate", "mutate" or "select" to the operator; "init" takes the slot
            `individual`, which is called with a density.
        space: of the genome.
        streams: the operator of a slot draws from the slot's.
        kind: type of the individual.
        saliency: of the genome, if there is guidance.

    Raises:
        InputError: if one asks for what is not on offer.
    """
    for slot, operator in own.items():
        offered = offers(space, rng=getattr(streams, slot), saliency=saliency)
        if slot == "init":
            offered["density"] = OF_THE_CALL
        try:
            ready = supply(operator, offered, given=GIVEN[slot])
        except ValueError as wrong:
            raise InputError(f"{slot}: {wrong}") from None
        ready = watched(ready, slot, genes=space.genes)
        if slot == "init":
            toolbox.register("individual", _made, ready, kind)
        else:
            toolbox.register(slot, ready)


def watched(operator: partial[Any], slot: str, *, genes: int) -> partial[Any]:
    """Return an operator whose failure names it, and the individual that it happened to.

    Args:
        operator: with all that it asked for.
        slot: "init", "mate", "mutate" or "select".
        genes: of an individual.
    """

    def watch(*given: Any, **asked: Any) -> Any:
        first = given[0]
        before = type(first)(first) if slot in ("mate", "mutate") else None
        try:
            made = operator(*given, **asked)
            if wrong := _what_is_wrong(made, given, slot, genes):
                raise TypeError(wrong)
        except Exception as cause:
            raise OperatorError(watch.__name__, slot, before, cause) from cause
        return made

    watch.__name__ = name_of(operator)
    return partial(watch, **operator.keywords)


def _what_is_wrong(made: Any, given: tuple[Any, ...], slot: str, genes: int) -> str:
    """Say what a loop could not go on with in what an operator handed back; "" if nothing."""
    if slot == "select":
        individuals, k = given
        if not isinstance(made, list) or len(made) != k:
            got = f"one of {len(made)}" if isinstance(made, list) else f"{made!r:.60}"
            return f"expected a list of {k}, got {got}"
        same = {id(one) for one in made} <= {id(one) for one in individuals}
        return "" if same else "expected some of the individuals themselves, got copies or others"
    kind = given[0] if slot == "init" else type(given[0])
    made = (made,) if slot == "init" else made
    if not isinstance(made, tuple) or len(made) != len(given):
        return f"expected a tuple of {len(given)}, got {made!r:.60}"
    for one in made:
        if not isinstance(one, kind) or len(one) != genes:
            return f"expected an individual of {genes} genes, got {one!r:.60}"
    return ""


def _made(ready: partial[Any], kind: Any, *, density: float) -> Any:
    """Call an initialiser, with the density if it asks for one."""
    asked = ready.keywords.get("density", density) is OF_THE_CALL
    return ready(kind, density=density) if asked else ready(kind)
