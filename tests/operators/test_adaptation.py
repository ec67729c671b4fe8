"""What learns, learns the right way; switched off it is the plain operator; it can be stored."""

from __future__ import annotations

import numpy as np
import pytest

from operators.adaptation import OneFifthRule, OperatorCredit, SuccessHistory


def test_the_rate_stays_where_a_fifth_succeeds() -> None:
    rule = OneFifthRule(0.1)
    rule.update(succeeded=4, tried=20)
    assert rule.rate == pytest.approx(0.1)


@pytest.mark.parametrize(("succeeded", "larger"), [(3, True), (0, False)])
def test_success_makes_the_rate_larger_and_failure_smaller(succeeded: int, larger: bool) -> None:
    rule = OneFifthRule(0.1)
    rule.update(succeeded=succeeded, tried=5)
    assert (rule.rate > 0.1) is larger


def test_the_rate_stays_within_its_bounds() -> None:
    rule = OneFifthRule(0.1, low=0.05, high=0.2)
    rule.update(succeeded=100, tried=100)
    assert rule.rate == 0.2
    rule.update(succeeded=0, tried=1000)
    assert rule.rate == 0.05


@pytest.mark.parametrize(
    ("succeeded", "tried", "end"), [(2000, 2000, 0.5), (0, 20_000, 1e-6), (10**6, 10**6, 0.5)]
)
def test_a_generation_of_any_size_takes_the_rate_to_its_bound_at_most(
    succeeded: int, tried: int, end: float
) -> None:
    rule = OneFifthRule(0.1)
    rule.update(succeeded=succeeded, tried=tried)
    assert rule.rate == end


def test_a_rate_of_0_stays_0_however_many_succeed() -> None:
    rule = OneFifthRule(0.0, low=0.0)
    rule.update(succeeded=2000, tried=2000)
    assert rule.rate == 0.0


def test_a_rule_switched_off_keeps_its_rate() -> None:
    rule = OneFifthRule(0.1, enabled=False)
    rule.update(succeeded=5, tried=5)
    assert rule.rate == 0.1


def test_a_history_moves_towards_the_rates_that_succeeded() -> None:
    history, rng = SuccessHistory(0.01, slots=2), np.random.default_rng(0)
    for _ in range(2):
        history.update([0.1, 0.4])
    drawn = [history.draw(rng) for _ in range(400)]
    assert np.exp(np.mean(np.log(drawn))) == pytest.approx(0.2, rel=0.1)


def test_a_generation_without_success_teaches_nothing() -> None:
    history = SuccessHistory(0.01)
    history.update([])
    assert history.state()["memory"].tolist() == [0.01] * 5


def test_a_history_switched_off_draws_nothing() -> None:
    history, rng, twin = SuccessHistory(0.01, enabled=False), *map(np.random.default_rng, (0, 0))
    history.update([0.3])
    assert history.draw(rng) == 0.01
    assert rng.random() == twin.random()


def test_credit_counts_survivors_per_pass() -> None:
    credit = OperatorCredit(["dear", "cheap"], floor=0.0, decay=1.0)
    credit.credit("dear", survived=10, passes=1000)
    credit.credit("cheap", survived=1, passes=50)
    assert credit.chances() == pytest.approx([1 / 3, 2 / 3])


def test_no_operator_dies_out() -> None:
    credit = OperatorCredit(["good", "bad"], floor=0.1)
    credit.credit("good", survived=10, passes=10)
    credit.credit("bad", survived=0, passes=10)
    assert credit.chances() == pytest.approx([0.9, 0.1])


def test_an_untried_operator_counts_as_the_average() -> None:
    credit = OperatorCredit(["a", "b", "new"], floor=0.0)
    credit.credit("a", survived=1, passes=10)
    credit.credit("b", survived=3, passes=10)
    assert credit.chances() == pytest.approx([1 / 6, 3 / 6, 2 / 6])


def test_old_credit_fades() -> None:
    credit = OperatorCredit(["a", "b"], floor=0.0, decay=0.0)
    credit.credit("a", survived=9, passes=10)
    credit.credit("a", survived=1, passes=10)
    credit.credit("b", survived=1, passes=10)
    assert credit.chances() == pytest.approx([0.5, 0.5])


def test_choices_follow_the_chances() -> None:
    credit, rng = OperatorCredit(["a", "b"], floor=0.0), np.random.default_rng(0)
    credit.credit("a", survived=3, passes=10)
    credit.credit("b", survived=1, passes=10)
    chosen = [credit.choose(rng) for _ in range(1000)]
    assert chosen.count("a") == pytest.approx(750, abs=50)


def test_credit_switched_off_is_an_even_choice_with_the_same_draws() -> None:
    names = ["a", "b", "c"]
    credit, rng, twin = OperatorCredit(names, enabled=False), *map(np.random.default_rng, (0, 0))
    credit.credit("a", survived=9, passes=1)
    assert [credit.choose(rng) for _ in range(50)] == [names[twin.integers(3)] for _ in range(50)]


def test_the_choice_of_one_operator_draws_nothing() -> None:
    rng, twin = np.random.default_rng(0), np.random.default_rng(0)
    assert OperatorCredit(["only"]).choose(rng) == "only"
    assert rng.random() == twin.random()


def test_what_was_learnt_can_be_stored_and_taken_back() -> None:
    rng = np.random.default_rng
    rule, history, credit = OneFifthRule(0.1), SuccessHistory(0.1), OperatorCredit(["a", "b"])
    rule.update(succeeded=1, tried=1)
    history.update([0.3])
    credit.credit("a", survived=1, passes=3)
    again = OneFifthRule(0.1), SuccessHistory(0.1), OperatorCredit(["a", "b"])
    for new, old in zip(again, (rule, history, credit), strict=True):
        new.restore(old.state())  # type: ignore[attr-defined]
    assert again[0].rate == rule.rate
    assert again[1].draw(rng(0)) == history.draw(rng(0))
    assert again[2].chances().tolist() == credit.chances().tolist()


def test_credit_for_an_unknown_operator_is_refused() -> None:
    with pytest.raises(ValueError, match="expected one of a, b, got 'c'"):
        OperatorCredit(["a", "b"]).credit("c", survived=1, passes=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: OneFifthRule(0.1, factor=1.0), "expected factor above 1"),
        (lambda: OneFifthRule(0.9), "low <= rate <= high, got"),
        (lambda: SuccessHistory(0.1, slots=0), "expected 1 slot or more"),
        (lambda: SuccessHistory(0.0, low=0.0), "0 < low"),
        (lambda: OperatorCredit([]), "expected 1 name or more"),
        (lambda: OperatorCredit(["a", "b"], floor=0.6), "floor from 0 to 1 / names"),
        (lambda: OneFifthRule(0.1, factor=float("nan")), "factor=nan"),
        (lambda: SuccessHistory(0.1, spread=-1.0), "spread: expected 0 or more, finite, got -1.0"),
        (lambda: SuccessHistory(0.1, spread=float("nan")), "spread: expected .*, got nan"),
        (lambda: OperatorCredit(["a"], decay=1.5), "decay: expected a share from 0 to 1, got 1.5"),
        (lambda: OperatorCredit(["a"], decay=float("nan")), "decay: expected .*, got nan"),
    ],
)
def test_settings_out_of_range_are_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
