"""The descent: one mask drifts down the densities, and every rung stays."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from deap import base

from evoprune.methods.descent import descend, ladder
from evoprune.search.ancestry import ancestors, main_line
from evoprune.search.lineage import Lineage
from operators.drift import mutDrift
from operators.individuals import individual_type

Mask = individual_type("mask", 2)
GENES, COUNTS = 50, [30, 20, 12, 5]
SCORE = np.abs(np.random.default_rng(0).normal(size=GENES)).astype(np.float32)


def saliency(mask: Any) -> np.ndarray:
    """Depends on the mask, as a network's would."""
    return np.sin(7.0 * np.arange(GENES) + mask.count()).astype(np.float32) - mask.to_numpy()


@pytest.fixture
def toolbox() -> base.Toolbox:
    box = base.Toolbox()
    box.saliency = saliency
    box.register("evaluate", lambda mask: (float(SCORE @ mask.to_numpy()), mask.count()))
    return box


def start() -> Any:
    return Mask.from_numpy(np.argsort(np.argsort(SCORE)) >= 10)


def run(toolbox: base.Toolbox, steps: Any = 6) -> list[Any]:
    settings = {"counts": COUNTS, "steps": steps, "score": SCORE, "rate": 0.4}
    return list(descend(toolbox, [start()], **settings))


def test_the_first_generation_is_the_start_itself(toolbox: base.Toolbox) -> None:
    first = run(toolbox)[0]
    assert (first.number, first.population) == (0, [start()])
    assert first.population[0].fitness.values == toolbox.evaluate(start())


def test_every_rung_is_a_generation_that_keeps_as_many_as_asked(toolbox: base.Toolbox) -> None:
    generations = run(toolbox)
    assert [generation.number for generation in generations] == [0, 1, 2, 3, 4]
    assert [mask.count() for mask in generations[-1].population] == [40, *COUNTS]


def test_the_population_is_all_rungs_so_far_and_the_offspring_the_newest(
    toolbox: base.Toolbox,
) -> None:
    for generation in run(toolbox):
        assert len(generation.population) == generation.number + 1
        assert generation.offspring == [generation.population[-1]]
        assert generation.offspring[0] is generation.population[-1]


def test_every_rung_is_born_of_the_one_above_it(toolbox: base.Toolbox) -> None:
    lineage = Lineage()
    toolbox.register("mate", lambda a, b: (a, b))
    toolbox.register("mutate", lambda mask: (mask,))
    lineage.follow(toolbox)
    for generation in descend(toolbox, [start()], counts=COUNTS, steps=6, score=SCORE, rate=0.4):
        lineage.observe(generation)
    family = ancestors(lineage.births, lineage.births[-1].child)
    line = main_line(family, lineage.births[-1].child)
    assert [birth.generation for birth in line] == [0, 1, 2, 3, 4]


def test_a_generation_is_not_changed_by_the_ones_that_follow(toolbox: base.Toolbox) -> None:
    generations = descend(toolbox, [start()], counts=COUNTS, steps=6, score=SCORE, rate=0.4)
    second = next(itertools.islice(generations, 1, None))
    taken = second.population[1].to_numpy(), second.population[1].score.copy()
    list(generations)
    assert len(second.population) == 2
    assert second.population[1] == taken[0]
    assert (second.population[1].score == taken[1]).all()


def test_every_rung_is_judged_as_it_is(toolbox: base.Toolbox) -> None:
    for mask in run(toolbox)[-1].population:
        assert mask.fitness.values == toolbox.evaluate(mask)


def test_a_rung_is_the_top_of_the_mean_score_of_one_drift_there_and_on_the_next(
    toolbox: base.Toolbox,
) -> None:
    hot, means = start(), []
    for count in COUNTS:
        mean = np.zeros(GENES, np.float32)
        mutDrift(hot, saliency=saliency, score=SCORE, count=count, steps=6, rate=0.4, mean=mean)
        means.append(mean - np.sort(mean)[-count])
    rungs = run(toolbox)[-1].population[1:]
    for place, (count, rung) in enumerate(zip(COUNTS, rungs, strict=True)):
        expected = np.mean(means[place : place + 2], axis=0)
        moved = rung.score - rung.score[0] + expected[0]
        np.testing.assert_allclose(moved, expected, atol=1e-5)
        assert set(np.flatnonzero(rung.to_numpy())) == set(np.argsort(expected)[-count:])


@pytest.mark.parametrize("stop", range(5))
def test_stopped_at_any_rung_and_gone_on_with_it_ends_the_same(
    toolbox: base.Toolbox, stop: int
) -> None:
    whole = run(toolbox)
    rest = descend(
        toolbox, whole[stop].population, counts=COUNTS, steps=6, score=SCORE, rate=0.4,
        number=stop, state=whole[stop].state,
    )
    follow = whole[stop + 1 :]
    assert [(g.number, g.population) for g in rest] == [(g.number, g.population) for g in follow]


def test_steps_may_be_told_rung_by_rung(toolbox: base.Toolbox) -> None:
    asked, calls = [], []
    toolbox.saliency = lambda mask: calls.append(1) or saliency(mask)

    def steps(rung: int) -> int:
        asked.append((rung, len(calls)))
        return rung + 1

    run(toolbox, steps)
    assert asked == [(0, 0), (1, 1), (2, 3), (3, 6)]
    assert len(calls) == 10


def test_a_descent_without_rungs_is_the_start_alone(toolbox: base.Toolbox) -> None:
    only = list(descend(toolbox, [start()], counts=[], steps=6, score=SCORE, rate=0.4))
    assert [generation.population for generation in only] == [[start()]]


def test_a_ladder_goes_from_one_density_to_the_other_by_equal_ratios() -> None:
    rungs = ladder(0.9, 0.03, 7)
    assert (rungs[0], rungs[-1]) == (0.9, pytest.approx(0.03))
    ratios = [low / high for high, low in itertools.pairwise(rungs)]
    assert ratios == pytest.approx([ratios[0]] * 6)
