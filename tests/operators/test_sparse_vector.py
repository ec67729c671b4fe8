"""A sparse vector is its values where the mask is 1, and travels with both."""

from __future__ import annotations

import copy
import pickle
from functools import partial
from typing import Any

import numpy as np
import pytest
from deap import creator

from operators.crossover import cxUniformPacked
from operators.genomes import BitString, RealVector
from operators.individuals import individual_type
from operators.initialise import initDensity, initUniform
from operators.mutation import mutFlip
from operators.reals import cxSBX, mutPolynomial
from operators.sparse_vector import SparseVector, cxBoth, initBoth, mutBoth

Rng = np.random.Generator
Sparse = individual_type("sparse", 2)


def made(n: int, rng: Rng) -> Any:
    return Sparse(rng.random(n) < 0.3, rng.uniform(-1, 2, n))


def keep(*genomes: Any) -> Any:
    return genomes


@pytest.mark.parametrize("n", [0, 1, 8, 13])
def test_it_reads_as_values_times_mask(n: int, rng: Rng) -> None:
    vector = made(n, rng)
    expected = vector.values.array * vector.mask.to_numpy()
    assert vector == expected and vector == expected.tolist() and len(vector) == n
    assert [vector[i] for i in range(n)] == list(vector) == expected.tolist()
    assert np.array_equal(np.asarray(vector), vector.to_numpy())
    assert np.array_equal(vector[:5], expected[:5])
    assert vector.count() == vector.mask.count()


def test_hidden_values_make_no_difference_to_equality_hash_and_digest() -> None:
    a, b = SparseVector([1, 0], [0.5, 3.0]), SparseVector([1, 0], [0.5, -1.0])
    assert a == b and hash(a) == hash(b) and a.digest() == b.digest()
    b.mask[1] = 1
    assert a != b and a.digest() != b.digest()


def test_a_shown_zero_equals_a_hidden_one() -> None:
    a, b = SparseVector([1], [-0.0]), SparseVector([0], [5.0])
    assert a == b and a.digest() == b.digest()


def test_it_is_not_a_bitstring_or_a_real_vector() -> None:
    assert SparseVector([1], [1.0]) != BitString([1])
    assert BitString([1]) != SparseVector([1], [1.0])
    assert SparseVector([1], [1.0]) != "10"


@pytest.mark.parametrize(
    "travel", [copy.copy, copy.deepcopy, lambda vector: pickle.loads(pickle.dumps(vector))]
)
def test_copies_hold_the_hidden_values_and_the_fitness_and_are_their_own(
    travel: Any, rng: Rng
) -> None:
    vector = made(13, rng)
    vector.fitness.values = (0.5, 0.25)
    other = travel(vector)
    assert type(other) is creator.Sparse2 and other.fitness.values == (0.5, 0.25)
    assert other.mask == vector.mask and other.values == vector.values
    other.mask[:], other.values[0] = [0] * 13, 7.0
    assert vector.mask.count() and vector.values[0] != 7.0


@pytest.mark.parametrize(
    "travel", [copy.copy, copy.deepcopy, lambda vector: pickle.loads(pickle.dumps(vector))]
)
def test_copies_hold_what_an_operator_noted_on_a_part(travel: Any, rng: Rng) -> None:
    vector = made(13, rng)
    vector.mask.mutation_rate, vector.mask.score = 0.25, np.ones(13, np.float32)
    other = travel(vector)
    assert other.mask.mutation_rate == 0.25
    other.mask.score[0] = 7.0
    assert vector.mask.score[0] == 1.0


def test_mask_and_values_are_copied_from_what_they_are_made_of() -> None:
    mask, values = BitString([1]), RealVector([2.0])
    vector = SparseVector(mask, values)
    mask[0], values[0] = 0, 3.0
    assert vector == [2.0]


def test_mask_and_values_of_unlike_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="expected as many genes in both, got 1 and 2"):
        SparseVector([1], [1.0, 2.0])


def test_there_is_a_type_for_each_number_of_objectives() -> None:
    for m in (1, 2, 3, 4):
        vector = individual_type("sparse", m)([1, 0], [0.5, 0.5])
        assert isinstance(vector, SparseVector) and vector.fitness.weights == (-1.0,) * m


def test_an_individual_is_made_of_one_initialiser_each(rng: Rng) -> None:
    mask = partial(initDensity, size=9, density=1.0, rng=rng)
    values = partial(initUniform, low=[3] * 9, high=[3] * 9, rng=rng)
    vector = initBoth(Sparse, mask=mask, values=values)
    assert type(vector) is Sparse and vector == [3.0] * 9


def test_crossing_both_does_what_each_does_alone(rng: Rng) -> None:
    a, b = made(40, rng), made(40, rng)
    ours, parts = copy.deepcopy((a, b)), copy.deepcopy((a, b))
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    sbx = {"low": -1, "high": 2}
    cxBoth(
        *ours,
        mask=partial(cxUniformPacked, rate=0.5, rng=first),
        values=partial(cxSBX, **sbx, rng=first),
    )
    cxUniformPacked(parts[0].mask, parts[1].mask, rate=0.5, rng=second)
    cxSBX(parts[0].values, parts[1].values, **sbx, rng=second)  # type: ignore[arg-type]
    for one, other in zip(ours, parts, strict=True):
        assert one.mask == other.mask and one.values == other.values
    assert ours[0] != a


def test_mutating_both_does_what_each_does_alone(rng: Rng) -> None:
    vector = made(40, rng)
    twin = copy.deepcopy(vector)
    first, second = np.random.default_rng(1), np.random.default_rng(1)
    mask = partial(mutFlip, rate=0.2, rng=first)
    mutBoth(vector, mask=mask, values=partial(mutPolynomial, low=-1, high=2, rate=0.5, rng=first))
    mutFlip(twin.mask, rate=0.2, rng=second)
    mutPolynomial(twin.values, low=-1, high=2, rate=0.5, rng=second)
    assert vector.mask == twin.mask and vector.values == twin.values


def test_both_return_the_parents_themselves_with_their_fitness(rng: Rng) -> None:
    a, b = made(9, rng), made(9, rng)
    a.fitness.values = (0.5, 0.25)
    crossed, (mutated,) = cxBoth(a, b, mask=keep, values=keep), mutBoth(a, mask=keep, values=keep)
    assert crossed[0] is a is mutated and crossed[1] is b
    assert a.fitness.values == (0.5, 0.25)


def test_a_masked_value_waits_unharmed(rng: Rng) -> None:
    vector = SparseVector([1, 1], [0.5, 0.75])
    vector.mask[0] = 0
    assert vector == [0.0, 0.75]
    vector.mask[0] = 1
    assert vector == [0.5, 0.75]
