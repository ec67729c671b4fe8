"""Networks by name, and weights from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.models import MODELS, CifarResNet, build, load_weights

IMAGES = {"digits-cnn": (1, 8), "lenet": (1, 28)}


def a_model(name: str, seed: int = 0) -> nn.Module:
    channels, size = IMAGES.get(name, (3, 32))
    return build(name, channels=channels, image_size=size, seed=seed)


@pytest.mark.parametrize("name", MODELS)
def test_every_model_gives_a_logit_for_each_class(name: str) -> None:
    channels, size = IMAGES.get(name, (3, 32))
    model = build(name, classes=7, channels=channels, image_size=size)
    assert model(torch.zeros(2, channels, size, size)).shape == (2, 7)


@pytest.mark.parametrize(
    ("name", "weights"),
    [
        ("digits-cnn", 9 * (16 + 16 * 32 + 32 * 32) + 512 * 10),
        ("lenet", 61470),  # LeCun et al., 1998, with full second convolution and Linear output
        ("resnet20", 268336),
        ("resnet56", 848944),
        ("resnet110", 1719856),
    ],
)
def test_the_number_of_weights_is_the_published_one(name: str, weights: int) -> None:
    assert sum(p.numel() for p in a_model(name).parameters() if p.dim() > 1) == weights


def test_a_small_model_takes_other_images_than_its_own() -> None:
    model = build("lenet", channels=3, image_size=32)
    assert model(torch.zeros(1, 3, 32, 32)).shape == (1, 10)


def test_a_resnet_of_6n_plus_2_has_that_many_layers_with_weights() -> None:
    layers = [m for m in a_model("resnet32").modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert len(layers) == 32


def test_the_shortcut_keeps_every_second_pixel_and_adds_empty_channels_on_both_sides() -> None:
    block = CifarResNet(1).layer2[0]
    x = torch.arange(16 * 4 * 4, dtype=torch.float32).reshape(1, 16, 4, 4)
    y = block.shortcut(x)
    assert y.shape == (1, 32, 2, 2)
    assert torch.equal(y[:, 8:24], x[:, :, ::2, ::2])
    assert not y[:, :8].any() and not y[:, 24:].any()


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_alone() -> None:
    before = torch.get_rng_state()
    one, two, other = a_model("resnet20"), a_model("resnet20"), a_model("resnet20", seed=1)
    assert torch.equal(one.layer1[0].conv1.weight, two.layer1[0].conv1.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)
    assert torch.equal(torch.get_rng_state(), before)


def test_any_other_name_is_one_of_torchvision() -> None:
    model = build("squeezenet1_1", classes=5, image_size=64)
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 5)


def test_an_unknown_model_brings_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown model 'resnet65': did you mean 'resnet56'"):
        build("resnet65")


def test_torchvision_takes_colour_only() -> None:
    with pytest.raises(InputError, match="model resnet18: expected images of 3 channels, got 1"):
        build("resnet18", channels=1)


def test_an_image_that_is_too_small_is_refused() -> None:
    with pytest.raises(InputError, match=r"lenet: expected .* image_size from 12 on; .*=8"):
        build("lenet", image_size=8)


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_load_with_and_without_prefix_and_wrapping(
    tmp_path: Path, prefix: str, wrapped: bool
) -> None:
    source, model = a_model("resnet20", seed=1), a_model("resnet20")
    state = {prefix + key: value for key, value in source.state_dict().items()}
    torch.save({"state_dict": state, "epoch": 3} if wrapped else state, tmp_path / "w.th")
    load_weights(model, tmp_path / "w.th")
    for key, value in model.state_dict().items():
        assert torch.equal(value, source.state_dict()[key])


def test_an_old_checkpoint_that_did_not_count_batches_loads(tmp_path: Path) -> None:
    state = a_model("resnet20").state_dict()
    old = {f"module.{k}": v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    torch.save({"state_dict": old}, tmp_path / "old.th")
    load_weights(a_model("resnet20", seed=1), tmp_path / "old.th")


def test_a_checkpoint_of_another_depth_names_a_few_missing_keys(tmp_path: Path) -> None:
    torch.save(a_model("resnet20").state_dict(), tmp_path / "w.th")
    with pytest.raises(InputError, match=r"\d+ missing \(layer1.3.conv1.weight, .*, \.\.\.\)"):
        load_weights(a_model("resnet32"), tmp_path / "w.th")


def test_a_checkpoint_with_too_much_names_the_unexpected_keys(tmp_path: Path) -> None:
    state = a_model("lenet").state_dict()
    torch.save({**state, "extra.weight": torch.zeros(1)}, tmp_path / "w.th")
    with pytest.raises(InputError, match=r"1 unexpected \(extra.weight\)"):
        load_weights(a_model("lenet"), tmp_path / "w.th")


def test_a_checkpoint_of_other_classes_names_the_shapes_and_changes_nothing(
    tmp_path: Path,
) -> None:
    torch.save(build("resnet20", classes=100).state_dict(), tmp_path / "w.th")
    model = a_model("resnet20", seed=1)
    before = model.conv1.weight.clone()
    with pytest.raises(
        InputError, match=r"linear.weight \(100, 64\) where the model has \(10, 64\)"
    ) as caught:
        load_weights(model, tmp_path / "w.th")
    assert "\n" not in str(caught.value)
    assert torch.equal(model.conv1.weight, before)


def test_a_file_that_holds_code_is_refused_unless_trusted(tmp_path: Path) -> None:
    source, model = a_model("lenet", seed=1), a_model("lenet")
    torch.save(source, tmp_path / "whole.pt")
    with pytest.raises(InputError, match=r"holds more than tensors.* --trust-pickle"):
        load_weights(model, tmp_path / "whole.pt")
    load_weights(model, tmp_path / "whole.pt", trust_pickle=True)
    assert torch.equal(model.conv1.weight, source.conv1.weight)


def test_an_absent_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"weights: expected a file, found none at .*nowhere"):
        load_weights(a_model("lenet"), tmp_path / "nowhere")


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.th").write_bytes(content)
    with pytest.raises(InputError, match=r"weights .*w\.th"):
        load_weights(a_model("lenet"), tmp_path / "w.th")


def test_a_lone_tensor_is_no_state_dict(tmp_path: Path) -> None:
    torch.save(torch.from_numpy(np.zeros(3)), tmp_path / "w.th")
    with pytest.raises(InputError, match="expected a state dict, got a Tensor"):
        load_weights(a_model("lenet"), tmp_path / "w.th")


def test_a_whole_network_that_was_trained_in_parallel_loses_the_prefix(tmp_path: Path) -> None:
    source, model = a_model("lenet", seed=1), a_model("lenet")
    torch.save(nn.ModuleDict({"module": source}), tmp_path / "whole.pt")
    load_weights(model, tmp_path / "whole.pt", trust_pickle=True)
    assert torch.equal(model.conv1.weight, source.conv1.weight)
