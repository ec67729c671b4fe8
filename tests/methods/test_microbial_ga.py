"""The microbial GA on the embedded digits, in a small budget."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.methods.microbial_found import Outcome
from evoprune.methods.microbial_ga import (
    converged,
    evaluator_of,
    fitness,
    microbial_ga,
    mutants,
    rates_of,
    toolbox_of,
)
from evoprune.methods.microbial_settings import MicrobialConfig
from evoprune.methods.own import parts_of
from evoprune.running.problem import Problem, prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams
from operators.individuals import individual_type

SMALL: dict[str, Any] = {
    "population": 6,
    "best": 3,
    "every": 2,
    "generations": 6,
    "retrain_images": 128,
    "final_epochs": 1,
    "search_images": 100,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = prepare(MicrobialConfig(), Streams(0)).space.model
    path = tmp_path_factory.mktemp("digits") / "digits.pt"
    torch.save(model.state_dict(), path)
    return path


def search(trained: Path, **settings: Any) -> tuple[Outcome, Run, Problem]:
    config = MicrobialConfig(**{**SMALL, "weights": str(trained), **settings})
    streams = Streams(config.seed)
    problem = prepare(config, streams)
    run = Run(streams=streams, passes=problem.passes, bar=False)
    return microbial_ga(problem, config, run), run, problem


@pytest.fixture(scope="module")
def searched(trained: Path) -> tuple[Outcome, Run, Problem]:
    return search(trained)


@pytest.fixture(scope="module")
def front(trained: Path) -> tuple[Outcome, Run, Problem]:
    return search(trained, algorithm="nsga2", max_error=0.6)


def test_equation_1_by_hand() -> None:
    error, computation, zeroed = 0.1, 0.4, 0.75
    value = fitness((error, computation, 1 - zeroed), (0.3, 0.4, 0.3))
    assert value == pytest.approx(0.3 * 0.1 + 0.4 * 0.4 + 0.3 * 0.25)


@pytest.mark.parametrize("lambdas", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_a_single_weight_leaves_a_single_objective(lambdas: Any) -> None:
    assert fitness((0.1, 0.2, 0.3), lambdas) == (0.1, 0.2, 0.3)[lambdas.index(1)]


def test_a_search_that_gets_better_goes_on() -> None:
    assert not converged([0.5, 0.4, 0.3, 0.2], tolerance=0.01, patience=2)


def test_a_search_has_converged_when_enough_blocks_were_no_better() -> None:
    assert converged([0.5, 0.3, 0.295, 0.4], tolerance=0.01, patience=2)
    assert not converged([0.5, 0.3, 0.295, 0.4], tolerance=0.001, patience=2)


def test_a_search_has_not_converged_before_it_could() -> None:
    assert not converged([0.5, 0.5], tolerance=0.01, patience=2)


def test_the_curve_is_equation_1_in_each_generation(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    curve = searched[0].curve
    assert [row["generation"] for row in curve] == list(range(6))
    assert [row["block"] for row in curve] == [0, 0, 1, 1, 2, 2]
    for row in curve:
        values = row["error"], row["computation"], 1 - row["sparsity"]
        assert row["fitness"] == pytest.approx(fitness(values, (0.3, 0.4, 0.3)))


def test_within_a_block_the_elite_never_gets_worse(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    curve = searched[0].curve
    for before, after in ((0, 1), (2, 3), (4, 5)):
        assert curve[after]["fitness"] <= curve[before]["fitness"]


def test_each_elite_is_a_part_of_the_one_before(searched: tuple[Outcome, Run, Problem]) -> None:
    masks = [found.mask for found in searched[0].found]
    assert len(masks) == 3
    for before, after in pairwise(masks):
        assert not (after & ~before).any()


def test_what_was_removed_is_zero_in_the_retrained_network(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    outcome, _, problem = searched
    for found in outcome.found:
        left = sum(
            int(torch.count_nonzero(parameter)) for parameter in found.network.parameters()
        )
        every = sum(parameter.numel() for parameter in problem.space.model.parameters())
        assert left / every <= problem.space.params(found.mask) + 1e-9


def test_without_mutation_nothing_is_ever_removed(trained: Path) -> None:
    config = MicrobialConfig(**SMALL, weights=str(trained), controls=False)
    streams = Streams(0)
    problem = prepare(config, streams)
    run = Run(streams=streams, passes=problem.passes, bar=False)
    outcome = microbial_ga(problem, config, run, mutate=lambda individual: (individual,))
    assert all(found.mask.all() for found in outcome.found)


def test_a_block_begins_with_the_elite_of_the_one_before(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    outcome, _, problem = searched
    curve, elites = outcome.curve, outcome.found
    for block in (1, 2):
        before, first = elites[block - 1], curve[2 * block]
        assert first["sparsity"] >= 1 - problem.space.params(before.mask) - 1e-12


def test_the_passes_of_retraining_are_counted(searched: tuple[Outcome, Run, Problem]) -> None:
    outcome, run, problem = searched
    assert run.passes["training"] == 2 * 3 * 128
    final = 3 * len(problem.data.train)
    assert [found.passes for found in outcome.found] == [384, 768, 768 + final]


def test_only_the_last_elite_is_final_and_has_a_control_of_its_counts(
    searched: tuple[Outcome, Run, Problem],
) -> None:
    *others, last = searched[0].found
    assert last.final and not any(found.final for found in others)
    assert last.control is not None
    sizes = [
        [tuple(p.shape) for p in network.parameters()] for network in (last.network, last.control)
    ]
    assert sizes[0] == sizes[1]


def test_the_dense_network_stays_as_it_was(
    searched: tuple[Outcome, Run, Problem], trained: Path
) -> None:
    before = torch.load(trained, weights_only=True)
    after = searched[2].space.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_budget_of_passes_ends_it_before_a_retraining(trained: Path) -> None:
    outcome, run, _ = search(trained, passes=900, early=False)
    assert run.passes.spent() < 900 + 6 * 100
    assert len(outcome.found) == 1


def test_the_elites_of_all_blocks_may_be_retrained_at_the_end(
    searched: tuple[Outcome, Run, Problem], trained: Path
) -> None:
    outcome, _, problem = search(trained, retrain_all=True, controls=False)
    final = 3 * len(problem.data.train)
    assert [found.passes for found in outcome.found] == [384 + final, 768 + final, 768 + final]
    assert all(found.final for found in outcome.found)
    for one, other in zip(outcome.found, searched[0].found, strict=True):
        assert (one.mask == other.mask).all()


def test_without_controls_none_is_trained(trained: Path) -> None:
    outcome, _, _ = search(trained, generations=2, controls=False)
    assert [found.control for found in outcome.found] == [None]


def test_the_same_seed_gives_the_same_rows(
    searched: tuple[Outcome, Run, Problem], trained: Path
) -> None:
    again = search(trained)[0]
    assert again.curve == searched[0].curve
    assert [f.values for f in again.found] == [f.values for f in searched[0].found]


def test_early_stopping_changes_no_elite(
    searched: tuple[Outcome, Run, Problem], trained: Path
) -> None:
    assert search(trained, early=False)[0].curve == searched[0].curve


def test_table_1_has_a_curve_and_a_final_network_for_each_setting(trained: Path) -> None:
    outcome, _, _ = search(trained, table1=True, generations=2, controls=False)
    assert [row["search"] for row in outcome.curve] == [f"search-{i // 2}" for i in range(8)]
    assert [found.lambdas for found in outcome.found] == list(
        MicrobialConfig(table1=True).searches()
    )


def test_of_nsga2_no_network_beats_another(front: tuple[Outcome, Run, Problem]) -> None:
    points = np.array([found.values for found in front[0].found])
    for point in points:
        beaten = (points <= point).all(1) & (points < point).any(1)
        assert not beaten.any()


def test_of_nsga2_none_has_more_than_the_bound_of_the_error(
    front: tuple[Outcome, Run, Problem],
) -> None:
    assert all(found.values[0] <= 0.6 for found in front[0].found)


def test_nsga2_retrains_those_that_some_lambdas_would_choose(
    front: tuple[Outcome, Run, Problem],
) -> None:
    found = front[0].found
    points = np.array([one.values for one in found])
    for lambdas in ((0.3, 0.4, 0.3), (0.8, 0.1, 0.1)):
        assert found[int(np.argmin(points @ np.array(lambdas)))].final


def test_nsga2_notes_the_hypervolume_of_its_population(
    front: tuple[Outcome, Run, Problem],
) -> None:
    assert all(0 < row["hypervolume"] < 1 for row in front[0].curve)


def judge(trained: Path, **settings: Any) -> tuple[Any, FastEvaluator, MicrobialConfig]:
    config = MicrobialConfig(weights=str(trained), search_images=50, **settings)
    streams = Streams(0)
    problem = prepare(config, streams)
    evaluator = evaluator_of(problem, config, parts_of(config))
    return toolbox_of(evaluator, config, streams, parts_of(config)), evaluator, config


def test_filters_go_at_pmc_and_single_weights_at_pmf(trained: Path) -> None:
    _, evaluator, config = judge(trained)
    space = evaluator.space
    rates = dict(zip([layer.kind for layer in space.layers], rates_of(space, config), strict=True))
    assert rates == {"conv": 0.1, "linear": 0.15}


def test_mutants_are_copies_that_lost_about_the_rates(trained: Path) -> None:
    toolbox, evaluator, _ = judge(trained)
    whole = individual_type("mask", 3).from_numpy(np.ones(evaluator.space.size, bool))
    made = mutants(toolbox, whole, 20)
    offsets = evaluator.space.offsets
    linear = np.mean([one.to_numpy()[offsets[-2] :].mean() for one in made])
    filters = np.mean([one.to_numpy()[: offsets[1]].mean() for one in made])
    assert linear == pytest.approx(0.85, abs=0.03)
    assert filters == pytest.approx(0.9, abs=0.08)
    assert not any(one.fitness.valid for one in made)


def test_the_whole_networks_computation_may_be_counted(trained: Path) -> None:
    _, evaluator, config = judge(trained, computation="network")
    half = np.arange(evaluator.space.size) % 2 == 0
    value = evaluator.judge(half)[1]
    assert value == evaluator.space.macs(half, evaluator.macs)
    assert replace(config, computation="convolutions").objectives()[1] == "conv_macs"
