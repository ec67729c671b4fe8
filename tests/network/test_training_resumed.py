"""A training that was stopped goes on from its checkpoint as if it had never been."""

from __future__ import annotations

import copy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.course import Course
from evoprune.network.datasets import Dataset, Split, augment, split
from evoprune.network.training import Epoch, train
from evoprune.passes import Passes

Ended = tuple[nn.Module, list[Epoch], Passes, np.random.Generator]


class KilledError(Exception):
    """Stands for a kill."""


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Return 5 classes of noisy 8x8 images: 54 to train, 6 to search."""
    rng = np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 255, (60, 1, 8, 8), dtype=np.uint8))
    whole = Split(images, torch.arange(60) % 5)
    return split("noise", whole, whole, list("abcde"))


@pytest.fixture
def network(model: nn.Module) -> nn.Module:
    """Return a network with BatchNorm, and dropout that draws from torch's generator."""
    model.insert(8, nn.Dropout(0.3))
    return model


def run(model: nn.Module, data: Dataset, *, seed: int = 0, drawn: int = 0, **options: Any) -> Ended:
    network, passes, rng = copy.deepcopy(model), Passes(), np.random.default_rng(seed)
    rng.random(drawn)
    settings = {"epochs": 4, "batch": 16, "augmentation": partial(augment, padding=1)} | options
    history = train(network, data, rng=rng, passes=passes, progress=False, **settings)
    return network, history, passes, rng


def stop(model: nn.Module, data: Dataset, after: int, **options: Any) -> None:
    """Run until so many epochs are saved."""
    save, saved = Course.save, [0]

    def save_and_stop(self: Course, *arguments: Any) -> None:
        save(self, *arguments)
        saved[0] += 1
        if saved[0] == after:
            raise KilledError

    with pytest.MonkeyPatch.context() as patched, pytest.raises(KilledError):
        patched.setattr(Course, "save", save_and_stop)
        run(model, data, **options)


def other(model: nn.Module) -> nn.Module:
    """Return a network of the same shapes and other weights."""
    different = copy.deepcopy(model)
    for parameter in different.parameters():
        nn.init.normal_(parameter)
    return different


WAYS: dict[str, dict[str, Any]] = {
    "cosine": {},
    "plateau": {"optimiser": "adamw", "schedule": "plateau", "patience": 0, "rate": 0.01},
    "stopping": {"stop_after": 2},  # the first epoch is the best, the third the last
    "bf16": {"precision": "bf16"},
    "masked": {"masks": {"0.weight": torch.arange(27).view(3, 1, 3, 3) % 2 > 0}},
    "smoothed": {"label_smoothing": 0.1},
    "taught": {"teacher": nn.Sequential(nn.Flatten(), nn.Linear(64, 5))},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("after", [1, 3])
def test_stopped_and_resumed_is_as_never_stopped(
    network: nn.Module, data: Dataset, tmp_path: Path, way: str, after: int
) -> None:
    """Also if the network comes with other weights, and the generator has drawn something."""
    whole, file = run(network, data, **WAYS[way]), tmp_path / "training.pt"
    stop(network, data, after, checkpoint=file, **WAYS[way])
    resumed = run(other(network), data, drawn=9, checkpoint=file, **WAYS[way])
    for key, value in whole[0].state_dict().items():
        assert torch.equal(value, resumed[0].state_dict()[key]), key
    assert resumed[1:3] == whole[1:3]
    assert resumed[3].bit_generator.state == whole[3].bit_generator.state


def test_auto_keeps_the_precision_that_it_began_with(
    network: nn.Module, data: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, file = run(network, data, precision="bf16"), tmp_path / "training.pt"
    path = "evoprune.network.training.faster_precision"
    monkeypatch.setattr(path, lambda *_: "bf16")
    stop(network, data, 2, checkpoint=file, precision="auto")
    monkeypatch.setattr(path, lambda *_: "fp32")
    assert run(network, data, checkpoint=file, precision="auto")[1] == whole[1]


def test_a_training_that_has_ended_is_not_trained_on(
    network: nn.Module, data: Dataset, tmp_path: Path
) -> None:
    file = tmp_path / "training.pt"
    first = run(network, data, checkpoint=file)
    written = file.read_bytes()
    again = run(other(network), data, checkpoint=file)
    assert again[1] == first[1] and file.read_bytes() == written
    assert torch.equal(again[0][0].weight, first[0][0].weight)


def test_the_averages_of_removed_weights_stay_zero(
    network: nn.Module, data: Dataset, tmp_path: Path
) -> None:
    """Else they would move at once when they come back."""
    file, kept = tmp_path / "training.pt", torch.arange(27).view(3, 1, 3, 3) % 2 > 0
    run(network, data, checkpoint=file, masks={"0.weight": kept})
    average = torch.load(file, weights_only=True)["optimiser"]["state"][0]["momentum_buffer"]
    assert average[~kept].count_nonzero() == 0 and average[kept].count_nonzero() == 13


def test_a_checkpoint_changes_nothing(network: nn.Module, data: Dataset, tmp_path: Path) -> None:
    plain, kept = run(network, data), run(network, data, checkpoint=tmp_path / "training.pt")
    assert plain[1] == kept[1] and torch.equal(plain[0][0].weight, kept[0][0].weight)


def test_torch_s_generator_is_left_alone_by_a_resumed_training(
    network: nn.Module, data: Dataset, tmp_path: Path
) -> None:
    file = tmp_path / "training.pt"
    stop(network, data, 2, checkpoint=file)
    before = torch.get_rng_state()
    run(network, data, checkpoint=file)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_checkpoint_is_one_file_of_plain_data(
    network: nn.Module, data: Dataset, tmp_path: Path
) -> None:
    run(network, data, checkpoint=tmp_path / "training.pt", stop_after=9)
    assert [path.name for path in tmp_path.iterdir()] == ["training.pt"]
    assert torch.load(tmp_path / "training.pt", weights_only=True)["history"][3]["number"] == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rate": 0.1}, r"another rate \(0.05, not 0.1\); name another file"),
        ({"seed": 1}, r"another seed \(0 \(\), not 1 \(\)\)"),
        ({"epochs": 5}, r"another epochs \(4, not 5\)"),
        ({"augmentation": None}, r"another augmentation \(True, not False\)"),
        ({"masks": {"0.weight": torch.zeros(3, 1, 3, 3, dtype=torch.bool)}}, "another removed"),
    ],
)
def test_a_checkpoint_of_another_training_is_refused(
    network: nn.Module, data: Dataset, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    file = tmp_path / "training.pt"
    run(network, data, checkpoint=file)
    with pytest.raises(InputError, match=f"checkpoint: .*training.pt is of a .* {message}"):
        run(network, data, checkpoint=file, **options)


def test_a_checkpoint_of_another_network_is_refused(
    network: nn.Module, data: Dataset, tmp_path: Path
) -> None:
    file = tmp_path / "training.pt"
    run(network, data, checkpoint=file)
    with pytest.raises(InputError, match="is of a training with another model"):
        run(nn.Sequential(nn.Flatten(), nn.Linear(64, 5)), data, checkpoint=file)


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_file_that_is_no_checkpoint_is_refused(
    network: nn.Module, data: Dataset, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "training.pt"
    torch.save(network.state_dict(), file) if content is None else file.write_bytes(content)
    with pytest.raises(InputError, match=r"^checkpoint: .* is none of a training; name another"):
        run(network, data, checkpoint=file)


def test_a_checkpoint_in_no_folder_is_refused(
    network: nn.Module, data: Dataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^checkpoint: expected a folder at .*; make it first$"):
        run(network, data, checkpoint=tmp_path / "absent" / "training.pt")
