"""The microbial GA: the best are parents, the elite stays, early stopping changes no population."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
from deap import base

from evoprune.errors import InputError
from evoprune.search.microbial import chosen, judge_best, microbial
from operators import cxUniformPacked, individual_type, mutFlip

GENES, IMAGES, ROUND = 30, 40, 4
KIND = individual_type("mask", 2)
LOST = np.random.default_rng(0).random((IMAGES, GENES)) * np.geomspace(1, 1e-2, IMAGES)[:, None]


def losses(individual: Any) -> np.ndarray:
    return LOST @ (1 - np.asarray(individual, float)) / GENES


def whole(individual: Any) -> tuple[float, float]:
    return float(losses(individual).sum() / IMAGES), individual.count() / GENES


class Shown:
    """A trial that counts the images that it has shown, the hardest first."""

    images = 0

    def __init__(self, individual: Any) -> None:
        self.losses, self.final, self.seen = losses(individual), whole(individual), 0
        self.low: tuple[float, ...] = (0.0, self.final[1])
        self.values: tuple[float, ...] | None = None

    def advance(self) -> None:
        self.seen += ROUND
        Shown.images += ROUND
        self.low = (float(self.losses[: self.seen].sum() / IMAGES) - 1e-12, self.final[1])
        if self.seen == IMAGES:
            self.values = self.low = self.final

    def give_up(self) -> None:
        assert self.values is None


def run(seed: int = 0, stop: int = 30, *, early: bool = False, **settings: Any) -> list[Any]:
    rng, toolbox = np.random.default_rng(seed), base.Toolbox()
    toolbox.register("evaluate", whole)
    toolbox.register("mate", cxUniformPacked, rate=0.5, rng=rng)
    toolbox.register("mutate", mutFlip, rate=1 / GENES, rng=rng)
    if early:
        toolbox.register("trial", Shown)
    population = [KIND.from_numpy(rng.random(GENES) < 0.5) for _ in range(12)]
    settings = {"weights": (0.7, 0.3), "best": 4} | settings
    return list(islice(microbial(toolbox, population, rng=rng, **settings), stop))


def total(individual: Any, weights: tuple[float, float] = (0.7, 0.3)) -> float:
    return float(np.dot(weights, whole(individual)))


@pytest.mark.parametrize("seed", range(8))
def test_populations_and_parents_are_the_same_with_early_stopping(seed: int) -> None:
    quick, slow = run(seed, early=True), run(seed)
    for one, other in zip(quick, slow, strict=True):
        assert [list(x) for x in one.population] == [list(x) for x in other.population]
        parents = [chosen(g.population, np.array([0.7, 0.3]), 4) for g in (one, other)]
        assert [x.fitness.values for x in parents[0]] == [x.fitness.values for x in parents[1]]


def test_early_stopping_shows_fewer_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shown, "images", 0)
    generations = run(early=True)
    judged = sum(len(generation.offspring) for generation in generations)
    assert 0 < Shown.images < 0.9 * judged * IMAGES


def test_the_elite_comes_first_and_never_gets_worse() -> None:
    sums = [total(generation.population[0]) for generation in run()[1:]]
    assert sums == sorted(sums, reverse=True)
    assert sums[-1] < sums[0]


def test_the_elite_is_the_best_of_the_generation_before() -> None:
    for before, after in zip((made := run()), made[1:], strict=False):
        assert after.population[0] is min(before.population, key=total)


def test_all_but_the_elite_are_new() -> None:
    for generation in run()[1:]:
        assert generation.population[1:] == generation.offspring
        assert len(generation.offspring) == 11


def test_without_mating_and_mutation_children_are_copies_of_the_best_but_its_first() -> None:
    rng, toolbox = np.random.default_rng(0), base.Toolbox()
    toolbox.register("evaluate", whole)
    toolbox.register("mutate", lambda individual: (individual,))
    population = [KIND.from_numpy(rng.random(GENES) < 0.5) for _ in range(12)]
    loop = microbial(
        toolbox, population, weights=(0.7, 0.3), best=3, mating_probability=0.0, rng=rng
    )
    _, after = islice(loop, 2)
    best = sorted(population, key=total)[:3]
    assert after.population[0] is best[0]
    assert {x.digest() for x in after.offspring} <= {x.digest() for x in best[1:]}


def test_a_run_stopped_goes_on_as_if_it_had_not_been() -> None:
    made, rng, toolbox = run(stop=11), np.random.default_rng(0), base.Toolbox()
    toolbox.register("evaluate", whole)
    toolbox.register("mate", cxUniformPacked, rate=0.5, rng=rng)
    toolbox.register("mutate", mutFlip, rate=1 / GENES, rng=rng)
    population = [KIND.from_numpy(rng.random(GENES) < 0.5) for _ in range(12)]
    settings: dict[str, Any] = {"weights": (0.7, 0.3), "best": 4, "rng": rng}
    half = list(islice(microbial(toolbox, population, **settings), 6))[-1]
    on = microbial(toolbox, half.population, number=half.number, state=half.state, **settings)
    rest = list(islice(on, 5))
    assert [g.number for g in rest] == [6, 7, 8, 9, 10]
    assert [list(x) for x in rest[-1].population] == [list(x) for x in made[-1].population]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weights": (1.0,)}, r"^weights: expected 2 numbers of 0 or more.*write weights=\[0.5"),
        ({"weights": (1.0, -0.1)}, "^weights: expected 2 numbers of 0 or more"),
        ({"best": 1}, "^best: expected 2 to 12, got 1; write best=2$"),
        ({"best": 13}, "^best: expected 2 to 12, got 13"),
        ({"mating_probability": 1.5}, "^mating_probability: expected 0 to 1, got 1.5$"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        run(**settings)


def constrained(individual: Any) -> tuple[float, float]:
    individual.fitness.violation = max(0.0, 0.4 - individual.count() / GENES)
    return whole(individual)


def test_of_two_the_feasible_one_is_better_whatever_the_sums() -> None:
    inside, near, far = (KIND.zeros(GENES) for _ in range(3))
    for individual, value, violation in ((inside, 0.9, 0.0), (near, 0.1, 0.2), (far, 0.0, 0.5)):
        individual.fitness.values = (value, value)
        individual.fitness.violation = violation
    ordered = chosen([far, near, inside], np.array([0.7, 0.3]), 3)
    assert [one is other for one, other in zip(ordered, [inside, near, far], strict=True)] == [
        True
    ] * 3


def test_the_elite_stays_feasible_where_the_smallest_sum_is_not() -> None:
    rng, toolbox = np.random.default_rng(0), base.Toolbox()
    toolbox.register("evaluate", constrained)
    toolbox.register("mate", cxUniformPacked, rate=0.5, rng=rng)
    toolbox.register("mutate", mutFlip, rate=1 / GENES, rng=rng)
    population = [KIND.from_numpy(rng.random(GENES) < 0.7) for _ in range(12)]
    loop = microbial(toolbox, population, weights=(0.0, 1.0), best=4, rng=rng)
    generations = list(islice(loop, 30))
    elites = [generation.population[0] for generation in generations[1:]]
    assert all(elite.fitness.violation == 0 for elite in elites)
    assert elites[-1].count() == 12  # as sparse as the constraint lets it be


def test_an_infeasible_one_that_is_good_gives_no_feasible_one_up() -> None:
    toolbox, population = base.Toolbox(), [KIND.from_numpy(np.ones(GENES, bool)) for _ in range(4)]
    toolbox.register("trial", Shown)
    for individual in population[:3]:
        individual.fitness.values = (0.0, 0.0)
        individual.fitness.violation = 1.0
    judge_best(toolbox, population, np.array([0.7, 0.3]), 3)
    assert population[3].fitness.valid
