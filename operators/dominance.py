"""Who is better than whom when there are several objectives. Everything is minimised.

Start with `ranks`: fronts by Pareto dominance, the feasible before the infeasible. `crowding` then
tells within a front who has the most room around.
"""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.intp]
Floats = NDArray[np.float64]


def ranks(points: ArrayLike, violations: ArrayLike | None = None) -> Ints:
    """Rank points by dominance: 0 for those that no other dominates, 1 once these are gone, ...

    Any feasible point ranks before any infeasible one; the infeasible follow by their violation,
    equal violations sharing a rank.

    Args:
        points: shape (n, objectives), minimised.
        violations: shape (n,), 0 for feasible points, more for worse; none means all feasible.

    Returns:
        Shape (n,), from 0. Equal points have equal ranks.

    Raises:
        ValueError: if an objective is NaN: it is neither better nor worse than anything.

    Source: Deb et al. 2002, fast non-dominated sort and constrained domination; computed by
    moocore. differs: equal violations are not compared further.

    >>> ranks([(0, 1), (1, 0), (1, 1), (2, 2)]).tolist()
    [0, 0, 1, 2]
    >>> ranks([(0, 1), (1, 0), (1, 1)], violations=[0.5, 0, 0]).tolist()
    [2, 0, 1]
    """
    array = np.asarray(points, float)
    if np.isnan(array).any():
        rows = np.flatnonzero(np.isnan(array).any(axis=1))
        raise ValueError(
            f"points: expected numbers, got NaN in row {rows[0]}; give a failed candidate the "
            "worst value, such as error 1"
        )
    found = np.zeros(len(array), np.intp)
    outside = np.zeros(len(array)) if violations is None else np.asarray(violations, float)
    feasible = outside <= 0
    if feasible.any():
        found[feasible] = moocore.pareto_rank(array[feasible])
    if not feasible.all():
        first = found[feasible].max(initial=-1) + 1
        found[~feasible] = first + np.unique(outside[~feasible], return_inverse=True)[1]
    return found


def crowding(points: ArrayLike, ranks: ArrayLike) -> Floats:
    """Measure for each point the room between its two neighbours in its own front.

    In each objective: the gap between the neighbours over the range of the front, summed over the
    objectives and divided by their number. The ends of a front have infinite room.

    Args:
        points: shape (n, objectives).
        ranks: shape (n,); points of equal rank are one front.

    Returns:
        Shape (n,), 0 to infinite.

    Source: Deb et al. 2002, section III-B; the sum is divided as in DEAP.

    >>> crowding([(0, 4), (1, 2), (4, 0)], ranks=[0, 0, 0]).tolist()
    [inf, 1.0, inf]
    """
    array, rank = np.asarray(points, float), np.asarray(ranks)
    distances = np.zeros(len(array))
    for front in np.split(np.argsort(rank, kind="stable"), np.cumsum(np.bincount(rank))[:-1]):
        distances[front] = crowdingOfFront(array[front])
    return distances


def crowdingOfFront(points: Floats) -> Floats:
    """Measure the room around each point of one front, as `crowding` does.

    Of equal values the one that comes first stands first, in the order the last objective left:
    rows in DEAP's order give DEAP's distances to the last bit.

    Args:
        points: shape (n, objectives), mutually non-dominated.

    Returns:
        Shape (n,).
    """
    distances = np.zeros(len(points))
    order = np.arange(len(points))
    for objective in range(points.shape[1] if len(points) else 0):
        order = order[np.argsort(points[order, objective], kind="stable")]
        values = points[order, objective]
        distances[order[[0, -1]]] = np.inf
        if np.isfinite(values[-1]) and values[-1] > values[0]:
            norm = points.shape[1] * (values[-1] - values[0])
            distances[order[1:-1]] += (values[2:] - values[:-2]) / norm
    return distances


def fronts(points: ArrayLike, ranks: ArrayLike, count: int | None = None) -> list[Ints]:
    """Split the points into their fronts, each in the order in which DEAP's sort finds it.

    The first front stands in the order of the input. Any later point is found when the last of its
    dominators in the front before it has been taken away, so that place decides, then the input.
    Only who survives among equally good ones depends on it: it makes us choose the very same.

    Args:
        points: shape (n, objectives).
        ranks: shape (n,), from 0 without gaps, as `ranks` returns them.
        count: stop after the front that makes at least so many points; all by default.

    Returns:
        Arrays of indices, one for each front.

    >>> [front.tolist() for front in fronts([(2, 2), (0, 1), (1, 0)], ranks=[1, 0, 0])]
    [[1, 2], [0]]
    """
    array, rank = np.asarray(points, float), np.asarray(ranks)
    if len(array) == 0:
        return []
    twins = np.unique(array, axis=0, return_index=True, return_inverse=True)
    first = twins[1][twins[2].reshape(-1)]  # the first of all that are equal to it
    sizes = np.cumsum(np.bincount(rank))
    wanted = len(array) if count is None else min(count, len(array))
    needed = int(np.searchsorted(sizes, wanted)) + 1
    split = np.split(np.argsort(rank, kind="stable"), sizes[:-1])[:needed]
    found: list[Ints] = []
    for members in split:
        last = np.full(len(members), -1)
        if found:
            before, now = array[found[-1]][None], array[members][:, None]
            worse = np.ones((len(members), len(found[-1])), bool)
            for objective in range(array.shape[1]):
                worse &= before[..., objective] <= now[..., objective]
            last = np.where(worse, np.arange(len(found[-1])), -1).max(axis=1)
        found.append(members[np.lexsort((members, first[members], last))])
    return found
