"""`evoprune train --out FILE.pt`: train a network from scratch, with the search's images held back.

The file holds the weights and a note on how they were made, by which a later run knows that the
`search` split was not trained on.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import torch

from evoprune.errors import InputError
from evoprune.network import datasets, models, training
from evoprune.network.course import save
from evoprune.network.optimising import OPTIMISERS, PRECISIONS, SCHEDULES, Training
from evoprune.running.config import MaskSettings
from evoprune.running.device import usable_device
from evoprune.running.fitting import check_fit
from evoprune.running.problem import EPOCHS, augmenting
from evoprune.seeding import Streams


def add(commands: Any) -> None:
    """Declare the command."""
    text = "train a network from scratch, for a search to come"
    command = commands.add_parser("train", help=text, description=f"{text.capitalize()}.")
    add, default = command.add_argument, Training()
    add("--model", default="digits-cnn", help="network (default: %(default)s)")
    add("--data", default="digits", help="data set, or folder:PATH (default: %(default)s)")
    add("--data-root", help="folder of the data sets (default: EVOPRUNE_DATA)")
    add("--download", action="store_true", help="let torchvision fetch the data set")
    add("--out", required=True, metavar="FILE.pt", help="the weights; must not be there yet")
    add("--epochs", type=int, default=EPOCHS, help="(default: %(default)s)")
    for name, words in (
        ("rate", "learning rate of the first step"),
        ("batch", "images a step"),
        ("momentum", "of SGD"),
        ("weight-decay", "of all parameters"),
        ("factor", "that a plateau multiplies the rate by"),
        ("patience", "epochs that a plateau is waited on"),
        ("label-smoothing", "share of a label that is spread over all classes"),
    ):
        value = getattr(default, name.replace("-", "_"))
        add(f"--{name}", type=type(value), default=value, help=f"{words} (default: %(default)s)")
    for name, known in (
        ("optimiser", OPTIMISERS),
        ("schedule", SCHEDULES),
        ("precision", PRECISIONS),
    ):
        text = f"one of: {', '.join(known)} (default: %(default)s)"
        add(f"--{name}", default=getattr(default, name), help=text)
    add(
        "--stop-after",
        type=int,
        metavar="EPOCHS",
        help="without a smaller error on the search split; the best weights are kept",
    )
    add(
        "--augment",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="shift the images, and mirror those that may be (default: yes)",
    )
    add("--checkpoint", metavar="FILE", help="written after each epoch; gone on from if there")
    add("--seed", type=int, default=0, help="(default: %(default)s)")
    add("--device", default="cpu", help="(default: %(default)s)")
    add("--threads", type=int, help="threads of torch (default: torch's own)")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> int:
    """Train, write the file, and print the errors on the three splits."""
    settings = Training(
        **{f.name: getattr(options, f.name) for f in fields(Training) if hasattr(options, f.name)}
    )
    path, streams = checked(options.out), Streams(options.seed)
    if options.threads is not None:
        if options.threads < 1:
            raise InputError(f"threads: expected at least 1, got {options.threads}")
        torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    data, model = _material(options)
    training.train(
        model,
        data,
        epochs=options.epochs,
        rng=streams.torch,
        training=settings,
        augmentation=augmenting(data) if options.augment else None,
        checkpoint=options.checkpoint,
    )
    splits = {"train": data.train, "search": data.search, "test": data.test}
    errors = {f"{split}_error": training.error(model, splits[split], data) for split in splits}
    note = {
        "model": options.model,
        "data": data.name,
        "held_back": True,
        "epochs": options.epochs,
        "seed": options.seed,
        "augment": options.augment,
        "training": asdict(settings),
        **errors,
    }
    state = {key: value.cpu().contiguous() for key, value in model.state_dict().items()}
    save({"state_dict": state, "evoprune": note}, path, argument="out")
    for split, images in splits.items():
        print(f"{split:7}{len(images):>7,} images  error {errors[f'{split}_error']:.4f}")
    print(f"weights: {path}")
    return 0


def _material(options: argparse.Namespace) -> tuple[datasets.Dataset, torch.nn.Module]:
    """Return the images and the untrained network."""
    device, name = usable_device(options.device), options.data
    if name.startswith("folder:"):  # with its whole path, so that it is known again
        name = f"folder:{Path(name.removeprefix('folder:')).expanduser().absolute()}"
    root = options.data_root or os.environ.get("EVOPRUNE_DATA")
    data = datasets.load(name, root=root, search_from="train", download=options.download)
    shape = data.train.images.shape
    model = models.build(
        options.model,
        classes=len(data.classes),
        channels=shape[1],
        image_size=shape[-1],
        seed=options.seed,
    )
    check_fit(MaskSettings(data=name), model, data, name=options.model)
    return data, model.to(device)


def checked(out: str) -> Path:
    """Return the path of a file that can be written and is not there.

    Raises:
        InputError: if it is there, or its folder is absent or cannot be written to.
    """
    path = Path(out).expanduser().absolute()
    if path.exists():
        raise InputError(f"out: {path} is there already; name another file")
    if not path.parent.is_dir():
        raise InputError(f"out: expected a folder, found none at {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"out: cannot write to {path.parent}; name another folder")
    return path
