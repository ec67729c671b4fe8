"""What the microbial GA can be told, and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from evoprune.errors import InputError
from evoprune.methods.microbial_settings import TABLE_1, MicrobialConfig


def test_the_defaults_are_the_papers() -> None:
    config = MicrobialConfig()
    assert (config.population, config.best, config.mating, config.every) == (30, 5, 0.6, 5)
    assert (config.filter_rate, config.weight_rate, config.genes) == (0.1, 0.15, "mixed")


def test_table_1_has_four_settings_that_sum_to_1() -> None:
    assert MicrobialConfig(table1=True).searches() == TABLE_1
    assert [sum(lambdas) for lambdas in TABLE_1] == pytest.approx([1] * 4)


def test_nsga2_searches_once_whatever_table_1_has() -> None:
    config = MicrobialConfig(table1=True, algorithm="nsga2")
    assert config.searches() == (config.lambdas,)


@pytest.mark.parametrize(
    ("computation", "counted"), [("convolutions", "conv_macs"), ("network", "macs")]
)
def test_the_three_objectives_are_error_computation_and_parameters(
    computation: str, counted: str
) -> None:
    config = MicrobialConfig(computation=computation)
    assert config.objectives() == ("error", counted, "params")


def test_settings_come_back_from_json() -> None:
    config = MicrobialConfig(lambdas=(0.8, 0.1, 0.1), every=3)
    assert MicrobialConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lambdas": (0.5, 0.5, 0.5)}, r"lambdas: expected numbers that sum to 1, .* to 1\.5"),
        ({"lambdas": (1.2, -0.2, 0.0)}, r"lambdas: expected numbers from 0 to 1, got 1\.2 -0\.2"),
        ({"lambdas": (0.5, 0.5)}, r"lambdas: expected three numbers, .* got 0\.5 0\.5: write"),
        ({"lambdas": (float("nan"), 0.5, 0.5)}, "lambdas: expected numbers from 0 to 1, got nan"),
        ({"every": 1}, "every: expected at least 2, got 1"),
        ({"generations": 4}, "generations: expected at least 5, one block"),
        ({"best": 1}, "best: expected 2 to the population, 30, got 1"),
        ({"best": 31}, "best: expected 2 to the population, 30, got 31"),
        ({"mating": 1.1}, r"mating: expected 0 to 1, got 1\.1"),
        ({"filter_rate": -0.1}, r"filter-rate: expected 0 to 1, got -0\.1"),
        ({"weight_rate": 2.0}, r"weight-rate: expected 0 to 1, got 2\.0"),
        ({"rate": 0.0}, r"^rate: expected more than 0, got 0\.0"),
        ({"shift": -1}, "shift: expected 0 or more pixels, got -1"),
        ({"patience": 0}, "patience: expected at least 1, got 0"),
        ({"retrain_images": 1}, "retrain-images: expected at least 2, got 1"),
        ({"algorithm": "nsga"}, "unknown algorithm 'nsga': did you mean 'nsga2'"),
        ({"computation": "conv"}, "unknown computation 'conv'"),
        ({"init": "initDensity"}, "init: expected none"),
        ({"select": "selNSGA2"}, "select: expected none with microbial"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        MicrobialConfig(**settings)
    assert "\n" not in str(refused.value)
