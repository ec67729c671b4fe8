"""ThiNet's choice against the definition: sums over channels, subsets tried one by one."""

from __future__ import annotations

import copy
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.network.groups import Group, channel_groups
from evoprune.network.reconstruction import gram, least_lost, rescale, scales
from evoprune.passes import Passes


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def groups(model: nn.Module) -> list[Group]:
    return channel_groups(model, (1, 8, 8))[0]


def lost(matrix: np.ndarray, kept: np.ndarray) -> float:
    """Equation 6: the square of the sum over all channels that are removed."""
    removed = (~kept).astype(float)
    return float(removed @ matrix @ removed)


def test_two_channels_that_cancel_out_leave_together() -> None:
    added = np.array([[2.0, -2.0, 3.0], [2.0, -2.0, 3.0]])
    assert least_lost(added.T @ added, 1).tolist() == [False, False, True]
    assert lost(added.T @ added, np.array([False, False, True])) == 0


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5])
def test_the_greedy_choice_is_the_best_where_channels_do_not_meet(count: int) -> None:
    added = np.diag([3.0, 1.0, 4.0, 2.0, 5.0])  # each channel adds to an output of its own
    subsets = [np.isin(np.arange(5), kept) for kept in combinations(range(5), count)]
    best = min(subsets, key=lambda kept: lost(added.T @ added, kept))
    assert least_lost(added.T @ added, count).tolist() == best.tolist()


@pytest.mark.parametrize("seed", range(5))
def test_every_greedy_step_is_the_best_step(seed: int) -> None:
    added = rng(seed).normal(size=(30, 6))
    matrix = added.T @ added
    for count in range(5, -1, -1):
        before, after = least_lost(matrix, count + 1), least_lost(matrix, count)
        steps = []
        for channel in np.flatnonzero(before):
            tried = before.copy()
            tried[channel] = False
            steps.append(np.square(added[:, ~tried].sum(1)).sum())
        assert after.sum() == count and not (after & ~before).any()
        assert lost(matrix, after) == pytest.approx(min(steps))


def test_a_channel_of_zeros_leaves_first_and_nothing_changes() -> None:
    added = rng().normal(size=(20, 4))
    added[:, 2] = 0
    kept = least_lost(added.T @ added, 3)
    assert kept.tolist() == [True, True, False, True]
    assert lost(added.T @ added, kept) == 0
    np.testing.assert_allclose(scales(added.T @ added, kept), [1, 1, 0, 1])


def test_the_scales_are_those_of_least_squares() -> None:
    added, kept = rng().normal(size=(40, 5)), np.array([True, False, True, True, False])
    expected, *_ = np.linalg.lstsq(added[:, kept], added.sum(1), rcond=None)
    found = scales(added.T @ added, kept)
    np.testing.assert_allclose(found[kept], expected)
    assert (found[~kept] == 0).all()


def test_a_kept_channel_of_zeros_and_channels_of_which_none_is_removed_stay_as_they_are() -> None:
    added = rng().normal(size=(20, 4))
    added[:, 2] = 0
    matrix = added.T @ added
    assert scales(matrix, np.array([False, True, True, True]))[2] == 1
    assert scales(matrix, np.ones(4, bool)).tolist() == [1, 1, 1, 1]


def test_a_channel_takes_over_what_its_double_did() -> None:
    one = rng().normal(size=(10, 1))
    added = np.hstack([one, 3 * one])
    np.testing.assert_allclose(scales(added.T @ added, np.array([False, True])), [0, 4 / 3])


@pytest.mark.parametrize("place", [0, 1], ids=["read by a convolution", "read by a linear layer"])
def test_the_parts_of_all_channels_add_up_to_the_output(
    model: nn.Module, groups: list[Group], images: torch.Tensor, labels: torch.Tensor, place: int
) -> None:
    with torch.no_grad():
        reader = model[3] if place == 0 else model[8]
        read = (model[:3] if place == 0 else model[:8])(images)
        output = reader(read)
        if reader.bias is not None:
            output = output - reader.bias
    matrix = gram(model, groups[place], [(images, labels)], rng=rng(), passes=Passes(), outputs=4)
    drawn = rng().integers(0, output[0].numel(), (20, 4))
    chosen = output.flatten(1).double().gather(1, torch.from_numpy(drawn))
    assert matrix.sum() == pytest.approx(float(chosen.square().sum()), rel=1e-4)


def test_rescaling_multiplies_what_each_channel_adds(
    model: nn.Module, groups: list[Group], images: torch.Tensor
) -> None:
    other = copy.deepcopy(model)
    rescale(other, groups[1], np.array([2.0, 1.0, 0.0, -1.0]))
    with torch.no_grad():
        read = model[:8](images).view(20, 4, 4)
        factors = torch.tensor([2.0, 1, 0, -1])[:, None]
        torch.testing.assert_close(other(images), model[8]((read * factors).flatten(1)))


def test_rescaling_by_one_changes_nothing(model: nn.Module, groups: list[Group]) -> None:
    other = copy.deepcopy(model)
    for group in groups:
        rescale(other, group, np.ones(group.size))
    for mine, theirs in zip(model.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_the_same_generator_draws_the_same_outputs_and_passes_are_counted(
    model: nn.Module, groups: list[Group], images: torch.Tensor, labels: torch.Tensor
) -> None:
    passes, batches = Passes(), [(images[:12], labels[:12]), (images[12:], labels[12:])]
    one, same, other = (
        gram(model, groups[0], batches, rng=rng(seed), passes=passes) for seed in (1, 1, 2)
    )
    assert (one == same).all() and (one != other).any()
    assert (passes["guidance"], passes.spent()) == (60, 60)


@pytest.mark.parametrize("training", [False, True])
def test_the_network_comes_back_as_it_was(
    model: nn.Module,
    groups: list[Group],
    images: torch.Tensor,
    labels: torch.Tensor,
    unchanged: Any,
    training: bool,
) -> None:
    model.train(training)
    with unchanged(model):
        for group in groups:
            gram(model, group, [(images, labels)], rng=rng(), passes=Passes())
