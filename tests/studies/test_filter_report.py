"""What a run on filters tells: counts, shares and the paper's own FLOPs, by hand."""

from __future__ import annotations

import pytest

from evoprune.network import models
from evoprune.studies.filter_figures import front_figure, layers_figure, tuning_figure
from evoprune.studies.filter_report import counts_of, paper_flops, relative, table


def pick(**more: float) -> dict[str, float]:
    return {"kept": 4, "density": 0.5, "test_error": 0.3, "tuned_test_error": 0.1, **more}


def test_the_flops_of_the_paper_are_twice_the_weights_and_one_a_layer() -> None:
    lenet = models.build("lenet-8-16", channels=1, image_size=28)
    weights = 8 * 25 + 16 * 8 * 25 + 256 * 120 + 120 * 84 + 84 * 10
    assert paper_flops(lenet) == 2 * weights + 5 == 90_085


def test_baselines_are_measured_at_the_counts_of_the_picks_and_from_end_to_end() -> None:
    counts = counts_of(6, 80, [7, 40])
    assert counts == sorted(set(counts)) and {6, 7, 40, 80} <= set(counts)


@pytest.mark.parametrize(("value", "dense", "share"), [(0.0118, 0.0122, -0.0328), (0.2, 0.1, 1.0)])
def test_a_relative_error_is_that_of_the_paper(value: float, dense: float, share: float) -> None:
    """The first row of its table 3, where -3.28 % is misprinted as -32.79 %."""
    assert relative(value, dense) == pytest.approx(share, abs=1e-4)


def test_there_is_no_relative_error_where_the_dense_network_makes_none() -> None:
    assert relative(0.1, 0.0) is None


def test_the_picture_of_a_front_names_what_it_draws() -> None:
    rows = [{"density": 0.2, "test_error": 0.5}, {"density": 0.6, "test_error": 0.1}]
    baselines = [{"name": "l2-layer", **row} for row in rows]
    figure = front_figure(rows, [], baselines, [pick()], (0.01, 0.7), 0.02)
    labels = figure.axes[0].get_legend_handles_labels()[1]
    assert labels == [
        "bounds of the search", "l2-layer", "front", "picks, fine-tuned", "dense, 0.020",
    ]  # fmt: skip


def test_a_front_is_drawn_as_error_against_density_and_a_pick_below_its_place() -> None:
    rows = [{"density": 0.6, "test_error": 0.1}, {"density": 0.2, "test_error": 0.5}]
    axes = front_figure(rows, [], [], [pick()], (0, 1), 0).axes[0]
    lines = {line.get_label(): line.get_xydata().tolist() for line in axes.lines}
    assert lines["front"] == [[0.2, 0.5], [0.6, 0.1]]
    assert lines["picks, fine-tuned"] == [[0.5, 0.1]]


def test_a_random_search_is_drawn_where_there_was_one() -> None:
    rows = [{"density": 0.2, "test_error": 0.5}]
    labels = front_figure(rows, rows, [], [], (0, 1), 0).axes[0].get_legend_handles_labels()[1]
    assert "random search, as many passes" in labels and "picks, fine-tuned" not in labels


def test_kept_filters_are_bars_inside_those_of_the_dense_network() -> None:
    axes = layers_figure(["a", "b"], [8, 16], [[1, 1], [6, 10]]).axes[0]
    heights = [[bar.get_height() for bar in bars] for bars in axes.containers]
    assert heights == [[8, 16], [1, 1], [6, 10]]


@pytest.mark.parametrize(("more", "bars"), [({}, 2), ({"control_test_error": 0.2}, 3)])
def test_a_control_is_drawn_where_there_was_one(more: dict[str, float], bars: int) -> None:
    axes = tuning_figure([pick(**more)], 0.05).axes[0]
    assert len(axes.containers) == bars


def test_a_table_without_picks_shows_some_of_the_front() -> None:
    row = {"kept": 4, "density": 0.5, "macs": 0.25, "params": 0.3, "test_error": 0.3}
    summary = {
        "dense": {"kept": 8, "test_error": 0.1},
        "baselines": [{"name": "l2-layer", "kept": 4, "test_error": 0.4321}],
        "picks": [],
        "front": [row],
        "hypervolume": {"masks": {"test": 0.5}},
        "splits": {"test": "the test images of digits; 300 images"},
        "remarks": ["picks: none"],
    }
    lines = table(summary).splitlines()
    assert lines[0].split() == ["kept", "share", "macs", "params", "error", "l2-layer"]
    assert lines[2].split() == ["4", "0.500", "0.250", "0.300", "0.3000", "0.4321"]
    assert lines[-1] == "picks: none"
