"""Crossovers for packed bits. Each exchanges genes between two parents in place.

All of them are one exclusive-or: where the parents differ and the exchange is chosen, both flip.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from operators.draws import drawBits
from operators.genomes import BitString
from operators.ranges import share

B = TypeVar("B", bound=BitString)


def _exchange(a: B, b: B, n: int, chosen: NDArray[np.uint8]) -> tuple[B, B]:
    """Let the chosen ones of n genes, packed, change places between two parents."""
    if not len(a) == len(b) == n:
        raise ValueError(
            f"parents: expected two of {n} genes, got {len(a)} and {len(b)}; "
            "make both from the same space (and `layers` too)"
        )
    swap = a.packed ^ b.packed
    swap &= chosen
    a.packed ^= swap
    b.packed ^= swap
    return a, b


def cxUniformPacked(a: B, b: B, *, rate: float, rng: np.random.Generator) -> tuple[B, B]:
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
    chosen = np.zeros(len(a), dtype=np.bool_)
    if len(a) > 1:
        first, last = np.sort(rng.choice(len(a), 2, replace=False, shuffle=False)) + 1
        chosen[first:last] = True
    return _exchange(a, b, len(a), np.packbits(chosen))


def cxLayers(
    a: B, b: B, *, layers: ArrayLike, rate: float, rng: np.random.Generator
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
    sizes = np.diff(np.asarray(layers))
    chosen = np.repeat(rng.random(sizes.size) < rate, sizes)
    return _exchange(a, b, chosen.size, np.packbits(chosen))
