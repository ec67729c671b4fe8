"""What each part of a trained head matters: the gradient's opinion, and plain sums of weights.

One question is answered for single weights, and summed up for what several weights belong to.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.network.heads import Head
from evoprune.passes import Passes

Scores = npt.NDArray[np.float64]
Score = Callable[[torch.Tensor], torch.Tensor]
BATCH = 1024  # images whose gradients are held at once


def taylor(
    head: Head, features: torch.Tensor, labels: torch.Tensor, *, passes: Passes | None = None
) -> dict[str, Scores]:
    """Return how much the loss depends on each part of a head, by encoding.

    For each image, removing a part changes its loss in first order by minus gradient times value:
    of a feature x its own x * dL/dx, of a hidden unit h its h * dL/dh. The mean of the magnitudes
    over the images is the score: signs would cancel, since the sum over all is zero where the
    training has come to rest.

    Args:
        head: trained, whole; lent.
        features: shape (images, features).
        labels: int64, shape (images,).
        passes: counted into as "guidance", 3 an image.

    Returns:
        "features", shape (features,); "neurons", shape (units,); "connections", shape
        (units * features,): magnitude of each weight times the mean of |feature| and the unit's
        mean |gradient|.

    Source: Molchanov et al., 2017, eq. 8, of feature maps there; that of connections is ours.
    """
    weight = head.hidden.weight
    of_features, inputs = torch.zeros_like(weight[0]), torch.zeros_like(weight[0])
    of_units, slopes = torch.zeros_like(weight[:, 0]), torch.zeros_like(weight[:, 0])
    for some, truth in zip(features.split(BATCH), labels.split(BATCH), strict=True):
        hidden = nn.functional.linear(some, weight).detach().requires_grad_()
        loss = nn.functional.cross_entropy(head.out(hidden.relu()), truth, reduction="sum")
        (slope,) = torch.autograd.grad(loss, hidden)
        with torch.no_grad():
            of_features += (some * (slope @ weight)).abs().sum(0)
            of_units += (hidden * slope).abs().sum(0)
            inputs += some.abs().sum(0)
            slopes += slope.abs().sum(0)
    if passes is not None:
        passes["guidance"] += 3 * len(features)
    single = weight.detach().abs() * slopes[:, None] * inputs[None] / len(features)
    scores = {"features": of_features, "neurons": of_units, "connections": single}
    return {name: _array(score / len(features)) for name, score in scores.items()}


def separation(
    head: Head,
    own: torch.Tensor,
    foreign: torch.Tensor,
    score: Score,
    *,
    passes: Passes | None = None,
) -> dict[str, Scores]:
    """Return how much each part of a head helps to tell own images from foreign ones, by encoding.

    In first order a feature x adds x * ds/dx to the score s of an image; so a hidden unit, and so a
    single weight w, which adds w * ds/dw. What it adds to own images on average, less what it adds
    to foreign ones, is what the two kinds come nearer by without it.

    Args:
        head: trained, whole; lent.
        own: features, shape (images, features).
        foreign: the same of out-of-distribution images.
        score: from logits to a number an image, larger where the head knows the image.
        passes: counted into as "guidance", 3 an image.

    Returns:
        By the keys of `taylor`; below 0 is what misleads.

    Source: ours.
    """
    weight, kinds = head.hidden.weight.detach(), []
    for images in (own, foreign):
        parts = [torch.zeros_like(part) for part in (weight[0], weight[:, 0], weight)]
        for some in images.split(BATCH):
            hidden = nn.functional.linear(some, weight).requires_grad_()
            (slope,) = torch.autograd.grad(score(head.out(hidden.relu())).sum(), hidden)
            added = some * (slope @ weight), hidden.detach() * slope
            single = weight * (slope.T @ some)
            for part, more in zip(parts, (*(one.sum(0) for one in added), single), strict=True):
                part += more / len(images)
        kinds.append(parts)
    if passes is not None:
        passes["guidance"] += 3 * (len(own) + len(foreign))
    names = ("features", "neurons", "connections")
    return {name: _array(a - b) for name, a, b in zip(names, *kinds, strict=True)}


def l1(head: Head) -> dict[str, Scores]:
    """Return the sum of the magnitudes of the weights that hang on each part, by encoding.

    Source: Li et al., 2017, who rank the filters of a convolution so.
    """
    weight, out = head.hidden.weight.detach().abs(), head.out.weight.detach().abs()
    units = weight.sum(1) + out.sum(0)
    scores = {"features": weight.sum(0), "neurons": units, "connections": weight}
    return {name: _array(score) for name, score in scores.items()}


def _array(score: torch.Tensor) -> Scores:
    return score.detach().cpu().double().numpy().ravel()
