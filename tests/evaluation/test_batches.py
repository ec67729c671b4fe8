"""The size of a batch: a clock that the networks of the tests turn themselves."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.batches import DEFAULT, SMALL, best_batch, check_memory

Run = Callable[[torch.Tensor], torch.Tensor]
Timed = Callable[..., Run]
IMAGES = torch.arange(226.0)[:, None]


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> Timed:
    """Return a way to make networks whose passes take as long as is said of their size."""
    now = [0.0]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])

    def make(seconds: Mapping[int, float], run: Run = lambda part: part + 1) -> Run:
        def network(part: torch.Tensor) -> torch.Tensor:
            now[0] += seconds.get(len(part), 1.0)
            return run(part)

        return network

    return make


@pytest.mark.parametrize("fastest", SMALL)
def test_the_fastest_size_is_chosen(timed: Timed, fastest: int) -> None:
    assert best_batch(timed({fastest: 1e-6}), IMAGES[:200]) == fastest


def test_seconds_are_those_of_all_images_not_of_a_pass(timed: Timed) -> None:
    seconds = {25: 1.0, 50: 1.9, 100: 4.1, 200: 8.1}  # in all 8.0, 7.6, 8.2 and 8.1
    assert best_batch(timed(seconds), IMAGES[:200]) == 50


@pytest.mark.parametrize("other", sorted({*SMALL} - {DEFAULT}))
def test_a_size_with_other_outputs_is_not_chosen_were_it_the_fastest(
    timed: Timed, other: int
) -> None:
    network = timed({other: 1e-9, 100: 1e-3}, lambda part: part + 1e-4 * (len(part) == other))
    assert best_batch(network, IMAGES[:200]) == DEFAULT


def test_a_difference_by_rounding_is_no_reason_to_warn(timed: Timed) -> None:
    network = timed({}, lambda part: part * (1 + 1e-6 * len(part)))
    assert best_batch(network, IMAGES[:200]) == DEFAULT


def test_a_network_that_normalises_over_the_batch_brings_a_warning() -> None:
    message = "model: its outputs change with the batch size: .* and 100 images a pass .* the batch"
    with pytest.warns(UserWarning, match=message):
        assert best_batch(lambda part: part - part.mean(0), IMAGES[:200]) == DEFAULT


@pytest.mark.parametrize("limit", [1, 10, 25, 26, 60, 100, 150, 1000])
def test_no_more_than_the_limit_go_through_at_a_time(timed: Timed, limit: int) -> None:
    seen: list[int] = []

    def note(part: torch.Tensor) -> torch.Tensor:
        seen.append(len(part))
        return part

    network = timed({200: 1e-6, 100: 1e-5, 50: 1e-4}, note)
    assert 1 <= best_batch(network, IMAGES, limit=limit) <= limit
    assert max(seen, default=0) <= limit


@pytest.mark.parametrize("count", [1, 2, 24, 25, 26, 49, 50, 51, 99, 101])
def test_few_images_go_through_in_no_more_than_there_are(timed: Timed, count: int) -> None:
    assert 1 <= best_batch(timed({}), IMAGES[:count]) <= count


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_outputs_that_are_not_finite_leave_the_usual_size(timed: Timed, bad: float) -> None:
    assert best_batch(timed({}, lambda part: part * bad), IMAGES[:200]) in SMALL


def test_outputs_that_are_never_the_same_leave_the_usual_size_and_bring_a_warning() -> None:
    rng = torch.Generator().manual_seed(0)
    with pytest.warns(UserWarning, match="outputs change with the batch size"):
        chosen = best_batch(lambda part: torch.rand(len(part), 1, generator=rng), IMAGES[:200])
    assert chosen == DEFAULT


def test_the_trial_needs_no_gradients() -> None:
    layer = nn.Linear(1, 2)
    required: list[bool] = []

    def network(part: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = layer(part)
        required.append(outputs.requires_grad)
        return outputs

    best_batch(network, IMAGES[:200])
    assert required
    assert not any(required)


def test_memory_that_is_just_enough_will_do() -> None:
    check_memory(2.5, 2.5e6, "one image")


@pytest.mark.parametrize("needed", [999, 1_234_567, 1_500_000, 99_960_000, 1_234_567_890])
def test_the_memory_that_the_error_says_to_write_is_enough_and_hardly_more(needed: int) -> None:
    with pytest.raises(InputError, match=r"memory: .* which one image takes") as e:
        check_memory(needed * 0.99 / 1e6, needed, "one image")
    found = re.search(r"write --memory ([\d.]+)$", str(e.value))  # a plain number
    assert found
    check_memory(float(found[1]), needed, "one image")
    assert float(found[1]) * 1e6 <= 1.01 * needed + 1e4
