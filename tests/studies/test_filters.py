"""Masks of filters compared: cut, judged, fine-tuned alike, judged again."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.methods.filter_counts import Pruned
from evoprune.network import datasets, models
from evoprune.network.training import error, train
from evoprune.space.filters import FilterSpace
from evoprune.studies.filters import compare, cut_out

DIGITS = datasets.load("digits")


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> FilterSpace:
    model = models.build("digits-cnn", channels=1, image_size=8)
    train(model, DIGITS, epochs=1, rng=np.random.default_rng(0), progress=False)
    return FilterSpace(model, (1, 8, 8))


def half(space: FilterSpace) -> np.ndarray:
    return np.arange(space.size) % 2 == 0


def nothing(model: nn.Module, **settings: Any) -> None:
    settings["passes"]["training"] += 7


def test_all_filters_kept_is_the_dense_network(space: FilterSpace) -> None:
    whole = {"dense": Pruned(np.ones(space.size, bool))}
    [row] = compare(space, whole, DIGITS, finetune=nothing, seed=0)
    dense = [error(space.model, split, DIGITS) for split in (DIGITS.search, DIGITS.test)]
    assert [row.search_before, row.test_before] == dense
    assert (row.macs, row.params, row.kept) == (1.0, 1.0, tuple(np.diff(space.offsets)))


def test_without_fine_tuning_before_is_after(space: FilterSpace) -> None:
    [row] = compare(space, {"half": Pruned(half(space))}, DIGITS, finetune=nothing, seed=0)
    assert (row.search_before, row.test_before) == (row.search_after, row.test_after)
    assert row.passes == 7
    assert sum(row.kept) == half(space).sum() and row.macs < 0.5 and row.params < 0.7


def test_fine_tuning_sees_the_small_network_and_lowers_the_error(space: FilterSpace) -> None:
    sizes: list[int] = []

    def tune(model: nn.Module, **settings: Any) -> None:
        sizes.append(sum(parameter.numel() for parameter in model.parameters()))
        train(model, DIGITS, epochs=1, rate=0.02, progress=False, **settings)

    [row] = compare(space, {"half": Pruned(half(space))}, DIGITS, finetune=tune, seed=0)
    every = sum(parameter.numel() for parameter in space.model.parameters())
    assert sizes == [round(row.params * every)]
    assert row.search_after < row.search_before
    assert row.passes == 3 * len(DIGITS.train)


def test_equal_candidates_come_to_equal_rows(space: FilterSpace) -> None:
    tune = partial(train, dataset=DIGITS, epochs=1, rate=0.02, progress=False)
    twins = {"one": Pruned(half(space)), "other": Pruned(half(space))}
    one, other = compare(space, twins, DIGITS, finetune=tune, seed=3)
    assert (one.search_after, one.test_after) == (other.search_after, other.test_after)


def test_the_network_of_the_space_stays_as_it_was(space: FilterSpace, unchanged: Any) -> None:
    tune = partial(train, dataset=DIGITS, epochs=1, rate=0.02, progress=False)
    with unchanged(space.model):
        list(compare(space, {"half": Pruned(half(space))}, DIGITS, finetune=tune, seed=0))


def test_statistics_are_gathered_before_a_network_is_judged(space: FilterSpace) -> None:
    batch = datasets.normalise(DIGITS.train.images[:256], DIGITS)
    masks = {"half": Pruned(half(space))}
    judge = partial(compare, space, masks, DIGITS, finetune=nothing, seed=0)
    [plain], [renewed] = judge(), judge(calibration=[batch])
    assert renewed.search_before != plain.search_before


def test_a_network_of_its_own_is_the_one_that_is_cut(space: FilterSpace) -> None:
    other = models.build("digits-cnn", channels=1, image_size=8, seed=5).eval()
    images = torch.rand(4, 1, 8, 8)
    whole = np.ones(space.size, bool)
    assert torch.equal(cut_out(space, Pruned(whole, other))(images), other(images))
    assert not torch.equal(cut_out(space, Pruned(whole))(images), other(images))
