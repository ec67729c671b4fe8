"""Give an operator what it asks for by name: no subclass, no registration, only its signature.

An operator is a plain function. What it needs beside the individuals it names in its signature:
`rng`, `space`, `layers`, `score`, `saliency` and so on are on offer (`offers`), all else is a
setting of its own, with a default or given by the user.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

from operators.layout import Layout

GIVEN = {"init": 1, "mate": 2, "mutate": 1, "select": 2}  # arguments that a loop passes itself
FRONT = {1: ("individual",), 2: ("first", "second")}  # what they are, for a message


def offers(
    space: Layout,
    *,
    rng: np.random.Generator,
    saliency: Callable[[Any], np.ndarray] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """Return all that an operator may ask for by name.

    Args:
        space: of the genome.
        rng: the random stream of the slot.
        saliency: from an individual to the value of each gene being set, shape (n,), on the mask
            as it is; left out where there is no guidance.
        more: anything else that a method has to offer, by name.

    Returns:
        `rng`, `space`, `layers` (its offsets), `score`, `support`, `core`, `size` (the number of
        genes), `saliency` if there is one, and what was given.
    """
    known = {
        "rng": rng,
        "space": space,
        "layers": space.offsets,
        "score": space.score,
        "support": space.support,
        "core": space.core,
        "size": space.genes,
        **more,
    }
    return known if saliency is None else {**known, "saliency": saliency}


def supply(
    operator: Callable[..., Any],
    offered: Mapping[str, Any],
    settings: Mapping[str, Any] | None = None,
    *,
    given: int = 1,
) -> partial[Any]:
    """Bind what an operator asks for by name, and the settings that a user gave.

    A setting goes before an offer of the same name. Nothing that is not asked for is handed over.

    Args:
        operator: a function, or a partial of one.
        offered: what can be asked for, such as `offers(...)`.
        settings: values of the operator's own arguments, by name.
        given: how many arguments the caller passes itself, in front: 1 to mutate, 2 to mate.

    Returns:
        A partial of the operator that takes these.

    Raises:
        ValueError: if a setting is none of the operator's, or it needs what nobody gives.

    >>> def mutNothing(individual, *, rate, rng): return (individual,)
    >>> rng = np.random.default_rng(0)
    >>> sorted(supply(mutNothing, offers(Layout.plain([4]), rng=rng), {"rate": 0.1}).keywords)
    ['rate', 'rng']
    >>> supply(mutNothing, offers(Layout.plain([4]), rng=rng), {"rats": 0.1})
    Traceback (most recent call last):
    ValueError: mutNothing: unknown setting 'rats', did you mean 'rate'? It takes rate, rng
    """
    operator = settle(operator, settings or {}, given=given)
    bound = {}
    for key, argument in _asked(operator, given).items():
        if key in operator.keywords or argument.kind in (
            argument.VAR_KEYWORD,
            argument.VAR_POSITIONAL,
        ):
            continue
        if key in offered:
            bound[key] = offered[key]
        elif argument.default is argument.empty:
            raise ValueError(
                f"{name_of(operator)}: nobody offers {key!r}, which it needs; give it as a setting "
                f"({key}=...), or ask for one of {', '.join(offered)}"
            )
    return partial(operator, **bound)


def settle(
    operator: Callable[..., Any], settings: Mapping[str, Any], *, given: int = 1
) -> partial[Any]:
    """Bind a user's settings to an operator.

    Args:
        operator: a function, or a partial of one.
        settings: values of its own arguments, by name.
        given: how many arguments its caller passes itself.

    Raises:
        ValueError: if one is none of the operator's; the nearest is offered.
    """
    asked = _asked(operator, given)
    anything = any(a.kind is a.VAR_KEYWORD for a in asked.values())
    names = [a.name for a in asked.values() if a.kind not in (a.VAR_KEYWORD, a.VAR_POSITIONAL)]
    for key in settings:
        if key not in names and not anything:
            near = get_close_matches(key, names, n=1)
            raise ValueError(
                f"{name_of(operator)}: unknown setting {key!r}"
                + (f", did you mean {near[0]!r}?" if near else ";")
                + f" It takes {', '.join(names) or 'no settings'}"
            )
    return partial(operator, **settings)


def name_of(operator: Callable[..., Any]) -> str:
    """Return the name of a function, also of one inside a partial.

    >>> name_of(partial(supply, given=2))
    'supply'
    """
    function = plain(operator)
    return getattr(function, "__name__", type(function).__name__)


def plain(operator: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function inside of partials.

    >>> plain(partial(supply, given=2)) is supply
    True
    """
    while isinstance(operator, partial):
        operator = operator.func
    return operator


def _asked(operator: Callable[..., Any], given: int) -> dict[str, inspect.Parameter]:
    """Return the arguments of an operator behind those that its caller passes in front."""
    signature = inspect.signature(operator)
    arguments = list(signature.parameters.values())
    front = [a for a in arguments if a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)]
    starred = any(a.kind is a.VAR_POSITIONAL for a in arguments)
    if len(front) < given and not starred:
        raise ValueError(
            f"{name_of(operator)}: expected {given} argument{'s' * (given > 1)} in front, "
            f"({', '.join(FRONT[given])}, ...), got {signature}"
        )
    taken = {a.name for a in front[:given]}
    for argument in front[given:]:
        if argument.kind is argument.POSITIONAL_ONLY:
            raise ValueError(
                f"{name_of(operator)}: expected {argument.name!r} to be taken by name, got "
                f"{signature}; write the / before it"
            )
    return {a.name: a for a in arguments if a.name not in taken}
