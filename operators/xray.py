"""What an operator does, without any fitness: it runs thousands of times on a small made-up genome.

`xray(mutFlip, rate=0.1)` keeps what went in and what came out; its methods are the numbers, each of
one idea: does it make masks sparser, which genes does it touch, how far does it go, what stays
together. A selection chooses from a made-up cloud of points instead. Needs numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from operators.dominance import ranks
from operators.individuals import individual_type
from operators.layout import Layout
from operators.ranges import at_least
from operators.selection import assignCrowding
from operators.supply import GIVEN, name_of, offers, settle, supply
from operators.tries import asked_by, madeUpSaliency, slot_of

Genome = Literal["mask", "thresholds"]
Floats = NDArray[np.float64]
DENSITIES = (0.1, 0.3, 0.5, 0.7, 0.9)  # at which parents are drawn, one after the other
MIDDLE = 0.5  # where a second parent is the first one's complement, and newborn are compared
LAYERS, CLOUD = (8, 16, 16, 24), 48


class Band(NamedTuple):
    """Hold for groups of runs the mean, its standard error, and where nine tenths of them lie."""

    mean: Floats
    error: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class XRay:
    """Hold what went into an operator and what came out of it, run by run.

    Attributes:
        name: of the operator.
        settings: that it was given.
        slot: "init", "mate" or "mutate".
        genome: "mask" or "thresholds".
        space: the layers and scores of the genome.
        density: at which the parents of a run were drawn, or an initialiser was asked, [runs].
        before: genes of the parents, shape [runs, parents, n], bool or float64; no parents for an
            initialiser.
        after: genes of the children, in the same order, shape [runs, children, n].
    """

    name: str
    settings: Mapping[str, Any]
    slot: str
    genome: str
    space: Layout
    density: Floats
    before: NDArray[Any]
    after: NDArray[Any]

    def drift(self) -> Band:
        """Return by how much the density of a child differs from its parent's, by `DENSITIES`.

        For an initialiser: the density itself.
        """
        change = self.after.mean(axis=2)
        if self.slot != "init":
            change = change - self.before.mean(axis=2)
        groups = [change[self.density == density] for density in DENSITIES]
        error = [g.mean(axis=1).std() / np.sqrt(len(g)) for g in groups]  # siblings are no sample
        low, high = ([np.quantile(g, q) for g in groups] for q in (0.05, 0.95))
        return Band(*map(np.array, ([g.mean() for g in groups], error, low, high)))

    def touched(self) -> Floats:
        """Return the chance of each gene to be another one in the child than in its parent, [n]."""
        return (self.before != self.after).mean(axis=(0, 1))

    def cleared(self) -> Floats:
        """Return the chance of each gene to be 0 in the child if it was 1 in its parent, [n]."""
        return _chance(self.before & ~self.after, self.before)

    def restored(self) -> Floats:
        """Return the chance of each gene to be 1 in the child if it was 0 in its parent, [n]."""
        return _chance(~self.before & self.after, ~self.before)

    def kept(self) -> Floats:
        """Return the chance of each gene to be 1 in a child, [n]; of reals the mean gene."""
        return self.after.mean(axis=(0, 1), dtype=np.float64)

    def by_layer(self, chances: Floats) -> Floats:
        """Return the mean of something known of each gene over each layer, [L]."""
        layer = self.space.layer_of(np.arange(self.space.genes))
        return np.array([chances[layer == one].mean() for one in range(len(self.space.names))])

    def by_score(self, chances: Floats, groups: int = 16) -> Floats:
        """Return the mean of something known of each gene, from low to high scores, [groups]."""
        parts = np.array_split(chances[np.argsort(self.space.score, kind="stable")], groups)
        return np.array([part.mean() for part in parts])

    def distance(self) -> Floats:
        """Return how far each child is from its parent, [runs * children].

        Of masks it is the number of genes that differ, of reals the mean absolute change of a
        gene. For an initialiser it is measured from one run to the next, of those at the middle
        density.
        """
        other, child = self.before, self.after
        if self.slot == "init":
            child = self.after[self.density == MIDDLE]
            other = np.roll(child, 1, axis=0)
        if self.genome == "mask":
            return (other != child).sum(axis=2).ravel().astype(np.float64)
        return np.abs(other - child).mean(axis=2).ravel()

    def unchanged(self) -> float:
        """Return the chance that a child is its parent, gene by gene."""
        return float((self.before == self.after).all(axis=2).mean())

    def crossed(self) -> Floats:
        """Return the way that each gene went from its own parent (0) to the other (1).

        Of blended reals it lies between them, or beyond. NaN where the parents do not differ,
        shape [runs, children, n].
        """
        own, child = self.before.astype(np.float64), self.after.astype(np.float64)
        way = own[:, ::-1] - own
        return np.divide(child - own, way, out=np.full(way.shape, np.nan), where=way != 0)

    def inherited(self) -> Floats:
        """Return the share of the genes in which parents differ that crossed over, for each child.

        Shape [runs * children]; pairs without a difference are left out.
        """
        way = self.crossed().reshape(-1, self.space.genes)
        differ = np.isfinite(way)
        some = differ.any(axis=1)
        return (way > 0.5)[some].sum(axis=1) / differ[some].sum(axis=1)

    def held(self, child: int) -> Floats:
        """Return the chance of each gene to be 1 in a child where the two parents differ, [n]."""
        differ = self.before[:, 0] != self.before[:, 1]
        return (self.after[:, child] & differ).sum(axis=0) / np.maximum(differ.sum(axis=0), 1)

    def busier(self) -> int:
        """Return which child takes more from its other parent: 0, or 1 if it is the second."""
        return int(np.argmax(np.nansum(np.abs(self.crossed()), axis=(0, 2))))

    def linkage(self) -> Floats:
        """Return the chance that two genes come from the same parent, by their distance, [n].

        Place 0 is a gene and itself, hence 1. Of the child that takes more, among genes in which
        the parents differ; 0.5 is what two coins would do.
        """
        way = self.crossed()[:, self.busier()]
        side = np.where(np.isfinite(way), np.where(way > 0.5, -1.0, 1.0), 0.0)
        agreed = np.empty(self.space.genes)
        for d in range(self.space.genes):
            left, right = side[:, : side.shape[1] - d], side[:, d:]
            agreed[d] = (left * right).sum() / max(np.abs(left * right).sum(), 1)
        return (1 + agreed) / 2


@dataclass(frozen=True)
class Choices:
    """Hold how often a selection chose each individual of one cloud.

    Attributes:
        name: of the operator.
        settings: that it was given.
        wanted: how many it was asked for in a run.
        points: the two objectives of each, minimised, shape [individuals, 2].
        rank: of the front that each lies in, from 0, [individuals].
        copies: how often each was chosen, shape [runs, individuals].
    """

    name: str
    settings: Mapping[str, Any]
    wanted: int
    points: Floats
    rank: NDArray[np.intp]
    copies: NDArray[np.int64]

    def by_rank(self) -> Floats:
        """Return the mean number of copies of an individual of each front, [fronts]."""
        mean = self.copies.mean(axis=0)
        return np.array([mean[self.rank == one].mean() for one in range(self.rank.max() + 1)])

    def different(self) -> Floats:
        """Return how many different individuals were chosen in each run, [runs]."""
        return np.count_nonzero(self.copies, axis=1).astype(np.float64)


def xray(
    operator: Callable[..., Any],
    *,
    genome: Genome = "mask",
    slot: str | None = None,
    layout: Layout | None = None,
    runs: int = 10_000,
    seed: int = 0,
    **settings: Any,
) -> XRay | Choices:
    """Run an operator many times on made-up parents and keep what went in and what came out.

    Args:
        operator: it gets what it asks for by name (see `operators.supply`); a saliency is made up:
            a fixed vector, and noise.
        genome: "mask" or "thresholds" (reals from 0 to 1).
        slot: "init", "mate", "mutate" or "select"; None reads it off the prefix of the name.
        layout: of the genome; 64 genes in four layers with scores, if None.
        runs: how often, at least 5: one for each of `DENSITIES`.
        seed: of parents, scores and operator.
        settings: of the operator.

    Returns:
        What was seen: of a selection `Choices`, of all others an `XRay`.

    Raises:
        ValueError: if an argument will not do, or the operator returns no tuple of individuals.

    >>> from operators.mutation import mutFlip
    >>> seen = xray(mutFlip, runs=1000, rate=0.25)
    >>> round(float(seen.touched().mean()), 2), (seen.drift().mean > 0).tolist()
    (0.25, [True, True, False, False, False])
    """
    slot = slot_of(name_of(operator)) if slot is None else slot
    at_least("runs", runs, len(DENSITIES))
    at_least("seed", seed, 0)
    rng = np.random.default_rng(seed)
    if layout is None:
        layout = Layout.plain(LAYERS, score=rng.exponential(size=sum(LAYERS)))
    ready = settle(operator, settings, given=GIVEN[slot])
    if slot == "select":
        return _choices(ready, layout, genome, runs, rng)
    density = np.resize(DENSITIES, runs)
    before: NDArray[Any] = rng.random((runs, {"mate": 2, "mutate": 1}.get(slot, 0), layout.genes))
    if genome == "mask":
        before = before < density[:, None, None]
        if slot == "mate":
            before[density == MIDDLE, 1] = ~before[density == MIDDLE, 0]
        before = before & layout.support | layout.core
    after = np.empty((runs, max(before.shape[1], 1), layout.genes), before.dtype)
    for run, made in enumerate(_children(ready, slot, layout, density, before, rng)):
        after[run] = [child.to_numpy() for child in made]
    return XRay(name_of(operator), settings, slot, genome, layout, density, before, after)


def _children(
    operator: partial[Any],
    slot: str,
    layout: Layout,
    density: Floats,
    before: NDArray[Any],
    rng: np.random.Generator,
) -> Iterator[Sequence[Any]]:
    """Yield the children of each run; parents of masks carry scores, as those that drifted do."""
    genome: Genome = "mask" if before.dtype == np.bool_ else "thresholds"
    kind, saliency = individual_type(genome, 2), madeUpSaliency(layout, rng)
    score = (layout.score * rng.lognormal(0, 0.5, (2, layout.genes))).astype(np.float32)
    bounds = {"low": np.zeros(layout.genes), "high": np.ones(layout.genes)}
    offered = offers(layout, rng=rng, saliency=saliency, **({} if genome == "mask" else bounds))
    ready = supply(operator, {**offered, "density": MIDDLE}, given=GIVEN[slot])
    if slot == "init":
        asks = "density" in asked_by(operator) and "density" not in operator.keywords
        yield from ([ready(kind, **({"density": one} if asks else {}))] for one in density.tolist())
        return
    for genes in before:
        parents = [kind.from_numpy(one) for one in genes]
        if genome == "mask":
            for parent, own in zip(parents, score, strict=False):
                parent.score = own.copy()
        children = ready(*parents)
        if not isinstance(children, tuple) or len(children) != len(parents):
            raise ValueError(
                f"{name_of(operator)}: expected a tuple of {len(parents)} individuals, got "
                f"{children!r:.60}; look at check({name_of(operator)})"
            )
        yield children


def _choices(
    operator: partial[Any], layout: Layout, genome: Genome, runs: int, rng: np.random.Generator
) -> Choices:
    """Let a selection choose half of one cloud of points, again and again."""
    along = rng.random(CLOUD)
    points = np.stack([along, (1 - np.sqrt(along)) ** 2], axis=1)  # convex, as fronts often are
    points += rng.exponential(0.15, (CLOUD, 2))
    kind = individual_type(genome, 2)
    cloud = [kind.from_numpy(rng.random(layout.genes) < 0.5) for _ in range(CLOUD)]
    for individual, values in zip(cloud, points.tolist(), strict=True):
        individual.fitness.values = values
    assignCrowding(cloud)  # deap's selTournamentDCD reads it
    ready = supply(operator, offers(layout, rng=rng), given=GIVEN["select"])
    place, wanted = {id(one): at for at, one in enumerate(cloud)}, CLOUD // 2
    copies = np.zeros((runs, CLOUD), np.int64)
    for run in copies:
        for one in ready(list(cloud), wanted):
            run[place[id(one)]] += 1
    return Choices(name_of(operator), operator.keywords, wanted, points, ranks(points), copies)


def _chance(happened: NDArray[np.bool_], could: NDArray[np.bool_]) -> Floats:
    """Return how often something happened to each gene of the times that it could, [n]."""
    return happened.sum(axis=(0, 1)) / np.maximum(could.sum(axis=(0, 1)), 1)
