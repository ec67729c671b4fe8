"""The pictures of what a front agrees on show frequencies, holders and masks, at any size."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.studies.agreement import by_chance, frequency, most_frequent
from evoprune.studies.agreement_figures import BINS, agreement_figure, columns_of, heatmap_figure


def front_of(solutions: int, genes: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Masks of all densities, with objectives."""
    rng = np.random.default_rng(seed)
    masks = rng.random((solutions, genes)) < rng.random((solutions, 1))
    points = rng.random((solutions, 3))
    points[:, 1] = masks.mean(axis=1)
    return masks, points


@pytest.mark.parametrize("solutions", [1, 2, 5, 200])
@pytest.mark.parametrize("genes", [5, 512])
def test_any_front_can_be_drawn(solutions: int, genes: int) -> None:
    for draw in (agreement_figure, heatmap_figure):
        draw(*front_of(solutions, genes)).canvas.draw()


def test_the_bars_are_the_most_frequent_genes_with_chance_beside_them() -> None:
    masks, points = front_of(20, 40)
    bars = agreement_figure(masks, points).axes[0]
    heights = [patch.get_height() for patch in bars.patches]
    assert heights == pytest.approx(np.sort(frequency(masks))[::-1][:10])
    (chance,) = bars.collections
    assert [path[0][1] for path in chance.get_segments()] == pytest.approx(by_chance(masks)[:10])
    assert "share of 20 heads" in bars.get_ylabel()


def test_each_objective_has_a_box_for_each_gene_at_the_median_of_its_holders() -> None:
    masks, points = front_of(20, 40)
    genes = most_frequent(masks)
    panels = agreement_figure(masks, points).axes[1:]
    for place, axes in enumerate(panels):
        medians = [np.median(points[masks[:, gene], place]) for gene in genes]
        across = [line.get_ydata()[0] for line in axes.get_lines() if line.get_linewidth() == 1.6]
        assert across == pytest.approx(medians)
        (label,) = axes.get_legend_handles_labels()[1]
        assert label == f"median of all heads, {np.median(points[:, place]):.3f}"
    assert [axes.get_ylabel().split("\n")[0] for axes in panels] == [
        "error",
        "density",
        "misranked",
    ]


def test_genes_go_by_their_places_or_by_the_names_that_they_have() -> None:
    masks, points = front_of(5, 12)
    places = [str(gene) for gene in most_frequent(masks)]
    for names, wanted in ((None, places), ([f"n{gene}" for gene in range(12)], None)):
        last = agreement_figure(masks, points, names, unit="neurons").axes[-1]
        shown = [text.get_text() for text in last.get_xticklabels()]
        assert shown == (wanted or [f"n{place}" for place in places])
        assert "neurons" in last.get_xlabel()


def test_a_gene_that_nobody_keeps_has_no_bar() -> None:
    masks = np.array([[1, 0, 0, 0, 1], [1, 0, 0, 0, 0]], bool)
    bars = agreement_figure(masks, np.zeros((2, 3))).axes[0]
    assert [patch.get_height() for patch in bars.patches] == [1.0, 0.5]


def test_heads_that_keep_nothing_can_be_drawn() -> None:
    for draw in (agreement_figure, heatmap_figure):
        draw(np.zeros((3, 20), bool), np.full((3, 3), 0.5)).canvas.draw()


def test_the_heat_map_has_sparse_heads_on_top_and_frequent_genes_at_the_left() -> None:
    masks, points = front_of(20, 40)
    axes = heatmap_figure(masks, points).axes
    picture = axes[4].images[0].get_array()
    assert picture.shape == (20, 40) and picture.sum() == masks.sum()
    assert (np.diff(picture.sum(axis=1)) >= 0).all()
    assert (np.diff(picture.sum(axis=0)) <= 0).all()


def test_the_objectives_stand_level_with_their_heads() -> None:
    masks, points = front_of(20, 40)
    strips = heatmap_figure(masks, points).axes[5:]
    order = np.argsort(points[:, 1], kind="stable")
    for place, axes in enumerate(strips):
        values, heights = axes.get_lines()[0].get_data()
        assert np.array_equal(values, points[order, place])
        assert list(heights) == [row + 0.5 for row in range(20)]
    assert [axes.get_xlabel() for axes in strips] == [
        "error\n(share wrong)",
        "density\n(share kept)",
        "misranked\n(1 - AUROC)",
    ]


def test_many_genes_share_columns_that_keep_the_mean() -> None:
    masks, _ = front_of(4, 1200)
    columns = columns_of(masks)
    assert columns.shape == (4, BINS)
    assert columns[:, 0] == pytest.approx(masks[:, :4].mean(axis=1))
    assert columns.mean(axis=1) == pytest.approx(masks.mean(axis=1))


def test_up_to_six_hundred_genes_have_columns_of_their_own() -> None:
    masks, _ = front_of(3, 600)
    assert np.array_equal(columns_of(masks), masks)


def test_a_hundred_thousand_genes_stay_on_one_picture() -> None:
    figure = heatmap_figure(*front_of(3, 100_000))
    figure.canvas.draw()
    assert figure.axes[4].images[0].get_array().shape == (3, BINS)
    labels = [text.get_text() for text in figure.axes[2].get_legend().get_texts()]
    assert labels == ["kept; paler: some of 333", "removed"]


def test_the_headline_counts_what_chance_does_not_explain() -> None:
    masks = np.tile(np.arange(50) < 5, (10, 1))
    top = heatmap_figure(masks, np.full((10, 3), 0.1), unit="neurons").axes[0]
    assert top.get_title(loc="left").startswith("5 of 50 neurons: kept by more heads")
