"""The settings of the microbial GA, checked before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose

from evoprune.errors import InputError, unknown
from evoprune.running.config import MaskSettings

Lambdas = tuple[float, float, float]
TABLE_1: tuple[Lambdas, ...] = ((0.3, 0.4, 0.3), (0.5, 0.5, 0.0), (0.5, 0.0, 0.5), (0.8, 0.1, 0.1))
SEARCHES = ("microbial", "nsga2")
COMPUTATIONS = {"convolutions": "conv_macs", "network": "macs"}


@dataclass(frozen=True)
class MicrobialConfig(MaskSettings):
    """All that a run of the microbial GA was asked for.

    Attributes:
        algorithm: "microbial", one number minimised, or "nsga2", a front of the three.
        lambdas: weights of error, computation and density in equation (1), summing to 1; with
            nsga2 they only choose one of the networks that are retrained at the end.
        table1: whether to search once for each of the paper's four settings, in the place of
            `lambdas`.
        best: K, how many are parents; of nsga2 all are.
        mating: Pc, chance that a pair is crossed, 0 to 1.
        filter_rate: Pmc, chance per generation that a filter that is left is removed, 0 to 1.
        weight_rate: Pmf, of a single weight of a Linear layer.
        every: T, generations from one retraining to the next, at least 2.
        generations: at most, of each search (ours).
        tolerance: by which a block of T generations has to better the best fitness (ours).
        patience: blocks in a row that may fail to, after which the search ends (ours).
        computation: whose multiply-adds are counted, those of "convolutions" or of the "network".
        max_error: with nsga2 a network with a larger error on the search images is infeasible
            (ours).
        retrain_epochs: of a retraining (ours), over its images.
        retrain_images: of the training split, drawn anew for each retraining; all if None (ours).
        final_epochs: of the retraining at the end, over all training images (ours).
        rate: learning rate of both; it falls to 0 along half a cosine (ours).
        shift: pixels by which both shift their images at most; 0 as in the tutorial whose network
            the paper prunes (ours).
        distillation: at the end, share of the loss that is the distance from the dense network's
            outputs, 0 to 1 (ours; the paper has none).
        retrain_all: whether the elites of all blocks are retrained at the end, not the last one
            alone: a trail from the dense network to the last (ours).
        controls: whether beside each network that is retrained at the end one of as many genes,
            drawn at random, is trained as long.
        (the others): see `MaskSettings`; operators of one's own take the slots mate and mutate, and
            with nsga2 select.
    """

    method: str = "microbial-ga"
    genes: str = "mixed"
    population: int = 30
    out: str = "runs/microbial-ga"
    algorithm: str = "microbial"
    lambdas: Lambdas = TABLE_1[0]
    table1: bool = False
    best: int = 5
    mating: float = 0.6
    filter_rate: float = 0.1
    weight_rate: float = 0.15
    every: int = 5
    generations: int = 60
    tolerance: float = 0.001
    patience: int = 2
    computation: str = "convolutions"
    max_error: float = 0.2
    retrain_epochs: int = 1
    retrain_images: int | None = None
    final_epochs: int = 5
    rate: float = 0.02
    shift: int = 0
    distillation: float = 0.0
    retrain_all: bool = False
    controls: bool = True

    def __post_init__(self) -> None:
        """Check what this method alone can be told, and all the rest."""
        super().__post_init__()
        if self.algorithm not in SEARCHES:
            raise unknown("algorithm", self.algorithm, SEARCHES)
        if self.computation not in COMPUTATIONS:
            raise unknown("computation", self.computation, COMPUTATIONS)
        self._check_lambdas()
        shares = ("mating", "filter_rate", "weight_rate", "tolerance", "max_error", "distillation")
        for name in shares:
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{_option(name)}: expected 0 to 1, got {getattr(self, name)}")
        least = {"every": 2, "patience": 1, "retrain_epochs": 1, "final_epochs": 1}
        for name, low in least.items():
            if getattr(self, name) < low:
                raise InputError(
                    f"{_option(name)}: expected at least {low}, got {getattr(self, name)}"
                )
        if self.generations < self.every:
            raise InputError(
                f"generations: expected at least {self.every}, one block of --every, got "
                f"{self.generations}"
            )
        if not 2 <= self.best <= self.population:
            raise InputError(
                f"best: expected 2 to the population, {self.population}, got {self.best}; "
                "write --best 5"
            )
        if self.retrain_images is not None and self.retrain_images < 2:
            raise InputError(f"retrain-images: expected at least 2, got {self.retrain_images}")
        if self.shift < 0:
            raise InputError(f"shift: expected 0 or more pixels, got {self.shift}")
        if not 0 < self.rate < float("inf"):
            raise InputError(f"rate: expected more than 0, got {self.rate}")
        if self.init is not None:
            raise InputError(
                "init: expected none, the first population is mutated from the trained network; "
                "leave it out"
            )
        if self.select is not None and self.algorithm == "microbial":
            raise InputError(
                "select: expected none with microbial, whose best are the parents; leave it out or "
                "write --algorithm nsga2"
            )

    def _check_lambdas(self) -> None:
        """Refuse what is no weighted mean of three."""
        wrong, given = "", " ".join(map(str, self.lambdas))
        if len(self.lambdas) != 3:
            wrong = f"expected three numbers, for error, computation and density; got {given}"
        elif not all(0 <= weight <= 1 for weight in self.lambdas):
            wrong = f"expected numbers from 0 to 1, got {given}"
        elif not isclose(sum(self.lambdas), 1, abs_tol=1e-6):
            wrong = f"expected numbers that sum to 1, got {given}, summing to {sum(self.lambdas):g}"
        if wrong:
            raise InputError(f"lambdas: {wrong}: write for example --lambdas 0.3 0.4 0.3")

    def objectives(self) -> tuple[str, ...]:
        """Return the names of what is minimised: e, c and 1 - s of equation (1)."""
        return self.measure.rpartition(":")[2], COMPUTATIONS[self.computation], "params"

    def searches(self) -> tuple[Lambdas, ...]:
        """Return the lambdas of each search of the run."""
        return TABLE_1 if self.table1 and self.algorithm == "microbial" else (self.lambdas,)


def _option(name: str) -> str:
    return name.replace("_", "-")
