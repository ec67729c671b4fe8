"""The options of `evoprune run METHOD` that all methods share, and how they become settings."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from evoprune.network.backbones import DOWNLOAD
from evoprune.network.importance import SCORES
from evoprune.running import plugins
from evoprune.running.config import GENES, MaskSettings, Settings

OWN = {
    "mate": "crossover of the masks",
    "mutate": "mutation of the masks",
    "init": "what makes the first masks",
    "select": "what chooses the survivors",
}
PATHS = ("weights", "data_root", "baselines_from", "features", "out")
DATA = ("data", "source", "foreign", "unseen")  # names of data sets, one or several


def add_settings(command: argparse.ArgumentParser, default: Settings) -> None:
    """Declare the options of all methods, with a method's defaults."""
    add = command.add_argument
    add("--model", default=default.model, help="network (default: %(default)s)")
    add("--weights", help="checkpoint; without one the network is trained first")
    text = f"data set, or folder:PATH (default: {default.data})"  # which a method may put off
    add("--data", default=default.data, help=text)
    add("--data-root", help="folder of the data sets (default: EVOPRUNE_DATA)")
    add("--download", action="store_true", help="let torchvision fetch the data set")
    add("--population", type=int, default=default.population, help="(default: %(default)s)")
    add("--passes", type=int, help="image passes from which on no generation begins")
    add(
        "--search-images",
        type=int,
        default=default.search_images,
        help="images that judge a candidate (default: all)",
    )
    for slot, text in OWN.items():
        add(f"--{slot}", metavar="OPERATOR", help=f"{text}: a name, or FILE.py:NAME")
        add(
            f"--{slot}-arg",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="a setting of it, such as rate=0.01; may be given again",
        )
    add("--lineage", action="store_true", help="write down who made whom")
    add("--threads", type=int, help="threads of torch (default: torch's own)")
    add("--seed", type=int, default=default.seed, help="(default: %(default)s)")
    add("--device", default=default.device, help="(default: %(default)s)")
    add("--out", default=default.out, help="folder of the run (default: %(default)s)")
    add("--trust-pickle", action="store_true", help="load a checkpoint that needs unpickling")


def add_mask_settings(command: argparse.ArgumentParser, default: MaskSettings) -> None:
    """Declare the options of the methods that search masks of a trained network."""
    add = command.add_argument
    add(
        "--genes",
        default=default.genes,
        help=f"what a bit keeps: {', '.join(GENES)} (default: %(default)s)",
    )
    add("--include", nargs="+", metavar="LAYER", help="names or types of the layers to prune")
    add("--exclude", nargs="+", metavar="LAYER", help="names or types of layers to leave alone")
    add(
        "--recalibrate",
        type=float,
        nargs="?",
        const=1.0,
        default=default.recalibrate,
        metavar="STRENGTH",
        help="renew BatchNorm statistics for each candidate; strength 0 to 1",
    )
    add(
        "--measure",
        default=default.measure,
        help="what is minimised beside the size: error, soft_error or FILE.py:NAME "
        "(default: %(default)s)",
    )
    add(
        "--importance",
        default=default.importance,
        help=f"that scores the genes of masks: {', '.join(SCORES)} or FILE.py:NAME",
    )
    add("--precision", default=default.precision, help="of the search: fp32, bf16 or auto")
    add(
        "--no-early",
        dest="early",
        action="store_false",
        help="judge every candidate to its last image, also where its fate is decided",
    )
    add("--memory", type=float, metavar="MB", help="that activations of a pass may take")


def settings_of(options: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that a command line asks for; paths are made absolute.

    A run may be resumed from elsewhere.
    """
    settings = {k: v for k, v in vars(options).items() if k != "call"}
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}
    if isinstance(settings.get("generations"), tuple) and len(settings["generations"]) == 1:
        settings["generations"] *= 2  # one number for both phases
    settings["data_root"] = settings["data_root"] or os.environ.get("EVOPRUNE_DATA")
    for name in PATHS:
        if settings.get(name) and settings[name] != DOWNLOAD:
            settings[name] = absolute(settings[name])
    for name in DATA:
        if settings.get(name):
            settings[name] = absolute_data(settings[name])
    for slot in OWN:
        settings[f"{slot}_args"] = plugins.settings(settings.pop(f"{slot}_arg")) or None
    for name in (*OWN, "measure", "importance"):
        if settings.get(name):
            settings[name] = plugins.absolute(settings[name])
    return settings


def absolute_data(names: Any) -> Any:
    """Return the name of a data set, or a tuple of them, folders by their absolute path."""
    if isinstance(names, tuple):
        return tuple(map(absolute_data, names))
    kind, _, path = names.partition(":")
    return f"folder:{absolute(path)}" if kind == "folder" else names


def absolute(path: str) -> str:
    """Return a path that means the same from everywhere."""
    return str(Path(path).expanduser().absolute())
