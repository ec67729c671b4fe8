"""The settings of a run, checked before anything is written."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import platform
from dataclasses import dataclass
from typing import Any, Self

from evoprune.errors import InputError, unknown
from evoprune.evaluation.precision import PRECISIONS
from evoprune.network.importance import SCORES
from evoprune.running.plugins import fingerprint, split

ALGORITHMS = ("nsga2", "moead")
MEASURES = ("error", "soft_error")
SIZES = ("density", "macs", "params")
LATENCY = "latency"  # a size too, but one that only filters have, and that is measured
GENES = ("weights", "filters", "neurons", "mixed")
SLOTS = ("init", "mate", "mutate", "select")  # that an operator of one's own may take


@dataclass(frozen=True)
class Settings:
    """What every method can be told.

    Attributes:
        method: name of one of the command's methods.
        model: name of a network; the small CNN for the digits by default.
        weights: checkpoint file; None trains the network here, on the training split.
        data: name of a data set, or folder:PATH.
        data_root: folder with data sets; the environment's EVOPRUNE_DATA if None.
        population: individuals a generation, at least 4.
        passes: image passes from which on no generation is begun; None sets no limit. A descent
            that was begun is walked to its end, as fast as the budget asks.
        search_images: images of the search split that judge a candidate; all if None.
        guided: whether the gradient's opinion is asked: drift as an operator, and first masks.
        mate: crossover of the masks: an operator's name, or FILE.py:NAME; None leaves the method's.
            So are `mutate`, `init` (first masks) and `select` (survivors).
        mate_args: settings of that operator by name. So are `mutate_args` and so on.
        lineage: whether it is written down who made whom; see `evoprune lineage`.
        seed: of all random streams.
        device: "cpu", "cuda" or another of torch's.
        threads: of torch; None leaves torch's own number.
        out: folder of the run.
        download: whether torchvision may fetch a data set.
        trust_pickle: whether a checkpoint that needs unpickling may be loaded.
    """

    method: str = ""
    model: str = "digits-cnn"
    weights: str | None = None
    data: str = "digits"
    data_root: str | None = None
    population: int = 24
    passes: int | None = None
    search_images: int | None = None
    guided: bool = False
    mate: str | None = None
    mate_args: dict[str, Any] | None = None
    mutate: str | None = None
    mutate_args: dict[str, Any] | None = None
    init: str | None = None
    init_args: dict[str, Any] | None = None
    select: str | None = None
    select_args: dict[str, Any] | None = None
    lineage: bool = False
    seed: int = 0
    device: str = "cpu"
    threads: int | None = None
    out: str = "runs/run"
    download: bool = False
    trust_pickle: bool = False

    def __post_init__(self) -> None:
        """Check every number's range and every name.

        Raises:
            InputError: naming the argument, what was expected, what came, what to write instead.
        """
        if self.population < 4:
            raise InputError(f"population: expected at least 4, got {self.population}")
        for name in ("passes", "search_images", "threads"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"{name.replace('_', '-')}: expected at least 1, got {value}")
        if self.seed < 0:
            raise InputError(f"seed: expected 0 or more, got {self.seed}")
        for slot in SLOTS:
            if getattr(self, f"{slot}_args") and not getattr(self, slot):
                raise InputError(f"{slot}-arg: it is of no operator; name one with --{slot}")

    def objectives(self) -> tuple[str, ...]:
        """Return the names of what is minimised."""
        return "error", "density"

    def to_json(self) -> dict[str, Any]:
        """Return the settings with the versions that they were run under."""
        packages = ("evoprune", "deap", "torch", "torchvision", "torch-pruning", "numpy", "moocore")
        versions = {"python": platform.python_version()}
        for package in packages:
            try:
                versions[package] = importlib.metadata.version(package)
            except importlib.metadata.PackageNotFoundError:
                versions[package] = "not installed"
        return {**dataclasses.asdict(self), "versions": versions, "files": self.files()}

    def files(self) -> dict[str, str]:
        """Return a fingerprint of each file of the user's that this run takes operators from."""
        named = [getattr(self, part, None) for part in (*SLOTS, "measure", "importance")]
        paths = {str(split(reference)[0]) for reference in named if reference}
        return {path: fingerprint(path) for path in sorted(paths - {"None"})}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Read settings that `to_json` wrote.

        Raises:
            InputError: if they are not.
        """
        fields = {field.name for field in dataclasses.fields(cls)}
        try:
            settings = {key: item for key, item in value.items() if key in fields}
            lists = {key: tuple(v) for key, v in settings.items() if isinstance(v, list)}
            return cls(**settings | lists)
        except (AttributeError, TypeError) as cause:
            raise InputError(f"config: expected the settings of a run, got {value}") from cause


@dataclass(frozen=True)
class MaskSettings(Settings):
    """What every method can be told that searches masks of a trained network.

    Attributes:
        genes: what a bit keeps: "weights", "filters", "neurons" (filters and the units of Linear
            layers) or "mixed" (filters of convolutions, single weights of Linear layers).
        include: names or types of the layers to prune; None takes all that `genes` means.
        exclude: names or types of layers to leave alone.
        recalibrate: strength of BatchNorm recalibration, 0 (off) to 1.
        measure: what is minimised beside the size, "error", "soft_error" or FILE.py:NAME; the
            front is told in errors either way.
        precision: of the search: "fp32", "bf16", or "auto" for the faster one of the device. The
            final front is judged anew in fp32, and test figures are always fp32.
        importance: that scores the genes of masks, a name or FILE.py:NAME.
        early: whether a candidate that can change nothing any more is given up before its last
            image: the same individuals are found in fewer passes. Under a budget of passes, what
            is spared goes into a longer search.
        memory: megabytes that the activations of a pass may take; None sets no limit.
        (the others): see `Settings`.
    """

    genes: str = "filters"
    include: tuple[str, ...] | None = None
    exclude: tuple[str, ...] | None = None
    recalibrate: float = 0.0
    measure: str = "error"
    precision: str = "fp32"
    importance: str = "magnitude"
    early: bool = True
    memory: float | None = None

    def __post_init__(self) -> None:
        """Check what is told of masks, and all the rest."""
        super().__post_init__()
        if self.genes not in GENES:
            raise unknown("genes", self.genes, GENES)
        if not 0 <= self.recalibrate <= 1:
            raise InputError(f"recalibrate: expected 0 to 1, got {self.recalibrate}")
        if self.importance not in SCORES and split(self.importance)[0] is None:
            raise unknown("importance", self.importance, SCORES)
        if self.genes != "weights" and self.importance in SCORES[1:]:
            raise InputError(
                f"importance: expected magnitude, or FILE.py:NAME, for {self.genes}; "
                f"{self.importance} scores single weights: write --genes weights"
            )
        if self.measure not in MEASURES and split(self.measure)[0] is None:
            raise unknown("measure", self.measure, MEASURES)
        if self.precision not in PRECISIONS:
            raise unknown("precision", self.precision, PRECISIONS)
        if self.memory is not None and not self.memory > 0:
            raise InputError(f"memory: expected more than 0 MB, got {self.memory}")

    def objectives(self) -> tuple[str, ...]:
        """Return the names of what is minimised."""
        return self.measure.rpartition(":")[2], "density"


@dataclass(frozen=True)
class Config(MaskSettings):
    """All that a run of the two-phase method was asked for.

    Attributes:
        algorithm: of phase 2, "nsga2" or "moead"; phase 1 is NSGA-II, as in the paper.
        generations: of phase 1 and of phase 2.
        adaptive: whether phase 2 learns which operators and rates to choose, or draws evenly.
        descent: share of phase 2's passes that the descent of the first masks may take.
        size: what is minimised beside the measure: "density", "macs", "params" or, of filters,
            "latency", measured on this machine; each as a share of the dense network's. With
            latency candidates are judged to their last image.
        baselines_from: a run on the same network, data and treatment whose baselines are taken.
        (the others): see `MaskSettings`; operators of one's own are those of phase 2.
    """

    method: str = "hierarchical"
    genes: str = "weights"
    algorithm: str = "nsga2"
    generations: tuple[int, int] = (12, 12)
    guided: bool = True
    adaptive: bool = True
    descent: float = 0.8
    size: str = "density"
    measure: str = "soft_error"
    out: str = "runs/hierarchical"
    baselines_from: str | None = None

    def __post_init__(self) -> None:
        """Check what this method alone can be told, and all the rest."""
        super().__post_init__()
        if self.algorithm not in ALGORITHMS:
            raise unknown("algorithm", self.algorithm, ALGORITHMS)
        both = self.generations if isinstance(self.generations, tuple) else (self.generations,)
        if len(both) != 2 or min(both) < 1:
            raise InputError(
                "generations: expected two whole numbers of at least 1, for the two phases; got "
                f"{' '.join(map(str, both))}: write for example --generations 12 12"
            )
        if self.size not in (*SIZES, LATENCY):
            raise unknown("size", self.size, (*SIZES, LATENCY))
        if self.size == LATENCY and self.genes == "weights":
            raise InputError(
                "size: latency is that of a network that was cut, and a weight of zero takes as "
                "long as any other; write --genes filters"
            )
        if not 0 <= self.descent <= 1:
            raise InputError(f"descent: expected 0 to 1, got {self.descent}")
        if self.genes == "mixed":
            raise InputError(
                "genes: expected weights, filters or neurons for the two phases, whose thresholds "
                "rank all genes by one measure; got mixed"
            )

    def objectives(self) -> tuple[str, ...]:
        """Return the names of what is minimised."""
        return super().objectives()[0], self.size
