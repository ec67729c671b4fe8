"""What the neurons look at that the front of a transfer agrees on, drawn from its run folder.

Start reading at `explained_run`; `explained` does the drawing for any neurons.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure

from evoprune.network.backbones import brought
from evoprune.network.gradcam import lookers
from evoprune.running.growing import grow, standardise
from evoprune.running.rundir import RunDir
from evoprune.running.transferring import TransferProblem
from evoprune.space.heads import Bits
from evoprune.studies.agreement import frequency
from evoprune.studies.explained import explained


def agreed(problem: TransferProblem, masks: Sequence[Bits], count: int) -> dict[int, float]:
    """Return the neurons that most of a front keeps, and what share of it keeps them.

    A single connection is no neuron: of these the shares are summed up by the feature that they
    read, so that a feature's is the share of its connections that the heads keep on average.

    Args:
        problem: of the run.
        masks: of the front.
        count: of neurons; all come if there are not so many.

    Returns:
        Shares from 0 to 1 by the places of features, or of hidden units if these are the genes, the
        largest first; of equal ones the lower place.
    """
    space, shares = problem.space, frequency(np.stack(masks))
    if space.encoding == "connections":
        shares = shares.reshape(space.units, space.features).mean(axis=0)
    places = np.argsort(-shares, kind="stable")[:count]
    return {int(place): float(shares[place]) for place in places}


def explained_run(
    problem: TransferProblem, folder: RunDir, shares: Mapping[int, float], *, count: int
) -> tuple[Figure, str]:
    """Draw what neurons look at, on the search images where each is largest.

    Hidden units are those of the head that keeps all, which is trained again for it.

    Args:
        problem: of the run, as `prepare_transfer` builds it.
        folder: of the run; features that it keeps are not computed again.
        shares: of `agreed`.
        count: of images a neuron.

    Returns:
        The figure, and what such a neuron is called.

    Raises:
        InputError: if captum is not installed, or no layer of the backbone has positions.
    """
    hidden = problem.space.encoding == "neurons"
    if hidden:
        grow(problem, folder.path)
    else:
        standardise(problem, folder.path)
    head, kind = (problem.dense.hidden, "hidden unit") if hidden else (None, "feature")
    own, _ = problem.sides("search")
    features = problem.features(own.images)
    with torch.no_grad():
        values = features if head is None else head(features)
    # Only the images that will be shown are brought to the backbone's size, and kept there at once.
    best = torch.cat([lookers(values, place, count) for place in shares]).unique().cpu()
    channels, size = problem.form
    figure = explained(
        problem.trunk,
        brought(own.images[best], channels=channels, size=size),
        problem.images(own.images[best]),
        own.labels[best],
        problem.data.classes,
        shares,
        head=head,
        kind=kind,
        features=features[best.to(features.device)],
        count=count,
    )
    return figure, kind
