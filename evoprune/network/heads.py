"""Heads: two dense layers on top of features, made narrow by what a genome keeps, and trained.

A head is trained as the small network that it is: columns of features that are removed and rows of
hidden units that are removed are not there, so that nothing is multiplied by zero.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from math import inf, sqrt
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.passes import Passes

Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class HeadTraining:
    """How a head is trained; the defaults are those of the authors' code.

    Attributes:
        rate: learning rate of SGD with Nesterov momentum, above 0.
        momentum: 0 or more and below 1.
        batch: images a step, from 1 on.
        epochs: at most.
        patience: epochs in a row without a smaller training loss after which it ends; the weights
            of the smallest loss come back.
        least: by how much a loss has to be smaller to count, 0 or more.

    Raises:
        InputError: if a number is out of range.

    Source: Poyatos et al., 2023, as in their code.
    """

    rate: float = 0.001
    momentum: float = 0.9
    batch: int = 32
    epochs: int = 600
    patience: int = 10
    least: float = 1e-5

    def __post_init__(self) -> None:
        """Check every number's range."""
        for name, fits, range_ in (
            ("rate", 0 < self.rate < inf, "above 0"),
            ("momentum", 0 <= self.momentum < 1, "from 0 on and below 1"),
            ("batch", self.batch >= 1, "from 1 on"),
            ("epochs", self.epochs >= 1, "from 1 on"),
            ("patience", self.patience >= 1, "from 1 on"),
            ("least", 0 <= self.least < inf, "from 0 on"),
        ):
            if not fits:
                raise InputError(f"{name}: expected {range_}, got {getattr(self, name)}")


class Head(nn.Module):
    """Features to hidden units without a bias, ReLU, hidden units to classes.

    Args:
        features: inputs, 1 or more.
        units: hidden, 1 or more.
        classes: outputs.
        chosen: places of the features that it reads among those it is given; all if None.
    """

    chosen: torch.Tensor | None

    def __init__(
        self, features: int, units: int, classes: int, chosen: Places | None = None
    ) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # torch's own weights are drawn, and replaced
            self.hidden = nn.Linear(features, units, bias=False)
            self.out = nn.Linear(units, classes)
        self.register_buffer("chosen", None if chosen is None else torch.tensor(chosen))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Map features (batch, given features) to logits (batch, classes)."""
        read = features if self.chosen is None else features[:, self.chosen]
        return self.narrow(read)

    def narrow(self, read: torch.Tensor) -> torch.Tensor:
        """Map the features that it reads alone (batch, features) to logits (batch, classes)."""
        return self.out(self.hidden(read).relu())


def fresh_head(features: int, units: int, classes: int, *, seed: int) -> Head:
    """Return a head before its training: uniform weights after Glorot, no bias, by the seed alone.

    Source: Glorot & Bengio, 2010, eq. 16: the default of the authors' library.
    """
    head, rng = Head(features, units, classes), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for layer in (head.hidden, head.out):
            limit = sqrt(6 / sum(layer.weight.shape))
            layer.weight.uniform_(-limit, limit, generator=rng)
        head.out.bias.zero_()
    return head


def narrowed_head(
    head: Head,
    features: npt.NDArray[np.bool_] | None = None,
    units: npt.NDArray[np.bool_] | None = None,
) -> Head:
    """Return a smaller head with the weights of what is kept; the head stays as it was.

    Args:
        head: over all features and units.
        features: which are read, bool, shape (features,); all if None.
        units: which hidden ones are there, bool, shape (units,); all if None.
    """
    wide, outputs = head.hidden.weight, head.out.weight
    read = np.arange(wide.shape[1]) if features is None else np.flatnonzero(features)
    there = np.arange(wide.shape[0]) if units is None else np.flatnonzero(units)
    small = Head(len(read), len(there), len(outputs), None if features is None else read)
    columns, rows = torch.from_numpy(read), torch.from_numpy(there)
    with torch.no_grad():
        small.hidden.weight.copy_(wide[rows][:, columns])
        small.out.weight.copy_(outputs[:, rows])
        small.out.bias.copy_(head.out.bias)
    return small.to(wide.device)


def widened_head(head: Head, features: npt.NDArray[np.bool_], units: npt.NDArray[np.bool_]) -> Head:
    """Return the head of the old size that computes what a narrow one does: zeros are put back.

    Args:
        head: narrow, of as many features and units as are kept; it stays as it was.
        features: which of all it reads, bool, shape (features,).
        units: which of all hidden ones it has, bool, shape (units,).
    """
    whole = Head(len(features), len(units), len(head.out.weight))
    columns, rows = (torch.from_numpy(np.flatnonzero(kept)) for kept in (features, units))
    with torch.no_grad():
        for parameter in whole.parameters():
            parameter.zero_()
        whole.hidden.weight[rows[:, None], columns] = head.hidden.weight.cpu()
        whole.out.weight[:, rows] = head.out.weight.cpu()
        whole.out.bias.copy_(head.out.bias)
    return whole.to(head.out.weight.device)


def train_head(
    head: Head,
    features: torch.Tensor,
    labels: torch.Tensor,
    training: HeadTraining,
    *,
    seed: int,
    kept: torch.Tensor | None = None,
    passes: Passes | None = None,
) -> int:
    """Train a head in place, the same way whenever it is called with the same seed.

    Args:
        head: with the weights to begin with.
        features: all that it is given, float32, shape (images, given features).
        labels: int64, shape (images,).
        training: how.
        seed: of the order of the images.
        kept: which single weights of the hidden layer are there, bool, of its shape; all if None.
        passes: counted into as "training": 3 an image and epoch, as forward with backward is.

    Returns:
        The epochs that it took.
    """
    read = features if head.chosen is None else features[:, head.chosen].contiguous()
    rng, best, stale = torch.Generator().manual_seed(seed), inf, 0
    saved: dict[str, Any] = {}
    optimiser = torch.optim.SGD(
        head.parameters(), training.rate, training.momentum, nesterov=training.momentum > 0
    )
    hold(head, kept)
    epochs = 0
    while epochs < training.epochs and stale < training.patience:
        epochs, stale, total = epochs + 1, stale + 1, 0.0
        for batch in torch.randperm(len(read), generator=rng).split(training.batch):
            loss = nn.functional.cross_entropy(head.narrow(read[batch]), labels[batch])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            hold(head, kept)
            total += loss.item() * len(batch)
        if total / len(read) < best - training.least:
            best, stale, saved = total / len(read), 0, copy.deepcopy(head.state_dict())
    if saved:
        head.load_state_dict(saved)
    if passes is not None:
        passes["training"] += 3 * len(read) * epochs
    return epochs


def hold(head: Head, kept: torch.Tensor | None) -> None:
    """Put the single weights of the hidden layer that are removed back to zero."""
    if kept is not None:
        with torch.no_grad():
            head.hidden.weight.mul_(kept)
