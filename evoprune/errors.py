"""Errors: one line a user can act on, a candidate that failed, and an operator that did."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from traceback import extract_tb
from typing import Any

SHOWN = 12  # names that an error lists at most


class InputError(ValueError):
    """Bad input: its message is one line, fit to be shown to a user as it is."""


class CandidateError(RuntimeError):
    """An exception inside a candidate's forward or backward pass; `individual` is the genome."""

    def __init__(self, individual: Any, cause: Exception, doing: str = "evaluating") -> None:
        self.individual, self.cause, self.doing = individual, cause, doing
        super().__init__(f"{doing} a candidate failed: {said(cause)}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Come back whole from a worker process."""
        return type(self), (self.individual, self.cause, self.doing)


class OperatorError(RuntimeError):
    """An exception inside an operator of the user's.

    Args:
        operator: its name.
        slot: where it is used, such as "mutate".
        individual: the genome as it was before, or None where there is not one.
        cause: what went wrong.
    """

    def __init__(self, operator: str, slot: str, individual: Any, cause: Exception) -> None:
        self.operator, self.slot, self.individual, self.cause = operator, slot, individual, cause
        frames = extract_tb(cause.__traceback__)[1:]  # behind our own call
        theirs = [frame for frame in frames if frame.filename == frames[0].filename]
        place = f" in {theirs[-1].filename}:{theirs[-1].lineno}" if theirs else ""
        super().__init__(f"{slot}: {operator} failed{place}: {said(cause)}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Come back whole from a worker process."""
        return type(self), (self.operator, self.slot, self.individual, self.cause)


def said(cause: BaseException) -> str:
    """Return an exception in one line: its type and the first line of what it says."""
    return f"{type(cause).__name__}: {(str(cause).strip() or 'no message').splitlines()[0]}"


def unknown(kind: str, name: str, known: Iterable[str]) -> InputError:
    """Return the error to raise for a misspelt name; the nearest known one is offered.

    Args:
        kind: what the name is of, such as "model".
        name: what came.
        known: all names that would have done; the first twelve are listed, in this order.

    Returns:
        The error, not raised.

    >>> print(unknown("model", "resnet65", ["resnet20", "resnet56"]))
    unknown model 'resnet65': did you mean 'resnet56'? Known: resnet20, resnet56
    """
    names = list(known)
    near = get_close_matches(str(name), names, n=1)
    hint = f": did you mean {near[0]!r}?" if near else "."
    more = f", and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return InputError(f"unknown {kind} {name!r}{hint} Known: {', '.join(names[:SHOWN])}{more}")
