"""Heads: a candidate trained narrow against the same candidate trained masked.

512 features, 512 hidden units, 10 classes, 1,235 images: the sizes of the photographs of signs on
SqueezeNet's features, drawn at random here, which takes as long. Both sides end at the same head.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from timing import Row, compare

from evoprune.network.heads import Head, HeadTraining, fresh_head, narrowed_head, train_head

KEPT = (1.0, 0.5, 0.3, 0.1)
APART = 1e-3  # of the largest output: rounding, after a few hundred steps


def rows(*, quick: bool) -> Iterator[Row]:
    """Time the training of the narrow head beside that of the masked one, share by share."""
    width, images, epochs, rounds = (32, 64, 2, 1) if quick else (512, 1235, 10, 7)
    rng = torch.Generator().manual_seed(0)
    features = torch.rand(images, width, generator=rng)
    labels = torch.arange(images) % 10
    training = HeadTraining(rate=0.01, batch=128, epochs=epochs, patience=epochs)
    whole = fresh_head(width, width, 10, seed=0)
    for kept in KEPT:
        places = np.arange(width)
        mask = np.floor((places + 1) * kept) > np.floor(places * kept)

        def narrow(mask: np.ndarray = mask) -> torch.Tensor:
            head = narrowed_head(whole, mask)
            train_head(head, features, labels, training, seed=0)
            return answers(head)

        def masked(mask: np.ndarray = mask) -> torch.Tensor:
            head, columns = narrowed_head(whole), torch.from_numpy(mask)
            weights = columns.expand(width, width)
            train_head(head, features, labels, training, seed=0, kept=weights)
            return answers(head)

        def answers(head: Head) -> torch.Tensor:
            with torch.no_grad():
                return head(features)

        yield compare(
            f"heads: narrow against masked, {kept:g} of the features",
            (f"narrow, {epochs} epochs of {images} images", narrow),
            ("the whole head, zeros held", masked),
            agree=alike, rounds=rounds, note=f"{width} features, {width} hidden units",
        )  # fmt: skip


def alike(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """Tell whether outputs differ by rounding alone."""
    return float((ours - theirs).abs().max()) <= APART * float(theirs.abs().max())
