"""Several knapsacks to be filled with the same items: a problem of bits, with its exact front."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import moocore
import numpy as np
from numpy.typing import ArrayLike, NDArray

from operators.ranges import at_least

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Knapsack:
    """Say of a bitstring, an item a gene, how much profit is missing in each knapsack.

    An item that is taken goes into all knapsacks; it has a weight and a profit in each. What is too
    heavy is repaired before it is judged: items go, those of least profit for their weight first,
    until no knapsack is too full. The genome stays as it is.

    Attributes:
        profits: int, 0 or more, shape (knapsacks, items).
        weights: int, 1 or more, of the same shape.
        capacities: what each knapsack can bear, in the unit of the weights, shape (knapsacks,).

    Source: Zitzler & Thiele 1999. differs: the profit of the items that are not packed
    is minimised.

    >>> knapsack = Knapsack([[6, 5, 1]], [[2, 2, 1]], [3])
    >>> knapsack([1, 1, 1]), knapsack([1, 0, 1]), knapsack.front().tolist()
    ((6.0,), (5.0,), [[5.0]])
    """

    profits: Ints
    weights: Ints
    capacities: Ints

    def __post_init__(self) -> None:
        for name in ("profits", "weights", "capacities"):
            object.__setattr__(self, name, np.array(getattr(self, name), np.int64))
        shape = self.profits.shape
        if len(shape) != 2 or self.weights.shape != shape or self.capacities.shape != shape[:1]:
            raise ValueError(
                "profits, weights, capacities: expected shapes (knapsacks, items) twice and "
                f"(knapsacks,), got {shape}, {self.weights.shape} and {self.capacities.shape}"
            )
        for name, low in (("profits", 0), ("weights", 1), ("capacities", 0)):
            at_least(name, getattr(self, name), low)

    @classmethod
    def drawn(cls, items: int, objectives: int = 2, seed: int = 0) -> Knapsack:
        """Draw profits and weights from 10 to 100; each knapsack bears half the weight of all.

        Args:
            items: genes of the genome.
            objectives: knapsacks.
            seed: the same one draws the same problem.

        >>> Knapsack.drawn(5, seed=1).profits.shape
        (2, 5)
        """
        at_least("items", items, 1)
        at_least("objectives", objectives, 1)
        rng = np.random.default_rng(seed)
        profits, weights = rng.integers(10, 101, (2, objectives, items))
        return cls(profits, weights, weights.sum(axis=1) // 2)

    def __call__(self, individual: Any) -> tuple[float, ...]:
        """Return for each knapsack the profit of the items that are not packed."""
        left = ~self.packed(individual)
        return tuple((self.profits @ left).astype(float).tolist())

    def packed(self, individual: ArrayLike) -> NDArray[np.bool_]:
        """Return the items that remain when what is too heavy was repaired, bools, shape (items,).

        Items are taken out by their best profit per weight in any knapsack, the worst first, and of
        equal ones the first.

        Raises:
            ValueError: if the individual has not one gene an item.
        """
        taken = np.asarray(individual).astype(np.bool_)
        if taken.shape != self.profits.shape[1:]:
            raise ValueError(
                f"individual: expected {self.profits.shape[1]} genes, one an item, "
                f"got shape {taken.shape}"
            )
        order = np.argsort((self.profits / self.weights).max(axis=0), kind="stable")
        order = order[taken[order]]
        excess = (self.weights @ taken - self.capacities)[:, None]
        relief = np.cumsum(np.insert(self.weights[:, order], 0, 0, axis=1), axis=1)
        out = np.argmax((relief >= excess).all(axis=0))  # the fewest that are enough
        taken[order[:out]] = False
        return taken

    def front(self) -> Floats:
        """Find the best possible front, exactly. For small problems, of some 40 items.

        Item after item is taken or left. Of all ways so far only those are kept that no other one
        beats: one that weighs no more and misses no more profit, in every knapsack, and less in one
        of them, goes on to be at least as good whatever follows.

        Returns:
            Shape (points, knapsacks), sorted by the first objective.

        Source: Nemhauser & Ullmann 1969, for one knapsack; for several ours.
        """
        sacks = len(self.capacities)
        ways = np.zeros((1, 2 * sacks))  # the weights so far, then the profits missed
        for profit, weight in zip(self.profits.T, self.weights.T, strict=True):
            left = ways + np.r_[np.zeros(sacks), profit]
            taken = ways + np.r_[weight, np.zeros(sacks)]
            fitting = taken[(taken[:, :sacks] <= self.capacities).all(axis=1)]
            ways = np.concatenate([left, fitting])
            ways = ways[moocore.is_nondominated(ways)]
        missed = ways[:, sacks:]
        best = missed[moocore.is_nondominated(missed)]
        return best[np.lexsort(best.T[::-1])]
