"""What a report says of plain rows, worked by hand."""

from __future__ import annotations

import pytest

from evoprune.studies.report import at_density, table, volume

DENSE = {"density": 1.0, "search_error": 0.1, "test_error": 0.2}


def row(density: float, search: float, test: float) -> dict[str, float]:
    return {"id": 0, "density": density, "search_error": search, "test_error": test}


def test_the_dense_network_alone_spans_no_volume() -> None:
    assert volume([], "test", DENSE) == 0.0


def test_the_volume_of_one_network_is_a_rectangle() -> None:
    assert volume([row(0.25, 0.5, 0.6)], "search", DENSE) == pytest.approx(0.75 * 0.5)
    assert volume([row(0.25, 0.5, 0.6)], "test", DENSE) == pytest.approx(0.75 * 0.4)


def test_a_network_that_another_one_beats_adds_nothing() -> None:
    beaten = row(0.5, 0.6, 0.7)
    assert volume([row(0.25, 0.5, 0.6), beaten], "test", DENSE) == pytest.approx(0.75 * 0.4)


def test_baselines_count_by_the_split_named() -> None:
    rows = [{"density": 0.5, "test_error": 0.4}, {"density": 0.5, "test_error": 0.3}]
    assert volume(rows, "test", DENSE) == pytest.approx(0.5 * 0.7)


def test_a_network_that_a_sparser_one_beats_on_search_adds_no_volume_on_test() -> None:
    lucky = {**row(0.5, 0.5, 0.1), "on_front": 0}
    assert volume([row(0.25, 0.5, 0.6), lucky], "test", DENSE) == pytest.approx(0.75 * 0.4)


def test_a_baseline_is_shown_where_it_was_measured_and_nowhere_between() -> None:
    points = [{"density": 0.5, "test_error": 0.1}, {"density": 0.1001, "test_error": 0.5}]
    assert [at_density(points, d) for d in (0.5, 0.3, 0.1)] == ["0.1000", "", "0.5000"]


def test_the_table_picks_the_densest_network_that_is_small_enough() -> None:
    volumes = {"hypervolume": {"test": 0.5}}
    summary = {
        "dense": {"test_error": 0.2, "weights": 1000},
        "front": [row(0.19, 0.3, 0.31), row(0.45, 0.2, 0.21)],
        "baselines": {"lamp": {**volumes, "points": [{"density": 0.2, "test_error": 0.77}]}},
        "phases": [volumes, volumes],
        "splits": {"test": "5 images"},
    }
    lines = table(summary).splitlines()
    assert lines[1].split()[:3] == ["1.00", "1.000", "0.2000"]
    assert [line.split() for line in lines[2:-2]] == [
        ["0.48", "0.450", "0.2100"],
        ["0.20", "0.190", "0.3100", "0.7700"],
    ]
    assert lines[-2].split()[1:] == ["0.5000", "0.5000"]
    assert lines[-1] == "test error, on 5 images"
