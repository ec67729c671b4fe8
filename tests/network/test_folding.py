"""The folded copy against a plain copy that was cut: layer by layer, network by network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import fx, nn
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from evoprune.network import models
from evoprune.network.folding import FoldedNetwork, foldable
from evoprune.network.layers import Layer, prunable
from evoprune.network.masks import recalibrate

Masks = list[torch.Tensor]


def unsettled(model: nn.Module, seed: int = 0) -> nn.Module:
    """Give BatchNorm statistics, scales of both signs and shifts as after a training."""
    rng = torch.Generator().manual_seed(seed)
    for norm in [module for module in model.modules() if isinstance(module, _BatchNorm)]:
        if norm.running_mean is not None:
            norm.running_mean.normal_(0, 0.3, generator=rng)
            norm.running_var.uniform_(0.5, 2, generator=rng)
            norm.num_batches_tracked.fill_(7)
        if norm.affine:
            nn.init.normal_(norm.weight, 0.8, 0.6, generator=rng)
            nn.init.normal_(norm.bias, 0, 0.3, generator=rng)
    return model.eval()


def a_model(name: str, size: int, channels: int = 3) -> nn.Module:
    return unsettled(models.build(name, classes=5, channels=channels, image_size=size))


def a_vgg() -> nn.Module:
    """Make torchvision's convolutions with BatchNorm and biases, under a small classifier."""
    from torchvision.models import vgg

    features = vgg.make_layers([8, "M", 16, 16, "M"], batch_norm=True)
    return unsettled(nn.Sequential(features, nn.Flatten(), nn.Linear(16 * 64, 5)))


def a_vision_transformer() -> nn.Module:
    from torchvision.models import VisionTransformer

    model = VisionTransformer(32, 8, 2, 2, 16, 32, num_classes=5)
    nn.init.normal_(model.heads[0].weight)  # it begins with zeros
    return model.eval()


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "digits-cnn": lambda: a_model("digits-cnn", 32),
    "lenet": lambda: a_model("lenet", 32),
    "resnet20": lambda: a_model("resnet20", 32),
    "resnet18": lambda: a_model("resnet18", 32),
    "mobilenet_v2": lambda: a_model("mobilenet_v2", 32),
    "densenet121": lambda: a_model("densenet121", 32),
    "squeezenet1_0": lambda: a_model("squeezenet1_0", 32),
    "vgg": a_vgg,
    "vision transformer": a_vision_transformer,
}
FOLDED = {  # how many BatchNorm layers come right behind a layer to prune
    "digits-cnn": 3, "resnet20": 19, "resnet18": 20, "mobilenet_v2": 52, "densenet121": 59, "vgg": 3
}  # fmt: skip


def noise(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def random_masks(layers: Sequence[Layer], seed: int = 0, share: float = 0.7) -> Masks:
    rng = torch.Generator().manual_seed(seed)
    return [torch.rand(at.module.weight.shape, generator=rng) < share for at in layers]


def cut(model: nn.Module, layers: Sequence[Layer], masks: Masks) -> nn.Module:
    """Prune the plain way: copy the network, multiply the weights."""
    network = copy.deepcopy(model).eval()
    with torch.no_grad():
        for layer, mask in zip(layers, masks, strict=True):
            network.get_submodule(layer.name).weight.mul_(mask)
    return network


@torch.no_grad()
def alike(outputs: torch.Tensor, expected: torch.Tensor) -> None:
    """Fail unless outputs agree to a share of the largest one, and are no constants."""
    assert outputs.shape == expected.shape
    assert expected.std(0).max() > 0
    torch.testing.assert_close(outputs, expected, rtol=0, atol=2e-5 * float(expected.abs().max()))


@torch.no_grad()
def folds(model: nn.Module, images: torch.Tensor, **options: Any) -> FoldedNetwork:
    """Return the folded copy, after it gave the outputs of networks that were cut."""
    layers = prunable(model, **options)
    network = FoldedNetwork(model, layers, images[:2])
    alike(network(images), model(images))
    for seed in range(2):
        masks = random_masks(layers, seed)
        expected = cut(model, layers, masks)(images)
        network.put(masks)
        alike(network(images), expected)
        network.put_unfolded(masks)
        alike(network(images), expected)
    return network


@pytest.fixture
def layers(model: nn.Module) -> list[Layer]:
    return prunable(model)


@pytest.fixture
def folded(model: nn.Module, layers: list[Layer], images: torch.Tensor) -> FoldedNetwork:
    return FoldedNetwork(model, layers, images[:2])


@pytest.fixture
def batches() -> list[torch.Tensor]:
    return [2 * noise(size, 1, 8, 8, seed=size) + 1 for size in (6, 5, 4)]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_folded_network_gives_the_outputs_of_the_network_that_was_cut(name: str) -> None:
    network = folds(NETWORKS[name](), noise(3, 3, 32, 32))
    assert network.reason is None
    assert len(network.folded) == FOLDED.get(name, 0)


def test_densenet_keeps_the_norms_that_come_before_a_convolution() -> None:
    model = a_model("densenet121", 32)
    network = FoldedNetwork(model, prunable(model), noise(2, 3, 32, 32))
    assert "features.norm0" in network.folded
    assert "features.denseblock1.denselayer1.norm2" in network.folded
    assert "features.denseblock1.denselayer1.norm1" not in network.folded


def behind_a_conv(*layers: nn.Module, features: int, images: tuple[int, ...]) -> nn.Module:
    """Make a network of a few layers that ends in five classes."""
    torch.manual_seed(0)
    body = nn.Sequential(*layers).eval()
    count = body(torch.zeros(1, *images)).numel()
    norm: dict[int, Any] = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
    place = norm[max(1, len(images) - 1)](features)
    return unsettled(nn.Sequential(*layers, place, nn.ReLU(), nn.Flatten(), nn.Linear(count, 5)))


CONVOLUTIONS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "without a bias": (lambda: nn.Conv2d(4, 6, 3, bias=False), (4, 6, 6)),
    "with a bias": (lambda: nn.Conv2d(4, 6, 3), (4, 6, 6)),
    "grouped": (lambda: nn.Conv2d(4, 6, 3, groups=2, bias=False), (4, 6, 6)),
    "depthwise": (lambda: nn.Conv2d(6, 6, 3, groups=6, bias=False), (6, 6, 6)),
    "strided and dilated": (lambda: nn.Conv2d(4, 6, 3, stride=2, dilation=2), (4, 9, 9)),
    "padded": (lambda: nn.Conv2d(4, 6, 3, padding=1, bias=False), (4, 6, 6)),
    "padded by its mirror image": (
        lambda: nn.Conv2d(4, 6, 3, padding=1, padding_mode="reflect", bias=False), (4, 6, 6),
    ),
    "in one dimension": (lambda: nn.Conv1d(4, 6, 3, bias=False), (4, 9)),
    "in three dimensions": (lambda: nn.Conv3d(2, 6, 3, bias=False), (2, 4, 4, 4)),
    "a linear layer": (lambda: nn.Linear(7, 6), (7,)),
    "a linear layer without a bias": (lambda: nn.Linear(7, 6, bias=False), (7,)),
}  # fmt: skip


@pytest.mark.parametrize("kind", CONVOLUTIONS)
def test_a_norm_is_folded_into_every_kind_of_layer(kind: str) -> None:
    layer, images = CONVOLUTIONS[kind]
    model = behind_a_conv(layer(), features=6, images=images)
    assert folds(model, noise(5, *images)).folded == ("1",)


@pytest.mark.parametrize("options", [{"affine": False}, {"momentum": None}, {"eps": 0.1}])
def test_a_norm_is_folded_whatever_its_options(options: dict[str, Any]) -> None:
    model = unsettled(nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3, **options), nn.Flatten(), nn.Linear(108, 5)
    ))  # fmt: skip
    assert folds(model, noise(5, 1, 8, 8)).folded == ("1",)


def test_a_channel_whose_scale_is_0_is_folded_to_its_shift(model: nn.Module) -> None:
    with torch.no_grad():
        model[1].weight[1] = 0
    assert folds(model, noise(5, 1, 8, 8)).folded == ("1", "4")


class Written(nn.Module):
    """A convolution, a norm and a linear layer, called as a function says."""

    def __init__(self, call: Callable[[Any, torch.Tensor], torch.Tensor], **parts: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.linear, self.call = nn.Linear(192, 5), call
        for name, part in parts.items():
            setattr(self, name, part)
        unsettled(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.linear(self.call(self, x).flatten(1))
        return y


def shared_weight() -> nn.Module:
    model = Written(
        lambda m, x: m.other(m.norm(m.conv(x))), other=nn.Conv2d(3, 3, 3, padding=1)
    )
    model.other.weight = model.conv.weight
    return model


STAY: dict[str, Callable[[], nn.Module]] = {
    "without running statistics": lambda: Written(
        lambda m, x: m.norm(m.conv(x)), norm=nn.BatchNorm2d(3, track_running_stats=False)
    ),
    "behind a layer called twice": lambda: Written(lambda m, x: m.norm(m.conv(m.conv(x)))),
    "called twice": lambda: Written(lambda m, x: m.norm(m.norm(m.conv(x)))),
    "behind a weight that is shared": shared_weight,
    "behind an output that goes elsewhere as well": lambda: Written(
        lambda m, x: (y := m.conv(x)) + m.norm(y)
    ),
    "behind an output that a function takes as well": lambda: Written(
        lambda m, x: functional.relu(y := m.conv(x)) * m.norm(y).sigmoid()
    ),
    "behind a pooling": lambda: Written(
        lambda m, x: m.norm(functional.max_pool2d(m.conv(x), 3, 1, 1))
    ),
    "before its layer": lambda: Written(lambda m, x: m.conv(m.norm(x))),
    "before a layer that has the name of the input": lambda: Written(
        lambda m, x: m.x(m.norm(x)), x=nn.Conv2d(3, 3, 3, padding=1)
    ),
    "behind a weight taken without its layer": lambda: Written(
        lambda m, x: m.norm(functional.conv2d(x, m.conv.weight, m.conv.bias, padding=1))
    ),
    "behind a layer whose weight is taken elsewhere": lambda: Written(
        lambda m, x: m.norm(m.conv(x)) + functional.conv2d(x, m.conv.weight, padding=1)
    ),
    "over tokens, of which there are as many as features": lambda: Written(
        lambda m, x: m.norm(m.mix(x.flatten(2)))[:, :, :, None].expand(-1, -1, -1, 64),
        norm=nn.BatchNorm1d(3), mix=nn.Linear(64, 3), linear=nn.Linear(3 * 3 * 64, 5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", STAY)
def test_a_norm_stays_that_is(name: str) -> None:
    assert folds(STAY[name](), noise(5, 3, 8, 8)).folded == ()


def test_a_norm_is_kept_behind_a_bias_that_is_shared() -> None:
    model = Written(lambda m, x: m.other(m.norm(m.conv(x))), other=nn.Conv2d(3, 3, 1))
    model.other.bias = model.conv.bias
    assert folds(model, noise(5, 3, 8, 8)).folded == ()


def test_a_norm_behind_a_layer_that_is_not_to_be_pruned_stays(
    model: nn.Module, images: torch.Tensor
) -> None:
    assert folds(model, images, exclude=["0"]).folded == ("4",)


def test_a_layer_that_is_left_out_keeps_its_weights(
    model: nn.Module, images: torch.Tensor
) -> None:
    layers = prunable(model, exclude=["0", "8"])
    network = FoldedNetwork(model, layers, images[:2])
    network.put([torch.zeros(4, 3, 3, 3, dtype=torch.bool)])
    assert torch.equal(network.plain[0].weight, model[0].weight)
    assert torch.equal(network.plain[8].weight, model[8].weight)
    assert not network.plain[3].weight.any()


def test_a_layer_known_by_two_names_is_folded() -> None:
    model = Written(lambda m, x: m.both(x))
    model.both = nn.Sequential(model.conv, model.norm)
    assert len(folds(model, noise(5, 3, 8, 8)).folded) == 1


@pytest.mark.parametrize(
    "call",
    [
        lambda m, x: m.norm(m.conv(m.same(input=x))),
        lambda m, x: m.norm(m.conv(input=x)),
    ],
    ids=["a module of no interest", "the layer itself"],
)
def test_an_argument_given_by_its_name_keeps_no_norm_from_being_folded(
    call: Callable[[Any, torch.Tensor], torch.Tensor],
) -> None:
    model = Written(call, same=nn.Identity())
    assert folds(model, noise(5, 3, 8, 8)).folded == ("norm",)


def test_a_norm_that_gets_its_input_by_name_keeps_no_other_from_being_folded() -> None:
    model = Written(
        lambda m, x: m.other(input=m.norm(m.conv(x))), other=unsettled(nn.BatchNorm2d(3), 1)
    )
    assert "norm" in folds(model, noise(5, 3, 8, 8)).folded


def test_a_network_that_is_a_single_layer_takes_masks() -> None:
    assert folds(nn.Linear(6, 5), noise(5, 6)).folded == ()


class Standardised(nn.Conv2d):
    """A layer of the user's own: its weights are standardised, as they are masked."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weight = self.weight / self.weight.std((1, 2, 3), keepdim=True)
        return functional.conv2d(x, weight, self.bias, padding=1)


def test_a_layer_of_the_users_own_sees_the_masked_weights_not_folded_ones() -> None:
    model = Written(lambda m, x: m.norm(m.conv(x)), conv=Standardised(3, 3, 3))
    assert folds(model, noise(5, 3, 8, 8)).folded == ()


def stepwise(m: Any, x: torch.Tensor) -> torch.Tensor:
    y: torch.Tensor = m.norm(m.conv(x))
    return y.relu() if y.mean() > 0 else y


def test_a_network_that_decides_by_its_data_is_run_as_it_is_and_says_why() -> None:
    network = folds(Written(stepwise), noise(5, 3, 8, 8))
    assert network.folded == ()
    assert "symbolically traced variables cannot be used" in str(network.reason)


def test_a_network_that_is_run_as_it_is_is_recalibrated_all_the_same() -> None:
    model = Written(stepwise)
    layers, images = prunable(model), noise(5, 3, 8, 8)
    masks, network = random_masks(layers), FoldedNetwork(model, layers, images[:2])
    network.put_recalibrated(masks, [images], 0.5)
    expected = cut(model, layers, masks)
    recalibrate(expected, [images], strength=0.5)
    alike(network(images), expected(images))


Hook = Callable[..., Any]


@pytest.mark.parametrize("place", ["conv", "norm", "linear", ""])
def test_a_hook_that_changes_outputs_is_obeyed(place: str) -> None:
    model = Written(lambda m, x: m.norm(m.conv(x)))
    model.get_submodule(place).register_forward_hook(lambda module, inputs, out: out * 2 + 1)
    network = folds(model, noise(5, 3, 8, 8))
    assert place == "linear" or network.reason is not None


@pytest.mark.parametrize("place", ["conv", "norm", "linear", ""])
def test_a_hook_that_changes_inputs_is_obeyed(place: str) -> None:
    model = Written(lambda m, x: m.norm(m.conv(x)))
    model.get_submodule(place).register_forward_pre_hook(lambda module, args: (args[0] * 2 + 1,))
    network = folds(model, noise(5, 3, 8, 8))
    assert place in ("conv", "linear") or network.reason is not None


def test_a_hook_without_which_the_network_cannot_run_is_obeyed() -> None:
    model = Written(lambda m, x: m.norm(m.conv(x)))
    model.register_forward_pre_hook(lambda module, args: (args[0].expand(-1, 3, -1, -1),))
    assert folds(model, noise(5, 1, 8, 8)).reason is not None


class Named(Written):
    def forward(self, x: torch.Tensor) -> Any:
        return {"logits": super().forward(x)}


def test_a_hook_that_takes_the_logits_out_of_a_dictionary_is_obeyed() -> None:
    model = Named(lambda m, x: m.norm(m.conv(x)))
    model.register_forward_hook(lambda module, inputs, outputs: outputs["logits"])
    assert folds(model, noise(5, 3, 8, 8)).reason is not None


def remembering(m: Any, x: torch.Tensor) -> torch.Tensor:
    if m.grid is None:
        m.grid = torch.linspace(0.5, 1.5, 8) * torch.ones_like(x[:1])
    y: torch.Tensor = m.norm(m.conv(x * m.grid))
    return y


def deciding(m: Any, x: torch.Tensor) -> torch.Tensor:
    y = remembering(m, x)
    return y.relu() if y.mean() > 0 else y


@pytest.mark.parametrize("call", [remembering, deciding])
def test_what_a_network_keeps_from_its_first_images_is_its_own(call: Hook) -> None:
    folds(model := Written(call, grid=None), noise(5, 3, 8, 8))
    assert isinstance(model.grid, torch.Tensor)


@pytest.mark.parametrize("strength", [0.5, 1.0])
@pytest.mark.parametrize("name", ["digits-cnn", "resnet20", "mobilenet_v2", "vgg"])
def test_recalibrated_outputs_are_those_of_the_plain_way(name: str, strength: float) -> None:
    model, images = NETWORKS[name](), noise(3, 3, 32, 32)
    layers, batches = prunable(model), [noise(6, 3, 32, 32, seed=seed) for seed in (2, 3)]
    masks, network = random_masks(layers), FoldedNetwork(model, layers, images[:2])
    network.put_recalibrated(masks, batches, strength)
    expected = cut(model, layers, masks)
    recalibrate(expected, batches, strength=strength)
    torch.testing.assert_close(network(images), expected(images).detach(), rtol=1e-3, atol=1e-3)


def test_recalibration_of_strength_0_changes_nothing(
    folded: FoldedNetwork, layers: list[Layer], images: torch.Tensor, batches: list[torch.Tensor]
) -> None:
    folded.put(masks := random_masks(layers))
    trained = folded(images)
    folded.put_recalibrated(masks, batches, 0.0)
    assert torch.equal(folded(images), trained)


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_putting_comes_back_to_the_trained_statistics(
    folded: FoldedNetwork, layers: list[Layer], images: torch.Tensor, batches: list[torch.Tensor],
    strength: float,
) -> None:
    folded.put(masks := random_masks(layers))
    trained = folded(images)
    folded.put_recalibrated(random_masks(layers, 1), batches, strength)
    assert not torch.allclose(folded(images), trained, atol=0.1)
    folded.put(masks)
    assert torch.equal(folded(images), trained)


def test_putting_unfolded_comes_back_to_the_trained_statistics(
    folded: FoldedNetwork, layers: list[Layer], images: torch.Tensor, batches: list[torch.Tensor]
) -> None:
    folded.put_unfolded(masks := random_masks(layers))
    trained = folded(images)
    folded.put_recalibrated(random_masks(layers, 1), batches, 1.0)
    folded.put_unfolded(masks)
    assert torch.equal(folded(images), trained)


def test_each_recalibration_begins_at_the_trained_statistics(
    folded: FoldedNetwork, layers: list[Layer], images: torch.Tensor, batches: list[torch.Tensor]
) -> None:
    masks = random_masks(layers)
    first = folded.put_recalibrated(masks, batches, 0.5)
    folded.put_recalibrated(random_masks(layers, 1), batches, 0.5)
    again = folded.put_recalibrated(masks, batches, 0.5)
    assert all(map(torch.equal, first, again))


@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_putting_with_statistics_gathered_before_gives_the_very_outputs(
    folded: FoldedNetwork, layers: list[Layer], images: torch.Tensor, batches: list[torch.Tensor],
    strength: float,
) -> None:
    statistics = folded.put_recalibrated(masks := random_masks(layers), batches, strength)
    gathered = folded(images)
    folded.put_recalibrated(random_masks(layers, 1), batches, 1.0)
    folded.put(random_masks(layers, 2))
    folded.put_with(masks, statistics)
    assert torch.equal(folded(images), gathered)


def test_statistics_belong_to_the_caller(
    folded: FoldedNetwork, layers: list[Layer], batches: list[torch.Tensor]
) -> None:
    statistics = folded.put_recalibrated(random_masks(layers), batches, 1.0)
    before = [value.clone() for value in statistics]
    folded.put_recalibrated(random_masks(layers, 1), batches, 1.0)
    folded.put(random_masks(layers))
    assert all(map(torch.equal, statistics, before))


def test_statistics_are_gathered_only_where_a_norm_stays_or_is_folded() -> None:
    model = a_model("lenet", 32)
    layers = prunable(model)
    network = FoldedNetwork(model, layers, noise(2, 3, 32, 32))
    assert network.put_recalibrated(random_masks(layers), [noise(2, 3, 32, 32)], 1.0) == []


def test_norms_that_stay_are_recalibrated_and_come_back() -> None:
    model = Written(lambda m, x: m.norm(m.conv(m.before(x))), before=nn.BatchNorm2d(3))
    layers, images = prunable(model), noise(5, 3, 8, 8)
    masks, network = random_masks(layers), FoldedNetwork(model, layers, images[:2])
    statistics = network.put_recalibrated(masks, [2 * images + 1], 0.5)
    expected = cut(model, layers, masks)
    recalibrate(expected, [2 * images + 1], strength=0.5)
    alike(network(images), expected(images))
    network.put(masks)
    alike(network(images), cut(model, layers, masks)(images))
    network.put_with(masks, statistics)
    alike(network(images), expected(images))


@pytest.mark.parametrize("training", [False, True])
def test_the_network_is_never_touched(
    model: nn.Module, layers: list[Layer], images: torch.Tensor, batches: list[torch.Tensor],
    unchanged: Any, training: bool,
) -> None:
    model.train(training)
    model[0].weight.requires_grad_(False)
    model[3].weight.grad = torch.ones_like(model[3].weight)
    with unchanged(model):
        network = FoldedNetwork(model, layers, images[:2])
        statistics = network.put_recalibrated(masks := random_masks(layers), batches, 1.0)
        network.put(masks)
        network.put_unfolded(masks)
        network.put_with(masks, statistics)
        network(images)
    assert model[0].bias is None  # the copy's folded layer has one


def test_the_network_is_not_touched_by_an_exception_inside(
    model: nn.Module, broken: list[bool], layers: list[Layer], images: torch.Tensor, unchanged: Any
) -> None:
    network = FoldedNetwork(model, layers, images[:2])
    broken.append(True)
    with unchanged(model), pytest.raises(FloatingPointError, match="the layer broke"):
        network.put_recalibrated(random_masks(layers), [images], 1.0)


def test_after_a_recalibration_that_failed_the_next_masks_are_put_as_ever(
    folded: FoldedNetwork, layers: list[Layer], images: torch.Tensor
) -> None:
    folded.put(masks := random_masks(layers))
    trained = folded(images)
    with pytest.raises(RuntimeError, match="expected input"):
        folded.put_recalibrated(masks, [images, images.expand(-1, 2, -1, -1)], 1.0)
    folded.put(masks)
    assert torch.equal(folded(images), trained)


def test_the_copy_does_not_follow_what_becomes_of_the_network(
    model: nn.Module, folded: FoldedNetwork, images: torch.Tensor
) -> None:
    before = folded(images)
    with torch.no_grad():
        model[0].weight.zero_()
        model[1].running_var.fill_(9)
    assert torch.equal(folded(images), before)


def test_a_network_in_training_mode_is_folded_as_it_will_be_evaluated(
    model: nn.Module, folded: FoldedNetwork, layers: list[Layer], images: torch.Tensor
) -> None:
    outputs = FoldedNetwork(model.train(), layers, images[:2])(images)
    assert torch.equal(outputs, folded(images))


def test_no_holder_outlives_a_change_of_masks(
    folded: FoldedNetwork, layers: list[Layer], batches: list[torch.Tensor]
) -> None:
    masks, statistics = random_masks(layers), [b.clone() for b in folded._buffers]
    for put in (
        lambda: folded.put(masks),
        lambda: folded.put_unfolded(masks),
        lambda: folded.put_recalibrated(masks, batches, 1.0),
        lambda: folded.put_with(masks, statistics),
    ):
        folded.holder = "somebody"
        put()
        assert folded.holder is None


def test_unmasked_are_the_trained_weights_or_folded_ones(
    model: nn.Module, folded: FoldedNetwork, layers: list[Layer]
) -> None:
    folded.put_unfolded(random_masks(layers))
    for layer, weight in zip(layers, folded.unmasked, strict=True):
        assert torch.equal(weight, layer.module.weight)
    folded.put(random_masks(layers))
    scale = model[1].weight / (model[1].running_var + model[1].eps).sqrt()
    expected = model[0].weight * scale[:, None, None, None]
    torch.testing.assert_close(folded.unmasked[0], expected.detach())
    assert torch.equal(folded.unmasked[2], model[8].weight)


def test_bfloat16_leaves_the_numbers_of_batchnorm_in_single_precision(images: torch.Tensor) -> None:
    model = Written(lambda m, x: m.norm(m.conv(m.before(x))), before=nn.BatchNorm2d(3))
    layers, images = prunable(model), noise(5, 3, 8, 8)
    exact = FoldedNetwork(model, layers, images[:2])
    quick = FoldedNetwork(model, layers, images[:2], dtype=torch.bfloat16)
    assert quick.plain.conv.weight.dtype == torch.bfloat16
    assert torch.equal(quick.plain.before.running_var, model.before.running_var)
    assert torch.equal(quick.plain.before.weight, model.before.weight)
    outputs = quick(images)
    assert outputs.dtype == torch.float32
    torch.testing.assert_close(outputs, exact(images), rtol=0.05, atol=0.05)


def test_bfloat16_folds_the_trained_weights_not_rounded_ones(
    model: nn.Module, folded: FoldedNetwork, layers: list[Layer], images: torch.Tensor
) -> None:
    quick = FoldedNetwork(model, layers, images[:2], dtype=torch.bfloat16)
    quick.put(masks := random_masks(layers))
    folded.put(masks)
    assert all(map(torch.equal, quick.unmasked, folded.unmasked))


def test_foldable_names_the_norm_by_the_layer_before_it(model: nn.Module) -> None:
    graph = fx.Tracer().trace(model)
    assert foldable(graph, model, ["0", "3", "8"]) == {"0": "1", "3": "4"}
    assert foldable(graph, model, ["8"]) == {}
