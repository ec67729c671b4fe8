"""The task of a run: a network that cannot serve is refused before any work."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network import models
from evoprune.running import problem
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.seeding import Streams


def build(monkeypatch: pytest.MonkeyPatch, network: nn.Module) -> None:
    """Let every model be this one, and training be an error."""

    def train(*arguments: object, **options: object) -> None:
        raise AssertionError("trained in vain")

    monkeypatch.setattr(models, "build", lambda *arguments, **options: network)
    monkeypatch.setattr(problem, "train", train)


def test_recalibration_without_batchnorm_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    build(monkeypatch, nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    with pytest.raises(InputError, match="recalibrate: digits-cnn has no BatchNorm layer"):
        prepare(Config(recalibrate=1.0), Streams(0))


def test_a_network_for_other_images_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    build(monkeypatch, nn.Conv2d(3, 10, 3))
    message = r"model: digits-cnn does not take the images of digits, shape \(1, 8, 8\)"
    with pytest.raises(InputError, match=message):
        prepare(Config(), Streams(0))


@pytest.mark.parametrize("network", [nn.Linear(64, 7), nn.Unflatten(1, (8, 8))])
def test_a_network_with_other_outputs_is_refused(
    monkeypatch: pytest.MonkeyPatch, network: nn.Module
) -> None:
    build(monkeypatch, nn.Sequential(nn.Flatten(), network))
    with pytest.raises(InputError, match="model: expected 10 outputs an image"):
        prepare(Config(), Streams(0))


def test_the_search_recalibrates_over_part_of_the_images_that_test_figures_are_worth() -> None:
    task = prepare(Config(recalibrate=1.0), Streams(0), trained=None)
    search, test = task.evaluator().recalibration, task.evaluator("test").recalibration
    assert search is not None and test is not None
    assert 0 < search.images < test.images
    pairs = zip(search.batches, test.batches, strict=False)
    assert all(torch.equal(a, b) for a, b in pairs)
