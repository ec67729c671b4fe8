"""Heads on features: narrow ones compute what masked ones do, and train as they do."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.heads import (
    Head,
    HeadTraining,
    fresh_head,
    narrowed_head,
    train_head,
    widened_head,
)
from evoprune.passes import Passes

RNG = np.random.default_rng(0)
FEATURES = torch.from_numpy(RNG.random((60, 12), np.float32))
LABELS = torch.from_numpy(np.arange(60) % 3)
READ, THERE = np.arange(12) % 3 > 0, np.arange(8) % 2 == 0
QUICK = HeadTraining(rate=0.1, epochs=4, batch=16)


@pytest.fixture
def head() -> Head:
    return fresh_head(12, 8, 3, seed=1)


def masked(head: Head) -> torch.Tensor:
    """Return the logits of the whole head with zeros for what is removed."""
    with torch.no_grad():
        hidden = head.hidden(FEATURES * torch.from_numpy(READ)).relu()
        return head.out(hidden * torch.from_numpy(THERE))


def test_a_narrow_head_computes_what_the_masked_one_does(head: Head) -> None:
    small = narrowed_head(head, READ, THERE)
    assert small.hidden.weight.shape == (4, 8)
    with torch.no_grad():
        assert torch.allclose(small(FEATURES), masked(head), atol=1e-6)


def test_widened_again_it_is_the_masked_head(head: Head) -> None:
    wide = widened_head(narrowed_head(head, READ, THERE), READ, THERE)
    assert wide.hidden.weight.shape == head.hidden.weight.shape and wide.chosen is None
    with torch.no_grad():
        assert torch.allclose(wide(FEATURES), masked(head), atol=1e-6)
        removed = (
            wide.hidden.weight[:, ~READ],
            wide.hidden.weight[~THERE],
            wide.out.weight[:, ~THERE],
        )
    assert not any(some.any() for some in removed)


def test_it_is_trained_as_the_masked_one_would_be(head: Head) -> None:
    """Plain gradient steps on the whole head, masked, by autograd, end at the same weights."""
    small, wide = narrowed_head(head, READ, THERE), narrowed_head(head)
    training = HeadTraining(rate=0.1, momentum=0.0, batch=60, epochs=3, least=0.0)
    train_head(small, FEATURES, LABELS, training, seed=0)
    for _ in range(3):
        hidden = wide.hidden(FEATURES * torch.from_numpy(READ)).relu() * torch.from_numpy(THERE)
        loss = nn.functional.cross_entropy(wide.out(hidden), LABELS)
        slopes = torch.autograd.grad(loss, list(wide.parameters()))
        with torch.no_grad():
            for parameter, slope in zip(wide.parameters(), slopes, strict=True):
                parameter.sub_(0.1 * slope)
    with torch.no_grad():
        assert torch.allclose(small(FEATURES), masked(wide), atol=1e-5)


def test_making_it_narrow_leaves_the_head_as_it_was(head: Head) -> None:
    before = {name: value.clone() for name, value in head.state_dict().items()}
    train_head(narrowed_head(head, READ), FEATURES, LABELS, QUICK, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in head.state_dict().items())


def test_training_is_the_same_for_the_same_seed_and_draws_nothing_from_torch() -> None:
    state, ends = torch.get_rng_state(), []
    for seed in (3, 3, 4):
        head = fresh_head(12, 8, 3, seed=1)
        train_head(head, FEATURES, LABELS, QUICK, seed=seed)
        ends.append(head.out.weight.detach())
    assert torch.equal(ends[0], ends[1]) and not torch.equal(ends[0], ends[2])
    assert torch.equal(torch.get_rng_state(), state)


def test_single_weights_that_are_removed_stay_zero(head: Head) -> None:
    kept = torch.arange(96).view(8, 12) % 5 > 0
    train_head(head, FEATURES, LABELS, QUICK, seed=0, kept=kept)
    assert (head.hidden.weight[~kept] == 0).all() and (head.hidden.weight[kept] != 0).all()


def test_it_ends_when_the_loss_falls_no_more_and_the_best_weights_come_back(head: Head) -> None:
    impatient = HeadTraining(rate=0.1, epochs=50, patience=2, least=10.0)
    before = narrowed_head(head)
    train_head(before, FEATURES, LABELS, HeadTraining(rate=0.1, epochs=1), seed=0)
    assert train_head(head, FEATURES, LABELS, impatient, seed=0) == 3
    assert torch.equal(head.out.weight, before.out.weight)  # of the first epoch, the best by 10


def test_its_passes_are_three_an_image_and_epoch(head: Head) -> None:
    passes = Passes()
    epochs = train_head(head, FEATURES, LABELS, QUICK, seed=0, passes=passes)
    assert passes["training"] == 3 * 60 * epochs


def test_it_learns(head: Head) -> None:
    centres = nn.functional.one_hot(LABELS, 12).float() * 3 + FEATURES
    train_head(head, centres, LABELS, HeadTraining(rate=0.1, epochs=30), seed=0)
    with torch.no_grad():
        assert (head(centres).argmax(1) == LABELS).float().mean() > 0.95


def test_the_authors_settings_are_the_defaults() -> None:
    training = HeadTraining()
    assert (training.rate, training.momentum, training.batch) == (0.001, 0.9, 32)
    assert (training.epochs, training.patience, training.least) == (600, 10, 1e-5)


@pytest.mark.parametrize(
    "wrong", [{"rate": 0}, {"momentum": 1}, {"batch": 0}, {"epochs": 0}, {"patience": 0}]
)
def test_a_number_out_of_range_is_refused(wrong: dict[str, float]) -> None:
    (name,) = wrong
    with pytest.raises(InputError, match=f"{name}: expected"):
        HeadTraining(**wrong)  # type: ignore[arg-type]
