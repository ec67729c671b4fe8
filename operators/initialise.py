"""Initialisers: thresholds in a box or around a vector, bits at a density or by importance.

As in DEAP the type of the individual comes first; it is called with the genes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from operators.order import standing
from operators.ranges import at_least, ordered, share

I = TypeVar("I")  # noqa: E741  (an individual, whatever its container makes)
Container = Callable[[Any], I]


def initUniform(
    container: Container[I], low: ArrayLike, high: ArrayLike, *, rng: np.random.Generator
) -> I:
    """Make an individual whose genes are uniform between their bounds.

    Args:
        container: type of the individual.
        low: lower bounds, shape [n].
        high: upper bounds, shape [n].
        rng: the only source of random numbers.

    Raises:
        ValueError: if a lower bound is above the upper one, or either is not finite.

    >>> from operators.genomes import RealVector
    >>> initUniform(RealVector, [0, 5], [0, 5], rng=np.random.default_rng(0))
    RealVector([0.0, 5.0])
    """
    ordered(low, high, finite=True)
    return container(rng.uniform(np.asarray(low, np.float64), np.asarray(high, np.float64)))


def initAround(
    container: Container[I],
    centre: ArrayLike | None = None,
    *,
    sigma: ArrayLike = 0.1,
    low: ArrayLike,
    high: ArrayLike,
    rng: np.random.Generator,
) -> I:
    """Make an individual near a given vector: Gaussian steps, clipped to the bounds.

    Args:
        container: type of the individual.
        centre: the given vector, shape [n]; half-way between the bounds, which must then be
            finite and of shape [n], if None.
        sigma: standard deviation of a step in the unit of the genes, one or [n]; 0 copies.
        low: lower bounds, one or [n].
        high: upper bounds, one or [n].
        rng: the only source of random numbers.

    Raises:
        ValueError: if sigma is out of range, or a lower bound is above the upper one.

    >>> from operators.genomes import RealVector
    >>> initAround(RealVector, [0.5, 2.0], sigma=0, low=0, high=1, rng=np.random.default_rng(0))
    RealVector([0.5, 1.0])
    """
    at_least("sigma", sigma, 0)
    ordered(low, high, finite=centre is None)
    if centre is None:
        centre = np.add(low, high, dtype=np.float64) / 2
    middle, step = np.asarray(centre, np.float64), np.asarray(sigma, np.float64)
    genes = middle + step * rng.standard_normal(middle.shape)
    return container(np.clip(genes, np.asarray(low, np.float64), np.asarray(high, np.float64)))


def initDensity(
    container: Container[I], size: int, *, density: float, rng: np.random.Generator
) -> I:
    """Make an individual in which each gene is 1 with chance `density`.

    Args:
        container: type of the individual.
        size: number of genes.
        density: expected share of genes that are 1, 0 to 1; both ends are exact.
        rng: the only source of random numbers.

    Raises:
        ValueError: if size or density are out of range.

    >>> from operators.genomes import BitString
    >>> initDensity(BitString, 5, density=1.0, rng=np.random.default_rng(0))
    BitString('11111')
    """
    at_least("size", size, 0)
    share("density", density)
    return container(rng.random(size) < density)


def initImportance(
    container: Container[I],
    score: ArrayLike,
    *,
    density: float,
    sharpness: float = 50.0,
    support: ArrayLike | None = None,
    core: ArrayLike | None = None,
    rng: np.random.Generator,
) -> I:
    """Make an individual that keeps mostly what scores high, at an expected density.

    The free genes (in the support, not in the core) are ranked by score, r from 0 to 1. The
    chance to be kept is the logistic curve 1 / (1 + exp(-sharpness * (r - offset))), its offset
    solved so that the expected density is the one asked for. Only the order of scores matters.

    Args:
        container: type of the individual.
        score: importance of each gene in any unit, shape [n], higher = rather kept.
        density: expected share of all n genes that are 1.
        sharpness: steepness of the curve, 0 (scores ignored) upwards; 10 is soft, 1000 nearly
            keeps the top scores only.
        support: bools, shape [n]; genes outside are never 1. All genes, if None.
        core: bools, shape [n], inside the support; these genes are always 1. None, if None.
        rng: the only source of random numbers.

    Raises:
        ValueError: if the density cannot be reached between core and support, or the sharpness is
            out of range.

    Source: ours.

    >>> from operators.genomes import BitString
    >>> rng = np.random.default_rng(0)
    >>> initImportance(BitString, [3, 1, 4, 1.5], density=0.5, sharpness=1e4, rng=rng)
    BitString('1010')
    """
    at_least("sharpness", sharpness, 0, instead="negate the score to keep what scores low")
    chance = _chances(np.asarray(score), density, sharpness, support, core)
    return container(rng.random(chance.size) < chance)


def _chances(
    score: NDArray[Any],
    density: float,
    sharpness: float,
    support: ArrayLike | None,
    core: ArrayLike | None,
) -> NDArray[np.float64]:
    """Return for each gene the chance to be 1: 0 outside the support, 1 in the core."""
    n = score.size
    allowed = np.ones(n, dtype=np.bool_) if support is None else np.asarray(support, np.bool_)
    fixed = np.zeros(n, dtype=np.bool_) if core is None else np.asarray(core, np.bool_)
    if (fixed & ~allowed).any():
        raise ValueError("core: expected to lie inside the support, got genes outside; clear them")
    free, kept = allowed & ~fixed, density * n - fixed.sum()
    if not -1e-9 * n <= kept <= free.sum() + 1e-9 * n:
        raise ValueError(
            f"density: expected {fixed.mean():.6g} (core) to {allowed.mean():.6g} (support), "
            f"got {density}; ask for a density between them or widen the support"
        )
    chance = fixed.astype(np.float64)
    if free.any():
        chance[free] = _logistic(score[free], min(max(kept / free.sum(), 0.0), 1.0), sharpness)
    return chance


def _logistic(score: NDArray[Any], mean: float, sharpness: float) -> NDArray[np.float64]:
    """Return chances of a given mean that follow the rank of the scores by a logistic curve.

    A score's chance is the mean of the curve over the ranks it holds, an integral that is known
    in closed form. So equal scores have equal chances, and the mean of all is exact.
    """
    if sharpness < 1e-3 or mean in (0.0, 1.0):  # flat to rounding
        return np.full(score.size, mean)
    # From integral(0 ... 1) = mean: the curve's argument at rank 0, -sharpness * offset.
    below, above = -np.expm1(-sharpness * mean), -np.expm1(-sharpness * (1 - mean))
    start = np.log(below) - sharpness * (1 - mean) - np.log(above)
    below, upto = standing(score)  # a score holds the ranks between
    low, high = (
        np.logaddexp(0.0, start + sharpness * (places / score.size)) / sharpness
        for places in (below, upto)
    )
    return np.clip((high - low) * score.size / (upto - below), 0.0, 1.0)
