"""The anchors' rules, worked by hand."""

from __future__ import annotations

import pytest

from evoprune.errors import InputError
from evoprune.methods.anchors import choose_anchors
from operators.individuals import individual_type


def front(*points: tuple[float, float]) -> list[object]:
    individuals = []
    for error, density in points:
        individual = individual_type("thresholds", 2)([density])
        individual.fitness.values = (error, density)
        individuals.append(individual)
    return individuals


def values(anchors: tuple[object, object]) -> list[tuple[float, float]]:
    return [anchor.fitness.values for anchor in anchors]  # type: ignore[attr-defined]


def test_the_light_anchor_is_the_sparsest_that_errs_no_more_than_dense() -> None:
    points = front((0.09, 0.8), (0.10, 0.5), (0.101, 0.4), (0.5, 0.1))
    anchors = choose_anchors(points, dense=0.1, guess=0.9)
    assert values(anchors)[0] == (0.10, 0.5)


def test_the_heavy_anchor_is_the_sparsest_that_beats_guessing() -> None:
    points = front((0.10, 0.8), (0.85, 0.1), (0.8999, 0.02), (0.9, 0.01))
    anchors = choose_anchors(points, dense=0.1, guess=0.9)
    assert values(anchors)[1] == (0.85, 0.1)


def test_where_none_is_good_enough_the_most_accurate_is_the_light_anchor() -> None:
    points = front((0.3, 0.8), (0.5, 0.4))
    anchors = choose_anchors(points, dense=0.1, guess=0.9)
    assert values(anchors)[0] == (0.3, 0.8)


def test_the_network_without_weights_is_no_anchor() -> None:
    points = front((0.10, 0.8), (0.85, 0.1), (0.88, 0.0))
    anchors = choose_anchors(points, dense=0.1, guess=0.9)
    assert values(anchors)[1] == (0.85, 0.1)


def test_a_front_of_the_network_without_weights_alone_is_refused() -> None:
    with pytest.raises(InputError, match="no network that keeps a weight"):
        choose_anchors(front((0.9, 0.0)), dense=0.1, guess=0.9)
