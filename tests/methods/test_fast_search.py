"""What makes a search fast changes no result; lower precision changes none that is handed over."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from deap import base

from evoprune.evaluation import fastpath, precision
from evoprune.methods.fronts import Outcome
from evoprune.methods.hierarchical import hierarchical
from evoprune.running.config import Config
from evoprune.running.problem import Problem, prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams

SAME = ("hypervolume", "front", "passes_guidance")


@pytest.fixture(scope="module", autouse=True)
def short(short_searches: pytest.MonkeyPatch) -> None:
    """Recalibrate over few images."""
    short_searches.setattr("evoprune.running.problem.CALIBRATION", (4, 16))


def search(
    weights: Path, toolbox: base.Toolbox | None = None, **settings: object
) -> tuple[Outcome, Run, Problem]:
    small = {"population": 6, "generations": (2, 3), "weights": str(weights)}
    config = Config(**{**small, **settings})  # type: ignore[arg-type]
    problem = prepare(config, streams := Streams(config.seed))
    run = Run(streams=streams, passes=problem.passes, bar=False)
    return hierarchical(problem, config, run, toolbox=toolbox), run, problem


def front(outcome: Outcome) -> list[tuple[object, ...]]:
    """Return the front as rows that can be compared, mask by mask."""
    return [(s.mask.tobytes(), s.value, s.error, s.density, s.phase) for s in outcome.front]


@pytest.mark.parametrize(
    ("algorithm", "treatment"),
    [
        ("nsga2", {"recalibrate": 1.0}),
        ("nsga2", {"guided": False}),
        ("moead", {}),
        ("moead", {"recalibrate": 0.5, "guided": False}),
    ],
)
def test_early_stopping_finds_the_same_front_in_fewer_images(
    digits_weights: Path, algorithm: str, treatment: dict[str, object]
) -> None:
    quick, run, problem = search(digits_weights, algorithm=algorithm, early=True, **treatment)
    slow, whole, _ = search(digits_weights, algorithm=algorithm, early=False, **treatment)
    assert front(quick) == front(slow)
    for column in SAME:
        assert run.logbook.select(column) == whole.logbook.select(column)
    first = len(problem.data.search)  # the dense network, which gives the order of the images
    assert problem.passes["spared"] > 0
    assert problem.passes.spent() == whole.passes.spent() + first - problem.passes["spared"]


def test_no_row_hangs_on_the_batch_that_was_the_fastest(
    digits_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = []
    for batch in (25, 70):
        monkeypatch.setattr(fastpath, "best_batch", lambda *_, size=batch, **__: size)
        outcome, run, _ = search(digits_weights, passes=20_000, generations=(1, 50))
        rows.append((front(outcome), list(run.logbook)))
    assert rows[0] == rows[1]


def by_density(individuals: list[Any], k: int) -> list[Any]:
    return sorted(individuals, key=lambda individual: individual.fitness.values[1])[:k]


def in_turn(function: Any, individuals: list[Any]) -> list[Any]:
    return [function(individual) for individual in individuals]


@pytest.mark.parametrize(("slot", "mine"), [("select", by_density), ("map", in_turn)])
def test_an_operator_of_ones_own_is_used_and_finds_the_same_front_with_early_stopping(
    digits_weights: Path, slot: str, mine: Callable[..., Any]
) -> None:
    fronts, calls = [], []

    def counted(*arguments: Any) -> Any:
        calls[-1] += 1
        return mine(*arguments)

    for early in (True, False):
        calls.append(0)
        own = base.Toolbox()
        own.register(slot, counted)
        fronts.append(front(search(digits_weights, own, early=early, guided=False)[0]))
    assert fronts[0] == fronts[1]
    assert calls[0] == calls[1] > 0


def test_a_trial_of_ones_own_is_used(digits_weights: Path) -> None:
    asked = []

    class Mine:
        low = values = (0.5, 0.5)

        def __init__(self, individual: Any) -> None:
            asked.append(individual)

        def advance(self) -> None:
            """Nothing is left to show."""

    own = base.Toolbox()
    own.trial = Mine
    search(digits_weights, own, guided=False, generations=(1, 1), early=False)
    assert asked


def test_a_search_in_bf16_hands_over_errors_of_fp32(digits_weights: Path) -> None:
    outcome, _, problem = search(digits_weights, precision="bf16", recalibrate=1.0)
    exact = problem.evaluator(measure="soft_error", precision="fp32")
    assert [exact.judge(s.mask)[0] for s in outcome.front] == [s.value for s in outcome.front]


def test_judging_the_front_anew_is_counted(digits_weights: Path) -> None:
    outcome, run, problem = search(digits_weights, precision="bf16")
    images = len(problem.data.search)
    anew = problem.passes["fitness"] - run.logbook[-1]["passes_fitness"]
    assert anew >= images * len(outcome.front) and anew % images == 0


@pytest.mark.parametrize(("times", "expected"), [((2.0, 1.0), "bf16"), ((1.0, 1.0), "fp32")])
def test_auto_becomes_the_faster_one_and_the_test_figures_stay_in_fp32(
    digits_weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    times: tuple[float, float],
    expected: str,
) -> None:
    seconds = dict(zip((torch.float32, torch.bfloat16), times, strict=True))
    monkeypatch.setattr(precision, "_seconds", lambda dtype, device: seconds[dtype])
    problem = prepare(Config(weights=str(digits_weights), precision="auto"), Streams(0))
    assert problem.precision == expected
    assert problem.evaluator("test", precision="fp32").images.dtype == torch.float32
