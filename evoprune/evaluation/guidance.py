"""Guidance: what each gene is worth on the network as it is *now*, under the current mask.

Importance is not a vector computed once, it is a question asked of the current mask. `Guidance`
answers it for `operators.mutDrift` with one forward and backward pass over a batch of training
images.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from evoprune.errors import InputError, unknown
from evoprune.evaluation.evaluator import blamed
from evoprune.network.datasets import check_labels
from evoprune.network.masks import batch_statistics, buffers_kept, masked, modes_kept
from evoprune.passes import Passes
from evoprune.space.genes import GeneSpace

DENSE_BATCH = 256  # images a pass of the dense network, whose outputs are the target
LOSSES = ("logits", "distillation", "cross-entropy")


class Guidance:
    """First-order saliency of every free gene on the current mask.

    Let g be the gradient of the loss with respect to the masked weights, for removed weights too,
    and w the trained weights. Setting gene i changes the loss by g_i w_i to first order, so the
    saliency is -g_i w_i: the higher, the more the network wants the weight. That of a filter is the
    sum over the weights that read it.

    The loss is the distance to the dense network's own outputs, which are computed once for the
    whole pool of images: no label is needed, and no pass is spent on the teacher again.

    Args:
        space: the genes; a corridor's free ones if it has a corridor.
        images: normalised training images, augmented once, shape (pool, channels, height, width).
        labels: int64, shape (pool,); used by the cross-entropy alone.
        rng: draws the batches.
        batch: images a step; at most the pool.
        loss: "logits", the mean squared distance between logits; "distillation", the
            Kullback-Leibler divergence at a temperature; or "cross-entropy" with the labels.
        temperature: of the distillation.
        statistics: "fixed" for BatchNorm's own statistics, "batch" for those of the batch at hand:
            guidance must see the network as it will be evaluated, so take "batch" with
            recalibration.
        passes: counter that takes the image passes under "guidance"; 3 an image and step.
        precision: "fp32" or "bf16".

    Raises:
        InputError: if an option is unknown or the pool is empty.
    """

    def __init__(
        self,
        space: GeneSpace,
        images: torch.Tensor,
        labels: torch.Tensor,
        *,
        rng: np.random.Generator,
        batch: int = 128,
        loss: str = "logits",
        temperature: float = 2.0,
        statistics: str = "fixed",
        passes: Passes | None = None,
        precision: str = "fp32",
    ) -> None:
        if loss not in LOSSES:
            raise unknown("guidance loss", loss, LOSSES)
        if statistics not in ("fixed", "batch"):
            raise unknown("statistics", statistics, ("fixed", "batch"))
        check_pool(images)
        self.space, self.images, self.labels, self.rng = space, images, labels, rng
        self.batch, self.loss, self.temperature = min(batch, len(images)), loss, temperature
        self.statistics, self.precision = statistics, precision
        self.passes = Passes() if passes is None else passes
        self._dense = None
        if loss != "cross-entropy":
            self._dense = self.dense_outputs()
            self.passes["guidance"] += len(images)

    def within(self, space: GeneSpace) -> Self:
        """Return the same guidance for the genes of another space of the network."""
        narrowed = object.__new__(type(self))
        narrowed.__dict__.update(self.__dict__, space=space)
        return narrowed

    def __call__(self, individual: Any) -> npt.NDArray[np.float32]:
        """Return the saliency of the free genes, shape (genes,), on the individual's mask.

        Raises:
            CandidateError: if a pass failed; it carries the individual.
        """
        with blamed(individual, "guiding"):
            return self.space.free(self.saliency(self.space.mask(individual)))

    def saliency(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float32]:
        """Return the saliency of all genes under a mask, shape (size,)."""
        chosen = torch.from_numpy(self.rng.integers(0, len(self.images), self.batch))
        gradients, weights = self.gradients(mask, chosen)
        self.passes["guidance"] += 3 * self.batch
        parts = [(g.float() * w).reshape(-1) for g, w in zip(gradients, weights, strict=True)]
        saliency = torch.cat(parts).neg_().cpu().numpy()
        np.nan_to_num(saliency, copy=False, nan=0.0, posinf=0.0, neginf=0.0)
        return self.space.gathered(saliency, mask)

    def gradients(
        self, mask: npt.NDArray[np.bool_], chosen: torch.Tensor
    ) -> tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]]:
        """Return the gradients of the loss by the masked weights, and the weights themselves.

        Args:
            mask: bool, shape (size,).
            chosen: indices of the batch in the pool.
        """
        space = self.space
        kept = torch.from_numpy(space.weight_mask(mask))
        masks = space.split(kept.to(space.weights.device))
        required = [weight.requires_grad for weight in space.parameters]
        try:
            for weight in space.parameters:
                weight.requires_grad_(True)
            with masked(space.parameters, masks), self._lent(), torch.enable_grad():
                images = self.images[chosen]
                with self.passes.timed():
                    distance = self.distance(space.model(images).float(), chosen)
                    gradients = torch.autograd.grad(
                        distance, space.parameters, materialize_grads=True
                    )
        finally:
            for weight, flag in zip(space.parameters, required, strict=True):
                weight.requires_grad_(flag)
        return gradients, space.split(space.weights)

    def distance(self, outputs: torch.Tensor, chosen: torch.Tensor) -> torch.Tensor:
        """Return the loss of the masked network's outputs on the chosen images of the pool."""
        if self._dense is None:
            check_labels("guidance", self.labels, outputs.shape[1])
            return functional.cross_entropy(outputs, self.labels[chosen])
        dense = self._dense[chosen]
        if self.loss == "logits":
            return functional.mse_loss(outputs, dense)
        t = self.temperature
        target, guess = functional.softmax(dense / t, 1), functional.log_softmax(outputs / t, 1)
        return functional.kl_div(guess, target, reduction="batchmean") * t * t

    def dense_outputs(self) -> torch.Tensor:
        """Return the dense network's outputs for the whole pool; one pass an image."""
        with self._lent(), torch.no_grad():
            self.space.model.eval()
            outputs = [self.space.model(batch).float() for batch in self.images.split(DENSE_BATCH)]
        return torch.cat(outputs)

    @contextmanager
    def _lent(self) -> Iterator[None]:
        """Enter the state in which guidance sees the network; leave the network as it was."""
        model, bf16 = self.space.model, self.precision == "bf16"
        device = self.images.device.type
        with ExitStack() as stack:
            stack.enter_context(buffers_kept(model))
            stack.enter_context(modes_kept(model))
            model.eval()
            if self.statistics == "batch":
                stack.enter_context(batch_statistics(model, momentum=0.0))
            # Without its cache: a cached cast would outlive the mask it was made under.
            stack.enter_context(torch.autocast(device, torch.bfloat16, bf16, cache_enabled=False))
            yield


def check_pool(images: torch.Tensor) -> None:
    """Raise an InputError if there is no image to draw from."""
    if len(images) < 1:
        raise InputError("images: expected at least one training image, got none")
