"""The one line that a setting out of its range gets. An operator checks before it draws or changes.

A setting is only looked at, never converted, so that a checked one calculates to the same bits.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def share(name: str, value: ArrayLike, *, low: float = 0) -> None:
    """Refuse what is not a share from 0 to 1, such as a rate or a density.

    Args:
        name: of the argument, as the caller wrote it.
        value: the setting, one number; NaN is refused too.
        low: another lower end, such as -1 for the change of a density.

    Raises:
        ValueError: if the value is out of range.

    >>> share("rate", 0.5)
    >>> share("rate", 1.5)
    Traceback (most recent call last):
    ValueError: rate: expected a share from 0 to 1, got 1.5
    """
    expected = f"a share from {low} to 1"
    values = _numbers(name, value, expected)
    _refuse(name, values[~((values >= low) & (values <= 1))], expected)


def at_least(name: str, value: ArrayLike, low: float, *, instead: str = "") -> None:
    """Refuse what is below a bound, infinite or NaN.

    Args:
        name: of the argument, as the caller wrote it.
        value: the setting, one number or one for each gene.
        low: the least that will do.
        instead: what to write instead, where that is not plain from the bound.

    Raises:
        ValueError: if a value is out of range; the first that is stands in the message.

    >>> at_least("steps", 0, 0)
    >>> at_least("sigma", [0.1, -0.5], 0)
    Traceback (most recent call last):
    ValueError: sigma: expected 0 or more, finite, got -0.5
    """
    expected = f"{low} or more, finite"
    values = _numbers(name, value, expected)
    _refuse(name, values[~((values >= low) & (values < np.inf))], expected, instead)


def ordered(low: ArrayLike, high: ArrayLike, *, finite: bool = False) -> None:
    """Refuse bounds of genes of which the lower is above the upper, or either is NaN.

    Args:
        low: lower bounds, one or [n].
        high: upper bounds, one or [n].
        finite: True refuses infinite ones too.

    Raises:
        ValueError: if two bounds will not do; the first such pair stands in the message.

    >>> ordered([0, 2], 1)
    Traceback (most recent call last):
    ValueError: low, high: expected numbers with low <= high, got 2 and 1
    """
    below, above = np.broadcast_arrays(low, high)
    good = below <= above
    if finite:
        good &= np.isfinite(below) & np.isfinite(above)
    if not good.all():
        raise ValueError(
            f"low, high: expected {'finite ' if finite else ''}numbers with low <= high, "
            f"got {below[~good][0]} and {above[~good][0]}"
        )


def _numbers(name: str, value: ArrayLike, expected: str) -> NDArray[Any]:
    """Return a setting as an array, or raise the line for what is no number, such as a word."""
    values = np.asarray(value)
    if values.dtype.kind not in "biuf":
        raise ValueError(f"{name}: expected {expected}, got {value!r}")
    return values


def _refuse(name: str, wrong: NDArray[Any], expected: str, instead: str = "") -> None:
    """Raise the line for the first of the wrong values, if there is one."""
    if wrong.size:
        raise ValueError(
            f"{name}: expected {expected}, got {wrong[0]}" + (f"; {instead}" if instead else "")
        )
