"""What a transfer learns before its search: how large its features are, and a head that reads all.

Start reading at `grow`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.stats import rankdata

from evoprune.evaluation.outofdistribution import SCORES
from evoprune.network.heads import fresh_head, narrowed_head, train_head
from evoprune.network.saliency import Scores, l1, separation, taylor
from evoprune.running.transferring import TransferProblem
from evoprune.space.heads import HeadSpace


def grow(problem: TransferProblem, folder: Path | None = None) -> None:
    """Compute the features, train the dense head, and learn from it what each gene matters.

    Args:
        problem: changed.
        folder: of the run, for the features where the settings name none.
    """
    standardise(problem, folder)
    config, passes = problem.config, problem.passes
    features, labels = problem.training_features()
    width, classes = features.shape[1], len(problem.data.classes)
    problem.start = fresh_head(width, config.units, classes, seed=config.seed).to(config.device)
    problem.dense = narrowed_head(problem.start)
    training = config.training()
    train_head(problem.dense, features, labels, training, seed=config.seed, passes=passes)
    importance = taylor(problem.dense, features, labels, passes=passes)[config.encoding]
    problem.space = HeadSpace(width, config.units, config.encoding, importance=importance)
    if config.guided:
        problem.opinions = opinions(problem, importance)


def opinions(problem: TransferProblem, importance: Scores) -> Scores:
    """Return what the dense head says of the genes, as ranks from 0 to 1, higher = rather kept.

    Args:
        problem: its training images, and foreign ones of the same split, are asked.
        importance: of each gene for the loss.

    Returns:
        For the loss, by the l1 norm, and for telling foreign images apart; shape (3, genes).
    """
    config, shown = problem.config, problem.shown("train")
    apart = separation(
        problem.dense, shown.own, shown.foreign, SCORES[config.score], passes=problem.passes
    )
    scores = importance, l1(problem.dense)[config.encoding], apart[config.encoding]
    return np.array([rankdata(score) / len(score) for score in scores])


def standardise(problem: TransferProblem, folder: Path | None = None) -> None:
    """Compute the features of the training images, their mean and their deviation.

    Args:
        problem: its standard is set, and where its features are kept.
        folder: of the run, for the features where the settings name none.
    """
    kept = problem.config.features
    problem.keep = Path(kept) if kept else folder and folder / "features"
    problem.standard = 0.0, 1.0
    features, _ = problem.training_features()
    problem.standard = float(features.mean()), max(float(features.std()), 1e-12)
