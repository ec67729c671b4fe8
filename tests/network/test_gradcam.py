"""Grad-CAM says where a feature comes from, by hand on trunks of one layer."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torchvision import models as zoo
from torchvision.models.convnext import CNBlockConfig

from evoprune.errors import InputError
from evoprune.network import gradcam as module
from evoprune.network.gradcam import gradcam, last_with_positions, lookers
from evoprune.network.trunk import Transferred, Trunk

IMAGES = torch.tensor([[[[4.0, -2.0], [1.0, 0.0]]], [[[-1.0, -1.0], [-8.0, -4.0]]]])


def signs(*behind: nn.Module) -> Trunk:
    """Two maps: the image, and what it is times -1; then pooled, or what is given instead."""
    maps = nn.Conv2d(1, 2, 1, bias=False)
    maps.weight.data[:] = torch.tensor([1.0, -1.0]).view(2, 1, 1, 1)
    after = behind or (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return Trunk(nn.Sequential(maps, *after, nn.Linear(2, 3)))  # cut in front of the last


def test_a_pooled_feature_looks_where_its_own_map_is_positive() -> None:
    first, second = gradcam(signs(), IMAGES, 0)
    assert first.tolist() == [[1.0, 0.0], [0.25, 0.0]]
    assert second.tolist() == [[0.0, 0.0], [0.0, 0.0]]  # nothing in it raises the feature


def test_a_cell_looks_nowhere_but_into_itself() -> None:
    trunk = signs(nn.Identity())
    trunk.pool = 2
    cells = [gradcam(trunk, IMAGES, cell)[0].tolist() for cell in range(8)]
    assert cells[0] == [[1.0, 0.0], [0.0, 0.0]] and cells[2] == [[0.0, 0.0], [1.0, 0.0]]
    assert cells[1] == cells[3] == [[0.0, 0.0], [0.0, 0.0]]  # the image is not positive there
    assert cells[5] == [[0.0, 1.0], [0.0, 0.0]]  # the second map is the image times -1


@pytest.mark.parametrize(("side", "pool"), [(6, 2), (7, 2), (8, 3), (5, 4)])
def test_the_cells_of_pictures_are_those_that_features_average(side: int, pool: int) -> None:
    trunk = signs(nn.Identity())
    trunk.pool = pool
    for cell in range(pool**2):
        seen = gradcam(trunk, torch.ones(1, 1, side, side), cell)[0] > 0
        image = torch.ones(1, 1, side, side).requires_grad_()
        trunk(image)[0, cell].backward()
        assert torch.equal(seen, image.grad[0, 0] > 0)


def test_each_image_has_the_feature_that_is_asked_of_it() -> None:
    first, second = gradcam(signs(), IMAGES, torch.tensor([1, 1]))
    assert first.tolist() == [[0.0, 1.0], [0.0, 0.0]]
    assert second.tolist() == [[0.125, 0.125], [1.0, 0.5]]
    mixed = gradcam(signs(), IMAGES, torch.tensor([0, 1]))
    assert mixed[0].tolist() == [[1.0, 0.0], [0.25, 0.0]]
    assert mixed[1].tolist() == second.tolist()


def test_a_class_looks_where_the_weighted_sum_of_the_maps_is_positive() -> None:
    head = nn.Linear(2, 2, bias=False)
    head.weight.data[:] = torch.tensor([[3.0, 2.0], [1.0, 2.0]])  # together 1 and -1 times x
    trunk = signs()
    assert torch.allclose(gradcam(trunk, IMAGES, 0, head=head), gradcam(trunk, IMAGES, 0))
    assert torch.allclose(gradcam(trunk, IMAGES, 1, head=head), gradcam(trunk, IMAGES, 1))


def test_features_that_are_flattened_maps_show_their_whole_map() -> None:
    trunk = signs(nn.Flatten())
    pooled = gradcam(signs(), IMAGES, 1)
    for place in range(4, 8):
        assert torch.allclose(gradcam(trunk, IMAGES, place), pooled)


def test_a_layer_behind_the_maps_may_write_in_place() -> None:
    trunk = signs(nn.Flatten(), nn.ReLU(inplace=True))
    assert gradcam(trunk, IMAGES[:1], 5)[0].tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_a_map_comes_in_the_size_of_the_image_whatever_the_trunk_is_given() -> None:
    image = torch.zeros(1, 1, 4, 6)
    image[..., :2, 4:] = 1
    halved = signs(nn.AvgPool2d(2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    map_ = gradcam(halved, image, 0)[0]
    assert map_.shape == (4, 6) and map_[0, 5] == 1 and map_[3, 0] == 0
    assert 0 < map_[1, 4] < 1  # in between, not in blocks
    assert gradcam(halved, image, 0, size=8).shape == (1, 4, 6)


def test_maps_do_not_depend_on_the_batch() -> None:
    places = torch.tensor([0, 1])
    one_by_one = gradcam(signs(), IMAGES, places, batch=1)
    assert torch.equal(one_by_one, gradcam(signs(), IMAGES, places))


def tiny_convnext() -> nn.Module:
    """Behind its pooling, numbers lie as (images, 1, 1, channels), which are no positions."""
    return zoo.ConvNeXt([CNBlockConfig(8, None, 2)], num_classes=3)


@pytest.mark.parametrize("build", [zoo.resnet18, zoo.shufflenet_v2_x0_5, tiny_convnext])
def test_the_last_maps_are_those_that_are_pooled(build: Callable[[], nn.Module]) -> None:
    trunk, image = Trunk(build()), torch.rand(1, 3, 64, 64)
    (pooling,) = last_with_positions(trunk, image).users
    assert pooling.name in ("avgpool", "mean")


def test_trunk_head_and_images_stay_as_they_were() -> None:
    trunk, head, images = signs(), nn.Linear(2, 3).train(), IMAGES.clone()
    whole = Transferred(trunk, head)
    before = copy.deepcopy(whole.state_dict())
    gradcam(trunk, images, 1, head=head)
    for part in whole.modules():
        assert not part._forward_hooks and not part._forward_pre_hooks and not part._backward_hooks
    assert all(parameter.grad is None for parameter in whole.parameters())
    assert not any(parameter.requires_grad for parameter in trunk.parameters())
    assert all(torch.equal(value, before[name]) for name, value in whole.state_dict().items())
    assert not images.requires_grad and torch.equal(images, IMAGES)
    assert head.training and not trunk.training


def vision_transformer() -> nn.Module:
    return zoo.VisionTransformer(8, 4, 1, 1, 4, 4, num_classes=2)


def dense() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(192, 4), nn.ReLU(), nn.Linear(4, 2))


@pytest.mark.parametrize("build", [vision_transformer, dense])
def test_a_trunk_without_positions_is_refused_in_one_line(build: Callable[[], nn.Module]) -> None:
    text = "explain: expected a backbone whose last layers have positions"
    with pytest.raises(InputError, match=text) as refused:
        gradcam(Trunk(build()), torch.rand(2, 3, 8, 8), 0)
    assert "\n" not in str(refused.value)


def test_without_captum_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}")

    monkeypatch.setattr(module.importlib, "import_module", absent)
    text = r"explain: needs the package captum; pip install 'evoprune\[explain\]'"
    with pytest.raises(InputError, match=text):
        gradcam(signs(), IMAGES, 0)


def test_the_images_where_a_feature_is_largest_come_first_and_equal_ones_in_order() -> None:
    features = torch.tensor([[0.0, 9.0], [2.0, 1.0], [3.0, 1.0], [2.0, 1.0]])
    assert lookers(features, 0, count=3).tolist() == [2, 1, 3]
    assert lookers(features, 1, count=9).tolist() == [0, 1, 2, 3]
