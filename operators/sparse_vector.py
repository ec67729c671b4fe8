"""A genome for reals that are mostly 0: a mask says which genes count, values say how much.

So one bit makes a gene exactly 0, which no small step of a real ever does, and its value waits
unharmed until the bit comes back. Operators for bits work on `.mask`, those for reals on `.values`;
`initBoth`, `cxBoth` and `mutBoth` put one of each together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from operators.genomes import BitString, RealVector, _Genome, _rebuild

S = TypeVar("S", bound="SparseVector")


class SparseVector(_Genome):
    """Hold n numbers, each its value where the mask is 1 and 0 elsewhere.

    It reads as these n numbers; to write, write to `mask` or `values`. `==`, hash and digest look
    at the numbers only: values that the mask hides make no difference, though they are copied and
    pickled with the rest, and so is what an operator notes on a part, such as `mutation_rate`.

    Attributes:
        mask: a BitString of n genes.
        values: a RealVector of n genes.

    Source: Tian, Zhang, Wang & Jin 2020, the mask and dec of SparseEA.

    >>> vector = SparseVector([1, 0, 1], [0.5, 0.25, 2.0])
    >>> vector, vector[1], vector == [0.5, 0.0, 2.0]
    (SparseVector([0.5, 0.0, 2.0]), 0.0, True)
    >>> vector.mask[1] = 1
    >>> vector
    SparseVector([0.5, 0.25, 2.0])
    """

    __slots__ = ("mask", "values")

    mask: BitString
    values: RealVector

    def __init__(self, mask: Iterable[int] = (), values: Iterable[float] = ()) -> None:
        """Take the mask from 0s and 1s and the values from as many numbers, both copied."""
        self.mask, self.values = BitString(mask), RealVector(values)
        if len(self.mask) != len(self.values):
            raise ValueError(
                "mask, values: expected as many genes in both, got "
                f"{len(self.mask)} and {len(self.values)}"
            )

    def to_numpy(self) -> NDArray[np.float64]:
        """Return the numbers as a new float64 array of shape [n], owned by the caller."""
        return np.where(self.mask.to_numpy(), self.values.array, 0.0)

    def count(self) -> int:
        """Return how many genes the mask lets count."""
        return self.mask.count()

    def digest(self) -> bytes:
        """Return 16 bytes that name the numbers (blake2b), as a RealVector of them does."""
        return _rebuild(RealVector, self.to_numpy()).digest()

    __hash__ = _Genome.__hash__

    def __eq__(self, other: Any) -> bool:
        known = isinstance(other, SparseVector)
        return super().__eq__(other.to_numpy() if known else other)

    def _content(self) -> tuple[Any, ...]:
        return self.mask, self.values

    def _fill(self, *content: Any) -> None:
        self.mask, self.values = content

    def __len__(self) -> int:
        return len(self.mask)

    def __iter__(self) -> Iterator[float]:
        return iter(self.to_numpy().tolist())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.to_numpy().tolist()})"

    def __getitem__(self, index: Any) -> Any:
        chosen = self.to_numpy()[index]
        return float(chosen) if np.ndim(chosen) == 0 else chosen


def initBoth(
    container: Callable[[Any, Any], S],
    *,
    mask: Callable[[type[BitString]], BitString],
    values: Callable[[type[RealVector]], RealVector],
) -> S:
    """Make an individual from an initialiser for bits and one for reals.

    Args:
        container: type of the individual.
        mask: makes the bits when given their container, such as a partial of `initDensity`.
        values: makes as many reals when given theirs, such as a partial of `initUniform`.

    >>> from functools import partial
    >>> from operators.initialise import initDensity, initUniform
    >>> rng = np.random.default_rng(0)
    >>> mask = partial(initDensity, size=2, density=1.0, rng=rng)
    >>> values = partial(initUniform, low=[1, 2], high=[1, 2], rng=rng)
    >>> initBoth(SparseVector, mask=mask, values=values)
    SparseVector([1.0, 2.0])
    """
    return container(mask(BitString), values(RealVector))


def cxBoth(
    a: S,
    b: S,
    *,
    mask: Callable[[BitString, BitString], Any],
    values: Callable[[RealVector, RealVector], Any],
) -> tuple[S, S]:
    """Cross the masks by one operator and the values by another, in place.

    Args:
        a: first parent.
        b: second parent, of the same length.
        mask: a crossover for bits that needs nothing but the parents, such as a partial.
        values: one for reals.

    Returns:
        The two parents, changed.

    >>> from functools import partial
    >>> from operators.crossover import cxUniformPacked
    >>> swap = partial(cxUniformPacked, rate=1.0, rng=np.random.default_rng(0))
    >>> a, b = SparseVector([1, 0], [2, 3]), SparseVector([0, 1], [4, 5])
    >>> cxBoth(a, b, mask=swap, values=lambda a, b: (a, b))
    (SparseVector([0.0, 3.0]), SparseVector([4.0, 0.0]))
    """
    a.mask, b.mask = mask(a.mask, b.mask)
    a.values, b.values = values(a.values, b.values)
    return a, b


def mutBoth(
    ind: S,
    *,
    mask: Callable[[BitString], Any],
    values: Callable[[RealVector], Any],
) -> tuple[S]:
    """Mutate the mask by one operator and the values by another, in place.

    Args:
        ind: the individual.
        mask: a mutation for bits that needs nothing but the individual, such as a partial.
        values: one for reals.

    Returns:
        The individual, changed.

    >>> from functools import partial
    >>> from operators.mutation import mutFlip
    >>> flip = partial(mutFlip, rate=1.0, rng=np.random.default_rng(0))
    >>> mutBoth(SparseVector([1, 0], [2, 3]), mask=flip, values=lambda values: (values,))
    (SparseVector([0.0, 3.0]),)
    """
    (ind.mask,) = mask(ind.mask)
    (ind.values,) = values(ind.values)
    return (ind,)
