"""The corridor's width: as narrow as a trial drift at the light anchor allows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from evoprune.methods.anchors import MARGINS, TRIAL_STEPS, measure_margin
from evoprune.methods.baselines import baseline
from evoprune.space.decode import ThresholdDecoder
from evoprune.space.genes import Bits
from evoprune.space.weights import WeightSpace

LIGHT, HEAVY = 108, 22  # weights that the anchors keep of 215: magnitude at .5 and .1
OUTSIDE, CORE = 215 - LIGHT, 215 - HEAVY  # rank of the first one above each cut


@pytest.fixture
def decoder(space: WeightSpace) -> ThresholdDecoder:
    return ThresholdDecoder(space)


@pytest.fixture
def light(space: WeightSpace) -> Bits:
    return baseline("global-magnitude", space, LIGHT / 215)


def margin(decoder: ThresholdDecoder, light: Bits, wish: np.ndarray, rate: float = 0.002) -> float:
    """Measure the margin under a guidance that always answers with the same saliency."""
    heavy = baseline("global-magnitude", decoder.space, HEAVY / 215)

    def guidance(mask: Any) -> np.ndarray:
        return wish.astype(np.float32)

    return measure_margin(light, heavy, decoder, guidance, rate=rate)  # type: ignore[arg-type]


def test_a_guidance_that_wants_only_genes_just_outside_needs_the_smallest_margin(
    decoder: ThresholdDecoder, light: Bits
) -> None:
    just_outside = (decoder.ranks < OUTSIDE) & (decoder.ranks >= OUTSIDE - 5)
    assert margin(decoder, light, just_outside) == MARGINS[0]


def test_a_guidance_that_wants_genes_everywhere_needs_them_all_free(
    decoder: ThresholdDecoder, light: Bits
) -> None:
    assert margin(decoder, light, np.where(light, -1.0, 1.0), rate=0.5) == 1.0


def test_a_guidance_that_wants_nothing_needs_the_smallest_margin(
    decoder: ThresholdDecoder, light: Bits
) -> None:
    assert margin(decoder, light, np.zeros(215)) == MARGINS[0]


@pytest.mark.parametrize(
    ("below", "expected"),
    [(11, 0.1), (12, 0.25), (27, 0.25), (28, 0.5), (54, 0.5), (55, 0.75), (81, 0.75), (82, 1.0)],
)
def test_the_margin_is_the_smallest_whose_share_of_the_removed_weights_reaches_the_wanted_gene(
    decoder: ThresholdDecoder, light: Bits, below: int, expected: float
) -> None:
    """Of 107 removed weights .1, .25, .5 and .75 are, rounded up, 11, 27, 54 and 81."""
    assert margin(decoder, light, decoder.ranks == OUTSIDE - below) == expected


@pytest.mark.parametrize(("above", "expected"), [(17, 0.1), (18, 1.0)])
def test_the_lowest_four_fifths_of_the_core_are_free_at_any_margin(
    decoder: ThresholdDecoder, light: Bits, above: int, expected: float
) -> None:
    """Of 22 weights that the heavy anchor keeps 18 are free; the last four want margin 1."""
    unwanted = decoder.ranks == CORE + above
    assert margin(decoder, light, -1.0 * unwanted) == expected


def test_the_trial_drift_asks_its_steps_with_the_light_anchors_count_and_leaves_the_anchor(
    decoder: ThresholdDecoder, light: Bits
) -> None:
    counts, before = [], light.copy()
    heavy = baseline("global-magnitude", decoder.space, HEAVY / 215)

    def guidance(mask: Any) -> np.ndarray:
        counts.append(mask.count())
        return np.random.default_rng(len(counts)).normal(size=215).astype(np.float32)

    measure_margin(light, heavy, decoder, guidance, rate=0.1)  # type: ignore[arg-type]
    assert counts == [LIGHT] * TRIAL_STEPS
    assert (light == before).all()
