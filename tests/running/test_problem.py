"""The task of a run: a network that cannot serve is refused before any work."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.evaluator import Recalibration
from evoprune.network import models
from evoprune.network.datasets import Dataset, Split, split
from evoprune.passes import Passes
from evoprune.running import problem
from evoprune.running.config import Config
from evoprune.running.problem import Problem, augmentation, prepare
from evoprune.seeding import Streams
from evoprune.space.weights import WeightSpace


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


def data(name: str = "own", *, channels: int = 1, size: int = 8, count: int = 50) -> Dataset:
    """Make a data set of five classes in which every image is half white, half black."""
    images = torch.zeros(count, channels, size, size, dtype=torch.uint8)
    images[..., : size // 2] = 255
    part = Split(images, torch.arange(count) % 5)
    return split(name, part, part, list("abcde"))


def task(
    space: WeightSpace, images: Dataset, recalibration: Recalibration | None = None
) -> Problem:
    return Problem(space, images, recalibration, Passes(), Streams(0))


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion-mnist", "cifar10:0-4"])
def test_images_that_mean_the_same_in_a_mirror_are_mirrored(name: str) -> None:
    assert augmentation(data(name, channels=3))["flip"]


@pytest.mark.parametrize(
    "name", ["digits", "mnist", "mnist:0,2", "folder:/x/mnist-like", "folder:/x/cifar10"]
)
def test_digits_and_a_users_own_images_are_not_mirrored(name: str) -> None:
    assert not augmentation(data(name))["flip"]


@pytest.mark.parametrize(("size", "padding"), [(4, 0), (8, 1), (28, 3), (32, 4), (224, 28)])
def test_images_are_shifted_by_an_eighth_of_their_width(size: int, padding: int) -> None:
    assert augmentation(data(size=size))["padding"] == padding


def test_guidance_sees_cifar_mirrored_and_a_users_own_images_as_they_hang(
    space: WeightSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The left half is white: where the right one is brighter, the image was mirrored."""
    monkeypatch.setitem(problem.datasets.PUBLISHED, "cifar10", ((0.5,), (0.5,)))
    shares = []
    for name in ("cifar10", "folder:/x/cifar10"):
        images = task(space, data(name)).guidance().images
        brighter = images[..., 4:].sum((1, 2, 3)) > images[..., :4].sum((1, 2, 3))
        shares.append(float(brighter.double().mean()))
    assert 0.2 < shares[0] < 0.8
    assert shares[1] == 0.0


@pytest.mark.parametrize(
    ("strength", "statistics"),
    [(None, "fixed"), (0.1, "fixed"), (0.49, "fixed"), (0.5, "batch"), (1.0, "batch")],
)
def test_guidance_runs_under_the_statistics_that_weigh_more(
    space: WeightSpace, images: torch.Tensor, strength: float | None, statistics: str
) -> None:
    recalibration = None if strength is None else Recalibration([images], strength)
    assert task(space, data(), recalibration).guidance().statistics == statistics


@pytest.mark.parametrize(("values", "pool"), [(64 * 45, 45), (64 * 10 + 63, 10), (63, 1)])
def test_guidance_draws_from_fewer_images_the_larger_they_are(
    space: WeightSpace, monkeypatch: pytest.MonkeyPatch, values: int, pool: int
) -> None:
    monkeypatch.setattr(problem, "POOL_VALUES", values)
    assert len(task(space, data()).guidance().images) == pool
