"""How good a front is, in one number. Everything is minimised."""

from __future__ import annotations

import moocore
import numpy as np
from numpy.typing import ArrayLike


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """Measure the volume that a front dominates, up to a reference point. More is better.

    Args:
        points: shape (n, objectives), dominated ones may be among them. A point that is not better
            than the reference in every objective adds nothing; neither does one with NaN.
        reference: shape (objectives,), the worst corner, such as (1, 1) for (error, density).

    Returns:
        The volume, without any normalisation; 0 for no points.

    Raises:
        ValueError: if the points have not as many columns as the reference has objectives.

    Source: Zitzler & Thiele 1998; computed by moocore.

    >>> hypervolume([(0.5, 0.25)], reference=(1, 1))
    0.375
    """
    inside, corner = np.asarray(points, float), np.asarray(reference, float)
    if inside.size == 0:
        return 0.0
    _check_columns(inside, "reference", len(corner))
    inside = inside[np.all(inside < corner, axis=1)]
    return float(moocore.hypervolume(inside, ref=corner)) if len(inside) else 0.0


def igd_plus(points: ArrayLike, front: ArrayLike) -> float:
    """Measure how far a known front is from the points found. Less is better.

    For every point of the known front: the distance to the nearest point found, counting only the
    objectives in which that one is worse; then the mean.

    Args:
        points: shape (n, objectives), the points found.
        front: shape (m, objectives), points spread over the known front.

    Returns:
        The mean distance, 0 or more; infinite if nothing was found.

    Raises:
        ValueError: if points and front differ in the number of objectives.

    Source: Ishibuchi et al. 2015; computed by moocore.

    >>> igd_plus([(0.0, 1.5), (1.0, 0.0)], front=[(0, 1), (1, 0)])
    0.25
    """
    found, known = np.asarray(points, float), np.asarray(front, float)
    if found.size == 0:
        return float("inf")
    _check_columns(found, "front", known.shape[1])
    return float(moocore.igd_plus(found, ref=known))


def _check_columns(points: np.ndarray, other: str, objectives: int) -> None:
    if points.ndim != 2 or points.shape[1] != objectives:
        raise ValueError(
            f"points: expected shape (n, {objectives}) as {other} has {objectives} objectives, "
            f"got {points.shape}"
        )
