"""The pictures name their axes with units and show what they were given."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.studies.figures import front_figure, hypervolume_figure, layers_figure

ROWS = [{"density": 0.5, "test_error": 0.1}, {"density": 0.1, "test_error": 0.4}]


def test_the_front_stands_beside_its_controls_and_anchors() -> None:
    baselines = [{**row, "name": "lamp"} for row in ROWS]
    near = {"density": 0.7, "test_error": 0.09, "on_front": 0}
    figure = front_figure([*ROWS, near], ROWS, baselines, ROWS, (0.05, 0.8), 0.08)
    (axes,) = figure.axes
    labels = axes.get_legend_handles_labels()[1]
    assert {"lamp", "phase 1, thresholds", "final front", "anchors, light and heavy"} <= set(labels)
    assert "random" not in labels
    drawn = {line.get_label(): list(line.get_xdata()) for line in axes.get_lines()}
    assert sorted(drawn["final front"]) == [0.1, 0.5]
    assert drawn["near it, within noise in the search"] == [0.7]
    (corridor,) = (p for p in axes.patches if p.get_label() == "corridor of phase 2")
    assert corridor.get_extents().transformed(axes.transData.inverted()).x0 == pytest.approx(0.05)
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
