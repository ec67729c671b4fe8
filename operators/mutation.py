"""Mutations for packed bits, in place. The guided drift has its own file, drift.py."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from operators.genomes import BitString
from operators.ranges import at_least, share

B = TypeVar("B", bound=BitString)


def mutFlip(ind: B, *, rate: float, rng: np.random.Generator) -> tuple[B]:
    """Flip each gene with chance `rate`, in place.

    The number of flips is drawn first (binomial), then as many different places: the same
    distribution as a draw for each gene, at the cost of the genes flipped.

    Args:
        ind: the individual.
        rate: chance per gene, 0 to 1.
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if the rate is out of range.

    Source: as DEAP's mutFlipBit.

    >>> mutFlip(BitString([1, 0, 1]), rate=1.0, rng=np.random.default_rng(0))
    (BitString('010'),)
    """
    share("rate", rate)
    flips = rng.binomial(len(ind), rate)
    places = rng.choice(len(ind), flips, replace=False, shuffle=False)
    ind[places] = ~ind[places]
    return (ind,)


def mutSwap(ind: B, *, rate: float, rng: np.random.Generator) -> tuple[B]:
    """Let kept and removed genes change places, in place: the density stays.

    Args:
        ind: the individual.
        rate: chance that a gene of the rarer kind changes places with a random one of the
            other kind, 0 to 1.
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if the rate is out of range.

    Source: ours.

    >>> mutSwap(BitString([1, 0]), rate=1.0, rng=np.random.default_rng(0))
    (BitString('01'),)
    """
    share("rate", rate)
    bits = ind.to_numpy()
    kept, removed = np.flatnonzero(bits), np.flatnonzero(~bits)
    swaps = rng.binomial(min(kept.size, removed.size), rate)
    ind[rng.choice(kept, swaps, replace=False, shuffle=False)] = False
    ind[rng.choice(removed, swaps, replace=False, shuffle=False)] = True
    return (ind,)


def mutImportance(
    ind: B,
    *,
    score: ArrayLike,
    rate: float,
    change: float,
    temperature: float,
    rng: np.random.Generator,
) -> tuple[B]:
    """Drop mostly what scores low and restore mostly what scores high, in place.

    Genes are dropped with weight exp(-r / temperature) and restored with weight
    exp(r / temperature), r the rank of their score from 0 to 1, without replacement (the largest
    of r plus Gumbel noise times temperature). Only the order of scores matters.

    Args:
        ind: the individual.
        score: importance of each gene in any unit, shape [n], higher = rather kept.
        rate: chance that a gene of the rarer kind changes places with one of the other, 0 to 1.
        change: wanted change of the density, -1 to 1, reached exactly but for rounding to a
            gene; it stops where all genes are kept or removed.
        temperature: 0 takes strictly by score, about 0.1 softly, 10 nearly at random.
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if rate, change or temperature are out of range.

    Source: ours; sampling by Gumbel noise as Kool, van Hoof & Welling 2019.

    >>> mask, rng = BitString([1, 1, 0, 0]), np.random.default_rng(0)
    >>> mutImportance(mask, score=[1, 2, 3, 4], rate=0, change=-0.25, temperature=0, rng=rng)
    (BitString('0100'),)
    """
    share("rate", rate)
    share("change", change, low=-1)
    at_least("temperature", temperature, 0)
    bits = ind.to_numpy()
    kept, removed = np.flatnonzero(bits), np.flatnonzero(~bits)
    net = int(np.clip(round(change * len(ind)), -kept.size, removed.size))
    drops, gains = max(-net, 0), max(net, 0)
    swaps = rng.binomial(min(kept.size - drops, removed.size - gains), rate)
    if swaps + drops + gains:
        noise, rank = temperature * rng.gumbel(size=len(ind)), _ranks(np.asarray(score))
        ind[kept[_largest((noise - rank)[kept], swaps + drops)]] = False
        ind[removed[_largest((noise + rank)[removed], swaps + gains)]] = True
    return (ind,)


def _ranks(score: NDArray[Any]) -> NDArray[np.float64]:
    """Return the rank of each score between 0 and 1; equal scores share the middle of theirs."""
    _, place, holders = np.unique(score, return_inverse=True, return_counts=True)
    return ((np.cumsum(holders) - holders / 2) / score.size)[place]


def _largest(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return the places of the `count` largest values, in no order."""
    if count == 0:
        return np.zeros(0, dtype=np.int64)
    return np.argpartition(values, -count)[-count:]
