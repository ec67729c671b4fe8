"""Settings that learn while a run goes: a rate by success, a choice of operator by credit.

Each class holds state only, as a few numbers that `state()` gives out and `restore()` takes back,
and each has an off switch, `enabled=False`, that makes it equal to the plain operator, with the
same draws. `AdaptivePursuit`, which can take the place of `OperatorCredit`, is in pursuit.py.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from operators.ranges import at_least, share

State = dict[str, NDArray[np.float64]]


class OneFifthRule:
    """Make a rate larger when more than a fifth of the children succeed, else smaller.

    Many successes mean that the steps are timid; few, that they are wild. It draws nothing.

    Args:
        rate: where it starts (0 to 1 for a chance per gene).
        factor: how much a success raises it, above 1. Four failures undo one success.
        low: never below.
        high: never above.
        enabled: False keeps the rate as it is.

    Attributes:
        rate: the rate to use now.

    Raises:
        ValueError: if factor is not above 1 and finite, or rate not within low and high.

    Source: Rechenberg 1973; in the form of Auger 2009 (each child by itself, factor and
    factor^(-1/4)).

    >>> rule = OneFifthRule(0.1, factor=2.0)
    >>> rule.update(succeeded=1, tried=1); rule.rate
    0.2
    >>> rule.update(succeeded=1, tried=5); rule.rate
    0.2
    """

    def __init__(
        self,
        rate: float,
        *,
        factor: float = 1.5,
        low: float = 1e-6,
        high: float = 0.5,
        enabled: bool = True,
    ) -> None:
        if not 1 < factor < np.inf or not low <= rate <= high:
            raise ValueError(
                "OneFifthRule: expected factor above 1 (finite) and low <= rate <= high, got "
                f"factor={factor}, rate={rate}, low={low}, high={high}; widen low and high"
            )
        self.rate, self.factor, self.low, self.high = rate, factor, low, high
        self.enabled = enabled

    def update(self, *, succeeded: int, tried: int) -> None:
        """Learn from a generation: how many of the children tried were a success."""
        if self.enabled:
            exponent = succeeded - (tried - succeeded) / 4
            try:
                growth = self.factor**exponent
            except OverflowError:  # more than a float can hold
                growth = sys.float_info.max
            self.rate = float(np.clip(self.rate * growth, self.low, self.high))

    def state(self) -> State:
        """Return what has been learnt, as arrays."""
        return {"rate": np.array(self.rate)}

    def restore(self, state: State) -> None:
        """Take back what `state()` gave."""
        self.rate = float(state["rate"])


class SuccessHistory:
    """Draw rates near those that made successful children before.

    A memory of a few slots holds means of successful rates. A rate is drawn around one slot by
    chance, on a logarithmic scale so that small and large rates are alike; after a generation the
    next slot takes the mean of the rates that succeeded.

    Args:
        rate: where every slot starts, above 0.
        slots: length of the memory (H in the paper), 1 or more.
        spread: standard deviation of the logarithm, 0 or more.
        low: never below.
        high: never above.
        enabled: False gives always the same `rate`, and draws nothing.

    Raises:
        ValueError: if slots are below 1, or rate not within low and high, or low not above 0, or
            spread out of range.

    Source: Tanabe & Fukunaga 2013 (SHADE), equations 2 to 6. differs: log-normal, not Cauchy, for a
    rate per gene is a matter of magnitudes; all successes count the same, for several objectives
    have no single gain.

    >>> history = SuccessHistory(0.01, enabled=False)
    >>> history.draw(np.random.default_rng(0))
    0.01
    """

    def __init__(
        self,
        rate: float,
        *,
        slots: int = 5,
        spread: float = 0.3,
        low: float = 1e-6,
        high: float = 0.5,
        enabled: bool = True,
    ) -> None:
        if slots < 1 or not 0 < low <= rate <= high:
            raise ValueError(
                "SuccessHistory: expected 1 slot or more and 0 < low <= rate <= high, got "
                f"slots={slots}, rate={rate}, low={low}, high={high}; widen low and high"
            )
        at_least("spread", spread, 0)
        self.rate, self.spread, self.low, self.high = rate, spread, low, high
        self.enabled = enabled
        self._memory, self._next = np.full(slots, rate), 0

    def draw(self, rng: np.random.Generator) -> float:
        """Return a rate for one child, between low and high."""
        if not self.enabled:
            return self.rate
        centre = self._memory[rng.integers(len(self._memory))]
        return float(np.clip(centre * np.exp(self.spread * rng.normal()), self.low, self.high))

    def update(self, successful: Sequence[float]) -> None:
        """Learn from a generation: the rates whose children were a success, perhaps none."""
        if self.enabled and len(successful):
            self._memory[self._next] = np.exp(np.mean(np.log(successful)))
            self._next = (self._next + 1) % len(self._memory)

    def state(self) -> State:
        """Return what has been learnt, as arrays."""
        return {"memory": self._memory.copy(), "next": np.array(float(self._next))}

    def restore(self, state: State) -> None:
        """Take back what `state()` gave."""
        self._memory, self._next = np.array(state["memory"], float), int(state["next"])


class OperatorCredit:
    """Choose among operators by how many survivors each gave for the image passes it spent.

    An operator without credit so far counts as the average of the others, so that all are tried.

    Args:
        names: the operators, 1 or more.
        floor: least chance of each, 0 to 1 / len(names), so that none dies out.
        decay: share of the old credit that stays when new credit comes, 0 to 1.
        enabled: False chooses evenly, as `names[rng.integers(len(names))]` does.

    Raises:
        ValueError: if there is no name, or floor or decay are out of range.

    Source: ours; probability matching (Thierens 2005) with survivors per pass as the reward.

    >>> credit = OperatorCredit(["drift", "swap"], floor=0.1, decay=0.9)
    >>> credit.credit("drift", survived=3, passes=300)
    >>> credit.credit("swap", survived=1, passes=300)
    >>> credit.chances().round(2).tolist()
    [0.7, 0.3]
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        floor: float = 0.05,
        decay: float = 0.9,
        enabled: bool = True,
    ) -> None:
        checkFloor("OperatorCredit", names, floor)
        share("decay", decay)
        self.names, self.floor, self.decay, self.enabled = list(names), floor, decay, enabled
        self._survived, self._passes = np.zeros(len(names)), np.zeros(len(names))

    def chances(self) -> NDArray[np.float64]:
        """Return the chance of each operator, in the order of the names; they sum to 1."""
        n, tried = len(self.names), self._passes > 0
        worth = np.divide(self._survived, self._passes, out=np.zeros(n), where=tried)
        worth[~tried] = worth[tried].mean() if tried.any() else 1.0
        if not self.enabled or worth.sum() == 0:
            return np.full(n, 1 / n)
        return self.floor + (1 - n * self.floor) * worth / worth.sum()

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
        for total, new in ((self._survived, survived), (self._passes, max(passes, 1))):
            total[place] = self.decay * total[place] + new

    def state(self) -> State:
        """Return what has been learnt, as arrays."""
        return {"survived": self._survived.copy(), "passes": self._passes.copy()}

    def restore(self, state: State) -> None:
        """Take back what `state()` gave."""
        self._survived = np.array(state["survived"], float)
        self._passes = np.array(state["passes"], float)


def checkFloor(rule: str, names: Sequence[str], floor: float) -> None:
    """Refuse a choice among no names, or one whose least chances sum to more than 1."""
    if not names or not 0 <= floor * len(names) <= 1:
        raise ValueError(
            f"{rule}: expected 1 name or more and floor from 0 to 1 / names, got "
            f"{list(names)}, floor={floor}"
        )


def drawName(
    names: Sequence[str], chances: NDArray[np.float64] | None, rng: np.random.Generator
) -> str:
    """Draw a name by these chances, evenly if there are none; a single name is no draw."""
    if len(names) == 1:
        return names[0]
    if chances is None:
        return names[int(rng.integers(len(names)))]
    return names[int(rng.choice(len(names), p=chances))]


def placeOf(name: str, names: Sequence[str]) -> int:
    """Return the place of a name; one that is none of the names is refused."""
    if name not in names:
        raise ValueError(f"name: expected one of {', '.join(names)}, got {name!r}")
    return names.index(name)
