"""Trials against whole judgements: what they end in, what they promise, what they cost."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import CandidateError, InputError
from evoprune.evaluation import fastpath
from evoprune.evaluation.evaluator import Recalibration
from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.evaluation.trial import Trial
from evoprune.space.genes import Corridor
from evoprune.space.weights import WeightSpace
from operators.individuals import individual_type

Mask = individual_type("mask", 2)
ALL = ("error", "soft_error", "loss", "density", "macs")
STRENGTHS = pytest.mark.parametrize("strength", [None, 0.5, 1.0])


def candidate(seed: int = 0, genes: int = 215, share: float = 0.6) -> Any:
    return Mask.from_numpy(np.random.default_rng(seed).random(genes) < share)


def renewal(strength: float | None) -> Recalibration | None:
    if strength is None:
        return None
    rng = torch.Generator().manual_seed(3)
    return Recalibration([torch.randn(n, 1, 8, 8, generator=rng) * 2 for n in (6, 4)], strength)


def judge_of(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    strength: float | None = None, **options: Any,
) -> FastEvaluator:
    """Make an evaluator whose trials take four rounds of at most 6 of the 20 images."""
    settings = {"objectives": ALL, "batch": 6, "early": True, "recalibration": renewal(strength)}
    return FastEvaluator(space, images, labels, **{**settings, **options})


@pytest.fixture(autouse=True)
def small_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let few images make ten rounds."""
    monkeypatch.setattr(fastpath, "ROUND", 2)


@pytest.fixture
def judge(space: WeightSpace, images: torch.Tensor, labels: torch.Tensor) -> FastEvaluator:
    return judge_of(space, images, labels)


def finish(trial: Trial) -> tuple[float, ...]:
    while trial.values is None:
        trial.advance()
    return trial.values


@STRENGTHS
def test_a_trial_that_is_brought_to_its_end_gives_exactly_the_judgement(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, strength: float | None
) -> None:
    judge, other = (judge_of(space, images, labels, strength) for _ in range(2))
    for seed in range(4):
        trial = judge.trial(candidate(seed))
        assert finish(trial) == trial.low == other(candidate(seed))
    assert judge.passes == other.passes
    assert judge.cache == other.cache


def test_the_images_are_shown_in_ten_rounds_of_like_size(judge: FastEvaluator) -> None:
    trial, seen = judge.trial(candidate()), [0]
    while trial.values is None:
        trial.advance()
        seen.append(trial.seen)
    assert seen == list(range(0, 21, 2))


def test_a_finished_trial_is_shown_nothing_more(judge: FastEvaluator) -> None:
    trial = judge.trial(candidate())
    values, passes = finish(trial), judge.passes.copy()
    trial.advance()
    assert trial.values == values
    assert judge.passes == passes


@STRENGTHS
@pytest.mark.parametrize("name", ALL)
def test_the_best_that_is_possible_never_falls_nor_exceeds_what_it_comes_to(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, name: str,
    strength: float | None,
) -> None:
    judge = judge_of(space, images, labels, strength, objectives=[name], batch=3)
    for seed in range(8):
        trial = judge.trial(candidate(seed, share=seed / 7))
        lows = [trial.low[0]]
        while trial.values is None:
            trial.advance()
            lows.append(trial.low[0])
        assert max(lows) <= trial.values[0]
        assert all(after >= before * (1 - 1e-12) for before, after in pairwise(lows))


@pytest.mark.parametrize("name", ["error", "soft_error", "loss"])
def test_the_best_that_is_possible_of_a_mean_is_what_the_images_seen_add_to_it(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, name: str
) -> None:
    judge = judge_of(space, images, labels, objectives=[name])
    trial = judge.trial(candidate())
    assert trial.low == (0.0,)
    trial.advance()
    first = judge.order[: trial.seen]
    alone = FastEvaluator(space, images[first], labels[first], objectives=[name], batch=6)
    assert trial.low[0] == pytest.approx(alone(candidate())[0] * trial.seen / 20, rel=1e-6)


def test_density_and_macs_are_known_before_any_image(judge: FastEvaluator) -> None:
    trial = judge.trial(candidate())
    assert trial.seen == 0
    assert trial.low[3:] == judge(candidate())[3:]


@pytest.mark.parametrize("margin", [0, 10, 25])
@pytest.mark.parametrize("name", ["error", "soft_error", "loss"])
def test_easy_images_at_the_end_do_not_make_a_promise_too_high(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, name: str, margin: float
) -> None:
    judge, rng = judge_of(space, images, labels, objectives=[name]), np.random.default_rng(0)
    for seed in range(50):
        logits = torch.zeros(20, 5)
        logits[range(20), labels] = 1000.0  # certain, and right: they add nothing
        hard = judge.order[:6]
        logits[hard] = torch.from_numpy(rng.normal(0, 3, (6, 5)).astype(np.float32))
        logits[hard, labels[hard]] += margin
        judge.run = lambda part, shown=logits[judge.order]: shown[: len(part)]
        trial = judge.trial(candidate(seed))
        trial.advance()
        assert trial.low <= judge.measure(trial.mask, logits)[0]


def test_a_genome_that_was_judged_before_is_finished_at_once(judge: FastEvaluator) -> None:
    values, spent = judge(candidate()), judge.passes.spent()
    trial = judge.trial(candidate())
    assert trial.values == trial.low == values
    assert judge.passes.spent() == spent
    assert (judge.passes["evaluations"], judge.passes["cached"]) == (2, 1)


def test_what_a_trial_came_to_is_remembered(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = judge_of(space, images, labels, objectives=["soft_error", "density"], noted=["error"])
    values, spent = finish(judge.trial(candidate())), judge.passes.spent()
    assert len(values) == 2
    assert judge(candidate()) == values
    assert judge.note(candidate()) == judge_of(space, images, labels)(candidate())[:1]
    assert judge.passes.spent() == spent


def test_a_trial_that_is_given_up_is_not_remembered(judge: FastEvaluator) -> None:
    trial = judge.trial(candidate())
    trial.advance()
    trial.give_up()
    assert judge.cache == {}
    assert finish(judge.trial(candidate())) == judge.judge(candidate().to_numpy())


@STRENGTHS
@pytest.mark.parametrize("rounds", [(0, 0), (1, 2), (0, 3), (2, 4)])
def test_trials_that_take_turns_come_to_what_they_come_to_alone(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, strength: float | None,
    rounds: tuple[int, int],
) -> None:
    judge, other = (judge_of(space, images, labels, strength) for _ in range(2))
    expected = [other(candidate(0)), other(candidate(1))]
    trials = [judge.trial(candidate(0)), judge.trial(candidate(1))]
    for trial, count in zip(trials, rounds, strict=True):
        for _ in range(count):
            trial.advance()
    while any(trial.values is None for trial in trials):
        for trial in trials:
            trial.advance()
    assert [trial.values for trial in trials] == expected
    assert judge.passes == other.passes  # each was recalibrated once


@STRENGTHS
def test_a_judgement_in_the_midst_of_a_trial_changes_neither(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, strength: float | None
) -> None:
    judge, other = (judge_of(space, images, labels, strength) for _ in range(2))
    trial = judge.trial(candidate(0))
    trial.advance()
    assert judge(candidate(1)) == other(candidate(1))
    assert finish(trial) == other(candidate(0))


@STRENGTHS
def test_trials_of_several_corridors_share_a_network_and_do_not_mix(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, strength: float | None
) -> None:
    core = np.arange(215) % 3 == 0
    narrow = space.within(Corridor(core=core, support=np.arange(215) % 3 < 2))
    wide = judge_of(space, images, labels, strength)
    inside, genome = wide.within(narrow), candidate(0, narrow.genes)
    trials = [wide.trial(candidate()), inside.trial(genome)]
    while any(trial.values is None for trial in trials):
        for trial in trials:
            trial.advance()
    other = judge_of(space, images, labels, strength)
    assert trials[0].values == other(candidate())
    assert trials[1].values == other.judge(narrow.mask(genome))


def test_a_network_without_batchnorm_is_recalibrated_once_a_trial_too(
    images: torch.Tensor, labels: torch.Tensor
) -> None:
    torch.manual_seed(0)
    space = WeightSpace(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)).eval())
    judge = judge_of(space, images, labels, 1.0)
    trials = [judge.trial(candidate(seed, 320)) for seed in (0, 1)]
    while any(trial.values is None for trial in trials):
        for trial in trials:
            trial.advance()
    assert judge.passes["recalibration"] == 2 * 10


@STRENGTHS
@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_what_is_spent_and_what_is_spared_make_up_a_whole_judgement(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, strength: float | None,
    rounds: int,
) -> None:
    judge = judge_of(space, images, labels, strength)
    before = judge.passes.spent()
    trial = judge.trial(candidate())
    for _ in range(rounds):
        trial.advance()
    trial.give_up()
    assert judge.passes.spent() - before + judge.passes["spared"] == judge.cost
    assert judge.passes["spared"] >= 20 - 6 * rounds
    assert judge.passes["given up"] == 1


def test_trials_are_refused_for_an_objective_without_a_bound(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with pytest.raises(InputError, match=r"^early: .* bound is known .*; leave early out"):
        judge_of(space, images, labels, objectives=["error", lambda part: -1.0])


@STRENGTHS
@pytest.mark.parametrize("rounds", [0, 2])
def test_a_trial_that_fails_carries_its_individual_and_can_go_on(
    broken: list[bool], space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    strength: float | None, rounds: int,
) -> None:
    judge, individual = judge_of(space, images, labels, strength), candidate()
    trial = judge.trial(individual)
    for _ in range(rounds):
        trial.advance()
    broken.append(True)
    message = "evaluating a candidate failed: FloatingPointError: the layer broke"
    with pytest.raises(CandidateError, match=message) as caught:
        trial.advance()
    assert caught.value.individual is individual
    assert judge.cache == {}
    broken.clear()
    assert finish(trial) == judge_of(space, images, labels, strength)(individual)


def test_a_genome_that_does_not_fit_is_the_users_error(judge: FastEvaluator) -> None:
    with pytest.raises(InputError, match="genome: expected 215 genes"):
        judge.trial(candidate(0, 214))


def test_logits_that_are_not_finite_give_the_worst_and_are_counted_once(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with torch.no_grad():
        model[8].bias[2] = float("nan")
    judge = judge_of(space, images, labels, objectives=("error", "soft_error", "loss"))
    trial = judge.trial(candidate())
    trial.advance()
    assert all(low <= worst for low, worst in zip(trial.low, (1, 1, np.inf), strict=True))
    assert trial.low[2] == np.inf
    assert finish(trial) == (1.0, 1.0, np.inf)
    assert judge.passes["not finite"] == 1
    assert judge.not_finite == {candidate().digest()}


def test_one_image_whose_logits_are_not_finite_keeps_the_promises(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    images[4] = float("inf")
    judge = judge_of(space, images, labels, objectives=("error", "soft_error", "loss"))
    trial, lows = judge.trial(candidate()), []
    while trial.values is None:
        trial.advance()
        lows.append(trial.low)
    assert trial.values == (1.0, 1.0, np.inf) == judge.judge(candidate().to_numpy())
    assert (np.diff(np.array(lows)[:, :2], axis=0) >= 0).all()


def test_a_genome_that_cannot_be_known_again_is_tried_and_not_remembered(
    judge: FastEvaluator
) -> None:
    mask = candidate().to_numpy()
    assert finish(judge.trial(mask)) == judge.judge(mask)
    assert judge.cache == {}
