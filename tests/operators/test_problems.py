"""The problems against DEAP's own benchmarks, and their fronts against the problems."""

from __future__ import annotations

import moocore
import numpy as np
import pytest
from deap import benchmarks

from operators.genomes import BitString, RealVector
from operators.problems import dtlz2, front, lotz, zdt1, zdt2, zdt3


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(zdt1, benchmarks.zdt1), (zdt2, benchmarks.zdt2), (zdt3, benchmarks.zdt3)],
)
def test_zdt_problems_equal_those_of_deap(ours: object, theirs: object) -> None:
    assert callable(ours)
    assert callable(theirs)
    for seed in range(5):
        genes = np.random.default_rng(seed).random(6)
        assert ours(RealVector(genes)) == pytest.approx(theirs(genes.tolist()))


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_dtlz2_equals_that_of_deap(objectives: int) -> None:
    genes = np.random.default_rng(objectives).random(8)
    expected = benchmarks.dtlz2(genes.tolist(), objectives)
    assert dtlz2(RealVector(genes), objectives=objectives) == pytest.approx(expected)


@pytest.mark.parametrize("problem", [zdt1, zdt2, zdt3])
def test_no_random_point_of_a_zdt_problem_is_better_than_its_front(problem: object) -> None:
    assert callable(problem)
    rng = np.random.default_rng(0)
    points = np.array([problem(genes) for genes in rng.random((200, 3)) * [1, 0.1, 0.1]])
    known = front(problem, 500)
    assert moocore.is_nondominated(known).all()
    assert moocore.is_nondominated(np.r_[known, points])[: len(known)].all()


def test_the_front_of_dtlz2_is_the_unit_sphere() -> None:
    for objectives in (2, 3):
        radii = np.linalg.norm(front(dtlz2, 50, objectives=objectives), axis=1)
        assert radii == pytest.approx(np.ones(50))


@pytest.mark.parametrize("bits", ["0000", "1111", "1100", "0011", "1010"])
def test_lotz_counts_leading_ones_and_trailing_zeros(bits: str) -> None:
    ones = len(bits) - len(bits.lstrip("1"))
    zeros = len(bits) - len(bits.rstrip("0"))
    assert lotz(BitString(map(int, bits))) == (4 - ones, 4 - zeros)


def test_the_front_of_lotz_is_reached_by_ones_followed_by_zeros() -> None:
    points = sorted(lotz([1] * i + [0] * (6 - i)) for i in range(7))
    assert front(lotz, 6).tolist() == [list(point) for point in points]


def test_an_unknown_problem_has_no_front() -> None:
    with pytest.raises(ValueError, match="expected zdt1, zdt2, zdt3, dtlz2 or lotz"):
        front(len)
