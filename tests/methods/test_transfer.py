"""The search of heads on the embedded digits, in a small budget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import moocore
import numpy as np
import pytest
import torch
from deap import tools

from evoprune.errors import InputError
from evoprune.evaluation.heads import HeadEvaluator, judged
from evoprune.evaluation.outofdistribution import SCORES
from evoprune.methods import transfer as module
from evoprune.methods.transfer import (
    KIND,
    Found,
    Outcome,
    by_chance_or_opinion,
    flip_or_exchange,
    random_masks,
    ranked_masks,
    transfer,
    weighed,
)
from evoprune.network.saliency import l1, separation
from evoprune.running.growing import grow
from evoprune.running.run import Run
from evoprune.running.transfer_settings import Transfer
from evoprune.running.transferring import TransferProblem, prepare_transfer
from evoprune.seeding import Streams
from evoprune.space.heads import ENCODINGS

SMALL: dict[str, Any] = {
    "population": 4,
    "evaluations": 10,
    "epochs": 2,
    "units": 16,
    "train_images": 150,
    "search_images": 80,
}
Search = Callable[..., tuple[Outcome, Run, TransferProblem]]


@pytest.fixture(scope="module")
def searched(digits_weights: Path) -> Search:
    """Return how to search; own operators by `own`."""

    def search(
        own: dict[str, Any] | None = None, **settings: Any
    ) -> tuple[Outcome, Run, TransferProblem]:
        config = Transfer(**{**SMALL, "weights": str(digits_weights), **settings})
        problem = prepare_transfer(config, Streams(config.seed))
        run = Run(streams=problem.streams, passes=problem.passes, bar=False)
        return transfer(problem, config, run, **(own or {})), run, problem

    return search


@pytest.fixture(scope="module")
def plain(searched: Search) -> tuple[Outcome, Run, TransferProblem]:
    return searched()


def rows(found: list[Found]) -> list[Any]:
    return [(one.mask.tolist(), one.values) for one in found]


def test_the_same_seed_gives_the_same_rows(
    plain: tuple[Outcome, Run, TransferProblem], searched: Search
) -> None:
    outcome, run, _ = plain
    again, second, _ = searched()
    assert rows(again.front) == rows(outcome.front)
    assert list(second.logbook) == list(run.logbook)
    assert rows(searched(seed=1)[0].front) != rows(outcome.front)


def test_the_front_is_a_front_sparsest_first(plain: tuple[Outcome, Run, TransferProblem]) -> None:
    front = plain[0].front
    points = np.array([found.values for found in front])
    assert moocore.is_nondominated(points).all()
    assert (np.diff(points[:, 1]) >= 0).all()
    assert [float(found.mask.mean()) for found in front] == points[:, 1].tolist()


def test_the_heads_of_the_front_have_the_values_of_their_rows(
    plain: tuple[Outcome, Run, TransferProblem],
) -> None:
    outcome, _, problem = plain
    seen = problem.shown("search")
    for found in (*outcome.front, outcome.dense, *outcome.controls["l1"]):
        error, misranked = judged(problem.asking(found.head, seen), seen.labels)
        assert (error, misranked) == found.values[::2]


def test_a_step_makes_two_heads_and_so_many_are_judged_as_was_said(
    plain: tuple[Outcome, Run, TransferProblem],
) -> None:
    log = plain[1].logbook
    assert log.select("evaluations") == [4, 2, 2, 2]
    assert log.select("generation") == [0, 1, 2, 3]


def test_a_generational_search_makes_as_many_as_there_are_parents(searched: Search) -> None:
    _, run, _ = searched(algorithm="generational", evaluations=12, controls=False)
    assert run.logbook.select("evaluations") == [4, 4, 4]


def test_no_generation_begins_behind_the_passes_that_were_allowed(searched: Search) -> None:
    _, run, _ = searched(passes=1, controls=False)
    assert run.logbook.select("evaluations") == [4]


def test_the_controls_are_as_many_as_the_search_has_trained(
    plain: tuple[Outcome, Run, TransferProblem], monkeypatch: pytest.MonkeyPatch, searched: Search
) -> None:
    asked: dict[str, int] = {}
    train = module.trained

    def counted(name: str, masks: list[Any], *others: Any) -> Any:
        asked[name] = len(masks)
        return train(name, masks, *others)

    monkeypatch.setattr(module, "trained", counted)
    for settings in ({}, {"passes": 1}):
        _, run, _ = searched(**settings)
        trainings = sum(run.logbook.select("evaluations")) - run.logbook[-1]["cached"]
        assert asked == {"random": trainings, "l1": trainings, "dense": 1}


def test_without_controls_none_is_trained(
    plain: tuple[Outcome, Run, TransferProblem], searched: Search
) -> None:
    outcome, run, _ = searched(controls=False)
    assert outcome.controls == {}
    assert run.passes["evaluations"] == 10 + 1  # and the dense head
    assert rows(outcome.front) == rows(plain[0].front)


def test_random_masks_are_of_all_densities(plain: tuple[Outcome, Run, TransferProblem]) -> None:
    shares = [mask.count() / len(mask) for mask in random_masks(plain[2], 200)]
    counts, _ = np.histogram(shares, 4, range=(0, 1))
    assert (counts > 30).all()


def test_ranked_masks_keep_the_genes_of_the_largest_norm(
    plain: tuple[Outcome, Run, TransferProblem],
) -> None:
    problem = plain[2]
    score = l1(problem.dense)["features"]
    masks = [mask.to_numpy() for mask in ranked_masks(problem, 20)]
    assert [len(masks), masks[0].sum(), masks[-1].sum()] == [20, 1, problem.space.size]
    for mask in masks[:-1]:
        assert score[mask].min() >= score[~mask].max()


def test_of_few_genes_each_number_is_tried_once(searched: Search) -> None:
    _, _, problem = searched(encoding="neurons", controls=False)
    assert [mask.count() for mask in ranked_masks(problem, 200)] == list(range(1, 17))


def test_the_dense_head_keeps_all(plain: tuple[Outcome, Run, TransferProblem]) -> None:
    outcome, _, problem = plain
    assert outcome.dense.mask.all() and outcome.dense.values[1] == 1.0
    weights = outcome.dense.head.state_dict()
    assert torch.equal(weights["hidden.weight"], problem.dense.hidden.weight)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_guided_search_of_every_encoding_finds_a_front(searched: Search, encoding: str) -> None:
    outcome, _, problem = searched(encoding=encoding, guided=True, controls=False)
    assert outcome.front and all(len(one.mask) == problem.space.size for one in outcome.front)


def test_guided_first_masks_keep_more_of_what_matters(searched: Search) -> None:
    kept = {}
    for guided in (True, False):
        first: list[Any] = []

        def watched(individual: Any, first: list[Any] = first) -> tuple[Any]:
            first.append(individual.to_numpy())
            return (individual,)

        _, _, problem = searched(
            {"mutate": watched}, guided=guided, controls=False, population=12, evaluations=14
        )
        score = np.argsort(np.argsort(problem.space.importance))
        kept[guided] = np.mean([score[mask].mean() for mask in first if mask.any()])
    assert kept[True] > kept[False]


def test_a_search_without_guidance_draws_bits_alike(searched: Search) -> None:
    """What each gene matters is known, and changes nothing."""
    expected = rows(searched(controls=False)[0].front)

    def flat(problem: TransferProblem, folder: Path | None = None) -> None:
        grow(problem, folder)
        problem.space.importance = np.ones(problem.space.size)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "grow", flat)
        assert rows(searched(controls=False)[0].front) == expected


def test_own_operators_are_used(searched: Search) -> None:
    calls = {"mate": 0, "mutate": 0}

    def mate(one: Any, other: Any) -> tuple[Any, Any]:
        calls["mate"] += 1
        return tools.cxTwoPoint(one, other)

    def mutate(individual: Any, *, rng: np.random.Generator) -> tuple[Any]:
        calls["mutate"] += 1
        individual[int(rng.integers(len(individual)))] = 1
        return (individual,)

    searched({"mate": mate, "mutate": mutate}, controls=False)
    assert calls == {"mate": 3, "mutate": 6}


def test_an_own_initialiser_makes_the_first_masks_and_an_own_selection_chooses(
    searched: Search,
) -> None:
    densities, chosen = [], []

    def init(kind: Any, *, density: float) -> Any:
        densities.append(density)
        return kind.from_numpy(np.arange(512) < density * 512)

    def select(individuals: list[Any], k: int) -> list[Any]:
        chosen.append((len(individuals), k))
        return individuals[:k]

    searched({"init": init, "select": select}, controls=False)
    assert len(densities) == len(set(densities)) == 4
    assert chosen == [(6, 4)] * 3


def test_an_own_operator_that_asks_for_a_saliency_is_refused(searched: Search) -> None:
    def mutate(individual: Any, *, saliency: Any) -> tuple[Any]:
        return (individual,)

    with pytest.raises(InputError, match=r"mutate: .*saliency"):
        searched({"mutate": mutate})


@pytest.mark.parametrize("part", ["objective", "importance"])
def test_a_part_that_has_no_slot_is_refused(searched: Search, part: str) -> None:
    with pytest.raises(InputError, match=f"{part}: a transfer has its own; give mate, mutate"):
        searched({part: lambda *given: 0.0})


def test_candidates_that_inherit_begin_with_the_weights_of_the_dense_head(
    searched: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluators: list[HeadEvaluator] = []
    make = TransferProblem.evaluator

    def noted(self: TransferProblem) -> HeadEvaluator:
        evaluators.append(make(self))
        return evaluators[-1]

    monkeypatch.setattr(TransferProblem, "evaluator", noted)
    _, _, problem = searched(inherit=True, controls=False)
    start, dense = evaluators[0].start.state_dict(), problem.dense.state_dict()
    assert all(torch.equal(start[name], dense[name]) for name in dense)


def test_those_that_inherit_err_less_after_as_little_training(searched: Search) -> None:
    errors = [
        searched(inherit=inherit, epochs=1, controls=False)[0].dense.values[0]
        for inherit in (True, False)
    ]
    assert errors[0] < errors[1]


def test_a_guided_mutation_moves_towards_what_matters() -> None:
    """Every second time it flips a gene, else it changes bad ones for good ones."""
    rng, score = np.random.default_rng(0), np.arange(200.0)
    change, opinions = 0.0, np.stack([score, score])
    for _ in range(300):
        mask = KIND.from_numpy(rng.random(200) < 0.5)
        before = score[mask.to_numpy()].mean()
        (mask,) = flip_or_exchange(mask, score=opinions, rng=rng)
        change += score[mask.to_numpy()].mean() - before
    assert change > 0


def test_a_score_is_a_mean_of_the_opinions_weighed_another_way_each_time() -> None:
    rng, opinions = np.random.default_rng(0), np.array([[0.0, 1.0], [1.0, 0.0]])
    scores = np.array([weighed(opinions, rng) for _ in range(100)])
    assert scores.sum(1) == pytest.approx(1)
    assert scores[:, 0].std() > 0.1


def test_about_half_of_the_guided_first_masks_keep_what_matters() -> None:
    """Of the others nothing is asked, and both come at the density that is asked for."""
    rng, opinions = np.random.default_rng(0), np.arange(400.0)[None]
    how = {"density": 0.3, "score": opinions, "rng": rng}
    masks = np.array([by_chance_or_opinion(KIND, **how).to_numpy() for _ in range(200)])
    upper = masks[:, 200:].sum(1) / masks.sum(1)
    assert 60 < (upper > 0.75).sum() < 140
    assert 60 < (upper < 0.65).sum() < 140
    assert masks.mean() == pytest.approx(0.3, abs=0.02)


def test_a_guided_search_has_an_opinion_on_the_loss_on_weights_and_on_foreign_images(
    searched: Search,
) -> None:
    _, _, problem = searched(guided=True, controls=False)
    shown = problem.shown("train")
    apart = separation(problem.dense, shown.own, shown.foreign, SCORES["odin"])["features"]
    scores = problem.space.importance, l1(problem.dense)["features"], apart
    for opinion, score in zip(problem.opinions, scores, strict=True):
        assert opinion.max() == 1 and opinion.min() > 0
        assert (np.argsort(opinion, kind="stable") == np.argsort(score, kind="stable")).all()
