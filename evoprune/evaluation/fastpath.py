"""The fast path: the evaluator and the guidance of every run, on a folded copy of the network.

Both give what their plain twins in evaluator.py and guidance.py give, which the tests compare, in a
third to a half of the time: BatchNorm is folded, channels come last, images lie ready in the
precision of the search, and the batch is the one that was fastest in a short trial.
"""

from __future__ import annotations

import warnings
from contextlib import nullcontext
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from evoprune.errors import InputError
from evoprune.evaluation.batches import best_batch, check_memory, cut
from evoprune.evaluation.evaluator import Evaluator
from evoprune.evaluation.guidance import DENSE_BATCH, Guidance, check_pool
from evoprune.evaluation.objectives import OBJECTIVES, bounded
from evoprune.evaluation.precision import DTYPES, check_precision
from evoprune.evaluation.trial import Trial
from evoprune.network.cost import activation_bytes
from evoprune.network.datasets import check_labels
from evoprune.network.folding import FoldedNetwork
from evoprune.network.masks import batch_statistics, batchnorms
from evoprune.network.narrowing import NarrowNetwork
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import Bits, GeneSpace

ROUNDS = 10  # in which a trial shows its images, at most
ROUND = 100  # images, at least: fewer cost nearly as much, and the masks are put on each time


def folded_copy(
    space: GeneSpace, images: torch.Tensor, precision: str, *, narrow: bool = False
) -> FoldedNetwork:
    """Return a copy of a space's network that takes masks; warn where it cannot be folded.

    Args:
        space: it knows the network and the layers that masks are put on.
        images: some that the copy is tried on.
        precision: "fp32" or "bf16".
        narrow: whether it takes cuts in the place of masks.

    Raises:
        InputError: if the network cannot be copied, or not run in this precision.
    """
    check_precision(precision, images.device)
    name = type(space.model).__name__
    options = {"dtype": DTYPES[precision]}
    network = (
        NarrowNetwork(space.model, images[:2], **options)
        if narrow
        else FoldedNetwork(space.model, space.carriers, images[:2], **options)
    )
    if network.reason and batchnorms(space.model):
        warnings.warn(
            f"{name}: BatchNorm stays where it is, which costs time and changes no result: "
            f"{network.reason}",
            stacklevel=3,
        )
    try:
        with torch.no_grad():
            for run in (network, network.plain):
                run(images[:2].to(network.dtype))
    except RuntimeError as cause:
        raise InputError(
            f"precision: {name} cannot run in {precision}: {str(cause).splitlines()[0]}; "
            "write --precision fp32"
        ) from cause
    return network


class FastEvaluator(Evaluator):
    """Judge masks as `Evaluator` does, on a folded copy of the network.

    Args:
        space: see `Evaluator`, as for all that is not listed here.
        images: see there.
        labels: see there.
        batch: images a forward pass; None tries a few and takes the fastest.
        memory: megabytes that the activations of one forward pass may take; None sets no limit.
        early: whether `trial` may be asked for. The dense network is then run once, so that images
            can be shown in the order of their difficulty; this is counted.
        **options: all others of `Evaluator`.

    Attributes:
        images: as the network reads them, in the order in which they are shown.
        order: where each of these images, and its label, stood among those that were given.
        batch: images a forward pass; those that went into finding it are counted as "trial", apart
            from all that is spent.

    Raises:
        InputError: if the memory is too small for one image, or no bound is known for an objective
            of which trials are wanted.
    """

    def __init__(
        self,
        space: GeneSpace,
        images: torch.Tensor,
        labels: torch.Tensor,
        *,
        batch: int | None = None,
        memory: float | None = None,
        early: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(space, images, labels, **options)
        if early and not all(map(bounded, self.objectives)):
            raise InputError(
                "early: expected objectives of which a bound is known before all images are seen, "
                f"from {', '.join(OBJECTIVES)}; leave early out for one of your own"
            )
        self.early, self.order = early, torch.arange(len(images))
        self.narrow = isinstance(space, FilterSpace)  # what is removed costs nothing any more
        self.network = folded_copy(space, images, self.precision, narrow=self.narrow)
        self.images = _resident(images, DTYPES[self.precision])
        limit = len(images)
        if memory is not None:
            needed, _ = activation_bytes(space.model, tuple(images.shape[1:]))
            check_memory(memory, needed, "one image")
            limit = int(memory * 1e6 // needed)
        self.batch = min(batch or best_batch(self._try, self.images, limit=limit), limit)
        if early:
            self._hardest_first()

    def trial(self, individual: Any) -> Trial:
        """Begin to judge an individual, so that it can be given up before the last image.

        Raises:
            InputError: if the evaluator was made without `early`.
        """
        if not self.early:
            raise InputError("trial: expected an evaluator made with early=True")
        return Trial(self, individual)

    def logits(self, mask: Bits) -> torch.Tensor:
        """Run all images through the masked network; float32, shape (images, classes)."""
        self.put(mask)
        return self.in_order([self.run(self.images)])

    def rounds(self) -> tuple[torch.Tensor, ...]:
        """Cut the images into what a trial shows at a time, whatever the batch is."""
        return self.images.tensor_split(min(ROUNDS, ceil(len(self.images) / ROUND)))

    def put(self, mask: Bits) -> list[torch.Tensor] | None:
        """Put a mask on, and return the statistics if it was recalibrated."""
        masks = self.masks(mask)
        if self.recalibration is None:
            self.network.put(masks)
            return None
        with self.passes.timed():
            statistics = self.network.put_recalibrated(
                masks, self.recalibration.batches, self.recalibration.strength
            )
        self.passes["recalibration"] += self.recalibration.images
        return statistics

    def masks(self, mask: Bits) -> Any:
        """Return what the network takes for a mask: masks by layer on its device, or a cut."""
        if self.narrow:
            return self.space.cut(mask)
        return self.space.split(torch.from_numpy(np.asarray(mask)).to(self.images.device))

    def run(self, images: torch.Tensor) -> torch.Tensor:
        """Run images of this evaluator through the network as it stands, and count them."""
        with torch.inference_mode(), self.passes.timed():
            outputs = torch.cat([self.network(part) for part in cut(images, self.batch)])
        self.passes["fitness"] += len(images)
        check_labels("evaluator", self.labels, outputs.shape[1])
        return outputs

    def in_order(self, outputs: list[torch.Tensor]) -> torch.Tensor:
        """Bring the outputs of all images from the order of difficulty back to that of labels."""
        return torch.cat(outputs)[self.order.argsort()]

    def _try(self, images: torch.Tensor) -> torch.Tensor:
        """Run images of the trial of batch sizes, and count them apart."""
        self.passes["trial"] += len(images)
        return self.network(images)

    def _hardest_first(self) -> None:
        """Put the images first that the dense network is least sure of."""
        outputs = self.run(self.images)
        right = outputs.double().softmax(1).gather(1, self.labels[:, None])[:, 0]
        self.order = right.argsort(stable=True)
        self.images = _resident(self.images[self.order], self.images.dtype)


class FastGuidance(Guidance):
    """Ask for the saliency as `Guidance` does, on a folded copy of the network.

    Under fixed statistics g' w' on the folded weights is g w on the trained ones: w' is a multiple
    of w by channel, and so is g of g'. Under batch statistics nothing is folded.
    """

    def __init__(
        self, space: GeneSpace, images: torch.Tensor, *args: Any, **options: Any
    ) -> None:
        check_pool(images)
        self.network = folded_copy(space, images, options.get("precision", "fp32"))
        super().__init__(space, _resident(images, self.network.dtype), *args, **options)

    def gradients(
        self, mask: npt.NDArray[np.bool_], chosen: torch.Tensor
    ) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
        """Return the loss's gradients by the masked weights, and the weights they belong to."""
        network = self.network
        kept = torch.from_numpy(self.space.weight_mask(mask))
        masks = self.space.split(kept.to(self.images.device))
        (network.put if self.statistics == "fixed" else network.put_unfolded)(masks)
        images = _resident(self.images[chosen.to(self.images.device)], network.dtype)
        weights = [module.weight.requires_grad_(True) for module in network.modules]
        batchwise = batch_statistics(network.plain, momentum=0.0)
        normalised = batchwise if self.statistics == "batch" else nullcontext()
        try:
            with normalised, torch.enable_grad(), self.passes.timed():
                distance = self.distance(network(images), chosen)
                gradients = torch.autograd.grad(distance, weights, materialize_grads=True)
        finally:
            for weight in weights:
                weight.requires_grad_(False)
        return list(gradients), network.unmasked

    def dense_outputs(self) -> torch.Tensor:
        """Return the dense network's outputs for the whole pool."""
        with torch.no_grad():
            return torch.cat([self.network(batch) for batch in self.images.split(DENSE_BATCH)])


def _resident(images: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Lay images out as the network reads them fastest."""
    layout = torch.channels_last if images.ndim == 4 else torch.contiguous_format
    return images.to(dtype).contiguous(memory_format=layout)
