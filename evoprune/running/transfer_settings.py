"""What a transfer can be told: the authors' settings, and what they leave open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from evoprune.errors import InputError, unknown
from evoprune.evaluation.heads import ERRORS
from evoprune.evaluation.outofdistribution import SCORES
from evoprune.network.heads import HeadTraining
from evoprune.running.config import Settings
from evoprune.space.heads import ENCODINGS

ALGORITHMS = ("steady-state", "generational")
SCHEDULES = {
    "authors": HeadTraining(),
    "quick": HeadTraining(rate=0.04, batch=128, epochs=40, patience=5, least=2e-3),
}
SHORT = 20  # epochs of the quick schedule on the embedded task, so that it ends in two minutes
EMBEDDED: dict[str, Any] = {  # what is run where nothing is said: no file is needed
    "data": "digits:5-9",
    "source": "digits:0-4",
    "foreign": ("digits:0-2",),
    "unseen": ("digits:3-4",),
}


@dataclass(frozen=True)
class Transfer(Settings):
    """All that a transfer was asked for. The search's defaults are those of the authors' code.

    Attributes:
        model: the backbone; the small CNN for the digits by default.
        weights: of the backbone: a checkpoint file, or "download" for torchvision's own; None
            trains it here, on `source`.
        data: the target, whose classes the heads learn: a data set's name, or folder:PATH. A name
            may choose classes: "digits:5-9".
        source: what the backbone is trained on if there are no weights. With weights: a data set
            whose mean and deviation normalise the images; ImageNet's do if None.
        foreign: data sets of out-of-distribution images that candidates are judged on.
        unseen: others, for the final figures alone; there the search's own are shown beside them.
        layer: of the backbone whose output the features are; None takes what the last one reads.
        pool: cells along each side that the layer's maps are averaged over; 1 makes a feature of
            each map, 2 four (ours).
        image_size: height and width in pixels that all images are brought to; the source's if it
            is given, else the target's.
        encoding: what a bit keeps: "features", "neurons" or "connections".
        units: of the hidden layer.
        algorithm: "steady-state", NSGA-II with two offspring a step, or "generational" (ours).
        evaluations: heads judged in all, the first population among them; the last generation is
            run to its end.
        guided: whether the first masks are drawn by importance and mutation asks for it (ours).
        schedule: how heads are trained: "quick" (ours) or "authors", 600 epochs at a small rate.
        epochs: at most, of a head; None leaves the schedule's, on the embedded task `SHORT`.
        rate: learning rate; None leaves the schedule's.
        batch: images a step; None leaves the schedule's.
        inherit: whether candidates begin with the weights of the trained dense head (ours), or
            with those that it began with.
        train_images: training images of the target that heads learn from; all if None.
        score: that tells foreign images: "odin", "max-softmax" or "energy".
        perturbation: size of ODIN's step through the backbone, in units of the network's input; 0
            leaves it out, as the authors do.
        measure: of the mistakes on own images, the first objective: "error", or "soft_error", which
            is smooth, so that fewer heads look better by luck (ours).
        features: folder in which computed features are kept; the run's own if None.
        controls: whether random masks and l1-ranked ones are trained, as many of each as the
            search has trained.
        (the others): see `Settings`; operators of one's own take the search's slots.

    Source: Poyatos et al., 2023, as in their code; what is ours is marked.
    """

    method: str = "transfer"
    data: str = ""
    source: str | None = None
    foreign: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    layer: str | None = None
    pool: int = 1
    image_size: int | None = None
    encoding: str = "features"
    units: int = 512
    algorithm: str = "steady-state"
    population: int = 30
    evaluations: int = 200
    schedule: str = "quick"
    epochs: int | None = None
    rate: float | None = None
    batch: int | None = None
    inherit: bool = False
    train_images: int | None = None
    score: str = "odin"
    perturbation: float = 0.0
    measure: str = "error"
    features: str | None = None
    controls: bool = True
    out: str = "runs/transfer"

    def __post_init__(self) -> None:
        """Fill in the embedded task where nothing is said, and check everything."""
        if not self.data:
            whole = not self.foreign  # the unseen ones go with these
            for name, value in EMBEDDED.items():
                if not getattr(self, name) and (whole or name != "unseen"):
                    object.__setattr__(self, name, value)
            if self.epochs is None and self.schedule == "quick":
                object.__setattr__(self, "epochs", SHORT)
        super().__post_init__()
        for name, known in (
            ("encoding", ENCODINGS),
            ("algorithm", ALGORITHMS),
            ("schedule", SCHEDULES),
            ("score", SCORES),
            ("measure", ERRORS),
        ):
            if getattr(self, name) not in known:
                raise unknown(name, getattr(self, name), known)
        for name, least in (("units", 1), ("image_size", 1), ("train_images", 1), ("pool", 1)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise InputError(
                    f"{name.replace('_', '-')}: expected at least {least}, got {value}"
                )
        if self.evaluations < self.population:
            raise InputError(
                f"evaluations: expected at least the population, {self.population}, got "
                f"{self.evaluations}"
            )
        if self.weights is None and self.source is None:
            raise InputError(
                f"source: {self.model} has no weights; write --weights FILE, or --source with the "
                "data set that it is to be trained on"
            )
        if not 0 <= self.perturbation < float("inf"):
            raise InputError(f"perturbation: expected 0 or more, got {self.perturbation}")
        if self.perturbation > 0 and self.score != "odin":
            raise InputError(
                f"perturbation: it is ODIN's; write --score odin with it, not {self.score}"
            )
        self._check_foreign()
        self.training()

    def _check_foreign(self) -> None:
        if not self.foreign:
            raise InputError(
                "foreign: expected at least one data set of out-of-distribution images; write for "
                "example --foreign fashion-mnist"
            )
        for option in ("foreign", "unseen"):
            if self.data in getattr(self, option):
                raise InputError(
                    f"{option}: {self.data} is the target itself; name a data set of other things"
                )
        for name in self.unseen:
            if name in self.foreign:
                raise InputError(
                    f"unseen: {name} is one of those that the search sees; name another"
                )

    def training(self) -> HeadTraining:
        """Return how heads are trained.

        Raises:
            InputError: if a number is out of range.
        """
        told = {name: getattr(self, name) for name in ("epochs", "rate", "batch")}
        given: dict[str, Any] = {name: v for name, v in told.items() if v is not None}
        return replace(SCHEDULES[self.schedule], **given)

    @property
    def offspring(self) -> int:
        """Return how many there are a step."""
        return 2 if self.algorithm == "steady-state" else self.population

    def objectives(self) -> tuple[str, ...]:
        """Return the names of what is minimised."""
        return self.measure, "density", "misranked"
