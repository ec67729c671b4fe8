"""The picture of an operator shows what was seen, and names its axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from evoprune.studies.figures import GREEN, RED
from evoprune.studies.panels import PERCENT
from evoprune.studies.xray import PANELS, xray_figure, xray_table
from evoprune.studies.xray_masks import drift_in_words
from operators.crossover import cxImportance, cxLayers, cxUniformPacked
from operators.initialise import initDensity, initUniform
from operators.mutation import mutFlip, mutSwap
from operators.reals import cxSBX, mutPolynomial
from operators.selection import selNSGA2
from operators.sparse import mutSparse
from operators.xray import Band, xray

ONES = {
    ("mutate", "mask"): mutFlip,
    ("mate", "mask"): cxLayers,
    ("init", "mask"): initDensity,
    ("mutate", "thresholds"): mutPolynomial,
    ("mate", "thresholds"): cxSBX,
    ("init", "thresholds"): initUniform,
}


def test_there_is_a_picture_for_every_slot_and_genome() -> None:
    assert set(ONES) == set(PANELS)


@pytest.mark.parametrize(("slot", "genome"), ONES, ids=" ".join)
def test_a_picture_has_five_panels_whose_axes_are_named(slot: str, genome: Any) -> None:
    figure = xray_figure(xray(ONES[slot, genome], genome=genome, runs=200))
    assert len(figure.axes) == 5
    assert all(axes.get_ylabel() for axes in figure.axes)
    assert all(axes.get_xlabel() or axes.get_xticklabels() for axes in figure.axes[1:])
    assert ONES[slot, genome].__name__ in figure.axes[0].get_title(loc="left")
    assert "200 runs" in figure.axes[0].get_title(loc="left")


@pytest.mark.parametrize(
    ("operator", "words"),
    [(cxImportance, "Who gets the important genes?"), (cxLayers, "The density stays, on average")],
)
def test_a_crossover_that_heeds_scores_shows_who_gets_the_important_genes(
    operator: Any, words: str
) -> None:
    figure = xray_figure(xray(operator, runs=1000))
    assert figure.axes[4].get_title(loc="left") == words


def test_layers_are_marked_by_name() -> None:
    figure = xray_figure(xray(mutFlip, runs=50))
    assert [text.get_text() for text in figure.axes[0].texts] == [f"layer {i}" for i in range(4)]
    upright = [line for line in figure.axes[1].get_lines() if len(set(line.get_xdata())) == 1]
    assert [line.get_xdata()[0] for line in upright] == [7.5, 23.5, 39.5]


def test_clearing_is_red_and_setting_is_green() -> None:
    def mutThin(individual: Any, *, rng: np.random.Generator) -> Any:
        individual[np.flatnonzero(rng.random(len(individual)) < 0.5)] = 0
        return (individual,)

    genes = xray_figure(xray(mutThin, runs=500)).axes[1]
    height = {line.get_color(): np.mean(line.get_ydata()) for line in genes.get_lines()[:2]}
    assert height[RED] == pytest.approx(0.5, abs=0.05) and height[GREEN] == 0


def test_a_child_of_opposite_parents_is_drawn_in_two_colours_alone() -> None:
    (image,) = xray_figure(xray(cxUniformPacked, runs=200)).axes[0].get_images()
    assert set(np.unique(image.get_array())) == {1, 2}
    assert to_rgb(image.cmap(2)) == pytest.approx(to_rgb(RED), abs=0.01)


def test_a_selection_has_a_cloud_and_two_views() -> None:
    cloud, fronts, number, bar = xray_figure(xray(selNSGA2, runs=5)).axes
    assert len(cloud.collections[0].get_offsets()) == 48
    assert "front" in fronts.get_xlabel() and "copies" in bar.get_ylabel()
    assert number.get_title(loc="left") == "24 different ones of 24"


@pytest.mark.parametrize(
    ("mean", "words"),
    [
        ([0, 0.03, 0, -0.03, 0], "stays"),
        ([0.1, 0.1, 0.1, 0.1, 0], "denser"),
        ([0, 0, -0.1, 0, -0.1], "sparser"),
        ([0.1, 0, 0, 0, -0.1], "to the middle"),
        ([-0.1, 0, 0, 0, 0.1], "to the ends"),
    ],
)
def test_a_drift_is_told_in_words(mean: list[float], words: str) -> None:
    assert words in drift_in_words(Band(np.array(mean), np.full(5, 0.01), *np.zeros((2, 5))))


def test_chances_are_written_in_percent() -> None:
    assert [PERCENT(value) for value in (0.0, 0.005, 0.123456, 1.0)] == [
        "0 %",
        "0.5 %",
        "12.3 %",
        "100 %",
    ]


def test_genes_are_counted_in_whole_numbers() -> None:
    axes = xray_figure(xray(mutSparse, runs=100)).axes[-1]  # always one gene
    assert axes.get_xlabel() == "genes changed in a run"
    assert all(float(tick).is_integer() for tick in axes.get_xticks())


def test_the_table_of_a_swap_says_that_no_density_changed() -> None:
    lines = xray_table(xray(mutSwap, runs=100, rate=0.0)).splitlines()
    assert lines[0] == "mutSwap(rate=0.0) on 64 genes, 100 runs"
    assert lines[2].split()[-5:] == ["0.000"] * 5
    assert lines[4].split() == ["unchanged", "100.0%"]


def test_the_table_of_a_crossover_says_what_stays_together() -> None:
    lines = xray_table(xray(cxUniformPacked, runs=100, rate=1.0)).splitlines()
    assert "cross over             100.0%" in lines
    assert "of the same parent     100.0% of neighbours, 100.0% far apart" in lines


def test_the_table_of_a_selection_counts_copies_by_front() -> None:
    lines = xray_table(xray(selNSGA2, runs=5)).splitlines()
    assert lines[0] == "selNSGA2, 24 of 48 individuals, 5 runs"
    assert lines[1].split()[:5] == ["mean", "copies", "by", "front", "1.00"]
    assert lines[2].endswith("24.0 of 24")
