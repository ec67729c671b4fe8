"""Baselines for filters: the counts asked for are met, by the method that was named."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.methods.baselines import BASELINES, baseline
from evoprune.methods.filter_baselines import (
    FILTER_BASELINES,
    GLOBAL,
    filter_baseline,
    random_search,
)
from evoprune.methods.filter_counts import best_by_layer, best_of_all, counts_in, counts_of
from evoprune.network import filter_scores
from evoprune.network.surgery import shrink
from evoprune.passes import Passes
from evoprune.space.filters import FilterSpace

Batches = list[tuple[torch.Tensor, torch.Tensor]]
ONE_SHOT = [name for name in FILTER_BASELINES if name != "soft-filter-pruning"]


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def filters(model: nn.Module) -> FilterSpace:
    """Three filters, and four."""
    return FilterSpace(model, (1, 8, 8))


@pytest.fixture
def batches(images: torch.Tensor, labels: torch.Tensor) -> Batches:
    return [(images[:12], labels[:12]), (images[12:], labels[12:])]


def trained(model: nn.Module, **settings: Any) -> None:
    """Stands for a training that changes nothing but the passes."""
    settings["passes"]["training"] += 30


@pytest.fixture
def prune(filters: FilterSpace, batches: Batches) -> Any:
    return partial(filter_baseline, space=filters, batches=batches, rng=rng(), train=trained)


@pytest.mark.parametrize("kept", [(1, 1), (2, 3), (3, 1), (1, 4), (3, 4)])
@pytest.mark.parametrize("name", FILTER_BASELINES)
def test_counts_are_met_exactly(
    prune: Any, filters: FilterSpace, name: str, kept: tuple[int, int]
) -> None:
    counts = counts_in(filters, prune(name, kept=kept).mask)
    assert sum(counts) == sum(kept) and min(counts) >= 1
    assert counts == kept or name in GLOBAL


@pytest.mark.parametrize("total", range(2, 8))
@pytest.mark.parametrize("name", FILTER_BASELINES)
def test_a_total_is_met_exactly_and_no_layer_loses_its_last_filter(
    prune: Any, filters: FilterSpace, name: str, total: int
) -> None:
    counts = counts_in(filters, prune(name, kept=total).mask)
    assert sum(counts) == total and min(counts) >= 1


@pytest.mark.parametrize(
    ("total", "expected"), [(2, (1, 1)), (3, (1, 2)), (4, (2, 2)), (5, (2, 3)), (7, (3, 4))]
)
def test_a_total_becomes_about_the_same_share_of_each_layer(
    filters: FilterSpace, total: int, expected: tuple[int, int]
) -> None:
    assert tuple(counts_of(filters, total)) == expected


def test_a_floor_of_two_holds_for_all(model: nn.Module) -> None:
    filters = FilterSpace(model, (1, 8, 8), floor=2)
    scores = [9, 8, 7, 1, 2, 3, 4]
    assert counts_in(filters, best_of_all(filters, scores, counts_of(filters, 4))) == (2, 2)
    assert counts_in(filters, best_of_all(filters, scores, counts_of(filters, 5))) == (3, 2)


def test_globally_the_best_stay_wherever_they_are(filters: FilterSpace) -> None:
    mask = best_of_all(filters, [5, 6, 7, 0, 1, 2, 3], [2, 2])
    assert mask.tolist() == [True, True, True, False, False, False, True]


def test_by_layer_the_best_of_each_stay(filters: FilterSpace) -> None:
    mask = best_by_layer(filters, [5, 6, 7, 0, 1, 2, 3], [1, 3])
    assert mask.tolist() == [False, False, True, False, True, True, True]


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_norms_keep_the_largest_filters(prune: Any, filters: FilterSpace, name: str) -> None:
    scores = getattr(filter_scores, name)(filters.model, filters.groups)
    mask = prune(f"{name}-layer", kept=(2, 2)).mask
    for part in (slice(0, 3), slice(3, 7)):
        assert scores[part][mask[part]].min() > scores[part][~mask[part]].max()
    assert set(np.flatnonzero(prune(f"{name}-global", kept=4).mask)) >= {int(scores.argmax())}


def test_l2_over_all_filters_is_global_magnitude(prune: Any, filters: FilterSpace) -> None:
    assert (prune("l2-global", kept=6).mask == baseline("global-magnitude", filters, 6 / 7)).all()


def test_apoz_removes_the_filter_that_is_always_zero(model: nn.Module, batches: Batches) -> None:
    with torch.no_grad():
        model[1].weight[1], model[1].bias[1] = 0.0, -1.0
    filters = FilterSpace(model, (1, 8, 8))
    assert not filter_baseline("apoz", filters, (2, 4), batches=batches).mask[1]


def test_random_is_drawn_from_the_rng_given(filters: FilterSpace) -> None:
    drawn = [
        np.stack([filter_baseline("random", filters, 3, rng=stream).mask for _ in range(20)])
        for stream in (rng(1), rng(1), rng(2))
    ]
    assert (drawn[0] == drawn[1]).all() and (drawn[0] != drawn[2]).any()


def test_random_of_a_total_draws_the_counts_too(filters: FilterSpace) -> None:
    stream = rng()
    seen = {counts_in(filters, filter_baseline("random", filters, 4, rng=stream).mask)
            for _ in range(100)}  # fmt: skip
    assert seen == {(1, 3), (2, 2), (3, 1)}


def test_random_search_returns_the_best_of_what_it_drew(filters: FilterSpace) -> None:
    seen: list[float] = []

    def evaluate(mask: np.ndarray) -> float:
        seen.append(float(mask @ np.arange(7)))
        return seen[-1]

    best = random_search(filters, (2, 2), evaluate, draws=30, rng=rng())
    assert len(seen) == 30 and best.mask @ np.arange(7) == min(seen)
    assert counts_in(filters, best.mask) == (2, 2)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("l1-global", 0), ("l2-layer", 0), ("random", 0), ("apoz", 20), ("taylor", 60),
     ("thinet", 40)],
)  # fmt: skip
def test_passes_of_the_choice_are_counted(prune: Any, name: str, expected: int) -> None:
    passes = Passes()
    prune(name, kept=(2, 2), passes=passes)
    assert (passes["guidance"], passes.spent()) == (expected, expected)


@pytest.mark.parametrize("name", FILTER_BASELINES)
def test_the_network_stays_as_it_was(
    prune: Any, filters: FilterSpace, unchanged: Any, name: str
) -> None:
    with unchanged(filters.model):
        prune(name, kept=(2, 2))


@pytest.mark.parametrize("name", ONE_SHOT)
def test_only_what_changes_weights_brings_a_network_of_its_own(prune: Any, name: str) -> None:
    assert (prune(name, kept=(2, 2)).model is None) == (name != "thinet")


def test_thinet_reconstructs_a_network_whose_channels_are_doubles(
    model: nn.Module, batches: Batches
) -> None:
    with torch.no_grad():
        for place in (3, 4):
            for tensor in (*model[place].parameters(), *model[place].buffers()):
                if tensor.ndim:
                    tensor[2:] = tensor[:2]
        model[8].weight[:, 8:] = model[8].weight[:, :8]
    filters = FilterSpace(model, (1, 8, 8))
    pruned = filter_baseline("thinet", filters, (3, 3), batches=batches, rng=rng())
    assert pruned.model is not None
    small = shrink(pruned.model, filters.cut(pruned.mask))
    torch.testing.assert_close(small(batches[0][0]), model(batches[0][0]), rtol=1e-3, atol=1e-3)


def test_thinet_leaves_a_network_alone_whose_removed_filter_is_zero_already(
    model: nn.Module, batches: Batches
) -> None:
    with torch.no_grad():
        model[1].weight[1], model[1].bias[1] = 0.0, -1.0
    filters = FilterSpace(model, (1, 8, 8))
    pruned = filter_baseline("thinet", filters, (2, 4), batches=batches, rng=rng())
    assert pruned.mask.tolist() == [True, False, True, True, True, True, True]
    assert pruned.model is not None
    small = shrink(pruned.model, filters.cut(pruned.mask))
    torch.testing.assert_close(small(batches[0][0]), model(batches[0][0]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        (1, "kept: expected 2 to 7 filters in all, got 1"),
        (8, "kept: expected 2 to 7 filters in all, got 8"),
        ((3,), r"a count for each of 2 layers \(1 to 3, 1 to 4\), got 3$"),
        ((0, 2), r"a count for each of 2 layers \(1 to 3, 1 to 4\), got 0, 2"),
        ((2, 5), r"a count for each of 2 layers \(1 to 3, 1 to 4\), got 2, 5"),
    ],
)
def test_counts_that_cannot_be_met_are_refused(
    filters: FilterSpace, kept: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        filter_baseline("l2-layer", filters, kept)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("thinnet", (), "unknown filter baseline 'thinnet': did you mean 'thinet'"),
        ("apoz", ("rng",), "batches: apoz expects at least one of training images, got none"),
        ("random", (), "rng: random draws; give it a numpy Generator"),
        ("soft-filter-pruning", ("rng",), "train: soft-filter-pruning trains; give it"),
    ],
)
def test_what_a_method_cannot_do_without_is_asked_for(
    filters: FilterSpace, name: str, given: tuple[str, ...], message: str
) -> None:
    settings = {"rng": rng()} if "rng" in given else {}
    with pytest.raises(InputError, match=message):
        filter_baseline(name, filters, 4, **settings)  # type: ignore[arg-type]


def test_single_weights_are_refused(model: nn.Module) -> None:
    mixed = FilterSpace(model, (1, 8, 8), weights=["8"])
    with pytest.raises(InputError, match="space: expected filters alone, got single weights too"):
        filter_baseline("l2-layer", mixed, 4)


def test_nothing_drawn_is_refused(filters: FilterSpace) -> None:
    with pytest.raises(InputError, match="draws: expected at least 1, got 0"):
        random_search(filters, 4, lambda mask: 0.0, draws=0, rng=rng())


@pytest.mark.parametrize("density", [0.0, 2 / 7, 0.5, 1.0])
@pytest.mark.parametrize("name", BASELINES)
def test_the_baselines_for_weights_prune_filters_too(
    filters: FilterSpace, name: str, density: float
) -> None:
    counts = counts_in(filters, baseline(name, filters, density, rng=rng()))
    assert min(counts) >= 1
    assert round(density * 7) <= sum(counts) <= max(round(density * 7) + 1, 2)
