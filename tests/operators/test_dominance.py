"""Ranks by the definition of dominance, crowding by hand and by DEAP."""

from __future__ import annotations

import numpy as np
import pytest

from operators.dominance import crowding, fronts, ranks


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
