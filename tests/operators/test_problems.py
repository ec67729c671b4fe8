"""The problems against DEAP's own benchmarks, and their fronts against the problems."""

from __future__ import annotations

from functools import partial
from itertools import product

import moocore
import numpy as np
import pytest
from deap import benchmarks
from pymoo.problems import get_problem

from operators.genomes import BitString, RealVector
from operators.problems import cocz, dtlz2, front, lotz, zdt1, zdt2, zdt3, zdt5


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


def test_cocz_counts_ones_and_in_the_second_half_zeros() -> None:
    assert cocz(BitString([1, 0, 1, 1, 0, 0])) == (3, 2)
    assert cocz(BitString([0, 0, 0, 0])) == (4, 2)
    assert cocz(BitString()) == (0, 0)


def test_the_front_of_cocz_is_that_of_trying_everything() -> None:
    points = {cocz(bits) for bits in product([0, 1], repeat=8)}
    every = np.array(sorted(points))
    assert front(cocz, 8).tolist() == every[moocore.is_nondominated(every)].tolist()


def test_half_of_an_odd_number_of_bits_is_refused() -> None:
    for call in (partial(cocz, [1, 0, 1]), partial(front, cocz, 3)):
        with pytest.raises(ValueError, match="expected an even number of bits, got 3"):
            call()


@pytest.mark.parametrize("blocks", [1, 3, 10])
def test_zdt5_equals_that_of_pymoo(blocks: int, rng: np.random.Generator) -> None:
    theirs = get_problem("zdt5", m=blocks + 1, n=5, normalize=False)
    rows = rng.random((30, 30 + 5 * blocks)) < rng.random((30, 1))
    rows[:3, 30:] = True
    ours = np.array([zdt5(BitString(row)) for row in rows])
    assert ours == pytest.approx(theirs.evaluate(rows))


def test_the_front_of_zdt5_is_reached_by_full_blocks() -> None:
    points = sorted(zdt5([1] * ones + [0] * (30 - ones) + [1] * 10) for ones in range(31))
    assert front(zdt5, 40) == pytest.approx(np.array(points))


def test_zdt5_lures_to_empty_blocks() -> None:
    values = [zdt5([0] * 30 + [1] * ones + [0] * (5 - ones))[1] for ones in range(6)]
    assert values == [2, 3, 4, 5, 6, 1]


@pytest.mark.parametrize("n", [0, 30, 36])
def test_zdt5_refuses_bits_that_are_no_blocks(n: int) -> None:
    for call in (partial(zdt5, [0] * n), partial(front, zdt5, n)):
        with pytest.raises(ValueError, match=f"expected 35, 40, 45, ... bits, got {n}"):
            call()


def test_an_unknown_problem_has_no_front() -> None:
    with pytest.raises(ValueError, match="expected zdt1, zdt2, zdt3, zdt5, dtlz2, lotz, cocz"):
        front(len)
