"""Networks are timed in turn, and left as they were."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network import latency
from evoprune.network.latency import latency_ms, setting, timed


def sleeping(seconds: float) -> Any:
    return lambda images: time.sleep(seconds)


def test_times_are_medians_in_milliseconds_in_the_order_of_the_networks() -> None:
    slow, fast = latency_ms([sleeping(0.02), sleeping(0.002)], torch.zeros(1, 2), runs=5)
    assert 20 <= slow < 200 and 2 <= fast < slow


def test_a_median_leaves_one_long_run_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.array([[1.0, 3.0], [2.0, 3.0], [900.0, 3.0]])
    monkeypatch.setattr(latency, "timed", lambda *arguments, **named: rows)
    assert latency_ms([sleeping(0), sleeping(0)], torch.zeros(1)) == [2.0, 3.0]


def test_every_round_runs_each_network_once_and_every_second_one_backwards() -> None:
    order: list[str] = []
    networks = [lambda images, name=name: order.append(name) for name in "abc"]
    times = timed(networks, torch.zeros(1, 2), runs=2)
    assert times.shape == (2, 3) and (times > 0).all()
    rounds = ["".join(order[at : at + 3]) for at in range(0, len(order), 3)]
    assert rounds == ["abc", "cba", "abc", "cba", "abc"]


def test_networks_run_in_evaluation_mode_without_gradients_and_keep_their_mode() -> None:
    seen: list[tuple[bool, bool]] = []

    class Watching(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append((self.training, torch.is_grad_enabled()))
            return x

    network = Watching().train()
    latency_ms([network], torch.zeros(1), runs=1)
    assert set(seen) == {(False, False)} and network.training


@pytest.mark.parametrize(("networks", "images", "runs"), [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_nothing_to_time_is_refused(networks: int, images: int, runs: int) -> None:
    with pytest.raises(InputError, match=f"got {networks}, {images} and {runs}"):
        latency_ms([sleeping(0)] * networks, torch.zeros(images, 2), runs=runs)


def test_a_time_is_told_with_batch_threads_device_and_runs() -> None:
    told = setting(torch.zeros(7, 2), runs=3)
    assert (told["batch"], told["threads"], told["runs"]) == (7, torch.get_num_threads(), 3)
    assert isinstance(told["device"], str) and told["device"]
