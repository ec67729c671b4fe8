"""Benchmarks run, agree, and would notice if the sides did not do the same."""

from __future__ import annotations

import gc
import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import evaluation  # these nine from tests/benchmarks, which pyproject.toml names to pytest
import generation
import guidance
import heads
import memory
import narrow
import numpy as np
import pytest
import scaling
import selection
import timing

BENCHMARKS = Path(__file__).parent / "benchmarks"


@pytest.fixture(scope="module", autouse=True)
def quickly_collected() -> Iterator[None]:
    """Let the collections before each timed call pass over all that was imported so far."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


def command() -> Any:
    spec = importlib.util.spec_from_file_location("benchmarks_main", BENCHMARKS / "__main__.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "module", [evaluation, generation, guidance, heads, memory, narrow, scaling, selection]
)
def test_every_row_runs_in_small(module: Any) -> None:
    rows = list(module.rows(quick=True))
    assert rows
    for row in rows:
        assert row.name and row.ours and np.isfinite(row.value)
        assert (row.ratio is None) == (row.theirs == "")
        assert row.ratio is None or row.ratio > 0


def nothing(*genomes: Any, **_: Any) -> Any:
    return genomes


def front_half(individuals: Any, k: int) -> Any:
    for individual in individuals:
        individual.fitness.crowding_dist = 0.0
    return list(individuals)[:k]


def one_too_few(individuals: Any, k: int) -> Any:
    return front_half(individuals, k - 1 if len(individuals) > k else k)


WRONG: dict[str, tuple[Callable[[], Any], Any, str, Any]] = {
    "deap, mutation": (partial(generation.beside_deap, 64, 1), generation, "mutFlip", nothing),
    "deap, crossover": (
        partial(generation.beside_deap, 64, 1), generation, "cxUniformPacked", nothing),
    "deap, selection": (
        partial(generation.beside_deap, 64, 1), generation, "selNSGA2", front_half),
    "pymoo, mutation": (partial(generation.beside_pymoo, 64, 1), generation, "mutFlip", nothing),
    "pymoo, crossover": (
        partial(generation.beside_pymoo, 64, 1), generation, "cxUniformPacked", nothing),
    "pymoo, selection": (
        partial(generation.beside_pymoo, 64, 1), generation, "selNSGA2", front_half),
    "alone, mutation": (
        partial(generation.by_itself, 64, 1, None), generation, "mutFlip", nothing),
    "alone, selection": (
        partial(generation.by_itself, 64, 1, None), generation, "selNSGA2", front_half),
    "alone, importance": (
        partial(generation.by_itself, 64, 1, None, importance=True),
        generation, "mutImportance", nothing),
    "loop": (partial(generation.loop, 64, 1), generation, "selNSGA2", one_too_few),
    "selection, deap": (
        partial(selection.beside_deap, 30, 2, 1), selection, "selNSGA2", front_half),
    "selection, pymoo": (
        partial(selection.beside_pymoo, 30, 2, 1), selection, "selNSGA2", front_half),
    "memory": (partial(memory.beside, "inverted", np.invert, 64, 1), memory, "weight", nothing),
    "clones": (partial(memory.clones, 64), memory, "deepcopy", lambda mask: mask),
    "heads": (
        lambda: list(heads.rows(quick=True)), heads, "alike", lambda *_: False),
    "narrow": (
        lambda: list(narrow.rows(quick=True)), narrow, "alike", lambda *_: False),
    "counting": (lambda: list(memory.rows(quick=True)), memory.Mask, "count", lambda _: 1),
    "naming": (lambda: list(memory.rows(quick=True)), memory.Mask, "digest", lambda _: b""),
    "scaling": (partial(scaling.times, 64, 20, 1), generation, "selNSGA2", one_too_few),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_side_is_noticed(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, owner, name, wrong = WRONG[what]
    monkeypatch.setattr(owner, name, wrong)
    with pytest.raises(timing.DisagreementError, match=r"do not do|does not|not an equal|became"):
        run()


def test_nothing_is_timed_where_the_sides_disagree() -> None:
    calls: list[str] = []
    sides = ("one", lambda: calls.append("one")), ("other", lambda: calls.append("other"))
    with pytest.raises(timing.DisagreementError, match="row: one and other do not do the same"):
        timing.compare("row", *sides, agree=lambda *_: False, rounds=5)
    assert calls == ["one", "other"]


def test_the_sides_are_timed_in_turn_after_a_first_call_each(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []
    times = iter([2.0, 6.0, 1.0, 4.0, 1.0, 2.0])  # ours and theirs, three pairs
    monkeypatch.setattr(timing, "seconds", lambda call: (call(), next(times))[1])
    sides = ("one", lambda: calls.append(1)), ("other", lambda: calls.append(2))
    row = timing.compare("row", *sides, agree=lambda *_: True, rounds=3, at_least=3.5)
    assert calls == [1, 2] * 4
    assert (row.value, row.ratio, row.quartiles) == (1.0, 3.0, (2.5, 3.5))
    assert (row.aim, row.reached) == ("3.5 times", False)


def test_the_exponent_is_that_of_the_power_law() -> None:
    sizes = np.array([1.0, 2, 4, 8])
    slope, error = scaling.fit(sizes, 3 * sizes**0.7)
    assert slope == pytest.approx(0.7) and error == pytest.approx(0, abs=1e-12)
    assert scaling.fit(sizes, 3 * sizes**0.7 * [1, 1.1, 1, 0.9])[1] > 0.01


def test_any_number_of_curves_is_drawn(tmp_path: Path) -> None:
    for count in (1, 3):
        rows = [scaling.curve(f"axis {i}", "time", [1, 2, 3], float) for i in range(count)]
        scaling.draw([timing.Row("no curve", "ours"), *rows], tmp_path / f"{count}.png")
        assert (tmp_path / f"{count}.png").stat().st_size > 5000


def test_the_command_prints_a_table_and_writes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("OMP", "MKL", "OPENBLAS"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    file = tmp_path / "rows.json"
    assert command().main(["selection", "--quick", "--json", str(file)]) == 0
    out, written = capsys.readouterr().out, json.loads(file.read_text())
    assert written["machine"] in out and "numpy" in written["machine"]
    assert [row["name"] for row in written["rows"]] == [
        f"selection from 50, {m} objectives" for m in (2, 2, 3, 3)
    ]
    assert out.count("pymoo's RankAndCrowding") == 2


def test_a_name_that_is_none_of_the_files_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command().main(["selecton"])
    assert "got 'selecton'" in capsys.readouterr().err


def test_importing_the_command_runs_nothing() -> None:
    assert callable(command().main) and "benchmarks_main" not in sys.modules
