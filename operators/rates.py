"""Mutations that find their own rate: by a heavy tail, by the density, by inheritance. In place."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

from operators.draws import drawPlaces, flip, placesOf
from operators.genomes import BitString
from operators.mutation import mutFlip, usualRate
from operators.ranges import at_least

B = TypeVar("B", bound=BitString)


def mutHeavyTail(ind: B, *, beta: float = 1.5, rng: np.random.Generator) -> tuple[B]:
    """Flip mostly few genes and now and then very many, in place.

    The rate is alpha / n, alpha drawn anew each time from 1 ... n / 2 with a chance in proportion
    to alpha^-beta. So most children are near their parent, but no distance is out of reach: a
    search that is stuck can leave by one long step, and there is no rate to tune.

    Cost: a few random numbers, and then as `mutFlip` at that rate.

    Args:
        ind: the individual.
        beta: exponent of the power law, 1.1 (long steps are frequent) or more (ours; the paper
            has it above 1).
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if beta is out of range.

    Source: Doerr, Le, Makhmara & Nguyen 2017, Fast genetic algorithms.

    >>> rng = np.random.default_rng(0)
    >>> flips = [mutHeavyTail(BitString.zeros(1000), rng=rng)[0].count() for _ in range(1000)]
    >>> int(np.median(flips)) < 10 < 200 < max(flips)
    True
    """
    at_least("beta", beta, 1.1)
    n = len(ind)
    alpha = rng.zipf(beta)
    while alpha > max(n // 2, 1):  # the tail beyond is drawn again, so the law within is exact
        alpha = rng.zipf(beta)
    return mutFlip(ind, rate=alpha / max(n, 1), rng=rng)


def mutBalanced(ind: B, *, rate: float | None = None, rng: np.random.Generator) -> tuple[B]:
    """Flip as many kept as removed genes on average, in place: the density is expected to stay.

    Flips that meet all genes alike drag a sparse mask towards density 1/2. With p the density, a
    kept gene flips with chance rate / (2 p) here and a removed one with rate / (2 (1 - p)), which
    is `rate` over all genes, half of it in each direction.

    Cost: a random number and a few steps for each gene that flips, and a pass over the bytes.

    Args:
        ind: the individual.
        rate: mean chance per gene, 0 to 1; 1 / n if None. Where it asks for more flips than the
            rarer kind has genes, all of these flip, and as many of the other kind on average
            (ours). A full or an empty mask has one kind only, which flips with chance rate / 2, so
            that no mask is a dead end.
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if the rate is out of range.

    Source: Tian, Lu, Zhang, Cheng & Jin 2022, PM-MOEA, its binary mutation.

    >>> mask = BitString([1, 0, 0, 0])
    >>> mutBalanced(mask, rate=0.0, rng=np.random.default_rng(0))
    (BitString('1000'),)
    >>> mutBalanced(mask, rate=1.0, rng=np.random.default_rng(1))[0][0]
    0
    """
    kept, n = ind.count(), len(ind)
    flips = usualRate(rate, n) * n / 2  # expected of each kind
    if 0 < kept < n:
        flips = min(flips, kept, n - kept)
    drops = drawPlaces(kept, min(flips / max(kept, 1), 1.0), rng)
    gains = drawPlaces(n - kept, min(flips / max(n - kept, 1), 1.0), rng)  # unused bits come last
    flip(ind.packed, np.concatenate([placesOf(ind.packed, drops), placesOf(~ind.packed, gains)]))
    return (ind,)


def mutLogNormal(
    ind: Any, *, rate: float | None = None, gamma: float = 0.22, rng: np.random.Generator
) -> tuple[Any]:
    """Change the individual's own rate by chance, then flip each gene with it, in place.

    Each individual carries its rate p along in `mutation_rate`. A clone inherits it, a crossover
    leaves it, and nothing judges it but survival: who survives by a good rate passes it on. First
    the rate changes, then the genes, so that survival speaks for the rate that made them.

    The steps of evolution strategies are multiplied by log-normal noise, which doubles as often as
    it halves and stays above 0. A chance must stay below 1 too; so here the odds p / (1 - p) are
    multiplied, and the logit of p takes normal steps (logit-normal):

        p <- 1 / (1 + (1 - p) / p * exp(-gamma * N(0, 1)))

    For small p the two are the same.

    Cost: one random number, and then as `mutFlip` at that rate.

    Args:
        ind: the individual; its bits and its `mutation_rate` change.
        rate: of an individual that carries none, 0 to 1; 1 / n if None. Any rate below 1 / n is
            raised to it.
        gamma: standard deviation of a step of the logit, 0 (the rate stays) or more.
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Raises:
        ValueError: if rate or gamma are out of range.

    Source: Baeck & Schuetz 1996, Intelligent mutation rate control in canonical genetic algorithms:
    the formula, gamma 0.22 and the lower bound 1 / n.

    >>> mask = mutLogNormal(BitString([0] * 100), rate=0.1, rng=np.random.default_rng(0))[0]
    >>> mask.count(), round(mask.mutation_rate, 3)
    (9, 0.103)
    """
    at_least("gamma", gamma, 0)
    least = usualRate(None, len(ind))
    p = max(getattr(ind, "mutation_rate", usualRate(rate, len(ind))), least)
    p = 1 / (1 + (1 - p) / p * np.exp(-gamma * rng.normal()))
    ind.mutation_rate = float(max(p, least))
    return mutFlip(ind, rate=ind.mutation_rate, rng=rng)
