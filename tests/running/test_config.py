"""Settings are checked before anything is written, in words that say what to write instead."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from evoprune.errors import InputError
from evoprune.running.config import ALGORITHMS, Config


def test_the_settings_of_a_run_without_arguments_are_fine() -> None:
    assert Config().model == "digits-cnn"


@pytest.mark.parametrize(
    "settings",
    [
        {"population": 4},
        {"generations": (1, 1)},
        {"recalibrate": 0.0, "descent": 0.0},
        {"recalibrate": 1.0, "descent": 1.0},
        {"passes": 1, "search_images": 1},
        {"passes": None, "search_images": None},
        {"seed": 0},
        *({"algorithm": name} for name in ALGORITHMS),
    ],
    ids=str,
)
def test_settings_at_their_ends_are_fine(settings: dict[str, Any]) -> None:
    Config(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"algorithm": "nsga3"}, "unknown algorithm 'nsga3': did you mean 'nsga2'. Known: nsga2, "),
        ({"algorithm": "moaed"}, "unknown algorithm 'moaed': did you mean 'moead'"),
        ({"population": 3}, "population: expected at least 4, got 3"),
        ({"generations": (0, 5)}, "generations: expected two whole numbers .* got 0 5: write"),
        ({"generations": (5, 0)}, "at least 1, for the two phases; got 5 0: write for example"),
        ({"generations": (5,)}, "got 5: write for example --generations 12 12"),
        ({"generations": (5, 5, 5)}, "got 5 5 5: write"),
        ({"recalibrate": -0.1}, "recalibrate: expected 0 to 1, got -0.1"),
        ({"recalibrate": 1.1}, "recalibrate: expected 0 to 1, got 1.1"),
        ({"recalibrate": float("nan")}, "recalibrate: expected 0 to 1, got nan"),
        ({"descent": 2.0}, "descent: expected 0 to 1, got 2.0"),
        ({"passes": 0}, "passes: expected at least 1, got 0"),
        ({"search_images": 0}, "search-images: expected at least 1, got 0"),
        ({"seed": -1}, "seed: expected 0 or more, got -1"),
        ({"precision": "bf61"}, "unknown precision 'bf61': did you mean 'bf16'"),
    ],
    ids=str,
)
def test_a_setting_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Config(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"model": "lenet", "generations": (3, 4), "passes": 1000, "recalibrate": 0.7, "seed": 5},
    ],
    ids=str,
)
def test_settings_come_back_from_json(settings: dict[str, Any]) -> None:
    config = Config(**settings)
    assert Config.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_the_json_holds_every_setting_the_method_and_the_versions() -> None:
    value = Config().to_json()
    assert {field.name for field in dataclasses.fields(Config)} < set(value)
    assert value["method"] == "hierarchical"
    assert {"python", "torch", "numpy", "deap", "moocore"} < set(value["versions"])


def test_settings_read_from_a_file_are_checked_too() -> None:
    with pytest.raises(InputError, match="population: expected at least 4, got 1"):
        Config.from_json(Config().to_json() | {"population": 1})


def test_settings_cannot_be_changed_once_checked() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError, match="population"):
        Config().population = 1  # type: ignore[misc]
