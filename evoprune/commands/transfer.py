"""The options of `evoprune run transfer` alone."""

from __future__ import annotations

import argparse

from evoprune.evaluation.heads import ERRORS
from evoprune.evaluation.outofdistribution import SCORES
from evoprune.running.transfer_settings import ALGORITHMS, EMBEDDED, SCHEDULES, SHORT, Transfer
from evoprune.space.heads import ENCODINGS


def add_transfer(command: argparse.ArgumentParser) -> None:
    """Declare them."""
    default, add = Transfer(), command.add_argument
    command.set_defaults(data="")  # where it is not named, the whole embedded task is taken
    add("--source", help="what the backbone is trained on if it has no --weights")
    add(
        "--foreign",
        nargs="+",
        default=[],
        metavar="DATA",
        help="data sets of out-of-distribution images that candidates are judged on",
    )
    add(
        "--unseen",
        nargs="+",
        default=[],
        metavar="DATA",
        help="others, for the final figures alone",
    )
    add("--layer", help="of the backbone that gives the features (default: what the last reads)")
    add("--image-size", type=int, help="pixels that images are brought to (default: the source's)")
    add("--train-images", type=int, help="that heads learn from (default: all)")
    add("--features", metavar="FOLDER", help="where computed features are kept (default: the run)")
    for option, text, known in (
        ("encoding", "what a bit keeps", ENCODINGS),
        ("algorithm", "NSGA-II with two offspring a step, or as many as parents", ALGORITHMS),
        ("schedule", "how heads are trained", SCHEDULES),
        ("measure", "of the mistakes on own images, which is minimised", ERRORS),
        ("score", "that tells foreign images", SCORES),
    ):
        value = getattr(default, option)
        add(f"--{option}", default=value, help=f"{text}: {' or '.join(known)} (default: {value})")
    for option, kind, text in (
        ("pool", int, "cells along each side that maps are averaged over, a feature each"),
        ("units", int, "of the hidden layer"),
        ("evaluations", int, "heads that are judged in all"),
        ("perturbation", float, "size of ODIN's step through the backbone; 0 leaves it out"),
    ):
        value = getattr(default, option)
        add(f"--{option}", type=kind, default=value, help=f"{text} (default: %(default)s)")
    add("--epochs", type=int, help="of a head's training, at most (default: the schedule's)")
    add("--rate", type=float, help="of a head's learning (default: the schedule's)")
    add("--batch", type=int, help="images a step (default: the schedule's)")
    add("--guided", action="store_true", help="ask the dense head what each gene matters")
    add("--inherit", action="store_true", help="begin with the weights of the dense head")
    add(
        "--no-controls",
        dest="controls",
        action="store_false",
        help="train no random and no l1-ranked masks beside the search",
    )
    told = [
        f"--{name} {value if isinstance(value, str) else ' '.join(value)}"
        for name, value in EMBEDDED.items()
    ]
    command.epilog = f"Without --data: {' '.join(told)} --epochs {SHORT}"
