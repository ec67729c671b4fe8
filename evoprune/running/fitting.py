"""Whether network, images, device and memory fit together, asked before any work."""

from __future__ import annotations

import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.batches import check_memory
from evoprune.evaluation.guidance import DENSE_BATCH
from evoprune.network import datasets, models
from evoprune.network.cost import activation_bytes
from evoprune.network.masks import batchnorms, modes_kept
from evoprune.running.config import MaskSettings
from evoprune.space.genes import GeneSpace


def has_seen_all(config: MaskSettings, space: GeneSpace | None) -> bool:
    """Return whether the network must be taken to have seen all official training images."""
    if space is not None:
        return True
    trust = config.trust_pickle
    return config.weights is not None and not models.held_back(
        config.weights, config.data, trust_pickle=trust
    )


def check_fit(config: MaskSettings, model: nn.Module, data: datasets.Dataset, *, name: str) -> None:
    """Refuse a network that cannot judge the images, before it is trained."""
    if config.recalibrate > 0 and not batchnorms(model):
        raise InputError(f"recalibrate: {name} has no BatchNorm layer; leave the option out")
    images = datasets.normalise(data.train.images[:2], data)
    try:
        with modes_kept(model), torch.no_grad():
            shape = tuple(model.eval()(images).shape)
    except Exception as cause:
        raise InputError(
            f"model: {name} does not take the images of {config.data}, shape "
            f"{tuple(images.shape[1:])}: {(str(cause) or repr(cause)).splitlines()[0]}"
        ) from cause
    if shape != (2, len(data.classes)):
        raise InputError(
            f"model: expected {len(data.classes)} outputs an image from {name}, got the "
            f"shape {shape[1:]}"
        )


def check_fit_into_memory(
    config: MaskSettings,
    model: nn.Module,
    image: tuple[int, ...],
    *,
    guidance: int,
    calibration: int,
) -> None:
    """Refuse a memory that does not hold the largest pass whose batch cannot be made smaller.

    Args:
        config: of the run; its `memory` is in megabytes.
        model: the network; lent.
        image: (channels, height, width).
        guidance: images of a step of guidance.
        calibration: images of a batch of recalibration.
    """
    forward, backward = activation_bytes(model, image)
    needs = {"one image": forward}
    if config.recalibrate > 0:
        needs["a batch of recalibration"] = calibration * forward
    if config.guided:
        needs["a batch of guidance"] = max(guidance * backward, DENSE_BATCH * forward)
    largest = max(needs, key=lambda what: needs[what])
    check_memory(config.memory or 0.0, needs[largest], largest)
