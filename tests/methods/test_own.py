"""Parts of one's own in the two-phase method: used as given, watched, and refused in time."""

from __future__ import annotations

import pickle
from functools import partial
from typing import Any

import numpy as np
import pytest
from deap import base, tools
from torch.nn import functional

from evoprune.errors import InputError, OperatorError
from evoprune.methods.hierarchical import hierarchical
from evoprune.methods.own import check_own, importance_of, parts_of, register_own, try_own
from evoprune.network.importance import importance
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.running.run import Run
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from operators import (
    CATALOGUE,
    cxLayers,
    individual_type,
    initImportance,
    mutDrift,
    mutFlip,
    selNSGA2,
    selTournament,
)
from operators.layout import Layout

SMALL = {"population": 4, "generations": (1, 1), "search_images": 60, "guided": False}
KIND = individual_type("mask", 2)
LAYOUT = Layout.plain([3, 5])


def searched(**own: Any) -> Any:
    config = Config(**{**SMALL, **own.pop("config", {})})
    streams = Streams(config.seed)
    problem = prepare(config, streams, space=None)
    run = Run(streams=streams, passes=problem.passes, bar=False)
    return hierarchical(problem, config, run, **own), run


@pytest.fixture(autouse=True)
def trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("evoprune.running.problem.EPOCHS", 2)


def filled(**own: Any) -> Any:
    """Return a toolbox with these operators in their slots."""
    toolbox = base.Toolbox()
    register_own(toolbox, own, LAYOUT, Streams(0), KIND)
    return toolbox


def mutNoted(individual: Any, *, space: Any, score: Any, rng: Any) -> Any:
    mutNoted.seen = (space.genes, len(score), rng)  # type: ignore[attr-defined]
    return (individual,)


def test_a_mutation_is_given_space_score_and_the_stream_of_its_slot() -> None:
    searched(mutate=mutNoted)
    genes, scores, rng = mutNoted.seen  # type: ignore[attr-defined]
    assert genes == scores > 1000
    assert isinstance(rng, np.random.Generator)


def test_a_mutation_that_asks_for_a_saliency_gets_that_of_the_current_mask() -> None:
    shapes = []

    def mutGuided(individual: Any, *, saliency: Any) -> Any:
        shapes.append(saliency(individual).shape == (len(individual),))
        return (individual,)

    searched(mutate=mutGuided, config={"guided": True})
    assert shapes
    assert all(shapes)


def test_every_slot_takes_an_operator_of_the_users() -> None:
    used = set()

    def initNoted(container: Any, *, size: int, density: float) -> Any:
        used.add("init")
        return container(np.arange(size) < density * size)

    def cxNoted(a: Any, b: Any, *, layers: Any, rng: Any) -> Any:
        used.add("mate")
        return cxLayers(a, b, layers=layers, rate=0.5, rng=rng)

    def selNoted(individuals: Any, k: int) -> Any:
        used.add("select")
        return selNSGA2(individuals, k)

    searched(init=initNoted, mate=cxNoted, select=selNoted)
    assert used == {"init", "mate", "select"}


def test_an_initialiser_is_asked_for_the_density_of_each_rung() -> None:
    toolbox = filled(init=lambda container, size, density: container(np.arange(8) < 8 * density))
    assert toolbox.individual(density=0.25).count() == 2


def test_a_density_that_the_user_set_stays() -> None:
    def initAt(container: Any, *, size: int, density: float) -> Any:
        return container(np.arange(size) < size * density)

    assert filled(init=partial(initAt, density=0.5)).individual(density=0.25).count() == 4


def test_the_same_mutation_by_name_and_by_function_gives_the_same_run() -> None:
    by_name = searched(config={"mutate": "mutFlip", "mutate_args": {"rate": 0.01}})
    by_function = searched(mutate=partial(mutFlip, rate=0.01))
    assert list(by_name[1].logbook) == list(by_function[1].logbook)


def test_what_is_given_from_python_goes_before_what_the_settings_name() -> None:
    parts = parts_of(Config(mutate="mutFlip"), {"mutate": mutNoted})
    assert parts.slots == {"mutate": mutNoted}


def test_a_part_that_is_none_leaves_the_methods_own() -> None:
    assert parts_of(Config(), {"mutate": None}).slots == {}


def test_a_misspelt_part_brings_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown part 'mutat': did you mean 'mutate'"):
        parts_of(Config(), {"mutat": mutFlip})


def test_an_objective_of_ones_own_is_minimised_beside_the_density() -> None:
    def below(candidate: Any) -> float:
        """Lie below 0, guessing too: at ln 10 - 3."""
        return float(functional.cross_entropy(candidate.logits, candidate.labels)) - 3

    found, run = searched(objective=below)
    values = [solution.value for solution in found.front]
    assert values == sorted(values, reverse=True)  # sparsest first, each denser one better
    assert run.reference == (run.notes["guess"], 1.0)
    assert run.logbook[-1]["hypervolume"] > 0


def test_an_objective_of_ones_own_that_is_the_error_finds_what_the_error_finds() -> None:
    def mine(candidate: Any) -> float:
        return float((candidate.logits.argmax(1) != candidate.labels).double().mean())

    ours, _ = searched(config={"measure": "error", "early": False})
    theirs, _ = searched(objective=mine)
    error = {(s.error, s.density) for s in ours.coarse}
    assert {(s.error, s.density) for s in theirs.coarse} == error


def test_importance_by_name_is_that_of_the_training_images() -> None:
    problem = prepare(Config(), Streams(0))
    state = problem.streams.data.bit_generator.state
    ours = importance_of(problem, "taylor")
    problem.streams.data.bit_generator.state = state
    plain = importance("taylor", problem.space.model, problem.space.layers, problem.batches())
    assert np.array_equal(ours, plain)
    assert problem.passes["guidance"] == 3 * 1024


def test_an_importance_of_ones_own_is_asked_for_once_and_orders_the_weights_of_phase_2() -> None:
    asked = []

    def backwards(weights: Any) -> Any:
        asked.append(len(weights))
        return -np.abs(weights)

    seen = []

    def mutSeeing(individual: Any, *, score: Any) -> Any:
        seen.append(float(score.max()))
        return (individual,)

    searched(importance=backwards, mutate=mutSeeing)
    assert len(asked) == 1
    assert max(seen) <= 0


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda weights: weights[:-1], r"importance: expected 19088 finite numbers"),
        (lambda weights: weights * np.nan, "importance: expected 19088 finite numbers, .* got 0"),
        (lambda weights, moon: weights, "importance: <lambda>: nobody offers 'moon'"),
    ],
)
def test_an_importance_that_will_not_do_is_refused(score: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        searched(importance=score)


def test_an_importance_that_fails_is_named() -> None:
    with pytest.raises(OperatorError, match=r"importance: <lambda> failed in .*ZeroDivisionError"):
        searched(importance=lambda: 1 / 0)


def test_a_score_does_not_change_the_space_that_it_was_made_from() -> None:
    space = prepare(Config(), Streams(0)).space
    other = space.scored(-space.magnitudes)
    assert np.array_equal(space.importance, space.magnitudes)
    assert np.array_equal(other.layout().score, -space.magnitudes)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"mutate": lambda individual, moon: individual}, "mutate: <lambda>: nobody offers 'moon'"),
        ({"mate": lambda one: one}, "mate: .*expected 2 arguments in front"),
        ({"mutate": lambda i, saliency: i}, "nobody offers 'saliency'"),
    ],
)
def test_an_operator_that_cannot_be_served_is_refused_before_any_work(
    own: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        check_own(own, Streams(0), guided=False)


def test_an_operator_of_deap_for_reals_is_refused_before_any_work() -> None:
    own = {"mutate": partial(tools.mutGaussian, mu=0, sigma=1, indpb=0.1)}
    with pytest.raises(InputError, match="mutate: mutGaussian is for reals"):
        check_own(own, Streams(0), guided=False)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"mutate": partial(mutFlip, rate=-1)}, "mutate: mutFlip: rate: expected a share from 0"),
        ({"mate": partial(cxLayers, rate=2)}, "mate: cxLayers: rate: expected a share from 0"),
        ({"init": partial(initImportance, sharpness=-1)}, "init: initImportance: sharpness"),
        ({"select": partial(selTournament, tournsize=0)}, "select: selTournament: tournsize"),
        ({"mutate": partial(mutDrift, decay=1)}, "mutate: mutDrift: decay: expected 0 to below"),
    ],
)
def test_a_setting_out_of_its_range_is_refused_before_any_work(own: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        try_own(own, LAYOUT)


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_operator_of_the_library_passes_the_trial_as_it_comes(name: str) -> None:
    entry = CATALOGUE[name]
    if entry.genome != "thresholds":
        try_own({entry.slot: entry.operator}, LAYOUT)


def test_a_users_own_operator_is_not_called_before_its_time() -> None:
    try_own({"mutate": mutBroken}, LAYOUT)


def mutBroken(individual: Any) -> Any:
    individual[0] = 1 - individual[0]
    raise FloatingPointError("the operator broke\nin two lines")


def test_a_mutation_that_fails_is_named_with_the_line_and_the_individual_as_it_was() -> None:
    toolbox = filled(mutate=mutBroken)
    message = r"mutBroken failed in .*test_own.py:\d+: FloatingPointError: the operator broke$"
    with pytest.raises(OperatorError, match=message) as caught:
        toolbox.mutate(KIND([1, 0, 1, 0, 1, 0, 1, 0]))
    assert caught.value.individual == [1, 0, 1, 0, 1, 0, 1, 0]


def test_the_line_is_the_last_one_in_the_operators_own_file() -> None:
    def mutBeyond(individual: Any) -> Any:
        individual[len(individual)] = 1

    with pytest.raises(OperatorError, match=r"mutBeyond failed in .*test_own.py:\d+: IndexError"):
        filled(mutate=mutBeyond).mutate(KIND([1] * 8))


@pytest.mark.parametrize("made", [None, [1], (), "individual"])
def test_a_mutation_that_returns_no_tuple_is_named(made: Any) -> None:
    with pytest.raises(OperatorError, match="mutate: <lambda> failed: TypeError: expected a tuple"):
        filled(mutate=lambda individual: made).mutate(KIND([1] * 8))


def test_a_selection_that_fails_is_named_without_an_individual() -> None:
    def selBroken(individuals: Any, k: int) -> Any:
        raise IndexError("nobody left")

    with pytest.raises(OperatorError, match=r"select: selBroken failed in .*nobody left") as caught:
        filled(select=selBroken).select([], 2)
    assert caught.value.individual is None


def test_an_operator_error_comes_back_whole_from_a_worker() -> None:
    failed = OperatorError("mutMine", "mutate", KIND([1, 0]), ValueError("no"))
    back = pickle.loads(pickle.dumps(failed))
    assert str(back) == str(failed)
    assert back.individual == [1, 0]


def test_a_failing_operator_stops_the_loop_and_leaves_the_population_as_it_was() -> None:
    toolbox = filled(mutate=mutBroken, mate=lambda a, b: (a, b))
    toolbox.register("evaluate", lambda individual: (float(individual.count()), 0.0))
    toolbox.register("select", selNSGA2)
    population = [KIND([i % 2] * 8) for i in range(4)]
    steps = nsga2(toolbox, population, rng=np.random.default_rng(0))
    first = next(steps)
    before = [individual.to_numpy() for individual in first.population]
    with pytest.raises(OperatorError, match="the operator broke"):
        next(steps)
    assert all(np.array_equal(b, i) for b, i in zip(before, first.population, strict=True))

