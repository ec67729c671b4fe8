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
PAIRS = 2**16  # points compared at a time: what fits into the nearest memory


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
    order, distances = np.argsort(rank, kind="stable"), np.zeros(len(array))
    distances[order] = crowdingOfFronts(array[order], np.bincount(rank))
    return distances


def crowdingOfFront(points: Floats) -> Floats:
    """Measure the room around each point of one front, as `crowding` does.

    Args:
        points: shape (n, objectives), mutually non-dominated.

    Returns:
        Shape (n,).
    """
    return crowdingOfFronts(points, [len(points)])


def crowdingOfFronts(points: Floats, sizes: ArrayLike) -> Floats:
    """Measure the room around each point of fronts that follow each other, as `crowding` does.

    Of equal values the one that comes first stands first, in the order the last objective left:
    rows in DEAP's order give DEAP's distances to the last bit. All fronts are measured at once.

    Args:
        points: shape (n, objectives), front after front.
        sizes: number of points in each front, summing to n.

    Returns:
        Shape (n,).

    >>> crowdingOfFronts(np.array([(0, 4), (1, 2), (4, 0), (5, 5)]), [3, 1]).tolist()
    [inf, 1.0, inf, inf]
    """
    n, objectives = points.shape
    filled = np.asarray(sizes, np.intp)
    filled = filled[filled > 0]
    small = np.min_scalar_type(filled.size)  # short integers are sorted by radix
    front, stops = np.repeat(np.arange(filled.size, dtype=small), filled), np.cumsum(filled)
    ends = np.concatenate([stops - filled, stops - 1])
    inner = np.delete(np.arange(n), ends)
    distances, order = np.zeros(n), np.arange(n)
    for objective in range(objectives):
        order = order[np.argsort(points[order, objective], kind="stable")]
        order = order[np.argsort(front[order], kind="stable")]
        values = points[order, objective]
        distances[order[ends]] = np.inf
        with np.errstate(invalid="ignore"):  # the range of an infinite front
            norm = objectives * (values[stops - 1] - values[stops - filled])
        within = inner[((norm > 0) & np.isfinite(norm))[front[inner]]]
        gap = values[within + 1] - values[within - 1]
        distances[order[within]] += gap / norm[front[within]]
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
    first = _firstEqual(array)
    sizes = np.cumsum(np.bincount(rank))
    wanted = len(array) if count is None else min(count, len(array))
    needed = int(np.searchsorted(sizes, wanted)) + 1
    split = np.split(np.argsort(rank, kind="stable"), sizes[:-1])[:needed]
    found: list[Ints] = []
    for members in split:
        last = _lastDominator(array[found[-1]], array[members]) if found else members * 0
        found.append(members[np.lexsort((members, first[members], last))])
    return found


def _firstEqual(points: Floats) -> Ints:
    """Return for each point the index of the first one that is equal to it."""
    values = np.sort(points[:, 0])
    if (values[1:] > values[:-1]).all():  # no difference: that of two infinite ones is none
        return np.arange(len(points))  # they differ in the first objective already
    order = np.lexsort(points.T)
    new = np.ones(len(points), bool)
    new[1:] = (points[order[1:]] != points[order[:-1]]).any(axis=1)
    first = np.empty_like(order)
    first[order] = order[np.maximum.accumulate(np.where(new, np.arange(len(points)), 0))]
    return first


def _lastDominator(before: Floats, points: Floats) -> Ints:
    """Return for each point the place of its last dominator in the front before, else -1.

    From the back the search ends at the first that is found; a block of pairs at a time, so that
    the memory stays the same for any number of points.
    """
    backwards, rows = np.ascontiguousarray(before[::-1].T), max(1, PAIRS // len(before))
    last = np.empty(len(points), np.intp)
    for start in range(0, len(points), rows):
        now = points[start : start + rows, :, None]
        worse = backwards[0] <= now[:, 0]
        for objective in range(1, len(backwards)):
            worse &= backwards[objective] <= now[:, objective]
        place = worse.argmax(axis=1)
        none = ~worse[np.arange(len(place)), place]
        last[start : start + rows] = np.where(none, -1, len(before) - 1 - place)
    return last
