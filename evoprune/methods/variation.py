"""The adaptive variation of phase 2: which operator changes a mask, learnt from who survives.

Every operator is a plain function from `operators/`; here they are only chosen between. Guidance
costs image passes, so an operator is paid by its survivors per pass.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from evoprune.evaluation.guidance import Guidance
from evoprune.evaluation.sensitivity import Sensitivity
from evoprune.passes import Passes
from evoprune.records import Generation
from evoprune.seeding import Streams
from evoprune.space.genes import GeneSpace
from operators.adaptation import OperatorCredit, SuccessHistory
from operators.crossover import cxLayers
from operators.drift import cxScores, keepTop, mutDrift
from operators.exchange import Damage, mutExchange
from operators.mutation import mutImportance, mutSwap
from operators.supply import name_of

Learner = OperatorCredit | SuccessHistory | Damage
DRIFT_STEPS = 8  # calls of the saliency in one mutation by drift
DESCENT = (0.8, 0.97)  # a descending drift ends at this share of the ones it started with
GUIDED = ("drift", "descend", "exchange", "remove")
NOTES = ("mated", "operator", "parents", "passes", "rate")  # on a child, until it is observed
FLIPS = 0.002  # share of the genes that a mutation by importance, or a swap, touches
FEWEST = 3  # genes of which that is a share at least: of 24 filters .002 would be none
EXCHANGE_IMAGES = 128  # that a mutation by exchange adds to the model
MODEL_DECAY = 0.98  # what that model keeps of older ones: it remembers some fifty mutations
SWAPS = 8  # of one at most; with four, 2,500 images told the good from the bad on ResNet-56


def flips(genes: int) -> float:
    """Return the share of so many genes that a mutation by importance touches.

    >>> flips(1_000_000), flips(24)
    (0.002, 0.125)
    """
    return min(1.0, max(FLIPS, FEWEST / genes))


class Variation:
    """Mate and mutate masks by operators chosen by credit.

    Args:
        space: the free genes.
        guidance: saliency on the current mask, or of few genes the sensitivity, by which filters
            are exchanged in the place of a drift; None leaves the guided operators out.
        streams: "mate" and "mutate" are drawn from.
        passes: the counter that says what an operator spent.
        cost: image passes that judging one child takes.
        adaptive: whether choices learn; otherwise all operators are equally likely.
        rate: of the drift, where each child's own rate starts from; rates are learnt from those of
            the children that survive.

    Attributes:
        damage: the model by which filters are exchanged, learnt by the descent and by each such
            mutation; None where there is no sensitivity.
        mutations: operator by name.
        crossovers: operator by name.
        learners: what a checkpoint has to keep.
    """

    def __init__(
        self,
        space: GeneSpace,
        guidance: Guidance | Sensitivity | None,
        streams: Streams,
        passes: Passes,
        *,
        cost: int,
        adaptive: bool = True,
        rate: float = 0.0005,
    ) -> None:
        self.space, self.guidance, self.passes = space, guidance, passes
        self.streams, self.cost = streams, cost
        self.score, self.flips = space.free(space.importance), flips(space.genes)
        self.mutations: dict[str, Callable[[Any], Any]] = {
            "importance": self._importance,
            "swap": self._swap,
        }
        self.crossovers: dict[str, Callable[[Any, Any], Any]] = {"layers": self._layers}
        self.damage: Damage | None = None
        if isinstance(guidance, Sensitivity):
            self.guidance = guidance = guidance.showing(EXCHANGE_IMAGES)
            self.damage = Damage(space.genes)
            self.mutations = {
                "exchange": self._exchange,
                "remove": self._remove,
                "importance": self._importance,
                "none": self._none,
            }
        elif guidance is not None:
            self.mutations = {
                "drift": self._drift,
                "descend": self._descend,
                "importance": self._importance,
                "none": self._none,
            }
            self.crossovers |= {"scores": self._scores}
        credit = partial(OperatorCredit, floor=0.05, decay=0.95, enabled=adaptive)
        self.mutation_credit = credit(list(self.mutations))
        for name in self.mutations:  # to begin with, every survivor is worth its price
            price = cost + (self._drift_cost if name in GUIDED else 0)
            self.mutation_credit.credit(name, survived=1, passes=price)
        self.crossover_credit = credit(list(self.crossovers))
        self.rates = SuccessHistory(
            rate, spread=0.5, low=rate / 20, high=rate * 20, enabled=adaptive
        )
        self.learners: dict[str, Learner] = {
            "mutate": self.mutation_credit,
            "mate": self.crossover_credit,
            "rate": self.rates,
        }
        if self.damage is not None:
            self.learners["damage"] = self.damage

    @property
    def _drift_cost(self) -> int:
        if isinstance(self.guidance, Sensitivity):
            return self.guidance.cost
        return 0 if self.guidance is None else 3 * self.guidance.batch * DRIFT_STEPS

    def mate(self, a: Any, b: Any) -> tuple[Any, Any]:
        """Cross two masks in place by a crossover chosen by its credit."""
        name = self.crossover_credit.choose(self.streams.mate)
        parents = (a.digest(), b.digest())
        self.crossovers[name](a, b)
        for child in (a, b):
            child.parents = parents
            if child.digest() not in parents:
                child.mated = name
        return a, b

    def noting(self, mate: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Return a crossover of one's own that notes the parents on its children, as `mate` does.

        Without them what it changed would look like the parent: a mutation that adds nothing to it
        would seem to make copies, and never be paid.
        """

        def noted(a: Any, b: Any) -> Any:
            parents = (a.digest(), b.digest())
            children = mate(a, b)
            for child in children:
                child.parents = parents
            return children

        noted.__name__ = name_of(mate)
        return noted

    def mutate(self, individual: Any) -> tuple[Any]:
        """Change a mask in place by a mutation chosen by its credit."""
        name = self.mutation_credit.choose(self.streams.mutate)
        before = self.passes["guidance"]
        individual.parents = getattr(individual, "parents", None) or (individual.digest(),)
        individual.rate = None
        self.mutations[name](individual)
        individual.operator, individual.passes = name, self.passes["guidance"] - before
        return (individual,)

    def observe(self, generation: Generation) -> None:
        """Pay the operators of a generation's offspring, and learn the rates, of survivors.

        A crossover is paid for what it changed alone. A copy of a parent earns nothing, and costs
        nothing to judge. What operators noted on a child is for its first generation only: its own
        children are clones, and would carry it on.
        """
        survivors, successful = {id(individual) for individual in generation.population}, []
        for child in generation.offspring:
            new = child.digest() not in getattr(child, "parents", ())
            survived = new and id(child) in survivors
            # At its whole price, also if it was given up: else early stopping would change choices.
            cost = self.cost * new + getattr(child, "passes", 0)
            if hasattr(child, "operator"):
                self.mutation_credit.credit(child.operator, survived=survived, passes=cost)
                if survived and child.rate is not None:
                    successful.append(child.rate)
            if hasattr(child, "mated"):
                self.crossover_credit.credit(child.mated, survived=survived, passes=cost)
            for note in NOTES:
                child.__dict__.pop(note, None)
        self.rates.update(successful)

    def _drift(self, individual: Any) -> None:
        self._guided(individual, max(1, individual.count()))

    def _descend(self, individual: Any) -> None:
        share = self.streams.mutate.uniform(*DESCENT)
        self._guided(individual, max(1, round(individual.count() * share)))

    def _guided(self, individual: Any, count: int) -> None:
        assert isinstance(self.guidance, Guidance)
        individual.rate = self.rates.draw(self.streams.mutate)
        mean = np.empty_like(self.score)
        mutDrift(
            individual,
            saliency=self.guidance,
            score=self.score,
            count=count,
            steps=DRIFT_STEPS,
            rate=individual.rate,
            mean=mean,
        )
        individual.score = mean
        keepTop(individual, mean, count)

    def _exchange(self, individual: Any) -> None:
        self._exchanged(individual, max(1, individual.count()))

    def _remove(self, individual: Any) -> None:
        share = self.streams.mutate.uniform(*DESCENT)
        self._exchanged(individual, max(1, round(individual.count() * share)))

    def _exchanged(self, individual: Any, count: int) -> None:
        assert isinstance(self.guidance, Sensitivity)
        mutExchange(
            individual,
            sensitivity=self.guidance,
            layers=self.space.gene_offsets,
            count=count,
            swaps=int(self.streams.mutate.integers(1, SWAPS + 1)),
            damage=self.damage,
            decay=MODEL_DECAY,
            rng=self.streams.mutate,
        )

    def _importance(self, individual: Any) -> None:
        rng = self.streams.mutate
        change = rng.uniform(-self.flips, self.flips)
        mutImportance(
            individual,
            score=getattr(individual, "score", self.score),
            rate=self.flips,
            change=change,
            temperature=0.1,
            rng=rng,
        )

    def _none(self, individual: Any) -> None:
        """Leave what a crossover made as it is, to be judged at no other cost."""

    def _swap(self, individual: Any) -> None:
        mutSwap(individual, rate=self.flips, rng=self.streams.mutate)

    def _layers(self, a: Any, b: Any) -> None:
        cxLayers(a, b, layers=self.space.gene_offsets, rate=0.5, rng=self.streams.mate)

    def _scores(self, a: Any, b: Any) -> None:
        cxScores(a, b, layers=self.space.gene_offsets, rate=1.0, blend=0.5, rng=self.streams.mate)
