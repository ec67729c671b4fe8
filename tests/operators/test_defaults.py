"""Left out, a setting is what the docs say it is."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from operators import (
    BitString,
    cxImportance,
    cxKPointPacked,
    cxLayers,
    cxMicrobial,
    cxScores,
    cxUniformPacked,
    individual_type,
    initImportance,
    mutBalanced,
    mutDrift,
    mutFlip,
    mutHeavyTail,
    mutImportance,
    mutLogNormal,
    mutSwap,
)

N, Mask = 500, individual_type("mask", 2)
SCORE, LAYERS = np.cos(np.arange(N)), np.arange(0, N + 1, 50)


def mask(seed: int) -> Any:
    made = Mask.from_numpy(np.random.default_rng(seed).random(N) < 0.4)
    made.score = np.random.default_rng(seed).random(N, np.float32)
    return made


def made(operator: Any, individuals: int, settings: dict[str, Any]) -> Any:
    rng = np.random.default_rng(5)
    given = [mask(seed) for seed in range(individuals)] if individuals else [BitString]
    return operator(*given, rng=rng, **settings)


@pytest.mark.parametrize(
    ("operator", "individuals", "needed", "settings"),
    [
        (initImportance, 0, {"score": SCORE, "density": 0.3}, {"sharpness": 50.0}),
        (cxUniformPacked, 2, {}, {"rate": 0.5}),
        (cxKPointPacked, 2, {}, {"points": 3}),
        (cxLayers, 2, {"layers": LAYERS}, {"rate": 0.5}),
        (cxMicrobial, 2, {"layers": LAYERS}, {"rate": 0.5}),
        (cxImportance, 2, {"score": SCORE}, {"bias": 0.5}),
        (cxScores, 2, {"layers": LAYERS}, {"rate": 1.0, "blend": 0.5}),
        (mutFlip, 1, {}, {"rate": 1 / N}),
        (mutSwap, 1, {}, {"rate": 0.01}),
        (mutImportance, 1, {"score": SCORE}, {"rate": 0.01, "change": 0.0, "temperature": 0.1}),
        (mutHeavyTail, 1, {}, {"beta": 1.5}),
        (mutBalanced, 1, {}, {"rate": 1 / N}),
        (mutLogNormal, 1, {}, {"rate": 1 / N, "gamma": 0.22}),
    ],
)
def test_an_operator_without_settings_is_the_one_with_its_defaults(
    operator: Any, individuals: int, needed: dict[str, Any], settings: dict[str, Any]
) -> None:
    assert made(operator, individuals, needed) == made(operator, individuals, needed | settings)


def test_a_drift_without_settings_keeps_its_number_of_ones_in_eight_small_steps() -> None:
    asked: dict[str, Any] = {"saliency": lambda _: SCORE, "score": SCORE}
    one, other = mask(1), mask(1)
    mutDrift(one, **asked)
    mutDrift(other, count=mask(1).count(), steps=8, rate=0.0005, **asked)
    assert one == other and np.array_equal(one.score, other.score)
    assert one.count() == mask(1).count() and not np.array_equal(one.score, mask(1).score)


def test_a_drift_without_a_count_leaves_an_empty_mask_empty() -> None:
    empty = Mask.zeros(N)
    before = deepcopy(empty)
    mutDrift(empty, saliency=lambda _: SCORE, score=SCORE)
    assert empty == before


def test_scores_of_no_genes_are_crossed_without_a_word() -> None:
    a, b = Mask([]), Mask([])
    a.score = b.score = np.zeros(0, np.float32)
    assert cxScores(a, b, layers=[0, 0], rng=np.random.default_rng(0)) == (a, b)
