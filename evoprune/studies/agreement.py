"""What the solutions of a front agree on: the genes that most keep, and those that hold a gene.

A share alone says little: masks that keep half of all genes agree by chance too, and the most
frequent of many genes is always frequent. `by_chance` is what such masks would show without
agreeing on anything. More than that need not be merit: solutions of a front are relatives.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.bool_]


def frequency(masks: Masks) -> NDArray[np.float64]:
    """Return the share of solutions that keep each gene.

    Args:
        masks: shape (solutions, genes), at least one solution.

    Returns:
        0 to 1, shape (genes,).

    >>> frequency(np.array([[1, 1, 0], [1, 0, 0]], bool)).tolist()
    [1.0, 0.5, 0.0]
    """
    return masks.mean(axis=0)


def most_frequent(masks: Masks, count: int = 10) -> NDArray[np.intp]:
    """Return the places of the genes that most solutions keep, the most frequent first.

    Args:
        masks: shape (solutions, genes).
        count: of places, 1 or more; all genes come if there are not so many.

    Returns:
        Places, shape (count,); of genes that are equally frequent the lower place comes first.

    Source: Poyatos et al., 2023, who show the ten most frequent neurons of each data set.

    >>> most_frequent(np.array([[1, 0, 1], [0, 0, 1]], bool), 2).tolist()
    [2, 0]
    """
    return np.argsort(-frequency(masks), kind="stable")[:count]


def holding(masks: Masks, points: NDArray[np.float64], gene: int) -> NDArray[np.float64]:
    """Return the objectives of the solutions that hold a gene.

    Args:
        masks: shape (solutions, genes).
        points: shape (solutions, objectives), in the same order.
        gene: its place.

    Returns:
        Shape (holders, objectives), a copy; no rows if nobody holds it.

    >>> masks, points = np.array([[1, 0], [1, 1]], bool), np.array([[0.1, 0.5], [0.2, 1.0]])
    >>> holding(masks, points, 1).tolist()
    [[0.2, 1.0]]
    """
    return points[masks[:, gene]]


def by_chance(masks: Masks) -> NDArray[np.float64]:
    """Return how frequent the genes would be if each mask kept as many, drawn at random.

    The number of solutions that keep a gene is then a sum of coins, one a solution, that land on
    "kept" with its density: the chances of all numbers come from one convolution a solution. The
    genes share out these chances, the most frequent gene first.

    Args:
        masks: shape (solutions, genes); only their densities are used.

    Returns:
        Shares of solutions, falling, shape (genes,), to stand beside `frequency` when it is sorted.

    Source: ours; the sum of coins is the Poisson binomial distribution.

    >>> by_chance(np.array([[1, 1, 0, 0], [0, 1, 0, 1]], bool)).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    chances = np.ones(1)
    for density in masks.mean(axis=1):
        chances = np.convolve(chances, [1 - density, density])
    genes = masks.shape[1]
    rarer = 1 - (np.arange(genes) + 0.5) / genes  # share of genes that a place leaves behind it
    counts = np.searchsorted(chances.cumsum(), rarer)
    return counts / len(masks)
