"""Mutations for packed bits, in place, at a rate that is given.

Those that find their own rate are in rates.py, the guided drift is in drift.py.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from operators.draws import FEW, drawBits, drawPlaces, flip, placesOf
from operators.genomes import BitString
from operators.order import standing
from operators.ranges import at_least, share

B = TypeVar("B", bound=BitString)


def mutFlip(ind: B, *, rate: float | None = None, rng: np.random.Generator) -> tuple[B]:
    """Flip each gene with chance `rate`, in place.

    At a low rate the number of flips is drawn first (binomial), then as many different places: the
    same distribution as a draw for each gene, at the cost of the genes flipped.

    Args:
        ind: the individual.
        rate: chance per gene, 0 to 1; 1 / n, one gene on average, if None.
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if the rate is out of range.

    Source: as DEAP's mutFlipBit; 1 / n as Muehlenbein 1992.

    >>> mutFlip(BitString([1, 0, 1]), rate=1.0, rng=np.random.default_rng(0))
    (BitString('010'),)
    """
    rate = usualRate(rate, len(ind))
    if rate < FEW:
        flip(ind.packed, drawPlaces(len(ind), rate, rng))
    else:
        ind.packed ^= drawBits(len(ind), rate, rng)
    return (ind,)


def usualRate(rate: float | None, n: int) -> float:
    """Return the rate that is given, or 1 / n if it is None; one out of range is refused."""
    if rate is None:
        return 1 / max(n, 1)
    share("rate", rate)
    return rate


def mutSwap(ind: B, *, rate: float = 0.01, rng: np.random.Generator) -> tuple[B]:
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
    kept, n = ind.count(), len(ind)
    swaps = rng.binomial(min(kept, n - kept), rate)
    drops = rng.choice(kept, swaps, replace=False, shuffle=False)
    gains = rng.choice(n - kept, swaps, replace=False, shuffle=False)  # unused bits come last
    flips = placesOf(ind.packed, drops), placesOf(~ind.packed, gains)
    flip(ind.packed, np.concatenate(flips))
    return (ind,)


def mutLayerReset(
    ind: B, *, layers: ArrayLike, density: float | None = None, rng: np.random.Generator
) -> tuple[B]:
    """Draw all genes of one random layer anew, in place.

    A large step in one place: what the layer had learnt is gone, the rest of the network stays. It
    may leave a layer without genes, which cuts the network in two; `floorLayers` mends that.

    Cost: one random number a gene of the layer.

    Args:
        ind: the individual.
        layers: offsets of the layers in the genome, 0 ... n, shape [L + 1]; of those that hold
            genes, each is drawn with the same chance.
        density: chance of each gene of the layer to be 1, 0 to 1; the density that the layer has,
            if None, so that the number of ones stays on average.
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if the density is out of range, or the layers do not cover the genome.

    Source: ours.

    >>> rng = np.random.default_rng(0)
    >>> mutLayerReset(BitString([1] * 5), layers=[0, 2, 5], density=0, rng=rng)
    (BitString('11000'),)
    """
    if density is not None:
        share("density", density)
    offsets = checkedLayers(layers, len(ind))
    filled = np.flatnonzero(np.diff(offsets))
    if filled.size:
        layer = rng.choice(filled)
        genes = slice(int(offsets[layer]), int(offsets[layer + 1]))
        old = ind[genes]
        if density is None:
            density = old.count() / len(old)
        ind[genes] = rng.random(len(old)) < density
    return (ind,)


def mutRemove(
    ind: B, *, layers: ArrayLike, rate: ArrayLike = 0.1, rng: np.random.Generator
) -> tuple[B]:
    """Remove each gene that is kept with chance `rate`, in place; nothing ever comes back.

    After k such mutations a share (1 - rate) ** k is left on average: a line of descent gets
    sparser step by step, and only choosing among its members says where it stops.

    Args:
        ind: the individual.
        layers: offsets of the layers in the genome, 0 ... n, shape [L + 1].
        rate: chance per kept gene, 0 to 1; one, or one for each layer, shape [L].
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if a rate is out of range, there is not one for each layer, or the layers do
            not cover the genome.

    Source: Yang et al. 2019, with .1 for filters and .15 for single weights. ours: read as a chance
    per gene that is left; the paper only says that they are probabilities.

    >>> rng = np.random.default_rng(0)
    >>> mutRemove(BitString([1, 0, 1, 1]), layers=[0, 2, 4], rate=[1.0, 0.0], rng=rng)
    (BitString('0011'),)
    """
    share("rate", rate)
    offsets, rates = checkedLayers(layers, len(ind)), np.asarray(rate, float)
    if rates.ndim and rates.shape != (offsets.size - 1,):
        raise ValueError(
            f"rate: expected one, or {offsets.size - 1}, one for each layer; got {rates.tolist()}"
        )
    for start, stop, chance in zip(
        offsets, offsets[1:], np.broadcast_to(rates, offsets.size - 1), strict=False
    ):
        kept = ind[start:stop]
        kept.packed &= ~drawBits(len(kept), float(chance), rng)
        ind[start:stop] = kept
    return (ind,)


def checkedLayers(layers: ArrayLike, n: int) -> NDArray[np.int64]:
    """Return the offsets of layers; those that do not cover n genes are refused."""
    offsets = np.asarray(layers)
    if offsets[-1] != n:
        raise ValueError(
            f"layers: expected offsets from 0 to {n} genes, got {offsets[0]} to "
            f"{offsets[-1]}; make individual and layers from the same space"
        )
    return offsets


def mutImportance(
    ind: B,
    *,
    score: ArrayLike,
    rate: float = 0.01,
    change: float = 0.0,
    temperature: float = 0.1,
    rng: np.random.Generator,
) -> tuple[B]:
    """Drop mostly what scores low and restore mostly what scores high, in place.

    Genes are dropped with weight exp(-r / temperature) and restored with weight
    exp(r / temperature), r the rank of their score from 0 to 1, one after the other and none
    twice. Only the order of scores matters.

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
        ValueError: if rate, change or temperature are out of range, or a gene has no score.

    Source: ours; what is left is sampled by Gumbel noise as Kool, van Hoof & Welling 2019.

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
        below, upto = standing(score)  # equal scores share the middle of their ranks
        if below.size != len(ind):
            raise ValueError(f"score: expected {len(ind)}, one for each gene, got {below.size}")
        for genes, sign, count in ((kept, -1, swaps + drops), (removed, 1, swaps + gains)):
            rank = np.add(below[genes], upto[genes], dtype=np.float64)
            rank /= 2 * sign * len(ind)
            flip(ind.packed, genes[_favoured(rank, count, temperature, rng)])
    return (ind,)


def _favoured(
    rank: NDArray[np.float64], count: int, temperature: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw different places one after the other, each with weight exp(rank / temperature).

    Few are drawn with repeats, which are left out. What this does not bring, because many are
    wanted or few have nearly all the weight, is drawn from the rest by Gumbel noise: the places
    with the largest rank + temperature * noise are such a draw too.
    """
    drawn = np.zeros(0, np.int64)
    if count == 0:
        return drawn
    if 4 * count <= rank.size:
        weight = rank - rank.max()
        weight /= max(temperature, 1e-300)
        reach = np.cumsum(np.exp(weight, out=weight), out=weight)
        tries = np.searchsorted(reach, reach[-1] * rng.random(count + count // 4 + 8))
        drawn = tries[np.sort(np.unique(tries, return_index=True)[1])[:count]]
    if drawn.size < count:
        rest = np.delete(np.arange(rank.size), drawn)
        keys = rank[rest] + temperature * rng.gumbel(size=rest.size)
        missing = count - drawn.size
        drawn = np.concatenate([drawn, rest[np.argpartition(keys, -missing)[-missing:]]])
    return drawn
