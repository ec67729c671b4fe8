"""`evoprune explain RUN`: draw what the neurons look at that a transfer's front agrees on."""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from evoprune.commands.ended import opened, task_of
from evoprune.errors import InputError
from evoprune.network.gradcam import captum
from evoprune.running.rundir import RunDir
from evoprune.running.transfer_settings import Transfer
from evoprune.studies.agreement import by_chance
from evoprune.studies.kept_masks import masks_of
from evoprune.studies.lineage import png
from evoprune.studies.transfer_explaining import agreed, explained_run

PICTURE = "figures/explained.png"


def add(commands: Any) -> None:
    """Declare the command."""
    text = "draw what the neurons look at that the front of a transfer agrees on"
    command = commands.add_parser("explain", help=text, description=f"{text.capitalize()}.")
    add = command.add_argument
    add("run", help="the folder of a transfer that has ended")
    add("--neurons", type=int, default=6, help="that are shown (default: %(default)s)")
    add("--images", type=int, default=5, help="of each neuron (default: %(default)s)")
    add("--threads", type=int, help="threads of torch (default: those of the run)")
    command.set_defaults(call=call)


def call(options: argparse.Namespace) -> int:
    """Draw the picture into the run's folder, and print how much of the front keeps each neuron."""
    folder = RunDir(options.run, resume=True)
    config, _ = opened(folder)
    if not isinstance(config, Transfer):
        raise InputError(
            f"run: expected a transfer, whose genes are neurons, got one of {config.method}; "
            "write a run of `evoprune run transfer`"
        )
    for name in ("neurons", "images", "threads"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"{name}: expected at least 1, got {value}")
    folder.check_writable("run")
    captum()  # which is asked for before the work
    problem = task_of(folder, config, options.threads)
    masks = masks_of(folder, problem.space.size)
    shares = agreed(problem, masks, options.neurons)
    figure, kind = explained_run(problem, folder, shares, count=options.images)
    for place, share in shares.items():
        print(f"{kind} {place:<6} kept by {share:.0%}")
    if config.encoding == "connections":
        print("of connections: the share of a feature's own, over all heads of the front")
    else:
        chance = by_chance(np.stack(masks))[0]
        print(f"by chance, in masks as dense as these, the first would be kept by {chance:.0%}")
    print(f"picture: {folder.write(PICTURE, png(figure))}")
    return 0
