"""The last step of EMOFP: a few networks of the front are cut out and trained further.

Which ones (`evenly`, `at_most`), and what becomes of each (`fine_tuned`). A network is kept as soon
as it is there, and a training that was stopped goes on from its last epoch.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evoprune.methods.emofp_settings import Emofp
from evoprune.methods.fronts import Solution
from evoprune.network.course import save
from evoprune.network.optimising import Training
from evoprune.network.recipe import recipe_of
from evoprune.network.surgery import shrink
from evoprune.network.training import train
from evoprune.passes import Passes
from evoprune.running.problem import Problem, augmenting
from evoprune.running.run import Run

FALLING = Training(schedule="plateau", factor=0.3, patience=1)  # the paper says that it falls


@dataclass(frozen=True)
class Tuned:
    """A network after its training.

    Attributes:
        network: cut, in evaluation mode.
        epochs: that it was trained for.
        passes: image passes of the training.
    """

    network: nn.Module
    epochs: int
    passes: int


@dataclass
class FilterOutcome:
    """What a run found.

    Attributes:
        front: the networks that none beats, sparsest first; a place is the id of a row.
        random: the same of a random search of as many passes; empty if there was none.
        dense_error: of the dense network on the search images.
        tuned: what became of those that were picked, by their place.
        controls: of their structures with random weights.
        remarks: what was asked for and could not be had, a line each.
    """

    front: list[Solution]
    random: list[Solution]
    dense_error: float
    tuned: dict[int, Tuned] = field(default_factory=dict)
    controls: dict[int, Tuned] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def evenly(count: int, picks: int) -> list[int]:
    """Return places on a sorted front, evenly spaced, both ends among them; of one the middle.

    Args:
        count: networks on the front, at least 1.
        picks: how many to take; all if there are no more.

    >>> evenly(9, 3), evenly(9, 1), evenly(2, 3)
    ([0, 4, 8], [4], [0, 1])
    """
    if picks == 1:
        return [(count - 1) // 2]
    return np.linspace(0, count - 1, min(picks, count)).round().astype(int).tolist()


def at_most(front: Sequence[Solution], kept: int) -> int | None:
    """Return the place of the best network with at most so many filters, None if there is none."""
    inside = [place for place, one in enumerate(front) if np.count_nonzero(one.mask) <= kept]
    return min(inside, key=lambda place: front[place].value, default=None)


def fine_tuned(
    problem: Problem,
    mask: np.ndarray,
    file: Path | None,
    *,
    epochs: int,
    training: Training,
    seed: int,
    shift: int | None = None,
    distil: bool = False,
    control: bool = False,
    progress: bool = True,
) -> Tuned:
    """Cut a network out, train it further with augmented images, and keep it.

    Args:
        problem: its space cuts, its `train` split trains, its `search` split tells progress; the
            passes are counted there.
        mask: over all genes, bool.
        file: where the trained network is kept, or has been already; None keeps none.
        epochs: at most.
        training: optimiser, rate, schedule.
        seed: of the order of the images: all networks of a run see the same.
        shift: pixels by which images are shifted at most; an eighth of their width if None.
        distil: whether the dense network's outputs are a part of the goal.
        control: whether to begin with random weights: the paper's table 9.
        progress: show a bar, where the output is a terminal.
    """
    space = problem.space
    cut = space.cut(mask)
    network = shrink(space.model, cut).eval()
    if control:
        network = renewed(network, seed=seed)
    checkpoint = None if file is None else file.with_suffix(".checkpoint")
    content: dict[str, Any] = {}
    if file is not None and file.exists():
        content = torch.load(file, map_location="cpu", weights_only=True)
        network.load_state_dict(content["state_dict"])
    else:
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        passes = Passes()
        history = train(
            network,
            problem.data,
            epochs=epochs,
            rng=np.random.default_rng(seed),
            training=training,
            augmentation=augmenting(problem.data, shift=shift),
            teacher=space.model if distil else None,
            checkpoint=checkpoint,
            passes=passes,
            progress=progress,
        )
        content = {"epochs": len(history), "passes": int(passes["training"])}
        if file is not None:
            state = {key: value.cpu().contiguous() for key, value in network.state_dict().items()}
            made = {"state_dict": state, "recipe": recipe_of(space.model, cut), **content}
            save(made, file, argument="out")
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    problem.passes["training"] += content["passes"]
    return Tuned(network.eval(), content["epochs"], content["passes"])


def renewed(network: nn.Module, *, seed: int) -> nn.Module:
    """Return a network of the same shape with the random weights that torch's layers begin with."""
    fresh = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for module in fresh.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
    return fresh.eval()


def fine_tune(outcome: FilterOutcome, problem: Problem, config: Emofp, run: Run) -> None:
    """Train the picks further, and their controls, and put them into the outcome."""
    if config.epochs == 0:
        return
    folder = None if run.directory is None else run.directory.path
    training = replace(
        FALLING,
        rate=config.rate,
        patience=config.patience,
        stop_after=config.epochs,  # the best come back
    )
    kinds = {"tuned": outcome.tuned} | ({"control": outcome.controls} if config.control else {})
    for place in picked(outcome, config):
        for kind, found in kinds.items():
            found[place] = fine_tuned(
                problem,
                outcome.front[place].mask,
                folder and folder / kind / f"{place}.pt",
                epochs=config.epochs,
                training=training,
                seed=config.seed,
                shift=config.shift,
                distil=config.distil,
                control=kind == "control",
                progress=run.bar,
            )


def picked(outcome: FilterOutcome, config: Emofp) -> list[int]:
    """Return the places of the picks; what cannot be had becomes a remark."""
    front, remarks = outcome.front, outcome.remarks
    if not config.keep:
        if config.picks > len(front):
            remarks.append(
                f"picks: expected at most {len(front)}, the size of the front, got "
                f"{config.picks}: all are taken"
            )
        return evenly(len(front), config.picks)
    places = set()
    for count in config.keep:
        place = at_most(front, count)
        if place is None:
            least = np.count_nonzero(front[0].mask)
            remarks.append(
                f"keep: none of the front keeps at most {count} filters; its least is {least}"
            )
        else:
            places.add(place)
    return sorted(places)
