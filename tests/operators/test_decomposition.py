"""Weights, neighbours and scalarising functions against formulas worked by hand."""

from __future__ import annotations

from itertools import product
from math import comb

import numpy as np
import pytest

from operators.decomposition import (
    dasDennis,
    neighbourhoods,
    pbi,
    tchebycheff,
    weightedSum,
    weightsFor,
)


@pytest.mark.parametrize(("objectives", "divisions"), [(1, 3), (2, 5), (3, 4), (4, 3)])
def test_das_dennis_is_every_lattice_point_that_sums_to_1(objectives: int, divisions: int) -> None:
    grid = product(range(divisions + 1), repeat=objectives)
    expected = sorted([p for p in grid if sum(p) == divisions])
    assert (dasDennis(objectives, divisions) * divisions).round(9).tolist() == [
        list(map(float, p)) for p in expected
    ]
    assert len(expected) == comb(divisions + objectives - 1, objectives - 1)


def test_das_dennis_refuses_no_divisions() -> None:
    with pytest.raises(ValueError, match=r"1 or more, got 2 and 0; write dasDennis\(2, 99\)"):
        dasDennis(2, 0)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("n", [4, 10, 23, 40])
def test_any_number_of_weights_can_be_had_all_different_with_every_corner(
    objectives: int, n: int
) -> None:
    weights = weightsFor(objectives, n)
    assert weights.shape == (n, objectives)
    assert np.allclose(weights.sum(axis=1), 1)
    assert (weights.max(axis=0) == 1).all()
    assert objectives == 1 or len(np.unique(weights, axis=0)) == n


def test_fewer_weights_than_objectives_are_refused() -> None:
    with pytest.raises(ValueError, match="3 objectives, got n=2; write n=3 or more"):
        weightsFor(3, 2)


def test_a_neighbourhood_begins_with_itself_and_grows_outwards() -> None:
    assert neighbourhoods(weightsFor(2, 5), 3).tolist() == [
        [0, 1, 2], [1, 0, 2], [2, 1, 3], [3, 2, 4], [4, 3, 2],
    ]  # fmt: skip


def test_equal_weights_still_begin_with_themselves() -> None:
    assert neighbourhoods([[1, 0], [1, 0]], 1).tolist() == [[0], [1]]


def test_a_neighbourhood_larger_than_all_is_refused() -> None:
    with pytest.raises(ValueError, match="neighbours: expected 1 to 5"):
        neighbourhoods(weightsFor(2, 5), 6)


def test_rows_are_scalarised_one_by_one() -> None:
    points, weights = np.array([[1.0, 2.0], [4.0, 2.0]]), np.array([[0.5, 0.5], [1.0, 0.0]])
    assert weightedSum(points, weights).tolist() == [1.5, 4.0]
    assert tchebycheff(points, weights).tolist() == [1.0, 4.0]
    assert pbi(points, weights, penalty=1.0) == pytest.approx([3 / 2**0.5 + 1 / 2**0.5, 6.0])


@pytest.mark.parametrize("scalarise", [weightedSum, tchebycheff, pbi])
def test_one_row_goes_with_many(scalarise: object) -> None:
    points, weights = np.random.default_rng(0).random((5, 3)), weightsFor(3, 5)
    assert callable(scalarise)
    for row in range(5):
        assert scalarise(points[row], weights)[row] == pytest.approx(
            scalarise(points, weights)[row]
        )
        assert scalarise(points, weights[row])[row] == pytest.approx(
            scalarise(points, weights)[row]
        )


def test_a_corner_of_tchebycheff_still_minds_the_other_objectives() -> None:
    better, worse = tchebycheff([[0, 1], [0, 2]], [1, 0])
    assert better < worse


def test_pbi_without_penalty_is_the_length_along_the_ray() -> None:
    assert pbi([[3, 4]], [[1, 0]], penalty=0.0).tolist() == [3.0]
