"""A network of one's own: it takes the model's place, is not trained, and comes back as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.methods.hierarchical import hierarchical
from evoprune.network import datasets, training
from evoprune.running import problem
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams
from evoprune.space.weights import WeightSpace

SMALL: dict[str, Any] = {"population": 4, "generations": (1, 1), "search_images": 60}


@pytest.fixture(autouse=True)
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let any training during a test be an error."""

    def train(*arguments: object) -> None:
        raise AssertionError("trained in vain")

    monkeypatch.setattr(problem, "train_here", train)


@pytest.fixture(scope="module")
def own() -> nn.Module:
    """Return a network with BatchNorm that knows the digits a little: 36 + 2,560 weights."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(256, 10),
    )
    digits = datasets.load("digits")
    training.train(network, digits, epochs=3, rng=np.random.default_rng(0), progress=False)
    return network


def test_a_space_of_ones_own_takes_the_models_place(own: nn.Module) -> None:
    space = WeightSpace(own)
    task = prepare(Config(model="resnet20"), Streams(0), space=space)
    assert task.space is space
    assert task.space.model is own


def test_a_network_of_ones_own_is_taken_to_have_seen_all_training_images(own: nn.Module) -> None:
    data = prepare(Config(), Streams(0), space=WeightSpace(own)).data
    assert data.seen_all_training
    assert [len(part) for part in (data.train, data.search, data.test)] == [1497, 150, 150]


def test_preparing_leaves_the_network_as_it_was(own: nn.Module, unchanged: Any) -> None:
    with unchanged(own):
        prepare(Config(recalibrate=1.0), Streams(0), space=WeightSpace(own))


@pytest.mark.parametrize("settings", [{}, {"recalibrate": 1.0}, {"guided": False}], ids=str)
def test_a_whole_search_leaves_the_network_as_it_was(
    own: nn.Module, unchanged: Any, settings: dict[str, Any]
) -> None:
    config = Config(**SMALL, **settings)
    task = prepare(config, Streams(0), space=WeightSpace(own))
    with unchanged(own):
        hierarchical(task, config, Run(streams=task.streams, passes=task.passes, bar=False))


def test_masks_are_of_the_layers_that_the_space_names(own: nn.Module) -> None:
    config = Config(**SMALL, guided=False)
    task = prepare(config, Streams(0), space=WeightSpace(own, exclude=["conv"]))
    run = Run(streams=task.streams, passes=task.passes, bar=False)
    front = hierarchical(task, config, run).front
    assert front
    assert {len(solution.mask) for solution in front} == {2560}


def test_a_network_of_ones_own_for_other_images_is_named() -> None:
    space = WeightSpace(nn.Conv2d(3, 10, 3))
    with pytest.raises(InputError, match="model: Conv2d does not take the images of digits"):
        prepare(Config(), Streams(0), space=space)
