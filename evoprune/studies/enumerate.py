"""Evaluate every mask of a small network, once: the tables behind `evoprune.enumerated`.

Start with `tables`. A mask shares most of its work with others, so that all of them take about a
minute on one core:

- "filters": the output channels of a convolution do not know of each other. So the last one is
  calculated once for each choice of filters below it, whole; the logits of all choices within it
  are sums of what its channels add.
- "groups": many masked copies of the perceptron go through as one batch of matrices, and the
  gradient by a gene's bit is the sum of g w over the weights of the gene.

All of it is in double precision: a count does not hang on the order of a sum.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from evoprune.enumerated.tables import SPLITS, WEIGHT
from evoprune.studies.enumerable import FiltersNetwork, digits, rebuilt, recipe, split, trained

Tables = dict[str, NDArray[Any]]
TOGETHER = 64  # perceptrons in one batch of matrices


def tables(
    name: str, *, weights: Mapping[str, NDArray[np.float32]] | None = None, progress: bool = True
) -> Tables:
    """Return all that `evoprune.enumerated` reads of a network, as arrays by name.

    Args:
        name: "filters" or "groups".
        weights: of a network trained before; it is trained here if None.
        progress: show a bar, where the output is a terminal.

    Returns:
        The arrays that `evoprune.enumerated.tables.from_arrays` describes, and `margin`: the least
        gap between the two best logits of any image under any mask, so that counts are certain
        where it is far above rounding.

    Raises:
        InputError: if the name is unknown; the nearest is offered.
    """
    made = recipe(name)
    model = trained(name, progress=progress) if weights is None else rebuilt(name, weights)
    score, count = made.importance(model)
    masks = every_mask(sum(made.sizes))
    kept = {f"{WEIGHT}{key}": value.numpy().copy() for key, value in model.state_dict().items()}
    bar = tqdm(total=len(masks), desc=f"masks of {name}", disable=None if progress else True)
    with bar:
        swept = SWEEPS[name](model.double(), masks, bar)
    return {
        "names": np.array([layer.name for layer in made.layers(model)]),
        "sizes": np.array(made.sizes),
        "score": score.numpy(),
        "cost": made.cost(masks, count).numpy().astype(np.uint32),
        "images": np.array([len(getattr(digits(), part)) for part in SPLITS]),
        **swept,
        **kept,
    }


def every_mask(genes: int) -> torch.Tensor:
    """Return all masks as 0.0 and 1.0, in the order of their numbers, shape (2 ** genes, genes).

    >>> every_mask(2).tolist()
    [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
    """
    numbers = torch.arange(2**genes)[:, None]
    return (numbers >> torch.arange(genes - 1, -1, -1) & 1).double()


class Sheet:
    """Note what logits come to, mask after mask in the order of their numbers.

    Args:
        name: of the split.
        labels: of its images.
        masks: how many there will be.
    """

    def __init__(self, name: str, labels: torch.Tensor, masks: int) -> None:
        self.name, self.labels, self.taken, self.margin = name, labels, 0, float("inf")
        self.wrong, self.soft = np.empty(masks, np.uint16), np.empty(masks, np.float32)

    def take(self, logits: torch.Tensor) -> None:
        """Judge the next masks: logits of shape (masks, images, classes)."""
        here = slice(self.taken, self.taken + len(logits))
        best, truth = logits.topk(2, dim=2), self.labels.expand(logits.shape[:2])
        self.wrong[here] = (best.indices[..., 0] != truth).sum(1).numpy()
        self.soft[here] = 1 - logits.softmax(2).gather(2, truth[..., None]).mean((1, 2)).numpy()
        self.margin = min(self.margin, float((best.values[..., 0] - best.values[..., 1]).min()))
        self.taken = here.stop


def _noted(sheets: list[Sheet]) -> Tables:
    wrong = {f"wrong_{sheet.name}": sheet.wrong for sheet in sheets}
    soft = {f"soft_{sheet.name}": sheet.soft for sheet in sheets}
    return {**wrong, **soft, "margin": np.array(min(sheet.margin for sheet in sheets))}


@torch.no_grad()
def sweep_filters(model: FiltersNetwork, masks: torch.Tensor, bar: Any) -> Tables:
    """Evaluate all masks of the CNN, in double precision, on both splits.

    Args:
        model: a FiltersNetwork in double precision.
        masks: all of them; only their number is looked at.
        bar: a tqdm bar of as many masks.
    """
    dataset, sheets = digits(), list[Sheet]()
    a, b, c = (every_mask(size) for size in recipe("filters").sizes)
    weight = model.linear.weight.view(10, c.shape[1], -1)  # classes, channels, positions
    for name in SPLITS:
        pixels, labels = split(dataset, name)
        sheet, first = Sheet(name, labels, len(masks)), model.first(pixels)
        for kept1 in a:
            second = model.second(first * kept1.view(-1, 1, 1))
            for kept2 in b:
                third = model.third(second * kept2.view(-1, 1, 1)).flatten(2)
                adds = torch.einsum("ncp,kcp->cnk", third, weight)
                sheet.take(torch.tensordot(c, adds, 1) + model.linear.bias)
                bar.update(len(c) / len(SPLITS))
        sheets.append(sheet)
    return _noted(sheets)


def sweep_groups(model: nn.Module, masks: torch.Tensor, bar: Any) -> Tables:
    """Evaluate all masks of the perceptron on both splits, with loss and saliency on `train`.

    Args:
        model: a GroupsNetwork in double precision.
        masks: all of them, shape (masks, genes).
        bar: a tqdm bar of as many masks.
    """
    logits, dataset = side_by_side(model), digits()
    parts = {name: split(dataset, name) for name in ("train", *SPLITS)}
    sheets = [Sheet(name, parts[name][1], len(masks)) for name in SPLITS]
    losses, falls = np.empty(len(masks), np.float32), np.empty(masks.shape, np.float16)
    pixels, labels = parts["train"]
    for start in range(0, len(masks), TOGETHER):
        here = slice(start, start + TOGETHER)
        bits = masks[here].clone()
        with torch.no_grad():
            for sheet in sheets:
                sheet.take(logits(bits, parts[sheet.name][0]))
        outputs = logits(bits.requires_grad_(), pixels).flatten(0, 1)
        each = functional.cross_entropy(outputs, labels.repeat(len(bits)), reduction="none")
        loss = each.view(len(bits), -1).mean(1)
        (slope,) = torch.autograd.grad(loss.sum(), bits)
        losses[here], falls[here] = loss.detach().numpy(), -slope.numpy()
        bar.update(len(bits))
    return {**_noted(sheets), "loss": losses, "first_order": falls}


def side_by_side(model: nn.Module) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return a function that runs many masked copies of the perceptron as one batch of matrices.

    It maps masks, shape (masks, genes), and images to logits, shape (masks, images, classes), and
    has a gradient by the masks: that by a gene's bit is the sum of g w over its weights.
    """
    made = recipe("groups")
    owners, modules = made.owners(model), [layer.module for layer in made.layers(model)]

    def logits(bits: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
        x = pixels.flatten(1).expand(len(bits), -1, -1)
        for place, (module, owner) in enumerate(zip(modules, owners, strict=True)):
            weight, bias = module.weight.detach() * bits[:, owner], module.bias
            assert bias is not None
            x = x.relu() if place > 0 else x
            x = torch.baddbmm(bias.detach(), x, weight.transpose(1, 2))
        return x

    return logits


SWEEPS: dict[str, Callable[..., Tables]] = {"filters": sweep_filters, "groups": sweep_groups}
