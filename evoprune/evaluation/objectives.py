"""What is minimised: each objective is a function of a `Candidate`, and its name is its direction.

An objective of your own is any function from a `Candidate` to a float, smaller being better.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional

from evoprune.errors import InputError, unknown
from evoprune.space.genes import Bits, GeneSpace

ROUNDING = 1e-12  # of sums in double precision that are added up in another order


@dataclass
class Candidate:
    """A mask while it is being judged.

    Attributes:
        mask: bool, shape (size,); the genes kept, weights or filters.
        space: the space that the mask belongs to.
        labels: int64, shape (images,).
        forward: runs the masked network; called at most once, when an objective asks for logits.
        macs_per_weight: multiply-adds that each weight of a carrier costs, shape (carriers,).
    """

    mask: Bits
    space: GeneSpace
    labels: torch.Tensor
    forward: Callable[[], torch.Tensor]
    macs_per_weight: np.ndarray

    @cached_property
    def logits(self) -> torch.Tensor:
        """Outputs of the masked network, float32, shape (images, classes)."""
        return self.forward()

    @property
    def finite(self) -> bool:
        """Whether all logits are finite; True if no objective needed them."""
        return "logits" not in self.__dict__ or bool(torch.isfinite(self.logits).all())


Objective = Callable[[Candidate], float]


def error_of(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of images put into a wrong class, 0 to 1; 1 if a logit is not finite.

    Args:
        logits: shape (images, classes).
        labels: int64, shape (images,).
    """
    if not torch.isfinite(logits).all():
        return 1.0
    return float((logits.argmax(1) != labels).double().mean())


def soft_error_of(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the mean of 1 - p, p the probability given to the true class; 1 if not finite.

    Args:
        logits: shape (images, classes).
        labels: int64, shape (images,).
    """
    if not torch.isfinite(logits).all():
        return 1.0
    return float(1 - logits.double().softmax(1).gather(1, labels[:, None]).mean())


def error(candidate: Candidate) -> float:
    """Share of images put into a wrong class, 0 to 1; 1 if a logit is not finite."""
    return error_of(candidate.logits, candidate.labels)


def soft_error(candidate: Candidate) -> float:
    """Mean of 1 - p, p the probability given to the true class, 0 to 1; 1 if not finite.

    A smooth companion of the error: it moves with every logit where the error moves in steps of an
    image, so that two masks can be told apart on fewer images.
    """
    return soft_error_of(candidate.logits, candidate.labels)


def loss(candidate: Candidate) -> float:
    """Mean cross-entropy in nats; infinite if a logit is not finite."""
    if not torch.isfinite(candidate.logits).all():
        return float("inf")
    return float(functional.cross_entropy(candidate.logits.double(), candidate.labels))


def density(candidate: Candidate) -> float:
    """Kept share of the genes, weights or filters, 0 to 1. Costs no pass."""
    return candidate.space.density(candidate.mask)


def macs(candidate: Candidate) -> float:
    """Multiply-adds that are left for one image, as a share of the dense ones, 0 to 1.

    Of a weight mask those of the kept weights, of a filter mask those of the cut network.
    """
    return candidate.space.macs(candidate.mask, candidate.macs_per_weight)


def conv_macs(candidate: Candidate) -> float:
    """Multiply-adds of the convolutions that are left, as a share of the dense ones, 0 to 1.

    Of a network without convolutions those of all layers.
    """
    convolutions = [layer.kind == "conv" for layer in candidate.space.carriers]
    counted = convolutions if any(convolutions) else np.ones(len(convolutions))
    return candidate.space.macs(candidate.mask, candidate.macs_per_weight * counted)


def params(candidate: Candidate) -> float:
    """Parameters that are left, as a share of all of the network's, 0 to 1."""
    return candidate.space.params(candidate.mask)


OBJECTIVES: dict[str, Objective] = {
    "error": error,
    "soft_error": soft_error,
    "loss": loss,
    "density": density,
    "macs": macs,
    "conv_macs": conv_macs,
    "params": params,
}

OF_THE_MASK = (density, macs, conv_macs, params)  # known before any image is seen
MEANS = (error, soft_error, loss)  # over the images, none of which can make them smaller


def bounded(objective: Objective) -> bool:
    """Whether `at_least` knows a bound for an objective."""
    return objective in OF_THE_MASK + MEANS


def at_least(objective: Objective, part: Candidate, share: float) -> float:
    """Return what an objective comes to at least, when a part of the images has been seen.

    A mean over all images is at least the part's mean times the part's share: what the other
    images add is not negative. A logit that is not finite only makes it larger.

    Args:
        objective: one that is `bounded`.
        part: the candidate, with the logits and labels of the images seen so far.
        share: of all images, 0 to 1.
    """
    if objective in OF_THE_MASK:
        return objective(part)
    if share == 0:
        return 0.0
    return max(0.0, objective(part) * share * (1 - ROUNDING) - ROUNDING)


def resolve(objectives: Iterable[str | Objective]) -> list[Objective]:
    """Turn names into objectives; functions are taken as they are.

    Raises:
        InputError: if a name is unknown; the nearest one is offered.
    """
    if isinstance(objectives, str):
        raise InputError(f"objectives: expected a list of names, got {objectives!r}; write a list")
    resolved = []
    for objective in objectives:
        if not callable(objective) and objective not in OBJECTIVES:
            raise unknown("objective", objective, OBJECTIVES)
        resolved.append(objective if callable(objective) else OBJECTIVES[objective])
    return resolved
