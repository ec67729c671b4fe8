"""Train one set of weights for many masks at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn
from torch.func import functional_call

from evoprune.network.surgery import Cut, parameter_masks

Masks = Mapping[str, torch.Tensor]


class Shared(nn.Module):
    """A network that in training computes, batch by batch, as one of several masked ones.

    Each forward pass in training draws a mask; the gradient goes to the weights that it keeps, so
    that what several masks keep learns from all of them. In evaluation mode it is the network.

    Args:
        model: its weights are those that are trained.
        cuts: what each of the masked networks keeps of its modules, one or more.
        rng: draws.

    Attributes:
        removed_by_all: by the name of a parameter, bool; False where no cut keeps it.

    Source: ours for pruning by evolution; after Yu et al. 2019, "Slimmable neural networks", and
    Guo et al. 2020, "Single path one-shot neural architecture search", who draw a path a batch.
    """

    def __init__(self, model: nn.Module, cuts: Sequence[Cut], rng: np.random.Generator) -> None:
        super().__init__()
        self.model, self.masks, self.rng = model, [masks_of(model, cut) for cut in cuts], rng
        self.removed_by_all = {
            name: torch.stack([masks[name] for masks in self.masks]).any(0)
            for name in set.intersection(*(set(masks) for masks in self.masks))
        }

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, height, width) to logits (batch, classes)."""
        if not self.training:
            return self.model(images)
        masks = self.masks[self.rng.integers(len(self.masks))]
        masked = {
            name: parameter * masks[name] if name in masks else parameter
            for name, parameter in self.model.named_parameters()
        }
        return functional_call(self.model, masked, (images,))


def masks_of(model: nn.Module, cut: Cut) -> dict[str, torch.Tensor]:
    """Return what a cut keeps, bool, by the names of parameters; of the old sizes.

    >>> from evoprune.network.surgery import Kept
    >>> cut = {"0": Kept(outputs=np.array([1]))}
    >>> masks_of(nn.Sequential(nn.Linear(1, 2)), cut)["0.bias"]
    tensor([False,  True])
    """
    modules = dict(model.named_modules())
    return {
        f"{name}.{parameter}": mask
        for name, kept in cut.items()
        for parameter, mask in parameter_masks(modules[name], kept).items()
    }
