"""The fitness of a head: train it as the genome says, and ask it about own and foreign images.

Three objectives, all minimised: the error on own images, or the soft error, the share of active
genes, and the share of pairs that are misranked, an own image and a foreign one whose scores stand
the wrong way round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from evoprune.evaluation.objectives import error_of, soft_error_of
from evoprune.evaluation.outofdistribution import BATCH, SCORES, auroc, perturbed
from evoprune.network.heads import Head, HeadTraining, train_head
from evoprune.passes import Passes
from evoprune.space.heads import Bits, HeadSpace

Values = tuple[float, ...]
ERRORS = {"error": error_of, "soft_error": soft_error_of}


@dataclass(frozen=True)
class Images:
    """Images that are made fit for a network batch by batch: all of them at once might not fit.

    Attributes:
        raw: as they came, from one data set or several.
        prepare: brings some of them to the size that the network takes, and normalises them.
    """

    raw: Sequence[torch.Tensor]
    prepare: Callable[[torch.Tensor], torch.Tensor]

    def __iter__(self) -> Iterator[torch.Tensor]:
        """Yield batches, float32, shape (images, channels, height, width)."""
        for part in self.raw:
            yield from map(self.prepare, part.split(BATCH))


@dataclass(frozen=True)
class Shown:
    """Own and foreign images, as the backbone's features.

    Attributes:
        own: float32, shape (images, features).
        labels: int64, shape (images,).
        foreign: of out-of-distribution images, shape (others, features).
        images: own and foreign images, where scores perturb them; else None.
    """

    own: torch.Tensor
    labels: torch.Tensor
    foreign: torch.Tensor
    images: tuple[Images, Images] | None = None

    def __len__(self) -> int:
        """Return how many images there are of both kinds."""
        return len(self.own) + len(self.foreign)


@dataclass(frozen=True)
class Answers:
    """What a head says of own and foreign images.

    Attributes:
        logits: of the own ones, shape (images, classes).
        scores: of the own ones, shape (images,), larger where the head knows the image.
        foreign_logits: of the others.
        foreign_scores: of the others.
    """

    logits: np.ndarray
    scores: np.ndarray
    foreign_logits: np.ndarray
    foreign_scores: np.ndarray

    @property
    def finite(self) -> bool:
        """Whether all logits are finite."""
        return all(np.isfinite(some).all() for some in (self.logits, self.foreign_logits))


@dataclass(frozen=True)
class Asking:
    """How heads are asked.

    Attributes:
        score: a key of `SCORES`.
        passes: counted into as "fitness": 1 an image, 4 more of the whole network for a step.
        perturbation: size of ODIN's step, in units of the network's input; 0 leaves it out.
        network: makes the whole network of a head, which a step goes through.
    """

    score: str
    passes: Passes
    perturbation: float = 0.0
    network: Callable[[Head], nn.Module] | None = None

    def __call__(self, head: Head, shown: Shown) -> Answers:
        """Ask a head about own and foreign images."""
        kinds = []
        with torch.no_grad():
            logits = [head(shown.own), head(shown.foreign)]
        scored = logits
        if self.perturbation > 0 and self.network is not None and shown.images is not None:
            network = self.network(head)
            scored = [
                torch.cat([perturbed(network, some, self.perturbation) for some in images])
                for images in shown.images
            ]
            self.passes["fitness"] += 4 * len(shown)
        for some, stepped in zip(logits, scored, strict=True):
            kinds += [some.cpu().numpy(), SCORES[self.score](stepped).cpu().numpy()]
        self.passes["fitness"] += len(shown)
        return Answers(*kinds)


def judged(
    answers: Answers, labels: torch.Tensor, measure: str = "error"
) -> tuple[float, float]:
    """Return error and misranked share; both are 1 if an output is not finite.

    Args:
        answers: of a head.
        labels: of the own images, int64, shape (images,).
        measure: a key of `ERRORS`: which error.
    """
    if not answers.finite:
        return 1.0, 1.0
    error = ERRORS[measure](torch.from_numpy(answers.logits), labels.cpu())
    return error, 1.0 - auroc(answers.scores, answers.foreign_scores)


class HeadEvaluator:
    """Train the head of a genome and judge it; one seen before is not trained again.

    The same genome ends at the same weights, whenever it is trained: the first weights and the
    order of the images are those of one seed. The heads of the front are kept, all others are
    forgotten, and trained again if somebody asks for them.

    Args:
        space: what a gene is.
        start: a whole head; every candidate begins with its weights, as far as it has them.
        features: of the training images, shape (images, features).
        labels: of them, shape (images,).
        shown: what the candidates are judged on.
        asking: how.
        training: of a head.
        seed: of the order of the images.
        passes: counted into; as "repaired" the candidates that keep nothing.
        measure: a key of `ERRORS`, the first objective.

    Attributes:
        cache: from a genome's digest to all objectives.
        epochs: that each training took, in the order of the trainings.
    """

    def __init__(
        self,
        space: HeadSpace,
        start: Head,
        features: torch.Tensor,
        labels: torch.Tensor,
        shown: Shown,
        asking: Asking,
        training: HeadTraining,
        *,
        seed: int,
        passes: Passes,
        measure: str = "error",
    ) -> None:
        self.measure = measure
        self.space, self.start, self.training = space, start, training
        self.features, self.labels = features, labels
        self.shown, self.asking, self.seed, self.passes = shown, asking, seed, passes
        self.cache: dict[bytes, Values] = {}
        self.epochs: list[int] = []
        self._heads: dict[bytes, Head] = {}

    def __call__(self, individual: Any) -> Values:
        """Return error, density and misranked share of a genome."""
        self.passes["evaluations"] += 1
        key = individual.digest()
        if key in self.cache:
            self.passes["cached"] += 1
            return self.cache[key]
        mask = self.decode(individual)
        head = self.train(mask)
        answers = self.asking(head, self.shown)
        error, misranked = judged(answers, self.shown.labels, self.measure)
        self.passes["repaired"] += not individual.count()
        self.passes["not finite"] += not answers.finite
        values = (error, self.space.density(mask), misranked)
        self.cache[key] = values
        self._keep(key, head, values)
        return values

    def map(self, evaluate: Callable[[Any], Values], individuals: Iterable[Any]) -> list[Values]:
        """Evaluate one after the other."""
        return [evaluate(individual) for individual in individuals]

    def decode(self, individual: Any) -> Bits:
        """Return the mask of a genome, with at least one gene."""
        return self.space.mask(individual.to_numpy())

    def train(self, mask: Bits, *, passes: Passes | None = None) -> Head:
        """Return a head of a mask, trained; counted into the evaluator's own passes if None."""
        passes = self.passes if passes is None else passes
        head, kept = self.space.narrowed(self.start, mask)
        with passes.timed():
            taken = train_head(
                head,
                self.features,
                self.labels,
                self.training,
                seed=self.seed,
                kept=kept,
                passes=passes,
            )
        self.epochs.append(taken)
        return head

    def head(self, individual: Any) -> Head:
        """Return the trained head of a genome; it is trained again if it was forgotten.

        That is not counted: it spares memory, and a run that goes on has forgotten all.
        """
        key = individual.digest()
        if key in self._heads:
            return self._heads[key]
        return self.train(self.decode(individual), passes=Passes())

    def _keep(self, key: bytes, head: Head, values: Values) -> None:
        """Keep a head as long as none that is kept dominates it."""
        if not any(_dominates(self.cache[other], values) for other in self._heads):
            self._heads[key] = head
            for other in [k for k in self._heads if _dominates(values, self.cache[k])]:
                del self._heads[other]


def _dominates(one: Values, other: Values) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
