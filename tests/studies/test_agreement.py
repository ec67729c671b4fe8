"""What a front agrees on is counted, and compared with what chance would give."""

from __future__ import annotations

import numpy as np
import pytest

from evoprune.studies.agreement import by_chance, frequency, holding, most_frequent

MASKS = np.array([[1, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 1]], bool)
POINTS = np.array([[0.3, 0.5, 0.1], [0.2, 0.5, 0.2], [0.1, 0.5, 0.3]])


def random_masks(solutions: int, genes: int, seed: int) -> np.ndarray:
    """Masks of exact densities between a tenth and nine tenths."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(genes // 10, 9 * genes // 10, solutions)
    return rng.permuted(np.arange(genes) < counts[:, None], axis=1)


def test_the_frequency_is_the_share_of_solutions_that_keep_a_gene() -> None:
    assert frequency(MASKS) == pytest.approx([1 / 3, 1, 0, 2 / 3])


def test_the_mean_frequency_is_the_mean_density() -> None:
    masks = random_masks(20, 50, seed=0)
    assert frequency(masks).mean() == pytest.approx(masks.mean(axis=1).mean())


def test_the_most_frequent_comes_first() -> None:
    assert most_frequent(MASKS, 3).tolist() == [1, 3, 0]


def test_of_equally_frequent_genes_the_lower_place_comes_first() -> None:
    masks = np.tile(np.arange(2000) % 2 == 1, (4, 1))
    assert most_frequent(masks).tolist() == list(range(1, 20, 2))


def test_fewer_genes_than_asked_for_all_come() -> None:
    assert sorted(most_frequent(MASKS, 10)) == [0, 1, 2, 3]


def test_the_objectives_of_those_that_hold_a_gene_keep_their_order() -> None:
    assert np.array_equal(holding(MASKS, POINTS, 3), POINTS[1:])


def test_a_gene_that_nobody_holds_has_no_rows() -> None:
    assert holding(MASKS, POINTS, 2).shape == (0, 3)


def test_what_is_held_is_a_copy() -> None:
    given = POINTS.copy()
    holding(MASKS, given, 1)[:] = 0
    assert np.array_equal(given, POINTS)


def test_a_single_mask_is_as_frequent_as_chance() -> None:
    mask = np.array([[0, 1, 1, 0, 0]], bool)
    assert by_chance(mask).tolist() == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("kept", [True, False])
def test_masks_that_keep_all_or_nothing_leave_no_room_for_chance(kept: bool) -> None:
    masks = np.full((7, 9), kept)
    assert np.array_equal(by_chance(masks), frequency(masks))


def test_chance_knows_the_densities_alone() -> None:
    masks = random_masks(12, 80, seed=1)
    shuffled = np.random.default_rng(2).permuted(masks, axis=1)
    assert np.array_equal(by_chance(masks), by_chance(shuffled))


def test_random_masks_are_as_frequent_as_chance_says() -> None:
    masks = random_masks(40, 5000, seed=3)
    drawn = -np.sort(-frequency(masks))
    assert np.abs(drawn - by_chance(masks)).mean() < 0.5 / 40  # half a solution
    assert by_chance(masks).mean() == pytest.approx(masks.mean(), abs=0.5 / 40)


def test_masks_that_agree_are_more_frequent_than_chance() -> None:
    masks = np.tile(np.arange(100) < 20, (10, 1))
    assert by_chance(masks)[0] < 0.7 < frequency(masks)[0] == 1
    assert (np.diff(by_chance(masks)) <= 0).all()
