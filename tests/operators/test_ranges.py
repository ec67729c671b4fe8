"""A setting out of its range gets one line that names it, before anything is drawn or changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from operators.crossover import cxLayers, cxUniformPacked
from operators.drift import cxScores, mutDrift
from operators.genomes import BitString, RealVector
from operators.individuals import individual_type
from operators.initialise import initAround, initDensity, initImportance, initUniform
from operators.mutation import mutFlip, mutImportance, mutSwap
from operators.ranges import at_least, ordered, share
from operators.repair import clampBounds

NAN, INF = float("nan"), float("inf")
NO_SHARE = [-0.1, 1.5, NAN, INF]
NO_SIZE = [-1, NAN, INF]
SCORE = np.array([3, 1, 2, 5, 4], np.float32)
LAYERS = [0, 2, 5]
IMPORTANCE: dict[str, Any] = {"score": SCORE, "rate": 0.5, "change": 0.2, "temperature": 0.1}
DRIFT: dict[str, Any] = {
    "saliency": lambda _: -SCORE, "score": SCORE, "count": 1, "steps": 2, "rate": 0.5
}
BOX: dict[str, Any] = {"sigma": 0.1, "low": 0.0, "high": 1.0}


def drift(mask: Any, *, rng: np.random.Generator, **settings: Any) -> Any:
    return mutDrift(mask, **settings)  # it draws nothing


CHANGES: list[tuple[Callable[..., Any], dict[str, Any], str, list[float]]] = [
    (mutFlip, {"rate": 0.5}, "rate", NO_SHARE),
    (mutSwap, {"rate": 0.5}, "rate", NO_SHARE),
    (mutImportance, IMPORTANCE, "rate", NO_SHARE),
    (mutImportance, IMPORTANCE, "change", [-1.5, 1.5, NAN, INF]),
    (mutImportance, IMPORTANCE, "temperature", NO_SIZE),
    (drift, DRIFT, "rate", NO_SIZE),
    (drift, DRIFT, "steps", NO_SIZE),
    (drift, DRIFT, "decay", [-0.1, 1.0, NAN]),
    (drift, {**DRIFT, "steps": 0}, "decay", [1.0]),
]
CROSSES: list[tuple[Callable[..., Any], dict[str, Any], str]] = [
    (cxUniformPacked, {"rate": 0.5}, "rate"),
    (cxLayers, {"layers": LAYERS, "rate": 0.5}, "rate"),
    (cxScores, {"layers": LAYERS, "rate": 0.5, "blend": 0.5}, "rate"),
    (cxScores, {"layers": LAYERS, "rate": 0.5, "blend": 0.5}, "blend"),
]
MAKES: list[tuple[Callable[..., Any], dict[str, Any], str, list[float]]] = [
    (initDensity, {"size": 5, "density": 0.5}, "density", NO_SHARE),
    (initDensity, {"size": 5, "density": 0.5}, "size", [-1]),
    (initImportance, {"score": SCORE, "density": 0.5, "sharpness": 9}, "density", NO_SHARE),
    (initImportance, {"score": SCORE, "density": 0.5, "sharpness": 9}, "sharpness", NO_SIZE),
    (initImportance, {"score": SCORE, "density": 1.0, "sharpness": 9}, "sharpness", NO_SIZE),
    (initAround, {"centre": [0.5, 0.5], **BOX}, "sigma", NO_SIZE),
]


def each(cases: list[Any]) -> list[Any]:
    """Split the bad values of each case into cases of their own, with a name to read."""
    return [
        pytest.param(function, usual, name, bad, id=f"{function.__name__}-{name}={bad}")
        for function, usual, name, values in cases
        for bad in values
    ]


def scored(bits: list[int]) -> Any:
    mask = individual_type("mask", 2)(bits)
    mask.score = SCORE.copy()
    return mask


def refusal(name: str, bad: float) -> str:
    return rf"^{name}: expected [^\n]*, got {bad}(;[^\n]*)?$"


@pytest.mark.parametrize(("mutate", "usual", "name", "bad"), each(CHANGES))
def test_a_mutation_refuses_a_setting_out_of_range_and_changes_nothing(
    mutate: Any, usual: dict[str, Any], name: str, bad: float, rng: np.random.Generator
) -> None:
    mask, before = scored([1, 0, 1, 0, 1]), rng.bit_generator.state
    with pytest.raises(ValueError, match=refusal(name, bad)):
        mutate(mask, rng=rng, **{**usual, name: bad})
    assert mask == [1, 0, 1, 0, 1] and (mask.score == SCORE).all()
    assert rng.bit_generator.state == before


@pytest.mark.parametrize(
    ("mate", "usual", "name", "bad"), each([(*case, NO_SHARE) for case in CROSSES])
)
def test_a_crossover_refuses_a_setting_out_of_range_and_changes_nothing(
    mate: Any, usual: dict[str, Any], name: str, bad: float, rng: np.random.Generator
) -> None:
    a, b, before = scored([1, 1, 1, 0, 0]), scored([0, 0, 0, 1, 1]), rng.bit_generator.state
    with pytest.raises(ValueError, match=refusal(name, bad)):
        mate(a, b, rng=rng, **{**usual, name: bad})
    assert a == [1, 1, 1, 0, 0] and b == [0, 0, 0, 1, 1]
    assert (a.score == SCORE).all() and (b.score == SCORE).all()
    assert rng.bit_generator.state == before


@pytest.mark.parametrize(("make", "usual", "name", "bad"), each(MAKES))
def test_an_initialiser_refuses_a_setting_out_of_range_and_draws_nothing(
    make: Any, usual: dict[str, Any], name: str, bad: float, rng: np.random.Generator
) -> None:
    before = rng.bit_generator.state
    with pytest.raises(ValueError, match=refusal(name, bad)):
        make(BitString, rng=rng, **{**usual, name: bad})
    assert rng.bit_generator.state == before


def test_a_bad_rate_is_refused_also_where_no_scores_are_to_cross(rng: np.random.Generator) -> None:
    a, b = BitString([1, 1, 1, 0, 0]), BitString([0, 0, 0, 1, 1])
    with pytest.raises(ValueError, match=refusal("rate", 1.5)):
        cxScores(a, b, layers=LAYERS, rate=1.5, blend=0.5, rng=rng)


@pytest.mark.parametrize(("low", "high"), [([0, 2], [1, 1]), (NAN, 1), ([0, 0], [1, NAN])])
def test_bounds_that_are_crossed_or_no_numbers_are_refused(
    low: Any, high: Any, rng: np.random.Generator
) -> None:
    vector, said = RealVector([0.5, 0.5]), "^low, high: expected .*low <= high, got"
    with pytest.raises(ValueError, match=said):
        initUniform(RealVector, low, high, rng=rng)
    with pytest.raises(ValueError, match=said):
        initAround(RealVector, [0, 0], sigma=0, low=low, high=high, rng=rng)
    with pytest.raises(ValueError, match=said):
        clampBounds(vector, low, high)
    assert vector == [0.5, 0.5]


def test_infinite_bounds_will_do_to_clip_but_not_to_draw_between(rng: np.random.Generator) -> None:
    assert initAround(RealVector, [2.0], sigma=0, low=-INF, high=1, rng=rng) == [1.0]
    assert clampBounds(RealVector([2.0]), -INF, INF) == 0
    with pytest.raises(ValueError, match=r"expected finite numbers with low <= high, got 0.* inf$"):
        initUniform(RealVector, [0], [INF], rng=rng)


@pytest.mark.parametrize("value", [0, 1, 0.0, 1.0, 0.5, np.float32(0.25), np.array(0.5)])
def test_the_ends_of_a_share_are_in_it(value: Any) -> None:
    share("rate", value)


def test_the_lower_end_of_a_share_can_be_another() -> None:
    share("change", -1, low=-1)
    with pytest.raises(ValueError, match=r"^change: expected a share from -1 to 1, got -2$"):
        share("change", -2, low=-1)


def test_the_bound_itself_is_enough() -> None:
    at_least("steps", 3, 3)
    with pytest.raises(ValueError, match=r"^steps: expected 3 or more, finite, got 2; write 3$"):
        at_least("steps", 2, 3, instead="write 3")


def test_equal_bounds_are_in_order() -> None:
    ordered([0, 1], 1, finite=True)
