"""How weights are trained: the settings, and the optimiser, schedule and precision they ask for."""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau

from evoprune.errors import InputError, unknown

OPTIMISERS = ("sgd", "adamw")
SCHEDULES = ("cosine", "plateau")
PRECISIONS = ("fp32", "bf16", "auto")
FASTER = 1.1  # times as fast as single precision bfloat16 has to be for "auto" to take it


@dataclass(frozen=True)
class Training:
    """How a network is trained; the defaults suit a small one from scratch.

    Attributes:
        rate: learning rate of the first step.
        batch: images a step at most; an epoch is cut into batches of about one size.
        optimiser: "sgd" with momentum, or "adamw", which wants a rate of about 0.001.
        momentum: of SGD, 0 or more and below 1; AdamW keeps torch's own averages.
        weight_decay: of all parameters, 0 or more; AdamW's is decoupled.
        schedule: "cosine", the rate falls to 0 along half a cosine, step by step; or "plateau", it
            falls by `factor` whenever the loss on the `search` split has not fallen for more than
            `patience` epochs.
        factor: that the rate is multiplied by on a plateau, above 0 and below 1.
        patience: epochs on a plateau that are waited for.
        label_smoothing: share of a label that is spread over all classes, 0 to 1.
        stop_after: epochs in a row without a smaller error on the `search` split after which
            training ends. With it the weights of the smallest error come back, be they those from
            before the first step. None trains all epochs and keeps the last weights.
        distillation: with a teacher, the share of the loss that is the distance from its outputs,
            0 to 1.
        temperature: that both networks' logits are divided by for that distance, above 0.
        precision: of the forward and backward pass: "fp32", "bf16" (autocast; weights, gradients
            and steps stay in single precision), or "auto" for the one a trial finds faster. On a
            processor with bfloat16 of its own "bf16" took three fifths of the time, for Conv1 as
            for the AlexNet of CIFAR-10; one without emulates it and is slower. "fp32" is the
            default, because with "auto" the same seed may train other weights elsewhere.

    Raises:
        InputError: if a number is out of range or a name is unknown.

    Source: Loshchilov & Hutter, 2017, "SGDR", eq. 5, without restarts (cosine); Loshchilov &
    Hutter, 2019, "Decoupled weight decay regularization" (AdamW); Szegedy et al., 2016, sec. 7
    (label smoothing); Hinton et al., 2015, sec. 2 (distillation). ours: all defaults.

    >>> Training(rate=0.001, optimiser="adam")
    Traceback (most recent call last):
    evoprune.errors.InputError: unknown optimiser 'adam': did you mean 'adamw'? Known: sgd, adamw
    """

    rate: float = 0.05
    batch: int = 64
    optimiser: str = "sgd"
    momentum: float = 0.9
    weight_decay: float = 5e-4
    schedule: str = "cosine"
    factor: float = 0.2
    patience: int = 2
    label_smoothing: float = 0.0
    stop_after: int | None = None
    distillation: float = 0.5
    temperature: float = 2.0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        """Check every number's range and every name."""
        for kind, known in (
            ("optimiser", OPTIMISERS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
        ):
            if getattr(self, kind) not in known:
                raise unknown(kind, getattr(self, kind), known)
        stops = self.stop_after is None or self.stop_after >= 1
        for name, fits, range_ in (
            ("rate", 0 < self.rate < math.inf, "above 0"),
            ("batch", self.batch >= 2, "from 2 on"),
            ("momentum", 0 <= self.momentum < 1, "from 0 on and below 1"),
            ("weight_decay", 0 <= self.weight_decay < math.inf, "from 0 on"),
            ("factor", 0 < self.factor < 1, "above 0 and below 1"),
            ("patience", self.patience >= 0, "from 0 on"),
            ("label_smoothing", 0 <= self.label_smoothing <= 1, "from 0 to 1"),
            ("stop_after", stops, "from 1 on, or None for never"),
            ("distillation", 0 <= self.distillation <= 1, "from 0 to 1"),
            ("temperature", 0 < self.temperature < math.inf, "above 0"),
        ):
            if not fits:
                raise InputError(
                    f"train: expected {name} {range_}; got {name}={getattr(self, name)}"
                )

    @property
    def watching(self) -> bool:
        """Whether the `search` split is measured after each epoch."""
        return self.schedule == "plateau" or self.stop_after is not None


def optimiser_of(model: nn.Module, training: Training) -> torch.optim.Optimizer:
    """Return the optimiser of all parameters of a network."""
    decay, parameters = training.weight_decay, model.parameters()
    if training.optimiser == "adamw":
        return torch.optim.AdamW(parameters, lr=training.rate, weight_decay=decay)
    return torch.optim.SGD(
        parameters, lr=training.rate, momentum=training.momentum, weight_decay=decay
    )


def schedule_of(
    optimiser: torch.optim.Optimizer, training: Training, steps: int
) -> LRScheduler | ReduceLROnPlateau:
    """Return the schedule of an optimiser; a cosine ends after so many steps."""
    if training.schedule == "cosine":
        return CosineAnnealingLR(optimiser, steps)
    return ReduceLROnPlateau(
        optimiser, factor=training.factor, patience=training.patience, threshold=0.0
    )


def faster_precision(model: nn.Module, inputs: torch.Tensor) -> str:
    """Return "bf16" if a copy of the network is plainly faster so on these inputs, else "fp32".

    The copy goes forward and backward in either precision, turn about; medians are compared. A
    processor that has to emulate bfloat16 is several times slower with it.

    Args:
        model: the network; not changed.
        inputs: a batch as in training.
    """
    times: dict[str, list[float]] = {"fp32": [], "bf16": []}
    tried = copy.deepcopy(model).train()
    with torch.random.fork_rng(devices=[inputs.device] if inputs.device.type == "cuda" else []):
        for _ in range(6):
            for precision, seconds in times.items():
                seconds.append(_seconds(tried, inputs, halved=precision == "bf16"))
    single, half = (median(seconds[1:]) for seconds in times.values())
    return "bf16" if single > FASTER * half else "fp32"


def _seconds(model: nn.Module, inputs: torch.Tensor, *, halved: bool) -> float:
    """Return how long it takes to go forward and backward once."""
    began = time.perf_counter()
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=halved):
        outputs = model(inputs)
    logits = outputs[0] if isinstance(outputs, tuple) else outputs
    total = logits.float().sum()
    total.backward()
    total.item()  # waits for the device
    return time.perf_counter() - began
