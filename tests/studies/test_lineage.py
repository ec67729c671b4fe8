"""The story, the tree and the ledger show what they were given, and name their axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure

from evoprune.records import Generation
from evoprune.running.rundir import RunDir
from evoprune.search.ancestry import FIRST, Birth, genome_name, ledger
from evoprune.search.lineage import Lineage
from evoprune.studies.family import STRONG, family_figure
from evoprune.studies.ledger import colours_of, ledger_table, operators_figure
from evoprune.studies.lineage import keep_lineage, knee, made_by, story, traced
from operators.genomes import BitString
from operators.individuals import individual_type


def birth(child: str, generation: int, density: float, *parents: str, **other: Any) -> Birth:
    """Make a birth of phase "masks" by the mutation "drift"."""
    plain = Birth(
        generation, "masks", child, parents, "", "drift", 1234, True, False, 100, 0.01,
        (0.25, density),
    )  # fmt: skip
    return plain._replace(**other)


FAMILY = [
    birth("xa", 0, 0.8, mutation=FIRST, phase="descent"),
    birth("xb", 1, 0.4, "xa", phase="descent", mutation="descent"),
    birth("xc", 1, 0.2, "xb", "xa", crossover="layers", mutation="none", changed=70),
    birth("xd", 2, 0.3, "xa"),
    birth("xe", 4, 0.1, "xc", "xd", crossover="scores", changed=5),
    birth("xf", 9, 0.1, "xe"),
]


def texts(figure: Figure) -> set[str]:
    return {text.get_text() for axes in figure.axes for text in axes.texts}


def heights(figure: Figure) -> list[float]:
    (axes,) = figure.axes
    (strong,) = (line for line in axes.get_lines() if line.get_color() == STRONG)
    return [float(height) for height in strong.get_ydata()]


def test_the_strong_line_of_the_tree_runs_through_the_nearest_parents() -> None:
    figure = family_figure(FAMILY, "xe")
    assert heights(figure) == [0.8, 0.4, 0.2, 0.1]
    assert {"1,234", "70", "5"} <= texts(figure)


def test_the_tree_has_a_line_to_each_parent_in_the_colour_of_the_crossover() -> None:
    (axes,) = family_figure(FAMILY, "xe").axes
    (links,) = (each for each in axes.collections if isinstance(each, LineCollection))
    drawn = {tuple(segment[:, 1].tolist()) for segment in links.get_segments()}
    assert drawn == {(0.8, 0.4), (0.4, 0.2), (0.8, 0.2), (0.8, 0.3), (0.2, 0.1), (0.3, 0.1)}
    shades = {tuple(np.round(shade[:3] * 255)) for shade in links.get_colors()}
    assert len(shades) == 3


def test_the_tree_has_a_dot_for_each_ancestor_in_the_colour_of_its_mutation() -> None:
    (axes,) = family_figure(FAMILY, "xe").axes
    dots = [each for each in axes.collections if isinstance(each, PathCollection)]
    assert sum(len(each.get_offsets()) for each in dots if len(each.get_facecolors())) == 5
    labels = family_figure(FAMILY, "xe").legends[0].get_texts()
    assert {label.get_text() for label in labels} == {
        "nearest parents, with genes changed",
        "other parent, crossed by layers",
        "other parent, crossed by scores",
        "made by init",
        "made by descent",
        "made by crossover alone",
        "made by drift",
    }


def test_the_tree_names_its_axes_its_phases_and_the_network_it_is_of() -> None:
    figure = family_figure(FAMILY, "xe", objectives=("soft_error", "density"))
    (axes,) = figure.axes
    assert "generation" in axes.get_xlabel()
    assert axes.get_ylabel() == "density"
    assert {"phase descent", "phase masks", "soft error 0.25\ndensity 0.1"} <= texts(figure)
    assert "xe" in axes.get_title(loc="left")
    assert "3 steps; ancestors: 4" in axes.get_title(loc="left")


def test_time_in_the_tree_ends_with_the_network_it_is_of() -> None:
    (axes,) = family_figure(FAMILY, "xe").axes
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert ticks == ["0", "1", "1", "2", "4"]


def test_one_of_a_first_population_has_a_tree_of_one_dot() -> None:
    figure = family_figure(FAMILY, "xa")
    assert heights(figure) == [0.8]
    assert "0 steps" in figure.axes[0].get_title(loc="left")


def test_a_density_of_zero_has_no_logarithm() -> None:
    figure = family_figure([birth("xa", 0, 0.0), birth("xb", 1, 0.9, "xa")], "xb")
    assert figure.axes[0].get_yscale() == "linear"


def test_labels_that_would_lie_on_each_other_give_way_to_the_larger() -> None:
    close = [birth("x0", 0, 0.5, mutation=FIRST)]
    close += [birth(f"x{i}", i, 0.5, f"x{i - 1}", changed=i) for i in range(1, 200)]
    numbers = {int(text) for text in texts(family_figure(close, "x199")) if text.isdigit()}
    assert 199 in numbers
    assert 198 not in numbers
    assert len(numbers) < 30


def test_of_a_family_too_large_to_look_at_the_parents_of_the_main_line_are_drawn() -> None:
    """Lane 0 is the main line, lane 1 are its other parents, lane 2 those of lane 1."""
    lanes = {0: (0, 1), 1: (1, 2), 2: (2,)}
    large = [birth(f"x0-{lane}", 0, 0.5, mutation=FIRST) for lane in lanes]
    for g in range(1, 301):
        large += [
            birth(f"x{g}-{lane}", g, 0.5, *(f"x{g - 1}-{of}" for of in parents))
            for lane, parents in lanes.items()
        ]
    (axes,) = family_figure(large, "x300-0").axes
    dots = [each for each in axes.collections if isinstance(each, PathCollection)]
    assert sum(len(each.get_offsets()) for each in dots if len(each.get_facecolors())) == 601
    assert "300 steps; ancestors: 899, 600 of them drawn" in axes.get_title(loc="left")


def test_the_ledger_has_bars_for_each_operator_in_blocks_by_phase() -> None:
    figure = operators_figure(ledger(FAMILY))
    left = figure.axes[::2]
    assert [axes.get_title(loc="left") for axes in left] == ["phase descent", "phase masks"]
    names = [label.get_text() for label in left[1].get_yticklabels()]
    assert set(names) == {
        "crossover: layers", "crossover: scores", "crossover: no crossover", "mutation: none",
        "mutation: drift",
    }  # fmt: skip
    assert [len(axes.patches) for axes in figure.axes] == [1, 1, 5, 5]
    assert left[1].get_xlabel() == "share of children that survived"
    assert "hypervolume" in figure.axes[-1].get_xlabel()
    assert "3 of 3" in texts(figure)


def test_few_passes_are_not_rounded_away() -> None:
    rows = [{**row, "passes": 283, "copies": 1} for row in ledger(FAMILY)]
    written = texts(operators_figure(rows))
    assert any(text.endswith(" for 283 passes") for text in written)
    assert any(text.endswith(", 1 copy") for text in written)


def test_an_operator_has_one_colour_in_both_pictures() -> None:
    colours = colours_of(FAMILY)
    assert len({colours[name] for name in ("layers", "scores", "drift", "descent")}) == 4
    bars = operators_figure(ledger(FAMILY)).axes[0].patches
    (axes,) = family_figure(FAMILY, "xb").axes
    key = axes.figure.legends[0].get_lines()[-1]
    assert key.get_color() == colours["descent"]
    assert np.allclose(bars[0].get_facecolor()[:3], np.array(_rgb(colours["descent"])))


def _rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def test_the_story_has_a_line_for_each_step_the_oldest_first() -> None:
    lines = story(FAMILY, "xe", objectives=("soft_error", "density")).splitlines()
    assert lines[0].split()[-3:] == ["soft_error", "density", "name"]
    assert [line.split()[-1] for line in lines[1:]] == ["xa", "xb", "xc", "xe"]
    assert lines[1].split() == ["descent", "0", "init", "0.2500", "0.8000", "xa"]
    assert "scores with xd, then drift" in lines[4]


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({}, "drift"),
        ({"crossover": "layers"}, "layers, then drift"),
        ({"crossover": "layers", "mutation": "none"}, "layers"),
        ({"crossover": "layers", "mutation": ""}, "layers"),
    ],
)
def test_what_made_a_child_is_told_in_words(other: dict[str, Any], words: str) -> None:
    assert made_by(birth("xb", 1, 0.5, "xa", **other)) == words


def test_the_table_of_the_ledger_has_a_line_for_each_operator() -> None:
    lines = ledger_table(ledger(FAMILY)).splitlines()
    assert len(lines) == 1 + len(ledger(FAMILY))
    assert any("no crossover" in line for line in lines)
    assert len({len(line.rstrip()) for line in lines}) == 1


def test_the_knee_is_nearest_to_the_best_of_both() -> None:
    rows = [{"search_value": e, "density": d} for e, d in ((0.9, 0.1), (0.2, 0.2), (0.1, 0.9))]
    assert knee(rows) is rows[1]


def test_the_knee_of_heads_counts_what_they_misrank_too() -> None:
    columns = ("search_error", "density", "search_misranked")
    points = ((0.1, 0.2, 0.9), (0.2, 0.2, 0.1), (0.9, 0.1, 0.2))
    rows = [dict(zip(columns, point, strict=True)) for point in points]
    assert knee(rows, columns[:2]) is rows[0]
    assert knee(rows) is rows[1]


def test_the_knee_of_a_single_row_is_that_row() -> None:
    assert knee([{"search_value": 0.3, "density": 0.2}])["density"] == 0.2


def test_what_nobody_made_cannot_be_traced() -> None:
    born, dense = BitString([1, 0]), BitString([1, 1])
    rows = traced([{"id": 0}, {"id": 1}], [born, dense], [birth(genome_name(born), 1, 0.5)])
    assert rows == [{"id": 0, "child": genome_name(born)}]


def test_a_run_keeps_births_ledger_and_pictures(tmp_path: Path) -> None:
    lineage, network = Lineage(objectives=("soft_error", "density")), np.array([1, 0], bool)
    born = individual_type("mask", 2).from_numpy(network)
    born.fitness.values = 0.25, 0.5
    lineage.observe(Generation(1, [born], [born], {}))
    (tmp_path / "config.json").write_text("{}")
    front = [{"id": 0, "search_value": 0.25, "density": 0.5}]
    keep_lineage(lineage, front, [network], RunDir(tmp_path, resume=True))
    kept = {str(file.relative_to(tmp_path)) for file in tmp_path.rglob("*.*")}
    assert kept == {
        "config.json", "lineage.csv", "operators.csv", "figures/lineage.png",
        "figures/operators.png",
    }  # fmt: skip


def test_a_run_that_ended_with_its_first_population_has_no_operators_to_draw(
    tmp_path: Path,
) -> None:
    (tmp_path / "config.json").write_text("{}")
    lineage, first = Lineage(), individual_type("mask", 2)([1, 0])
    first.fitness.values = 0.25, 0.5
    lineage.observe(Generation(0, [first], [], {}))
    front = [{"id": 0, "search_value": 0.25, "density": 0.5}]
    keep_lineage(lineage, front, [first.to_numpy()], RunDir(tmp_path, resume=True))
    assert [file.name for file in (tmp_path / "figures").iterdir()] == ["lineage.png"]


def test_a_run_without_any_birth_keeps_empty_tables_and_no_picture(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    keep_lineage(Lineage(), [], [], RunDir(tmp_path, resume=True))
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "config.json", "lineage.csv", "operators.csv",
    ]  # fmt: skip
