"""Exchange: change places by a quadratic model of the damage, for genomes of few, heavy genes.

A filter is too big a step for a first-order guess: two filters that do the same work are each worth
nothing while the other is there. `Damage` knows every pair, and trying an exchange in it costs no
image. Start reading there; `mutExchange` is the operator.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from operators.adaptation import State
from operators.ranges import at_least, share

Floats = npt.NDArray[np.float64]
Sensitivity = Callable[[Any], tuple[npt.NDArray[np.floating], npt.NDArray[np.floating]]]


class Damage:
    """What a mask costs, as a quadratic function of its bits that was fitted around other masks.

    Row i says how one output e_i, such as what an image's logits lack to those of the dense
    network, answers to the genes: e_i(m) = e_i + a_i (m - m0). The damage of a mask m is the mean
    of the squares,

        mean (e + A (m - m0))^2  =  m' H m + 2 c' m + constant,
        H = mean a_i a_i',  c = mean a_i (e_i - a_i m0)

    which is the Gauss-Newton model of the mean squared distance. Genes that do the same work meet
    in H: their pair is dear where each alone is cheap. Rows of several masks add up; older ones
    fade.

    Args:
        genes: number of genes; H takes 8 genes^2 bytes.

    Attributes:
        curvature: H times `weight`, shape (genes, genes).
        slope: c times `weight`, shape (genes,).
        constant: of the formula, times `weight`.
        weight: of all rows together, 1 for a new one; 0 while there are none.

    Source: ours; Hassibi & Stork 1992 ("optimal brain surgeon") remove weights by H. differs: bits
    in the place of weights, which never change; taken from and to any mask.
    """

    def __init__(self, genes: int) -> None:
        self.curvature, self.slope = np.zeros((genes, genes)), np.zeros(genes)
        self.constant = self.weight = 0.0

    def learn(
        self,
        mask: npt.ArrayLike,
        rows: npt.NDArray[np.floating],
        misses: npt.NDArray[np.floating],
        *,
        decay: float = 0.0,
    ) -> None:
        """Add rows that were measured at a mask; what was there counts `decay` times as much.

        Args:
            mask: bits, shape (genes,).
            rows: A, shape (rows, genes).
            misses: e at this mask, shape (rows,).
            decay: 0 (forget all that was) to 1.

        >>> damage = Damage(2)  # two genes that do the same work: one of them is enough
        >>> damage.learn([1, 1], np.array([[1.0, 1.0]]), np.array([0.0]))
        >>> [float(damage.of(mask)) for mask in ([1, 1], [1, 0], [0, 0])]
        [0.0, 1.0, 4.0]
        """
        share("decay", decay)
        a = np.asarray(rows, np.float64)
        rest = np.asarray(misses, np.float64) - a @ np.asarray(mask, np.float64)
        self.curvature = decay * self.curvature + a.T @ a
        self.slope = decay * self.slope + a.T @ rest
        self.constant = decay * self.constant + float(rest @ rest)
        self.weight = decay * self.weight + len(a)

    def state(self) -> State:
        """Return what has been learnt, as arrays."""
        scalars = np.array([self.constant, self.weight])
        return {"curvature": self.curvature.copy(), "slope": self.slope.copy(), "scalars": scalars}

    def restore(self, state: State) -> None:
        """Take back what `state()` gave."""
        self.curvature, self.slope = (np.array(state[name]) for name in ("curvature", "slope"))
        self.constant, self.weight = map(float, state["scalars"])

    def of(self, mask: npt.ArrayLike) -> float:
        """Return the damage that is expected of a mask."""
        m = np.asarray(mask, np.float64)
        return float(m @ self.curvature @ m + 2 * self.slope @ m + self.constant) / self.weight


def mutExchange(
    individual: Any,
    *,
    sensitivity: Sensitivity,
    layers: npt.ArrayLike,
    count: int | None = None,
    swaps: int = 60,
    damage: Damage | None = None,
    decay: float = 0.0,
    best: int = 600,
    rng: np.random.Generator | None = None,
) -> tuple[Any]:
    """Bring a mask to a number of ones and exchange genes, in place, while the damage falls.

    Asks once for the sensitivity on the mask as it is, then moves in the model alone: one after the
    other the gene that costs least leaves (or the one that saves most comes in) until the count is
    reached; then, again and again, the pair of a kept and a removed gene changes places that saves
    most. A layer keeps its last gene.

    The model errs, most of all about the pairs that it likes best: they are the best of many
    guesses. With `rng` it only proposes: pairs are drawn from the `best` ones, and whether they are
    any good is for the selection to tell, from images that the model has not seen.

    The individual carries away `individual.score` (float32, shape (genes,)): by how much the damage
    is larger without each gene than with it, for operators that ask what a gene is worth.

    Cost: one call of `sensitivity`; genes^2 operations a move.

    Args:
        individual: a BitString.
        sensitivity: from the individual to the rows and misses of `Damage.learn` on its mask.
        layers: offsets of the layers in the genome, shape (layers + 1,).
        count: wanted number of ones, 1 to len(individual); as many as there are, if None.
        swaps: exchanges at most. The model is of the mask as it was: far from it, it errs.
        damage: a model that learns from call to call; a new one, if None.
        decay: what that model keeps of older rows, 0 to 1.
        best: with `rng`, how many pairs, those that save most, are drawn from, 1 or more.
        rng: draws the pairs, no gene twice; None takes those that save most and draws nothing.

    Returns:
        The individual itself, in a tuple.

    Raises:
        ValueError: if count, swaps, decay or best are out of range.

    Source: ours.

    >>> from operators.genomes import BitString
    >>> twins = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 1.1]])  # genes 0 and 1 do the same work
    >>> mask = BitString([1, 1, 1])  # all kept: nothing is missed
    >>> see = lambda individual: (twins, np.zeros(2))
    >>> mutExchange(mask, sensitivity=see, layers=[0, 3], count=2)
    (BitString('011'),)
    """
    count = individual.count() if count is None else count
    if not 0 < count <= len(individual) and count != individual.count():
        raise ValueError(f"count: expected 1 to {len(individual)} genes, got {count}")
    at_least("swaps", swaps, 0)
    at_least("best", best, 1)
    damage = Damage(len(individual)) if damage is None else damage
    damage.learn(individual.to_numpy(), *sensitivity(individual), decay=decay)
    board = _Board(individual.to_numpy(), damage, np.asarray(layers))
    while board.kept > count and board.drop():
        pass
    while board.kept < count:
        board.restore()
    if rng is not None:
        board.draw(swaps, best, rng)
    else:
        for _ in range(swaps):
            if not board.exchange():
                break
    individual.packed[:] = np.packbits(board.mask == 1)
    individual.score = board.worth().astype(np.float32)
    return (individual,)


class _Board:
    """A mask that moves in a model; the model's gradient is kept up to date move by move."""

    def __init__(
        self, bits: npt.NDArray[np.bool_], damage: Damage, layers: npt.NDArray[np.integer]
    ) -> None:
        self.h, self.mask = damage.curvature / damage.weight, bits.astype(np.float64)
        self.own = self.h.diagonal()
        self.gradient = 2 * (self.h @ self.mask + damage.slope / damage.weight)
        self.layer = np.repeat(np.arange(len(layers) - 1), np.diff(layers))
        self.left = np.bincount(self.layer, self.mask, len(layers) - 1)

    @property
    def kept(self) -> int:
        return round(float(self.mask.sum()))

    def worth(self) -> npt.NDArray[np.float64]:
        """Return the damage without each gene less the damage with it."""
        return -self.gradient + (2 * self.mask - 1) * self.own

    def droppable(self) -> npt.NDArray[np.bool_]:
        return (self.mask == 1) & (self.left[self.layer] > 1)

    def drop(self) -> bool:
        """Drop the gene that costs least; False if each layer is down to its last one."""
        allowed = self.droppable()
        if allowed.any():
            self._flip(int(np.where(allowed, self.worth(), np.inf).argmin()))
        return bool(allowed.any())

    def restore(self) -> None:
        """Put the gene back that saves most."""
        self._flip(int(np.where(self.mask == 0, self.worth(), -np.inf).argmax()))

    def exchange(self) -> bool:
        """Let the pair change places that saves most; False if none saves anything."""
        on, off, change = self.pairs()
        if not change.size:
            return False
        best = int(change.argmin())
        if change.flat[best] >= -1e-9 * max(float(self.own.max()), 1e-300):
            return False
        self._flip(int(on[best // off.size]))
        self._flip(int(off[best % off.size]))
        return True

    def draw(self, swaps: int, best: int, rng: np.random.Generator) -> None:
        """Let pairs change places that are drawn from the best ones; no gene moves twice."""
        on, off, change = self.pairs()
        best = min(best, change.size)
        chosen = np.argpartition(change, best - 1, axis=None)[:best] if best else np.arange(0)
        moved = set[int]()
        for place in rng.permutation(np.sort(chosen)):
            leaving, coming = int(on[place // off.size]), int(off[place % off.size])
            if len(moved) >= 2 * swaps:
                break
            if {leaving, coming} & moved or not self.droppable()[leaving]:
                continue
            self._flip(leaving)
            self._flip(coming)
            moved |= {leaving, coming}

    def pairs(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], Floats]:
        """Return who may leave, who may come, and how the damage changes with each pair."""
        on, off = np.flatnonzero(self.droppable()), np.flatnonzero(self.mask == 0)
        worth = self.worth()
        return on, off, worth[on][:, None] - worth[off] - 2 * self.h[np.ix_(on, off)]

    def _flip(self, gene: int) -> None:
        step = 1 - 2 * self.mask[gene]
        self.mask[gene] += step
        self.left[self.layer[gene]] += step
        self.gradient += 2 * step * self.h[gene]
