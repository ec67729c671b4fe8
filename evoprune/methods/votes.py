"""Votes: how several heads answer together, and how well together they know an image.

A vote takes the logits and the scores of its members, and gives one label and one score an image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from evoprune.errors import InputError
from evoprune.evaluation.heads import Answers
from evoprune.evaluation.outofdistribution import auroc

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.integer]
Vote = Callable[[Floats, Floats], tuple[Labels, Floats]]


@dataclass(frozen=True, eq=False)
class Ballots:
    """What all heads of a front say of the images of one split, and what is true.

    Own images are of the target data set, foreign ones are out of its distribution.

    Attributes:
        logits: of own images, shape (members, images, classes).
        scores: of own images, larger where a member knows the image, shape (members, images).
        labels: true classes of own images, int, shape (images,).
        foreign_logits: shape (members, foreign images, classes).
        foreign_scores: shape (members, foreign images).

    Raises:
        InputError: if two of the shapes do not fit each other.
    """

    logits: Floats
    scores: Floats
    labels: Labels
    foreign_logits: Floats
    foreign_scores: Floats

    def __post_init__(self) -> None:
        """Check that the shapes fit."""
        own, foreign = self.logits.shape, self.foreign_logits.shape
        for name, shape in (
            ("scores", own[:2]),
            ("labels", own[1:2]),
            ("foreign_scores", (*own[:1], *foreign[1:2])),
            ("foreign_logits", (*own[:1], *foreign[1:2], *own[2:])),
        ):
            if getattr(self, name).shape != shape:
                raise InputError(
                    f"{name}: expected shape {shape} beside logits of {own}, "
                    f"got {getattr(self, name).shape}"
                )

    def of(self, members: Sequence[int] | Labels) -> Ballots:
        """Return the answers of these members alone, in this order."""
        some = np.asarray(members, int)
        return Ballots(
            self.logits[some],
            self.scores[some],
            self.labels,
            self.foreign_logits[some],
            self.foreign_scores[some],
        )

    def finite(self) -> npt.NDArray[np.bool_]:
        """Tell for each member whether all its logits are finite."""
        return _finite(self.logits) & _finite(self.foreign_logits)

    def sound(self) -> npt.NDArray[np.bool_]:
        """Tell for each member whether it can vote: its logits and its scores are finite."""
        return self.finite() & _finite(self.scores) & _finite(self.foreign_scores)

    def errors(self) -> Floats:
        """Return each member's share of wrong own images; 1 if a logit is not finite."""
        wrong = (self.logits.argmax(2) != self.labels).mean(1)
        return np.where(self.finite(), wrong, 1.0)

    def misranked(self) -> Floats:
        """Return 1 - AUROC of each member's scores; 1 if a logit is not finite."""
        both = zip(self.scores, self.foreign_scores, strict=True)
        areas = np.array([auroc(own, foreign) for own, foreign in both])
        return np.where(self.finite(), 1 - areas, 1.0)


def ballots_of(answers: Sequence[Answers], labels: npt.ArrayLike) -> Ballots:
    """Return the answers of several heads stacked, one after the other.

    Args:
        answers: of each head of a front to the same images, one or more.
        labels: true classes of the own images, int, shape (images,).
    """
    return Ballots(
        np.stack([one.logits for one in answers]),
        np.stack([one.scores for one in answers]),
        np.asarray(labels),
        np.stack([one.foreign_logits for one in answers]),
        np.stack([one.foreign_scores for one in answers]),
    )


def mean_probability(logits: Floats, scores: Floats) -> tuple[Labels, Floats]:
    """Answer with the class of the largest mean probability, and with the mean score.

    Args:
        logits: finite, shape (members, images, classes).
        scores: finite, larger where a member knows the image, shape (members, images).

    Returns:
        labels: int, shape (images,); of equal classes the first.
        score: shape (images,).

    Source: ours, beside the vote of Poyatos et al., 2023.

    >>> sure, two = [[9.0, 0.0]], [[0.0, 1.0]]  # one image; one member is sure, two lean away
    >>> mean_probability(np.array([sure, two, two]), np.array([[3.0], [0.0], [0.0]]))
    (array([0]), array([1.]))
    """
    return softmax(logits, axis=2).mean(0).argmax(1), scores.mean(0, dtype=float)


def majority_vote(logits: Floats, scores: Floats) -> tuple[Labels, Floats]:
    """Answer with the class of most votes, and with the share of votes that it has.

    Shares are coarse, so images of an equal share stand in the order of their mean score: it adds
    less than half a vote. The score of an image depends on this image alone, so that own and
    foreign images can be voted on apart and compared.

    Args:
        logits: finite, shape (members, images, classes).
        scores: finite, larger where a member knows the image, shape (members, images).

    Returns:
        labels: int, shape (images,); of equal votes the class of the larger mean probability.
        score: shape (images,).

    Source: the vote Poyatos et al., 2023; what decides between equal votes and the score are ours.

    >>> sure, two = [[9.0, 0.0]], [[0.0, 1.0]]
    >>> labels, score = majority_vote(np.array([sure, two, two]), np.zeros((3, 1)))
    >>> labels, score.round(2)
    (array([1]), array([0.67]))
    """
    classes = np.arange(logits.shape[2])
    votes = (logits.argmax(2)[..., None] == classes).sum(0)
    most = votes.max(1)
    probability = softmax(logits, axis=2).mean(0)
    labels = np.where(votes == most[:, None], probability, -1.0).argmax(1)
    part = np.arctan(scores.mean(0, dtype=float)) / 4  # rises with the score, between -.4 and .4
    return labels, (most + part) / len(logits)


VOTES: dict[str, Vote] = {"majority-vote": majority_vote, "mean-probability": mean_probability}


def _finite(values: Floats) -> npt.NDArray[np.bool_]:
    """Tell for each member whether all its values are finite."""
    return np.array([np.isfinite(one).all() for one in values], bool)
