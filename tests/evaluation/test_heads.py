"""The fitness of a head: three objectives by hand, trained once, the same each time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, roc_auc_score

from evoprune.evaluation import heads
from evoprune.evaluation.heads import Answers, Asking, HeadEvaluator, Images, Shown, judged
from evoprune.evaluation.outofdistribution import SCORES
from evoprune.network.heads import Head, HeadTraining, fresh_head, train_head
from evoprune.passes import Passes
from evoprune.space.heads import ENCODINGS, HeadSpace
from operators.individuals import individual_type

FEATURES, UNITS, CLASSES, SEED = 6, 4, 3, 11
RNG = torch.Generator().manual_seed(0)
TRAIN = torch.rand(50, FEATURES, generator=RNG)
LABELS = torch.arange(50) % CLASSES
TRAINING = HeadTraining(rate=0.1, epochs=3, batch=10)
KIND = individual_type("mask", 3)


def seen_of(own: int = 30, foreign: int = 20) -> Shown:
    rng = torch.Generator().manual_seed(1)
    features = torch.rand(own + foreign, FEATURES, generator=rng).mul(4).round().div(4)
    return Shown(features[:own], torch.arange(own) % CLASSES, features[own:])


SEEN = seen_of()  # rounded: some images are alike, and so are their scores


def evaluator_of(encoding: str = "features", score: str = "odin", **changes: Any) -> HeadEvaluator:
    passes = Passes()
    told = {"seen": SEEN, "training": TRAINING} | changes
    return HeadEvaluator(
        HeadSpace(FEATURES, UNITS, encoding),
        fresh_head(FEATURES, UNITS, CLASSES, seed=SEED),
        TRAIN,
        LABELS,
        told["seen"],
        Asking(score, passes),
        told["training"],
        seed=SEED,
        passes=passes,
    )


def some(n: int, size: int = FEATURES, seed: int = 0) -> list[Any]:
    """Make different genomes, none of them empty."""
    rng, found = np.random.default_rng(seed), dict[bytes, Any]()
    while len(found) < n:
        genome = KIND.from_numpy(rng.random(size) < 0.5)
        if genome.count():
            found[genome.digest()] = genome
    return list(found.values())


def same(one: Head, other: Head) -> bool:
    """Return whether two heads are bit-equal."""
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_values_are_error_density_and_misranked_of_the_trained_head(
    encoding: str, score: str
) -> None:
    evaluator = evaluator_of(encoding, score)
    (genome,) = some(1, evaluator.space.size)
    error, density, misranked = evaluator(genome)
    head, kept = evaluator.space.narrowed(evaluator.start, genome.to_numpy())
    train_head(head, TRAIN, LABELS, TRAINING, seed=SEED, kept=kept)
    with torch.no_grad():
        own, foreign = head(SEEN.own), head(SEEN.foreign)
    scores = torch.cat([SCORES[score](own), SCORES[score](foreign)])
    truth = [1] * len(own) + [0] * len(foreign)
    assert error == pytest.approx(1 - accuracy_score(SEEN.labels, own.argmax(1)))
    assert density == sum(genome) / len(genome)
    assert misranked == pytest.approx(1 - roc_auc_score(truth, scores))


def test_error_and_misranked_of_four_answers_by_hand() -> None:
    logits = np.array([[2.0, 1.0], [0.0, 1.0]])
    answers = Answers(logits, np.array([0.9, 0.5]), logits, np.array([0.5, 0.1]))
    error, misranked = judged(answers, torch.tensor([0, 0]))
    assert error == 1 / 2  # the second is taken for class 1
    assert misranked == pytest.approx(1 / 8)  # of four pairs one is a tie


def test_the_soft_error_of_two_answers_by_hand() -> None:
    logits = np.log([[0.75, 0.25], [0.4, 0.6]])
    answers = Answers(logits, np.array([0.9, 0.5]), logits, np.array([0.5, 0.1]))
    soft, misranked = judged(answers, torch.tensor([0, 0]), "soft_error")
    assert soft == pytest.approx((0.25 + 0.6) / 2)
    assert misranked == judged(answers, torch.tensor([0, 0]))[1]


def test_a_genome_seen_before_is_not_trained_again_and_keeps_all_objectives() -> None:
    evaluator = evaluator_of()
    (genome,) = some(1)
    first = evaluator(genome)
    spent = evaluator.passes.spent()
    assert evaluator(KIND.from_numpy(genome.to_numpy())) == first
    assert len(first) == 3 and len(evaluator.epochs) == 1
    assert evaluator.passes.spent() == spent
    assert (evaluator.passes["evaluations"], evaluator.passes["cached"]) == (2, 1)


def test_values_that_an_earlier_start_has_kept_are_taken() -> None:
    evaluator = evaluator_of()
    (genome,) = some(1)
    evaluator.cache[genome.digest()] = (0.1, 0.2, 0.3)
    assert evaluator(genome) == (0.1, 0.2, 0.3)
    assert evaluator.epochs == []


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_genome_ends_at_the_same_weights_whatever_was_trained_before(encoding: str) -> None:
    first, second = evaluator_of(encoding), evaluator_of(encoding)
    *others, genome = some(4, first.space.size)
    first(genome)
    torch.manual_seed(99)
    for other in others:
        second(other)
    assert first(genome) == second(genome)
    assert same(first.head(genome), second.head(genome))


def test_a_forgotten_head_is_trained_again_to_the_same_weights_and_not_counted() -> None:
    evaluator = evaluator_of()
    (genome,) = some(1)
    evaluator(genome)
    kept, passes = evaluator.head(genome), dict(evaluator.passes)
    evaluator._heads.clear()
    again = evaluator.head(genome)
    assert again is not kept and same(again, kept)
    assert dict(evaluator.passes) == passes


def test_the_head_of_a_genome_is_the_one_that_was_judged() -> None:
    evaluator = evaluator_of()
    for genome in some(6):
        error, _, misranked = evaluator(genome)
        answers = evaluator.asking(evaluator.head(genome), SEEN)
        assert judged(answers, SEEN.labels) == (error, misranked)


def test_only_heads_that_no_other_dominates_are_kept() -> None:
    evaluator = evaluator_of()
    genomes = some(25)
    values = {genome.digest(): evaluator(genome) for genome in genomes}
    points = np.array(list(values.values()))
    beaten = [
        any((other <= point).all() and (other < point).any() for other in points)
        for point in points
    ]
    assert 0 < sum(beaten) < len(beaten)
    front = {key for key, lost in zip(values, beaten, strict=True) if not lost}
    assert set(evaluator._heads) == front


def test_every_candidate_begins_with_the_weights_of_the_start() -> None:
    evaluator = evaluator_of()
    before = {name: value.clone() for name, value in evaluator.start.state_dict().items()}
    for genome in some(3):
        evaluator(genome)
    assert all(torch.equal(v, before[name]) for name, v in evaluator.start.state_dict().items())


def test_training_and_asking_are_counted_in_passes() -> None:
    evaluator = evaluator_of()
    for genome in some(3):
        evaluator(genome)
    assert evaluator.passes["training"] == 3 * len(TRAIN) * sum(evaluator.epochs)
    assert evaluator.passes["fitness"] == 3 * len(SEEN) == 3 * 50
    assert evaluator.passes.seconds > 0


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_an_empty_genome_keeps_one_gene_and_is_counted_once(encoding: str) -> None:
    evaluator = evaluator_of(encoding)
    size = evaluator.space.size
    empty = KIND.zeros(size)
    assert evaluator(empty)[1] == 1 / size
    evaluator(empty)
    evaluator.decode(empty)
    assert evaluator.passes["repaired"] == 1


@pytest.mark.parametrize("wrong", [np.inf, -np.inf, np.nan])
def test_outputs_that_are_not_finite_are_worth_nothing_and_counted(wrong: float) -> None:
    images = SEEN.foreign.clone()
    images[3] = wrong
    evaluator = evaluator_of(seen=Shown(SEEN.own, SEEN.labels, images))
    whole = KIND.from_numpy(np.ones(FEATURES, bool))
    assert evaluator(whole) == (1.0, 1.0, 1.0)
    assert evaluator.passes["not finite"] == 1


def test_a_training_that_diverges_ends_and_is_counted() -> None:
    evaluator = evaluator_of(training=HeadTraining(rate=1e30, epochs=50, patience=2))
    (genome,) = some(1)
    error, _, misranked = evaluator(genome)
    assert (error, misranked, evaluator.passes["not finite"]) == (1.0, 1.0, 1)
    assert evaluator.epochs[0] < 50


def test_a_head_that_is_wrong_in_everything_is_finite_all_the_same() -> None:
    evaluator = evaluator_of()
    (genome,) = some(1)
    logits = np.array([[1.0, 0.0, 0.0]])
    answers = Answers(logits, np.array([0.1]), logits, np.array([0.9]))
    evaluator.asking = lambda head, seen: answers  # type: ignore[assignment, misc]
    evaluator.shown = Shown(SEEN.own[:1], torch.tensor([2]), SEEN.foreign[:1])
    assert evaluator(genome)[::2] == (1.0, 1.0)
    assert evaluator.passes["not finite"] == 0


def test_a_map_evaluates_one_after_the_other() -> None:
    genomes = some(3)
    evaluator, plain = evaluator_of(), evaluator_of()
    assert evaluator.map(evaluator, genomes) == [plain(genome) for genome in genomes]


def as_they_are(images: torch.Tensor) -> torch.Tensor:
    return images


def test_images_of_several_sets_come_in_order_and_never_more_than_a_batch_at_once() -> None:
    sets = torch.arange(300.0), torch.arange(300.0, 305.0)
    batches = list(Images(sets, lambda some: -some))
    assert torch.cat(batches).tolist() == [-float(i) for i in range(305)]
    assert [len(some) for some in batches] == [128, 128, 44, 5]


def test_a_step_of_the_images_changes_the_scores_alone_and_costs_four_passes_more() -> None:
    """The network of a head here is the head itself: its images are the features."""
    passes = Passes()
    own, foreign = (Images([some], as_they_are) for some in (SEEN.own, SEEN.foreign))
    seen = Shown(SEEN.own, SEEN.labels, SEEN.foreign, (own, foreign))
    head = fresh_head(FEATURES, UNITS, CLASSES, seed=1)
    plain = Asking("odin", Passes())(head, seen)
    stepped = Asking("odin", passes, 0.05, lambda head: head)(head, seen)
    assert (stepped.logits == plain.logits).all()
    assert (stepped.foreign_logits == plain.foreign_logits).all()
    expected = SCORES["odin"](heads.perturbed(head, SEEN.own, 0.05)).numpy()
    assert (stepped.scores == expected).all()
    assert (stepped.scores > plain.scores).all()
    assert passes["fitness"] == 5 * len(seen)
