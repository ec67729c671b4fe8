"""Export one network of a run: its mask, the weights that it was judged with, its errors anew.

Start reading at `export_row`. What it writes stands on the figures of front.csv: the network that
is read from the file is judged on the test split, and has to come to the error that stands there.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network import recipe, surgery
from evoprune.network.certificate import ExportError
from evoprune.network.export import export
from evoprune.network.latency import Network
from evoprune.network.masks import recalibrate
from evoprune.network.surgery import Cut
from evoprune.network.unused import unused
from evoprune.running.config import Settings
from evoprune.running.problem import Problem
from evoprune.running.rundir import RunDir
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import Bits
from evoprune.space.rounding import rounded
from evoprune.studies.kept_masks import mask_of

PROBES = 64  # images that outputs are compared on
JUDGED = 250  # images a forward pass
SLACK = 0.001  # of the images: outputs that were rounded elsewhere may swap two near classes


@dataclass(frozen=True)
class Picked:
    """A network of a front, ready to be written.

    Attributes:
        masked: the network of the old size, with zeros, as it computes.
        cut: what of it may be taken out; empty where it is to keep its size.
        told: for the certificate: whose weights these are, and what was done to them.
        known_error: on the test split, as the run measured it; None where it has not.
    """

    masked: nn.Module
    cut: Cut
    told: dict[str, Any] = field(default_factory=dict)
    known_error: float | None = None


def export_row(
    problem: Problem,
    config: Settings,
    folder: RunDir,
    row: Mapping[str, Any],
    out: str | Path,
    **how: Any,
) -> dict[str, Any]:
    """Write the network of a row of a run's front into a new folder.

    Args:
        problem: the run's task, as `prepare` builds it.
        config: the run's settings.
        folder: the run's.
        row: of front.csv.
        out: the new folder.
        how: `to`, `shrink`, `round_to`, `tuned` and `timing`, as in `export_pick`.

    Returns:
        The certificate.

    Raises:
        InputError: as `export_pick` does; or if the masks are of another network.
        ExportError: as `export_pick` does.
    """
    shape = problem.data.train.images.shape
    network = {
        "name": config.model,
        "classes": len(problem.data.classes),
        "channels": int(shape[1]),
        "image_size": int(shape[-1]),
    }
    mask = mask_of(row, folder, problem.space.size)
    return export_pick(problem, folder, row, mask, out, network=network, **how)


def export_pick(
    problem: Problem,
    folder: RunDir,
    row: Mapping[str, Any],
    mask: Bits,
    out: str | Path,
    *,
    to: str = "state-dict",
    shrink: bool = False,
    round_to: int | None = None,
    tuned: bool = True,
    network: Mapping[str, Any] | None = None,
    timing: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """Write a network of a run's front, with recipe and certificate, into a new folder.

    Args:
        problem: the run's task, as `prepare` builds it.
        folder: the run's; tuned/ID.pt is taken from it.
        row: of front.csv.
        mask: of that row, over all genes.
        out: the new folder.
        to: "state-dict", "torch-export" or "onnx".
        shrink: whether to take out what is not kept; else there are zeros in its place.
        round_to: put channels back until widths are multiples of it.
        tuned: whether to take fine-tuned weights where the run has kept some.
        network: how `models.build` makes the dense network.
        timing: `batch` and `runs` of the measured latency.

    Returns:
        The certificate.

    Raises:
        InputError: if the network has not what was asked for, such as channels to take out.
        ExportError: if what was written does not agree with the masked network, or with front.csv.
    """
    tuning = tuned_weights(folder, row) if tuned else None
    probes = problem.images(problem.data.search.images[:PROBES])
    if tuning is not None:
        picked = _fine_tuned(problem, row, mask, tuning, round_to=round_to)
    else:
        picked = _as_searched(problem, row, mask, round_to=round_to)
    cut = _removable(problem, picked, probes, row) if shrink else {}
    told = {"id": int(row["id"]), "genes": problem.space.unit, **picked.told}
    return export(
        problem.space.model,
        cut,
        out,
        images=probes,
        to=to,
        shrink=shrink,
        masked=picked.masked,
        network=network,
        timing=timing,
        also=lambda read: {**told, "error": errors(problem, read, picked.known_error)},
    )


def _as_searched(
    problem: Problem, row: Mapping[str, Any], mask: Bits, *, round_to: int | None
) -> Picked:
    """Return the network of a mask with the dense network's weights, as the front was judged."""
    space, known = problem.space, float(row["test_error"])
    told: dict[str, Any] = {"weights": "of the dense network"}
    if round_to is not None:
        mask, before = _rounded(problem, mask, round_to), mask
        told |= {"rounded_to": round_to, "put_back": int(mask.sum() - before.sum())}
    told["density"] = space.density(mask)
    cut = space.cut(mask)
    masked = surgery.apply(space.model, cut, permanent=True)
    if problem.recalibration is not None:
        batches, strength = problem.recalibration.batches, problem.recalibration.strength
        recalibrate(masked, batches, strength=strength)
        told["recalibrated"] = {"strength": strength, "images": problem.recalibration.images}
    return Picked(masked, cut, told, None if told.get("put_back") else known)


def _rounded(problem: Problem, mask: Bits, multiple: int) -> Bits:
    if not isinstance(problem.space, FilterSpace):
        raise InputError("round-to: expected a run on filters, got one on weights; leave it out")
    return rounded(problem.space, mask, multiple)


def _fine_tuned(
    problem: Problem,
    row: Mapping[str, Any],
    mask: Bits,
    tuning: Mapping[str, Any],
    *,
    round_to: int | None,
) -> Picked:
    """Return the network of a mask with the weights that the run fine-tuned for it."""
    if round_to is not None:
        raise InputError(
            f"round-to: network {row['id']:.0f} was fine-tuned at widths of its own; leave the "
            "option out, or write --no-tuned"
        )
    model, kept = problem.space.model, tuning["recipe"]
    small = recipe.rebuild(model, kept, tuning["state_dict"])
    masked = recipe.widened(model, recipe.cut_in(kept, model), small)
    told = {"weights": "fine-tuned", "density": problem.space.density(mask)}
    known = tuning.get("test_error")
    return Picked(masked, problem.space.cut(mask), told, None if known is None else float(known))


def tuned_weights(folder: RunDir, row: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a run has kept of the fine-tuning of a network; None if nothing.

    Raises:
        InputError: if the file is there and is something else.
    """
    path = folder.path / "tuned" / f"{row['id']:.0f}.pt"
    if not path.exists():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError):
        content = None
    if not isinstance(content, dict) or not {"state_dict", "recipe"} <= set(content):
        raise InputError(f"run: {path} holds no fine-tuned network; write --no-tuned")
    return content


def _removable(
    problem: Problem, picked: Picked, probes: torch.Tensor, row: Mapping[str, Any]
) -> Cut:
    """Return what can be taken out: the filters that are gone, or that lost every weight."""
    if isinstance(problem.space, FilterSpace):
        return picked.cut
    cut = unused(picked.masked, probes)
    if not cut:
        raise InputError(
            f"shrink: network {row['id']:.0f} lost single weights, but no filter lost all of its; "
            "leave the option out to export zeros, or search with --genes filters"
        )
    return cut


def errors(problem: Problem, network: Network, known: float | None) -> dict[str, Any]:
    """Return the errors of a network that was read from its file.

    Args:
        problem: its images, normalised.
        network: runs on the CPU.
        known: what the test error has to be, up to `SLACK`; None if nobody knows.

    Raises:
        ExportError: if it is not.
    """
    search, test = (_error(problem, network, split) for split in ("search", "test"))
    count = len(problem.data.test)
    if known is not None:
        check_same("test error", test, known, count)
    told = {"search": search, "test": test, "search_images": len(problem.data.search)}
    return {**told, "test_images": count, "test_in_run": known}


def check_same(what: str, value: float, known: float, count: int) -> None:
    """Refuse a share of images that is another than the run's; one image may always differ.

    Args:
        what: it is, for the complaint.
        value: of the file's network.
        known: as the run measured it.
        count: images that it is a share of.

    Raises:
        ExportError: if more than `SLACK` of them differ.
    """
    if round(abs(value - known) * count) > max(1, SLACK * count):
        raise ExportError(
            f"certificate: the {what} is {value:.4f}, the run measured {known:.4f}; weights, "
            "data or versions may have changed since; nothing was written"
        )


def _error(problem: Problem, network: Network, split: str) -> float:
    """Return the error on a split; 1 if an output is not finite."""
    part, wrong = getattr(problem.data, split), 0
    with torch.no_grad():
        for start in range(0, len(part), JUDGED):
            some = part.part(slice(start, start + JUDGED))
            logits = network(problem.images(some.images).cpu())
            if not torch.isfinite(logits).all():
                return 1.0
            wrong += int((logits.argmax(1) != some.labels).sum())
    return wrong / len(part)
