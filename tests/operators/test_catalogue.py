"""What every operator of the catalogue keeps to, with no settings but what is on offer by name."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pytest

import operators
from operators.catalogue import CATALOGUE, fitting
from operators.genomes import BitString
from operators.individuals import individual_type
from operators.layout import Layout
from operators.supply import GIVEN, offers, supply

Rng = np.random.Generator
PREFIXES = {"init": "init", "cx": "mate", "mut": "mutate", "sel": "select"}
IN_TWO = {"initBoth", "cxBoth", "mutBoth"}  # made of one operator for bits and one for reals
BY_THE_METHOD = ("mutExchange",)  # it wants a sensitivity, which nobody offers by name
BITS, REALS = individual_type("mask", 2), individual_type("thresholds", 2)
SIZES = {0: [0, 0], 1: [0, 1], 37: [5, 0, 12, 20]}  # layers of genomes of so many genes


def names(*slots: str) -> list[str]:
    return [name for name, entry in CATALOGUE.items() if entry.slot in slots]


def kind_of(name: str) -> Any:
    return REALS if CATALOGUE[name].genome == "thresholds" else BITS


def ready(name: str, n: int, rng: Rng) -> partial[Any]:
    """Return the operator with all that is on offer for a genome of n genes, and no settings."""
    entry, score = CATALOGUE[name], np.cos(np.arange(n))
    more: dict[str, Any] = {"low": np.zeros(n), "high": np.ones(n)}
    if entry.slot == "init":
        more["density"] = 0.5
    offered = offers(Layout.plain(SIZES[n], score=score), rng=rng, saliency=lambda _: score, **more)
    return supply(entry.operator, offered, given=GIVEN[entry.slot])


def population(name: str, n: int, count: int) -> list[Any]:
    """Return some that were evaluated and have drifted, the same ones each time."""
    rng, made = np.random.Generator(np.random.PCG64(n)), []
    for _ in range(count):
        genes = rng.random(n)
        one = kind_of(name).from_numpy(genes if kind_of(name) is REALS else genes < 0.5)
        one.fitness.values, one.score = tuple(rng.random(2)), rng.random(n, np.float32)
        made.append(one)
    return made


def call(name: str, n: int, rng: Rng) -> tuple[list[Any], Any]:
    """Return what went into an operator and what came out."""
    operator, slot = ready(name, n, rng), CATALOGUE[name].slot
    if slot == "init":
        return [], operator(kind_of(name))
    given = population(name, n, {"mutate": 1, "mate": 2, "select": 12}[slot])
    return given, operator(given, 5) if slot == "select" else operator(*given)


@pytest.mark.usefixtures("no_global_draws")
@pytest.mark.parametrize("name", CATALOGUE)
def test_an_operator_needs_no_settings_and_draws_from_its_rng_alone(name: str, rng: Rng) -> None:
    call(name, 37, rng)


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_same_generator_gives_the_same_twice(name: str, rng: Rng) -> None:
    twin = deepcopy(rng)
    (_, first), (_, second) = call(name, 37, rng), call(name, 37, twin)
    assert first == second and rng.bit_generator.state == twin.bit_generator.state


@pytest.mark.parametrize("name", names("mate", "mutate"))
def test_a_tuple_of_the_very_individuals_comes_back(name: str, rng: Rng) -> None:
    given, made = call(name, 37, rng)
    assert isinstance(made, tuple) and len(made) == len(given)
    assert all(child is parent for child, parent in zip(made, given, strict=True))


@pytest.mark.parametrize("name", names("mate", "mutate", "select"))
def test_the_fitness_is_left_alone(name: str, rng: Rng) -> None:
    given, _ = call(name, 37, rng)
    before = population(name, 37, len(given))
    assert [x.fitness.values for x in given] == [x.fitness.values for x in before]


@pytest.mark.parametrize("name", names("mate", "mutate"))
def test_something_changes_within_twenty_calls(name: str, rng: Rng) -> None:
    before = population(name, 37, 2)
    assert any(one not in before for _ in range(20) for one in call(name, 37, rng)[0])


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("name", names("init", "mate", "mutate"))
def test_a_genome_of_any_length_keeps_it_and_unused_bits_stay_0(
    name: str, n: int, rng: Rng
) -> None:
    for _ in range(3):
        given, made = call(name, n, rng)
        for one in given or [made]:
            assert len(one) == n
            if isinstance(one, BitString):
                assert one == BitString.from_packed(one.packed, n)


@pytest.mark.parametrize("name", names("init"))
def test_an_initialiser_makes_the_type_that_comes_first_without_a_fitness(
    name: str, rng: Rng
) -> None:
    _, made = call(name, 37, rng)
    assert type(made) is kind_of(name) and not made.fitness.valid


@pytest.mark.parametrize("name", names("select"))
def test_a_selection_returns_individuals_themselves_and_changes_no_gene(
    name: str, rng: Rng
) -> None:
    given, chosen = call(name, 37, rng)
    assert isinstance(chosen, list) and len(chosen) == 5
    assert all(any(one is other for other in given) for one in chosen)
    assert given == population(name, 37, 12)


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_setting_of_its_own_has_the_name_of_an_offer(name: str, rng: Rng) -> None:
    asked = signature(CATALOGUE[name].operator).parameters.values()
    own = {one.name for one in asked if one.default is not one.empty}
    assert own & set(ready(name, 37, rng).keywords) <= {"support", "core", "density"}


def test_every_exported_operator_is_in_its_slot() -> None:
    for name in operators.__all__:
        for prefix, slot in PREFIXES.items():
            if name.startswith(prefix) and name not in (*IN_TWO, *BY_THE_METHOD):
                assert CATALOGUE[name].slot == slot
                assert CATALOGUE[name].operator is getattr(operators, name)


def test_every_operator_of_the_catalogue_is_exported() -> None:
    assert set(CATALOGUE) <= set(operators.__all__)


@pytest.mark.parametrize("slot", ["init", "mate", "mutate", "select"])
@pytest.mark.parametrize("genome", ["mask", "thresholds"])
def test_there_is_something_for_every_slot_and_genome(slot: str, genome: str) -> None:
    assert fitting(slot, genome)


def test_what_fits_bits_fits_no_reals_but_for_selections() -> None:
    for slot in ("init", "mate", "mutate"):
        assert not set(fitting(slot, "mask")) & set(fitting(slot, "thresholds"))
    assert fitting("select", "mask") == fitting("select", "thresholds")


@pytest.mark.parametrize(("slot", "genome"), [("mutates", "mask"), ("mate", "bits")])
def test_an_unknown_slot_or_genome_is_refused(slot: str, genome: str) -> None:
    with pytest.raises(
        ValueError, match=f"fitting: expected a slot of .*got '{slot}' and '{genome}'"
    ):
        fitting(slot, genome)
