"""A network cut in front of its last layer gives what that layer was given."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torchvision import models as zoo

from evoprune.errors import InputError
from evoprune.network import models
from evoprune.network.trunk import Transferred, Trunk, features_of

IMAGES = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
LAST = {
    "resnet18": "fc",
    "mobilenet_v2": "classifier.1",
    "densenet121": "classifier",
    "shufflenet_v2_x0_5": "fc",
    "squeezenet1_0": "classifier.1",
}


def what_is_read(model: nn.Module, layer: str, images: torch.Tensor) -> torch.Tensor:
    """Return what a layer is given, by a hook."""
    seen: list[torch.Tensor] = []
    handle = model.get_submodule(layer).register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0].detach())
    )
    with torch.no_grad():
        model(images)
    handle.remove()
    return seen[0]


@pytest.mark.parametrize("name", LAST)
def test_features_are_what_the_layer_of_the_classes_reads_averaged_over_positions(
    name: str,
) -> None:
    torch.manual_seed(0)
    model = zoo.get_model(name, weights=None).eval()
    read = what_is_read(model, LAST[name], IMAGES)
    expected = read.mean((2, 3)) if read.ndim == 4 else read
    assert torch.allclose(Trunk(model)(IMAGES), expected, atol=1e-6)


def test_a_named_layer_gives_the_features() -> None:
    model = models.build("digits-cnn", channels=1, image_size=8).eval()
    images = torch.rand(3, 1, 8, 8)
    trunk = Trunk(model, "bn3")
    with torch.no_grad():
        by_hand = model.bn2(model.conv2(model.bn1(model.conv1(images)).relu())).relu()
        by_hand = model.bn3(model.conv3(nn.functional.max_pool2d(by_hand, 2)))
    assert trunk.layer == "bn3"
    assert torch.allclose(trunk(images), by_hand.mean((2, 3)), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "layer"), [("resnet18", "layer3"), ("densenet121", "features.denseblock1")]
)
def test_features_of_a_block_are_averages_of_all_that_it_gives(name: str, layer: str) -> None:
    """The last layer inside a residual block is not yet its output."""
    torch.manual_seed(0)
    model, seen = zoo.get_model(name, weights=None).eval(), []
    model.get_submodule(layer).register_forward_hook(lambda *given: seen.append(given[-1]))
    trunk = Trunk(model, layer)
    seen.clear()
    with torch.no_grad():
        model(IMAGES)
    assert torch.allclose(trunk(IMAGES), seen[0].mean((2, 3)), atol=1e-6)


def test_cells_of_a_grid_are_features_of_their_own_in_reading_order() -> None:
    maps = torch.rand(3, 5, 6, 6)
    trunk = Trunk(nn.Sequential(nn.Identity(), nn.Conv2d(5, 2, 1)), "0", pool=2)
    rows = [maps[:, :, i : i + 3, j : j + 3].mean((2, 3)) for i in (0, 3) for j in (0, 3)]
    assert torch.allclose(trunk(maps), torch.stack(rows, 2).flatten(1), atol=1e-6)


def test_the_network_stays_as_it_was_and_the_trunk_is_frozen() -> None:
    model = models.build("digits-cnn", channels=1, image_size=8).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trunk = Trunk(model)
    trunk.train()
    trunk(torch.rand(4, 1, 8, 8))
    assert model.training and not any(module.training for module in trunk.modules())
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    assert all(parameter.requires_grad for parameter in model.parameters())
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_trunk_holds_no_layer_behind_its_features() -> None:
    model = models.build("digits-cnn", channels=1, image_size=8)
    names = dict(Trunk(model).named_parameters())
    assert not any("linear" in name for name in names) and any("conv3" in name for name in names)


def test_features_do_not_depend_on_the_batch() -> None:
    trunk = Trunk(models.build("digits-cnn", channels=1, image_size=8))
    images = torch.rand(7, 1, 8, 8)
    assert torch.allclose(features_of(trunk, images, batch=3), trunk(images), atol=1e-6)


def test_images_are_brought_to_another_size_first() -> None:
    trunk = Trunk(zoo.resnet18(weights=None))
    larger = nn.functional.interpolate(IMAGES, (96, 96), mode="bilinear")
    assert torch.allclose(features_of(trunk, IMAGES, size=96), trunk(larger), atol=1e-6)


def test_a_trunk_and_a_head_are_one_network() -> None:
    model = models.build("digits-cnn", channels=1, image_size=8).eval()
    whole = Transferred(Trunk(model), model.linear).eval()
    images = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        assert torch.allclose(whole(images), model(images), atol=1e-6)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 5), nn.Conv2d(4, 2, 1)), r"\(images, 4, 4, 4\), too few"),
        (nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), r"\(images, 192\), too few"),
    ],
)
def test_more_cells_than_positions_are_refused(model: nn.Module, said: str) -> None:
    with pytest.raises(InputError, match=said + " positions for 5 x 5 cells; write a small"):
        Trunk(model, pool=5)(torch.rand(2, 3, 8, 8))


class Branching(nn.Module):
    """Takes another way for dark images, which no tracer can follow."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.mean() > 0 else -x


class Sequence(nn.Sequential):
    """Gives a sequence: three dimensions."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(2), nn.ReLU(), nn.Linear(64, 5))


@pytest.mark.parametrize(
    ("model", "layer", "said"),
    [
        (Branching(), None, "backbone: Branching cannot be followed by torch.fx"),
        (nn.Sequential(nn.ReLU()), None, "backbone: Sequential has no features that a last Linear"),
        (nn.Sequential(nn.Linear(4, 2)), None, "name the layer that gives them with --layer"),
        (nn.Sequential(nn.Linear(4, 4), nn.ReLU()), "relu", "unknown layer 'relu'"),
        (Sequence(), None, r"gives \(images, 3, 64\); name another with --layer"),
    ],
)
def test_a_network_without_such_features_is_refused_in_one_line(
    model: nn.Module, layer: Any, said: str
) -> None:
    with pytest.raises(InputError, match=said) as refused:
        Trunk(model, layer)(torch.rand(2, 3, 8, 8))
    assert "\n" not in str(refused.value)
