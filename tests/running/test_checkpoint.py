"""Individuals taken apart into arrays and put together again."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest

from evoprune.running.checkpoint import (
    nest,
    pack_individuals,
    pack_json,
    unnest,
    unpack_individuals,
    unpack_json,
)
from evoprune.running.rundir import RunDir
from evoprune.seeding import Streams
from operators.individuals import individual_type

KINDS = ["mask", "thresholds"]


def population(
    kind: Literal["mask", "thresholds"], objectives: int = 2, size: int = 5
) -> list[Any]:
    rng = np.random.default_rng(0)
    made = []
    for number in range(size):
        genes = rng.random(13)
        individual = individual_type(kind, objectives)(genes < 0.5 if kind == "mask" else genes)
        individual.fitness.values = tuple(rng.random(objectives))
        individual.fitness.violation = float(number % 2)
        made.append(individual)
    return made


def same(one: Any, other: Any) -> bool:
    return bool(
        type(one) is type(other)
        and one == other
        and one.fitness.values == other.fitness.values
        and one.fitness.violation == other.fitness.violation
        and hasattr(one, "score") == hasattr(other, "score")
        and np.array_equal(getattr(one, "score", 0), getattr(other, "score", 0))
    )


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_individuals_come_back_with_genes_objectives_and_violation(
    kind: Any, objectives: int
) -> None:
    before = population(kind, objectives)
    after = unpack_individuals(pack_individuals(before), individual_type(kind, objectives))
    assert all(map(same, before, after))
    assert len(after) == 5


@pytest.mark.parametrize("kind", KINDS)
def test_they_come_back_from_a_file_too(kind: Any, tmp_path: Any) -> None:
    folder, before = RunDir(tmp_path), population(kind)
    before[1].score = np.random.default_rng(1).random(13).astype(np.float32)
    before[3].fitness.values = (float("inf"), 1.0)
    folder.write_arrays("population.npz", pack_individuals(before))
    arrays = folder.read_arrays("population.npz")
    assert all(map(same, before, unpack_individuals(arrays, individual_type(kind, 2))))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("given_up", [[], [0], [1, 4], [0, 1, 2, 3, 4]])
def test_those_that_were_given_up_come_back_without_a_fitness(
    kind: Any, given_up: list[int], tmp_path: Any
) -> None:
    folder, before = RunDir(tmp_path), population(kind, 3)
    for place in given_up:
        del before[place].fitness.values
    folder.write_arrays("population.npz", pack_individuals(before))
    after = unpack_individuals(folder.read_arrays("population.npz"), individual_type(kind, 3))
    assert all(map(same, before, after))
    assert [place for place, one in enumerate(after) if not one.fitness.valid] == given_up


@pytest.mark.parametrize("judged", [True, False])
def test_a_checkpoint_that_does_not_say_who_was_judged_is_still_read(judged: bool) -> None:
    before = population("mask")
    if not judged:
        for one in before:
            del one.fitness.values
    arrays = pack_individuals(before)
    del arrays["judged"]
    arrays["values"] = np.array([one.fitness.values for one in before])  # as it was written
    assert all(map(same, before, unpack_individuals(arrays, individual_type("mask", 2))))


def test_scores_come_back_to_those_that_carried_one() -> None:
    before = population("mask")
    for place in (0, 3):
        before[place].score = np.random.default_rng(place).random(13).astype(np.float32)
    after = unpack_individuals(pack_individuals(before), individual_type("mask", 2))
    assert [place for place, one in enumerate(after) if hasattr(one, "score")] == [0, 3]
    assert all(map(same, before, after))
    assert after[0].score.dtype == np.float32


def test_rates_come_back_to_those_that_carried_their_own() -> None:
    before = population("mask")
    before[1].mutation_rate = 0.25
    after = unpack_individuals(pack_individuals(before), individual_type("mask", 2))
    assert after[1].mutation_rate == 0.25
    assert not hasattr(after[0], "mutation_rate")


def test_scores_are_left_out_if_not_asked_for() -> None:
    before = population("mask")
    before[0].score = np.zeros(13, np.float32)
    arrays = pack_individuals(before, scores=False)
    after = unpack_individuals(arrays, individual_type("mask", 2))
    assert not hasattr(after[0], "score")


@pytest.mark.parametrize("kind", KINDS)
def test_individuals_not_yet_judged_come_back_so(kind: Any) -> None:
    before = population(kind)
    for individual in before:
        del individual.fitness.values
    after = unpack_individuals(pack_individuals(before), individual_type(kind, 2))
    assert not any(individual.fitness.valid for individual in after)
    assert all(map(same, before, after))


def test_nobody_comes_back_as_nobody() -> None:
    assert unpack_individuals(pack_individuals([]), individual_type("mask", 2)) == []


@pytest.mark.parametrize("kind", KINDS)
def test_what_comes_back_shares_no_memory_with_the_arrays(kind: Any) -> None:
    before = population(kind)
    before[0].score = np.zeros(13, np.float32)
    arrays = pack_individuals(before)
    after = unpack_individuals(arrays, individual_type(kind, 2))
    after[0][:] = [1] * 13
    after[0].score += 1
    assert same(unpack_individuals(arrays, individual_type(kind, 2))[0], before[0])


def test_a_mask_takes_a_bit_a_gene() -> None:
    assert pack_individuals(population("mask"))["packed"].shape == (5, 2)


def test_no_array_needs_a_pickle() -> None:
    before = population("mask")
    before[0].score = np.zeros(13, np.float32)
    assert all(array.dtype.kind in "uif" for array in pack_individuals(before).values())


def test_nested_arrays_are_found_under_their_own_prefix_alone() -> None:
    arrays = nest("state", {"a": np.array(1)}) | nest("state-2", {"a": np.array(2)})
    assert list(arrays) == ["state/a", "state-2/a"]
    assert unnest("state", arrays) == {"a": np.array(1)}


def test_a_prefix_may_be_nested_in_another() -> None:
    arrays = nest("outer", nest("inner", {"a": np.array(1)}))
    assert unnest("inner", unnest("outer", arrays)) == {"a": np.array(1)}


def test_json_comes_back_from_its_bytes() -> None:
    value = {"streams": Streams(3).state(), "text": "±", "none": None, "number": 0.1}
    assert unpack_json(pack_json(value)) == value
