"""A lineage of phase 2's own variation names what it chose, and teaches it nothing else."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from deap import base
from torch import nn

from evoprune.evaluation.guidance import Guidance
from evoprune.methods.variation import DRIFT_STEPS, GUIDED, Variation
from evoprune.passes import Passes
from evoprune.search.lineage import Lineage
from evoprune.search.moead import moead
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from evoprune.space.weights import WeightSpace
from operators.decomposition import weightsFor
from operators.individuals import individual_type
from operators.selection import selNSGA2

BATCH, COST = 4, 10


def searched(algorithm: str, *, follow: bool) -> tuple[Lineage, Variation, list[Any]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3)).eval()
    space, passes, streams = WeightSpace(model), Passes(), Streams(0)
    images, labels = torch.randn(20, 1, 8, 8), torch.zeros(20, dtype=torch.long)
    guidance = Guidance(space, images, labels, rng=streams.data, batch=BATCH, passes=passes)
    variation = Variation(space, guidance, streams, passes, cost=COST)
    toolbox, lineage, kind = base.Toolbox(), Lineage(passes.spent), individual_type("mask", 2)

    def evaluate(individual: Any) -> tuple[float, float]:
        passes["fitness"] += COST
        kept = individual.to_numpy()
        return 1 - float(space.magnitudes[kept].sum() / space.magnitudes.sum()), float(kept.mean())

    toolbox.register("evaluate", evaluate)
    toolbox.register("mate", variation.mate)
    toolbox.register("mutate", variation.mutate)
    toolbox.register("select", selNSGA2)
    if follow:
        lineage.follow(toolbox, decode=space.mask)
    drawn = [kind.from_numpy(np.random.default_rng(i).random(space.genes) < 0.5) for i in range(8)]
    loop = {
        "nsga2": lambda: nsga2(toolbox, drawn, rng=streams.select),
        "moead": lambda: moead(
            toolbox, drawn, weights=weightsFor(2, 8), neighbours=4, rng=streams.select
        ),
    }[algorithm]
    for generation in islice(loop(), 8):
        lineage.observe(generation)
        variation.observe(generation)
    return lineage, variation, generation.population


@pytest.fixture(scope="module", params=["nsga2", "moead"])
def both(request: pytest.FixtureRequest) -> Any:
    return searched(request.param, follow=True), searched(request.param, follow=False)


def test_the_variation_learns_the_same_and_finds_the_same(both: Any) -> None:
    (_, watched, found), (_, plain, same) = both
    assert found == same
    for name, learner in watched.learners.items():
        for key, value in learner.state().items():
            assert np.array_equal(value, plain.learners[name].state()[key])


def test_births_bear_the_names_that_the_variation_chose(both: Any) -> None:
    (lineage, variation, _), _ = both
    later = [birth for birth in lineage.births if birth.generation]
    assert {birth.mutation for birth in later} == set(variation.mutations)
    assert {birth.crossover for birth in later} == {"", *variation.crossovers}


def test_a_drift_is_charged_to_the_child_that_drifted(both: Any) -> None:
    (lineage, _, _), _ = both
    dear = 3 * BATCH * DRIFT_STEPS
    for birth in lineage.births:
        assert (birth.passes >= dear) == (birth.mutation in GUIDED)


def test_a_child_of_the_mutation_none_changed_by_crossover_alone(both: Any) -> None:
    (lineage, _, _), _ = both
    plain = [birth for birth in lineage.births if birth.mutation == "none"]
    assert plain
    for birth in plain:
        assert (birth.changed > 0) == bool(birth.crossover)
