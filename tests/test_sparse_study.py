"""The study of sparse search spends its budget, goes on where it was stopped, and tests rightly."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import smop  # from tests/benchmarks, which pyproject.toml names to pytest

BUDGET = 1200  # the scores take 1,000 of it


@pytest.mark.parametrize("algorithm", smop.ALGORITHMS)
def test_each_algorithm_spends_its_budget_and_no_more(algorithm: str) -> None:
    row = smop.one("smop5", algorithm, 0, BUDGET)
    assert row["spent"] == BUDGET
    assert np.isfinite(row["igd_plus"]) and 0 <= row["nonzero"] <= 1


def test_the_same_seed_makes_the_same_run() -> None:
    first, second, other = (smop.one("smop4", "scored", seed, BUDGET) for seed in (0, 0, 1))
    assert first["igd_plus"] == second["igd_plus"] != other["igd_plus"]


def invent(monkeypatch: pytest.MonkeyPatch, runs: int = 10_000) -> None:
    """Let SparseEA end at 1, all others at 2, a little worse by seed; interrupt after some runs."""
    left = iter(range(runs))

    def one(name: str, algorithm: str, seed: int, budget: int) -> dict[str, Any]:
        if next(left, None) is None:
            raise KeyboardInterrupt
        figure = (1 if algorithm == "sparseea" else 2) + seed / 100
        values = (name, algorithm, seed, budget, budget, figure, 0.1, 1.0)
        return dict(zip(smop.COLUMNS, values, strict=True))

    monkeypatch.setattr(smop, "one", one)


def test_a_stopped_study_goes_on_and_makes_no_run_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invent(monkeypatch, runs=5)
    with pytest.raises(KeyboardInterrupt):
        smop.run(tmp_path, 2000, 1)
    invent(monkeypatch, runs=43)
    smop.run(tmp_path, 2000, 1)
    with (tmp_path / "smop.csv").open(newline="") as file:
        rows = [(row["problem"], row["algorithm"]) for row in csv.DictReader(file)]
    assert len(rows) == len(set(rows)) == 48


def test_the_tables_say_where_a_median_is_significantly_worse(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    invent(monkeypatch)
    smop.run(tmp_path, 2000, 7)
    (line,) = [row for row in smop.tables(tmp_path, 2000) if row.startswith("| smop3 | 1.0300")]
    cells = [cell.strip() for cell in line.split("|")[2:-1]]
    assert cells[0] == "1.0300 (1.0150 to 1.0450)"
    assert cells[1:] == ["2.0300 (2.0150 to 2.0450) -"] * 5


def test_two_seeds_are_too_few_to_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    invent(monkeypatch)
    smop.run(tmp_path, 2000, 2)
    lines = [line for line in smop.tables(tmp_path, 2000) if line.startswith("| smop")]
    assert len(lines) == 16 and not any(") - |" in line for line in lines)


def test_holm_multiplies_the_smallest_most() -> None:
    assert smop.holm([0.01, 0.04, 0.03, 0.005]).tolist() == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert smop.holm([0.5, 0.9]).tolist() == [1.0, 1.0]


def test_a_budget_that_the_scores_would_spend_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="evaluations: expected 1100 or more, got 1000"):
        smop.run(tmp_path, 1000, 1)
