"""Networks by name, and weights from a file.

Start reading at `build`. Three families are written out here: a small CNN for 8x8 digits, LeNet-5,
and the ResNets of CIFAR; the networks of the papers about filters are in `published`; every other
name is one of `torchvision.models`. A module of your own needs none of this: everything in
evoprune takes any `nn.Module`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import InputError, unknown
from evoprune.network.checkpoints import content_of, note_in, state_dict_in
from evoprune.network.published import CifarAlexNet, ConvNet, NarrowLeNet, WideLeNet
from evoprune.network.subsets import base_name

SHOWN = 3  # keys of a checkpoint that an error lists at most


class SmallCNN(nn.Module):
    """Three 3x3 convolutions with BatchNorm and one Linear layer; 19,088 weights on 1x8x8 images.

    Args:
        classes: outputs.
        channels: of the images.
        image_size: height and width in pixels, at least 2.
    """

    def __init__(self, *, classes: int = 10, channels: int = 1, image_size: int = 8) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.conv3 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(32)
        self.linear = nn.Linear(32 * (image_size // 2) ** 2, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, height, width) to logits (batch, classes)."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = functional.max_pool2d(functional.relu(self.bn2(self.conv2(x))), 2)
        x = functional.relu(self.bn3(self.conv3(x)))
        return self.linear(x.flatten(1))


class LeNet(nn.Module):
    """LeNet-5: two 5x5 convolutions with pooling, then three Linear layers.

    differs: ReLU and maximum pooling, every feature map sees all maps below, a plain Linear output.

    Args:
        classes: outputs.
        channels: of the images.
        image_size: height and width in pixels, at least 12.

    Source: LeCun et al., 1998, "Gradient-based learning applied to document recognition", fig. 2.
    """

    def __init__(self, *, classes: int = 10, channels: int = 1, image_size: int = 28) -> None:
        super().__init__()
        side = (image_size // 2 - 4) // 2
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.linear1 = nn.Linear(16 * side**2, 120)
        self.linear2 = nn.Linear(120, 84)
        self.linear3 = nn.Linear(84, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, height, width) to logits (batch, classes)."""
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.linear1(x.flatten(1)))
        return self.linear3(functional.relu(self.linear2(x)))


class Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut that has no weights (option A of the paper)."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.stride, self.added = stride, outputs - inputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map (batch, inputs, height, width) to (batch, outputs, height / stride, ...)."""
        y = functional.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return functional.relu(y + self.shortcut(x))

    def shortcut(self, x: torch.Tensor) -> torch.Tensor:
        """Take every stride-th pixel and add empty channels, half of them on either side."""
        if self.stride == 1 and self.added == 0:
            return x
        before = self.added // 2
        strided = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(strided, (0, 0, 0, 0, before, self.added - before))


class CifarResNet(nn.Module):
    """A residual network of 6n + 2 layers for 32x32 images, three stages of 16, 32, 64 channels.

    Args:
        blocks: n, the blocks of each stage: 3 for ResNet-20, 9 for ResNet-56.
        classes: outputs.
        channels: of the images.
        image_size: taken for the sake of `build`; any size from 4 on will do.

    Source: He et al., 2016, "Deep residual learning for image recognition", sec. 4.2, option A.
    """

    def __init__(
        self, blocks: int, *, classes: int = 10, channels: int = 3, image_size: int = 32
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.linear = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map images (batch, channels, height, width) to logits (batch, classes)."""
        x = functional.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def _stage(inputs: int, outputs: int, blocks: int, *, stride: int) -> nn.Sequential:
    """Chain the blocks of one stage; the first of them changes size and channels."""
    first = Block(inputs, outputs, stride)
    return nn.Sequential(first, *(Block(outputs, outputs, 1) for _ in range(blocks - 1)))


MODELS: dict[str, Callable[..., nn.Module]] = {
    "digits-cnn": SmallCNN,
    "lenet": LeNet,
    **{f"resnet{6 * n + 2}": partial(CifarResNet, n) for n in (3, 5, 7, 9, 18)},
    "conv1": partial(ConvNet, (64,)),
    "conv2": partial(ConvNet, (32, 64)),
    "conv3": partial(ConvNet, (16, 32, 64)),
    "conv4": partial(ConvNet, (16, 32, 64, 64)),
    "lenet-8-16": NarrowLeNet,
    "lenet-32-64": WideLeNet,
    "alexnet-cifar": CifarAlexNet,
}
SMALLEST = {  # image sizes; the others take 4 and more
    "digits-cnn": 2,
    "lenet": 12,
    "conv3": 8,
    "conv4": 16,
    "lenet-8-16": 16,
    "alexnet-cifar": 8,
}


def build(
    name: str, *, classes: int = 10, channels: int = 3, image_size: int = 32, seed: int = 0
) -> nn.Module:
    """Make an untrained network by name, in evaluation mode.

    The first weights depend on the seed alone; torch's own generator is left as it was.

    Args:
        name: one of `MODELS` or of `torchvision.models`.
        classes: outputs, at least 1.
        channels: of the images; torchvision's models take 3.
        image_size: height and width of the images in pixels.
        seed: of the first weights.

    Raises:
        InputError: if the name is unknown (the nearest is offered), or the images do not fit it.

    >>> model = build("digits-cnn", channels=1, image_size=8)
    >>> model(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5, 10])
    """
    smallest = SMALLEST.get(name, 4)
    if classes < 1 or channels < 1 or image_size < smallest:
        raise InputError(
            f"model {name}: expected classes and channels from 1 and image_size from {smallest} "
            f"on; got classes={classes}, channels={channels}, image_size={image_size}"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name in MODELS:
            make = MODELS[name]
            return make(classes=classes, channels=channels, image_size=image_size).eval()
        return _torchvision(name, classes, channels, image_size).eval()


def _torchvision(name: str, classes: int, channels: int, image_size: int) -> nn.Module:
    """Make one of torchvision's models for classification, without weights."""
    from torchvision import models  # takes a second to import, and few runs need it

    names = models.list_models(module=models)
    if name not in names:
        raise unknown("model", name, [*MODELS, *names])
    if channels != 3:
        raise InputError(
            f"model {name}: expected images of 3 channels, got {channels}; "
            f"write a model of your own or take one of {', '.join(MODELS)}"
        )
    settings: dict[str, Any] = {"image_size": image_size} if name.startswith("vit_") else {}
    if name in ("googlenet", "inception_v3"):
        settings["init_weights"] = True  # as it is when nothing is said, but for a warning
    return models.get_model(name, weights=None, num_classes=classes, **settings)


def load_weights(model: nn.Module, path: str | Path, *, trust_pickle: bool = False) -> None:
    """Load trained weights from a checkpoint into the model, in place.

    A checkpoint is a state dict, or a dict that holds one under "state_dict". The prefix `module.`
    that parallel training leaves on every key is taken off. On an error the model is unchanged.

    Args:
        model: the network; keys and shapes have to fit all of it.
        path: the file, made by `torch.save`.
        trust_pickle: also load a file that holds more than tensors. Such a file may run any code
            while it is read: say so for files of your own only.

    Raises:
        InputError: if the file is absent, is no checkpoint, needs trust, or does not fit the model.
    """
    state = state_dict_in(content_of(path, trust_pickle=trust_pickle), path)
    own = model.state_dict()
    counted = {key for key in own if key.endswith("num_batches_tracked")}  # absent in old files
    shapes = {
        key: f"{key} {_shape(state[key])} where the model has {_shape(own[key])}"
        for key in own
        if key in state and _shape(state[key]) != _shape(own[key])
    }
    wrong = [
        _listed("missing", own.keys() - state.keys() - counted, own),
        _listed("unexpected", state.keys() - own.keys(), state),
        _listed("of another shape", shapes.values(), shapes.values()),
    ]
    if any(wrong):
        raise InputError(
            f"weights {path}: the checkpoint does not fit the model: "
            f"{'; '.join(part for part in wrong if part)}. Choose the model that it was trained as"
        )
    own.update(state)  # what is absent, and the notes on versions that torch needs, are the model's
    model.load_state_dict(own)


def held_back(path: str | Path, data: str, *, trust_pickle: bool = False) -> bool:
    """Return whether a checkpoint notes that it has seen the split `train` of that data set alone.

    `evoprune train` writes such a note, under "evoprune"; a published checkpoint has none. Which
    classes were chosen of the data set does not matter: their splits are cut from the same ones.

    Args:
        path: the file, made by `torch.save`.
        data: name of the data set, as given to `datasets.load`.
        trust_pickle: as in `load_weights`.

    Raises:
        InputError: if the file is absent, is no checkpoint or needs trust.
    """
    note = note_in(content_of(path, trust_pickle=trust_pickle))
    same = base_name(str(note.get("data"))) == base_name(data)
    return same and note.get("held_back") is True


def _shape(value: object) -> tuple[int, ...]:
    """Return the shape of a tensor; that of anything else is (-1,), which no tensor has."""
    return tuple(getattr(value, "shape", (-1,)))


def _listed(what: str, chosen: Iterable[str], order: Iterable[str]) -> str:
    """Write '2 missing (a, b)', cut after a few; an empty string for none."""
    names = [str(name) for name in order if name in set(chosen)]
    more = ", ..." if len(names) > SHOWN else ""
    return f"{len(names)} {what} ({', '.join(names[:SHOWN])}{more})" if names else ""
