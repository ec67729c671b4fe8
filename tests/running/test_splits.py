"""Three splits: the network and the search see no test image, and nobody sees another's images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from evoprune.methods.hierarchical import hierarchical
from evoprune.network import datasets, models, reading
from evoprune.network.datasets import Dataset
from evoprune.running import problem
from evoprune.running.config import Config
from evoprune.running.problem import Problem, prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams

Pictures = set[bytes]
Task = Callable[..., Problem]


def pictures(images: torch.Tensor) -> Pictures:
    """Return raw images, uint8, as a set; no two of the digits are alike."""
    return {image.contiguous().numpy().tobytes() for image in images}


def shown(inputs: Iterable[torch.Tensor], data: Dataset) -> Pictures:
    """Return the raw images that a network's inputs were normalised from."""
    mean, deviation = (torch.tensor(v).view(1, -1, 1, 1) for v in (data.mean, data.deviation))
    values = torch.cat(list(inputs)) * deviation + mean
    return pictures((values * 255).round().to(torch.uint8))


def official() -> tuple[Pictures, Pictures]:
    """Return the official training and test images of the digits."""
    (train, _), (test, _), _ = reading.read_digits()
    return pictures(torch.from_numpy(train)), pictures(torch.from_numpy(test))


def watched(model: torch.nn.Module) -> list[torch.Tensor]:
    """Note every batch of images that goes through a network or a copy, into its first layer."""
    batches: list[torch.Tensor] = []
    first = next(module for module in model.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_pre_hook(lambda module, inputs: batches.append(inputs[0].clone()))
    return batches


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave images as they are where they would be augmented."""
    monkeypatch.setattr(datasets, "augment", lambda images, rng, **options: images)


@pytest.fixture
def task(plain: None, monkeypatch: pytest.MonkeyPatch, digits_weights: Path) -> Task:
    """Return a maker of tasks with a published network, or one to be trained here (but is not)."""
    monkeypatch.setattr(problem, "train_here", lambda *arguments: None)

    def make(published: bool, **settings: Any) -> Problem:
        weights = str(digits_weights) if published else None
        return prepare(Config(weights=weights, **settings), Streams(0))

    return make


def test_a_published_network_is_judged_on_official_test_images_alone(task: Task) -> None:
    data, (train, test) = task(True).data, official()
    assert pictures(data.search.images) | pictures(data.test.images) == test
    assert pictures(data.train.images) == train


def test_a_network_trained_here_is_searched_on_images_cut_off_from_training(task: Task) -> None:
    data, (train, test) = task(False).data, official()
    assert pictures(data.search.images) | pictures(data.train.images) == train
    assert pictures(data.test.images) == test


@pytest.mark.parametrize("published", [True, False])
def test_no_image_serves_two_splits(task: Task, published: bool) -> None:
    data = task(published).data
    parts = [pictures(part.images) for part in (data.train, data.search, data.test)]
    assert len(set.union(*parts)) == sum(map(len, parts)) == 1797


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("split", ["search", "test"])
def test_an_evaluator_judges_the_images_of_its_split(
    task: Task, split: str, published: bool
) -> None:
    made = task(published)
    judged = shown([made.evaluator(split).images], made.data)
    assert judged == pictures(getattr(made.data, split).images)


@pytest.mark.parametrize("published", [True, False])
def test_guidance_draws_from_training_images_alone(task: Task, published: bool) -> None:
    made = task(published)
    assert shown([made.guidance().images], made.data) <= pictures(made.data.train.images)


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("split", ["search", "test"])
def test_recalibration_sees_training_images_alone(
    task: Task, split: str, published: bool
) -> None:
    made = task(published, recalibrate=1.0)
    recalibration = made.evaluator(split).recalibration
    assert recalibration is not None
    assert shown(recalibration.batches, made.data) <= pictures(made.data.train.images)


def test_a_network_trained_here_sees_every_training_image_and_no_other(
    plain: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = models.build("digits-cnn", channels=1, image_size=8)
    seen = watched(network)
    monkeypatch.setattr(models, "build", lambda *arguments, **options: network)
    monkeypatch.setattr(problem, "EPOCHS", 1)
    data = prepare(Config(), Streams(0)).data
    assert shown(seen, data) == pictures(data.train.images)


def test_no_test_image_goes_through_the_network_during_a_search(task: Task) -> None:
    config = Config(population=4, generations=(1, 1), recalibrate=1.0)
    made = task(True, recalibrate=1.0)
    seen = watched(made.space.model)
    hierarchical(made, config, Run(streams=made.streams, passes=made.passes, bar=False))
    went_through = shown(seen, made.data)
    assert not went_through & pictures(made.data.test.images)
    assert went_through >= pictures(made.data.search.images)
