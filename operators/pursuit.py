"""Adaptive pursuit: choose among operators, mostly the one that seems best now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.adaptation import State, checkFloor, drawName, placeOf
from operators.ranges import share


class AdaptivePursuit:
    """Choose mostly the operator that seems best, and soon another one when that seems better.

    It has the methods of `OperatorCredit` and can take its place. There the chances are in
    proportion to what the operators earn, so one that is twice as good as two others is chosen
    half of the time; here it wins nearly all of the chance. Each credit moves two things:

        Q_a <- Q_a + alpha (R - Q_a)                 quality of the operator that was paid R
        P_best <- P_best + beta (p_max - P_best)     chance of the one with the largest Q
        P_other <- P_other + beta (p_min - P_other)  and of all others

    with p_max = 1 - (K - 1) p_min for K operators, so that the chances sum to 1 throughout.

    Args:
        names: the operators, 1 or more.
        floor: least chance of each in the end (p_min), 0 to 1 / len(names).
        alpha: share of the newest pay in the estimate of a quality, 0 to 1.
        beta: share of the way that the chances go towards their ends with each credit, 0 to 1.
        enabled: False chooses evenly, as `names[rng.integers(len(names))]` does.

    Raises:
        ValueError: if there is no name, or floor, alpha or beta are out of range.

    Source: Thierens 2005, An adaptive pursuit strategy for allocating operator probabilities,
    with its start, all Q = 1 and all P = 1 / K. differs: the pay R is survivors per image pass
    (ours); that is mostly far below 1, so each operator is tried in turn before one is pursued.

    >>> pursuit = AdaptivePursuit(["drift", "swap"], floor=0.1, alpha=1.0, beta=0.5)
    >>> pursuit.credit("drift", survived=3, passes=300)
    >>> pursuit.chances().tolist()
    [0.3, 0.7]
    >>> pursuit.credit("swap", survived=1, passes=300)
    >>> pursuit.chances().round(2).tolist()
    [0.6, 0.4]
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        floor: float = 0.05,
        alpha: float = 0.8,
        beta: float = 0.8,
        enabled: bool = True,
    ) -> None:
        checkFloor("AdaptivePursuit", names, floor)
        share("alpha", alpha)
        share("beta", beta)
        self.names, self.floor, self.enabled = list(names), floor, enabled
        self.alpha, self.beta = alpha, beta
        self._quality, self._chances = np.ones(len(names)), np.full(len(names), 1 / len(names))

    def chances(self) -> NDArray[np.float64]:
        """Return the chance of each operator, in the order of the names; they sum to 1."""
        n = len(self.names)
        return self._chances.copy() if self.enabled else np.full(n, 1 / n)

    def choose(self, rng: np.random.Generator) -> str:
        """Return the name of the operator to use next; a single one is no draw."""
        return drawName(self.names, self.chances() if self.enabled else None, rng)

    def credit(self, name: str, *, survived: int, passes: int) -> None:
        """Learn what an operator brought.

        Args:
            name: one of the names.
            survived: how many of its children survived.
            passes: image passes spent on them, guidance and fitness; less than 1 counts as 1.

        Raises:
            ValueError: if the name is none of the names.
        """
        place = placeOf(name, self.names)
        self._quality[place] += self.alpha * (survived / max(passes, 1) - self._quality[place])
        ends = np.full(len(self.names), self.floor)  # p_min for all ...
        ends[self._quality.argmax()] = 1 - (len(self.names) - 1) * self.floor  # ... but the best
        self._chances += self.beta * (ends - self._chances)

    def state(self) -> State:
        """Return what has been learnt, as arrays."""
        return {"quality": self._quality.copy(), "chances": self._chances.copy()}

    def restore(self, state: State) -> None:
        """Take back what `state()` gave."""
        self._quality = np.array(state["quality"], float)
        self._chances = np.array(state["chances"], float)
