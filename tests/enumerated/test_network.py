"""What an enumerated network answers: look-ups, the true front, and the distance to it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from evoprune.enumerated import EnumeratedNetwork, load
from evoprune.enumerated.tables import from_arrays
from evoprune.errors import InputError
from operators import BitString, cxLayers, individual_type, mutDrift, mutImportance

CORNERS = [(1.0, 0.0), (0.5, 0.25), (0.5, 0.75), (0.0, 1.0)]  # of masks 00, 01, 10, 11 of `tiny`


@pytest.fixture
def tiny() -> EnumeratedNetwork:
    """Two genes in two layers, 4 images; the mask 10 is worse than 01."""
    return from_arrays("tiny", arrays())


def arrays() -> dict[str, Any]:
    return {
        "names": np.array(["first", "second"]),
        "sizes": np.array([1, 1]),
        "score": np.array([0.5, 2.0]),
        "cost": np.array([0, 1, 3, 4], np.uint32),
        "images": np.array([4, 2]),
        "wrong_search": np.array([4, 2, 2, 0], np.uint16),
        "wrong_test": np.array([2, 1, 0, 0], np.uint16),
        "soft_search": np.array([0.9, 0.5, 0.5, 0.1], np.float32),
        "soft_test": np.array([0.9, 0.5, 0.5, 0.1], np.float32),
        "loss": np.array([2.0, 1.0, 1.5, 0.25], np.float32),
        "first_order": np.array([[0, 0], [1, 2], [3, 4], [5, 6]], np.float16),
        "weight_first.weight": np.array([[1.0, -2.0]], np.float32),
    }


@pytest.fixture(params=["filters", "groups"])
def shipped(request: pytest.FixtureRequest) -> EnumeratedNetwork:
    return load(request.param)


def test_error_and_cost_are_those_of_the_mask(tiny: EnumeratedNetwork) -> None:
    masks = product((0, 1), repeat=2)
    assert [tiny.evaluate(BitString(mask)) for mask in masks] == CORNERS


def test_the_test_split_has_its_own_errors(tiny: EnumeratedNetwork) -> None:
    assert tiny.evaluate([1, 0], split="test") == (0.0, 0.75)


def test_gene_0_is_the_highest_bit_of_a_number(shipped: EnumeratedNetwork) -> None:
    first = [1] + [0] * (shipped.genes - 1)
    last = first[::-1]
    assert shipped.index(first) == 2 ** (shipped.genes - 1) and shipped.index(last) == 1


def test_numbers_and_masks_lead_to_each_other(shipped: EnumeratedNetwork) -> None:
    numbers = np.random.default_rng(0).integers(0, 2**shipped.genes, 50)
    assert [shipped.index(mask) for mask in shipped.masks(numbers)] == numbers.tolist()


def test_bits_bools_and_individuals_are_the_same_mask(shipped: EnumeratedNetwork) -> None:
    bits = np.random.default_rng(1).random(shipped.genes) < 0.5
    forms = [bits, bits.tolist(), BitString(bits), individual_type("mask", 2)(bits)]
    assert len({shipped.evaluate(form) for form in forms}) == 1


def test_the_true_front_of_four_masks_by_hand(tiny: EnumeratedNetwork) -> None:
    assert tiny.front().tolist() == [[0.0, 1.0], [0.5, 0.25], [1.0, 0.0]]
    assert tiny.masks_on_front().tolist() == [[False, False], [False, True], [True, True]]


def test_the_regret_of_some_points_by_hand(tiny: EnumeratedNetwork) -> None:
    # Up to (1, 1) the front has 0.5 * 0.75, all of it by mask 01; mask 10 has 0.5 * 0.25.
    assert tiny.regret(CORNERS) == 0
    assert tiny.regret([CORNERS[1]]) == 0
    assert tiny.regret([CORNERS[2]]) == pytest.approx(2 / 3)
    assert tiny.regret([CORNERS[0]]) == 1
    assert tiny.regret(np.zeros((0, 2))) == 1


def test_the_distance_and_the_share_found_by_hand(tiny: EnumeratedNetwork) -> None:
    assert tiny.found([CORNERS[1], CORNERS[2]]) == pytest.approx(1 / 3)
    assert tiny.igd_plus(CORNERS) == 0
    # Behind mask 10 the errors 1, 0.5, 0 are worse by 0, 0, 0.5, the costs by 0.75, 0.5, 0.
    assert tiny.igd_plus([CORNERS[2]]) == pytest.approx((0.75 + 0.5 + 0.5) / 3)


def test_points_that_no_mask_reaches_are_refused(tiny: EnumeratedNetwork) -> None:
    with pytest.raises(InputError, match=r"points: .* 'search', got .* better than the true front"):
        tiny.regret([tiny.evaluate([1, 0], split="test")])


def test_points_of_three_objectives_are_refused(tiny: EnumeratedNetwork) -> None:
    with pytest.raises(ValueError, match=r"points: expected shape \(n, 2\)"):
        tiny.regret([(0.5, 0.25, 0.1)])


def test_the_gain_of_a_flip_is_a_difference_of_losses(tiny: EnumeratedNetwork) -> None:
    assert tiny.gain([0, 0]).tolist() == [0.5, 1.0]  # 2 to 1.5 by gene 0, to 1 by gene 1
    assert tiny.gain([1, 1]).tolist() == [-0.75, -1.25]


def test_the_saliency_is_that_of_the_mask(tiny: EnumeratedNetwork) -> None:
    found = tiny.saliency(BitString([1, 0]))
    assert found.tolist() == [3, 4] and found.dtype == np.float32


def test_no_point_dominates_the_front_and_all_others_are_dominated(
    shipped: EnumeratedNetwork,
) -> None:
    for split in ("search", "test"):
        points, front = shipped.points(split), shipped.front(split)
        on_front = {tuple(point) for point in front.tolist()}
        for point in points[np.random.default_rng(2).integers(0, len(points), 300)]:
            no_worse = (front <= point).all(axis=1)
            assert no_worse.any() and (tuple(point) in on_front) == (
                front[no_worse].tolist() == [point.tolist()]
            )


def test_the_masks_on_the_front_are_all_that_come_to_its_points(
    shipped: EnumeratedNetwork,
) -> None:
    front = {tuple(point) for point in shipped.front("test").tolist()}
    there = [tuple(point) in front for point in shipped.points("test").tolist()]
    assert shipped.masks_on_front("test").tolist() == shipped.masks(np.flatnonzero(there)).tolist()


def test_all_points_together_leave_no_regret(shipped: EnumeratedNetwork) -> None:
    points = shipped.points("test")
    assert shipped.regret(points, split="test") == 0
    assert shipped.igd_plus(points, split="test") == 0
    assert shipped.found(points, split="test") == 1


def test_tables_are_read_only(shipped: EnumeratedNetwork) -> None:
    with pytest.raises(ValueError, match="read-only"):
        shipped.points()[0] = 0


def test_a_genome_of_another_length_is_refused(shipped: EnumeratedNetwork) -> None:
    with pytest.raises(InputError, match=f"individual: expected {shipped.genes} genes, got 3"):
        shipped.evaluate([1, 0, 1])


def test_an_unknown_split_brings_the_nearest(shipped: EnumeratedNetwork) -> None:
    for ask in (shipped.front, shipped.points, shipped.masks_on_front):
        with pytest.raises(InputError, match="unknown split 'serch': did you mean 'search'"):
            ask("serch")


def test_a_network_without_gradients_says_which_has_them() -> None:
    network = load("filters")
    for ask in (network.saliency, network.gain):
        with pytest.raises(InputError, match=r"'filters' has no table .* write load\('groups'\)"):
            ask([1] * 16)


def test_guided_operators_run_on_the_tables() -> None:
    network, rng = load("groups"), np.random.default_rng(0)
    a, b = (individual_type("mask", 2)(rng.random(14) < 0.5) for _ in range(2))
    both = np.array(a) + np.array(b)
    a, b = cxLayers(a, b, layers=network.offsets, rate=0.5, rng=rng)
    assert np.array_equal(np.array(a) + np.array(b), both)
    mutImportance(a, score=network.score, rate=0, change=-1 / 14, temperature=0.1, rng=rng)
    mutDrift(b, saliency=network.saliency, score=network.score, count=5, steps=4, rate=0.5)
    assert b.count() == 5 and network.regret([network.evaluate(a), network.evaluate(b)]) > 0
