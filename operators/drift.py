"""Guidance: let a mask drift along the saliency of the network as it is now."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from operators.order import kthLargest
from operators.ranges import at_least, share

Saliency = Callable[[Any], npt.NDArray[np.float32]]
TINY = np.finfo(np.float32).tiny


def keepTop(individual: Any, score: npt.NDArray[np.floating], count: int) -> float:
    """Set the `count` genes that score highest and clear all others, in place.

    Ties at the threshold are kept in the order of the genome.

    Args:
        individual: a BitString.
        score: shape (genes,).
        count: 0 to len(individual).

    Returns:
        The threshold: the lowest score kept, infinite if none is.

    >>> from operators import BitString
    >>> mask = BitString([0, 0, 0, 0])
    >>> keepTop(mask, np.array([0.125, 0.5, 0.25, 0.75]), 2), list(mask)
    (0.5, [0, 1, 0, 1])
    """
    if not 0 <= count <= len(individual):
        raise ValueError(f"count: expected 0 to {len(individual)} genes, got {count}")
    bits, threshold = np.zeros(len(score), bool), np.inf
    if count > 0:
        threshold = float(kthLargest(score, count))
        bits = score > threshold
        ties = np.flatnonzero(score == threshold)
        bits[ties[: count - np.count_nonzero(bits)]] = True
    individual.packed[:] = np.packbits(bits)
    return threshold


def mutDrift(
    individual: Any,
    *,
    saliency: Saliency,
    score: npt.NDArray[np.floating],
    count: int | None = None,
    steps: int = 8,
    rate: float = 0.0005,
    decay: float = 0.9,
    mean: npt.NDArray[np.float32] | None = None,
) -> tuple[Any]:
    """Drift a mask in place along the saliency of its own genes, to a wanted number of ones.

    Every gene has a score s that remembers where the drift has been. Each step asks for the
    saliency a of the genes on the mask as it now is, averages it and moves the score:

        v <- decay * v + (1 - decay) * a
        s <- s + rate * threshold * v / mean|v|

    The mask is the top of s, the threshold its lowest kept score: so `rate` is in units that suit
    every network and every loss, the mean move of a gene a step as a share of the threshold. The
    number of ones glides geometrically from the present to the wanted count over the first half of
    the steps; the other half settles there. A step costs one call of `saliency` and one pass over
    the genes; it draws no random number itself.

    The individual carries its score along as `individual.score` (float32, shape (genes,)): a
    second drift goes on where the first one stopped. Without one it starts from `score`. Starting
    anew from the bits alone forgets how near each gene stands to the threshold, and was much worse.

    Args:
        individual: a BitString; its bits and its `score` change.
        saliency: from the individual to the value of each gene being set, shape (genes,): the
            first-order fall of the loss.
        score: first score of an individual that carries none, shape (genes,), such as |w|.
        count: wanted number of ones, 1 to len(individual); as many as there are, if None.
        steps: number of calls of `saliency`; 0 changes nothing.
        rate: mean move of the scores a step, as a share of the threshold, 0 or more.
        decay: memory of the average, 0 (none) to below 1.
        mean: filled, if given, with the mean of the scores over the settled half, each measured
            from its step's threshold, shape (genes,). The steps keep a mask on the move; their
            mean is nearer to where they lead (Polyak and Juditsky, 1992).

    Returns:
        The individual itself, in a tuple.

    Raises:
        ValueError: if count, steps, rate or decay are out of range.

    Source: ours; kin of movement pruning (Sanh et al., 2020) and of edge-popup (Ramanujan et al.,
    2020), which train scores by the straight-through gradient.
    differs: starts at the trained magnitudes, and weights never change.
    """
    if count is None:
        count = individual.count()
        steps = steps if count else 0  # a mask without ones keeps none
    elif not 1 <= count <= len(individual):
        raise ValueError(f"count: expected 1 to {len(individual)} genes, got {count}")
    if not 0 <= decay < 1:
        raise ValueError(f"decay: expected 0 to below 1, got {decay}; write decay=0.9")
    at_least("steps", steps, 0)
    at_least("rate", rate, 0)
    if steps == 0:
        return (individual,)
    s = alignScore(individual, score)
    v, total, settled, spare = np.zeros_like(s), np.zeros_like(s), 0, np.empty_like(s)
    start = max(individual.count(), 1)
    threshold = keepTop(individual, s, start)
    for step in range(steps):
        v *= decay
        v += np.multiply(saliency(individual), 1 - decay, out=spare, casting="same_kind")
        pace = float(np.abs(v, out=spare).mean())
        if pace > 0:
            s += np.multiply(v, rate * abs(threshold) / pace, out=spare)
        glide = min(1.0, 2 * (step + 1) / steps)
        threshold = keepTop(individual, s, round(start * (count / start) ** glide))
        if mean is not None and glide == 1:
            total += np.subtract(s, np.float32(threshold), out=spare)
            settled += 1
    if mean is not None:
        mean[:] = total / settled + np.float32(threshold)
    individual.score = s
    return (individual,)


def alignScore(individual: Any, score: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return the individual's score, changed so that its top genes are just the set ones.

    Operators that know nothing of scores set and clear bits; a gene they set comes in at the
    threshold, and one they clear goes out there, so that a drift can go on from any mask.

    Args:
        individual: a BitString, with or without a `score`; it is not changed.
        score: taken for an individual that carries none, shape (genes,).

    Returns:
        A new float32 array, shape (genes,).
    """
    s = np.array(getattr(individual, "score", score), np.float32)
    bits, count = individual.to_numpy(), individual.count()
    if 0 < count < len(s):
        threshold = kthLargest(s, count)
        below = np.nextafter(threshold, np.float32(-np.inf))
        below = min(below, threshold - TINY)  # next to 0, lower also where denormals count as 0
        s[bits & (s < threshold)] = threshold
        s[~bits & (s > below)] = below
    return s


def cxScores(
    a: Any,
    b: Any,
    *,
    layers: npt.ArrayLike,
    rate: float = 1.0,
    blend: float = 0.5,
    rng: np.random.Generator,
) -> tuple[Any, Any]:
    """Cross the scores of two drifted masks layer by layer, in place; each keeps its density.

    A layer is chosen with chance `rate`. There the two scores, each measured from its own
    threshold so that dense and sparse parents can be compared, move towards each other: at blend
    0.5 both take the mean, at 1 they change places. Each child is then the top of its score, with
    as many ones as before. Averaging is what makes it more than `cxLayers`: the noise of two
    drifts cancels, their common course stays.

    Args:
        a: a BitString with a `score`, as `mutDrift` leaves it; if either has none, nothing happens.
        b: the other.
        layers: offsets of the layers in the genome, shape (layers + 1,).
        rate: chance of a layer to take part, 0 to 1.
        blend: share that comes from the other parent, 0 (nothing changes) to 1.
        rng: the random stream.

    Returns:
        Both individuals, in a tuple.

    Raises:
        ValueError: if rate or blend are out of range.

    Source: ours.
    """
    share("rate", rate)
    share("blend", blend)
    if not (len(a) and hasattr(a, "score") and hasattr(b, "score")):
        return a, b
    chosen = np.repeat(rng.random(len(np.asarray(layers)) - 1) < rate, np.diff(layers))
    counts = a.count(), b.count()
    score_a, score_b = alignScore(a, a.score), alignScore(b, b.score)
    threshold_a, threshold_b = (
        float(kthLargest(s, max(c, 1))) for s, c in ((score_a, counts[0]), (score_b, counts[1]))
    )
    shift = np.where(chosen, blend * ((score_b - threshold_b) - (score_a - threshold_a)), 0.0)
    moved = (score_a + shift, score_b - shift)
    for individual, score, count in zip((a, b), moved, counts, strict=True):
        individual.score = score.astype(np.float32)
        keepTop(individual, individual.score, count)
    return a, b
