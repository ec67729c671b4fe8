"""A recipe with a head makes backbone and head again, and what it does not say is refused."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoprune.errors import InputError
from evoprune.network.heads import Head, fresh_head, narrowed_head
from evoprune.network.models import build
from evoprune.network.recipe import read_recipe, rebuild, recipe_of, write_recipe
from evoprune.network.transferred import head_entry, with_head
from evoprune.network.trunk import Transferred, Trunk

NETWORK = {"name": "digits-cnn", "classes": 4, "channels": 1, "image_size": 8}
READ, THERE = np.arange(512) % 5 == 1, np.arange(6) % 2 == 0


def backbone(seed: int = 0) -> Any:
    return build("digits-cnn", classes=4, channels=1, image_size=8, seed=seed)


def width_of(layer: str | None, pool: int) -> int:
    """Return how many features there are."""
    return 512 if layer is None else 32 * pool**2


def transferred(*, layer: str | None = None, pool: int = 1) -> Transferred:
    """Return a network that reads a fifth of the features."""
    trunk, width = Trunk(backbone(seed=3), layer, pool), width_of(layer, pool)
    head = narrowed_head(fresh_head(width, 6, 3, seed=2), READ[:width], THERE)
    return Transferred(trunk, head, 0.3, 1.7).eval()


def recipe_for(
    network: Transferred, *, layer: str | None = None, pool: int = 1
) -> dict[str, Any]:
    entry = head_entry(network.head, features=width_of(layer, pool), layer=layer, pool=pool)
    return recipe_of(backbone(), {}, network=NETWORK) | {"head": entry}


@pytest.mark.parametrize(("layer", "pool"), [(None, 1), ("bn3", 1), ("bn3", 2)])
def test_it_is_made_again_from_two_files(
    layer: str | None, pool: int, images: torch.Tensor, tmp_path: Path
) -> None:
    network = transferred(layer=layer, pool=pool)
    write_recipe(recipe_for(network, layer=layer, pool=pool), tmp_path / "recipe.json")
    torch.save(network.state_dict(), tmp_path / "network.pt")
    for model in (None, backbone(seed=9)):
        again = rebuild(model, tmp_path / "recipe.json", tmp_path / "network.pt")
        with torch.no_grad():
            assert torch.equal(again(images), network(images))


def test_what_a_head_is_comes_back_as_plain_data(tmp_path: Path) -> None:
    write_recipe(recipe_for(transferred()), tmp_path / "recipe.json")
    head = read_recipe(tmp_path / "recipe.json")["head"]
    kept = np.flatnonzero(READ).tolist()
    features = {"kept": kept, "of": 512}
    assert head == {"layer": None, "pool": 1, "features": features, "units": 3, "classes": 3}


def test_a_head_that_reads_everything_chooses_nothing() -> None:
    entry = head_entry(Head(512, 6, 3), features=512)
    assert entry["features"]["kept"] == list(range(512))
    assert "head.chosen" not in with_head(backbone(), entry).state_dict()


def test_the_backbone_stays_as_it_was(unchanged: Any) -> None:
    model = backbone()
    with unchanged(model):
        with_head(model, recipe_for(transferred())["head"])


def test_weights_that_read_other_features_are_refused() -> None:
    network = transferred()
    recipe, state = recipe_for(network), network.state_dict()
    state["head.chosen"] = state["head.chosen"] - 1
    with pytest.raises(InputError, match="reads other features than the recipe says"):
        rebuild(None, recipe, state)


def test_a_network_that_brings_images_to_its_range_is_told_of() -> None:
    known = {"name": "googlenet", "classes": 2, "channels": 3, "image_size": 32}
    plain = rebuild(None, recipe_of(torch.nn.Identity(), {}, network=known))
    moved = rebuild(
        None, recipe_of(torch.nn.Identity(), {}, network=known | {"transform_input": True})
    )
    assert (plain.transform_input, moved.transform_input) == (False, True)


@pytest.mark.parametrize(
    ("where", "value", "words"),
    [
        ("units", 0, "expected units of a head from 1 on, got 0"),
        ("units", True, "expected units of a head from 1 on, got True"),
        ("classes", "3", "expected classes of a head from 1 on, got '3'"),
        ("pool", 0, "expected pool of a head from 1 on, got 0"),
        ("layer", 7, "expected a head with layer, features, units and classes"),
        ("layer", "bn4", "unknown layer 'bn4': did you mean 'bn"),
        ("features", [0, 1], "expected a head with layer, features, units and classes"),
        ("features", {"kept": [0, 1], "of": -2}, "expected features of a head from 1 on, got -2"),
        ("features", {"kept": [0, 4], "of": 4}, "rising places from 0 to 3 as the features"),
        ("features", {"kept": [1, 0], "of": 4}, "rising places from 0 to 3 as the features"),
        ("features", {"kept": [], "of": 4}, "rising places from 0 to 3 as the features"),
        ("features", {"kept": [0.0], "of": 4}, "rising places from 0 to 3 as the features"),
    ],
)
def test_an_entry_that_is_no_head_is_refused_in_one_line(
    where: str, value: Any, words: str
) -> None:
    recipe = copy.deepcopy(recipe_for(transferred()))
    recipe["head"][where] = value
    with pytest.raises(InputError, match=words) as refused:
        rebuild(None, recipe)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("entry", [[], "head", 3, {}])
def test_whatever_stands_in_the_place_of_a_head_is_refused(entry: Any) -> None:
    with pytest.raises(InputError, match="expected a head with layer, features, units and class"):
        rebuild(None, recipe_for(transferred()) | {"head": entry})


def test_weights_of_another_width_are_refused() -> None:
    network = transferred()
    recipe = recipe_for(network)
    recipe["head"]["units"] = 4
    with pytest.raises(InputError, match="weights: they do not fit what the recipe makes"):
        rebuild(None, recipe, network.state_dict())
