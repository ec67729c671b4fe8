"""The plain evaluator: a genome in, one float an objective out.

The images stay in memory, one forward pass a candidate serves all objectives, a genome that was
seen before costs nothing, and every image that goes through the network is counted by kind.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch

from evoprune.errors import CandidateError, InputError, OperatorError
from evoprune.evaluation.objectives import Candidate, Objective, resolve
from evoprune.network.cost import macs_per_weight
from evoprune.network.datasets import check_labels
from evoprune.network.masks import buffers_kept, masked, modes_kept, recalibrate
from evoprune.passes import Passes
from evoprune.space.genes import Bits, GeneSpace


@dataclass(frozen=True)
class Recalibration:
    """BatchNorm statistics gathered anew for each candidate before it is judged.

    Args:
        batches: normalised training images, such as four times (256, channels, height, width).
        strength: share of the new statistics in the mixture with the old ones, 0 to 1.
    """

    batches: Sequence[torch.Tensor]
    strength: float = 1.0

    def __post_init__(self) -> None:
        """Check the strength."""
        if not 0 <= self.strength <= 1:
            raise InputError(f"strength: expected a share from 0 to 1, got {self.strength}")

    @property
    def images(self) -> int:
        """Image passes that one recalibration costs."""
        return sum(len(batch) for batch in self.batches)


class Evaluator:
    """Judge masks of a network on images; the network is lent and comes back as it was.

    Args:
        space: what a gene is; it knows the network.
        images: normalised images, float32, shape (images, channels, height, width).
        labels: int64, shape (images,).
        objectives: names from `OBJECTIVES` or functions of a `Candidate`, all minimised.
        noted: more objectives, measured on the same forward pass but not minimised; see `note`.
        decode: from a genome to a mask over all genes; `space.mask` if None.
        recalibration: renew BatchNorm statistics for each candidate; None leaves them fixed.
        passes: a counter that takes the image passes under "fitness" and "recalibration", cache
            hits under "cached", and candidates whose logits were not finite under "not finite".
        batch: images a forward pass.
        precision: "fp32", or "bf16" to let torch run the convolutions in bfloat16.

    Attributes:
        cache: objectives and what was noted, by the genome's digest.
        macs: multiply-adds that each weight of a carrier costs, shape (carriers,).
        not_finite: digests of the genomes whose logits were not finite.

    Raises:
        InputError: if there is no image, labels do not fit, or an objective is unknown.
    """

    early = False  # the fast one may offer trials that end early

    def __init__(
        self,
        space: GeneSpace,
        images: torch.Tensor,
        labels: torch.Tensor,
        *,
        objectives: Iterable[str | Objective] = ("error", "density"),
        noted: Iterable[str | Objective] = (),
        decode: Callable[[Any], Bits] | None = None,
        recalibration: Recalibration | None = None,
        passes: Passes | None = None,
        batch: int = 250,
        precision: str = "fp32",
    ) -> None:
        if len(images) == 0 or len(images) != len(labels):
            raise InputError(
                f"images: expected at least one, with a label each; got {len(images)} images "
                f"and {len(labels)} labels"
            )
        if precision not in ("fp32", "bf16"):
            raise InputError(f"precision: expected fp32 or bf16, got {precision!r}")
        self.space, self.images, self.labels = space, images, labels
        self.objectives, self.noted = resolve(objectives), resolve(noted)
        self.decode = space.mask if decode is None else decode
        self.recalibration = recalibration
        self.passes = Passes() if passes is None else passes
        self.batch, self.precision = batch, precision
        self.cache: dict[bytes, tuple[float, ...]] = {}
        self.not_finite: set[bytes] = set()
        self.macs = macs_per_weight(space.model, tuple(images.shape[1:]), space.carriers)

    def __call__(self, individual: Any) -> tuple[float, ...]:
        """Return the objectives of one individual; DEAP's `evaluate`."""
        self.passes["evaluations"] += 1
        key = key_of(individual)
        self.passes["cached"] += key in self.cache
        return self._values(individual, key)[: len(self.objectives)]

    def note(self, individual: Any) -> tuple[float, ...]:
        """Return what was noted beside an individual's objectives; free if its cache knows it."""
        return self._values(individual, key_of(individual))[len(self.objectives) :]

    def _values(self, individual: Any, key: bytes | None) -> tuple[float, ...]:
        """Return what the cache knows under a key, else what is measured."""
        if key is not None and key in self.cache:
            return self.cache[key]
        with blamed(individual):
            values, finite = self.measure(self.decode(individual))
        return self.remember(key, values, finite)

    def remember(
        self, key: bytes | None, values: tuple[float, ...], finite: bool
    ) -> tuple[float, ...]:
        """Put what was measured under a key into the cache, and return it."""
        if key is not None:
            self.cache[key] = values
            if not finite:
                self.not_finite.add(key)
        return values

    @property
    def cost(self) -> int:
        """Image passes that one candidate costs."""
        extra = 0 if self.recalibration is None else self.recalibration.images
        return len(self.images) + extra

    def within(
        self,
        space: GeneSpace,
        *,
        decode: Callable[[Any], Bits] | None = None,
    ) -> Self:
        """Return an evaluator of the same images and network for other genomes."""
        other = copy.copy(self)
        other.space, other.decode = space, decode or space.mask
        other.cache, other.not_finite = {}, set()
        return other

    def map(
        self, function: Callable[[Any], tuple[float, ...]], individuals: Iterable[Any]
    ) -> list[tuple[float, ...]]:
        """Apply a function to each individual in turn; DEAP's `map`.

        One after the other, because all share the network, the cache and the counter of passes: the
        workers of a pool would each count on a copy that is lost.
        """
        return [function(individual) for individual in individuals]

    def judge(self, mask: Bits) -> tuple[float, ...]:
        """Return the objectives of a mask over all genes, past any cache."""
        return self.measure(mask)[0][: len(self.objectives)]

    def measure(
        self, mask: Bits, logits: torch.Tensor | None = None
    ) -> tuple[tuple[float, ...], bool]:
        """Return all that is measured of a mask, and whether its logits were finite."""
        forward = (lambda: self.logits(mask)) if logits is None else (lambda: logits)
        candidate = Candidate(mask, self.space, self.labels, forward, self.macs)
        values = tuple(measure(candidate) for measure in (*self.objectives, *self.noted))
        self.passes["not finite"] += not candidate.finite
        return values, candidate.finite

    def logits(self, mask: Bits) -> torch.Tensor:
        """Run all images through the masked network; float32, shape (images, classes)."""
        model = self.space.model
        kept = torch.from_numpy(self.space.weight_mask(np.asarray(mask)))
        masks = self.space.split(kept.to(self.space.weights.device))
        bf16 = self.precision == "bf16"
        with (
            masked(self.space.parameters, masks),
            buffers_kept(model),
            modes_kept(model),
            torch.no_grad(),
            # Without its cache: a cached cast would outlive the mask it was made under.
            torch.autocast(self.images.device.type, torch.bfloat16, bf16, cache_enabled=False),
        ):
            model.eval()
            if self.recalibration is not None:
                with self.passes.timed():
                    recalibrate(
                        model, self.recalibration.batches, strength=self.recalibration.strength
                    )
                self.passes["recalibration"] += self.recalibration.images
            with self.passes.timed():
                outputs = [model(batch).float() for batch in self.images.split(self.batch)]
        self.passes["fitness"] += len(self.images)
        check_labels("evaluator", self.labels, outputs[0].shape[1])
        return torch.cat(outputs)


@contextmanager
def blamed(individual: Any, doing: str = "evaluating") -> Iterator[None]:
    """Turn an exception of the block into a CandidateError that carries the individual.

    An objective of the user's that failed names itself; it is given the individual.
    """
    try:
        yield
    except InputError:
        raise
    except OperatorError as failed:
        raise OperatorError(failed.operator, failed.slot, individual, failed.cause) from failed
    except Exception as cause:
        raise CandidateError(individual, cause, doing) from cause


def key_of(individual: Any) -> bytes | None:
    """Return what the cache knows an individual by, None if it cannot be known again."""
    return individual.digest() if hasattr(individual, "digest") else None
