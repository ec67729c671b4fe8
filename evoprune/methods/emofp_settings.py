"""What EMOFP can be told: the paper's table 2, and what the paper leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from evoprune.errors import InputError, unknown
from evoprune.evaluation.bounds import check_bounds
from evoprune.running.config import MaskSettings

SIZES = {"filters": "density", "macs": "macs", "params": "params", "latency": "latency"}
READINGS = ("individual", "gene")


@dataclass(frozen=True)
class Emofp(MaskSettings):
    """All that a run of EMOFP was asked for. The defaults are table 2's, if nothing else is said.

    Eq. 9 flips each bit with chance pm, the text mutates an individual with chance pm. At pm = .2
    the first is a fifth of all filters a child, whatever the crossover made: a random search around
    the parents. The second leaves four children of five as the crossover made them and flips one
    bit on average of the fifth. It is the default, for it finds the better fronts
    (docs/emofp.md has the figures).

    Attributes:
        population: individuals a generation, N.
        generations: after the first population, G.
        pc: probability that a pair is crossed.
        pm: of mutation, read as `pm_per` says.
        pm_per: "individual", the chance that a child is mutated, each bit then at 1 / n (ours); or
            "gene", the chance of each bit of every child. With a `mutate` of one's own the first
            says which children it gets, and the second that it gets all.
        bounds: smallest and largest error of a feasible mask, 0 to 1; the paper's, but for AlexNet,
            where they are .5 and .9.
        size: what is minimised beside the error: "filters" (kept share), "macs", "params", or
            "latency", measured on this machine as a share of the dense network's; candidates are
            then judged to their last image.
        picks: networks fine-tuned, K (ours; the paper's tables have three each).
        keep: in the place of `picks`: counts of filters, for each of which the best network that
            keeps at most so many is fine-tuned.
        epochs: of fine-tuning (ours); 0 leaves it out.
        rate: its first learning rate (ours).
        patience: epochs without a smaller loss on the search images that it waits for before the
            rate falls (ours).
        shift: pixels by which it shifts its images at most; an eighth of their width if None. A
            network of very few filters has none to spare for shifted images (ours).
        distil: whether the outputs of the dense network are half of its goal (ours).
        control: whether the structures of the picks are trained from random weights too.
        seeded: whether every second mask of the first population is one cut by norms (ours).
        guided: whether the first masks drift along the gradient's opinion, and operators of one's
            own may ask for it (ours).
        random: whether a random search of as many passes is run beside it.
        (the others): see `MaskSettings`.
    """

    method: str = "emofp"
    population: int = 50
    generations: int = 200
    pc: float = 0.9
    pm: float = 0.2
    pm_per: str = "individual"
    bounds: tuple[float, float] = (0.01, 0.7)
    size: str = "filters"
    picks: int = 3
    keep: tuple[int, ...] = ()
    epochs: int = 10
    rate: float = 0.02
    patience: int = 1
    shift: int | None = None
    distil: bool = False
    control: bool = False
    seeded: bool = False
    random: bool = True
    out: str = "runs/emofp"

    def __post_init__(self) -> None:
        """Check what this method alone can be told, and all the rest."""
        super().__post_init__()
        if self.genes not in ("filters", "neurons"):
            raise InputError(
                f"genes: expected filters or neurons, which EMOFP removes whole, got {self.genes}; "
                "write --genes filters"
            )
        if self.generations < 1:
            raise InputError(f"generations: expected at least 1, got {self.generations}")
        for name in ("pc", "pm"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name}: expected 0 to 1, got {getattr(self, name)}")
        if self.pm_per not in READINGS:
            raise unknown("reading of pm", self.pm_per, READINGS)
        if self.size not in SIZES:
            raise unknown("size", self.size, SIZES)
        check_bounds(self.bounds)
        if not 1 <= self.picks <= self.population:
            raise InputError(
                f"picks: expected 1 to {self.population}, the population, got {self.picks}; "
                f"write --picks {min(max(self.picks, 1), self.population)}"
            )
        for name in ("epochs", "patience"):
            if getattr(self, name) < 0:
                raise InputError(f"{name}: expected 0 or more, got {getattr(self, name)}")
        if self.shift is not None and self.shift < 0:
            raise InputError(f"shift: expected 0 or more pixels, got {self.shift}")
        if not 0 < self.rate < float("inf"):
            raise InputError(f"rate: expected more than 0, got {self.rate}")

    def objectives(self) -> tuple[str, ...]:
        """Return the names of what is minimised."""
        return self.measure.rpartition(":")[2], SIZES[self.size]
