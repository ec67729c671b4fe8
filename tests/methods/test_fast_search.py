"""What makes a search fast changes no result; lower precision changes none that is handed over."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from evoprune.methods.fronts import Outcome
from evoprune.methods.hierarchical import hierarchical
from evoprune.running.config import Config
from evoprune.running.problem import Problem, prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams

SAME = ("hypervolume", "front", "passes_guidance")


def search(weights: Path, **settings: object) -> tuple[Outcome, Run, Problem]:
    small = {"population": 6, "generations": (3, 4), "weights": str(weights)}
    config = Config(**{**small, **settings})  # type: ignore[arg-type]
    problem = prepare(config, streams := Streams(config.seed))
    run = Run(streams=streams, passes=problem.passes, bar=False)
    return hierarchical(problem, config, run), run, problem


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


def test_a_search_in_bf16_hands_over_errors_of_fp32(digits_weights: Path) -> None:
    outcome, _, problem = search(digits_weights, precision="bf16", recalibrate=1.0)
    exact = problem.evaluator(measure="soft_error", precision="fp32")
    assert [exact.judge(s.mask)[0] for s in outcome.front] == [s.value for s in outcome.front]


def test_judging_the_front_anew_is_counted(digits_weights: Path) -> None:
    outcome, run, problem = search(digits_weights, precision="bf16")
    images = len(problem.data.search)
    anew = problem.passes["fitness"] - run.logbook[-1]["passes_fitness"]
    assert anew >= images * len(outcome.front) and anew % images == 0


def test_auto_becomes_one_of_the_two(digits_weights: Path) -> None:
    problem = prepare(Config(weights=str(digits_weights), precision="auto"), Streams(0))
    assert problem.precision in ("fp32", "bf16")
    assert problem.evaluator("test", precision="fp32").images.dtype == torch.float32
