"""Heads that answer together: votes by hand and by definition, and what they vote on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from evoprune.errors import InputError
from evoprune.evaluation.heads import Answers, judged
from evoprune.methods.votes import (
    VOTES,
    Ballots,
    Vote,
    ballots_of,
    majority_vote,
    mean_probability,
)

each_vote = pytest.mark.parametrize("vote", VOTES.values(), ids=VOTES)


def logits_of(*probabilities: list[list[float]]) -> np.ndarray:
    """Logits whose softmax is what is given: members, images, classes."""
    return np.log(np.array(probabilities))


def drawn(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits and scores of six members, 60 images and four classes."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(6, 60, 4)), rng.normal(size=(6, 60))


def answers() -> list[Answers]:
    """What each of six heads says of 60 own images and 50 foreign ones."""
    logits, scores = drawn()
    foreign_logits, foreign_scores = (values[:, :50] for values in drawn(seed=1))
    parts = zip(logits, scores, foreign_logits, foreign_scores, strict=True)
    return [Answers(*part) for part in parts]


def ballots() -> Ballots:
    return ballots_of(answers(), np.random.default_rng(2).integers(0, 4, 60))


def spoilt(name: str, member: int, value: float) -> Ballots:
    """The same ballots, but one number of one member is not finite."""
    values = getattr(ballots(), name).copy()
    values[member].flat[0] = value
    return replace(ballots(), **{name: values})


def test_the_mean_probability_is_the_mean_of_the_softmax_and_not_of_the_logits() -> None:
    # class 0: a mean probability of (1 + .018 + .018) / 3, though the mean logits are 10/3 and 8/3
    logits = np.array([[[10.0, 0.0]], [[0.0, 4.0]], [[0.0, 4.0]]])
    assert mean_probability(logits, np.zeros((3, 1)))[0].tolist() == [1]


def test_the_class_of_most_votes_wins_against_a_larger_mean_probability() -> None:
    logits = logits_of([[0.98, 0.02]], [[0.4, 0.6]], [[0.4, 0.6]])
    assert majority_vote(logits, np.zeros((3, 1)))[0].tolist() == [1]
    assert mean_probability(logits, np.zeros((3, 1)))[0].tolist() == [0]


def test_equal_votes_are_decided_by_the_mean_probability_among_the_tied_alone() -> None:
    # one vote each for the classes 0 and 1; class 2 has the largest mean probability, but no vote
    logits = logits_of([[0.5, 0.01, 0.49]], [[0.01, 0.52, 0.47]])
    assert mean_probability(logits, np.zeros((2, 1)))[0].tolist() == [2]
    assert majority_vote(logits, np.zeros((2, 1)))[0].tolist() == [1]


@each_vote
def test_of_classes_that_are_equal_in_all_the_first_wins(vote: Vote) -> None:
    logits = logits_of([[0.2, 0.7, 0.1]], [[0.7, 0.2, 0.1]])
    assert vote(logits, np.zeros((2, 1)))[0].tolist() == [0]


def test_the_score_of_the_mean_is_the_mean_of_the_scores() -> None:
    logits = np.zeros((2, 3, 2))
    _, score = mean_probability(logits, np.array([[1.0, 2.0, 3.0], [3.0, 0.0, -3.0]]))
    assert score.tolist() == [2.0, 1.0, 0.0]


def test_the_score_of_the_majority_is_its_share_and_beside_it_less_than_half_a_vote() -> None:
    logits = logits_of(*[[[0.9, 0.1]] * 3] * 2, [[0.1, 0.9]] * 3)
    _, score = majority_vote(logits, np.array([[0.0, 1e9, -1e9]] * 3))
    assert score[0] == pytest.approx(2 / 3)
    assert abs(score - 2 / 3).max() < 1 / 6


def test_a_larger_share_stands_above_any_mean_score_and_equal_shares_in_its_order() -> None:
    rng = np.random.default_rng(0)
    logits, scores = rng.normal(size=(5, 200, 3)), rng.normal(scale=30, size=(5, 200))
    _, score = majority_vote(logits, scores)
    share = [np.bincount(column).max() for column in logits.argmax(2).T]
    assert (np.lexsort((scores.mean(0), share)) == np.argsort(score)).all()


def test_scores_as_near_to_each_other_as_those_of_odin_keep_their_order() -> None:
    scores = 0.1 + 1e-9 * np.arange(50)
    _, score = majority_vote(np.zeros((30, 50, 10)), np.tile(scores, (30, 1)))
    assert (np.diff(score) > 0).all()


def test_scores_of_single_precision_are_told_apart_as_well() -> None:
    scores = np.float32(1) + np.float32(2**-23) * np.arange(50, dtype=np.float32)
    _, score = majority_vote(np.zeros((30, 50, 10), np.float32), np.tile(scores, (30, 1)))
    assert (np.diff(score) > 0).all()


@each_vote
def test_images_are_voted_on_one_by_one(vote: Vote) -> None:
    logits, scores = drawn()
    labels, score = vote(logits, scores)
    for image in range(60):
        one = [image]
        assert vote(logits[:, one], scores[:, one]) == (labels[one], score[one])


@pytest.mark.parametrize("seed", range(3))
def test_the_labels_are_those_of_the_definition_image_by_image(seed: int) -> None:
    logits, scores = drawn(seed)
    majority, _ = majority_vote(logits, scores)
    mean, _ = mean_probability(logits, scores)
    for image in range(60):
        powers = np.exp(logits[:, image])
        probability = (powers / powers.sum(1, keepdims=True)).sum(0)
        said = [int(row.argmax()) for row in powers]
        assert mean[image] == probability.argmax()
        assert majority[image] == max(range(4), key=lambda c: (said.count(c), probability[c]))


@each_vote
def test_the_order_of_the_members_does_not_matter(vote: Vote) -> None:
    logits, scores = drawn()
    labels, score = vote(logits, scores)
    other_labels, other_score = vote(logits[::-1], scores[::-1])
    assert other_labels.tolist() == labels.tolist()
    assert other_score == pytest.approx(score)


@each_vote
def test_one_member_has_its_own_way(vote: Vote) -> None:
    logits, scores = (values[:1] for values in drawn())
    labels, score = vote(logits, scores)
    assert labels.tolist() == logits[0].argmax(1).tolist()
    assert (np.argsort(score) == np.argsort(scores[0])).all()


@each_vote
def test_a_vote_changes_nothing_that_it_is_given(vote: Vote) -> None:
    logits, scores = drawn()
    for values in (logits, scores):
        values.flags.writeable = False
    vote(logits, scores)


def test_the_ballots_of_some_members_are_their_answers() -> None:
    some = ballots().of([4, 1])
    assert (some.labels == ballots().labels).all()
    for ours, theirs in zip((0, 1), (4, 1), strict=True):
        for name in ("logits", "scores", "foreign_logits", "foreign_scores"):
            assert (getattr(some, name)[ours] == getattr(answers()[theirs], name)).all()


def test_what_a_member_is_worth_is_what_the_evaluator_says_of_it() -> None:
    split = ballots()
    worth = zip(split.errors(), split.misranked(), strict=True)
    assert list(worth) == [judged(one, torch.tensor(split.labels)) for one in answers()]


@pytest.mark.parametrize("name", ["logits", "foreign_logits"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_member_with_a_logit_that_is_not_finite_is_wrong_throughout(
    name: str, value: float
) -> None:
    split = spoilt(name, 2, value)
    assert split.errors()[2] == split.misranked()[2] == 1.0
    assert (np.delete(split.errors(), 2) == np.delete(ballots().errors(), 2)).all()
    assert split.sound().tolist() == [member != 2 for member in range(6)]


@pytest.mark.parametrize("name", ["scores", "foreign_scores"])
def test_a_member_whose_score_is_no_number_tells_nothing_and_has_no_vote(name: str) -> None:
    split = spoilt(name, 2, np.nan)
    assert split.misranked()[2] == 1.0
    assert split.errors()[2] == ballots().errors()[2]
    assert split.sound().tolist() == [member != 2 for member in range(6)]


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("scores", (6, 59)),
        ("labels", (61,)),
        ("foreign_logits", (6, 50, 3)),
        ("foreign_scores", (5, 50)),
    ],
)
def test_answers_that_do_not_fit_are_refused(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=rf"^{name}: expected shape .* got \({shape[0]},"):
        replace(ballots(), **{name: np.zeros(shape)})
