"""The options of `evoprune run emofp` that no other method has."""

from __future__ import annotations

import argparse

from evoprune.methods.emofp_settings import READINGS, SIZES, Emofp


def add_emofp(command: argparse.ArgumentParser) -> None:
    """Declare the options of EMOFP."""
    default, add = Emofp(), command.add_argument
    add("--generations", type=int, default=default.generations, help="(default: %(default)s)")
    add(
        "--bounds",
        type=float,
        nargs=2,
        default=list(default.bounds),
        metavar=("LOW", "HIGH"),
        help="errors between which a mask is feasible; 0 1 for none (default: 0.01 0.7)",
    )
    add(
        "--size",
        default=default.size,
        help=f"what is minimised beside the error: {', '.join(SIZES)} (default: %(default)s)",
    )
    add(
        "--pc",
        type=float,
        default=default.pc,
        help="chance that a pair is crossed (default: %(default)s)",
    )
    add("--pm", type=float, default=default.pm, help="of mutation (default: %(default)s)")
    add(
        "--pm-per",
        default=default.pm_per,
        help=f"what has the chance pm: {' or '.join(READINGS)} (default: %(default)s)",
    )
    add(
        "--picks",
        type=int,
        default=default.picks,
        metavar="K",
        help="networks, evenly along the front, that are fine-tuned (default: %(default)s)",
    )
    add(
        "--keep",
        type=int,
        nargs="+",
        default=[],
        metavar="FILTERS",
        help="in their place: for each number the best network that keeps at most so many",
    )
    add(
        "--epochs",
        type=int,
        default=default.epochs,
        help="of fine-tuning; 0 leaves it out (default: %(default)s)",
    )
    add(
        "--rate",
        type=float,
        default=default.rate,
        help="learning rate of its first step (default: %(default)s)",
    )
    add(
        "--patience",
        type=int,
        default=default.patience,
        metavar="EPOCHS",
        help="without progress that it waits for before the rate falls (default: %(default)s)",
    )
    add(
        "--shift",
        type=int,
        metavar="PIXELS",
        help="by which it shifts its images at most (default: an eighth of their width)",
    )
    add("--distil", action="store_true", help="let it learn from the dense network's outputs too")
    add(
        "--control",
        action="store_true",
        help="train the same structures from random weights too",
    )
    add("--seeded", action="store_true", help="begin with masks cut by norms too")
    add("--guided", action="store_true", help="let the first masks drift along the gradient")
    add("--no-random", dest="random", action="store_false", help="leave out the random search")
