"""EMOFP, equation by equation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from torch import nn

from evoprune.errors import InputError
from evoprune.evaluation.latency import Latency
from evoprune.methods import emofp as method
from evoprune.methods.baselines import baseline
from evoprune.methods.emofp import emofp, first_masks, random_pairs
from evoprune.methods.emofp_settings import Emofp
from evoprune.methods.own import parts_of
from evoprune.methods.random_masks import KIND, mend
from evoprune.running import problem as problem_module
from evoprune.running.problem import Problem, prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams
from evoprune.space.filters import FilterSpace
from evoprune.space.weights import WeightSpace

Begin = Callable[..., tuple[Problem, Emofp, Run]]
LITTLE: dict[str, Any] = {
    "population": 6, "generations": 2, "search_images": 60, "epochs": 0, "random": False,
    "bounds": (0.0, 1.0),
}  # fmt: skip


@pytest.fixture
def begin(digits_weights: Any) -> Begin:
    """Return a function that makes all that a small run needs; settings by name."""

    def make(**settings: Any) -> tuple[Problem, Emofp, Run]:
        config = Emofp(weights=str(digits_weights), **LITTLE | settings)
        streams = Streams(config.seed)
        problem = prepare(config, streams)
        return problem, config, Run(streams=streams, passes=problem.passes, bar=False)

    return make


def toolbox_of(problem: Problem, config: Emofp, **own: Any) -> Any:
    evaluator = problem.evaluator(images=60)
    judge = method.BoundedEvaluator(evaluator, config.bounds)
    return method.emofp_toolbox(judge, problem, config, parts_of(config, own), None)


def test_crossover_gives_one_stretch_of_the_other_parent(begin: Begin) -> None:
    toolbox = toolbox_of(*begin()[:2])
    for _ in range(20):
        a, b = KIND([1] * 80), KIND([0, 1] * 40)  # no layer is ever empty
        toolbox.mate(a, b)
        changed = np.flatnonzero(a.to_numpy() == 0)
        assert changed.size == 0 or (np.diff(changed) == 2).all()
        assert a.count() + b.count() == 120


@pytest.mark.parametrize(("per", "flips"), [("gene", 0.2 * 80), ("individual", 1.0)])
def test_a_mutated_child_flips_as_many_bits_as_its_reading_of_pm_says(
    begin: Begin, per: str, flips: float
) -> None:
    problem, config, _ = begin(pm_per=per)
    toolbox, half = toolbox_of(problem, config), np.arange(80) % 2 == 0
    counts = []
    for _ in range(300):
        (child,) = toolbox.mutate(KIND.from_numpy(half))
        counts.append(np.count_nonzero(child.to_numpy() != half))
    assert np.mean(counts) == pytest.approx(flips, rel=0.25)


@pytest.mark.parametrize(("per", "probability"), [("gene", 1.0), ("individual", 0.2)])
def test_a_child_is_mutated_as_often_as_its_reading_of_pm_says(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, per: str, probability: float
) -> None:
    asked, loop = {}, method.nsga2

    def watch(*given: Any, **settings: Any) -> Any:
        asked.update(settings)
        return loop(*given, **settings)

    monkeypatch.setattr(method, "nsga2", watch)
    emofp(*begin(pm_per=per))
    assert (asked["mutation_probability"], asked["mating_probability"]) == (probability, 0.9)


def test_the_two_parents_of_a_pair_are_different_and_all_are_drawn_alike() -> None:
    people = [SimpleNamespace(name=name) for name in "abcde"]  # no fitness is asked for
    drawn = random_pairs(people, 5001, rng=np.random.default_rng(0))
    assert len(drawn) == 5001
    assert all(a is not b for a, b in zip(drawn[::2], drawn[1::2], strict=False))
    assert all(900 < sum(one is person for one in drawn) < 1100 for person in people)


def test_an_empty_layer_gets_its_strongest_filter_back_and_the_child_keeps_it(
    model: nn.Module,
) -> None:
    space = FilterSpace(model, (1, 8, 8))
    mask = mend(KIND([0, 0, 0, 1, 0, 0, 1]), space=space)
    strongest = int(np.argmax(space.magnitudes[:3]))
    assert np.flatnonzero(mask.to_numpy()).tolist() == [strongest, 3, 6]
    assert space.passes["repaired"] == 1


def test_a_mask_that_is_whole_is_left_and_not_counted(model: nn.Module) -> None:
    space = FilterSpace(model, (1, 8, 8))
    assert mend(KIND([1, 0, 0, 1, 0, 0, 1]), space=space).count() == 3
    assert space.passes["repaired"] == 0


def test_children_are_mended_after_crossover_and_after_mutation(begin: Begin) -> None:
    problem, config, _ = begin()

    def clear(individual: Any) -> tuple[Any]:
        individual.packed[:] = 0
        return (individual,)

    toolbox = toolbox_of(problem, config, mutate=clear)
    (child,) = toolbox.mutate(KIND([1] * 80))
    assert child.count() == 3 == problem.passes["repaired"]
    a, b = toolbox.mate(KIND([0] * 80), KIND([0] * 80))
    assert a.count() == b.count() == 3


def test_the_first_masks_are_random_bits(begin: Begin) -> None:
    problem, config, _ = begin(population=50)
    masks = toolbox_of(problem, config).population()
    kept = np.mean([mask.count() for mask in masks]) / 80
    assert len(masks) == 50 and 0.47 < kept < 0.53
    assert len({mask.digest() for mask in masks}) == 50


def test_seeding_makes_every_second_first_mask_one_cut_by_norms(begin: Begin) -> None:
    problem, config, _ = begin(seeded=True)
    masks = toolbox_of(problem, config).population()
    expected = [("layer-uniform", 0.75), ("global-magnitude", 0.5), ("layer-uniform", 0.25)]
    for place, (name, density) in zip((1, 3, 5), expected, strict=True):
        wanted = baseline(name, problem.space, density)
        assert (masks[place].to_numpy() == wanted).all()


def test_guided_first_masks_keep_their_counts_and_cost_passes(begin: Begin) -> None:
    problem, config, _ = begin(guided=True, population=4)
    toolbox = toolbox_of(problem, config)
    plain = [toolbox.individual(density=0.5).count() for _ in range(4)]
    problem.streams = Streams(config.seed)
    again = toolbox_of(problem, config)
    before = problem.passes["guidance"]
    guided = first_masks(again, problem.space, config, problem.guidance())  # type: ignore[arg-type]
    assert [mask.count() for mask in guided] == plain
    assert problem.passes["guidance"] - before >= 4 * 20 * 3 * 128
    assert not any(hasattr(mask, "score") for mask in guided)


def test_all_that_is_handed_over_keeps_to_the_bounds_and_none_beats_another(begin: Begin) -> None:
    problem, config, run = begin(bounds=(0.3, 0.8), generations=4)
    front = emofp(problem, config, run).front
    assert front and all(0.3 <= one.error <= 0.8 for one in front)
    sizes, errors = [one.density for one in front], [one.error for one in front]
    assert sizes == sorted(sizes) and errors == sorted(errors, reverse=True)


@pytest.mark.parametrize("bounds", [(0.0, 1.0), (0.0, 0.6), (0.2, 0.7)])
def test_early_stopping_changes_no_row_under_bounds(
    begin: Begin, monkeypatch: pytest.MonkeyPatch, bounds: tuple[float, float]
) -> None:
    monkeypatch.setattr("evoprune.evaluation.fastpath.ROUND", 15)
    found: dict[bool, Any] = {}
    spared = {}
    for early in (True, False):
        settings = {"generations": 12, "bounds": bounds, "search_images": 150}
        problem, config, run = begin(early=early, seeded=True, **settings)
        front = emofp(problem, config, run).front
        found[early] = [(one.mask.tobytes(), one.error) for one in front]
        spared[early] = problem.passes["spared"]
    assert found[True] == found[False] != []
    assert spared[True] > 0 == spared[False]


def test_the_same_seed_finds_the_same_front_and_another_seed_another(begin: Begin) -> None:
    fronts = [[one.mask.tobytes() for one in emofp(*begin(seed=seed)).front] for seed in (1, 1, 2)]
    assert fronts[0] == fronts[1] != fronts[2]


def test_bounds_that_nothing_keeps_to_are_told_in_one_line(begin: Begin) -> None:
    with pytest.raises(InputError, match=r"bounds: expected a mask with an error from 0 to 0.001"):
        emofp(*begin(bounds=(0.0, 0.001)))


@pytest.mark.parametrize("size", ["macs", "params"])
def test_another_size_is_minimised_if_asked_for(begin: Begin, size: str) -> None:
    problem, config, run = begin(size=size)
    front = emofp(problem, config, run).front
    judge = problem.evaluator(objectives=(size,))
    sizes = [judge.judge(one.mask)[1] for one in front]
    errors = [one.error for one in front]
    by_size = [error for _, error in sorted(zip(sizes, errors, strict=True))]
    assert by_size == sorted(errors, reverse=True) and len(set(sizes)) == len(sizes)
    assert config.objectives() == ("error", size)


def test_measured_latency_is_minimised_as_a_share_of_the_dense_network_s(
    begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clock(networks: Any, images: Any, *, runs: int) -> np.ndarray:
        """Take as many milliseconds as a network has weights."""
        sizes = [sum(p.numel() for p in network.parameters()) for network in networks]
        return np.tile(np.array(sizes, float), (runs, 1))

    monkeypatch.setattr(problem_module, "Latency", partial(Latency, timer=clock))
    problem, config, run = begin(size="latency")
    front = emofp(problem, config, run).front
    judge = problem.evaluator(objectives=("params",))
    shares = {one.error: judge.judge(one.mask)[1] for one in front}
    assert [shares[e] for e in sorted(shares)] == sorted(shares.values(), reverse=True)
    assert problem.passes["latency"] > 0 and problem.passes["spared"] == 0
    assert config.objectives() == ("error", "latency")


def test_a_random_search_spends_as_many_passes_as_the_search(begin: Begin) -> None:
    problem, config, run = begin(random=True, generations=6)
    outcome = emofp(problem, config, run)
    spent = run.notes["passes of the search"]
    assert spent <= problem.passes["fitness"] - spent < spent + 6 * 60
    assert outcome.random and {one.phase for one in outcome.random} == {"random"}


def test_a_network_without_convolutions_is_refused_unless_neurons_are_asked_for() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 10))
    space = FilterSpace(network, (1, 8, 8))
    with pytest.raises(InputError, match=r"convolutions, Sequential has none; write --genes neur"):
        method.check_space(space, Emofp())
    assert method.check_space(space, Emofp(genes="neurons")) is space


def test_a_space_of_weights_is_refused(model: nn.Module) -> None:
    with pytest.raises(InputError, match="space: expected one of filters"):
        method.check_space(WeightSpace(model), Emofp())


@pytest.mark.parametrize("count", [1, 8])
def test_counts_that_no_mask_can_have_are_refused(model: nn.Module, count: int) -> None:
    with pytest.raises(InputError, match=f"keep: expected 2 to 7 filters.* got {count}"):
        method.check_space(FilterSpace(model, (1, 8, 8)), Emofp(keep=(count,)))
