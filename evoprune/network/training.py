"""Train a small network from scratch, and measure its error.

Meant for networks that train in seconds or minutes, such as the CNN of the digits; a network that
takes hours comes with its weights, through `evoprune.network.models.load_weights`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from evoprune.errors import InputError
from evoprune.network.datasets import Dataset, Split, normalise
from evoprune.network.masks import modes_kept

Augmentation = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]


@dataclass(frozen=True)
class Epoch:
    """What an epoch of training came to.

    Args:
        number: from 1 on.
        rate: learning rate of its first step.
        loss: mean cross-entropy over its batches, in nats.
        error: share of its images put into a wrong class while the weights were moving.
        passes: image passes so far; forward and backward of an image are 3.
    """

    number: int
    rate: float
    loss: float
    error: float
    passes: int


def train(
    model: nn.Module,
    dataset: Dataset,
    *,
    epochs: int,
    rng: np.random.Generator,
    rate: float = 0.05,
    batch: int = 64,
    momentum: float = 0.9,
    weight_decay: float = 5e-4,
    augmentation: Augmentation | None = None,
    progress: bool = True,
) -> list[Epoch]:
    """Train the network on the `train` split, in place, by SGD with momentum.

    The learning rate falls from `rate` to 0 along half a cosine, step by step. Every epoch sees
    each image once, in an order drawn anew. The network is left in evaluation mode.

    Args:
        model: the network, on the device to train on.
        dataset: only its `train` split is used.
        epochs: at least 1.
        rng: draws the order of the images and the augmentation, and seeds dropout.
        rate: learning rate of the first step.
        batch: images a step at most; an epoch is cut into batches of about one size.
        momentum: 0 to 1.
        weight_decay: of all parameters.
        augmentation: changes a batch of uint8 images, such as `datasets.augment`; None for none.
        progress: show a bar, where the output is a terminal.

    Returns:
        An entry for each epoch.

    Raises:
        InputError: if a number is out of range, or the loss is no longer finite.

    Source: Loshchilov & Hutter, 2017, "SGDR", eq. 5, without restarts.
    """
    if epochs < 1 or batch < 2 or not rate > 0:
        raise InputError(
            "train: expected epochs from 1, batch from 2 and a rate above 0; "
            f"got epochs={epochs}, batch={batch}, rate={rate}"
        )
    steps = math.ceil(len(dataset.train) / batch)
    optimiser = torch.optim.SGD(
        model.parameters(), lr=rate, momentum=momentum, weight_decay=weight_decay
    )
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * steps)
    history: list[Epoch] = []
    device = next(model.parameters()).device
    bar = tqdm(range(1, epochs + 1), desc="training", disable=None if progress else True)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(rng.integers(2**63)))
        model.train()
        try:
            for number in bar:
                started, loss, wrong = float(cosine.get_last_lr()[0]), 0.0, 0
                for inputs, labels in _batches(dataset, steps, rng, augmentation, device):
                    step_loss, step_wrong = _step(model, optimiser, inputs, labels)
                    cosine.step()
                    loss += step_loss * len(labels) / len(dataset.train)
                    wrong += step_wrong
                if not math.isfinite(loss):
                    raise InputError(
                        f"rate: the loss is not finite in epoch {number} at rate {rate}; "
                        "write a smaller one"
                    )
                share, passes = wrong / len(dataset.train), 3 * number * len(dataset.train)
                history.append(Epoch(number, started, loss, share, passes))
                bar.set_postfix(loss=f"{loss:.3f}", error=f"{share:.3f}")
        finally:
            model.eval()
            bar.close()
    return history


def _batches(
    dataset: Dataset,
    steps: int,
    rng: np.random.Generator,
    augmentation: Augmentation | None,
    device: torch.device,
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the inputs and labels of an epoch, each image once, in so many batches."""
    split = dataset.train
    for chosen in np.array_split(rng.permutation(len(split)), steps):
        batch = split.part(chosen)
        images = batch.images if augmentation is None else augmentation(batch.images, rng)
        yield normalise(images.to(device), dataset), batch.labels.to(device)


def _step(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    inputs: torch.Tensor,
    labels: torch.Tensor,
) -> tuple[float, int]:
    """Take one step down the cross-entropy; return it, and how many images were wrong."""
    outputs = model(inputs)
    logits = outputs[0] if isinstance(outputs, tuple) else outputs  # beside auxiliary heads'
    loss = functional.cross_entropy(logits, labels)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    return loss.item(), int((logits.argmax(1) != labels).sum())


def error(model: nn.Module, split: Split, dataset: Dataset, *, batch: int = 500) -> float:
    """Return the share of images put into a wrong class, 0 to 1, in evaluation mode.

    Args:
        model: the network; its mode is restored.
        split: the images to judge, such as `dataset.test`.
        dataset: gives mean and deviation.
        batch: images a forward pass.
    """
    device = next(model.parameters()).device
    wrong = 0
    with modes_kept(model), torch.no_grad():
        model.eval()
        for start in range(0, len(split), batch):
            part = split.part(slice(start, start + batch))
            guesses = model(normalise(part.images.to(device), dataset)).argmax(1)
            wrong += int((guesses != part.labels.to(device)).sum())
    return wrong / len(split)
