"""Questions asked of births, on a family drawn by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evoprune.running.rundir import RunDir
from evoprune.search.ancestry import (
    FIRST,
    Birth,
    ancestors,
    births_of,
    first_births,
    genome_name,
    ledger,
    main_line,
)
from evoprune.search.lineage import Lineage


def birth(child: str, *parents: str, **other: Any) -> Birth:
    """Make a birth of generation 1 by the mutation "drift", with one objective."""
    plain = Birth(1, "masks", child, parents, "", "drift", 3, True, False, 100, 0.0, (0.5, 0.5))
    return plain._replace(**other)


FAMILY = [
    birth("a", mutation=FIRST),
    birth("b", mutation=FIRST),
    birth("c", "a", "b", crossover="layers"),
    birth("d", "a"),
    birth("e", "c", "d", crossover="layers"),
    birth("f", "b"),
]


def test_ancestors_are_all_that_an_individual_descends_from_in_order_of_birth() -> None:
    assert list(ancestors(FAMILY, "e")) == ["a", "b", "c", "d", "e"]
    assert list(ancestors(FAMILY, "f")) == ["b", "f"]


def test_one_of_a_first_population_has_only_itself() -> None:
    assert list(ancestors(FAMILY, "a")) == ["a"]


def test_one_that_nobody_bore_has_no_ancestors_and_no_line() -> None:
    assert ancestors(FAMILY, "z") == {}
    assert main_line(ancestors(FAMILY, "z"), "z") == []


def test_the_main_line_goes_by_the_first_named_parent() -> None:
    assert [one.child for one in main_line(ancestors(FAMILY, "e"), "e")] == ["a", "c", "e"]


def test_a_parent_from_before_the_lineage_ends_the_line() -> None:
    later = FAMILY[2:]
    assert [one.child for one in main_line(ancestors(later, "e"), "e")] == ["c", "e"]


def test_of_a_genome_born_twice_the_first_birth_stays() -> None:
    again = birth("e", "f", generation=2, copy=True)
    assert ancestors([*FAMILY, again], "e")["e"].parents == ("c", "d")


def test_a_birth_that_was_given_up_gives_way_to_one_that_was_judged() -> None:
    given_up = birth("e", "f", objectives=())
    assert first_births([given_up, *FAMILY])["e"].parents == ("c", "d")


def test_the_ledger_adds_up_what_each_operator_brought() -> None:
    made = [
        birth("a", mutation=FIRST, passes=50, hypervolume=0.5),
        birth("b", "a", passes=200, hypervolume=0.1, changed=1),
        birth("c", "a", passes=100, hypervolume=0.3, changed=5, crossover="layers"),
        birth("c", "a", passes=0, changed=6, copy=True, mutation="swap"),
        birth("d", "a", passes=300, changed=9, survived=False),
    ]
    rows = {(row["slot"], row["operator"]): row for row in ledger(made)}
    assert list(rows) == [
        ("init", "init"), ("crossover", "layers"), ("crossover", ""), ("mutation", "drift"),
        ("mutation", "swap"),
    ]  # fmt: skip
    drift = rows["mutation", "drift"]
    assert (drift["children"], drift["survivors"], drift["copies"]) == (3, 2, 0)
    assert drift["success_rate"] == pytest.approx(2 / 3)
    assert (drift["changed"], drift["passes"]) == (5, 600)
    assert drift["hypervolume"] == pytest.approx(0.4)
    assert drift["hypervolume_per_million"] == pytest.approx(0.4 / 600 * 1e6)


def test_a_copy_is_no_survivor_and_what_cost_nothing_has_no_worth_per_pass() -> None:
    (row,) = ledger([birth("a", copy=True, passes=0)])
    assert (row["survivors"], row["copies"], row["hypervolume_per_million"]) == (0, 1, None)


def test_a_phase_that_never_crosses_has_no_row_for_its_crossovers() -> None:
    rows = ledger([birth("a", phase="descent"), birth("b", crossover="layers")])
    assert [(row["phase"], row["slot"]) for row in rows] == [
        ("descent", "mutation"), ("masks", "crossover"), ("masks", "mutation"),
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["children", "survivors", "hypervolume", "passes"])
def test_crossovers_and_mutations_each_sum_to_all_children(column: str) -> None:
    rng, made = np.random.default_rng(0), []
    for i in range(60):
        made.append(
            birth(
                str(i),
                crossover=("", "layers", "scores")[rng.integers(3)],
                mutation=("drift", "swap")[rng.integers(2)],
                passes=int(rng.integers(9)),
                survived=bool(rng.integers(2)),
                hypervolume=float(rng.random()),
            )
        )
    sums = [
        sum(row[column] for row in ledger(made) if row["slot"] == slot)
        for slot in ("crossover", "mutation")
    ]
    assert sums[0] == pytest.approx(sums[1])
    assert sums[0] > 0


def test_no_name_reads_as_a_number() -> None:
    names = [genome_name(np.array(i)) for i in range(500)]
    assert len(set(names)) == 500
    for name in names:
        with pytest.raises(ValueError, match="could not convert"):
            float(name)


def test_rows_are_read_from_a_table_as_they_were_written(tmp_path: Path) -> None:
    lineage = Lineage(objectives=("error", "density"))
    lineage.births = [*FAMILY, birth("g", "a", objectives=(), survived=False, hypervolume=1 / 3)]
    (tmp_path / "config.json").write_text("{}")
    folder = RunDir(tmp_path, resume=True)
    folder.write_table("lineage.csv", lineage.rows())
    rows = folder.read_table("lineage.csv")
    assert births_of(rows) == lineage.births
    assert list(rows[0])[-2:] == ["error", "density"]
