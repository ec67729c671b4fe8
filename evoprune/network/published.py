"""The small networks on which the methods for filters were published, by `models.MODELS`'s names.

Filters and units are the papers'; where a paper leaves something open, the class says what is ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn


class ConvNet(nn.Module):
    """3x3 convolutions, a pooling by two after each, and two Linear layers (Conv1 to Conv4).

    ours: ReLU after each layer but the last, maximum pooling.

    Args:
        filters: of each convolution.
        classes: outputs.
        channels: of the images.
        image_size: height and width in pixels, at least 2 ** convolutions.

    Source: Wu et al., 2021, "Evolutionary multi-objective one-shot filter pruning", sec. 4.1.
    """

    def __init__(
        self, filters: Sequence[int], *, classes: int = 10, channels: int = 1, image_size: int = 28
    ) -> None:
        super().__init__()
        side = image_size // 2 ** len(filters)
        self.features = nn.Sequential()
        for inputs, outputs in zip([channels, *filters], filters, strict=False):
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
            self.features.extend([convolution, nn.ReLU(), nn.MaxPool2d(2)])
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Linear(filters[-1] * side**2, 128), nn.ReLU(), nn.Linear(128, classes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, height, width) to logits (batch, classes)."""
        return self.classifier(self.features(x))


class NarrowLeNet(nn.Sequential):
    """Two 5x5 convolutions of 8 and 16 filters without padding, pooling, three Linear layers.

    Args:
        classes: outputs.
        channels: of the images.
        image_size: height and width in pixels, at least 16.

    Source: Wu et al., 2021, sec. 4.1, whose 24 filters leave 2^24 masks. ours: ReLU, maximum
    pooling.
    """

    def __init__(self, *, classes: int = 10, channels: int = 1, image_size: int = 28) -> None:
        side = ((image_size - 4) // 2 - 4) // 2
        super().__init__(
            *(nn.Conv2d(channels, 8, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(16 * side**2, 120), nn.ReLU()),
            *(nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)),
        )


class WideLeNet(nn.Sequential):
    """Two padded 5x5 convolutions of 32 and 64 filters, pooling, 512 units, dropout, the classes.

    1,663,370 parameters on images of 1x28x28.

    Args:
        classes: outputs.
        channels: of the images.
        image_size: height and width in pixels, at least 4.

    Source: TensorFlow's tutorial on MNIST of 2016, which Yang et al., 2019 prune (inferred from
    their figures).
    """

    def __init__(self, *, classes: int = 10, channels: int = 1, image_size: int = 28) -> None:
        features = 64 * (image_size // 4) ** 2
        super().__init__(
            *(nn.Conv2d(channels, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(32, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(features, 512), nn.ReLU(), nn.Dropout(0.5), nn.Linear(512, classes)),
        )


class CifarAlexNet(nn.Module):
    """Five padded convolutions of 24, 64, 96, 96 and 64 filters, and two Linear layers of 1,024.

    ours: maximum pooling by two after the first, second and fifth convolution, BatchNorm behind
    each convolution, without which the paper's error of the dense network is out of reach in an
    hour, and dropout of a half before the Linear layers.

    Args:
        classes: outputs.
        channels: of the images.
        image_size: height and width in pixels, at least 8.

    Source: Wu et al., 2021, sec. 4.1.
    """

    def __init__(self, *, classes: int = 10, channels: int = 3, image_size: int = 32) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(*_normalised(channels, 24, 3), nn.MaxPool2d(2)),
            *(*_normalised(24, 64, 5), nn.MaxPool2d(2)),
            *(*_normalised(64, 96, 3), *_normalised(96, 96, 3)),
            *(*_normalised(96, 64, 5), nn.MaxPool2d(2)),
        )
        self.classifier = nn.Sequential(
            *(nn.Flatten(), nn.Dropout(0.5), nn.Linear(64 * (image_size // 8) ** 2, 1024)),
            *(nn.ReLU(), nn.Dropout(0.5), nn.Linear(1024, 1024), nn.ReLU()),
            nn.Linear(1024, classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, height, width) to logits (batch, classes)."""
        return self.classifier(self.features(x))


def _normalised(inputs: int, outputs: int, width: int) -> tuple[nn.Module, ...]:
    """Return a padded convolution with BatchNorm and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, width, padding=width // 2, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()
