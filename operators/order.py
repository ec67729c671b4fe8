"""Where scores stand among all scores. Exact, and without sorting more than it takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

STRIDE = 61  # prime: filters hold 9, 16 or 64 weights, and a sample should meet all places in them
Places = NDArray[np.unsignedinteger[Any]]

_last: tuple[NDArray[Any], Places, Places] = (np.zeros(0), *(np.zeros(0, np.uint8),) * 2)


def standing(score: ArrayLike) -> tuple[Places, Places]:
    """Count for each score how many are below it, and how many are not above it.

    Equal scores get the same two numbers; their places in the order lie between them. The last
    answer is remembered, with a copy of the scores by which it is recognised: a population is
    mutated by one score, and to compare is a hundred times as fast as to sort.

    Args:
        score: shape [n], any numbers; NaN counts as the highest.

    Returns:
        Two arrays of unsigned integers, shape [n], not to be written to.

    >>> below, upto = standing([7, 9, 7, 1])
    >>> below.tolist(), upto.tolist()
    ([1, 3, 1, 0], [3, 4, 3, 1])
    """
    global _last
    array, (known, below, upto) = np.asarray(score), _last
    if array.dtype == known.dtype and np.array_equal(array, known):
        return below, upto
    n, order = array.size, _ascending(array)
    sorted_, places = array[order], np.arange(n + 1, dtype=np.min_scalar_type(n))
    new = np.ones(n + 1, np.bool_)  # does another score begin here?
    new[1:-1] = sorted_[1:] != sorted_[:-1]
    first = np.maximum.accumulate(np.where(new, places, 0)[:-1])
    stop = np.minimum.accumulate(np.where(new, places, n)[:0:-1])[::-1]
    below, upto = np.empty_like(first), np.empty_like(stop)
    below[order], upto[order] = first, stop
    below.flags.writeable = upto.flags.writeable = False
    _last = (array.copy(), below, upto)
    return below, upto


def _ascending(score: NDArray[Any]) -> NDArray[np.intp]:
    """Return an order that sorts the scores, as np.argsort; of float32 by radix, in two halves.

    Read as unsigned integers, positive floats ascend, and negative ones do with all bits turned.
    """
    if score.dtype != np.float32:
        return np.argsort(score)
    key = np.where(np.isnan(score), np.float32(np.nan), score + np.float32(0)).view(np.uint32)
    key ^= np.where(key >> 31, np.uint32(0xFFFFFFFF), np.uint32(0x80000000))
    low = np.argsort(key.astype(np.uint16), kind="stable")
    return low[np.argsort((key >> 16).astype(np.uint16)[low], kind="stable")]


def kthLargest(score: NDArray[np.floating[Any]], k: int) -> np.floating[Any]:
    """Return the k-th largest score, as np.partition finds it, several times as fast.

    A sample says between which two scores it must lie; those above are counted, and only those
    between are partitioned. Where the sample was wrong, all are.

    Args:
        score: shape [n].
        k: 1 to n; 1 is the largest.

    Source: after Floyd & Rivest 1975, SELECT.

    >>> float(kthLargest(np.array([3.0, 1.0, 2.0]), 2))
    2.0
    """
    n = len(score)
    sample = np.sort(score[::STRIDE])
    m, share = len(sample), 1 - k / n
    place, slack = m * share, 2 + 4 * np.sqrt(m * share * (1 - share))  # four deviations
    low = sample[int(place - slack)] if place > slack else -np.inf
    high = sample[int(place + slack)] if place + slack < m else np.inf
    between = score[(score >= low) & (score <= high)]
    k_between = k - int(np.count_nonzero(score > high))
    if not 1 <= k_between <= len(between):
        between, k_between = score, k
    return np.partition(between, len(between) - k_between)[len(between) - k_between]
