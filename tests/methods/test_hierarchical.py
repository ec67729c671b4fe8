"""The two-phase method on the embedded digits, in a small budget."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from deap import base

from evoprune.errors import InputError
from evoprune.methods.fronts import Outcome, near_front
from evoprune.methods.hierarchical import hierarchical
from evoprune.methods.masks import mask_toolbox, pairs_of_like_density
from evoprune.running.config import Config
from evoprune.running.problem import Problem, prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams
from operators.individuals import individual_type
from operators.selection import assignCrowding

SMALL = {"population": 6, "generations": (1, 2), "search_images": 100}


@pytest.fixture(scope="module", autouse=True)
def short(short_searches: pytest.MonkeyPatch) -> None:
    """Recalibrate over few images."""
    short_searches.setattr("evoprune.running.problem.CALIBRATION", (4, 16))


def search(**settings: object) -> tuple[Outcome, Run, Problem]:
    config = Config(**{**SMALL, **settings})  # type: ignore[arg-type]
    streams = Streams(config.seed)
    problem = prepare(config, streams)
    run = Run(streams=streams, passes=problem.passes, bar=False)
    return hierarchical(problem, config, run), run, problem


@pytest.fixture(scope="module")
def searched() -> tuple[Outcome, Run, Problem]:
    return search(seed=3)


def test_the_front_is_sorted_and_none_is_beaten_by_more_than_noise(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    front = searched[0].front
    assert all(a.density < b.density for a, b in pairwise(front))
    assert near_front(front, images=100) == front


def test_no_solution_of_the_first_phase_beats_another(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    assert all(a.value > b.value for a, b in pairwise(searched[0].coarse))


def test_a_solutions_mask_has_the_density_it_is_listed_with(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    for solution in searched[0].front:
        assert solution.mask.mean() == pytest.approx(solution.density)


def test_a_solution_is_measured_again_to_the_same_value_and_error(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    outcome, _, problem = searched
    solution = outcome.front[len(outcome.front) // 2]
    again = problem.evaluator(images=100, measure="soft_error")
    assert again.judge(solution.mask) == (solution.value, pytest.approx(solution.density))
    assert problem.evaluator(images=100).judge(solution.mask)[0] == solution.error


def test_more_search_images_than_there_are_are_refused() -> None:
    with pytest.raises(InputError, match="search-images: expected 1 to 300, got 301"):
        search(search_images=301)


def test_the_same_seed_gives_the_same_rows(searched: tuple[Outcome, Run, Problem]) -> None:
    assert list(search(seed=3)[1].logbook) == list(searched[1].logbook)


def test_another_seed_gives_other_rows(searched: tuple[Outcome, Run, Problem]) -> None:
    assert list(search(seed=4)[1].logbook) != list(searched[1].logbook)


def test_masks_of_phase_two_stay_in_the_corridor(searched: tuple[Outcome, Run, Problem]) -> None:
    outcome = searched[0]
    fine = [solution.mask for solution in outcome.front if solution.phase == "masks"]
    assert fine
    core = outcome.corridor.core
    assert all(mask[core].all() and not mask[~outcome.corridor.support].any() for mask in fine)


def test_the_light_anchor_keeps_more_than_the_heavy_one(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    anchors = searched[0].anchors
    assert anchors["light"].sum() > anchors["heavy"].sum()


def test_no_weight_is_changed(searched: tuple[Outcome, Run, Problem]) -> None:
    space = searched[2].space
    now = np.concatenate([p.detach().numpy().reshape(-1) for p in space.parameters])
    assert np.array_equal(now, space.weights.numpy())


def test_without_guidance_no_pass_is_spent_on_a_drift() -> None:
    _, run, problem = search(guided=False)
    assert "descent" not in run.logbook.select("phase")
    assert problem.passes["guidance"] == 0


def test_the_budget_ends_the_run_with_the_generation_that_reaches_it() -> None:
    _, run, problem = search(generations=(1, 50), passes=25_000)
    rows = [row for row in run.logbook if row["phase"] == "masks"]
    assert rows[-2]["passes"] < 25_000 <= problem.passes.spent()
    assert problem.passes.spent() == rows[-1]["passes"]


@pytest.mark.parametrize(
    "slot", ["individual", "evaluate", "map", "clone", "mate", "mutate", "select", "select_parents"]
)
def test_what_is_registered_in_a_toolbox_of_ones_own_is_used_and_nothing_else_changes(
    searched: tuple[Outcome, Run, Problem], slot: str
) -> None:
    calls = 0

    def counted(theirs: Callable[..., Any], *values: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        return theirs(*values, **named)

    config = Config(**SMALL, seed=3)  # type: ignore[arg-type]
    streams = Streams(config.seed)
    problem = prepare(config, streams)
    run = Run(streams=streams, passes=problem.passes, bar=False)
    with pytest.MonkeyPatch.context() as patch:
        theirs = mask_toolbox

        def lent(*values: Any) -> base.Toolbox:
            own, plain = base.Toolbox(), theirs(*values[:4])
            own.register(slot, counted, getattr(plain, slot))
            return theirs(*values[:4], own)

        patch.setattr("evoprune.methods.masks.mask_toolbox", lent)
        outcome = hierarchical(problem, config, run)
    assert calls > 0
    assert [s.value for s in outcome.front] == [s.value for s in searched[0].front]


def test_a_toolbox_of_ones_own_reaches_phase_2() -> None:
    seen = []

    def mutNothing(individual: object) -> tuple[object]:
        seen.append(individual)
        return (individual,)

    own = base.Toolbox()
    own.register("mutate", mutNothing)
    streams = Streams(0)
    config = Config(**SMALL, guided=False)  # type: ignore[arg-type]
    problem = prepare(config, streams)
    run = Run(streams=streams, passes=problem.passes, bar=False)
    hierarchical(problem, config, run, toolbox=own)
    assert len(seen) == config.population * config.generations[1]


def test_a_budget_that_phase_1_has_spent_leaves_nothing_for_phase_2() -> None:
    outcome, run, problem = search(generations=(50, 50), passes=3_000, guided=False)
    assert {row["phase"] for row in run.logbook} == {"thresholds"}
    assert problem.passes.spent() == run.logbook[-1]["passes"] + 100  # the dense network
    assert {solution.phase for solution in outcome.front} <= {"thresholds", "dense"}


def test_a_solution_says_in_which_phase_it_was_found(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    assert {s.phase for s in searched[0].front} <= {"thresholds", "descent", "masks", "dense"}
    assert any(s.phase == "descent" for s in searched[0].front)


def test_moead_searches_masks_too() -> None:
    outcome = search(algorithm="moead")[0]
    assert any(solution.phase == "masks" for solution in outcome.front)


def test_with_recalibration_its_passes_are_counted() -> None:
    _, _, problem = search(recalibrate=1.0, generations=(1, 1))
    judged = problem.passes["evaluations"] - problem.passes["cached"]
    assert problem.passes["recalibration"] >= 2 * 16 * judged


@pytest.mark.parametrize("size", [4, 5, 6, 24])
def test_parents_of_like_density_are_paired_and_nobody_with_itself(size: int) -> None:
    kind, rng = individual_type("mask", 2), np.random.default_rng(size)
    population = [kind.from_numpy(np.arange(40) <= place) for place in range(size)]
    for place, individual in enumerate(population):
        individual.fitness.values = (1.0 - place / 40, place / 40)
    assignCrowding(population)
    for _ in range(20):
        chosen = pairs_of_like_density(population, size, rng=rng)
        pairs = list(zip(chosen[::2], chosen[1::2], strict=False))
        assert all(a is not b for a, b in pairs)
        if size == 24:
            assert np.median([abs(a.count() - b.count()) for a, b in pairs]) <= 4
