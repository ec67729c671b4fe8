"""A user's own operators in the slots of a method: they get what they ask for, and are watched.

An operator is a plain function (see `operators.supply`). What fails in it, or what it must not hand
back, ends a run with one line and the individual it happened to; the run's state is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
from deap import base

from evoprune.errors import InputError, OperatorError, unknown
from evoprune.network.importance import OF_IMAGES, importance
from evoprune.running.config import Config
from evoprune.running.plugins import chosen
from evoprune.running.problem import Problem
from evoprune.search.toolbox import check_fit
from evoprune.seeding import Streams
from operators.individuals import individual_type
from operators.layout import Layout
from operators.supply import GIVEN, name_of, offers, supply

Operator = Callable[..., Any]
OF_THE_CALL = None  # stands for a density until a call brings one


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


def parts_of(config: Config, own: Mapping[str, Any] | None = None) -> Parts:
    """Return what the settings name, and before it what is given from Python.

    Raises:
        InputError: if a part is unknown, cannot be loaded, or has no such setting.
    """
    given = {name: part for name, part in (own or {}).items() if part is not None}
    for name in given:
        if name not in (*GIVEN, "objective", "importance"):
            raise unknown("part", name, (*GIVEN, "objective", "importance"))
    found = {**chosen(config), **given}
    slots = {slot: found[slot] for slot in GIVEN if slot in found}
    return Parts(slots, found.get("objective"), found.get("importance"))


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
    offered = {
        "weights": space.weights.cpu().numpy().copy(),
        "space": space,
        "model": space.model,
        "batches": problem.batches() if "batches" in signature(asked).parameters else (),
        "passes": passes,
    }
    try:
        ready = supply(asked, offered, given=0)
    except ValueError as wrong:
        raise InputError(f"importance: {wrong}") from None
    try:
        return np.asarray(ready())
    except Exception as cause:
        raise OperatorError(name_of(asked), "importance", None, cause) from cause


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
        ready = watched(ready, slot)
        if slot == "init":
            toolbox.register("individual", _made, ready, kind)
        else:
            toolbox.register(slot, ready)


def watched(operator: partial[Any], slot: str) -> partial[Any]:
    """Return an operator whose failure names it, and the individual that it happened to.

    Args:
        operator: with all that it asked for.
        slot: "init", "mate", "mutate" or "select".
    """

    def watch(*given: Any, **asked: Any) -> Any:
        first = given[0]
        before = type(first)(first) if slot in ("mate", "mutate") else None
        try:
            made = operator(*given, **asked)
            if slot in ("mate", "mutate") and not (
                isinstance(made, tuple) and len(made) == len(given)
            ):
                raise TypeError(f"expected a tuple of {len(given)}, got {made!r:.60}")
        except Exception as cause:
            raise OperatorError(watch.__name__, slot, before, cause) from cause
        return made

    watch.__name__ = name_of(operator)
    return partial(watch, **operator.keywords)


def _made(ready: partial[Any], kind: Any, *, density: float) -> Any:
    """Call an initialiser, with the density if it asks for one."""
    asked = ready.keywords.get("density", density) is OF_THE_CALL
    return ready(kind, density=density) if asked else ready(kind)
