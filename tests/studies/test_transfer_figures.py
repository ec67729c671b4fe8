"""The pictures of transferred heads show what they were given, with units, at any size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from evoprune.studies.ensemble_figures import ensembles_figure
from evoprune.studies.figures import GREEN, RED
from evoprune.studies.parallel_figures import parallel_figure
from evoprune.studies.transfer_figures import (
    as_good_as,
    by_density,
    front_figure,
    headline,
    limits_of,
)

Rows = list[dict[str, Any]]
DENSE = {"density": 1.0, "search_error": 0.1, "test_error": 0.11, "test_misranked": 0.21}


def head(density: float, error: float, misranked: float, **more: Any) -> dict[str, Any]:
    """A row whose test columns lie .01 above those of the search."""
    given = {"density": density, "search_error": error, "misranked": misranked}
    return {**given, "test_error": error + 0.01, "test_misranked": misranked + 0.01, **more}


def front_of(size: int, densest: float = 0.6) -> Rows:
    """Heads that err less the more they keep."""
    shares = np.linspace(densest / size, densest, size)
    return [head(d, 0.3 - 0.25 * d, 0.4 - 0.3 * d, id=i) for i, d in enumerate(shares.tolist())]


CONTROLS = [
    head(0.5, 0.25, 0.3, name="random"),
    head(0.2, 0.9, 0.9, name="random"),
    head(0.5, 0.22, 0.28, name="l1"),
]


def labels_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def dots(axes: Any) -> np.ndarray:
    """Places of the points that are coloured by density."""
    return np.asarray(axes.collections[0].get_offsets())


@pytest.mark.parametrize("size", [1, 2, 5, 200])
@pytest.mark.parametrize("controls", [[], CONTROLS])
def test_each_projection_shows_every_head_of_the_front(size: int, controls: Rows) -> None:
    front = front_of(size)
    figure = front_figure(front, controls, DENSE)
    figure.canvas.draw()
    sides = [("density", "test_error"), ("density", "test_misranked")]
    for axes, columns in zip(figure.axes, [*sides, ("test_error", "test_misranked")], strict=False):
        wanted = np.array([[row[column] for column in columns] for row in front])
        assert np.array_equal(dots(axes), wanted)
        low, high = np.transpose([axes.get_xlim(), axes.get_ylim()])
        assert ((low <= wanted) & (wanted <= high)).all()


def test_the_axes_of_the_front_are_named_with_units() -> None:
    figure = front_figure(front_of(5), CONTROLS, DENSE, unit="neurons")
    density, error = "density (share of neurons kept)", "error (share wrong)"
    misranked = "misranked (1 - AUROC)"
    named = [(axes.get_xlabel(), axes.get_ylabel()) for axes in figure.axes[:3]]
    assert named == [(density, error), (density, misranked), (error, misranked)]
    solid = figure.axes[3]
    assert solid.get_zlabel() == "misranked" and solid.get_xlabel() == "density"


def test_the_space_has_the_limits_of_the_projections() -> None:
    figure = front_figure(front_of(5), CONTROLS, DENSE)
    top, bottom, _, solid = figure.axes[:4]
    assert solid.get_xlim() == pytest.approx(top.get_xlim())
    assert solid.get_ylim() == pytest.approx(top.get_ylim())
    assert solid.get_zlim() == pytest.approx(bottom.get_ylim())


@pytest.mark.parametrize(("densest", "stars"), [(0.6, 1), (0.1, 0)])
def test_the_space_shows_the_heads_and_controls_that_lie_inside_it(
    densest: float, stars: int
) -> None:
    near = head(0.05, 0.3, 0.4, name="random")
    solid = front_figure(front_of(5, densest), [near, near, CONTROLS[1]], DENSE).axes[3]
    sizes = [len(drawn.get_offsets()) for drawn in solid.collections]
    assert sizes == [2, 5, stars]


def test_the_legend_names_all_that_is_drawn_once() -> None:
    front = [*front_of(5), head(0.3, 0.1, 0.2, id=9)]
    labels = labels_of(front_figure(front, CONTROLS, DENSE))
    assert labels[:3] == ["random masks", "l1-ranked", "front, coloured by density"]
    assert labels[3:] == ["dense head, dotted its level", "sparsest as good as dense in the search"]


def test_a_control_by_another_name_is_drawn_under_it() -> None:
    labels = labels_of(front_figure(front_of(2), [head(0.4, 0.2, 0.3, name="saliency")], DENSE))
    assert labels[:2] == ["saliency", "front, coloured by density"]


def test_controls_that_lie_far_out_are_counted_and_leave_the_axes_to_the_front() -> None:
    figure = front_figure(front_of(5), CONTROLS, DENSE)
    assert figure.legends[0].get_title().get_text() == "1 of 3 controls lie outside an axis"
    assert figure.axes[0].get_ylim()[1] < 0.6  # twice the span of the front above the dense head
    without = front_figure(front_of(5), CONTROLS[::2], DENSE)
    assert without.legends[0].get_title().get_text() == ""


def test_the_lines_run_along_the_best_of_a_projection() -> None:
    front = [head(0.3, 0.2, 0.1), head(0.1, 0.3, 0.2), head(0.2, 0.35, 0.05)]
    axes = front_figure(front, [], DENSE).axes[0]
    xs, ys = axes.get_lines()[0].get_data()
    assert list(xs) == [0.1, 0.2, 0.3] and list(ys) == pytest.approx([0.31, 0.31, 0.21])


def test_the_dense_head_is_a_star_on_two_lines() -> None:
    axes = front_figure(front_of(5), CONTROLS, DENSE).axes[2]
    (star,) = [line for line in axes.get_lines() if line.get_label().startswith("dense")]
    assert (star.get_xdata(), star.get_ydata()) == ([0.11], [0.21])
    assert sum(line.get_linestyle() == ":" for line in axes.get_lines()) == 2


def test_the_head_of_the_headline_is_chosen_in_the_search() -> None:
    front = [head(0.1, 0.2, 0.3), head(0.4, 0.1, 0.3), head(0.5, 0.05, 0.3)]
    front[0]["test_error"] = 0.0  # lucky on the test images
    assert as_good_as(DENSE, front) is front[1]
    assert "40 % of the features: test error 0.110" in headline(front[1], DENSE, "features")


def test_a_front_without_such_a_head_says_so() -> None:
    assert as_good_as(DENSE, front_of(5)) is None
    figure = front_figure(front_of(5), [], DENSE)
    assert figure.get_suptitle().startswith("No head errs as little as the dense one in the search")


def test_the_density_axis_reaches_the_dense_head_unless_the_front_is_far_from_it() -> None:
    assert limits_of("density", front_of(3, 0.6), [], DENSE) == (0, pytest.approx(1.03))
    assert limits_of("density", front_of(3, 0.1), [], DENSE) == (0, pytest.approx(0.125))


def test_controls_widen_an_axis_by_one_span_at_either_end() -> None:
    front = [head(0.5, 0.4, 0.3), head(0.6, 0.6, 0.3)]
    far = [head(0.5, 0.0, 0.3, name="l1"), head(0.5, 1.0, 0.3, name="l1")]
    dense = {**DENSE, "test_error": 0.41}
    ends = limits_of("test_error", front, far, dense)
    assert ends == (pytest.approx(0.41 - 1.06 * 0.2), pytest.approx(0.61 + 1.06 * 0.2))


def test_controls_beyond_the_density_axis_do_not_widen_the_others() -> None:
    front, far = front_of(3, 0.1), [head(0.9, 0.05, 0.1, name="l1")]
    assert limits_of("test_error", front, far, DENSE) == limits_of("test_error", front, [], DENSE)


def test_heads_that_keep_nothing_can_be_drawn() -> None:
    nothing = [head(0.0, 0.9, 0.5, id=0)]
    for figure in (front_figure(nothing, [], DENSE), parallel_figure(nothing, DENSE)):
        figure.canvas.draw()


def test_the_colour_goes_from_the_sparsest_to_the_densest_head() -> None:
    colours = by_density(front_of(6))
    assert (colours.norm.vmin, colours.norm.vmax) == (pytest.approx(0.1), pytest.approx(0.6))
    sparse, dense = colours.to_rgba([0.1, 0.6])
    assert sum(sparse[:3]) > sum(dense[:3])  # light to dark, also in grey


@pytest.mark.parametrize("size", [1, 2, 5, 200])
def test_parallel_coordinates_have_a_line_a_head_and_one_for_the_dense(size: int) -> None:
    figure = parallel_figure(front_of(size), DENSE)
    figure.canvas.draw()
    host = figure.axes[0]
    heights = np.array([line.get_ydata() for line in host.get_lines()[:size]])
    assert heights.shape == (size, 3) and (heights >= 0).all() and (heights <= 1).all()
    assert host.get_lines()[size].get_linestyle() == ":"
    assert labels_of(figure) == ["dense head"]


def test_each_upright_has_the_real_values() -> None:
    front = front_of(5)
    figure = parallel_figure(front, DENSE)
    host, *uprights = figure.axes[:4]
    line = host.get_lines()[3].get_ydata()
    for height, upright, column in zip(
        line, uprights, ("density", "test_error", "test_misranked"), strict=True
    ):
        low, high = upright.get_ylim()
        assert low + height * (high - low) == pytest.approx(front[3][column])
    named = [text.get_text() for text in host.get_xticklabels()]
    assert named[0] == "density\n(share of features kept)" and "AUROC" in named[2]


def test_a_line_has_the_colour_of_its_density_and_the_knee_stands_out() -> None:
    front = front_of(5)
    lines = parallel_figure(front, DENSE, knee=2, members=[0, 4]).axes[0].get_lines()
    assert lines[1].get_color() == by_density(front).to_rgba(front[1]["density"])
    assert lines[2].get_color() == RED and lines[2].get_linewidth() > lines[1].get_linewidth()
    assert [line.get_marker() == "o" for line in lines[:5]] == [True, False, False, False, True]


def test_knee_and_members_are_named_if_they_are_there() -> None:
    labels = labels_of(parallel_figure(front_of(5), DENSE, knee=2, members=[0]))
    assert labels == ["knee of the front", "members of the ensemble", "dense head"]


def ensemble(error: float, misranked: float, name: str = "knee") -> dict[str, Any]:
    """An ensemble whose best member has .1 and .2."""
    best = {"best_member_error": 0.1, "best_member_misranked": 0.2}
    made = {"name": name, "vote": "majority", "members": 3}
    return {**made, **best, "test_error": error, "test_misranked": misranked}


def test_the_panels_count_the_ensembles_that_beat_their_best_member() -> None:
    rows = [ensemble(0.05, 0.3), ensemble(0.1, 0.3), ensemble(0.2, float("nan"))]
    error, misranked = ensembles_figure(rows, front_of(5), DENSE).axes
    assert error.get_title(loc="left") == "error: 1 of 3 beat the best member"
    assert misranked.get_title(loc="left") == "misranked: 0 of 2 beat the best member"
    assert error.get_xlabel() == "error (share wrong)" and "AUROC" in misranked.get_xlabel()


def test_what_is_better_in_both_is_counted_and_bold() -> None:
    rows = [ensemble(0.05, 0.1), ensemble(0.2, 0.1), ensemble(0.05, float("nan"))]
    figure = ensembles_figure(rows, front_of(5), DENSE)
    assert figure.get_suptitle().startswith("1 of 3 ensembles (bold) beat every member in both")
    weights = [text.get_fontweight() for text in figure.axes[0].get_yticklabels()]
    assert weights == ["bold", "normal", "normal"]


def test_better_is_green_and_worse_is_red() -> None:
    axes = ensembles_figure([ensemble(0.05, 0.2), ensemble(0.2, 0.2)], front_of(5), DENSE).axes[0]
    colours = {line.get_color(): line.get_data() for line in axes.get_lines()}
    assert [list(one) for one in colours[GREEN]] == [[0.05], [0]]
    assert [list(one) for one in colours[RED]] == [[0.2], [1]]
    assert [text.get_text() for text in axes.texts] == ["difference", "-0.0500", "+0.1000"]


def test_the_legend_has_what_only_the_second_panel_shows() -> None:
    labels = labels_of(ensembles_figure([ensemble(0.05, 0.3)], front_of(5), DENSE))
    assert {"best member", "ensemble, better than it", "ensemble, worse"} < set(labels)
    assert len(labels) == len(set(labels))


@pytest.mark.parametrize("count", [0, 1, 30])
def test_any_number_of_ensembles_can_be_drawn_the_first_on_top(count: int) -> None:
    rows = [ensemble(0.05, 0.2, name=str(number)) for number in range(count)]
    figure = ensembles_figure(rows, front_of(1), DENSE)
    figure.canvas.draw()
    axes = figure.axes[0]
    named = [text.get_text() for text in axes.get_yticklabels()]
    assert named == [f"{number}, majority of 3" for number in range(count)]
    bottom, top = axes.get_ylim()
    assert bottom > top
