"""A tiny network with images, and a way to see that a lent network came back as it was."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune import cli
from evoprune.network import datasets, models, training
from evoprune.running.run import Run
from evoprune.space.weights import WeightSpace

Unchanged = Callable[[nn.Module], AbstractContextManager[None]]
Cut = Callable[[nn.Module, np.ndarray], nn.Module]
Stopped = Callable[[int], AbstractContextManager[None]]

torch.set_num_threads(1)  # the tests' networks are too small to share out


@pytest.fixture
def model() -> nn.Module:
    """Two convolutions with BatchNorm and a linear layer: 27 + 108 + 80 weights, 5 classes."""
    network = nn.Sequential(
        nn.Conv2d(1, 3, 3, padding=1, bias=False),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16, 5),
    )
    rng = torch.Generator().manual_seed(0)
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.5, generator=rng)
    for layer in (network[1], network[4]):
        layer.running_mean.normal_(0, 0.2, generator=rng)
        layer.running_var.uniform_(0.5, 2, generator=rng)
        layer.num_batches_tracked.fill_(7)
    return network.eval()


@pytest.fixture
def broken(model: nn.Module) -> list[bool]:
    """Let a network, and copies of it, break as long as there is something in this list."""
    anything: list[bool] = []

    def check(module: nn.Module, inputs: object) -> None:
        if anything:
            raise FloatingPointError("the layer broke")

    model[3].register_forward_pre_hook(check)
    return anything


@pytest.fixture
def two_heads() -> nn.Module:
    """A network whose second head, of 320 weights like the first, serves in training alone."""

    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head, self.training_only = nn.Linear(64, 5), nn.Linear(64, 5)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(x.flatten(1))

    return TwoHeads()


@pytest.fixture(scope="module")
def short_searches() -> Iterator[pytest.MonkeyPatch]:
    """Let the searches of a module train and drift shortly; it may patch more."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("evoprune.running.problem.EPOCHS", 2)
        patch.setattr("evoprune.methods.masks.STEPS", 6)
        patch.setattr("evoprune.methods.anchors.TRIAL_STEPS", 6)
        yield patch


@pytest.fixture(scope="session")
def digits_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of the digits' network, trained for two epochs."""
    digits = datasets.load("digits")
    network = models.build("digits-cnn", channels=1, image_size=8)
    training.train(network, digits, epochs=2, rng=np.random.default_rng(0), progress=False)
    path = tmp_path_factory.mktemp("weights") / "digits.pt"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def transferred(
    digits_weights: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Path]]:
    """Return a function that makes a small transfer on the digits, without pictures."""
    command = "run transfer --population 4 --evaluations 6 --epochs 3 --units 16 --no-controls"
    task = "--data digits:5-9 --source digits --foreign digits:0-2 --unseen digits:3-4 --threads 1"
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("evoprune.studies.transfer_report.draw", lambda *_, **__: None)

        def run(*flags: str) -> Path:
            folder = tmp_path_factory.mktemp("runs") / "run"
            files = ["--weights", str(digits_weights), "--out", str(folder), "--seed", "1"]
            assert cli.main([*command.split(), *task.split(), *files, *flags]) == 0
            return folder

        yield run


@pytest.fixture
def export(tmp_path: Path) -> Callable[..., int]:
    """Return the export of a run, timed as shortly as can be, which writes to tmp_path / "out"."""

    fast = ["--batch", "2", "--runs", "1", "--threads", "1"]

    def call(run: Path, *flags: str) -> int:
        out = [] if "--out" in flags else ["--out", str(tmp_path / "out")]
        return cli.main(["export", str(run), *fast, *out, *flags])

    return call


@pytest.fixture
def certificate(tmp_path: Path) -> Callable[[], dict[str, Any]]:
    return lambda: json.loads((tmp_path / "out" / "certificate.json").read_text())


@pytest.fixture
def short_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure the baselines at two densities, and draw no pictures."""
    monkeypatch.setattr("evoprune.studies.report.DENSITIES", (0.3, 0.8))
    monkeypatch.setattr("evoprune.studies.report.draw", lambda *arguments: None)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(0, 5, (20,), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def space(model: nn.Module) -> WeightSpace:
    return WeightSpace(model)


@pytest.fixture
def cut() -> Cut:
    """Return the plain way to prune: copy the network, multiply its weights layer by layer."""

    def multiply(model: nn.Module, mask: np.ndarray) -> nn.Module:
        network, first = copy.deepcopy(model), 0
        for place in (0, 3, 8):
            weight = network[place].weight
            part = torch.from_numpy(mask[first : first + weight.numel()]).view(weight.shape)
            weight.data = weight.data * part
            first += weight.numel()
        return network

    return multiply


def _state(model: nn.Module) -> dict[str, Any]:
    """Take down all that a borrower might have left changed."""
    return {
        "values": {name: value.clone() for name, value in model.state_dict().items()},
        "required": [parameter.requires_grad for parameter in model.parameters()],
        "gradients": [parameter.grad for parameter in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "momenta": [getattr(module, "momentum", None) for module in model.modules()],
        "hooks": [
            (*module._forward_hooks, *module._forward_pre_hooks, *module._backward_hooks)
            for module in model.modules()
        ],
    }


@pytest.fixture
def unchanged() -> Unchanged:
    """Return a context manager that fails if the network leaves the block other than it came."""

    @contextmanager
    def watch(model: nn.Module) -> Iterator[None]:
        before = _state(model)
        try:
            yield
        finally:
            after = _state(model)
            values = before.pop("values")
            for name, value in after.pop("values").items():
                assert torch.equal(value, values[name]), f"{name} was changed"
            assert after == before

    return watch


class StoppedError(Exception):
    """Stands for a kill."""


@pytest.fixture
def stopped_after(monkeypatch: pytest.MonkeyPatch) -> Stopped:
    """Return a context manager in which a run is stopped after so many checkpoints, and has to be.

    Whatever the block does, the run inside it must not reach its end.
    """

    @contextmanager
    def stopping(saves: int) -> Iterator[None]:
        save, count = Run._save, [0]

        def save_and_stop(self: Run, *arguments: Any) -> None:
            save(self, *arguments)
            count[0] += 1
            if count[0] == saves:
                raise StoppedError

        with monkeypatch.context() as patched, pytest.raises(StoppedError):
            patched.setattr(Run, "_save", save_and_stop)
            yield

    return stopping
