"""Search for sparse masks: SparseEA's scores, first masks and operators, and striped first masks.

SparseEA asks of each gene alone how good the individual is that holds only it, and lets every later
choice among genes be a tournament by that score. `score` is as everywhere here, higher = rather
kept; the paper's, a number of a front, is better when lower, so `scoreAlone` negates it.

Source: Tian, Zhang, Wang & Jin 2020, "An evolutionary algorithm for large-scale sparse
multiobjective optimization problems", algorithms 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from operators.dominance import ranks
from operators.draws import flip
from operators.genomes import BitString
from operators.initialise import Container
from operators.ranges import at_least, share

B = TypeVar("B", bound=BitString)
I = TypeVar("I")  # noqa: E741  (an individual, whatever its container makes)
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def scoreAlone(
    evaluate: Callable[[BitString], Any],
    size: int,
    *,
    map: Callable[..., Iterable[Any]] = map,
) -> Floats:
    """Score each gene by the mask that holds it alone: one evaluation a gene.

    Where a single gene does something by itself, as one item of a knapsack or one image feature,
    this tells the genes apart. Of a network with a single weight it tells nothing, and a million
    evaluations are out of reach: give the importance from gradients there.

    Args:
        evaluate: from a mask to its objectives, minimised; called `size` times, all of which count
            against the budget.
        size: number of genes.
        map: applies the function to the masks, as `toolbox.map`.

    Returns:
        Minus the rank of each by dominance, shape [size]: 0 for the best, then -1, -2, ...

    Source: Tian et al. 2020, algorithm 2. differs: negated, and the front counted from 0.

    >>> scoreAlone(lambda mask: (1 - mask[2], 1 - mask[1]), 3).tolist()
    [-1.0, 0.0, 0.0]
    """
    at_least("size", size, 1)
    masks = [BitString.zeros(size) for _ in range(size)]
    for gene, mask in enumerate(masks):
        mask[gene] = 1
    return (-ranks(list(map(evaluate, masks)))).astype(np.float64)


def initSparse(
    container: Container[I],
    score: ArrayLike,
    *,
    density: float | None = None,
    rng: np.random.Generator,
) -> I:
    """Make an individual of genes that won a tournament by score, each of two random genes.

    Args:
        container: type of the individual.
        score: importance of each gene in any unit, shape [n], higher = rather kept.
        density: tournaments for each gene, 0 to 1; as a gene may win several, the share of ones is
            less. Drawn anew for each individual, uniformly, if None.
        rng: the only source of random numbers.

    Raises:
        ValueError: if the density is out of range.

    Source: Tian et al. 2020, algorithm 2.

    >>> initSparse(BitString, [1, 2], density=0.5, rng=np.random.default_rng(1))
    BitString('01')
    """
    scores = np.asarray(score)
    density = rng.random() if density is None else density
    share("density", density)
    mask = np.zeros(scores.size, np.bool_)
    mask[_winners(scores, np.arange(scores.size), int(density * scores.size), rng)] = True
    return container(mask)


def initStripes(
    container: Container[I], size: int, *, density: float | None = None, rng: np.random.Generator
) -> I:
    """Make an individual whose ones lie side by side, in a stripe that begins anywhere.

    Given densities that are spread evenly over a population, the masks cover both the densities and
    the genes: neighbours, which often belong together, come together, and none is left out.

    Args:
        container: type of the individual.
        size: number of genes.
        density: share of ones, 0 to 1, exact but for rounding to a gene. Drawn anew for each
            individual, uniformly, if None.
        rng: the only source of random numbers.

    Raises:
        ValueError: if size or density are out of range.

    Source: after Kropp, Nejadhashemi & Deb 2024, S-NSGA-II, varied striped sampling. differs: we
    take the stripes and the spread of densities; where a stripe begins is drawn for each mask by
    itself, where the paper lays the stripes of a population end to end.

    >>> initStripes(BitString, 8, density=0.5, rng=np.random.default_rng(0))
    BitString('11000011')
    """
    at_least("size", size, 0)
    density = rng.random() if density is None else density
    share("density", density)
    mask = np.arange(size) < round(density * size)
    return container(np.roll(mask, rng.integers(max(size, 1))))


def cxSparse(
    a: B, b: B, *, score: ArrayLike, drop: float = 0.5, rng: np.random.Generator
) -> tuple[B, B]:
    """Let each parent lose one gene that it has alone, or gain one that the other has, in place.

    Which one is a tournament of two random ones: the lower score is lost, the higher gained. A
    child thus differs from its parent by one gene at most, and sparse parents have sparse children.

    Args:
        a: first parent.
        b: second parent, of the same length.
        score: importance of each gene in any unit, shape [n], higher = rather kept.
        drop: chance of each child to lose a gene rather than gain one, 0 to 1.
        rng: the only source of random numbers.

    Returns:
        The two parents, changed.

    Raises:
        ValueError: if `drop` is out of range, or the lengths differ.

    Source: Tian et al. 2020, algorithm 3, crossover. differs: it makes one child of two parents,
    we make the second one likewise, with the roles changed.

    >>> a, b = BitString([1, 1, 0]), BitString([1, 0, 0])
    >>> cxSparse(a, b, score=[3, 2, 1], drop=1.0, rng=np.random.default_rng(0))
    (BitString('100'), BitString('100'))
    """
    share("drop", drop)
    scores = _checked(score, a, b)
    apart = a.packed & ~b.packed, b.packed & ~a.packed
    only_a, only_b = (np.flatnonzero(np.unpackbits(genes)) for genes in apart)
    for child, own, others in ((a, only_a, only_b), (b, only_b, only_a)):
        if rng.random() < drop:
            flip(child.packed, _winners(-scores, own, 1, rng))
        else:
            flip(child.packed, _winners(scores, others, 1, rng))
    return a, b


def mutSparse(ind: B, *, score: ArrayLike, drop: float = 0.5, rng: np.random.Generator) -> tuple[B]:
    """Lose one gene or gain one, in place, by a tournament of two random ones.

    Args:
        ind: the individual.
        score: importance of each gene in any unit, shape [n], higher = rather kept.
        drop: chance to lose a gene rather than gain one, 0 to 1.
        rng: the only source of random numbers.

    Returns:
        The individual, changed; as it was if it has no gene of the kind.

    Raises:
        ValueError: if `drop` is out of range, or a gene has no score.

    Source: Tian et al. 2020, algorithm 3, mutation.

    >>> mutSparse(BitString([1, 0]), score=[1, 2], drop=0.0, rng=np.random.default_rng(0))
    (BitString('11'),)
    """
    share("drop", drop)
    scores, bits = _checked(score, ind), ind.to_numpy()
    if rng.random() < drop:
        flip(ind.packed, _winners(-scores, np.flatnonzero(bits), 1, rng))
    else:
        flip(ind.packed, _winners(scores, np.flatnonzero(~bits), 1, rng))
    return (ind,)


def _winners(score: NDArray[Any], genes: Ints, count: int, rng: np.random.Generator) -> Ints:
    """Return the winners of so many tournaments between two of these genes, the higher score wins.

    The two may be the same gene; of equal scores the second wins, as in the paper. None, if there
    are no genes.
    """
    if genes.size == 0:
        return genes
    first, second = genes[rng.integers(genes.size, size=(2, count))]
    return np.where(score[first] > score[second], first, second)


def _checked(score: ArrayLike, *individuals: BitString) -> NDArray[Any]:
    """Return the scores, if they and all the individuals have as many genes."""
    scores = np.asarray(score)
    for individual in individuals:
        if scores.shape != (len(individual),):
            raise ValueError(
                f"score: expected {len(individual)}, one for each gene, got shape {scores.shape}; "
                "make both parents and the score from the same space"
            )
    return scores
