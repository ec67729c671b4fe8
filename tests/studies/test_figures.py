"""The pictures name their axes with units and show what they were given."""

from __future__ import annotations

import numpy as np

from evoprune.studies.figures import front_figure, hypervolume_figure, layers_figure

ROWS = [{"density": 0.5, "test_error": 0.1}, {"density": 0.1, "test_error": 0.4}]


def test_the_front_stands_beside_its_controls_and_anchors() -> None:
    baselines = [{**row, "name": "lamp"} for row in ROWS]
    figure = front_figure(ROWS, ROWS, baselines, ROWS, 0.08)
    (axes,) = figure.axes
    labels = axes.get_legend_handles_labels()[1]
    assert {"lamp", "phase 1, thresholds", "final front", "anchors, light and heavy"} <= set(labels)
    assert "random" not in labels
    assert "density" in axes.get_xlabel() and "share" in axes.get_xlabel()
    assert "error on the test images" in axes.get_ylabel()


def test_the_hypervolume_has_a_line_for_each_phase() -> None:
    log = [{"phase": p, "passes": i, "hypervolume": 0.5} for i, p in enumerate(["a", "b", "b"])]
    (axes,) = hypervolume_figure(log).axes
    assert [len(line.get_xdata()) for line in axes.get_lines()] == [1, 2]
    assert "passes" in axes.get_xlabel()


def test_the_layers_have_a_line_for_each_network_and_the_reference() -> None:
    kept = [np.array([0.2, 0.4]), np.array([0.3, 0.9])]
    (axes,) = layers_figure(["conv", "linear"], kept, [0.3, 0.8], kept[0], 0.3).axes
    assert len(axes.get_lines()) == 3
    assert [label.get_text() for label in axes.get_xticklabels()] == ["conv", "linear"]
