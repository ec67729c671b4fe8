"""The microbial crossover, in place: a gift from the winner to the loser. It reads the fitness."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from operators.crossover import differing, drawLayers
from operators.genomes import BitString
from operators.ranges import share
from operators.selection import measured

B = TypeVar("B", bound=BitString)


def cxMicrobial(
    a: B, b: B, *, layers: ArrayLike, rate: float = 0.5, rng: np.random.Generator
) -> tuple[B, B]:
    """Let the loser of two take whole layers from the winner, each with chance `rate`, in place.

    As microbes pass on genes: the winner stays as it is, so that what is good cannot get lost, and
    the loser becomes a mixture of both. The first parent is the loser if the second dominates it,
    a feasible one dominating any infeasible one, and of two infeasible ones that of the smaller
    violation; in all other cases the second is, also where neither is better or one has no valid
    fitness. The fitness is read here, and never written.

    Of little use where a loop keeps the first child alone, as MOEA/D's does: its neighbours seldom
    dominate each other, and the first one stays as it was.

    Cost: one random number a layer, and a pass over the genes.

    Args:
        a: one parent.
        b: the other, of the same length.
        layers: offsets of the layers in the genome, 0 ... n, shape [L + 1].
        rate: chance per layer, 0 (nothing changes) to 1 (the loser becomes a copy).
        rng: the only source of random numbers.

    Returns:
        The two parents, in the order they came; only the loser has changed.

    Raises:
        ValueError: if the rate is out of range, the lengths differ, or an objective is NaN.

    Source: Harvey 2009, The microbial genetic algorithm; a layer as the gene and rate 1/2 as Yang
    et al. 2019. differs: of several objectives Pareto dominance decides who loses.

    >>> a, b = BitString([1] * 5), BitString([0] * 5)
    >>> cxMicrobial(a, b, layers=[0, 2, 5], rng=np.random.default_rng(0))
    (BitString('11111'), BitString('00111'))
    """
    share("rate", rate)
    n, chosen = drawLayers(layers, rate, rng)
    taken = differing(a, b, n)
    taken &= chosen
    loser = a if _dominates(b, a) else b
    loser.packed ^= taken
    return a, b


def _dominates(b: Any, a: Any) -> bool:
    """Tell whether b is better than a for certain: both judged, and b of a better rank."""
    if not all(getattr(getattr(one, "fitness", None), "valid", False) for one in (a, b)):
        return False
    _, (rank_a, rank_b) = measured([a, b])
    return bool(rank_a > rank_b)
