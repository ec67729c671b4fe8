"""Export one head of a transfer with its backbone: one network, from normalised images to logits.

Start reading at `export_row`. The head is written narrow, as it was trained. The network that is
read from the file is judged on own and foreign images, and has to come to what front.csv says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evoprune.errors import InputError, said
from evoprune.evaluation.heads import Answers, judged
from evoprune.evaluation.outofdistribution import SCORES, stepped
from evoprune.network.checkpoints import content_of, state_dict_in
from evoprune.network.cost import macs_by_layer
from evoprune.network.export import Versions, write
from evoprune.network.heads import Head, fresh_head, widened_head
from evoprune.network.latency import Network
from evoprune.network.recipe import OWN_RANGE, recipe_of
from evoprune.network.transferred import head_entry
from evoprune.running.growing import standardise
from evoprune.running.rundir import RunDir
from evoprune.running.transfer_settings import Transfer
from evoprune.running.transferring import TransferProblem
from evoprune.space.heads import Bits
from evoprune.studies.exporting import JUDGED, PROBES, check_same
from evoprune.studies.kept_masks import mask_of


def export_row(
    problem: TransferProblem,
    config: Transfer,
    folder: RunDir,
    row: Mapping[str, Any],
    out: str | Path,
    *,
    to: str = "state-dict",
    round_to: int | None = None,
    timing: Mapping[str, int] | None = None,
    **masked: Any,
) -> dict[str, Any]:
    """Write backbone and head of a row of a transfer's front into a new folder.

    Args:
        problem: the run's task, as `prepare_transfer` builds it.
        config: the run's settings.
        folder: the run's; heads/ID.pt is taken from it, and features that it keeps.
        row: of front.csv.
        out: the new folder.
        to: "state-dict", "torch-export" or "onnx".
        round_to: refused: a head has no channels that could be put back.
        timing: `batch` and `runs` of the measured latency.
        masked: what is asked of masked networks alone: `shrink`, as a head is narrow in any case,
            and `tuned`, as it is trained in any case.

    Returns:
        The certificate.

    Raises:
        InputError: if the run's files do not fit together, or widths are to be rounded.
        ExportError: if what was written does not agree with front.csv, or with itself.
    """
    if round_to is not None:
        raise InputError("round-to: expected a run on filters, got one on heads; leave it out")
    mask = mask_of(row, folder, problem.space.size)
    head = trained_head(problem, folder, row, mask).to(config.device)
    standardise(problem, folder.path)
    probes = problem.images(problem.data.search.images[:PROBES])
    told = {
        "id": int(row["id"]),
        "genes": problem.space.unit,
        "density": problem.space.density(mask),
        "weights": "of the trained head",
        "classes": list(problem.data.classes),
        "images": dict(zip(("mean", "deviation"), problem.normal, strict=True)),
    }
    return write(
        versions(problem, head, mask),
        out,
        images=probes,
        to=to,
        timing=timing,
        also=lambda read: told | certified(problem, read, head, row),
    )


def trained_head(
    problem: TransferProblem, folder: RunDir, row: Mapping[str, Any], mask: Bits
) -> Head:
    """Return the head of a row, narrow, with the weights that the run trained.

    Raises:
        InputError: if the file is gone or damaged, or is not of this mask.
    """
    features, units, _ = problem.space.parts(mask)
    read = np.flatnonzero(features)
    head = Head(len(read), int(units.sum()), len(problem.data.classes), read)
    path = folder.path / "heads" / f"{row['id']:.0f}.pt"
    state = {"chosen": torch.from_numpy(read), **state_dict_in(content_of(path), path)}
    try:
        head.load_state_dict(state)
    except RuntimeError as cause:
        raise InputError(f"run: {path} is no head of this mask: {said(cause)}") from cause
    if not np.array_equal(state["chosen"], np.flatnonzero(features)):
        raise InputError(f"run: {path} reads other features than this mask keeps")
    if features.all():
        head.chosen = None  # nothing is left to choose
    return head.eval()


def versions(problem: TransferProblem, head: Head, mask: Bits) -> Versions:
    """Return the network with a whole head, with a narrow one, and with zeros in place of the rest.

    Args:
        problem: its standard is known.
        head: narrow, trained.
        mask: that it is of.
    """
    features, units, _ = problem.space.parts(mask)
    whole = fresh_head(len(features), len(units), len(problem.data.classes), seed=0)
    backbone, config = architecture_of(problem), problem.config
    recipes = [
        recipe_of(problem.model, {}, network=backbone)
        | {"head": head_entry(one, features=len(features), layer=config.layer, pool=config.pool)}
        for one in (whole, head)
    ]
    return Versions(
        problem.network(whole),
        problem.network(widened_head(head, features, units)),
        problem.network(head),
        (recipes[0], recipes[1]),
    )


def architecture_of(problem: TransferProblem) -> dict[str, Any]:
    """Return how `models.build` makes the backbone, as a recipe says it."""
    channels, size = problem.form
    with torch.no_grad():
        classes = problem.model(problem.images(problem.data.search.images[:1])).shape[1]
    said = {
        "name": problem.config.model,
        "classes": classes,
        "channels": channels,
        "image_size": size,
    }
    own = getattr(problem.model, OWN_RANGE, None)
    return said if own is None else said | {OWN_RANGE: own}


def certified(
    problem: TransferProblem, read: Network, head: Head, row: Mapping[str, Any]
) -> dict[str, Any]:
    """Return errors and misranked shares of a network that was read from its file.

    Args:
        problem: its images.
        read: runs on the CPU.
        head: the run's own: where scores perturb the images, they take the step that it says.
        row: of front.csv, what they have to be.

    Raises:
        ExportError: if one is not what the run measured.
    """
    told: dict[str, dict[str, Any]] = {"error": {}, "misranked": {}}
    for split in ("search", "test"):
        known = split == "search" or not problem.unseen
        own, foreign = problem.sides(split, known=known)
        answers = answers_of(problem, read, head, own.images, foreign)
        for name, value in zip(told, judged(answers, own.labels), strict=True):
            what = "1-AUROC" if name == "misranked" else name
            check_same(f"{split} {what}", value, row[f"{split}_{name}"], len(own))
            told[name][split] = value
        told["error"][f"{split}_images"] = len(own)
        others = problem.foreign if known else problem.unseen
        told["misranked"][f"{split}_foreign"] = [data.name for data in others]
    for name, values in told.items():
        values["test_in_run"] = row[f"test_{name}"]
    return {**told, "score": problem.config.score}


def answers_of(
    problem: TransferProblem,
    read: Network,
    head: Head,
    own: torch.Tensor,
    foreign: Sequence[torch.Tensor],
) -> Answers:
    """Ask a network from a file about own and foreign images, which are as they came."""
    config, network = problem.config, problem.network(head)

    def asked(raw: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits, and those after the step of the score."""
        images = problem.images(raw)
        logits = read(images.cpu())
        if config.perturbation <= 0:
            return logits, logits
        return logits, read(stepped(network, images, config.perturbation).cpu())

    kinds = []
    for some in ([own], foreign):
        with torch.no_grad():
            parts = [asked(raw) for images in some for raw in images.split(JUDGED)]
        logits, scored = (torch.cat(each) for each in zip(*parts, strict=True))
        kinds += [logits.numpy(), SCORES[config.score](scored).numpy()]
    return Answers(*kinds)


def sized(
    rows: Sequence[Mapping[str, Any]], problem: TransferProblem, folder: RunDir
) -> list[dict[str, Any]]:
    """Return the rows with the shares of MACs and parameters that backbone and head come to."""
    channels, size = problem.form
    trunk, classes = problem.trunk, len(problem.data.classes)
    macs = sum(macs_by_layer(trunk, (channels, size, size)).values())
    params = sum(parameter.numel() for parameter in trunk.parameters())
    dense = int(folder.read_json("summary.json")["dense"]["weights"])
    return [
        {
            "macs": (macs + row["weights"] - classes) / (macs + dense - classes),  # less the biases
            "params": (params + row["weights"]) / (params + dense),
            **row,
        }
        for row in rows
    ]
