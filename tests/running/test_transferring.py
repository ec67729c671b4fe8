"""The task of a transfer: features computed once, splits that share nothing, bad input refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import models as zoo

from evoprune.errors import InputError
from evoprune.network import datasets
from evoprune.network.datasets import Dataset, normalise
from evoprune.running import transferring
from evoprune.running.growing import grow
from evoprune.running.transfer_settings import Transfer
from evoprune.running.transferring import TransferProblem, prepare_transfer
from evoprune.seeding import Streams

TINY: dict[str, Any] = {"units": 8, "epochs": 2, "train_images": 100, "population": 4}
DIGITS: dict[str, Any] = {"data": "digits:5-9", "source": "digits:0-4", "foreign": ("digits:0-2",)}


@pytest.fixture
def told(digits_weights: Path) -> dict[str, Any]:
    """Return settings under which no backbone has to be trained."""
    return {"weights": str(digits_weights), **TINY}


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave backbones with their first weights."""
    monkeypatch.setattr(transferring, "train_here", lambda *arguments: None)


def problem_of(told: dict[str, Any], **settings: Any) -> TransferProblem:
    config = Transfer(**{**told, **settings})
    return prepare_transfer(config, Streams(config.seed))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Take down how many images go through the backbone, call by call."""
    images: list[int] = []
    compute = transferring.features_of

    def counted(trunk: Any, some: torch.Tensor, **options: Any) -> torch.Tensor:
        images.append(len(some))
        return compute(trunk, some, **options)

    monkeypatch.setattr(transferring, "features_of", counted)
    return images


def pixels(*images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for some in images for image in some}


def test_each_image_goes_through_the_backbone_once(
    told: dict[str, Any], calls: list[int], tmp_path: Path
) -> None:
    problem = problem_of(told)
    grow(problem, tmp_path)
    for _ in range(2):
        problem.evaluator()
        problem.shown("test")
    judged = [problem.sides(split) for split in ("search", "test")]
    images = sum(len(own) + len(foreign[0]) for own, foreign in judged)
    assert sum(calls) == 100 + images


def test_cells_of_a_grid_make_as_many_features_of_each_map(
    told: dict[str, Any], tmp_path: Path
) -> None:
    whole, cells = (problem_of(told, layer="bn3", pool=pool) for pool in (1, 4))
    for problem in (whole, cells):
        grow(problem, tmp_path)  # in one folder: neither reads the other's
    (one, _), (sixteen, _) = whole.training_features(), cells.training_features()
    assert (whole.space.size, cells.space.size) == (32, 32 * 16)
    raw, parts = (p.standard[0] + p.standard[1] * x for p, x in ((whole, one), (cells, sixteen)))
    assert torch.allclose(parts.view(100, 32, 16).mean(2), raw, atol=1e-5)


def test_features_that_were_kept_are_read_again_by_the_next_run(
    told: dict[str, Any], calls: list[int], tmp_path: Path
) -> None:
    first, second = problem_of(told), problem_of(told, seed=3)
    grow(first, tmp_path)
    expected = first.shown("search")
    calls.clear()
    grow(second, tmp_path)
    found = second.shown("search")
    assert calls == []
    assert torch.equal(found.own, expected.own) and torch.equal(found.foreign, expected.foreign)


def test_passes_do_not_depend_on_what_the_folder_holds(
    told: dict[str, Any], tmp_path: Path
) -> None:
    counted = []
    for _ in range(2):
        problem = problem_of(told)
        grow(problem, tmp_path)
        problem.evaluator()
        counted.append(dict(problem.passes))
    assert counted[0] == counted[1]
    own, (foreign,) = problem.sides("search")
    assert counted[0]["fitness"] == len(own) + len(foreign)


OTHER = ({"layer": "bn2"}, {"source": "digits"}, {"weights": None}, {"model": "resnet20"})


@pytest.mark.parametrize("other", OTHER)
@pytest.mark.usefixtures("untrained")
def test_features_of_another_layer_norm_or_network_are_not_taken_for_these(
    told: dict[str, Any], calls: list[int], tmp_path: Path, other: dict[str, Any]
) -> None:
    told["weights"] = None if "model" in other else told["weights"]
    for settings in ({}, other):
        calls.clear()
        problem = problem_of(told, **settings)
        problem.keep = tmp_path
        problem.training_features()
        assert calls == [100]


def test_a_folder_of_ones_own_keeps_the_features(told: dict[str, Any], tmp_path: Path) -> None:
    problem = problem_of(told, features=str(tmp_path / "shared"))
    grow(problem, tmp_path / "run")
    assert len(list((tmp_path / "shared").glob("*.npy"))) == 1
    assert not (tmp_path / "run").exists()


def test_damaged_features_are_named(told: dict[str, Any], tmp_path: Path) -> None:
    grow(problem_of(told), tmp_path)
    (file,) = (tmp_path / "features").iterdir()
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(InputError, match=f"features: {file} is damaged; delete it"):
        grow(problem_of(told), tmp_path)


def test_features_of_all_images_are_brought_to_mean_0_and_deviation_1_of_the_training_ones(
    told: dict[str, Any],
) -> None:
    problem = problem_of(told)
    before = problem.features(problem.data.search.images)
    raw, _ = problem.training_features()
    grow(problem)
    features, labels = problem.training_features()
    assert float(features.mean()) == pytest.approx(0, abs=1e-5)
    assert float(features.std()) == pytest.approx(1, rel=1e-4)
    assert len(features) == len(labels) == 100
    expected = (before - raw.mean()) / raw.std()
    assert torch.allclose(problem.features(problem.data.search.images), expected, atol=1e-5)


def test_backbone_and_head_in_one_network_say_what_the_head_says_of_features(
    told: dict[str, Any],
) -> None:
    problem = problem_of(told)
    grow(problem)
    images = problem.images(problem.data.test.images)
    with torch.no_grad():
        whole = problem.network(problem.dense)(images)
        assert torch.allclose(whole, problem.dense(problem.shown("test").own), atol=1e-5)


def test_images_are_normalised_as_the_source_was(told: dict[str, Any]) -> None:
    problem = problem_of(told)
    raw = problem.data.train.images[:5]
    expected = normalise(raw, datasets.load("digits:0-4"))
    assert torch.allclose(problem.images(raw), expected, atol=1e-6)


def test_the_backbone_is_left_as_it_was(told: dict[str, Any], unchanged: Any) -> None:
    problem = problem_of(told, perturbation=0.01)
    with unchanged(problem.model), unchanged(problem.trunk):
        grow(problem)
        evaluator = problem.evaluator()
        evaluator.asking(problem.dense, problem.shown("test", known=False))
    assert not any(parameter.requires_grad for parameter in problem.trunk.parameters())


def test_splits_and_kinds_share_no_image(told: dict[str, Any]) -> None:
    problem = problem_of(told)
    kinds = [pixels(problem.data.train.images)]
    for split, known in (("search", True), ("test", True), ("test", False)):
        own, foreign = problem.sides(split, known=known)
        kinds += [pixels(*foreign)] + ([pixels(own.images)] if known else [])
    assert len(kinds) == 6
    assert sum(map(len, kinds)) == len(set.union(*kinds))


def test_there_are_as_many_foreign_images_as_own_and_of_each_set_alike(
    told: dict[str, Any],
) -> None:
    problem = problem_of(told, foreign=("digits:0", "digits:1", "digits:2"), search_images=60)
    own, foreign = problem.sides("search")
    assert len(own) == 60
    assert [len(images) for images in foreign] == [20, 20, 20]


def test_the_foreign_images_are_the_same_in_every_run(told: dict[str, Any]) -> None:
    one, other = (problem_of(told, seed=seed).sides("search")[1][0] for seed in (0, 7))
    assert torch.equal(one, other)


def test_unseen_images_are_of_the_unseen_data_sets(told: dict[str, Any]) -> None:
    problem = problem_of(told)
    test = datasets.load("digits:3-4").test.images
    _, foreign = problem.sides("test", known=False)
    assert pixels(*foreign) <= pixels(test)


def test_candidates_begin_as_the_dense_head_began_or_as_it_ended(told: dict[str, Any]) -> None:
    plain, heir = problem_of(told), problem_of(told, inherit=True)
    for problem in (plain, heir):
        grow(problem)
    assert plain.evaluator().start is plain.start
    assert heir.evaluator().start is heir.dense
    assert torch.equal(plain.dense.out.weight, heir.dense.out.weight)
    assert not torch.equal(plain.start.out.weight, plain.dense.out.weight)


def test_importance_is_asked_of_the_dense_head_and_training_images(told: dict[str, Any]) -> None:
    problem = problem_of(told, encoding="neurons")
    grow(problem)
    assert problem.space.importance.shape == (8,)
    assert problem.passes["guidance"] == 3 * 100


def test_a_backbone_is_trained_on_the_source_in_the_size_that_it_takes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given: list[Dataset] = []
    monkeypatch.setattr(transferring, "train_here", lambda model, data, rng: given.append(data))
    problem = problem_of({**DIGITS, **TINY}, image_size=12)
    assert [data.train.images.shape[1:] for data in given] == [(1, 12, 12)]
    assert given[0].classes == list("01234")
    assert problem.images(problem.data.train.images[:2]).shape == (2, 1, 12, 12)


@pytest.mark.usefixtures("untrained")
def test_weights_of_an_earlier_start_are_taken_instead_of_training(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = problem_of({**DIGITS, **TINY})
    torch.save(first.model.state_dict(), tmp_path / "weights.pt")
    monkeypatch.setattr(transferring, "train_here", None)
    again = prepare_transfer(first.config, Streams(9), trained=tmp_path / "weights.pt")
    expected = first.model.state_dict()
    assert all(torch.equal(v, expected[k]) for k, v in again.model.state_dict().items())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"foreign": ("digits:3-7",)}, "foreign: 542 of the 906 images of digits:3-7 are the tar"),
        (
            {"foreign": ("digits",)},
            "foreign: 896 of the 1797 .* are the target's, digits:5-9",
        ),
        ({"foreign": ("digits:0", "digits:9")}, "foreign: 180 of the 180 images of digits:9 are"),
        ({"unseen": ("digits:3,5",)}, "unseen: .* images of digits:3,5 are the target's"),
        ({"unseen": ("digits:2-4",)}, "unseen: .* digits:2-4 are seen by the search, digits:0-2"),
        (
            {"data": "digits:7"},
            "data digits:7: expected two classes or more to tell apart",
        ),
        ({"data": "digit"}, "unknown data set 'digit': did you mean 'digits'"),
        ({"foreign": ("digit",)}, "unknown data set 'digit': did you mean 'digits'"),
        ({"source": "digit"}, "unknown data set 'digit': did you mean 'digits'"),
        ({"model": "digit-cnn"}, "unknown model 'digit-cnn': did you mean 'digits-cnn'"),
        ({"layer": "conv_3"}, "unknown layer 'conv_3': did you mean 'conv3'"),
        ({"train_images": 598}, "train-images: expected 1 to 597, got 598"),
        ({"search_images": 151}, "search-images: expected 1 to 150, got 151"),
        ({"device": "tpu"}, "device: expected one that torch can use, got 'tpu'"),
        ({"features": __file__}, "features: expected a folder, .* is a file; name another"),
    ],
)
def test_bad_input_is_refused_in_one_line_before_any_training(
    wrong: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transferring, "train_here", None)
    with pytest.raises(InputError, match=said) as refused:
        problem_of({**DIGITS, **TINY}, **wrong)
    assert "\n" not in str(refused.value)


@pytest.mark.usefixtures("untrained")
def test_a_few_images_may_be_in_both_data_sets(monkeypatch: pytest.MonkeyPatch) -> None:
    load = datasets.load

    def with_black_ones(name: str, **options: Any) -> Dataset:
        data = copy.deepcopy(load(name, **options))
        data.train.images[:1] = 0
        return data

    monkeypatch.setattr(datasets, "load", with_black_ones)
    problem_of({**DIGITS, **TINY})


def test_images_too_small_for_the_backbone_are_refused(tmp_path: Path) -> None:
    torch.save(zoo.squeezenet1_0().state_dict(), tmp_path / "weights.pt")
    told = {**DIGITS, **TINY, "source": None, "model": "squeezenet1_0"}
    with pytest.raises(InputError) as refused:
        problem_of(told, weights=str(tmp_path / "weights.pt"))
    said = str(refused.value)
    assert said.startswith("model: squeezenet1_0 does not take images of 3x8x8: ")
    assert said.endswith("; write a larger --image-size") and "\n" not in said


def test_a_backbone_without_a_pooled_layer_is_refused_and_it_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.ReLU())
    monkeypatch.setattr(transferring.models, "build", lambda *arguments, **options: network)
    with pytest.raises(InputError, match=r"backbone: .*name the layer .* with --layer"):
        problem_of({**DIGITS, **TINY})
    sequences = torch.nn.Sequential(torch.nn.Flatten(2), torch.nn.ReLU(), torch.nn.Linear(64, 5))
    monkeypatch.setattr(transferring.models, "build", lambda *arguments, **options: sequences)
    with pytest.raises(InputError, match=r"gives \(images, 1, 64\); name another with --layer"):
        problem_of({**DIGITS, **TINY})
