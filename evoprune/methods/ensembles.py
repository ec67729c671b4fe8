"""Ensembles: several heads of a front that answer together, chosen on the search split.

A front holds many heads that are wrong about different images. Here some of them are chosen, by
percentile, around the knee or greedily; they vote; and the vote is set beside its best member. Its
price is the heads of all its members, over features that are computed once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from evoprune.errors import InputError
from evoprune.evaluation.outofdistribution import auroc
from evoprune.methods.votes import VOTES, Ballots, Floats, Vote

WINDOWS = tuple((low, low + 10) for low in range(50, 90, 5))  # percentiles, Poyatos et al., 2023
KNEE_MEMBERS = 5  # ours; odd, so that a vote between two classes has a winner


@dataclass(frozen=True)
class Ensemble:
    """Heads that answer together.

    Attributes:
        name: how they were chosen, such as "band-error-50-60", "knee" or "greedy-majority-vote".
        members: their places in the front, rising.
    """

    name: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class Verdict:
    """What an ensemble is worth on a split, beside its members.

    Attributes:
        error: of the vote, 0 to 1.
        misranked: 1 - AUROC of the vote's scores, 0 to 1.
        best_member_error: the smallest among the members.
        best_member_misranked: the smallest among the members, maybe another one's.
    """

    error: float
    misranked: float
    best_member_error: float
    best_member_misranked: float

    @property
    def above(self) -> bool:
        """Whether the ensemble is better than every one of its members in both."""
        return self.error < self.best_member_error and self.misranked < self.best_member_misranked


def percentile_band(values: npt.ArrayLike, low: float, high: float) -> tuple[int, ...]:
    """Return the members whose value lies within two percentiles of all values.

    A percentile is between two values in proportion, as numpy has it by default: with five
    members, the 50th is the third and the 60th lies between the third and the fourth. It is
    compared by ranks, in whole numbers, for rounding would drop a member that lies on a border.

    Args:
        values: one a member, larger is better, such as accuracy or AUROC.
        low: percentile, 0 to 100.
        high: percentile, `low` to 100.

    Returns:
        Places, rising. Members of equal values are in it together, or not at all.

    Source: Poyatos et al., 2023.

    >>> percentile_band([0.9, 0.5, 0.7, 0.6, 0.8], 50, 80)
    (2, 4)
    """
    last = np.size(values) - 1
    lowest, highest = (rankdata(values, method=method) - 1 for method in ("min", "max"))
    inside = (100 * highest >= low * last) & (100 * lowest <= high * last)
    return tuple(np.flatnonzero(inside).tolist())


def knee(points: npt.ArrayLike, count: int) -> tuple[int, ...]:
    """Return the knee of a front and the members nearest to it.

    Each objective is brought to 0 to 1 over the front. The knee has the least sum, which is how
    far it is from the ideal point along the axes; its neighbours have the least straight distance
    to it.

    Args:
        points: objectives, minimised, shape (members, objectives).
        count: members wanted, the knee among them; all come if there are not so many.

    Returns:
        Places, rising.

    Source: the knee Das, 1999, for two objectives; to take its neighbours is ours.

    >>> knee([[1.0, 0.0], [0.2, 0.2], [0.1, 0.4], [0.0, 1.0]], 2)
    (1, 2)
    """
    values = np.asarray(points, float)
    spread = np.ptp(values, axis=0)
    scaled = (values - values.min(axis=0)) / np.where(spread > 0, spread, 1.0)
    distances = np.linalg.norm(scaled - scaled[scaled.sum(axis=1).argmin()], axis=1)
    return tuple(sorted(np.argsort(distances, kind="stable")[:count].tolist()))


def greedy(ballots: Ballots, vote: Vote) -> tuple[int, ...]:
    """Return members that were added one by one for as long as the vote got better.

    It begins with the best member, and adds the one, none twice, that raises the sum of accuracy
    and AUROC most; of equal ones the first. It fits the images that it sees: judge it on others.

    Args:
        ballots: of the search split, from members with finite logits and scores.
        vote: how they are combined.

    Returns:
        Places, rising; one alone if no second helps.

    Source: Caruana, Niculescu-Mizil, Crew & Ksikes, 2004. differs: none is taken twice; the goal,
    a sum of two, is ours.

    >>> logits = np.array([[[2.0, 0], [1, 0]], [[0, 1], [0, 2]], [[0, 3], [3, 0]]])
    >>> scores = np.array([[1.0, 1], [1, 1], [1, 0]])
    >>> search = Ballots(logits, scores, np.array([0, 1]), logits, 0 * scores)
    >>> greedy(search, VOTES["mean-probability"])  # each has one right; the sure halves of both win
    (0, 1)
    """
    members: list[int] = []
    reached = -np.inf
    while len(members) < len(ballots.logits):
        rest = [member for member in range(len(ballots.logits)) if member not in members]
        goals = [-sum(_measured(ballots.of(sorted([*members, one])), vote)) for one in rest]
        if max(goals) <= reached:
            break
        reached = max(goals)
        members.append(rest[goals.index(reached)])
    return tuple(sorted(members))


def ensembles_of(points: npt.ArrayLike, ballots: Ballots) -> list[Ensemble]:
    """Return the ensembles of a front, all chosen on its search split.

    Members whose logits or scores are not finite are in none, and count in no percentile. What
    would have fewer than two members is left out: a small front has members in few of the bands.

    Args:
        points: error, density and misranked of each head, measured on the search split and
            minimised, shape (members, 3).
        ballots: of the search split.

    Returns:
        Those there are of: "band-error-50-60" to "band-error-85-95" by percentiles of accuracy,
        "band-misranked-..." by those of AUROC, "knee", and one "greedy-..." for each vote.

    Raises:
        InputError: if the points are not as many as the members, or not three numbers each.
    """
    values = np.asarray(points, float)
    if values.shape != (len(ballots.logits), 3):
        raise InputError(
            "points: expected error, density and misranked of each member, shape "
            f"{(len(ballots.logits), 3)}, got {values.shape}"
        )
    places = np.flatnonzero(ballots.sound())
    if len(places) < 2:
        return []
    return [
        Ensemble(name, tuple(places[list(members)].tolist()))
        for name, members in _chosen(values[places], ballots.of(places))
        if len(members) > 1
    ]


def verdict(ensemble: Ensemble, vote: Vote, ballots: Ballots) -> Verdict:
    """Return what an ensemble is worth on any split, beside its best member.

    A member whose logits or scores are not finite on these images has no vote; if none has one,
    the ensemble is wrong throughout.

    Args:
        ensemble: of a front.
        vote: how its members are combined.
        ballots: of the whole front.

    >>> logits = np.array([[[2.0, 0], [1, 0]], [[0, 1], [0, 2]]])
    >>> split = Ballots(logits, np.array([[2.0, 0], [0, 2]]), np.array([0, 1]), logits,
    ...                 np.full((2, 2), 0.5))
    >>> verdict(Ensemble("both", (0, 1)), VOTES["mean-probability"], split)
    Verdict(error=0.0, misranked=0.0, best_member_error=0.5, best_member_misranked=0.5)
    """
    theirs = ballots.of(ensemble.members)
    voting = np.flatnonzero(theirs.sound())
    error, misranked = _measured(theirs.of(voting), vote) if len(voting) else (1.0, 1.0)
    best = float(theirs.errors().min()), float(theirs.misranked().min())
    return Verdict(error, misranked, *best)


def _chosen(points: Floats, search: Ballots) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield the name and the members of every ensemble, those of a few members too."""
    for name, column in (("error", 0), ("misranked", 2)):
        for low, high in WINDOWS:
            yield f"band-{name}-{low}-{high}", percentile_band(-points[:, column], low, high)
    yield "knee", knee(points, KNEE_MEMBERS)
    for name, vote in VOTES.items():
        yield f"greedy-{name}", greedy(search, vote)


def _measured(ballots: Ballots, vote: Vote) -> tuple[float, float]:
    """Return the error and the misranked share of a vote of all."""
    labels, own = vote(ballots.logits, ballots.scores)
    _, foreign = vote(ballots.foreign_logits, ballots.foreign_scores)
    return float((labels != ballots.labels).mean()), 1 - auroc(own, foreign)
