"""Small networks whose channels hang together in different ways, and half of them cut away."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.network.models import CifarResNet, build
from evoprune.network.surgery import Kept
from evoprune.space.filters import FilterSpace

SHAPE = (1, 8, 8)


class Depthwise(nn.Module):
    """An inverted residual: widen, a convolution a channel, narrow, add."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1, bias=False)
        self.wide, self.norm1 = nn.Conv2d(4, 8, 1, bias=False), nn.BatchNorm2d(8)
        self.each = nn.Conv2d(8, 8, 3, padding=1, groups=8, bias=False)
        self.norm2, self.narrow = nn.BatchNorm2d(8), nn.Conv2d(8, 4, 1)
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        y = torch.relu(self.norm1(self.wide(x)))
        y = torch.relu(self.norm2(self.each(y)))
        return self.head((x + self.narrow(y)).mean((2, 3)))


def residual() -> nn.Module:
    return CifarResNet(1, classes=5, channels=1, image_size=8)


def digits() -> nn.Module:
    return build("digits-cnn", classes=5, channels=1, image_size=8)


def moved(model: nn.Module) -> nn.Module:
    """Return the network with numbers in it that no two channels share."""
    rng = torch.Generator().manual_seed(3)
    for name, value in model.state_dict().items():
        if "running_var" in name:
            value.uniform_(0.5, 2, generator=rng)
        elif value.is_floating_point():
            value.normal_(0, 0.3, generator=rng)
    return model.eval()


@pytest.fixture(params=[digits, residual, Depthwise])
def network(request: pytest.FixtureRequest) -> nn.Module:
    """One of three networks: plain, residual, with depthwise convolutions; 5 classes."""
    return moved(request.param())


@pytest.fixture
def halved(network: nn.Module) -> dict[str, Kept]:
    """Return the cut of a random half of the network's filters."""
    space = FilterSpace(network, SHAPE)
    mask = np.random.default_rng(0).random(space.size) < 0.5
    return dict(space.cut(space.floored(mask)))
