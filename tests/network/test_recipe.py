"""A recipe is plain data; with the architecture and a state dict it makes the network again."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.models import build
from evoprune.network.recipe import cut_in, read_recipe, rebuild, recipe_of, widened, write_recipe
from evoprune.network.surgery import Cut, Kept, apply, shrink


@pytest.fixture
def made(model: nn.Module) -> dict[str, Any]:
    """A recipe that takes channel 1 of the first convolution away."""
    two = np.array([0, 2])
    cut = {"0": Kept(outputs=two), "1": Kept(outputs=two), "3": Kept(inputs=two)}
    return recipe_of(model, cut)


def test_rebuilt_from_files_it_computes_what_the_cut_network_does(
    network: nn.Module, halved: Cut, images: torch.Tensor, tmp_path: Path
) -> None:
    small = shrink(network, halved).eval()
    write_recipe(recipe_of(network, halved), tmp_path / "x.recipe.json")
    torch.save(small.state_dict(), tmp_path / "x.pt")
    untrained = copy.deepcopy(network)
    for parameter in untrained.parameters():
        nn.init.zeros_(parameter)
    again = rebuild(untrained, str(tmp_path / "x.recipe.json"), str(tmp_path / "x.pt"))
    assert torch.equal(again(images), small(images))
    assert str(again) == str(small)


def test_without_weights_those_of_the_model_are_kept(
    network: nn.Module, halved: Cut, images: torch.Tensor
) -> None:
    again = rebuild(network, recipe_of(network, halved))
    assert torch.equal(again(images), shrink(network, halved).eval()(images))


def test_a_recipe_that_names_its_architecture_needs_no_model(images: torch.Tensor) -> None:
    known = {"name": "digits-cnn", "classes": 5, "channels": 1, "image_size": 8}
    model, first = (
        build("digits-cnn", classes=5, channels=1, image_size=8),
        {"conv1": Kept(outputs=np.array([3, 5]))},
    )
    rest = {"bn1": Kept(outputs=np.array([3, 5])), "conv2": Kept(inputs=np.array([3, 5]))}
    small = shrink(model, first | rest).eval()
    again = rebuild(None, recipe_of(model, first | rest, network=known), small.state_dict())
    assert torch.equal(again(images), small(images))


def test_a_recipe_of_a_network_of_one_s_own_asks_for_it(made: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="names no architecture; give the network itself"):
        rebuild(None, made)


def test_the_model_that_is_given_stays_as_it_was(
    model: nn.Module, made: dict[str, Any], unchanged: Any
) -> None:
    with unchanged(model):
        assert rebuild(model, made)[0].out_channels == 2


def test_a_recipe_comes_back_from_its_file_as_it_was(made: dict[str, Any], tmp_path: Path) -> None:
    write_recipe(made, tmp_path / "recipe.json")
    assert read_recipe(tmp_path / "recipe.json") == made


def test_an_empty_recipe_leaves_the_network_its_size(model: nn.Module, tmp_path: Path) -> None:
    write_recipe(recipe_of(model, {}), tmp_path / "recipe.json")
    assert str(rebuild(model, tmp_path / "recipe.json")) == str(model)


def test_what_is_kept_whole_is_not_written_down(model: nn.Module) -> None:
    cut = {"0": Kept(outputs=np.arange(3)), "3": Kept(weights=torch.ones(4, 3, 3, 3).bool())}
    assert recipe_of(model, cut)["modules"] == {}


def test_a_cut_comes_back_from_a_recipe(network: nn.Module, halved: Cut) -> None:
    again = cut_in(json.loads(json.dumps(recipe_of(network, halved))), network)
    for name, kept in again.items():
        for side in ("outputs", "inputs"):
            places = getattr(kept, side)
            assert places is None or np.array_equal(places, getattr(halved[name], side))
    assert str(shrink(network, again)) == str(shrink(network, halved))


def test_widened_it_computes_what_the_small_network_does(
    network: nn.Module, halved: Cut, images: torch.Tensor
) -> None:
    small = shrink(network, halved).eval()
    for parameter in small.parameters():
        nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(4))
    wide = widened(network, halved, small).eval()
    assert str(wide) == str(network)
    torch.testing.assert_close(wide(images), small(images), rtol=1e-4, atol=1e-5)


def test_widened_the_cut_network_is_the_one_with_zeros(network: nn.Module, halved: Cut) -> None:
    wide = widened(network, halved, shrink(network, halved)).state_dict()
    for name, value in apply(network, halved, permanent=True).state_dict().items():
        if "running" not in name:  # of a channel that is gone nobody knows them
            assert torch.equal(wide[name], value)


def places(recipe: dict[str, Any], *kept: Any) -> None:
    recipe["modules"]["0"]["outputs"]["kept"] = list(kept)


WRONG: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "above the range": (lambda r: places(r, 0, 3), "rising places from 0 to 2 .* of 0, got"),
    "below it": (lambda r: places(r, -1, 2), "rising places from 0 to 2"),
    "twice": (lambda r: places(r, 2, 2), "rising places"),
    "out of order": (lambda r: places(r, 2, 0), "rising places"),
    "none": (lambda r: places(r), "rising places"),
    "no numbers": (lambda r: places(r, "0", True), "rising places"),
    "another size": (
        lambda r: r["modules"]["0"]["outputs"].update(of=4),
        "it is for 4 outputs of 0, the model has 3; give the architecture that was pruned",
    ),
    "no such side": (lambda r: r["modules"]["0"].update(up=[]), "expected outputs and inputs of 0"),
    "no side at all": (lambda r: r["modules"].update({"2": {"outputs": {}}}), "outputs of 2"),
    "no such module": (lambda r: r["modules"].update({"9": {}}), "unknown module in recipe '9'"),
    "no modules": (lambda r: r.update(modules=[1]), r"expected modules by name, got \[1\]"),
    "another format": (lambda r: r.update(format="x"), "evoprune export wrote; it is none"),
    "another version": (lambda r: r.update(version=2), "expected version 1, got 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_recipe_that_was_tampered_with_is_refused_in_one_line(
    model: nn.Module, made: dict[str, Any], case: str
) -> None:
    spoil, text = WRONG[case]
    spoil(made)
    with pytest.raises(InputError, match=text) as refused:
        rebuild(model, made)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recipe.json").write_text("[1,")
    with pytest.raises(InputError, match=r"cannot read .*recipe\.json: JSONDecodeError"):
        read_recipe(tmp_path / "recipe.json")
    (tmp_path / "recipe.json").write_text("[1]")
    with pytest.raises(InputError, match=r"recipe\.json is none"):
        read_recipe(tmp_path / "recipe.json")
    with pytest.raises(InputError, match=r"cannot read .*absent"):
        read_recipe(tmp_path / "absent")


def test_weights_of_other_sizes_are_refused(model: nn.Module, made: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="weights: they do not fit what the recipe makes"):
        rebuild(model, made, model.state_dict())


def test_weights_that_hold_more_than_tensors_are_not_unpickled(
    model: nn.Module, made: dict[str, Any], tmp_path: Path
) -> None:
    torch.save({"state_dict": model}, tmp_path / "x.pt")
    with pytest.raises(InputError, match="holds more than tensors"):
        rebuild(model, made, tmp_path / "x.pt")
