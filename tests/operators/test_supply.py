"""An operator gets what it names in its signature, and nothing else."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from deap import tools

from operators.crossover import cxLayers
from operators.genomes import BitString
from operators.layout import Layout
from operators.supply import name_of, offers, settle, supply

LAYOUT = Layout.plain([2, 3], score=[5, 4, 3, 2, 1])


@pytest.fixture
def offered(rng: np.random.Generator) -> dict[str, Any]:
    return offers(LAYOUT, rng=rng)


def mutAsking(individual: Any, space: Any, *, score: Any, rate: float = 0.5) -> Any:
    return individual, space, score, rate


def test_an_operator_is_given_what_it_asks_for_by_name(offered: dict[str, Any]) -> None:
    _, space, score, rate = supply(mutAsking, offered)("someone")
    assert space is LAYOUT
    assert score is LAYOUT.score
    assert rate == 0.5


def test_nothing_is_handed_over_that_is_not_asked_for(offered: dict[str, Any]) -> None:
    assert sorted(supply(mutAsking, offered).keywords) == ["score", "space"]


def test_a_setting_goes_before_an_offer(offered: dict[str, Any]) -> None:
    assert supply(mutAsking, offered, {"score": "mine"})("someone")[2] == "mine"


def test_what_a_partial_holds_already_stays(offered: dict[str, Any]) -> None:
    assert supply(partial(mutAsking, score="mine"), offered)("someone")[2] == "mine"


def test_an_offer_fills_an_argument_that_has_a_default(offered: dict[str, Any]) -> None:
    def mutPerhaps(individual: Any, *, layers: Any = None) -> Any:
        return layers

    assert supply(mutPerhaps, offered)("someone").tolist() == [0, 2, 5]


def test_the_individuals_in_front_are_not_filled_whatever_their_names(
    offered: dict[str, Any],
) -> None:
    def cxNamed(space: Any, score: Any) -> Any:
        return space, score

    assert supply(cxNamed, offered, given=2)("a", "b") == ("a", "b")


def test_an_operator_of_the_library_works_with_no_settings_but_its_own(
    offered: dict[str, Any],
) -> None:
    ready = supply(cxLayers, offered, {"rate": 1.0}, given=2)
    a, b = ready(BitString([1] * 5), BitString([0] * 5))
    assert (a.count(), b.count()) == (0, 5)


def test_an_operator_of_deap_takes_its_own_settings(offered: dict[str, Any]) -> None:
    ready = supply(tools.mutFlipBit, offered, {"indpb": 1.0})
    assert ready(BitString([1, 0]))[0] == [0, 1]


def test_there_is_no_saliency_without_guidance(
    offered: dict[str, Any], rng: np.random.Generator
) -> None:
    assert "saliency" not in offered
    assert offers(LAYOUT, rng=rng, saliency=abs)["saliency"] is abs


def test_an_operator_may_take_any_setting_by_two_stars(offered: dict[str, Any]) -> None:
    def mutOpen(individual: Any, **rest: Any) -> Any:
        return rest

    assert supply(mutOpen, offered, {"rate": 1})("someone") == {"rate": 1}


def test_what_nobody_offers_is_named_with_what_is_on_offer(offered: dict[str, Any]) -> None:
    def mutWanting(individual: Any, *, moon: Any) -> Any:
        return moon

    with pytest.raises(ValueError, match=r"mutWanting: nobody offers 'moon'.*rng, space, layers"):
        supply(mutWanting, offered)


def test_a_misspelt_setting_brings_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown setting 'rat', did you mean 'rate'"):
        settle(mutAsking, {"rat": 1})


def test_a_setting_of_an_operator_that_has_none_says_so() -> None:
    with pytest.raises(ValueError, match="cxNone: unknown setting 'rate'; It takes no settings"):
        settle(cxNone, {"rate": 1}, given=2)


def cxNone(a: Any, b: Any) -> Any:
    return a, b


def test_a_crossover_of_one_individual_is_refused() -> None:
    with pytest.raises(ValueError, match=r"expected 2 arguments in front, \(first, second, ...\)"):
        settle(lambda one: one, {}, given=2)


def test_a_function_is_known_by_its_name_through_partials() -> None:
    assert name_of(partial(partial(cxNone, 1), 2)) == "cxNone"
