"""Widths are rounded up, by the most important of what was removed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.space.filters import FilterSpace
from evoprune.space.rounding import rounded


@pytest.fixture
def space() -> FilterSpace:
    """Six filters, then five; each more important than the one before."""
    model = nn.Sequential(nn.Conv2d(1, 6, 3), nn.Conv2d(6, 5, 3), nn.Flatten(), nn.Linear(80, 2))
    return FilterSpace(model.eval(), (1, 8, 8)).scored(np.arange(11))


def mask(*kept: int) -> np.ndarray:
    bits = np.zeros(11, bool)
    bits[list(kept)] = True
    return bits


@pytest.mark.parametrize(
    ("kept", "multiple", "expected"),
    [
        ((0, 6), 2, (0, 5, 6, 10)),
        ((0, 1, 6, 7), 2, (0, 1, 6, 7)),
        ((0, 1, 2, 6), 3, (0, 1, 2, 6, 9, 10)),
        ((1, 7, 8, 9), 4, (1, 3, 4, 5, 7, 8, 9, 10)),
        ((1, 7), 8, tuple(range(11))),
        ((1, 7), 1, (1, 7)),
    ],
)
def test_the_most_important_come_back_up_to_a_multiple_or_to_all(
    space: FilterSpace, kept: tuple[int, ...], multiple: int, expected: tuple[int, ...]
) -> None:
    given = mask(*kept)
    assert np.flatnonzero(rounded(space, given, multiple)).tolist() == list(expected)
    assert np.flatnonzero(given).tolist() == sorted(kept)


def test_single_weights_stay_as_they_are() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2)).eval()
    space = FilterSpace(model, (1, 4, 4), weights=["linear"])
    bits = torch.randint(0, 2, (36,), generator=torch.Generator().manual_seed(0)).bool().numpy()
    bits[:4] = [True, False, False, False]
    result = rounded(space, bits, 4)
    assert result[:4].all() and np.array_equal(result[4:], bits[4:])


def test_a_multiple_below_1_is_refused(space: FilterSpace) -> None:
    with pytest.raises(InputError, match="round-to: expected 1 or more, got 0"):
        rounded(space, mask(0, 6), 0)
