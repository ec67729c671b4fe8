"""Training a small network from scratch."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.datasets import Dataset, augment, load
from evoprune.network.models import build
from evoprune.network.training import Epoch, error, train


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load("digits")


def trained(digits: Dataset, *, seed: int = 0, epochs: int = 2) -> tuple[nn.Module, list[Epoch]]:
    model = build("digits-cnn", channels=1, image_size=8)
    shift = partial(augment, padding=1, flip=False)
    rng = np.random.default_rng(seed)
    return model, train(model, digits, epochs=epochs, rng=rng, augmentation=shift, progress=False)


def test_a_few_epochs_teach_the_digits(digits: Dataset) -> None:
    model, history = trained(digits, epochs=4)
    assert error(model, digits.test, digits) < 0.04
    assert history[-1].loss < history[0].loss


def test_the_same_rng_gives_the_same_weights_whatever_torch_draws(digits: Dataset) -> None:
    one, _ = trained(digits)
    torch.rand(3)
    two, _ = trained(digits)
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key])


def test_another_rng_gives_other_weights(digits: Dataset) -> None:
    one, two = trained(digits)[0], trained(digits, seed=1)[0]
    assert not torch.equal(one.conv1.weight, two.conv1.weight)


def test_training_leaves_the_generators_of_torch_and_numpy_alone(digits: Dataset) -> None:
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    trained(digits, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)  # noqa: NPY002


def test_the_history_counts_epochs_and_passes_and_the_rate_falls(digits: Dataset) -> None:
    _, history = trained(digits)
    assert [epoch.number for epoch in history] == [1, 2]
    assert [epoch.passes for epoch in history] == [3 * 1197, 6 * 1197]
    assert [epoch.rate for epoch in history] == pytest.approx([0.05, 0.025])


def test_the_network_is_left_in_evaluation_mode(digits: Dataset) -> None:
    assert not trained(digits, epochs=1)[0].training


def test_the_error_of_a_constant_answer_is_the_share_of_the_other_classes(
    digits: Dataset,
) -> None:
    model = build("digits-cnn", channels=1, image_size=8)
    nn.init.zeros_(model.linear.weight)
    with torch.no_grad():
        model.linear.bias.copy_(torch.eye(10)[3])
    expected = float((digits.test.labels != 3).double().mean())
    assert error(model, digits.test, digits, batch=70) == pytest.approx(expected)


def test_measuring_the_error_leaves_mode_and_buffers(digits: Dataset) -> None:
    model = build("digits-cnn", channels=1, image_size=8).train()
    before = model.bn1.running_mean.clone()
    error(model, digits.search, digits)
    assert model.training and torch.equal(model.bn1.running_mean, before)


@pytest.mark.parametrize(("setting", "value"), [("epochs", 0), ("batch", 1), ("rate", 0.0)])
def test_a_number_out_of_range_is_refused(digits: Dataset, setting: str, value: float) -> None:
    settings = {"epochs": 1, "rng": np.random.default_rng(0), setting: value}
    with pytest.raises(InputError, match=f"train: expected .*{setting}={value}"):
        train(build("digits-cnn", channels=1, image_size=8), digits, **settings)


def test_a_rate_that_blows_up_is_named(digits: Dataset) -> None:
    model = build("lenet", channels=1, image_size=12)
    model.conv1 = nn.Conv2d(1, 6, 5, padding=4)  # 8x8 images become 12x12
    with pytest.raises(InputError, match="rate: the loss is not finite in epoch 1"):
        train(model, digits, epochs=1, rng=np.random.default_rng(0), rate=1e9, progress=False)


class WithAuxiliary(nn.Module):
    """The network of the digits; in training mode it answers with a second head's logits too."""

    def __init__(self) -> None:
        super().__init__()
        self.network = build("digits-cnn", channels=1, image_size=8)

    def forward(self, x: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        logits = self.network(x)
        return (logits, -logits) if self.training else logits


def test_of_a_network_that_answers_with_auxiliary_logits_too_the_first_are_trained(
    digits: Dataset,
) -> None:
    plain, beside = build("digits-cnn", channels=1, image_size=8), WithAuxiliary()
    histories = [
        train(model, digits, epochs=1, rng=np.random.default_rng(0), progress=False)
        for model in (plain, beside)
    ]
    assert histories[0] == histories[1]
    for key, value in plain.state_dict().items():
        assert torch.equal(value, beside.network.state_dict()[key])
