"""One problem of several objectives as many of one: weights, neighbours, scalarising functions.

A scalarising function takes points and weights, row by row, and returns one number a row, to be
minimised. Points are normalised by the caller: 0 the best known of an objective, 1 the worst that
is worth having. So the ideal point z* of the papers is 0 here.
"""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def dasDennis(objectives: int, divisions: int) -> Floats:
    """Return all weight vectors whose entries are multiples of 1 / divisions and sum to 1.

    Args:
        objectives: 1 or more.
        divisions: steps along each edge, 1 or more.

    Returns:
        Shape (comb(divisions + objectives - 1, objectives - 1), objectives), sorted.

    Raises:
        ValueError: if either is below 1.

    Source: Das & Dennis 1998.

    >>> dasDennis(2, 2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    if objectives < 1 or divisions < 1:
        raise ValueError(
            f"dasDennis: expected objectives and divisions of 1 or more, got {objectives} and "
            f"{divisions}; write dasDennis(2, 99) for 100 weights"
        )
    # Place objectives - 1 bars among the units: the gaps between them are the entries.
    slots = divisions + objectives - 1
    bars = np.array(list(combinations(range(slots), objectives - 1)), int)
    bars = bars.reshape(len(bars), objectives - 1)
    gaps = np.diff(np.pad(bars, ((0, 0), (1, 1)), constant_values=((0, 0), (-1, slots))), axis=1)
    return (gaps - 1) / divisions


def weightsFor(objectives: int, n: int) -> Floats:
    """Return exactly n weight vectors, spread as evenly as we can.

    For two objectives the Das-Dennis weights; for more the smallest such lattice that has enough,
    thinned out: corners first, then again and again the vector farthest from those taken.

    Args:
        objectives: 1 or more.
        n: 1 or more; at least as many as objectives, so that every objective has its corner.

    Returns:
        Shape (n, objectives), rows sum to 1, sorted.

    Raises:
        ValueError: if n is too small.

    Source: ours, on Das & Dennis 1998.

    >>> weightsFor(2, 3).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    >>> weightsFor(3, 4).shape
    (4, 3)
    """
    if objectives < 1 or n < objectives:
        raise ValueError(
            f"weightsFor: expected at least one weight vector for each of {objectives} "
            f"objectives, got n={n}; write n={max(objectives, 1)} or more"
        )
    if objectives == 1:
        return np.ones((n, 1))
    divisions = 1
    while comb(divisions + objectives - 1, objectives - 1) < n:
        divisions += 1
    lattice = dasDennis(objectives, divisions)
    if len(lattice) == n:
        return lattice
    taken = [int(corner) for corner in np.flatnonzero(lattice.max(axis=1) == 1.0)]
    distance = np.linalg.norm(lattice[:, None] - lattice[taken], axis=2).min(axis=1)
    while len(taken) < n:
        taken.append(int(distance.argmax()))
        distance = np.minimum(distance, np.linalg.norm(lattice - lattice[taken[-1]], axis=1))
    return lattice[sorted(taken)]


def neighbourhoods(weights: ArrayLike, size: int) -> NDArray[np.intp]:
    """Return for each weight vector the indices of those nearest to it, itself first.

    Args:
        weights: shape (n, objectives).
        size: how many neighbours, 1 to n (T in the paper).

    Returns:
        Shape (n, size).

    Raises:
        ValueError: if the size is out of range.

    Source: Zhang & Li 2007, section III.

    >>> neighbourhoods([[0, 1], [0.4, 0.6], [1, 0]], 2).tolist()
    [[0, 1], [1, 0], [2, 1]]
    """
    rows = np.asarray(weights, float)
    if not 1 <= size <= len(rows):
        raise ValueError(f"neighbours: expected 1 to {len(rows)} (number of weights), got {size}")
    distance = np.linalg.norm(rows[:, None] - rows[None], axis=2)
    np.fill_diagonal(distance, -1.0)
    return np.argsort(distance, axis=1, kind="stable")[:, :size]


def weightedSum(points: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the sum of w_j f_j. It reaches only the convex parts of a front.

    Args:
        points: shape (n, objectives) or one row, normalised.
        weights: shape (n, objectives) or one row.

    Returns:
        Shape (n,).

    Source: Zhang & Li 2007, equation 2.

    >>> weightedSum([[1, 2]], [[0.5, 0.25]]).tolist()
    [1.0]
    """
    return np.sum(np.asarray(weights, float) * np.asarray(points, float), axis=-1)


def tchebycheff(points: ArrayLike, weights: ArrayLike) -> Floats:
    """Return the largest w_j f_j. It reaches every part of a front.

    Args:
        points: shape (n, objectives) or one row, normalised.
        weights: shape (n, objectives) or one row.

    Returns:
        Shape (n,).

    Source: Zhang & Li 2007, equation 5. differs: a weight counts as at least 1e-6, else a corner
    would not mind how bad the other objectives are.

    >>> tchebycheff([[1, 2]], [[0.5, 0.375]]).tolist()
    [0.75]
    """
    return np.max(np.maximum(weights, 1e-6) * np.asarray(points, float), axis=-1)


def pbi(points: ArrayLike, weights: ArrayLike, *, penalty: float = 5.0) -> Floats:
    """Return d1 + penalty * d2: how far along the weight's ray, and how far off it.

    Args:
        points: shape (n, objectives) or one row, normalised.
        weights: shape (n, objectives) or one row; any length but 0.
        penalty: price of being off the ray, 0 or more (theta in the paper).

    Returns:
        Shape (n,).

    Source: Zhang & Li 2007, equation 6 (penalty-based boundary intersection), theta = 5.

    >>> pbi([[3, 4]], [[2, 0]], penalty=5).tolist()
    [23.0]
    """
    f, w = np.asarray(points, float), np.asarray(weights, float)
    ray = w / np.linalg.norm(w, axis=-1, keepdims=True)
    along = np.sum(f * ray, axis=-1)
    off = np.linalg.norm(f - along[..., None] * ray, axis=-1)
    return along + penalty * off
