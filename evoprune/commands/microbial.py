"""The options of `evoprune run microbial-ga` alone."""

from __future__ import annotations

import argparse

from evoprune.methods.microbial_settings import COMPUTATIONS, SEARCHES, MicrobialConfig


def add_microbial(command: argparse.ArgumentParser) -> None:
    """Declare them."""
    default, add = MicrobialConfig(), command.add_argument
    add("--algorithm", default=default.algorithm, help=" or ".join(SEARCHES))
    add(
        "--lambdas",
        type=float,
        nargs="+",
        metavar="LAMBDA",
        default=list(default.lambdas),
        help="weights of error, computation and density; they sum to 1 (default: 0.3 0.4 0.3)",
    )
    add("--table1", action="store_true", help="search once for each of the paper's four settings")
    for option, kind, text in (
        ("best", int, "K, how many are parents"),
        ("mating", float, "Pc, chance that a pair is crossed"),
        ("filter-rate", float, "Pmc, chance that a filter is removed"),
        ("weight-rate", float, "Pmf, chance that a weight of a Linear layer is"),
        ("every", int, "T, generations from one retraining to the next"),
        ("generations", int, "at most"),
        ("tolerance", float, "by which a block has to better the fitness"),
        ("patience", int, "blocks that may fail to, then it ends"),
        ("max-error", float, "with nsga2: of a network that may survive"),
        ("retrain-epochs", int, "of a retraining"),
        ("final-epochs", int, "of the retraining at the end"),
        ("rate", float, "learning rate of both"),
        ("shift", int, "pixels by which both shift their images at most"),
        ("distillation", float, "at the end: how much is learnt from the dense network, 0 to 1"),
    ):
        value = getattr(default, option.replace("-", "_"))
        add(f"--{option}", type=kind, default=value, help=f"{text} (default: %(default)s)")
    add("--retrain-images", type=int, help="of a retraining, drawn anew each time (default: all)")
    add(
        "--retrain-all",
        action="store_true",
        help="retrain the elites of all blocks at the end, not the last one alone",
    )
    add(
        "--no-controls",
        dest="controls",
        action="store_false",
        help="train no networks of random genes beside those retrained at the end",
    )
    add(
        "--computation",
        default=default.computation,
        help=f"whose multiply-adds count: {' or '.join(COMPUTATIONS)} (default: %(default)s)",
    )
