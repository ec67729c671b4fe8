"""What only fine-tuning needs: weights that stay removed, and a teacher.

A narrow network needs neither: it is trained as any other.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import InputError, unknown
from evoprune.network.optimising import Training


class Held:
    """Keep the parameters that a mask has removed at exactly zero while others are trained.

    Masking the weights alone would let the gradients of removed ones into the optimiser's averages,
    and into the next step; masking the gradients alone would trust the optimiser to move nothing
    without one.

    Args:
        model: the network; its removed parameters become zero now.
        masks: by the name of a parameter (weight, bias, BatchNorm's too), a bool tensor of its
            shape; False removes. A parameter without a mask is free.

    Raises:
        InputError: if there is no such parameter, or a mask is no bool tensor of its shape.

    >>> layer = nn.Linear(2, 1)
    >>> held = Held(layer, {"weight": torch.tensor([[True, False]])})
    >>> bool(layer.weight[0, 1] == 0)
    True
    """

    def __init__(self, model: nn.Module, masks: Mapping[str, torch.Tensor] | None) -> None:
        parameters = dict(model.named_parameters())
        self.removed: list[tuple[nn.Parameter, torch.Tensor]] = []
        for name, mask in (masks or {}).items():
            if name not in parameters:
                raise unknown("parameter in masks", name, parameters)
            parameter = parameters[name]
            if mask.dtype != torch.bool or mask.shape != parameter.shape:
                raise InputError(
                    f"masks: expected a bool tensor of shape {tuple(parameter.shape)} for {name}, "
                    f"got {mask.dtype} of shape {tuple(mask.shape)}"
                )
            self.removed.append((parameter, ~mask.to(parameter.device)))
        self.weights()

    @torch.no_grad()
    def weights(self) -> None:
        """Set what is removed to zero."""
        for parameter, removed in self.removed:
            parameter.masked_fill_(removed, 0.0)

    def gradients(self) -> None:
        """Set the gradients of what is removed to zero."""
        for parameter, removed in self.removed:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(removed, 0.0)


def loss_of(
    logits: torch.Tensor,
    labels: torch.Tensor,
    training: Training,
    taught: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the loss that training goes down: cross-entropy, in part the distance from a teacher.

    With s the share, T the temperature, p and q the teacher's and the network's probabilities at
    that temperature: (1 - s) cross-entropy + s T^2 KL(p || q). T^2 keeps the gradient of the second
    part about the same whatever the temperature.

    Args:
        logits: of the network, shape (images, classes).
        labels: shape (images,).
        training: `label_smoothing`, `distillation` and `temperature` are read.
        taught: the teacher's logits on the same inputs; None leaves the second part out.

    Returns:
        A number in nats, mean over the images.

    Source: Hinton et al., 2015, "Distilling the knowledge in a neural network", sec. 2.

    >>> logits = torch.tensor([[2.0, 0.0]])
    >>> only = Training(distillation=1.0)
    >>> float(loss_of(logits, torch.tensor([1]), only, taught=logits))
    0.0
    """
    plain = functional.cross_entropy(logits, labels, label_smoothing=training.label_smoothing)
    if taught is None:
        return plain
    share, heat = training.distillation, training.temperature
    distance = functional.kl_div(
        functional.log_softmax(logits / heat, 1),
        functional.log_softmax(taught / heat, 1),
        reduction="batchmean",
        log_target=True,
    )
    return (1 - share) * plain + share * heat**2 * distance
