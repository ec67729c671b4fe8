"""The space of filter masks: genes, the floor, what is left of a network."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.cost import macs_per_weight
from evoprune.network.layers import prunable
from evoprune.network.models import build
from evoprune.network.surgery import apply, shrink
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace

IMAGE = (1, 8, 8)


@pytest.fixture
def filters(model: nn.Module) -> FilterSpace:
    return FilterSpace(model, IMAGE)


@pytest.fixture
def mixed(model: nn.Module) -> FilterSpace:
    """Three and four filters, and the eighty weights of the Linear layer."""
    return FilterSpace(model, IMAGE, weights=["linear"])


def mask_of(space: FilterSpace, seed: int = 0, share: float = 0.5) -> np.ndarray:
    return space.floored(np.random.default_rng(seed).random(space.size) < share)


def dense_macs(model: nn.Module, image: tuple[int, ...]) -> int:
    layers = prunable(model)
    uses = macs_per_weight(model, image, layers)
    return sum(layer.size * int(use) for layer, use in zip(layers, uses, strict=True))


def test_a_gene_is_a_filter(filters: FilterSpace) -> None:
    assert [(layer.name, layer.size) for layer in filters.layers] == [("0", 3), ("3", 4)]
    assert (filters.size, filters.genes, filters.offsets.tolist()) == (7, 7, [0, 3, 7])


def test_neurons_are_genes_if_they_are_asked_for() -> None:
    model = build("lenet-8-16", channels=1, image_size=28)
    space = FilterSpace(model, (1, 28, 28), include=["conv", "linear"])
    assert [layer.size for layer in space.layers] == [8, 16, 120, 84]
    assert FilterSpace(model, (1, 28, 28), include=["linear"]).size == 204


def test_a_network_without_convolutions_is_pruned_by_neurons() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
    assert FilterSpace(model, (4,)).size == 6


def test_the_magnitude_of_a_filter_is_the_norm_of_its_weights(
    model: nn.Module, filters: FilterSpace
) -> None:
    norms = [model[place].weight.flatten(1).norm(dim=1) for place in (0, 3)]
    assert filters.magnitudes == pytest.approx(torch.cat(norms).detach().numpy(), rel=1e-6)


def test_a_filter_keeps_what_reads_it(filters: FilterSpace) -> None:
    mask = np.array([1, 0, 1, 1, 1, 1, 0], bool)
    first, second, last = filters.split(torch.from_numpy(filters.weight_mask(mask)))
    assert first.all()  # what a removed filter computes is read by nobody
    assert second.all((0, 2, 3)).tolist() == [True, False, True]
    assert last.all(0).tolist() == [True] * 12 + [False] * 4


def test_a_sum_over_a_filter_is_that_over_the_weights_that_read_it(filters: FilterSpace) -> None:
    ones = np.ones(27 + 108 + 80, np.float32)
    sums = filters.gathered(ones, np.ones(7, bool))
    assert sums.tolist() == [36.0] * 3 + [20.0] * 4


def test_mixed_genes_are_filters_and_single_weights(mixed: FilterSpace) -> None:
    assert [(layer.name, layer.size) for layer in mixed.layers] == [("0", 3), ("3", 4), ("8", 80)]
    mask = np.ones(87, bool)
    mask[[6, 7]] = False  # the last filter, and the first weight
    _, _, last = mixed.split(torch.from_numpy(mixed.weight_mask(mask)))
    assert int(last.sum()) == 80 - 20 - 1


def test_a_removed_filter_silences_the_saliency_of_the_weights_that_read_it(
    mixed: FilterSpace,
) -> None:
    mask = np.ones(87, bool)
    mask[6] = False
    sums = mixed.gathered(np.ones(215, np.float32), mask)
    assert sums[6] == 20  # it could come back, and be read by all of these
    assert sums[7:].reshape(5, 16).sum(0).tolist() == [5.0] * 12 + [0.0] * 4


def test_no_layer_loses_its_last_filter(model: nn.Module) -> None:
    passes = Passes()
    space = FilterSpace(model, IMAGE, passes=passes)
    best = space.importance[:3].argmax(), 3 + space.importance[3:].argmax()
    assert np.flatnonzero(space.mask(np.zeros(7, bool))).tolist() == list(best)
    assert passes["repaired"] == 2


def test_a_mask_above_the_floor_is_left_alone(filters: FilterSpace) -> None:
    mask = np.array([1, 0, 0, 0, 0, 0, 1], bool)
    assert filters.floored(mask) is mask
    assert filters.passes["repaired"] == 0


def test_the_floor_can_be_higher(model: nn.Module) -> None:
    space = FilterSpace(model, IMAGE, floor=2)
    assert [part.sum() for part in np.split(space.mask(np.zeros(7, bool)), [3])] == [2, 2]


def test_single_weights_have_no_floor(mixed: FilterSpace) -> None:
    assert mixed.mask(np.zeros(87, bool)).sum() == 2


@pytest.mark.parametrize("seed", range(3))
def test_macs_and_parameters_are_those_of_the_cut_network(
    model: nn.Module, filters: FilterSpace, seed: int
) -> None:
    mask = mask_of(filters, seed)
    small = shrink(model, filters.cut(mask))
    uses = macs_per_weight(model, IMAGE, filters.carriers)
    assert filters.macs(mask, uses) == dense_macs(small, IMAGE) / dense_macs(model, IMAGE)
    counts = [sum(p.numel() for p in network.parameters()) for network in (small, model)]
    assert filters.params(mask) == pytest.approx(counts[0] / counts[1], abs=1e-12)


def test_of_mixed_genes_the_zeros_count_as_gone(mixed: FilterSpace) -> None:
    mask = np.ones(87, bool)
    mask[7:] = False
    everything = sum(p.numel() for p in mixed.model.parameters())
    assert mixed.params(mask) == pytest.approx(1 - 80 / everything, abs=1e-12)


def test_a_layer_is_not_pruned_by_channels_and_by_weights(model: nn.Module) -> None:
    with pytest.raises(InputError, match="weights: 0 is to be pruned by its channels and by its"):
        FilterSpace(model, IMAGE, weights=["conv"])


def test_nothing_to_prune_says_why() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 2)).eval()
    with pytest.raises(InputError, match="got none; 0 stays whole: it runs through 1, a LayerNorm"):
        FilterSpace(model, (4,))


def test_a_network_that_takes_its_sizes_for_granted_is_refused_and_the_layer_named() -> None:
    class Stubborn(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 2, 1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.first(x)
            scale = 1 if x.shape[1] == 4 else 2
            return self.last(scale * x).mean((2, 3))

    with pytest.raises(InputError, match="something else when channels of first are cut out"):
        FilterSpace(Stubborn().eval(), IMAGE)


def test_a_floor_of_nothing_is_refused(model: nn.Module) -> None:
    with pytest.raises(InputError, match="floor: expected at least 1 channel a group, got 0"):
        FilterSpace(model, IMAGE, floor=0)


def networks() -> list[tuple[str, tuple[int, ...]]]:
    grey, small, large = (1, 28, 28), (3, 32, 32), (3, 40, 40)
    mnist = ["conv1", "conv2", "conv3", "conv4", "lenet", "lenet-8-16", "lenet-32-64"]
    others = ["resnet18", "mobilenet_v2", "densenet121", "squeezenet1_0"]
    return [
        *((name, grey) for name in mnist),
        ("alexnet-cifar", small),
        ("resnet20", small),
        *((name, large) for name in others),
    ]


@pytest.mark.parametrize(("name", "image"), networks(), ids=lambda value: str(value))
def test_the_masked_network_computes_what_the_cut_one_does(
    name: str, image: tuple[int, ...]
) -> None:
    model = build(name, classes=10, channels=image[0], image_size=image[-1])
    shift_norms(model)
    space = FilterSpace(model, image)
    mask = mask_of(space, seed=1)
    images = torch.randn((2, *image), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        small = shrink(model, space.cut(mask))(images)
        zeroed = apply(model, space.cut(mask))(images)
        read = copy.deepcopy(model)
        parts = space.split(torch.from_numpy(space.weight_mask(mask)))
        for layer, part in zip(space.carriers, parts, strict=True):
            read.get_submodule(layer.name).weight.mul_(part)
        unread, dense = read(images), model(images)
    tolerance = 1e-4 * float(small.abs().max())
    assert torch.allclose(small, zeroed, rtol=0, atol=tolerance)
    assert torch.allclose(small, unread, rtol=0, atol=tolerance)
    assert float((small - dense).abs().max()) > 10 * tolerance  # the mask does something


def shift_norms(model: nn.Module) -> None:
    """Give every BatchNorm statistics and a shift of its own: a leak would show."""
    rng = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1, generator=rng)
            module.running_var.uniform_(0.8, 1.2, generator=rng)
            nn.init.normal_(module.bias, std=0.1, generator=rng)
