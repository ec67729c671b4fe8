"""Hypervolume and IGD+ on fronts worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.search.indicators import hypervolume, igd_plus


def test_hypervolume_of_two_boxes_counts_their_overlap_once() -> None:
    assert hypervolume([(0.2, 0.6), (0.6, 0.2)], (1, 1)) == pytest.approx(0.32 + 0.32 - 0.16)


def test_a_dominated_point_adds_no_hypervolume() -> None:
    assert hypervolume([(0.5, 0.5), (0.7, 0.7)], (1, 1)) == hypervolume([(0.5, 0.5)], (1, 1))


@pytest.mark.parametrize("outside", [(0.0, 1.0), (2.0, 0.0), (np.inf, 0.1), (np.nan, 0.1)])
def test_a_point_outside_the_reference_box_adds_nothing(outside: tuple[float, float]) -> None:
    assert hypervolume([outside, (0.5, 0.5)], (1, 1)) == 0.25
    assert hypervolume([outside], (1, 1)) == 0.0


@pytest.mark.parametrize("empty", [[], np.zeros((0, 0)), np.zeros((0, 2))])
def test_no_points_have_no_hypervolume_and_are_infinitely_far(empty: object) -> None:
    assert hypervolume(empty, (1, 1)) == 0.0  # type: ignore[arg-type]
    assert igd_plus(empty, [(0, 1)]) == np.inf  # type: ignore[arg-type]


def test_hypervolume_of_three_objectives() -> None:
    assert hypervolume([(0.5, 0.5, 0.5)], (1, 1, 1)) == 0.125


def test_igd_plus_is_0_on_the_front_and_below_it() -> None:
    assert igd_plus([(0, 1), (1, 0)], [(0, 1), (1, 0)]) == 0
    assert igd_plus([(-1, 0)], [(0, 1), (1, 0)]) == 0


def test_igd_plus_counts_only_what_is_worse() -> None:
    assert igd_plus([(0.3, 0.0)], [(0.0, 1.0)]) == pytest.approx(0.3)


def test_columns_that_do_not_fit_are_named() -> None:
    with pytest.raises(ValueError, match=r"expected shape \(n, 3\) as reference has 3"):
        hypervolume([(0, 0)], (1, 1, 1))
    with pytest.raises(ValueError, match="as front has 3"):
        igd_plus([(0, 0)], [(1, 1, 1)])
