"""One-off importance scores: a number a weight, asked once of the dense network.

Each function takes the prunable layers and returns one flat float32 array over their weights, in
the layers' order; the higher, the more a weight matters. For importance on a mask as it is now,
see `evoprune.evaluation.guidance`. Scores that need images take training images; never test ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import InputError, unknown
from evoprune.network.layers import Layer
from evoprune.network.masks import modes_kept
from evoprune.passes import Passes

Scores = npt.NDArray[np.float32]


def magnitude(layers: Sequence[Layer]) -> Scores:
    """Score each weight by its magnitude |w|.

    Source: Han et al., 2015.
    """
    return _flat([layer.module.weight.detach().abs() for layer in layers])


def lamp(layers: Sequence[Layer]) -> Scores:
    """Score each weight by w^2 over the sum of all w^2 in its layer that are not smaller.

    Ordering all weights by it is magnitude pruning with a layer-wise density that keeps at least
    one weight a layer.

    Source: Lee et al., 2021, "Layer-adaptive sparsity for the magnitude-based pruning", eq. 3.
    """
    return _flat([lamp_of(layer.module.weight.detach().reshape(-1)) for layer in layers])


def lamp_of(magnitudes: torch.Tensor) -> torch.Tensor:
    """Score each gene of one layer as `lamp` does, from its magnitude, in double precision."""
    squares = magnitudes.double().square()
    order = torch.argsort(squares, stable=True)
    remaining = squares[order].flip(0).cumsum(0).flip(0)
    score = torch.empty_like(squares)
    score[order] = squares[order] / remaining
    return score.nan_to_num(0.0)


def uniform(layers: Sequence[Layer]) -> Scores:
    """Score each weight by its rank of magnitude within its layer, 0 to 1: layer-uniform."""
    return _flat([rank_of(layer.module.weight.detach().abs().reshape(-1)) for layer in layers])


def rank_of(magnitudes: torch.Tensor) -> torch.Tensor:
    """Score each gene of one layer as `uniform` does, from its magnitude, in double precision."""
    rank = torch.empty_like(magnitudes, dtype=torch.double)
    rank[torch.argsort(magnitudes, stable=True)] = torch.arange(
        1, len(magnitudes) + 1, dtype=torch.double, device=rank.device
    )
    return rank / len(magnitudes)


def taylor(model: nn.Module, layers: Sequence[Layer], batches: Batches, passes: Passes) -> Scores:
    """Score each weight by |w g|, g being the gradient of the mean loss over all batches.

    Source: Molchanov et al., 2019, for single weights. differs: the gradient is averaged over the
    batches before it is multiplied; batches of unlike sizes count alike.
    """
    gradient = gradients(model, layers, batches, passes, square=False)
    return np.abs(gradient * _flat([layer.module.weight.detach() for layer in layers]))


def snip(model: nn.Module, layers: Sequence[Layer], batches: Batches, passes: Passes) -> Scores:
    """Score each weight by |w g| as a share of the sum over all weights, from the first batch.

    Source: Lee et al., 2019, "SNIP", eq. 6. differs: asked of trained weights, not of random ones.
    """
    scores = taylor(model, layers, batches[:1], passes)
    return np.asarray(scores / max(float(scores.sum()), TINY), np.float32)


def fisher(model: nn.Module, layers: Sequence[Layer], batches: Batches, passes: Passes) -> Scores:
    """Score each weight by w^2 F / 2, F the mean of squared gradients: the diagonal Fisher.

    The squares are taken of batch gradients: with batches of one image F is the empirical Fisher,
    with larger ones the part of it that a batch does not average out.

    Source: LeCun et al., 1990 (saliency); Theis et al., 2018 (Fisher in place of the Hessian).
    """
    squares = gradients(model, layers, batches, passes, square=True)
    weights = _flat([layer.module.weight.detach() for layer in layers])
    return np.asarray(squares * weights**2 / 2, np.float32)


TINY = float(np.finfo(np.float32).tiny)
Batches = Sequence[tuple[torch.Tensor, torch.Tensor]]
OF_IMAGES = ("taylor", "snip", "fisher")  # the others look at the weights alone
SCORES = ("magnitude", "lamp", "uniform", *OF_IMAGES)


def importance(
    name: str,
    model: nn.Module,
    layers: Sequence[Layer],
    batches: Batches = (),
    passes: Passes | None = None,
) -> Scores:
    """Compute the importance of that name.

    Args:
        name: one of `SCORES`.
        model: the dense network; lent.
        layers: its prunable layers.
        batches: pairs of normalised training images and labels, for the scores that need them.
        passes: counter that takes 3 passes an image under "guidance".

    Raises:
        InputError: if the name is unknown (the nearest one is offered), or if there is no batch for
            a score that needs one.
    """
    free = {"magnitude": magnitude, "lamp": lamp, "uniform": uniform}
    asked = {"taylor": taylor, "snip": snip, "fisher": fisher}
    if name in free:
        return free[name](layers)
    if name in asked:
        if not batches:
            raise InputError(f"batches: {name} expects at least one of training images, got none")
        return asked[name](model, layers, batches, Passes() if passes is None else passes)
    raise unknown("importance", name, SCORES)


def _flat(parts: Sequence[torch.Tensor]) -> Scores:
    flat = torch.cat([part.reshape(-1) for part in parts]).float().cpu().numpy()
    return np.asarray(flat, np.float32)


def gradients(
    model: nn.Module, layers: Sequence[Layer], batches: Batches, passes: Passes, *, square: bool
) -> Scores:
    """Average the gradients of the cross-entropy, or their squares, over batches."""
    weights = [layer.module.weight for layer in layers]
    required = [weight.requires_grad for weight in weights]
    total = np.zeros(sum(weight.numel() for weight in weights), np.float32)
    with modes_kept(model), torch.enable_grad():
        model.eval()
        try:
            for weight in weights:
                weight.requires_grad_(True)
            for images, labels in batches:
                loss = functional.cross_entropy(model(images), labels)
                flat = _flat(torch.autograd.grad(loss, weights, materialize_grads=True))
                total += flat**2 if square else flat
                passes["guidance"] += 3 * len(images)
        finally:
            for weight, flag in zip(weights, required, strict=True):
                weight.requires_grad_(flag)
    return np.asarray(total / max(1, len(batches)), np.float32)
