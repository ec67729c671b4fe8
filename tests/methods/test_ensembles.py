"""Heads that answer together: who is chosen, by hand, and what they are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evoprune.errors import InputError
from evoprune.evaluation.outofdistribution import auroc
from evoprune.methods.ensembles import (
    WINDOWS,
    Ensemble,
    Verdict,
    ensembles_of,
    greedy,
    knee,
    percentile_band,
    verdict,
)
from evoprune.methods.votes import VOTES, Ballots, Vote

each_vote = pytest.mark.parametrize("vote", VOTES.values(), ids=VOTES)


def drawn(members: int = 12, images: int = 60, seed: int = 0) -> Ballots:
    """Heads that are each right about more than guessing, and know their own images a little."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, images)
    logits = rng.normal(size=(members, images, 4)) + 1.2 * np.eye(4)[labels]
    foreign = rng.normal(size=(members, images, 4))
    return Ballots(logits, logits.max(2), labels, foreign, foreign.max(2))


def points_of(ballots: Ballots) -> np.ndarray:
    density = np.linspace(0.1, 0.9, len(ballots.logits))
    return np.stack([ballots.errors(), density, ballots.misranked()], axis=1)


def spoilt(ballots: Ballots, member: int, value: float) -> Ballots:
    """The same answers, but one logit of one member is no finite number."""
    logits = ballots.logits.copy()
    logits[member, 0, 0] = value
    return replace(ballots, logits=logits)


# Who is chosen


def test_a_band_of_eleven_members_holds_both_of_its_borders() -> None:
    values = np.arange(11)[::-1] / 100  # place 10 is the worst, the percentiles are tens
    assert percentile_band(values, 50, 60) == (4, 5)
    assert percentile_band(values, 85, 95) == (1,)
    assert percentile_band(values, 0, 100) == tuple(range(11))


@pytest.mark.parametrize("seed", range(3))
def test_a_band_is_what_lies_between_the_percentiles_of_numpy(seed: int) -> None:
    values = np.random.default_rng(seed).integers(0, 25, 38) / 100  # 38: no border is a member
    for low, high in WINDOWS:
        least, most = np.percentile(values, [low, high])
        assert percentile_band(values, low, high) == tuple(
            place for place, value in enumerate(values) if least <= value <= most
        )


@pytest.mark.parametrize("low", range(0, 100, 5))
def test_no_member_on_a_border_is_lost_to_rounding(low: int) -> None:
    band = percentile_band(np.arange(101) / 7, low, low + 5)
    assert band == tuple(range(low, low + 6))


def test_equal_values_are_in_a_band_together_or_not_at_all() -> None:
    assert percentile_band([0.5, 0.5, 0.5, 0.9], 50, 60) == (0, 1, 2)
    assert percentile_band([0.5, 0.5, 0.5, 0.9], 70, 100) == (3,)
    assert percentile_band([0.5] * 4, 85, 95) == (0, 1, 2, 3)


def test_the_windows_are_those_of_the_paper() -> None:
    assert [low for low, _ in WINDOWS] == [50, 55, 60, 65, 70, 75, 80, 85]
    assert {high - low for low, high in WINDOWS} == {10}


def test_the_knee_and_its_neighbours_are_found_after_scaling() -> None:
    # scaled: (0, 1, 1), (.2, .2, .2), (.3, .2, .2), (1, 0, 1), (1, 1, 0); unscaled, density rules
    points = [[0, 90, 1], [0.02, 18, 0.2], [0.03, 18, 0.2], [0.1, 0, 1], [0.1, 90, 0]]
    assert knee(points, 1) == (1,)
    assert knee(points, 2) == (1, 2)
    assert knee(points, 9) == (0, 1, 2, 3, 4)


def test_an_objective_that_is_equal_throughout_has_no_say_in_the_knee() -> None:
    points = [[1.0, 0.0, 0.5], [0.2, 0.2, 0.5], [0.0, 1.0, 0.5]]
    assert knee(points, 1) == (1,)


def goal(members: tuple[int, ...], vote: Vote, ballots: Ballots) -> float:
    found = verdict(Ensemble("", members), vote, ballots)
    return 2 - found.error - found.misranked


@each_vote
@pytest.mark.parametrize("seed", range(4))
def test_greedy_is_never_worse_by_its_own_goal_than_the_best_member(vote: Vote, seed: int) -> None:
    search = drawn(seed=seed)
    alone = max(goal((member,), vote, search) for member in range(12))
    assert goal(greedy(search, vote), vote, search) >= alone


@each_vote
def test_no_member_more_makes_what_greedy_chose_any_better(vote: Vote) -> None:
    search = drawn()
    chosen = greedy(search, vote)
    assert 1 < len(chosen) == len(set(chosen)) < 12
    for other in set(range(12)) - set(chosen):
        assert goal(tuple(sorted([*chosen, other])), vote, search) <= goal(chosen, vote, search)


@each_vote
@pytest.mark.parametrize("seed", range(6))
def test_greedy_adds_the_best_of_those_that_are_not_yet_in_step_by_step(
    vote: Vote, seed: int
) -> None:
    search = drawn(members=5, images=25, seed=seed)
    steps: list[tuple[int, ...]] = [()]
    while len(steps) < 6:
        further = [tuple(sorted([*steps[-1], one])) for one in range(5) if one not in steps[-1]]
        steps.append(max(further, key=lambda members: goal(members, vote, search)))
    worth = [goal(members, vote, search) for members in steps[1:]]
    falls = (place for place in range(1, 5) if worth[place] <= worth[place - 1])
    assert greedy(search, vote) == steps[next(falls, 5)]


@each_vote
def test_greedy_takes_a_perfect_member_alone(vote: Vote) -> None:
    search = drawn()
    logits, scores = search.logits.copy(), search.scores.copy()
    logits[3], scores[3] = 50 * np.eye(4)[search.labels], 99.0
    assert greedy(replace(search, logits=logits, scores=scores), vote) == (3,)


@each_vote
def test_greedy_takes_no_copy_of_a_member(vote: Vote) -> None:
    assert len(greedy(drawn().of([5, 5]), vote)) == 1


# The ensembles of a front


def test_the_ensembles_of_a_front_by_name() -> None:
    search = drawn(members=21)  # 21: the percentiles of the windows are members
    names = [ensemble.name for ensemble in ensembles_of(points_of(search), search)]
    assert names == [
        *(f"band-{name}-{low}-{high}" for name in ("error", "misranked") for low, high in WINDOWS),
        "knee",
        "greedy-majority-vote",
        "greedy-mean-probability",
    ]


def test_each_vote_has_the_members_that_it_chose_itself() -> None:
    search = drawn()
    chosen = {e.name: e.members for e in ensembles_of(points_of(search), search)}
    majority, mean = (greedy(search, vote) for vote in VOTES.values())
    assert chosen["greedy-majority-vote"] == majority
    assert chosen["greedy-mean-probability"] == mean != majority


def test_a_band_by_error_holds_the_accurate_and_one_by_misranked_those_that_tell_foreign() -> None:
    points = np.array([[0.1, 0.5, 0.7], [0.2, 0.5, 0.5], [0.3, 0.5, 0.3]])
    points = np.repeat(points, 2, axis=0)  # pairs, so that bands have two members
    chosen = {e.name: e.members for e in ensembles_of(points, drawn(members=6))}
    assert chosen["band-error-85-95"] == (0, 1)  # ranks 4 and 5 of 0 to 5: 80th to 100th
    assert chosen["band-misranked-85-95"] == (4, 5)
    assert chosen["band-error-50-60"] == chosen["band-misranked-50-60"] == (2, 3)


def test_a_band_of_fewer_than_two_members_is_left_out() -> None:
    search = drawn(members=4)
    points = np.array([[0.1, 0.4, 0.4], [0.2, 0.3, 0.3], [0.3, 0.2, 0.2], [0.4, 0.1, 0.1]])
    assert not any(e.name.startswith("band") for e in ensembles_of(points, search))


@pytest.mark.parametrize("members", [0, 1])
def test_a_front_of_one_has_no_ensemble(members: int) -> None:
    search = drawn(members=2).of(range(members))
    assert ensembles_of(np.zeros((members, 3)), search) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_member_with_a_logit_that_is_not_finite_is_in_no_ensemble(value: float) -> None:
    search = spoilt(drawn(members=21), 4, value)
    assert search.errors()[4] == 1.0
    without = [place for place in range(21) if place != 4]
    ensembles = ensembles_of(points_of(search), search)
    assert [e.name for e in ensembles] == [
        e.name for e in ensembles_of(points_of(search)[without], search.of(without))
    ]
    assert all(4 not in ensemble.members for ensemble in ensembles)


def test_points_of_other_heads_are_refused() -> None:
    with pytest.raises(InputError, match=r"each member, shape \(12, 3\), got \(11, 3\)"):
        ensembles_of(np.zeros((11, 3)), drawn())


# What they are worth


@each_vote
def test_an_ensemble_of_one_equals_its_member(vote: Vote) -> None:
    split = drawn()
    for member in range(12):
        error, misranked = split.errors()[member], split.misranked()[member]
        found = verdict(Ensemble("one", (member,)), vote, split)
        assert found == Verdict(error, misranked, error, misranked)
        assert not found.above


@each_vote
def test_a_verdict_is_the_definition(vote: Vote) -> None:
    split, members = drawn(), (1, 4, 6)
    labels, own = vote(split.logits[[1, 4, 6]], split.scores[[1, 4, 6]])
    _, foreign = vote(split.foreign_logits[[1, 4, 6]], split.foreign_scores[[1, 4, 6]])
    wrong = [np.mean(split.logits[member].argmax(1) != split.labels) for member in members]
    areas = [auroc(split.scores[member], split.foreign_scores[member]) for member in members]
    assert verdict(Ensemble("three", members), vote, split) == Verdict(
        np.mean(labels != split.labels), 1 - auroc(own, foreign), min(wrong), 1 - max(areas)
    )


@pytest.mark.parametrize(
    ("error", "misranked", "above"), [(0.1, 0.1, True), (0.2, 0.1, False), (0.1, 0.2, False)]
)
def test_above_every_member_is_better_in_both(error: float, misranked: float, above: bool) -> None:
    assert Verdict(error, misranked, 0.2, 0.2).above is above


@each_vote
def test_on_another_split_a_member_that_is_not_finite_has_no_vote(vote: Vote) -> None:
    split = spoilt(drawn(), 4, np.inf)
    three, two = (verdict(Ensemble("", some), vote, split) for some in ((1, 4, 6), (1, 6)))
    assert (three.error, three.misranked) == (two.error, two.misranked)


@each_vote
def test_an_ensemble_without_a_vote_is_wrong_throughout(vote: Vote) -> None:
    found = verdict(Ensemble("", (4,)), vote, spoilt(drawn(), 4, np.nan))
    assert (found.error, found.misranked, found.best_member_error) == (1.0, 1.0, 1.0)
