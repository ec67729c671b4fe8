"""Which genes take part, each with the same chance, drawn at the cost of what is needed.

Few genes are drawn by number and place, many by a few random bits each.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FEW = 1 / 64  # below this share of the genes it is faster to look at each place alone
Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


def drawPlaces(n: int, rate: float, rng: np.random.Generator) -> Places:
    """Draw the places of the genes that take part, each with chance `rate`, in no order.

    The number is drawn first (binomial), then as many different places: the same distribution as
    a draw for each gene, at the cost of the genes that take part.
    """
    return rng.choice(n, rng.binomial(n, rate), replace=False, shuffle=False)


def drawBits(n: int, rate: float, rng: np.random.Generator) -> Bytes:
    """Draw for each of n genes, packed as in a BitString, a 1 with chance `rate`.

    A gene is chosen if a random number is below the rate, compared bit by bit from the highest:
    the first that differs decides. All genes take their next bit at once, until the rate has no
    more digits (rate 1/2 has one); the 1 in 256 that eight bits leave undecided take a double.
    So the chance is the rate to 2 ** -61 at the worst, finer than by a double for each gene.
    """
    chosen = np.zeros(-(-n // 8), np.uint8)
    if rate < FEW:
        flip(chosen, drawPlaces(n, rate, rng))
        return chosen
    undecided = np.full_like(chosen, 0xFF)
    undecided[n // 8 :] = 0xFF00 >> n % 8 & 0xFF  # unused bits stay 0
    for _ in range(8):
        differing = undecided & _randomBytes(chosen.size, rng)
        undecided ^= differing
        rate *= 2
        if rate >= 1:  # the digit is 1: a random bit that differs is 0, hence below
            chosen |= differing
            rate -= 1
        if rate == 0:
            return chosen
    rest = np.flatnonzero(np.unpackbits(undecided).view(np.bool_))
    flip(chosen, rest[rng.random(rest.size) < rate])
    return chosen


def flip(packed: Bytes, places: Places) -> None:
    """Flip the genes at these different places, in place."""
    np.bitwise_xor.at(packed, places >> 3, (128 >> (places & 7)).astype(np.uint8))


def placesOf(packed: Bytes, numbers: Places) -> Places:
    """Return the places of the genes that are 1, by their number among these, counted from 0.

    Few are found by counting the bits of the bytes before them, many by unpacking all.

    >>> placesOf(np.packbits([0, 1, 0, 1, 1]), np.array([0, 2])).tolist()
    [1, 4]
    """
    if numbers.size > FEW * 8 * packed.size:
        return np.flatnonzero(np.unpackbits(packed).view(np.bool_))[numbers]
    upto = np.cumsum(np.bitwise_count(packed), dtype=np.int64)
    byte = np.searchsorted(upto, numbers, side="right")
    inside = numbers - upto[byte] + np.bitwise_count(packed[byte])  # number within the byte
    ones = np.cumsum(np.unpackbits(packed[byte][:, None], axis=1), axis=1)
    return 8 * byte + np.argmax(ones > inside[:, None], axis=1)


def _randomBytes(n: int, rng: np.random.Generator) -> Bytes:
    """Draw n random bytes, eight at a time."""
    return rng.integers(0, 2**64, -(-n // 8), np.uint64).view(np.uint8)[:n]
