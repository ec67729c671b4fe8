"""Lossless early stopping: the same individuals in every generation, in fewer images."""

from __future__ import annotations

import random
from itertools import islice
from typing import Any

import numpy as np
import pytest
from deap import base, tools

from evoprune.search.archive import Archive
from evoprune.search.early import judge, judge_offspring, losers
from evoprune.search.moead import moead
from evoprune.search.nsga2 import nsga2
from operators.decomposition import weightsFor
from operators.dominance import ranks
from operators.individuals import individual_type
from operators.selection import selNSGA2

GENES, IMAGES, ROUND = 24, 60, 5
HARD = np.random.default_rng(5).random((IMAGES, GENES)) ** 3  # what each image loses by each gene
HARD *= np.geomspace(1, 1e-3, IMAGES)[:, None]  # most images are easy


def losses(individual: Any) -> np.ndarray:
    """Return what each image loses without the genes that are cleared, the worst images first."""
    return np.sort(HARD @ (1 - np.asarray(individual, float)))[::-1] / GENES


def whole(individual: Any) -> tuple[float, float]:
    """Judge an individual at once: mean loss and density."""
    return float(losses(individual).sum() / IMAGES), individual.count() / GENES


class Shown:
    """A trial on known losses that counts the images it has shown."""

    images = 0

    def __init__(self, individual: Any) -> None:
        self.losses, self.density = losses(individual), individual.count() / GENES
        self.final, self.seen = whole(individual), 0
        self.low: tuple[float, ...] = (0.0, self.density)
        self.values: tuple[float, ...] | None = None

    def advance(self) -> None:
        self.seen += ROUND
        Shown.images += ROUND
        self.low = (float(self.losses[: self.seen].sum() / IMAGES) * (1 - 1e-9), self.density)
        if self.seen == IMAGES:
            self.low = self.values = self.final

    def give_up(self) -> None:
        assert self.values is None


def toolbox(*, early: bool, feasible: bool = True) -> base.Toolbox:
    made = base.Toolbox()
    made.register("evaluate", whole if feasible else restricted)
    made.register("mate", tools.cxTwoPoint)
    made.register("mutate", tools.mutFlipBit, indpb=2 / GENES)
    made.register("select", selNSGA2)
    if early:
        made.register("trial", Shown if feasible else Restricted)
    return made


class Restricted(Shown):
    """A trial of individuals that are infeasible if gene 0 is set."""

    def __init__(self, individual: Any) -> None:
        super().__init__(individual)
        self.individual = individual

    def advance(self) -> None:
        super().advance()
        if self.values is not None:
            self.individual.fitness.violation = float(self.individual[0])


def restricted(individual: Any) -> tuple[float, float]:
    individual.fitness.violation = float(individual[0])
    return whole(individual)


def start(n: int, seed: int) -> list[Any]:
    rng = np.random.default_rng(seed)
    kind = individual_type("mask", 2)
    return [kind.from_numpy(rng.random(GENES) < rng.random()) for _ in range(n)]


def run(loop: Any, seed: int, *, early: bool, feasible: bool = True, **settings: Any) -> Any:
    """Return the populations of all generations as rows, and the archive's points."""
    random.seed(seed)
    archive, seen, rng = Archive(), [], np.random.default_rng(seed)
    box = toolbox(early=early, feasible=feasible)
    for generation in islice(loop(box, start(12, seed), rng=rng, **settings), 25):
        archive.update([*generation.offspring, *generation.population])
        seen.append([(list(x), x.fitness.values) for x in generation.population])
    return seen, archive.points().tolist()


@pytest.mark.parametrize("seed", range(6))
def test_nsga2_has_the_same_populations_and_archive_with_early_stopping(seed: int) -> None:
    assert run(nsga2, seed, early=True) == run(nsga2, seed, early=False)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("scalarise", ["tchebycheff", "weighted-sum", "pbi"])
@pytest.mark.parametrize("batch", [1, 5])
def test_moead_has_the_same_populations_and_archive_with_early_stopping(
    scalarise: str, batch: int, seed: int
) -> None:
    settings: dict[str, Any] = {
        "weights": weightsFor(2, 12), "neighbours": 4, "scalarise": scalarise, "batch": batch,
    }  # fmt: skip
    assert run(moead, seed, early=True, **settings) == run(moead, seed, early=False, **settings)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("loop", "settings"), [(nsga2, {}), (moead, {"weights": weightsFor(2, 12), "neighbours": 4})]
)
def test_populations_are_the_same_where_some_are_infeasible(
    loop: Any, settings: dict[str, Any], seed: int
) -> None:
    both = [run(loop, seed, early=early, feasible=False, **settings) for early in (True, False)]
    assert both[0] == both[1]


def test_moead_without_normalisation_has_the_same_populations_too() -> None:
    settings: dict[str, Any] = {"weights": weightsFor(2, 12), "normalise": False, "neighbours": 4}
    assert run(moead, 1, early=True, **settings) == run(moead, 1, early=False, **settings)


@pytest.mark.parametrize(
    ("loop", "settings"), [(nsga2, {}), (moead, {"weights": weightsFor(2, 12), "neighbours": 4})]
)
def test_fewer_images_are_shown(
    loop: Any, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Shown, "images", 0)
    random.seed(0)
    rng, judged = np.random.default_rng(0), 0
    made = loop(toolbox(early=True), start(12, 0), rng=rng, **settings)
    for generation in islice(made, 25):
        judged += len({x.digest() for x in generation.offspring})
    assert 0 < Shown.images < 0.9 * judged * IMAGES


def test_a_scalarisation_that_is_not_monotone_is_judged_to_the_end() -> None:
    random.seed(0)
    settings: dict[str, Any] = {"weights": weightsFor(2, 12), "scalarise": "pbi", "neighbours": 4}
    made = moead(toolbox(early=True), start(12, 0), rng=np.random.default_rng(0), **settings)
    children = [x for generation in islice(made, 10) for x in generation.offspring]
    assert all(child.fitness.valid for child in children)


def test_a_trial_without_hope_leaves_no_fitness() -> None:
    (individual,) = start(1, 0)
    assert not judge(toolbox(early=True), individual, lambda low: True)
    assert not individual.fitness.valid


def test_a_trial_with_hope_comes_to_the_values_of_evaluate() -> None:
    (individual,) = start(1, 0)
    assert judge(toolbox(early=True), individual, lambda low: False)
    assert individual.fitness.values == whole(individual)


def test_hope_is_asked_for_after_every_round() -> None:
    (individual,), asked = start(1, 0), list[float]()

    def hopeless(low: np.ndarray) -> bool:
        asked.append(float(low[0]))
        return False

    judge(toolbox(early=True), individual, hopeless)
    assert len(asked) == IMAGES // ROUND and asked == sorted(asked)


def test_copies_among_the_offspring_are_judged_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Shown, "images", 0)
    parents, (child,) = start(4, 0), start(1, 9)
    for parent in parents:
        parent.fitness.values = whole(parent)
    box = toolbox(early=True)
    children = [child, box.clone(child), box.clone(child)]
    assert judge_offspring(box, parents, children) == children
    assert [c.fitness.valid for c in children] in ([True] * 3, [False] * 3)
    assert Shown.images <= IMAGES


def named(points: np.ndarray) -> dict[bytes, tuple[float, ...]]:
    return {bytes([i]): tuple(row) for i, row in enumerate(points.tolist())}


@pytest.mark.parametrize("objectives", [2, 3])
def test_a_loser_does_not_survive_whatever_the_unfinished_come_to(objectives: int) -> None:
    rng, found = np.random.default_rng(0), 0
    for _ in range(200):
        finished, lows = rng.random((12, objectives)), rng.random((5, objectives)) + 0.2
        lost, _ = losers(named(finished), lows, survivors=6)
        for _ in range(10):
            final = lows + rng.exponential(0.3, lows.shape) * (rng.random(lows.shape) < 0.5)
            rank = ranks(np.concatenate([finished, final]))
            for place in np.flatnonzero(lost):
                found += 1
                assert np.count_nonzero(rank < rank[12 + place]) >= 6
    assert found > 100  # the bound is not empty


def test_nothing_is_lost_while_fewer_are_finished_than_survive() -> None:
    lost, _ = losers(named(np.zeros((3, 2))), np.ones((2, 2)), survivors=4)
    assert not lost.any()


def test_the_last_of_a_chain_is_lost_where_those_before_it_survive() -> None:
    chain = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    lost, level = losers(named(chain), np.array([[3.0, 3.0], [2.0, 3.0]]), survivors=3)
    assert (lost.tolist(), level.tolist()) == ([True, True], [3, 3])
