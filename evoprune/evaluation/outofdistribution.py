"""Out-of-distribution: scores that tell foreign images from a network's own, and how well they do.

A score is a number an image, larger where the network knows the image; `auroc` says how often an
image of the network's own data set scores higher than a foreign one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from scipy.stats import rankdata
from torch import nn

from evoprune.errors import InputError

Score = Callable[[torch.Tensor], torch.Tensor]
ODIN_TEMPERATURE = 1000.0
BATCH = 128  # images of a pass through a whole network


def max_softmax(logits: torch.Tensor, *, temperature: float = 1.0) -> torch.Tensor:
    """Return the largest probability, 0 to 1, of each image.

    Args:
        logits: shape (images, classes).
        temperature: that they are divided by first, above 0.

    Returns:
        float64, shape (images,): at a high temperature all are close to 1 / classes, and single
        precision would not tell them apart.

    Source: Hendrycks & Gimpel, 2017; with a temperature of 1,000 it is the score of ODIN (Liang,
    Li & Srikant, 2018, eq. 1).
    """
    return (logits.double() / temperature).softmax(1).amax(1)


def energy(logits: torch.Tensor) -> torch.Tensor:
    """Return minus the energy of each image, the logarithm of the sum of all exp(logits).

    Args:
        logits: shape (images, classes).

    Returns:
        float64, shape (images,).

    Source: Liu, Wang, Owens & Li, 2020, eq. 4, at a temperature of 1.
    """
    return logits.double().logsumexp(1)


def perturbed(
    network: nn.Module, images: torch.Tensor, step: float, *, batch: int = BATCH
) -> torch.Tensor:
    """Return what a network says of images after a small step towards what it takes them for.

    Args:
        network: from images to logits; lent, no gradient is left in it.
        images: normalised, shape (images, channels, height, width).
        step: in units of the network's input, above 0; 0 changes nothing.
        batch: images a forward and backward pass.

    Returns:
        Logits, shape (images, classes).
    """
    with torch.no_grad():
        return torch.cat([network(stepped(network, some, step)) for some in images.split(batch)])


def stepped(network: nn.Module, images: torch.Tensor, step: float) -> torch.Tensor:
    """Return images after a small step towards what a network takes them for.

    Every value of an image moves by `step` in the direction in which the largest tempered
    probability grows; that of an own image grows more than that of a foreign one.

    Args:
        network: from images to logits; lent, no gradient is left in it.
        images: normalised, of one batch; not changed.
        step: see `perturbed`.

    Source: Liang, Li & Srikant, 2018, eq. 2.
    """
    with torch.enable_grad():  # whoever asks may have switched it off
        moved = images.detach().clone().requires_grad_()
        tempered = (network(moved) / ODIN_TEMPERATURE).log_softmax(1)
        (slope,) = torch.autograd.grad(tempered.amax(1).sum(), moved)
    return moved.detach() + step * slope.sign()


SCORES: dict[str, Score] = {
    "odin": partial(max_softmax, temperature=ODIN_TEMPERATURE),
    "max-softmax": max_softmax,
    "energy": energy,
}


def auroc(own: npt.ArrayLike, foreign: npt.ArrayLike) -> float:
    """Return the chance that an image of the own data set scores higher than a foreign one.

    It is the area under the receiver operating characteristic, by the ranks of Mann and Whitney;
    equal scores count one half.

    Args:
        own: scores, shape (images,), at least one.
        foreign: scores of the others, at least one.

    Returns:
        0 to 1; .5 is guessing. 0 if a score is not a number: whoever gives it tells nothing.

    >>> auroc([3, 2, 2], [2, 1])
    0.8333333333333334
    """
    ours, theirs = np.asarray(own, float).ravel(), np.asarray(foreign, float).ravel()
    if not (ours.size and theirs.size):
        raise InputError(
            f"auroc: expected scores of both kinds, got {ours.size} own and {theirs.size} foreign"
        )
    both = np.concatenate([ours, theirs])
    if np.isnan(both).any():
        return 0.0
    above = rankdata(both)[: ours.size].sum() - ours.size * (ours.size + 1) / 2
    return float(above / (ours.size * theirs.size))


def balanced(
    sizes: Sequence[int], total: int, rng: np.random.Generator
) -> list[npt.NDArray[np.int64]]:
    """Draw images of several data sets, as many of each as there are, so that all sum to `total`.

    Args:
        sizes: images that each data set has, at least 1 each.
        total: images wanted in all; fewer come if there are not so many.
        rng: draws them.

    Returns:
        For each data set the sorted places of the images. A small data set gives all that it has,
        and the others share the rest evenly.

    Source: ours; Poyatos et al., 2023, pool the data sets and cut the pool to the size of the
    network's own, so that a large data set outweighs a small one there.

    >>> [len(some) for some in balanced([100, 100, 3], 23, np.random.default_rng(0))]
    [10, 10, 3]
    """
    counts, left = [0] * len(sizes), total
    for done, place in enumerate(np.argsort(sizes, kind="stable")):
        counts[place] = min(sizes[place], round(left / (len(sizes) - done)))
        left -= counts[place]
    return [
        np.sort(rng.permutation(size)[:count]) for size, count in zip(sizes, counts, strict=True)
    ]
