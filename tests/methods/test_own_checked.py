"""A part of one's own, and what it hands back, is looked at before a loop trips over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from deap import base, tools

from evoprune.errors import InputError, OperatorError
from evoprune.methods.hierarchical import hierarchical
from evoprune.methods.own import check_own, parts_of, register_own, watched_objective
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams
from operators import BitString, individual_type, mutFlip
from operators.layout import Layout

KIND = individual_type("mask", 2)
LAYOUT = Layout.plain([3, 5])
SMALL = {"population": 4, "generations": (1, 1), "search_images": 60, "guided": False}


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evoprune.running.problem.EPOCHS", 2)


def searched(toolbox: Any = None, **own: Any) -> Any:
    config = Config(**{**SMALL, **own.pop("config", {})})
    streams = Streams(config.seed)
    problem = prepare(config, streams)
    run = Run(streams=streams, passes=problem.passes, bar=False)
    return hierarchical(problem, config, run, toolbox=toolbox, **own), run


def filled(**own: Any) -> Any:
    """Return a toolbox with these operators in their slots."""
    toolbox = base.Toolbox()
    register_own(toolbox, own, LAYOUT, Streams(0), KIND)
    return toolbox


@pytest.mark.parametrize(
    "made", [[1] * 8, None, BitString([1] * 8), np.ones(8, bool), KIND([1, 0])]
)
def test_what_is_no_individual_of_the_genomes_length_is_refused_in_each_slot(made: Any) -> None:
    individual = KIND([1] * 8)
    with pytest.raises(OperatorError, match=r"mutate: .*: expected an individual of 8 genes, got"):
        filled(mutate=lambda individual: (made,)).mutate(individual)
    with pytest.raises(OperatorError, match=r"mate: .*: expected an individual of 8 genes, got"):
        filled(mate=lambda first, second: (first, made)).mate(individual, individual)
    with pytest.raises(OperatorError, match=r"init: .*: expected an individual of 8 genes, got"):
        filled(init=lambda container: made).individual(density=0.5)


def test_an_operator_may_hand_back_a_new_individual() -> None:
    (made,) = filled(mutate=lambda individual: (KIND([0] * 8),)).mutate(KIND([1] * 8))
    assert made == [0] * 8


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (lambda individuals, k: individuals[: k - 1], "expected a list of 2, got one of 1$"),
        (lambda individuals, k: individuals, "expected a list of 2, got one of 3$"),
        (lambda individuals, k: None, "expected a list of 2, got None"),
        (lambda individuals, k: iter(individuals[:k]), "expected a list of 2, got <list_iterator"),
        (lambda individuals, k: [KIND(i) for i in individuals[:k]], "themselves, got copies or"),
    ],
)
def test_a_selection_hands_back_as_many_of_the_individuals_as_asked_for(
    chosen: Callable[..., Any], message: str
) -> None:
    with pytest.raises(OperatorError, match=f"select: <lambda> failed: TypeError: .*{message}"):
        filled(select=chosen).select([KIND([i] * 8) for i in (0, 1, 1)], 2)


def test_a_selection_may_choose_one_twice() -> None:
    only = KIND([1] * 8)
    assert filled(select=lambda individuals, k: individuals * k).select([only], 2) == [only] * 2


def test_a_selection_of_ones_own_is_refused_where_none_is_asked() -> None:
    message = "select: expected none with moead, .*; leave it out or write --algorithm nsga2"
    with pytest.raises(InputError, match=message):
        parts_of(Config(algorithm="moead", select="selTournament"))
    with pytest.raises(InputError, match=message):
        parts_of(Config(algorithm="moead"), {"select": tools.selBest})


@pytest.mark.parametrize("part", ["mutate", "select", "objective"])
def test_a_name_in_the_place_of_a_function_is_refused(part: str) -> None:
    with pytest.raises(InputError, match=f"{part}: expected a function, got 'mutFlip'; a name"):
        parts_of(Config(), {part: "mutFlip"})


def test_what_is_asked_for_by_place_alone_is_refused() -> None:
    def mutPlaced(individual: Any, rng: Any, /) -> Any:
        return (individual,)

    with pytest.raises(InputError, match="mutate: mutPlaced: expected 'rng' to be taken by name"):
        check_own({"mutate": mutPlaced}, Streams(0), guided=False)


def test_an_operator_of_ones_own_may_have_the_name_of_one_of_deaps() -> None:
    def mutGaussian(individual: Any) -> Any:
        return (individual,)

    check_own({"mutate": mutGaussian}, Streams(0), guided=False)


def test_an_objective_that_needs_more_than_a_candidate_is_refused() -> None:
    message = r"objective: expected a function of a Candidate alone, got <lambda>\(candidate, a\)"
    with pytest.raises(InputError, match=message):
        parts_of(Config(), {"objective": lambda candidate, a: a})


def test_an_importance_that_asks_for_what_nobody_offers_is_refused_before_any_work() -> None:
    with pytest.raises(InputError, match="importance: <lambda>: nobody offers 'moon'"):
        parts_of(Config(), {"importance": lambda moon: moon})


@pytest.mark.parametrize("value", [0.5, np.float32(0.5), torch.tensor(0.5), np.array(0.5)])
def test_an_objective_gives_a_float_whatever_number_it_returns(value: Any) -> None:
    judged = watched_objective(lambda candidate: value)(None)
    assert (judged, type(judged)) == (0.5, float)


def test_an_objective_that_is_not_a_number_is_infinitely_bad() -> None:
    assert watched_objective(lambda candidate: np.nan)(None) == np.inf
    assert watched_objective(lambda candidate: -np.inf)(None) == -np.inf


@pytest.mark.parametrize("value", [None, (0.5,), "bad"])
def test_an_objective_that_returns_no_number_is_named(value: Any) -> None:
    with pytest.raises(OperatorError, match=r"objective: <lambda> failed: (Type|Value)Error: .*"):
        watched_objective(lambda candidate: value)(None)


def test_an_objective_that_fails_at_once_is_named_with_the_line() -> None:
    message = r"objective: <lambda> failed in .*test_own_checked.py:\d+: ZeroDivisionError"
    with pytest.raises(OperatorError, match=message):
        searched(objective=lambda candidate: 1 / 0)


def test_an_objective_that_fails_on_a_candidate_leaves_the_candidate() -> None:
    def fails(candidate: Any) -> float:
        return 1.0 if not candidate.mask.any() else 1 / 0

    with pytest.raises(OperatorError, match=r"objective: fails failed in .*:\d+: Zero") as caught:
        searched(objective=fails)
    assert len(caught.value.individual)


def test_a_candidate_whose_objective_is_not_a_number_does_not_end_the_run() -> None:
    def sometimes(candidate: Any) -> float:
        kept = candidate.mask.mean()
        return np.nan if 0 <= kept < 0.2 else 1 - kept

    found, run = searched(objective=sometimes)
    assert all(solution.density >= 0.2 for solution in found.front)
    assert np.isfinite(run.logbook.select("hypervolume")).all()


def test_an_objective_that_makes_nothing_of_the_dense_network_is_refused() -> None:
    with pytest.raises(InputError, match="objective: expected a finite number for the dense netw"):
        searched(objective=lambda candidate: np.nan)


def test_an_importance_of_words_is_named() -> None:
    with pytest.raises(OperatorError, match="importance: <lambda> failed: ValueError: could not"):
        searched(importance=lambda weights: ["high"] * len(weights))


@pytest.mark.parametrize("slot", ["map", "clone"])
def test_a_toolbox_takes_a_plain_function_as_it_takes_a_partial(slot: str) -> None:
    plain = {"map": map, "clone": lambda individual: type(individual)(individual)}
    own = base.Toolbox()
    setattr(own, slot, plain[slot])
    assert searched(own)[0].front


@pytest.mark.parametrize("passes", [None, 4000])
def test_a_toolbox_takes_a_saliency_that_is_a_function(passes: int | None) -> None:
    own, calls = base.Toolbox(), []
    own.saliency = lambda mask: calls.append(1) or np.ones(len(mask), np.float32)
    searched(own, config={"guided": True, "passes": passes})
    assert len(calls) == 60  # twenty a rung


def test_a_users_toolbox_is_as_it_was_after_a_run() -> None:
    own = base.Toolbox()
    own.register("mutate", mutFlip, rate=0.01, rng=np.random.default_rng(0))
    before = dict(vars(own))
    searched(own, mate=lambda first, second: (first, second))
    assert vars(own) == before


def test_children_of_a_crossover_of_ones_own_know_their_parents() -> None:
    seen = []

    def cxBoth(first: Any, second: Any) -> Any:
        first[0], second[0] = 1 - first[0], 1 - second[0]
        return first, second

    def mutSeeing(individual: Any) -> Any:
        parents = getattr(individual, "parents", None)
        seen.append(parents is not None and individual.digest() not in parents)
        return (individual,)

    searched(mate=cxBoth, mutate=mutSeeing)
    assert len(seen) == 4
    assert any(seen)
