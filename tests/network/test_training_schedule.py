"""Optimiser, schedule, early stopping, precision and passes of training."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import InputError
from evoprune.network import training
from evoprune.network.datasets import Dataset, Split, normalise, split
from evoprune.network.optimising import Training, faster_precision
from evoprune.network.training import Epoch, error, measured, train
from evoprune.passes import Passes

States = list[dict[str, torch.Tensor]]
Told = Callable[[Sequence[float]], States]


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Return 5 classes of noisy 8x8 images: 54 to train, 6 to search, 20 to test."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 255, (60, 1, 8, 8), dtype=np.uint8))
    whole = Split(images, torch.arange(60) % 5)
    return split("noise", whole, whole.part(slice(20)), list("abcde"))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Told:
    """Return a function that has the search split measure so, and gives the weights measured."""

    def script(values: Sequence[float]) -> States:
        left, seen = list(values), States()

        def say(model: nn.Module, *_: object) -> tuple[float, float]:
            seen.append(copy.deepcopy(model.state_dict()))
            value = left.pop(0)
            return value, value

        monkeypatch.setattr(training, "measured", say)
        return seen

    return script


def run(model: nn.Module, data: Dataset, *, epochs: int = 2, **options: Any) -> list[Epoch]:
    rng = np.random.default_rng(0)
    return train(model, data, epochs=epochs, rng=rng, batch=16, progress=False, **options)


def same(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_training_is_torch_s_own_optimiser_in_a_plain_loop(
    model: nn.Module, data: Dataset, optimiser: str
) -> None:
    twin, rate, decay = copy.deepcopy(model), 0.01, 0.1
    run(model, data, optimiser=optimiser, rate=rate, weight_decay=decay, momentum=0.8)
    steps: torch.optim.Optimizer
    if optimiser == "sgd":
        steps = torch.optim.SGD(twin.parameters(), rate, momentum=0.8, weight_decay=decay)
    else:
        steps = torch.optim.AdamW(twin.parameters(), rate, weight_decay=decay)
    rng, taken = np.random.default_rng(0), 0
    rng.integers(2**63)  # the seed of dropout
    twin.train()
    for _ in range(2):
        for chosen in np.array_split(rng.permutation(54), 4):
            steps.param_groups[0]["lr"] = rate * (1 + np.cos(np.pi * taken / 8)) / 2
            batch, taken = data.train.part(chosen), taken + 1
            steps.zero_grad()
            functional.cross_entropy(twin(normalise(batch.images, data)), batch.labels).backward()
            steps.step()
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, twin.state_dict()[key])


def test_on_a_plateau_the_rate_falls_once_patience_is_over(
    model: nn.Module, data: Dataset, told: Told
) -> None:
    """The third and fourth loss are above the second: two epochs, one more than the patience."""
    told([1.0, 0.90, 0.95, 0.92, 0.91, 0.8])
    history = run(model, data, epochs=6, schedule="plateau", rate=0.4, factor=0.5, patience=1)
    assert [epoch.rate for epoch in history] == [0.4, 0.4, 0.4, 0.4, 0.2, 0.2]
    assert [epoch.search_loss for epoch in history] == [1.0, 0.90, 0.95, 0.92, 0.91, 0.8]


def test_without_patience_the_rate_falls_at_each_loss_that_is_no_smaller(
    model: nn.Module, data: Dataset, told: Told
) -> None:
    told([0.5, 0.5, 0.5, 0.4])
    history = run(model, data, epochs=4, schedule="plateau", rate=0.4, factor=0.5, patience=0)
    assert [epoch.rate for epoch in history] == [0.4, 0.4, 0.2, 0.1]


def test_training_stops_early_and_the_best_weights_come_back(
    model: nn.Module, data: Dataset, told: Told
) -> None:
    """The first value is of the weights before the first step; equal is not smaller."""
    seen = told([0.5, 0.4, 0.2, 0.3, 0.2, 0.1])
    history = run(model, data, epochs=5, stop_after=2)
    assert [epoch.search_error for epoch in history] == [0.4, 0.2, 0.3, 0.2]
    assert same(model.state_dict(), seen[2]) and not same(seen[2], seen[4])


def test_if_nothing_is_better_than_the_start_the_start_comes_back(
    model: nn.Module, data: Dataset, told: Told
) -> None:
    before = copy.deepcopy(model.state_dict())
    told([0.1, 0.2, 0.2, 0.2])
    assert len(run(model, data, epochs=3, stop_after=3)) == 3
    assert same(model.state_dict(), before)


def test_what_comes_back_is_masked_even_if_it_is_the_start(
    model: nn.Module, data: Dataset, told: Told
) -> None:
    told([0.1, 0.2])
    run(model, data, epochs=1, stop_after=1, masks={"8.bias": torch.zeros(5, dtype=torch.bool)})
    assert model[8].bias.count_nonzero() == 0


def test_the_search_split_does_not_teach(model: nn.Module, data: Dataset) -> None:
    """Measured or not, and whatever is on it, the same weights are trained."""
    twin = copy.deepcopy(model)
    dark = Split(torch.zeros_like(data.search.images), data.search.labels)
    other = Dataset(**vars(data) | {"search": dark})
    run(model, data, schedule="plateau", patience=9)
    run(twin, other, schedule="plateau", patience=9)
    assert same(model.state_dict(), twin.state_dict())


def test_the_search_split_is_not_measured_where_nothing_asks_for_it(
    model: nn.Module, data: Dataset, told: Told
) -> None:
    told([])
    history = run(model, data)
    assert [(epoch.search_loss, epoch.search_error) for epoch in history] == [(None, None)] * 2


def test_measuring_by_hand(model: nn.Module, data: Dataset) -> None:
    logits = model(normalise(data.test.images, data)).detach()
    loss, share = measured(model, data.test, data, batch=7)
    assert loss == pytest.approx(float(functional.cross_entropy(logits, data.test.labels)))
    assert share == pytest.approx(float((logits.argmax(1) != data.test.labels).double().mean()))
    assert share == error(model, data.test, data)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, 2 * 3 * 54),
        ({"schedule": "plateau"}, 2 * (3 * 54 + 6)),
        ({"stop_after": 5}, 2 * (3 * 54 + 6) + 6),
        ({"teacher": nn.Sequential(nn.Flatten(), nn.Linear(64, 5))}, 2 * 4 * 54),
    ],
    ids=["plain", "plateau", "stopping", "taught"],
)
def test_every_pass_is_counted(
    model: nn.Module, data: Dataset, options: dict[str, Any], expected: int
) -> None:
    passes = Passes(training=1000)
    history = run(model, data, passes=passes, **options)
    assert history[-1].passes == expected
    assert passes == {"training": 1000 + expected} and passes.spent() == 1000 + expected
    assert passes.seconds > 0


@pytest.mark.parametrize("first", ["fp32", "bf16"])
def test_auto_trains_in_what_a_trial_finds_faster(
    model: nn.Module, data: Dataset, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    twin = copy.deepcopy(model)
    monkeypatch.setattr(training, "faster_precision", lambda *_: first)
    assert run(model, data, precision="auto") == run(twin, data, precision=first)


def test_bf16_is_near_single_precision_and_keeps_the_weights_in_it(
    model: nn.Module, data: Dataset
) -> None:
    twin = copy.deepcopy(model)
    half, single = run(model, data, precision="bf16"), run(twin, data)
    assert half != single
    assert half[-1].loss == pytest.approx(single[-1].loss, rel=0.05)
    assert all(value.dtype == torch.float32 for value in model.parameters())


def test_a_trial_of_the_precision_leaves_network_and_generator_alone(
    model: nn.Module, images: torch.Tensor, unchanged: Any
) -> None:
    model.append(nn.Dropout(0.5))
    before = torch.get_rng_state()
    with unchanged(model):
        assert faster_precision(model, images) in ("fp32", "bf16")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("setting", "value", "expected"),
    [
        ("momentum", 1.0, "from 0 on and below 1"),
        ("weight_decay", -0.1, "from 0 on"),
        ("factor", 1.0, "above 0 and below 1"),
        ("patience", -1, "from 0 on"),
        ("label_smoothing", 1.1, "from 0 to 1"),
        ("stop_after", 0, "from 1 on, or None for never"),
        ("distillation", -0.1, "from 0 to 1"),
        ("temperature", 0.0, "above 0"),
        ("rate", float("nan"), "above 0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(setting: str, value: float, expected: str) -> None:
    message = f"^train: expected {setting} {expected}; got {setting}={value}$"
    with pytest.raises(InputError, match=message):
        Training(**{setting: value})


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [("optimiser", "sdg", "sgd"), ("schedule", "cosin", "cosine"), ("precision", "fp16", "bf16")],
)
def test_a_misspelt_name_brings_the_nearest(kind: str, name: str, near: str) -> None:
    with pytest.raises(InputError, match=f"unknown {kind} '{name}': did you mean '{near}'"):
        Training(**{kind: name})
