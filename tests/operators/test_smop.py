"""The SMOP problems, against sums written out by hand and against their stated optimum."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from operators.genomes import RealVector
from operators.problems import front
from operators.smop import (
    PARTS,
    smop1,
    smop2,
    smop3,
    smop4,
    smop5,
    smop6,
    smop7,
    smop8,
    smopBest,
    smopBounds,
    smopFront,
    smopRows,
)

PROBLEMS = [smop1, smop2, smop3, smop4, smop5, smop6, smop7, smop8]
GOAL = math.pi / 3
SIZES = [11, 12, 100, 101]


def g_of(problem: Any, y: Any) -> float:
    """g, from the objectives of a point at the left end of the front, where h2 or h1 is 1."""
    return float((max(problem([0.0, *y])) - 1) * len(y))


# The functions of single genes, as the paper writes them.
def g1(y: float, t: float) -> float:
    return (y - t) ** 2


def g2(y: float, t: float) -> float:
    return 2 * (y - t) ** 2 + math.sin(2 * math.pi * (y - t)) ** 2


def g3(y: float, t: float) -> float:
    return 4 - (y - t) - 4 * math.exp(-100 * (y - t) ** 2)


def g4(y: float, t: float) -> float:
    return (y - GOAL) ** 2 + t * math.sin(6 * math.pi * (y - GOAL)) ** 2


def plain(problem: Any, y: list[float]) -> float:
    """The twin: g gene by gene, of D - 1 genes of which K have to be other than 0."""
    n, k = len(y), math.ceil(0.1 * len(y))
    first, rest = y[:k], y[k:]
    if problem is smop1:
        return sum(g1(v, GOAL) for v in first) + sum(g2(v, 0) for v in rest)
    if problem is smop2:
        return sum(g2(v, GOAL) for v in first) + sum(g3(v, 0) for v in rest)
    if problem is smop3:
        blocks = [rest[i : i + 10] for i in range(0, len(rest), 10)]
        paid = [50 - sum(v * v for v in block) if any(block) else 0 for block in blocks]
        return sum(g1(v, GOAL) for v in first) + sum(paid)
    if problem is smop4:
        return sum(sorted(g3(v, 0) for v in y)[: n - k])
    if problem is smop5:
        return sum(g1(v, GOAL) * g2(v, 0) for v in y) + abs(k - sum(v != 0 for v in y))
    if problem is smop6:
        pairs = sorted((g4(v, i / (n - 1)), v) for i, v in enumerate(y))
        return sum(cost for place, (cost, v) in enumerate(pairs) if place < k or v != 0)
    if problem is smop7:
        ahead = [g2(v, 0.9 * rest[(i + 1) % len(rest)]) for i, v in enumerate(rest)]
        return sum(g2(v, GOAL) for v in first) + sum(ahead)
    ahead = [g3(v, 0.9 * rest[i + 1]) for i, v in enumerate(rest[:-1])]
    return sum(g3(v, (y[i + 1] + math.pi) % 2) for i, v in enumerate(first)) + sum(ahead)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("d", SIZES)
@pytest.mark.parametrize("density", [0.05, 0.5, 1.0])
def test_g_is_that_of_the_paper_written_gene_by_gene(
    problem: Any, d: int, density: float, rng: np.random.Generator
) -> None:
    y = rng.uniform(-1, 2, d - 1) * (rng.random(d - 1) < density)
    assert g_of(problem, y) == pytest.approx(plain(problem, y.tolist()), abs=1e-9 * d)


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("d", [*SIZES, 1000])
def test_g_is_exactly_0_at_the_best_and_the_point_on_the_front(problem: Any, d: int) -> None:
    k = math.ceil(0.1 * (d - 1))
    for first, point in zip((0.0, 0.5, 1.0), smopFront(problem, 3), strict=True):
        best = smopBest(problem, d, first)
        low, high = smopBounds(d)
        assert np.count_nonzero(best[1:]) == k
        assert (low <= best).all() and (best <= high).all()
        assert PARTS[problem][1](best[None, 1:], k).tolist() == [0.0]
        assert problem(best) == tuple(point)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_rows_are_evaluated_as_each_is_alone(problem: Any, rng: np.random.Generator) -> None:
    rows = rng.uniform(*smopBounds(40), (7, 40)) * (rng.random((7, 40)) < 0.3)
    frozen = rows.copy()
    frozen.flags.writeable = False
    alone = np.array([problem(RealVector(row)) for row in rows])
    assert smopRows(problem, frozen) == pytest.approx(alone, abs=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_no_random_point_is_better_than_the_front_by_more_than_is_said(
    problem: Any, rng: np.random.Generator
) -> None:
    rows = rng.uniform(*smopBounds(30), (500, 30)) * (rng.random((500, 30)) < 0.1)
    found = smopRows(problem, rows)
    first = {"_linear": found.sum(axis=1), "_concave": np.linalg.norm(found, axis=1)}
    shape = PARTS[problem][0].__name__
    radius = first.get(shape, 2 - np.linalg.norm(1 - found, axis=1))
    outside = shape == "_convex" and (found > 1).any(axis=1)
    assert (outside | (radius > 1 - 0.0007)).all()


def test_a_steep_gene_is_lowest_a_little_above_its_goal() -> None:
    best = smopBest(smop2, 101)
    best[11:] = 1 / 800
    assert sum(smop2(best)) == pytest.approx(1 - 90 / 100 / 1600, abs=1e-6)


@pytest.mark.parametrize(
    ("problem", "middle"),
    [(smop1, (0.5, 0.5)), (smop4, (1 - 0.5**0.5,) * 2), (smop7, (0.5**0.5,) * 2)],
)
def test_fronts_are_straight_convex_and_concave(problem: Any, middle: tuple[float, float]) -> None:
    assert smopFront(problem, 3)[1] == pytest.approx(middle)
    assert np.array_equal(front(problem, 5), smopFront(problem, 5))


def test_smop5_wants_just_k_genes_other_than_0() -> None:
    assert [g_of(smop5, [GOAL] * k + [0.0] * (100 - k)) for k in (0, 10, 25)] == [
        pytest.approx(wrong) for wrong in (10, 0, 15)
    ]


def test_smop3_charges_a_whole_block_for_one_gene() -> None:
    y = [GOAL] * 10 + [0.0] * 90
    y[10] = 0.5
    assert g_of(smop3, y) == pytest.approx(50 - 0.25)
    y[10:20] = [0.5] * 10
    assert g_of(smop3, y) == pytest.approx(50 - 2.5)


def test_only_these_problems_and_enough_genes_are_taken() -> None:
    with pytest.raises(ValueError, match=r"problem: expected smop1 \.\.\. smop8"):
        smopRows(front, np.zeros((1, 11)))
    with pytest.raises(ValueError, match=r"rows: expected shape \(n, D\) with D 11 or more, got"):
        smop1([0.0] * 10)
    with pytest.raises(ValueError, match=r"got \(11,\); write x\[None\]"):
        smopRows(smop1, np.zeros(11))
