"""The archive keeps what no other dominates, and forgets nothing of it."""

from __future__ import annotations

from typing import Any

import moocore
import numpy as np

from evoprune.search.archive import Archive
from operators.individuals import individual_type


def individual(*values: float, violation: float = 0.0) -> Any:
    made = individual_type("mask", len(values))([1])
    made.fitness.values, made.fitness.violation = values, violation
    return made


def test_an_empty_archive_has_no_points() -> None:
    archive = Archive()
    archive.update([])
    assert len(archive) == len(archive.points()) == archive.points().size == 0
    assert list(archive) == []


def test_batches_in_any_order_make_the_front_of_all_that_was_seen() -> None:
    for objectives in (2, 3):
        points = np.random.default_rng(objectives).integers(0, 20, (200, objectives)).astype(float)
        archive = Archive()
        for batch in np.split(points, 10):
            archive.update(individual(*row) for row in batch)
        expected = np.unique(points[moocore.is_nondominated(points)], axis=0)
        assert archive.points().tolist() == expected.tolist()


def test_members_are_the_individuals_themselves_sorted_by_the_first_objective() -> None:
    a, b = individual(0.2, 0.1), individual(0.1, 0.2)
    archive = Archive()
    archive.update([a, b])
    first, second = archive
    assert first is b
    assert second is a


def test_of_equal_objectives_the_first_stays() -> None:
    first, later = individual(0.1, 0.2), individual(0.1, 0.2)
    archive = Archive()
    archive.update([first])
    archive.update([later, later])
    assert [member is first for member in archive] == [True]


def test_infeasible_and_unevaluated_individuals_are_passed_over() -> None:
    archive = Archive()
    archive.update([individual(0.0, 0.0, violation=1.0), individual_type("mask", 2)([1])])
    assert len(archive) == 0


def test_members_make_the_same_archive_again() -> None:
    archive, again = Archive(), Archive()
    archive.update(individual(*row) for row in np.random.default_rng(0).random((50, 2)))
    again.update(list(archive))
    assert [a is b for a, b in zip(archive, again, strict=True)] == [True] * len(archive)
