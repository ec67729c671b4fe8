"""Crossover and mutation for real vectors: those of NSGA-II, on whole arrays instead of by gene.

They draw from the same distributions as DEAP's `cxSimulatedBinaryBounded` and
`mutPolynomialBounded`, which take their genes one by one in Python.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from operators.genomes import RealVector
from operators.ranges import at_least, ordered, share

R = TypeVar("R", bound=RealVector)
Floats = NDArray[np.float64]
EQUAL = 1e-14  # genes that differ by no more than this are taken for equal, as in DEAP


def cxSBX(
    a: R,
    b: R,
    *,
    low: ArrayLike,
    high: ArrayLike,
    eta: float = 20.0,
    rate: float = 0.5,
    rng: np.random.Generator,
) -> tuple[R, R]:
    """Put two children around two parents, gene by gene, mostly near them, in place.

    One-point crossover of numbers written in bits spreads the children about the parents in a
    certain way; this draws the spread directly. The children lie as far to one side of the two
    parents as to the other, but for what the bounds cut off.

    Args:
        a: first parent, inside the bounds.
        b: second parent, of the same length.
        low: lower bounds in the unit of the genes, one or [n].
        high: upper bounds, one or [n].
        eta: how near the parents the children are, 0 (far) or more; 20 is usual.
        rate: chance that a gene is crossed at all, 0 to 1.
        rng: the only source of random numbers.

    Returns:
        The two parents, changed.

    Raises:
        ValueError: if a setting is out of range, or the lengths differ.

    Source: Deb & Agrawal 1995, simulated binary crossover; with bounds as in Deb's own NSGA-II and
    in DEAP's cxSimulatedBinaryBounded.

    >>> a, b = RealVector([0.25, 0.5]), RealVector([0.75, 0.5])
    >>> a, b = cxSBX(a, b, low=0, high=1, rng=np.random.default_rng(0))
    >>> float(a[0] + b[0]), a[1], b[1]
    (1.0, 0.5, 0.5)
    """
    share("rate", rate)
    at_least("eta", eta, 0)
    ordered(low, high, finite=True)
    if len(a) != len(b):
        raise ValueError(
            f"parents: expected two of equal length, got {len(a)} and {len(b)}; "
            "make both from the same space"
        )
    crossed, spread, swapped = rng.random((3, len(a)))
    genes = np.flatnonzero((crossed <= rate) & (abs(a.array - b.array) > EQUAL))
    lower, upper = (np.broadcast_to(bound, len(a))[genes] for bound in (low, high))
    first, second, u = a.array[genes], b.array[genes], spread[genes]
    left, right = np.minimum(first, second), np.maximum(first, second)
    middle, half = (left + right) / 2, (right - left) / 2
    children = (
        np.clip(middle - half * _spread(u, (left - lower) / half, eta), lower, upper),
        np.clip(middle + half * _spread(u, (upper - right) / half, eta), lower, upper),
    )
    swap = swapped[genes] <= 0.5
    a.array[genes], b.array[genes] = np.where(swap, children[::-1], children)
    return a, b


def _spread(u: Floats, room: Floats, eta: float) -> Floats:
    """Return how far the children are apart, in units of the parents, for uniform draws u.

    `room` is that between the parent and its bound, in halves of the parents' distance: the
    distribution is cut there (alpha of the paper) and none of it is lost.
    """
    alpha = 2 - (1 + room) ** -(eta + 1)
    near = u * alpha <= 1
    return np.where(near, u * alpha, 1 / (2 - u * alpha)) ** (1 / (eta + 1))


def mutPolynomial(
    ind: R,
    *,
    low: ArrayLike,
    high: ArrayLike,
    eta: float = 20.0,
    rate: float | None = None,
    rng: np.random.Generator,
) -> tuple[R]:
    """Move some genes, mostly a little and now and then as far as a bound, in place.

    Args:
        ind: the individual, inside the bounds.
        low: lower bounds in the unit of the genes, one or [n]; where both are equal a gene stays.
        high: upper bounds, one or [n].
        eta: how short the steps are, 0 (long) or more; 20 is usual, steps of some 5 % of the range.
        rate: chance per gene, 0 to 1; one gene in the mean (1 / n), if None.
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if a setting is out of range.

    Source: Deb & Goyal 1996, polynomial mutation; with bounds as in Deb's own NSGA-II and in DEAP's
    mutPolynomialBounded.

    >>> ind, rng = RealVector([0.5, 0.0]), np.random.default_rng(0)
    >>> (ind,) = mutPolynomial(ind, low=0, high=[1, 0], rate=1.0, rng=rng)
    >>> 0 <= ind[0] <= 1, ind[0] != 0.5, ind[1]
    (True, True, 0.0)
    """
    n = len(ind)
    rate = 1 / max(n, 1) if rate is None else rate
    share("rate", rate)
    at_least("eta", eta, 0)
    ordered(low, high, finite=True)
    lower, upper = np.broadcast_to(low, n), np.broadcast_to(high, n)
    genes = np.flatnonzero((rng.random(n) <= rate) & (upper > lower))
    u, old, lower, upper = rng.random(genes.size), ind.array[genes], lower[genes], upper[genes]
    down = u < 0.5
    room = np.where(down, old - lower, upper - old) / (upper - lower)
    part = np.where(down, 2 * u, 2 * (1 - u))  # both halves of the draw, each from 0 to 1
    step = 1 - (part + (1 - part) * (1 - room) ** (eta + 1)) ** (1 / (eta + 1))
    ind.array[genes] = np.clip(old + np.where(down, -step, step) * (upper - lower), lower, upper)
    return (ind,)
