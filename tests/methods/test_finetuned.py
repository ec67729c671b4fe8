"""Picks along a front, and what fine-tuning makes of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoprune.methods import finetuned
from evoprune.methods.emofp_settings import Emofp
from evoprune.methods.finetuned import (
    FALLING,
    FilterOutcome,
    at_most,
    evenly,
    fine_tune,
    fine_tuned,
    picked,
    renewed,
)
from evoprune.methods.fronts import Solution
from evoprune.network import datasets, models, recipe
from evoprune.network.surgery import shrink
from evoprune.passes import Passes
from evoprune.running.problem import Problem, augmenting, prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams


class KilledError(Exception):
    """Stands for a kill."""


def solution(kept: int, value: float) -> Solution:
    return Solution(np.arange(10) < kept, value, value, kept / 10, "masks")


@pytest.fixture
def problem(digits_weights: Path) -> Problem:
    """Return the digits, with 200 training images."""
    made = prepare(Emofp(weights=str(digits_weights)), Streams(0))
    made.data = replace(made.data, train=made.data.train.part(slice(200)))
    return made


@pytest.fixture
def mask(problem: Problem) -> np.ndarray:
    return np.arange(problem.space.size) % 2 == 0


def tune(problem: Problem, mask: np.ndarray, file: Path | None, **settings: Any) -> Any:
    asked = {"epochs": 2, "training": FALLING, "seed": 3, "progress": False} | settings
    return fine_tuned(problem, mask, file, **asked)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("count", "picks", "places"),
    [(9, 3, [0, 4, 8]), (10, 4, [0, 3, 6, 9]), (5, 2, [0, 4]), (7, 1, [3]), (3, 5, [0, 1, 2])],
)
def test_picks_stand_evenly_along_the_front(count: int, picks: int, places: list[int]) -> None:
    assert evenly(count, picks) == places


def test_the_best_network_of_at_most_a_count_is_taken() -> None:
    front = [solution(2, 0.9), solution(5, 0.4), solution(8, 0.1)]
    assert [at_most(front, kept) for kept in (1, 2, 4, 5, 7, 10)] == [None, 0, 0, 1, 1, 2]


def test_more_picks_than_the_front_holds_are_all_of_it_and_a_remark() -> None:
    outcome = FilterOutcome([solution(2, 0.9), solution(5, 0.4)], [], 0.0)
    assert picked(outcome, Emofp(picks=4)) == [0, 1]
    (remark,) = outcome.remarks
    assert remark == "picks: expected at most 2, the size of the front, got 4: all are taken"


def test_a_count_that_none_of_the_front_has_is_a_remark_and_two_of_one_network_are_one() -> None:
    outcome = FilterOutcome([solution(4, 0.9), solution(8, 0.4)], [], 0.0)
    assert picked(outcome, Emofp(keep=(9, 8, 3))) == [1]
    (remark,) = outcome.remarks
    assert remark == "keep: none of the front keeps at most 3 filters; its least is 4"


def test_a_network_is_cut_trained_and_kept_with_its_recipe(
    problem: Problem, mask: np.ndarray, tmp_path: Path
) -> None:
    file = tmp_path / "tuned" / "7.pt"
    tuned = tune(problem, mask, file)
    content = torch.load(file, weights_only=True)
    built = recipe.rebuild(problem.space.model, content["recipe"], content["state_dict"])
    images = problem.images(problem.data.search.images[:8])
    with torch.no_grad():
        assert torch.equal(built(images), tuned.network(images))
        before = shrink(problem.space.model, problem.space.cut(mask)).eval()(images)
        assert not torch.equal(before, tuned.network(images))
    assert not file.with_suffix(".checkpoint").exists()


def test_fine_tuning_leaves_the_trained_network_as_it_was(
    problem: Problem, mask: np.ndarray, unchanged: Any
) -> None:
    with unchanged(problem.space.model):
        tune(problem, mask, None)


def test_images_are_shifted_by_an_eighth_of_their_width_unless_told_otherwise(
    problem: Problem,
) -> None:
    usual, still = augmenting(problem.data), augmenting(problem.data, shift=0)
    assert usual.keywords == {"padding": 1, "flip": False}  # type: ignore[attr-defined]
    images = problem.data.train.images[:5]
    assert torch.equal(still(images, np.random.default_rng(0)), images)


def test_the_dense_network_teaches_if_asked_to_and_its_looks_are_counted(
    problem: Problem, mask: np.ndarray, unchanged: Any
) -> None:
    plain = tune(problem, mask, None)
    with unchanged(problem.space.model):
        taught = tune(problem, mask, None, distil=True)
    assert taught.passes == plain.passes + 2 * 200
    assert not torch.equal(*(next(one.network.parameters()) for one in (plain, taught)))


def test_its_passes_are_counted_and_those_of_a_kept_network_again_once(
    problem: Problem, mask: np.ndarray, tmp_path: Path
) -> None:
    tuned = tune(problem, mask, tmp_path / "1.pt")
    assert problem.passes["training"] == tuned.passes >= 2 * 3 * 200
    other = replace(problem, passes=Passes())
    assert tune(other, mask, tmp_path / "1.pt").passes == tuned.passes
    assert other.passes["training"] == tuned.passes


def test_a_kept_network_is_not_trained_again(
    problem: Problem, mask: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tune(problem, mask, tmp_path / "1.pt")
    monkeypatch.delattr(finetuned, "train")
    again = tune(problem, mask, tmp_path / "1.pt")
    for one, other in zip(first.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_a_training_that_was_killed_goes_on_from_its_last_epoch_to_the_same_weights(
    problem: Problem, mask: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tune(problem, mask, tmp_path / "whole.pt", epochs=3)
    normalise, calls = datasets.normalise, [0]

    def dying(*given: Any) -> torch.Tensor:
        calls[0] += 1
        if calls[0] > 12:  # in the second epoch
            raise KilledError
        return normalise(*given)

    with monkeypatch.context() as patched, pytest.raises(KilledError):
        patched.setattr("evoprune.network.training.normalise", dying)
        tune(problem, mask, tmp_path / "1.pt", epochs=3)
    assert (tmp_path / "1.checkpoint").exists() and not (tmp_path / "1.pt").exists()
    rest = tune(problem, mask, tmp_path / "1.pt", epochs=3)
    assert rest.passes == whole.passes
    for one, other in zip(whole.network.parameters(), rest.network.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_control_has_the_structure_and_other_weights(
    problem: Problem, mask: np.ndarray
) -> None:
    small = shrink(problem.space.model, problem.space.cut(mask))
    fresh = renewed(small, seed=0)
    for name, one in small.named_parameters():
        other = fresh.get_parameter(name)
        assert one.shape == other.shape
        if one.ndim > 1:
            assert not torch.equal(one, other)


def test_a_control_is_the_same_for_the_same_seed_and_draws_nothing_from_torch() -> None:
    network, state = models.build("digits-cnn", channels=1, image_size=8), torch.get_rng_state()
    a, b, c = renewed(network, seed=1), renewed(network, seed=1), renewed(network, seed=2)
    weights = [next(one.parameters()) for one in (a, b, c)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_the_settings_of_a_run_reach_its_fine_tuning(
    problem: Problem, mask: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr(finetuned, "fine_tuned", lambda *_, **asked: seen.append(asked))
    outcome = FilterOutcome([Solution(mask, 0.5, 0.5, 0.5, "masks")], [], 0.0)
    run = Run(streams=problem.streams, passes=problem.passes, bar=False)
    fine_tune(outcome, problem, Emofp(epochs=7, rate=0.3, patience=4, shift=2), run)
    (asked,) = seen
    training = asked["training"]
    assert (training.rate, training.patience, training.stop_after) == (0.3, 4, 7)
    assert (asked["epochs"], asked["shift"]) == (7, 2)
