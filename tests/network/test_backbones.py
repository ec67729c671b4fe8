"""Networks to transfer from: their weights, how images are normalised and brought to them."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision import models as zoo

from evoprune.errors import InputError
from evoprune.network.backbones import backbone, brought, mean_and_deviation
from evoprune.network.datasets import load
from evoprune.network.models import build


def same(one: nn.Module, two: nn.Module) -> bool:
    """Return whether two networks hold the same tensors."""
    states = one.state_dict(), two.state_dict()
    return states[0].keys() == states[1].keys() and all(
        torch.equal(states[0][key], states[1][key]) for key in states[0]
    )


def saved(model: nn.Module, folder: Path, **beside: object) -> Path:
    path = folder / "w.pt"
    torch.save({"state_dict": model.state_dict(), **beside}, path)
    return path


# ------------------------------------------------------------------ weights from a file


@pytest.mark.parametrize(
    "name",
    ["resnet20", "squeezenet1_1", "mobilenet_v3_small", "shufflenet_v2_x0_5", "mnasnet0_5"],
)
def test_a_file_says_how_many_classes_there_are(name: str, tmp_path: Path) -> None:
    source = build(name, classes=7, image_size=64, seed=1)
    model = backbone(name, weights=saved(source, tmp_path), image_size=64)
    assert same(model, source) and not model.training
    assert model(torch.zeros(1, 3, 64, 64)).shape == (1, 7)


@pytest.mark.parametrize(
    "name", ["resnet18", "squeezenet1_0", "mobilenet_v3_small", "densenet121", "resnet56"]
)
def test_the_last_matrix_of_a_network_has_a_row_a_class(name: str) -> None:
    with torch.device("meta"):
        state = build(name, classes=7).state_dict()
    assert [len(value) for value in state.values() if value.ndim >= 2][-1] == 7


def test_a_small_network_of_grey_images_is_a_backbone_too(tmp_path: Path) -> None:
    source = build("digits-cnn", classes=5, channels=1, image_size=8, seed=1)
    model = backbone("digits-cnn", weights=saved(source, tmp_path), channels=1, image_size=8)
    assert same(model, source)


def test_another_number_of_classes_than_the_file_has_is_refused(tmp_path: Path) -> None:
    path = saved(build("resnet20", classes=7), tmp_path)
    with pytest.raises(InputError, match=r"linear.weight \(7, 64\) where the model has \(3, 64\)"):
        backbone("resnet20", weights=path, classes=3)


def test_a_file_that_holds_code_is_read_only_if_trusted(tmp_path: Path) -> None:
    source = build("resnet20", classes=7, seed=1)
    torch.save(source, tmp_path / "whole.pt")
    with pytest.raises(InputError, match="trust_pickle=True"):
        backbone("resnet20", weights=tmp_path / "whole.pt")
    assert same(backbone("resnet20", weights=tmp_path / "whole.pt", trust_pickle=True), source)


@pytest.mark.parametrize("content", [{}, {"bias": torch.zeros(3)}, {"epoch": 3}])
def test_a_file_without_a_matrix_is_refused(content: dict[str, object], tmp_path: Path) -> None:
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"weights .*w\.pt: expected the weights of a network"):
        backbone("resnet20", weights=tmp_path / "w.pt")


@pytest.mark.parametrize(("note", "transformed"), [({}, True), ({"data": "cifar10"}, False)])
def test_a_published_googlenet_transforms_its_input_and_one_trained_here_does_not(
    note: dict[str, str], transformed: bool, tmp_path: Path
) -> None:
    source = zoo.googlenet(weights=None, num_classes=7, init_weights=False)
    path = saved(source, tmp_path, **({"evoprune": note} if note else {}))
    model = backbone("googlenet", weights=path)
    assert model.transform_input is transformed


# ------------------------------------------------------------------ without weights


def test_without_weights_the_network_is_untrained() -> None:
    assert same(backbone("resnet20", classes=4, image_size=32), build("resnet20", classes=4))


def test_a_misspelt_backbone_brings_the_nearest() -> None:
    for weights in (None, "download"):
        with pytest.raises(InputError, match="unknown model 'resnet65': did you mean 'resnet56'"):
            backbone("resnet65", weights=weights)


# ------------------------------------------------------------------ weights from torchvision


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let torch "fetch" an untrained squeezenet1_1; returns the addresses that were asked for."""
    asked: list[str] = []

    def fetch(url: str, dst: str, *_: object, **__: object) -> None:
        asked.append(url)
        torch.save(build("squeezenet1_1", classes=1000, seed=1).state_dict(), dst)

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    return asked


def test_a_download_is_torchvisions_own_default(fetched: list[str]) -> None:
    model = backbone("squeezenet1_1", weights="download")
    assert fetched == [zoo.SqueezeNet1_1_Weights.DEFAULT.url]
    assert same(model, build("squeezenet1_1", classes=1000, seed=1)) and not model.training


def test_a_download_is_kept_for_the_next_time(fetched: list[str]) -> None:
    backbone("squeezenet1_1", weights="download")
    backbone("squeezenet1_1", weights="download", classes=1000)
    assert len(fetched) == 1


@pytest.mark.parametrize("cause", [URLError("no route to host"), RuntimeError("hash value"),
                                   OSError("no space left")])  # fmt: skip
def test_a_download_that_fails_is_one_line_with_the_address(
    cause: Exception, fetched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise cause

    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(
        InputError, match=r"^weights: those of squeezenet1_1 could not be fetched from https://.*"
        r"(no route to host|hash value|no space left).*; write --weights FILE",
    ) as caught:  # fmt: skip
        backbone("squeezenet1_1", weights="download")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["resnet56", "digits-cnn"])
def test_torchvision_offers_no_weights_of_our_networks(name: str, fetched: list[str]) -> None:
    with pytest.raises(InputError, match=f"weights: torchvision offers none of {name}; write "):
        backbone(name, weights="download")
    assert not fetched


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("resnet18", {"classes": 10}, "classes: .* of resnet18 take 1000, got 10; leave it out"),
        ("resnet18", {"channels": 1}, "channels: .* of resnet18 take 3, got 1; leave it out"),
        ("vit_b_16", {"image_size": 256}, "image_size: .* expect 224 pixels, got 256"),
        ("inception_v3", {"image_size": 64}, "image_size: .* expect 75 pixels or more, got 64"),
    ],
)
def test_what_a_download_does_not_fit_is_refused_before_it_is_fetched(
    name: str, settings: dict[str, int], message: str, fetched: list[str]
) -> None:
    with pytest.raises(InputError, match=message):
        backbone(name, weights="download", **settings)
    assert not fetched


# ------------------------------------------------------------------ mean and deviation


@pytest.mark.parametrize("name", ["resnet56", "squeezenet1_0", "inception_v3"])
def test_published_networks_are_normalised_as_imagenet(name: str) -> None:
    assert mean_and_deviation(name) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def test_torchvision_knows_its_own_exception() -> None:
    assert mean_and_deviation("efficientnet_v2_l") == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def test_a_network_trained_here_is_normalised_as_its_data_were() -> None:
    digits = load("digits:0-4")
    assert mean_and_deviation("digits-cnn", digits) == (digits.mean, digits.deviation)


def test_grey_images_have_no_usual_mean() -> None:
    with pytest.raises(InputError, match=r"source: lenet takes images of 1 channel.*name the data"):
        mean_and_deviation("lenet", channels=1)


# ------------------------------------------------------------------ images brought to a backbone


def some_images(count: int = 7, channels: int = 3, size: int = 9) -> torch.Tensor:
    shape = (count, channels, size, size)
    return torch.from_numpy(np.random.default_rng(4).integers(0, 256, shape, np.uint8))


def test_images_that_fit_are_the_same_bytes() -> None:
    images = some_images()
    assert torch.equal(brought(images, channels=3, size=9), images)
    assert torch.equal(brought(images, channels=3), images)


def test_grey_is_repeated_in_every_channel() -> None:
    grey = some_images(channels=1)
    colour = brought(grey, channels=3)
    assert colour.shape == (7, 3, 9, 9)
    assert all(torch.equal(colour[:, [place]], grey) for place in range(3))


def test_colour_to_grey_is_pillows_but_for_rounding() -> None:
    images = some_images()
    ours = brought(images, channels=1)
    pictures = [Image.fromarray(image.permute(1, 2, 0).numpy()) for image in images]
    theirs = torch.from_numpy(np.stack([np.asarray(p.convert("L")) for p in pictures]))
    assert int((ours[:, 0].int() - theirs.int()).abs().max()) <= 1


@pytest.mark.parametrize("value", [0, 1, 128, 254, 255])
def test_a_grey_that_is_written_in_colour_keeps_its_value(value: int) -> None:
    images = torch.full((1, 3, 2, 2), value, dtype=torch.uint8)
    assert brought(images, channels=1).unique().tolist() == [value]


@pytest.mark.parametrize("size", [4, 20])
def test_a_new_size_is_pillows_bilinear_one_but_for_rounding(size: int) -> None:
    grey = some_images(channels=1)
    ours = brought(grey, channels=1, size=size)
    pictures = [Image.fromarray(image[0].numpy()) for image in grey]
    bilinear = Image.Resampling.BILINEAR
    theirs = np.stack([np.asarray(p.resize((size, size), bilinear)) for p in pictures])
    assert ours.dtype == torch.uint8
    assert int((ours[:, 0].int() - torch.from_numpy(theirs).int()).abs().max()) <= 1


def test_a_batch_is_brought_like_all_of_them() -> None:
    images = some_images()
    whole = brought(images, channels=1, size=5)
    assert torch.equal(brought(images, channels=1, size=5, batch=2), whole)


def test_images_are_left_as_they_were() -> None:
    images = some_images()
    before = images.clone()
    brought(images, channels=1, size=5)
    assert torch.equal(images, before)


def test_no_images_are_brought_to_no_images() -> None:
    assert brought(some_images(0), channels=1, size=5).shape == (0, 1, 5, 5)


@pytest.mark.parametrize(("own", "wanted"), [(4, 3), (3, 2), (2, 1)])
def test_other_channels_are_refused(own: int, wanted: int) -> None:
    with pytest.raises(InputError, match=f"channels: expected 1 or 3 .*, got {own}, {wanted}"):
        brought(some_images(channels=own), channels=wanted)


def test_a_size_below_one_pixel_is_refused() -> None:
    with pytest.raises(InputError, match="image_size: expected pixels from 1 on, got 0"):
        brought(some_images(), channels=3, size=0)
