"""Adaptive pursuit by the equations of its paper, and in the place of OperatorCredit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operators.adaptation import OperatorCredit
from operators.pursuit import AdaptivePursuit


def test_three_credits_worked_out_by_hand() -> None:
    pursuit = AdaptivePursuit(["a", "b", "c"], floor=0.1, alpha=0.5, beta=0.5)
    pursuit.credit("a", survived=0, passes=1)  # Q = .5, 1, 1: b is the first of the best
    assert pursuit.chances() == pytest.approx([13 / 60, 17 / 30, 13 / 60])
    pursuit.credit("b", survived=1, passes=2)  # Q = .5, .75, 1
    assert pursuit.chances() == pytest.approx([19 / 120, 1 / 3, 61 / 120])
    pursuit.credit("a", survived=3, passes=1)  # Q = 1.75, .75, 1
    assert pursuit.state()["quality"] == pytest.approx([1.75, 0.75, 1.0])
    assert pursuit.chances() == pytest.approx([23 / 48, 13 / 60, 73 / 240])


def test_the_best_ends_at_the_largest_chance_and_the_others_at_the_floor() -> None:
    pursuit = AdaptivePursuit(["a", "b", "c", "d"], floor=0.05)
    for _ in range(40):
        for name, survived in (("a", 1), ("b", 5), ("c", 4), ("d", 0)):
            pursuit.credit(name, survived=survived, passes=100)
    assert pursuit.chances() == pytest.approx([0.05, 0.85, 0.05, 0.05])


def test_the_chances_sum_to_1_and_none_falls_below_the_floor() -> None:
    pursuit, rng = AdaptivePursuit(list("abcde"), floor=0.1), np.random.default_rng(0)
    for _ in range(300):
        pursuit.credit(pursuit.choose(rng), survived=int(rng.integers(9)), passes=10)
        assert pursuit.chances().sum() == pytest.approx(1)
        assert pursuit.chances().min() >= 0.1 - 1e-12


def test_it_follows_when_another_operator_becomes_the_best() -> None:
    pursuit, rng = AdaptivePursuit(["old", "new"], floor=0.1), np.random.default_rng(0)
    for pay, best in (({"old": 8, "new": 2}, 0), ({"old": 2, "new": 8}, 1)):
        for _ in range(200):
            name = pursuit.choose(rng)
            pursuit.credit(name, survived=pay[name], passes=100)
        assert pursuit.chances()[best] == pytest.approx(0.9)


def test_it_prefers_a_slightly_better_operator_more_than_matching_does() -> None:
    pursuit, matching = AdaptivePursuit(["a", "b"]), OperatorCredit(["a", "b"])
    for _ in range(20):
        for learner in (pursuit, matching):
            learner.credit("a", survived=11, passes=100)
            learner.credit("b", survived=9, passes=100)
    assert pursuit.chances()[0] > 0.9 > 0.6 > matching.chances()[0]


def test_each_operator_is_tried_before_one_is_pursued() -> None:
    pursuit, tried = AdaptivePursuit(list("abc"), floor=0.0, alpha=1.0, beta=1.0), []
    rng = np.random.default_rng(0)
    for _ in range(3):
        tried.append(pursuit.choose(rng))
        pursuit.credit(tried[-1], survived=1, passes=10)
    assert sorted(tried) == ["a", "b", "c"]


@pytest.mark.parametrize("setting", ["alpha", "beta"])
def test_at_alpha_or_beta_0_nothing_is_learnt(setting: str) -> None:
    settings: dict[str, Any] = {"floor": 0.0, "alpha": 1.0, "beta": 1.0, setting: 0.0}
    pursuit = AdaptivePursuit(["a", "b"], **settings)
    pursuit.credit("a", survived=5, passes=1)
    key = {"alpha": "quality", "beta": "chances"}[setting]
    assert len(set(pursuit.state()[key].tolist())) == 1


Learners = pytest.mark.parametrize("learner", [OperatorCredit, AdaptivePursuit])


@Learners
def test_switched_off_it_is_an_even_choice_with_the_same_draws(learner: Any) -> None:
    names = ["a", "b", "c"]
    one, rng, twin = learner(names, enabled=False), *map(np.random.default_rng, (0, 0))
    one.credit("a", survived=9, passes=1)
    assert one.chances().tolist() == [1 / 3] * 3
    assert [one.choose(rng) for _ in range(50)] == [names[twin.integers(3)] for _ in range(50)]


@Learners
def test_choices_follow_the_chances(learner: Any) -> None:
    one, rng = learner(["a", "b"], floor=0.2), np.random.default_rng(0)
    one.credit("a", survived=3, passes=10)
    one.credit("b", survived=1, passes=10)
    share = np.mean([one.choose(rng) == "a" for _ in range(2000)])
    assert share == pytest.approx(one.chances()[0], abs=0.05) and one.chances()[0] > 0.5


@Learners
def test_the_choice_of_one_operator_draws_nothing(learner: Any) -> None:
    rng, twin = np.random.default_rng(0), np.random.default_rng(0)
    assert learner(["only"]).choose(rng) == "only"
    assert rng.random() == twin.random()


@Learners
def test_what_was_learnt_can_be_stored_and_taken_back(learner: Any) -> None:
    old, new = learner(["a", "b"]), learner(["a", "b"])
    old.credit("a", survived=1, passes=3)
    new.restore(old.state())
    for one in (old, new):
        one.credit("b", survived=1, passes=2)
    assert old.chances().tolist() == new.chances().tolist()


@Learners
def test_a_state_that_was_given_out_does_not_change_any_more(learner: Any) -> None:
    one = learner(["a", "b"])
    state = one.state()
    before = {key: value.tolist() for key, value in state.items()}
    one.credit("a", survived=1, passes=3)
    assert {key: value.tolist() for key, value in state.items()} == before


@Learners
def test_credit_for_an_unknown_operator_is_refused(learner: Any) -> None:
    with pytest.raises(ValueError, match="name: expected one of a, b, got 'c'"):
        learner(["a", "b"]).credit("c", survived=1, passes=1)


@pytest.mark.parametrize(
    ("names", "settings", "message"),
    [
        ([], {}, "AdaptivePursuit: expected 1 name or more"),
        (["a", "b"], {"floor": 0.6}, "floor from 0 to 1 / names, got"),
        (["a"], {"alpha": 1.5}, "alpha: expected a share from 0 to 1, got"),
        (["a"], {"beta": float("nan")}, "beta: expected a share from 0 to 1, got nan"),
    ],
)
def test_settings_out_of_range_are_refused(
    names: list[str], settings: dict[str, float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        AdaptivePursuit(names, **settings)  # type: ignore[arg-type]
