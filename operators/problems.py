"""Small problems without a network, whose best fronts are known: for tests and for teaching.

Each takes a genome and returns a tuple of objectives, minimised; `front` returns points of the
best possible front. zdt1 to zdt3 and dtlz2 want genes between 0 and 1; lotz, cocz and zdt5 want
bits. Two kinds have files of their own: `knapsack.py` (bits) and `smop.py` (many reals, mostly 0).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from operators.decomposition import weightsFor
from operators.knapsack import Knapsack
from operators.smop import PARTS, smopFront

Floats = NDArray[np.float64]
FIRST, BLOCK = 30, 5  # bits of the first variable of zdt5, and of each other one


def zdt1(individual: Any) -> tuple[float, float]:
    """Return f1 = x1, f2 = g (1 - sqrt(x1 / g)): a convex front. At the front x2 ... xn are 0.

    Source: Zitzler, Deb & Thiele 2000, equation 7.

    >>> zdt1([0.25, 0.0])
    (0.25, 0.5)
    """
    first, g = _zdt(individual)
    return first, float(g * (1 - np.sqrt(first / g)))


def zdt2(individual: Any) -> tuple[float, float]:
    """Return f1 = x1, f2 = g (1 - (x1 / g)^2): a concave front. At the front x2 ... xn are 0.

    Source: Zitzler, Deb & Thiele 2000, equation 8.

    >>> zdt2([0.5, 0.0])
    (0.5, 0.75)
    """
    first, g = _zdt(individual)
    return first, float(g * (1 - (first / g) ** 2))


def zdt3(individual: Any) -> tuple[float, float]:
    """Return f1 = x1, f2 = g (1 - sqrt(x1 / g) - x1 / g sin(10 pi x1)): a front in five pieces.

    Source: Zitzler, Deb & Thiele 2000, equation 9.

    >>> zdt3([0.0, 0.0])
    (0.0, 1.0)
    """
    first, g = _zdt(individual)
    share = first / g
    return first, float(g * (1 - np.sqrt(share) - share * np.sin(10 * np.pi * first)))


def _zdt(individual: Any) -> tuple[float, float]:
    """Return x1 and g = 1 + 9 * mean(x2 ... xn)."""
    genes = np.asarray(individual, float)
    return float(genes[0]), float(1 + 9 * genes[1:].mean())


def dtlz2(individual: Any, *, objectives: int = 2) -> tuple[float, ...]:
    """Return a point on a sphere of radius 1 + g: at the front the last genes are all 0.5.

    The first objectives - 1 genes are angles; g is the squared distance of the others from 0.5.

    Args:
        individual: more genes than objectives, 0 to 1.
        objectives: 2 or more.

    Source: Deb, Thiele, Laumanns & Zitzler 2005, DTLZ2.

    >>> dtlz2([0.0, 0.5, 1.0])
    (1.25, 0.0)
    """
    genes = np.asarray(individual, float)
    angles, others = genes[: objectives - 1] * np.pi / 2, genes[objectives - 1 :]
    radius = 1 + np.sum((others - 0.5) ** 2)
    cosines = np.concatenate([[1.0], np.cumprod(np.cos(angles))])[::-1]
    sines = np.concatenate([[1.0], np.sin(angles)[::-1]])
    return tuple((radius * cosines * sines).tolist())


def lotz(individual: Any) -> tuple[float, float]:
    """Return how many genes are missing from the leading ones and from the trailing zeros.

    Source: Laumanns, Thiele & Zitzler 2004, leading ones, trailing zeros. differs: what is missing
    is minimised.

    >>> lotz([1, 1, 0, 1, 0])
    (3.0, 4.0)
    """
    bits = np.asarray(individual).astype(bool)
    leading = int(np.argmin(np.append(bits, False)))
    trailing = int(np.argmax(np.append(bits[::-1], True)))
    return float(len(bits) - leading), float(len(bits) - trailing)


def cocz(individual: Any) -> tuple[float, float]:
    """Return the missing ones, and the missing ones of the first half and zeros of the second.

    The objectives agree on the first half and are at odds on the second: every genome whose first
    half is full of ones is on the front.

    Source: Laumanns, Thiele & Zitzler 2004, count ones, count zeros. differs: what is missing is
    minimised.

    >>> cocz([1, 1, 0, 1])
    (1.0, 1.0)
    """
    bits = np.asarray(individual).astype(bool)
    _check_even(len(bits))
    first, second = np.split(bits, 2)
    missing = np.count_nonzero(~first)
    return float(missing + np.count_nonzero(~second)), float(missing + np.count_nonzero(second))


def zdt5(individual: Any) -> tuple[float, float]:
    """Return f1 = 1 + the ones of x1, f2 = g / f1, where g lures: a block of zeros is next to best.

    x1 has 30 bits, each other variable 5. A block of five with u ones adds 2 + u to g, but 1 if all
    are ones: whoever flips single bits is led to all zeros, where only all five at once help.

    Args:
        individual: 30 + 5 (m - 1) bits, m = 2 or more; m = 11, hence 80 bits, in the paper.

    Raises:
        ValueError: if the number of bits is another.

    Source: Zitzler, Deb & Thiele 2000, equation 11.

    >>> zdt5([1] * 30 + [0] * 5), zdt5([1] * 30 + [1] * 5)
    ((31.0, 0.06451612903225806), (31.0, 0.03225806451612903))
    """
    bits = np.asarray(individual).astype(bool)
    _check_blocks(len(bits))
    first = 1 + np.count_nonzero(bits[:FIRST])
    ones = bits[FIRST:].reshape(-1, BLOCK).sum(axis=1)
    g = np.where(ones == BLOCK, 1, 2 + ones).sum()
    return float(first), float(g / first)


def _check_even(n: int) -> None:
    if n % 2:
        raise ValueError(f"individual: expected an even number of bits, got {n}")


def _check_blocks(n: int) -> None:
    if n < FIRST + BLOCK or n % BLOCK:
        raise ValueError(f"individual: expected 35, 40, 45, ... bits, got {n}; write n=80")


def front(problem: Callable[..., Any], n: int = 100, *, objectives: int = 2) -> Floats:
    """Return points of the best possible front of a problem.

    Args:
        problem: one of this file, smop1 ... smop8, or a Knapsack.
        n: how many points; for `lotz`, `cocz` and `zdt5` the number of genes, whose n + 1,
            n / 2 + 1 and 31 points are all there are. A Knapsack gives all its points too.
        objectives: for `dtlz2` only.

    Returns:
        Shape (points, objectives). For `zdt3` fewer than n: only what is not dominated.

    Raises:
        ValueError: if the front of the problem is not known here.

    >>> front(zdt2, 3).tolist()
    [[0.0, 1.0], [0.5, 0.75], [1.0, 0.0]]
    >>> front(lotz, 2).tolist()
    [[0.0, 2.0], [1.0, 1.0], [2.0, 0.0]]
    """
    if isinstance(problem, Knapsack):
        return problem.front()
    if problem in PARTS:
        return smopFront(problem, n)
    if problem in (lotz, cocz):
        if problem is cocz:
            _check_even(n)
            n //= 2
        ones = np.arange(n + 1.0)
        return np.stack([ones, n - ones], axis=1)
    if problem is zdt5:
        _check_blocks(n)
        first = np.arange(1.0, FIRST + 2)
        return np.stack([first, (n - FIRST) // BLOCK / first], axis=1)
    if problem is dtlz2:
        rays = weightsFor(objectives, n)
        return rays / np.linalg.norm(rays, axis=1, keepdims=True)
    if problem not in (zdt1, zdt2, zdt3):
        raise ValueError(
            "problem: expected zdt1, zdt2, zdt3, zdt5, dtlz2, lotz, cocz, smop1 ... smop8 or a "
            f"Knapsack, got {problem}"
        )
    points = np.array([problem([first, 0.0]) for first in np.linspace(0, 1, n)])
    best = np.minimum.accumulate(np.append(np.inf, points[:-1, 1]))
    return points[points[:, 1] < best]
