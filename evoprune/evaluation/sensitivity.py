"""Sensitivity: how each image's outputs answer to each filter, under the current mask.

Guidance adds all images up to one gradient; here each image keeps its own row, at the same price,
for filters are few. `operators.Damage` makes a quadratic model of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.evaluation.evaluator import blamed
from evoprune.evaluation.fastpath import folded_copy
from evoprune.evaluation.guidance import check_pool
from evoprune.network.groups import Member
from evoprune.network.masks import recalibrate
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import Bits, GeneSpace

Rows = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
BATCH = 128  # images a pass


class Sensitivity:
    """Rows of an output's answer to each free filter, and what the output lacks to the dense one's.

    Let z be the logits of an image under the mask, z* those of the dense network, and J the
    derivative of z by gates in front of the layers that read each filter, open for kept ones and
    shut for removed ones. A row is v J and its miss v (z - z*), for a v drawn anew for each image,
    +1 or -1 in each class: the mean of (v J d)^2 over v is |J d|^2, so one backward pass stands for
    one a class (Hutchinson, 1990).

    Where candidates are recalibrated, so is the network here, over the images at hand; and since
    the BatchNorm behind a reader then makes up for a filter's mean, a gate there moves the filter
    about its mean.

    Args:
        space: the filters; a corridor's free ones if it has a corridor.
        images: normalised training images, augmented once, shape (pool, channels, height, width).
        rng: draws the images of a call, and the signs.
        count: images of a call.
        strength: of the recalibration that candidates are judged after, 0 (none) to 1.
        passes: counter that takes the image passes under "guidance": an image costs 4, 1 of them
            for the dense network, and 1 more where it is recalibrated.
        precision: "fp32" or "bf16".

    Attributes:
        cost: image passes of a call.
        classes: outputs of the network.

    Raises:
        InputError: if the pool is empty or the network cannot be copied.
    """

    def __init__(
        self,
        space: FilterSpace,
        images: torch.Tensor,
        *,
        rng: np.random.Generator,
        count: int = BATCH,
        strength: float = 0.0,
        passes: Passes | None = None,
        precision: str = "fp32",
    ) -> None:
        check_pool(images)
        self.space, self.images, self.rng, self.count = space, images, rng, count
        self.strength, self.passes = strength, Passes() if passes is None else passes
        self.network = folded_copy(space, images, precision)
        copied = zip(space.carriers, self.network.modules, self.network.norms, strict=True)
        self._layers = {layer.name: (module, norm) for layer, module, norm in copied}
        with torch.no_grad():
            self.classes = self.network(images[:1]).shape[1]

    @property
    def price(self) -> int:
        """Image passes of one image."""
        return 5 if self.strength else 4

    @property
    def cost(self) -> int:
        """Image passes of one call."""
        return self.price * self.count

    def within(self, space: GeneSpace) -> Self:
        """Return the same for the genes of another space of the network's filters."""
        assert isinstance(space, FilterSpace)
        narrowed = object.__new__(type(self))
        narrowed.__dict__.update(self.__dict__, space=space)
        return narrowed

    def showing(self, count: int) -> Self:
        """Return the same with another number of images a call."""
        other = self.within(self.space)
        other.count = count
        return other

    def __call__(self, individual: Any) -> Rows:
        """Return rows, shape (images, genes), and misses, shape (images,), on a mask.

        Raises:
            CandidateError: if a pass failed; it carries the individual.
        """
        with blamed(individual, "guiding"):
            rows, misses = self.rows(self.space.mask(individual))
        if self.space.genes < self.space.size:
            rows = np.stack([self.space.free(row) for row in rows])
        return rows, misses

    def saliency_on(self, individual: Any) -> npt.NDArray[np.float32]:
        """Return the first-order fall of the squared distance when each gene is set."""
        rows, misses = self(individual)
        return (-2 * misses @ rows / len(rows)).astype(np.float32)

    def rows(self, mask: Bits) -> Rows:
        """Return rows and misses over all genes under a mask over all genes."""
        chosen = torch.from_numpy(self.rng.integers(0, len(self.images), self.count))
        signs = self.rng.integers(0, 2, (self.count, self.classes))
        v = torch.from_numpy(2 * signs - 1).to(self.images.device, torch.float32)
        images = self.images[chosen.to(self.images.device)].split(BATCH)
        with self.passes.timed():
            self.network.put(None)
            with torch.no_grad():
                dense = [self.network(part) for part in images]
            with self._gated(mask) as gates:
                self._renew(images)
                parts = [
                    self._part(*each, gates)
                    for each in zip(images, dense, v.split(BATCH), strict=True)
                ]
        self.passes["guidance"] += self.cost
        rows, misses = (torch.cat(some).cpu().numpy() for some in zip(*parts, strict=True))
        found = np.isfinite(rows).all(1) & np.isfinite(misses)
        return rows * found[:, None], np.where(found, misses, 0)

    def _renew(self, images: Sequence[torch.Tensor]) -> None:
        """Put the trained weights on, under statistics of these images if candidates have them."""
        if self.strength:
            self.network.put_unfolded(None)
            batches = [part.to(self.network.dtype) for part in images]
            recalibrate(self.network.plain, batches, strength=self.strength)

    def _part(
        self, images: torch.Tensor, dense: torch.Tensor, v: torch.Tensor, gates: _Gates
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the rows and misses of a few images."""
        with torch.enable_grad():
            opened = gates.open(len(images))
            outputs = self.network(images)
            slopes = torch.autograd.grad((outputs * v).sum(), opened, materialize_grads=True)
        gates.shut()
        return torch.cat(slopes, 1).float(), ((outputs.detach() - dense) * v).sum(1)

    @contextmanager
    def _gated(self, mask: Bits) -> Iterator[_Gates]:
        """Put gates in front of all that reads a filter, for the time of the block."""
        gates = _Gates(self.space, mask, self.images.device)
        with ExitStack() as stack:
            for place, group in enumerate(self.space.groups):
                for reader in group.readers:
                    module, norm = self._layers[reader.name]
                    centred = 0.0 if norm is None else self.strength
                    hook = partial(gates.through, place, reader, centred)
                    stack.callback(module.register_forward_pre_hook(hook).remove)
            yield gates


class _Gates:
    """A gate for each image and filter: shut or open as the mask says, and a derivative there."""

    def __init__(self, space: FilterSpace, mask: Bits, device: torch.device) -> None:
        parts = np.split(mask, space.offsets[1:-1])
        self.masks = [torch.from_numpy(part.astype(np.float32)).to(device) for part in parts]
        self.opened: list[torch.Tensor] = []

    def open(self, images: int) -> list[torch.Tensor]:
        """Return gates of 0, one tensor a group, that move filters away from where the mask is."""
        self.opened = [mask.new_zeros(images, len(mask)).requires_grad_() for mask in self.masks]
        return self.opened

    def shut(self) -> None:
        """Leave the mask alone."""
        self.opened = []

    def through(
        self, group: int, reader: Member, centred: float, module: nn.Module, inputs: Any
    ) -> tuple[torch.Tensor]:
        """Return what the reader is given in the place of its inputs."""
        (x,) = inputs
        kept = x.new_ones(x.shape[1])
        kept[reader.places] = self.masks[group][reader.channels].to(x.dtype)
        shape = (-1, x.shape[1], *(1,) * (x.ndim - 2))
        gated = x * kept.view(shape)
        if self.opened:
            others = tuple(d for d in range(x.ndim) if d != 1)
            moved = x - centred * x.mean(others, keepdim=True) if centred else x
            moves = x.new_zeros(len(x), x.shape[1])
            moves[:, reader.places] = self.opened[group][:, reader.channels].to(x.dtype)
            gated = gated + moved * moves.view(shape)
        return (gated,)
