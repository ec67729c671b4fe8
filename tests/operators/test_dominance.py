"""Ranks by the definition of dominance, crowding by hand and by DEAP."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from operators import dominance
from operators.dominance import crowding, crowdingOfFront, crowdingOfFronts, fronts, ranks


def slow_ranks(points: np.ndarray) -> list[int]:
    """Peel off what nothing else dominates, again and again."""
    left, found, rank = set(range(len(points))), [0] * len(points), 0
    while left:
        best = {
            i
            for i in left
            if not any(
                np.all(points[j] <= points[i]) and np.any(points[j] < points[i]) for j in left
            )
        }
        for i in best:
            found[i] = rank
        left, rank = left - best, rank + 1
    return found


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(5))
def test_ranks_are_those_of_the_definition_also_with_ties(objectives: int, seed: int) -> None:
    points = np.random.default_rng(seed).integers(0, 6, (40, objectives)).astype(float)
    assert ranks(points).tolist() == slow_ranks(points)


def test_the_feasible_rank_before_the_infeasible_which_follow_by_violation() -> None:
    points = [(9, 9), (0, 0), (8, 8), (1, 1), (0, 0)]
    assert ranks(points, violations=[0, 2, 0, 1, 2]).tolist() == [1, 3, 0, 2, 3]


def test_all_infeasible_rank_by_violation_from_0() -> None:
    assert ranks([(0, 0), (1, 1)], violations=[0.2, 0.1]).tolist() == [1, 0]


def test_an_infinite_objective_is_the_worst() -> None:
    assert ranks([(0, np.inf), (1, 0), (np.inf, np.inf)]).tolist() == [0, 0, 1]


def test_nan_is_refused_with_its_row() -> None:
    with pytest.raises(ValueError, match="NaN in row 1; give a failed candidate the worst"):
        ranks([(0, 1), (0, np.nan)])


def test_no_points_have_no_ranks() -> None:
    assert ranks(np.zeros((0, 2))).tolist() == []
    assert fronts(np.zeros((0, 2)), []) == []


def test_ranks_change_nothing_they_are_given() -> None:
    points, violations = np.random.default_rng(0).random((9, 2)), np.zeros(9)
    points.flags.writeable = violations.flags.writeable = False
    crowding(points, ranks(points, violations))


def test_crowding_is_measured_within_each_front() -> None:
    points = [(0, 4), (1, 2), (4, 0), (5, 9), (7, 8), (9, 5)]
    expected = [np.inf, 1.0, np.inf, np.inf, 1.0, np.inf]
    assert crowding(points, [0, 0, 0, 1, 1, 1]).tolist() == expected


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(10))
def test_crowding_of_all_fronts_at_once_is_that_of_each_alone(objectives: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    parts = [rng.integers(0, 9, (n, objectives)).astype(float) for n in rng.integers(1, 12, 5)]
    parts[2][0] = np.inf
    together = crowdingOfFronts(np.concatenate(parts), [len(part) for part in parts])
    assert together.tolist() == np.concatenate([crowdingOfFront(part) for part in parts]).tolist()


def test_crowding_of_no_points_is_none() -> None:
    assert crowding(np.zeros((0, 2)), np.zeros(0, int)).tolist() == []
    assert crowdingOfFront(np.zeros((0, 3))).tolist() == []


def test_ranks_that_leave_gaps_have_their_crowding() -> None:
    assert crowding([(0, 4), (1, 2), (4, 0)], ranks=[3, 3, 3]).tolist() == [np.inf, 1.0, np.inf]


def test_crowding_is_never_nan_when_a_front_is_flat_or_infinite() -> None:
    flat = [(1, 1), (1, 1), (1, 1)]
    endless = [(0, np.inf), (1, 3), (2, 2), (np.inf, 0)]
    assert not np.isnan(crowding(flat, [0, 0, 0])).any()
    assert not np.isnan(crowding(endless, [0, 0, 0, 0])).any()


def test_every_point_is_in_one_front() -> None:
    points = np.random.default_rng(1).random((50, 3))
    rank = ranks(points)
    parts = fronts(points, rank)
    assert sorted(np.concatenate(parts)) == list(range(50))
    assert all((rank[part] == place).all() for place, part in enumerate(parts))


def test_fronts_stop_once_there_are_enough() -> None:
    points = np.array([(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)])
    assert [part.tolist() for part in fronts(points, ranks(points), 2)] == [[0], [1]]


def slow_fronts(points: np.ndarray) -> list[list[int]]:
    """DEAP's sort by its definition: each is found when the last of its dominators is gone."""
    n = len(points)
    beats = [[bool(np.all(a <= b) and np.any(a < b)) for b in points] for a in points]
    left, found = set(range(n)), []
    while left:
        members = [i for i in sorted(left) if not any(beats[j][i] for j in left)]
        last = {
            i: max((p for p, j in enumerate(found[-1]) if beats[j][i]), default=-1) if found else 0
            for i in members
        }
        first = {i: min(j for j in range(n) if (points[j] == points[i]).all()) for i in members}
        found.append(sorted(members, key=lambda i: (last[i], first[i], i)))
        left -= set(members)
    return found


@pytest.mark.parametrize("objectives", [1, 2, 3])
@pytest.mark.parametrize("ties", [True, False])
@pytest.mark.parametrize("pairs", [1, 7, 2**16])
def test_fronts_stand_in_the_order_in_which_they_are_found(
    objectives: int, ties: bool, pairs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dominance, "PAIRS", pairs)
    for seed in range(3):
        rng = np.random.default_rng(seed)
        points = rng.integers(0, 6, (40, objectives)).astype(float) if ties else rng.random((40, 3))
        assert [part.tolist() for part in fronts(points, ranks(points))] == slow_fronts(points)


def test_long_fronts_of_many_points_take_little_memory() -> None:
    first = np.random.default_rng(0).random(6000)
    points = np.r_[np.c_[first, 1 - first], np.c_[first + 1, 2 - first]]
    rank = ranks(points)
    tracemalloc.start()
    fronts(points, rank)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5e6  # all pairs would take 36 MB
