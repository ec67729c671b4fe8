"""Crossovers for packed bits. Each exchanges genes between two parents in place.

All of them are one exclusive-or: where the parents differ and the exchange is chosen, both flip.
`cxMicrobial`, which gives instead of exchanging, has its own file, microbial.py.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from operators.draws import drawBits, flip, placesOf
from operators.genomes import BitString
from operators.order import standing
from operators.ranges import at_least, share

B = TypeVar("B", bound=BitString)


def differing(a: B, b: B, n: int) -> NDArray[np.uint8]:
    """Return a 1, packed, where two parents of n genes differ."""
    if not len(a) == len(b) == n:
        raise ValueError(
            f"parents: expected two of {n} genes, got {len(a)} and {len(b)}; "
            "make both from the same space (and `layers` too)"
        )
    return a.packed ^ b.packed


def _exchange(a: B, b: B, n: int, chosen: NDArray[np.uint8]) -> tuple[B, B]:
    """Let the chosen ones of n genes, packed, change places between two parents."""
    swap = differing(a, b, n)
    swap &= chosen
    a.packed ^= swap
    b.packed ^= swap
    return a, b


def cxUniformPacked(a: B, b: B, *, rate: float = 0.5, rng: np.random.Generator) -> tuple[B, B]:
    """Exchange each gene with chance `rate`, in place.

    A gene takes as many random bits as it needs, at rate 0.5 a single one, and has the chance
    `rate` to 2 ** -61 at the worst (`drawBits`).

    Args:
        a: first parent.
        b: second parent, of the same length.
        rate: chance per gene, 0 to 1; 0.5 mixes most, 1 exchanges everything.
        rng: the only source of random numbers.

    Returns:
        The two parents, changed.

    Raises:
        ValueError: if the rate is out of range, or the lengths differ.

    Source: Syswerda 1989, uniform crossover; as DEAP's cxUniform, on bytes.

    >>> a, b = BitString([1, 1, 1]), BitString([0, 0, 0])
    >>> cxUniformPacked(a, b, rate=1.0, rng=np.random.default_rng(0))
    (BitString('000'), BitString('111'))
    """
    share("rate", rate)
    return _exchange(a, b, len(a), drawBits(len(a), rate, rng))


def cxOnePointPacked(a: B, b: B, *, rng: np.random.Generator) -> tuple[B, B]:
    """Exchange the genes behind a random cut, in place.

    Cost: one random number, and a pass over the genes.

    Args:
        a: first parent.
        b: second parent, of the same length; below 2 genes there is nothing to cut.
        rng: the only source of random numbers.

    Returns:
        The two parents, changed.

    Raises:
        ValueError: if the lengths differ.

    Source: Holland 1975; as DEAP's cxOnePoint (a cut of 1 ... n - 1), on bytes.

    >>> a, b = BitString([1] * 4), BitString([0] * 4)
    >>> a, b = cxOnePointPacked(a, b, rng=np.random.default_rng(0))
    >>> a[0], a[3], a.count() + b.count()
    (1, 0, 4)
    """
    return cxKPointPacked(a, b, points=1, rng=rng)


def cxTwoPointPacked(a: B, b: B, *, rng: np.random.Generator) -> tuple[B, B]:
    """Exchange the genes between two random cuts, in place.

    Args:
        a: first parent.
        b: second parent, of the same length; below 2 genes there is nothing to cut.
        rng: the only source of random numbers.

    Returns:
        The two parents, changed.

    Source: as DEAP's cxTwoPoint (two different cuts of 1 ... n, so gene 0 stays), on bytes.

    >>> a, b = BitString([1] * 4), BitString([0] * 4)
    >>> a, b = cxTwoPointPacked(a, b, rng=np.random.default_rng(0))
    >>> a[0], a.count() + b.count()
    (1, 4)
    """
    cuts = rng.choice(len(a), 2 * (len(a) > 1), replace=False, shuffle=False) + 1
    return _exchange(a, b, len(a), _everySecond(np.sort(cuts), len(a)))


def cxKPointPacked(a: B, b: B, *, points: int = 3, rng: np.random.Generator) -> tuple[B, B]:
    """Exchange every second stretch between random cuts, in place.

    Few cuts keep neighbours together, many mix them; the first stretch stays.

    Cost: one random number a cut, and a pass over the genes.

    Args:
        a: first parent.
        b: second parent, of the same length.
        points: number of different cuts, 0 (exchanges nothing) or more; above n - 1 it is n - 1,
            which exchanges every second gene.
        rng: the only source of random numbers.

    Returns:
        The two parents, changed.

    Raises:
        ValueError: if points are below 0, or the lengths differ.

    Source: De Jong & Spears 1992, n-point crossover. differs: an odd number of cuts is allowed too,
    for the genome is a line and not a ring.

    >>> a, b = BitString([1] * 4), BitString([0] * 4)
    >>> cxKPointPacked(a, b, points=3, rng=np.random.default_rng(0))
    (BitString('1010'), BitString('0101'))
    """
    at_least("points", points, 0)
    between = max(len(a) - 1, 0)  # places for a cut
    cuts = rng.choice(between, min(points, between), replace=False, shuffle=False) + 1
    return _exchange(a, b, len(a), _everySecond(np.sort(cuts), len(a)))


def _everySecond(cuts: NDArray[Any], n: int) -> NDArray[np.uint8]:
    """Return a 1, packed, for the genes behind the first, third, ... of sorted cuts."""
    stretches = np.diff(cuts, prepend=0, append=n).astype(np.int64)
    return np.packbits(np.repeat(np.arange(stretches.size) % 2 == 1, stretches))


def cxHalfUniform(a: B, b: B, *, rng: np.random.Generator) -> tuple[B, B]:
    """Exchange half of the genes in which the parents differ, in place.

    Each child ends half-way between the two, as far from its own parent as can be without being
    nearer to the other one. Known as HUX.

    Cost: half a random number a differing gene, and a pass over the bytes.

    Args:
        a: first parent.
        b: second parent, of the same length.
        rng: the only source of random numbers.

    Returns:
        The two parents, changed; exactly half of the differing genes, rounded down (ours), have
        changed places, each with the same chance.

    Raises:
        ValueError: if the lengths differ.

    Source: Eshelman 1991 (CHC). differs: any two parents are crossed; which ones are too alike is
    a matter of the loop.

    >>> a, b = BitString([1, 1, 1, 1]), BitString([0, 0, 1, 1])
    >>> a, b = cxHalfUniform(a, b, rng=np.random.default_rng(0))
    >>> a.count(), b.count()
    (3, 3)
    """
    unlike = differing(a, b, len(a))
    count = int(np.bitwise_count(unlike).sum(dtype=np.int64))
    half = placesOf(unlike, rng.choice(count, count // 2, replace=False, shuffle=False))
    for parent in (a, b):
        flip(parent.packed, half)
    return a, b


def cxImportance(
    a: B, b: B, *, score: ArrayLike, bias: float = 0.5, rng: np.random.Generator
) -> tuple[B, B]:
    """Give the first child mostly the important ones of the genes that one parent keeps, in place.

    Where the parents differ, one child gets the kept gene and the other the removed one. The first
    child gets it with chance 1/2 + bias * (r - 1/2), r the rank of the gene's score among the
    differing genes, from 0 to 1. So both children expect to keep half of these genes, whatever the
    bias: the first child the half that scores high, the second what is left. Only the order of
    scores matters. Of use where a loop keeps the first child alone, as MOEA/D's does.

    Cost: one random number a differing gene, and a few passes over the genes; for a score that is
    new, a sort.

    Args:
        a: first parent.
        b: second parent, of the same length.
        score: importance of each gene in any unit, shape [n], higher = rather kept.
        bias: 0 (scores ignored: uniform crossover at rate 0.5) to 1 (the highest of many genes
            surely goes to the first child, the lowest surely to the second).
        rng: the only source of random numbers.

    Returns:
        The two parents, changed.

    Raises:
        ValueError: if the bias is out of range, the lengths differ, or a gene has no score.

    Source: ours.

    >>> rng = np.random.default_rng(0)
    >>> a, b = BitString([1, 0] * 500), BitString([0, 1] * 500)
    >>> a, b = cxImportance(a, b, score=np.arange(1000), bias=1.0, rng=rng)
    >>> a[:500].count() < 200 < 300 < a[500:].count()
    True
    """
    share("bias", bias)
    n, (below, _) = len(a), standing(score)  # equal scores have as many below them
    if below.size != n:
        raise ValueError(f"score: expected {n}, one for each gene, got {below.size}")
    places = np.flatnonzero(np.unpackbits(differing(a, b, n), count=n))
    at = below[places]
    times = np.bincount(at, minlength=n)
    rank = (np.cumsum(times)[at] - times[at] / 2) / places.size  # among the differing genes alone
    to_first = rng.random(places.size) < 0.5 + bias * (rank - 0.5)
    moved = places[to_first != a[places]]
    for parent in (a, b):
        flip(parent.packed, moved)
    return a, b


def cxLayers(
    a: B, b: B, *, layers: ArrayLike, rate: float = 0.5, rng: np.random.Generator
) -> tuple[B, B]:
    """Exchange whole layers, each with chance `rate`, in place.

    The genes of one layer were selected together and fit each other; a layer is the natural
    building block to pass on.

    Args:
        a: first parent.
        b: second parent, of the same length.
        layers: offsets of the layers in the genome, 0 ... n, shape [L + 1].
        rate: chance per layer, 0 to 1.
        rng: the only source of random numbers.

    Returns:
        The two parents, changed.

    Raises:
        ValueError: if the rate is out of range, or the lengths differ.

    Source: ours.

    >>> a, b = BitString([1] * 5), BitString([0] * 5)
    >>> cxLayers(a, b, layers=[0, 2, 5], rate=0.5, rng=np.random.default_rng(0))
    (BitString('11000'), BitString('00111'))
    """
    share("rate", rate)
    return _exchange(a, b, *drawLayers(layers, rate, rng))


def drawLayers(
    layers: ArrayLike, rate: float, rng: np.random.Generator
) -> tuple[int, NDArray[np.uint8]]:
    """Return the number of genes and, packed, a 1 for those of layers drawn with this chance."""
    sizes = np.diff(np.asarray(layers))
    chosen = np.repeat(rng.random(sizes.size) < rate, sizes)
    return chosen.size, np.packbits(chosen)
