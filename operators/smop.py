"""SMOP1 to SMOP8: two objectives of many reals, of which at the best front only a tenth is not 0.

A vector holds x1, which says where on the front a point lies, and D - 1 others, y, of which K, a
tenth, have to take certain values and all the rest have to be 0. Each problem measures by g, 0 at
the best, how far y is from that:

    f = (1 + g / (D - 1)) h(x1)

Source: Tian, Zhang, Wang & Jin 2020, the SMOP suite. differs: two objectives only.

As the paper states it, `_steep` falls a little below 0: to -1/1600 where y is 1/800 above its goal.
So on SMOP2, 4 and 8 f may be less than the stated front, by less than 0.0007.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Problem = Callable[[Any], tuple[float, float]]
SHARE = 0.1  # of y, to be other than 0: theta of the paper
GOAL = np.pi / 3
BLOCK = 10


def smop1(individual: Any) -> tuple[float, float]:
    """Return f for a smooth and a wavy part of g, on a straight front.

    >>> smop1([0.25] + [np.pi / 3] + [0.0] * 9)
    (0.25, 0.75)
    """
    return _point(smop1, individual)


def smop2(individual: Any) -> tuple[float, float]:
    """Return f where to be nearly 0 hardly pays: only 0 does; a straight front."""
    return _point(smop2, individual)


def smop3(individual: Any) -> tuple[float, float]:
    """Return f where ten zeros pay together or not at all; a straight front."""
    return _point(smop3, individual)


def smop4(individual: Any) -> tuple[float, float]:
    """Return f where any K genes may be other than 0, at no cost; a convex front."""
    return _point(smop4, individual)


def smop5(individual: Any) -> tuple[float, float]:
    """Return f where just K genes must be other than 0, no matter which; a convex front."""
    return _point(smop5, individual)


def smop6(individual: Any) -> tuple[float, float]:
    """Return f where any K genes must reach a goal, some through more waves; a convex front."""
    return _point(smop6, individual)


def smop7(individual: Any) -> tuple[float, float]:
    """Return f where the goal of a gene hangs on the one behind it; a concave front."""
    return _point(smop7, individual)


def smop8(individual: Any) -> tuple[float, float]:
    """Return f where it does, and to be near the goal hardly pays; a concave front."""
    return _point(smop8, individual)


def smopRows(problem: Problem, rows: ArrayLike) -> Floats:
    """Evaluate many individuals at once.

    Args:
        problem: smop1 ... smop8.
        rows: an individual each, shape (n, D), D 11 or more; x1 0 to 1, all others -1 to 2.

    Returns:
        The two objectives of each, shape (n, 2).

    Raises:
        ValueError: if the problem is none of these, or the rows are too short.

    >>> smopRows(smop1, [[0.5] + [np.pi / 3] + [0.0] * 9] * 2).tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    x = np.asarray(rows, np.float64)
    if problem not in PARTS:
        raise ValueError(f"problem: expected smop1 ... smop8, got {problem}")
    if x.ndim != 2 or x.shape[1] <= BLOCK:
        raise ValueError(
            f"rows: expected shape (n, D) with D 11 or more, got {x.shape}; "
            "write x[None] for a single individual"
        )
    shape, distance = PARTS[problem]
    y = x[:, 1:]
    scale = 1 + distance(y, _active(y.shape[1])) / y.shape[1]
    return scale[:, None] * shape(x[:, 0])


def smopBounds(d: int) -> tuple[Floats, Floats]:
    """Return the lower and the upper bounds of D variables: 0 to 1 for x1, -1 to 2 for the others.

    >>> low, high = smopBounds(3)
    >>> low.tolist(), high.tolist()
    ([0.0, -1.0, -1.0], [1.0, 2.0, 2.0])
    """
    low, high = np.full(d, -1.0), np.full(d, 2.0)
    low[0], high[0] = 0.0, 1.0
    return low, high


def smopBest(problem: Problem, d: int, first: float = 0.5) -> Floats:
    """Return D variables at which g is 0: a point of the best front.

    Args:
        problem: smop1 ... smop8.
        d: number of variables, 11 or more.
        first: x1, 0 to 1: where on the front.

    >>> smop7(smopBest(smop7, 11, first=0.0))
    (1.0, 0.0)
    """
    x, k = np.zeros(d), _active(d - 1)
    x[0], x[1 : k + 1] = first, GOAL
    if problem is smop8:  # each gene's goal hangs on the one behind it, the last one's on a 0
        for place in range(k, 0, -1):
            x[place] = np.mod(x[place + 1] + np.pi, 2)
    return x


def smopFront(problem: Problem, n: int = 100) -> Floats:
    """Return n points of the best front as the paper states it, shape (n, 2).

    >>> smopFront(smop1, 3).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    return PARTS[problem][0](np.linspace(0, 1, n))


def _point(problem: Problem, individual: Any) -> tuple[float, float]:
    first, second = smopRows(problem, np.asarray(individual, np.float64)[None])[0].tolist()
    return first, second


def _active(others: int) -> int:
    """Return K, how many of y have to be other than 0."""
    return int(np.ceil(SHARE * others))


# h: the form of the front -------------------------------------------------------------------------


def _linear(x1: Floats) -> Floats:
    return np.stack([x1, 1 - x1], axis=1)


def _convex(x1: Floats) -> Floats:
    return 1 - _concave(x1)


def _concave(x1: Floats) -> Floats:
    return np.stack([np.cos(x1 * np.pi / 2), np.sin(x1 * np.pi / 2)], axis=1)


# How far single genes are from their goals t: g1 to g4 of the paper -------------------------------


def _square(y: Floats, t: Any) -> Floats:
    return (y - t) ** 2


def _wavy(y: Floats, t: Any) -> Floats:
    return 2 * (y - t) ** 2 + np.sin(2 * np.pi * (y - t)) ** 2


def _steep(y: Floats, t: Any) -> Floats:
    return 4 - (y - t) - 4 * np.exp(-100 * (y - t) ** 2)


def _waves(y: Floats, t: Any) -> Floats:
    return (y - GOAL) ** 2 + t * np.sin(6 * np.pi * (y - GOAL)) ** 2


# g: how far all of y is, K genes to be other than 0 -----------------------------------------------


def _g1(y: Floats, k: int) -> Floats:
    return _square(y[:, :k], GOAL).sum(axis=1) + _wavy(y[:, k:], 0).sum(axis=1)


def _g2(y: Floats, k: int) -> Floats:
    return _wavy(y[:, :k], GOAL).sum(axis=1) + _steep(y[:, k:], 0).sum(axis=1)


def _g3(y: Floats, k: int) -> Floats:
    squares = np.add.reduceat(y[:, k:] ** 2, np.arange(0, y.shape[1] - k, BLOCK), axis=1)
    blocks = np.where(squares == 0, 0, 5 * BLOCK - squares)
    return _square(y[:, :k], GOAL).sum(axis=1) + blocks.sum(axis=1)


def _g4(y: Floats, k: int) -> Floats:
    return np.sort(_steep(y, 0), axis=1)[:, : y.shape[1] - k].sum(axis=1)


def _g5(y: Floats, k: int) -> Floats:
    wrong = np.abs(k - np.count_nonzero(y, axis=1))
    return (_square(y, GOAL) * _wavy(y, 0)).sum(axis=1) + wrong


def _g6(y: Floats, k: int) -> Floats:
    each = _waves(y, np.linspace(0, 1, y.shape[1]))
    order = np.argsort(each, axis=1, kind="stable")
    spared = np.take_along_axis(y, order, axis=1) == 0
    spared[:, :k] = False  # beyond the K best, zeros are free
    return np.where(spared, 0, np.take_along_axis(each, order, axis=1)).sum(axis=1)


def _g7(y: Floats, k: int) -> Floats:
    rest = y[:, k:]
    behind = np.roll(rest, -1, axis=1)  # the last one's is the first
    return _wavy(y[:, :k], GOAL).sum(axis=1) + _wavy(rest, 0.9 * behind).sum(axis=1)


def _g8(y: Floats, k: int) -> Floats:
    first = _steep(y[:, :k], np.mod(y[:, 1 : k + 1] + np.pi, 2))
    rest = _steep(y[:, k:-1], 0.9 * y[:, k + 1 :])
    return first.sum(axis=1) + rest.sum(axis=1)


PARTS: dict[Problem, tuple[Callable[[Floats], Floats], Callable[[Floats, int], Floats]]] = {
    smop1: (_linear, _g1),
    smop2: (_linear, _g2),
    smop3: (_linear, _g3),
    smop4: (_convex, _g4),
    smop5: (_convex, _g5),
    smop6: (_convex, _g6),
    smop7: (_concave, _g7),
    smop8: (_concave, _g8),
}
