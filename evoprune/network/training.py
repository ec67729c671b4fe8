"""Train a network, from scratch or further, and measure its error.

Start reading at `train`. From scratch it is meant for networks that take minutes; one that takes
hours comes with its weights, through `evoprune.network.models.load_weights`. A pruned network is
trained further under its masks, or cut narrow, as any other.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.optim.lr_scheduler import ReduceLROnPlateau
from tqdm import tqdm

from evoprune.errors import InputError
from evoprune.network.course import Course, Epoch
from evoprune.network.datasets import Dataset, Split, normalise
from evoprune.network.finetuning import Held, loss_of
from evoprune.network.masks import modes_kept
from evoprune.network.optimising import Training, faster_precision, optimiser_of, schedule_of
from evoprune.passes import Passes

Augmentation = Callable[[torch.Tensor, np.random.Generator], torch.Tensor]
PLAIN = Training()


@dataclass(frozen=True)
class _Task:
    """What does not change from one epoch to the next."""

    training: Training
    dataset: Dataset
    augmentation: Augmentation | None
    held: Held
    teacher: nn.Module | None
    steps: int


def train(
    model: nn.Module,
    dataset: Dataset,
    *,
    epochs: int,
    rng: np.random.Generator,
    training: Training = PLAIN,
    augmentation: Augmentation | None = None,
    masks: Mapping[str, torch.Tensor] | None = None,
    teacher: nn.Module | None = None,
    checkpoint: str | Path | None = None,
    passes: Passes | None = None,
    progress: bool = True,
    **settings: Any,
) -> list[Epoch]:
    """Train the network on the `train` split, in place.

    Every epoch sees each image once, in an order drawn anew. Weights go channels_last in memory,
    which convolves faster. The network is left in evaluation mode.

    Args:
        model: the network, on the device to train on, dense or narrow.
        dataset: its `train` split is trained on; `search` is looked at after each epoch if the
            schedule or `stop_after` asks for it.
        epochs: at least 1.
        rng: draws the order of the images and the augmentation, and seeds dropout.
        training: optimiser, rate, schedule and so on.
        augmentation: changes a batch of uint8 images, such as `datasets.augment`; None for none.
        masks: by the name of a parameter, a bool tensor of its shape; what it removes (False)
            becomes zero and stays it.
        teacher: a network whose outputs on the same images are part of the goal; lent.
        checkpoint: a file written after every epoch. If it is there, training goes on from it, and
            ends with the same weights, bit for bit, as one that was never stopped. `rng` must be of
            the same seed, wherever it stands.
        passes: counted into as "training": 3 an image and step, 1 for each look of a teacher, 1 for
            each image of `search` that is measured. Those of an earlier start are counted too.
        progress: show a bar, where the output is a terminal.
        settings: of `training` by name, such as `rate=0.01`.

    Returns:
        An entry for each epoch, those of an earlier start included.

    Raises:
        InputError: if a number is out of range, a mask does not fit, the checkpoint is of another
            training, or the loss is no longer finite.
    """
    training = replace(training, **settings)
    path = _checked(epochs, model, teacher, checkpoint)
    model.to(memory_format=torch.channels_last)
    steps = math.ceil(len(dataset.train) / training.batch)
    teacher = teacher if training.distillation else None
    task = _Task(training, dataset, augmentation, Held(model, masks), teacher, steps)
    optimiser = optimiser_of(model, training)
    schedule = schedule_of(optimiser, training, epochs * steps)
    course = Course(model, optimiser, schedule, rng, training.precision)
    counted = Passes() if passes is None else passes
    with _seeded(rng, model), _lent(teacher), counted.timed():
        try:
            _run(course, task, epochs, path, progress=progress)
        finally:
            model.eval()
            counted["training"] += course.passes
    if course.best is not None:
        model.load_state_dict(course.best)
    return course.history


def _run(course: Course, task: _Task, epochs: int, path: Path | None, *, progress: bool) -> None:
    """Go through the epochs that are left, from the start or from a checkpoint."""
    stamp = _stamp(course, task, epochs)
    if path is not None and path.exists():
        course.load(path, stamp)
    else:
        _begin(course, task)
    patience, done = task.training.stop_after, len(course.history)
    bar = tqdm(
        range(done + 1, epochs + 1),
        desc="training",
        initial=done,
        total=epochs,
        disable=None if progress else True,
    )
    with bar:
        for number in bar:
            if patience is not None and course.stale >= patience:
                break
            epoch = _epoch(course, task, number)
            course.history.append(epoch)
            bar.set_postfix(loss=f"{epoch.loss:.3f}", error=f"{epoch.error:.3f}")
            if path is not None:
                course.save(path, stamp)


def _begin(course: Course, task: _Task) -> None:
    """Decide on the precision, and judge the weights that are there, if they may come back."""
    if course.precision == "auto":
        part = task.dataset.train.images[: task.training.batch]
        inputs = normalise(part.to(_device(course.model)), task.dataset)
        course.precision = faster_precision(course.model, inputs)
    if task.training.stop_after is not None:
        course.compare(_watch(course, task)[1])


def _epoch(course: Course, task: _Task, number: int) -> Epoch:
    """Show the network each image once, and look how it does."""
    count, started = len(task.dataset.train), float(course.optimiser.param_groups[0]["lr"])
    loss, wrong = 0.0, 0
    course.model.train()
    for inputs, labels in _batches(task, course.rng, _device(course.model)):
        step_loss, step_wrong = _step(course, task, inputs, labels)
        if not isinstance(course.schedule, ReduceLROnPlateau):
            course.schedule.step()
        loss += step_loss * len(labels) / count
        wrong += step_wrong
    if not math.isfinite(loss):
        raise InputError(
            f"rate: the loss is not finite in epoch {number} at rate {task.training.rate}; "
            "write a smaller one"
        )
    course.passes += (3 if task.teacher is None else 4) * count
    seen = _watch(course, task) if task.training.watching else (None, None)
    if isinstance(course.schedule, ReduceLROnPlateau) and seen[0] is not None:
        course.schedule.step(seen[0])
    if task.training.stop_after is not None and seen[1] is not None:
        course.compare(seen[1])
    return Epoch(number, started, loss, wrong / count, course.passes, *seen)


def _watch(course: Course, task: _Task) -> tuple[float, float]:
    """Measure loss and error on the `search` split, and count it."""
    course.passes += len(task.dataset.search)
    return measured(course.model, task.dataset.search, task.dataset)


def _batches(
    task: _Task, rng: np.random.Generator, device: torch.device
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the inputs and labels of an epoch, each image once, in so many batches."""
    split, augmentation = task.dataset.train, task.augmentation
    for chosen in np.array_split(rng.permutation(len(split)), task.steps):
        batch = split.part(chosen)
        images = batch.images if augmentation is None else augmentation(batch.images, rng)
        yield normalise(images.to(device), task.dataset), batch.labels.to(device)


def _step(
    course: Course, task: _Task, inputs: torch.Tensor, labels: torch.Tensor
) -> tuple[float, int]:
    """Take one step down the loss; return it, and how many images were wrong."""
    halved = course.precision == "bf16"
    with torch.autocast(inputs.device.type, torch.bfloat16, enabled=halved):
        logits = _logits(course.model, inputs)
        with torch.no_grad():
            taught = None if task.teacher is None else _logits(task.teacher, inputs)
    if halved:
        logits, taught = logits.float(), None if taught is None else taught.float()
    loss = loss_of(logits, labels, task.training, taught)
    course.optimiser.zero_grad()
    loss.backward()
    task.held.gradients()
    course.optimiser.step()
    task.held.weights()
    return loss.item(), int((logits.argmax(1) != labels).sum())


def _logits(model: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """Return a network's logits; those of auxiliary heads beside them are left."""
    outputs = model(inputs)
    return outputs[0] if isinstance(outputs, tuple) else outputs


def _checked(
    epochs: int, model: nn.Module, teacher: nn.Module | None, checkpoint: str | Path | None
) -> Path | None:
    """Return the path of the checkpoint; refuse what `Training` does not look at."""
    if epochs < 1:
        raise InputError(f"train: expected epochs from 1 on; got epochs={epochs}")
    if teacher is model:
        raise InputError("teacher: expected another network; write copy.deepcopy(model)")
    if checkpoint is None:
        return None
    path = Path(checkpoint).expanduser()
    if not path.absolute().parent.is_dir():
        raise InputError(f"checkpoint: expected a folder at {path.parent}; make it first")
    return path


def _stamp(course: Course, task: _Task, epochs: int) -> dict[str, Any]:
    """Return what a checkpoint must agree in to be one of this training."""
    sequence = getattr(course.rng.bit_generator, "seed_seq", None)
    return {
        "epochs": epochs,
        "seed": f"{getattr(sequence, 'entropy', '')} {getattr(sequence, 'spawn_key', '')}",
        **asdict(task.training),
        "data": task.dataset.name,
        "images": len(task.dataset.train),
        "augmentation": task.augmentation is not None,
        "teacher": task.teacher is not None,
        "removed": sum(int(removed.sum()) for _, removed in task.held.removed),
        "model": [f"{name} {list(p.shape)}" for name, p in course.model.state_dict().items()],
    }


@contextmanager
def _seeded(rng: np.random.Generator, model: nn.Module) -> Iterator[None]:
    """Seed torch from a generator for the time of the block."""
    device = _device(model)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(int(rng.integers(2**63)))
        yield


@contextmanager
def _lent(teacher: nn.Module | None) -> Iterator[None]:
    """Have the teacher, if any, in evaluation mode for the time of the block."""
    with nullcontext() if teacher is None else modes_kept(teacher):
        if teacher is not None:
            teacher.eval()
        yield


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def error(model: nn.Module, split: Split, dataset: Dataset, *, batch: int = 500) -> float:
    """Return the share of images put into a wrong class, 0 to 1, in evaluation mode.

    Args:
        model: the network; its mode is restored.
        split: the images to judge, such as `dataset.test`.
        dataset: gives mean and deviation.
        batch: images a forward pass.
    """
    return measured(model, split, dataset, batch=batch)[1]


def measured(
    model: nn.Module, split: Split, dataset: Dataset, *, batch: int = 500
) -> tuple[float, float]:
    """Return the mean cross-entropy in nats and the error, as `error` does."""
    device = _device(model)
    loss, wrong = 0.0, 0
    with modes_kept(model), torch.no_grad():
        model.eval()
        for start in range(0, len(split), batch):
            part = split.part(slice(start, start + batch))
            labels = part.labels.to(device)
            logits = model(normalise(part.images.to(device), dataset))
            loss += float(functional.cross_entropy(logits, labels, reduction="sum"))
            wrong += int((logits.argmax(1) != labels).sum())
    return loss / len(split), wrong / len(split)
