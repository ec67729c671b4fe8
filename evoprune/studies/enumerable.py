"""Two networks for the digits, small enough to evaluate every mask: what they are, what a gene is.

Start with `RECIPES`. The sweeps over their masks are in `enumerate.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from evoprune.errors import unknown
from evoprune.network import datasets, training
from evoprune.network.layers import Layer, prunable

SEED = 0
POSITIONS = (64, 16, 16)  # at which the filters of each convolution are applied to 8x8 digits


class FiltersNetwork(nn.Module):
    """A CNN for 8x8 digits. No bias and no BatchNorm, so that a filter of zeros is really gone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 5, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(5, 5, 3, padding=1, bias=False)
        self.conv3 = nn.Conv2d(5, 6, 3, padding=1, bias=False)
        self.linear = nn.Linear(6 * 16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (batch, 1, 8, 8) to logits (batch, 10)."""
        return self.linear(self.third(self.second(self.first(x))).flatten(1))

    def first(self, x: torch.Tensor) -> torch.Tensor:
        """Map images to the channels of conv1, halved in height and width."""
        return functional.max_pool2d(functional.relu(self.conv1(x)), 2)

    def second(self, x: torch.Tensor) -> torch.Tensor:
        """Map the channels of conv1 to those of conv2."""
        return functional.relu(self.conv2(x))

    def third(self, x: torch.Tensor) -> torch.Tensor:
        """Map the channels of conv2 to those of conv3."""
        return functional.relu(self.conv3(x))


class GroupsNetwork(nn.Module):
    """A perceptron of three layers for 8x8 digits; its biases belong to no gene."""

    def __init__(self) -> None:
        super().__init__()
        self.linear1 = nn.Linear(64, 32)
        self.linear2 = nn.Linear(32, 32)
        self.linear3 = nn.Linear(32, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (batch, 1, 8, 8) to logits (batch, 10)."""
        x = functional.relu(self.linear1(x.flatten(1)))
        return self.linear3(functional.relu(self.linear2(x)))


@dataclass(frozen=True)
class Recipe:
    """Say how a network is made, and what its genes are.

    Args:
        build: makes it, untrained.
        epochs: of training.
        kind: of the layers that hold genes, "conv" or "linear".
        sizes: genes of each of these layers.
        owner: from a layer's weight and its number of genes to the gene of each weight, from 0.
        cost: from masks, shape (masks, genes), and the weights of each gene, shape (genes,), to
            multiply-adds for one image, shape (masks,).
    """

    build: Callable[[], nn.Module]
    epochs: int
    kind: str
    sizes: tuple[int, ...]
    owner: Callable[[torch.Tensor, int], torch.Tensor]
    cost: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

    def layers(self, model: nn.Module) -> list[Layer]:
        """Return the layers that hold genes."""
        return prunable(model, include=[self.kind])

    def owners(self, model: nn.Module) -> list[torch.Tensor]:
        """Return for each of these layers the gene of each weight, in the weight's shape."""
        weights = [layer.module.weight.detach() for layer in self.layers(model)]
        firsts = np.cumsum([0, *self.sizes]).tolist()
        parts = zip(firsts[:-1], weights, self.sizes, strict=True)
        return [first + self.owner(weight, genes) for first, weight, genes in parts]

    def importance(self, model: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean |w| and the number of weights of each gene, shape (genes,) each."""
        gene = torch.cat([owner.flatten() for owner in self.owners(model)])
        weights = [layer.module.weight.detach().flatten() for layer in self.layers(model)]
        count = gene.bincount()
        return gene.bincount(torch.cat(weights).double().abs()) / count, count


def rows(weight: torch.Tensor, count: int) -> torch.Tensor:
    """Return the filter that each weight belongs to, in the weight's shape."""
    return torch.arange(count).view(-1, *[1] * (weight.dim() - 1)).expand(weight.shape)


def blocks(weight: torch.Tensor, count: int) -> torch.Tensor:
    """Cut weights, in order of magnitude, into blocks of about equal sum of magnitudes.

    So a block holds many small weights or a few large ones, and no block weighs nothing.

    Returns:
        The block of each weight, 0 that of the smallest, int64 in the weight's shape.

    >>> blocks(torch.tensor([[1.0, -3.0, 1.0, 1.0]]), 2)
    tensor([[0, 1, 0, 0]])
    """
    magnitude = weight.double().abs().flatten()
    order = magnitude.argsort(stable=True)
    below = magnitude[order].cumsum(0) - magnitude[order]
    block = torch.empty_like(order)
    block[order] = (below / magnitude.sum() * count).long()
    return block.view(weight.shape)


def filters_cost(masks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the multiply-adds of the CNN that holds the kept filters alone, shape (masks,).

    A convolution takes 9 for each filter, each channel below it and each position; the Linear layer
    takes 10 for each of the 16 positions of each channel. A removed filter saves its own and what
    the next layer spends on its channel.

    >>> filters_cost(torch.tensor([[1.0] * 16, [1.0] + [0.0] * 15]), torch.ones(16)).tolist()
    [11760.0, 576.0]
    """
    kept = [part.sum(1) for part in masks.split(list(RECIPES["filters"].sizes), dim=1)]
    below = [torch.ones_like(kept[0]), *kept[:-1]]
    layers = [9 * k * b * p for k, b, p in zip(kept, below, POSITIONS, strict=True)]
    return torch.stack(layers).sum(0) + 10 * POSITIONS[-1] * kept[-1]


def groups_cost(masks: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return the multiply-adds of the masked perceptron: it uses each kept weight once."""
    return masks @ weights.to(masks.dtype)


RECIPES: dict[str, Recipe] = {
    "filters": Recipe(FiltersNetwork, 30, "conv", (5, 5, 6), rows, filters_cost),
    "groups": Recipe(GroupsNetwork, 40, "linear", (5, 5, 4), blocks, groups_cost),
}


def recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        InputError: if the name is unknown; the nearest is offered.
    """
    if name not in RECIPES:
        raise unknown("enumerated network", name, RECIPES)
    return RECIPES[name]


def trained(name: str, *, progress: bool = False) -> nn.Module:
    """Return a network trained on the digits from a fixed seed, in single precision.

    On one thread, whatever torch is set to: sums over threads would lead to other weights.
    """
    made, rng = recipe(name), np.random.default_rng(SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = made.build()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        training.train(model, digits(), epochs=made.epochs, rng=rng, progress=progress)
    finally:
        torch.set_num_threads(threads)
    return model


def rebuilt(name: str, weights: Mapping[str, NDArray[np.float32]]) -> nn.Module:
    """Return a network that was trained before, from its weights, in single precision."""
    model = recipe(name).build()
    model.load_state_dict({key: torch.from_numpy(value.copy()) for key, value in weights.items()})
    return model.eval()


def digits() -> datasets.Dataset:
    """Return the data of both networks."""
    return datasets.load("digits")


def split(dataset: datasets.Dataset, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the normalised images of a split in double precision, and their labels."""
    part = getattr(dataset, name)
    return datasets.normalise(part.images, dataset).double().contiguous(), part.labels
