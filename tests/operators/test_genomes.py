"""BitString and RealVector behave as lists, cost little, and travel."""

from __future__ import annotations

import copy
import pickle
import random
import tracemalloc
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from operator import attrgetter, methodcaller
from typing import Any

import numpy as np
import pytest
from deap import base, creator, tools

from operators.crossover import cxTwoPointPacked
from operators.genomes import BitString, RealVector
from operators.individuals import individual_type
from operators.initialise import initDensity
from operators.mutation import mutFlip

Mask = individual_type("mask", 2)
Thresholds = individual_type("thresholds", 2)


class ListMask(list):
    """The twin: a plain list with the same fitness."""

    def __init__(self, genes: Any = ()) -> None:
        super().__init__(genes)
        self.fitness = creator.FitnessMin2()


LENGTHS = [0, 1, 7, 8, 9, 16, 37, 64, 101]
SLICES = [
    slice(None), slice(3, 7), slice(8, 16), slice(5, None), slice(None, -2), slice(20, 5),
    slice(None, None, -1), slice(1, None, 3), slice(30, 2, -4), slice(200, 300),
]  # fmt: skip


def bits_of(n: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(0, 2, n).tolist()


# As a list ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", LENGTHS)
def test_a_bitstring_reads_as_the_list_it_was_made_of(n: int) -> None:
    bits = bits_of(n)
    mask = BitString(bits)
    assert list(mask) == bits and len(mask) == n and mask.count() == sum(bits)
    assert [mask[i] for i in range(-n, n)] == bits + bits
    assert all(type(bit) is int for bit in mask)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("where", SLICES, ids=str)
def test_slices_read_and_write_as_those_of_a_list(n: int, where: slice) -> None:
    bits = bits_of(n)
    mask = BitString(bits)
    assert list(mask[where]) == bits[where]
    new = bits_of(len(bits[where]), seed=1)
    bits[where], mask[where] = new, BitString(new)
    assert mask == bits


@pytest.mark.parametrize("n", LENGTHS)
def test_single_genes_write_as_those_of_a_list(n: int) -> None:
    bits = bits_of(n)
    mask = BitString(bits)
    for i in range(-n, n, 3):
        bits[i] = mask[i] = 1 - bits[i]
    assert mask == bits


def test_index_arrays_read_and_write_as_those_of_an_array(rng: np.random.Generator) -> None:
    genes = rng.random(101) < 0.5
    mask = BitString(genes)
    places, new = rng.integers(-101, 101, 60), rng.random(60) < 0.5
    assert np.array_equal(mask[places], genes[places])
    mask[places] = genes[places] = True
    assert mask == genes
    distinct = rng.permutation(101)[:60]
    mask[distinct] = genes[distinct] = new
    assert mask == genes


def test_a_bool_array_chooses_genes(rng: np.random.Generator) -> None:
    genes, chosen = rng.random(37) < 0.5, rng.random(37) < 0.5
    mask = BitString(genes)
    assert np.array_equal(mask[chosen], genes[chosen])
    mask[chosen] = False
    assert mask.count() == (genes & ~chosen).sum()


def test_an_empty_index_list_changes_nothing() -> None:
    mask = BitString([1, 0, 1])
    mask[[]] = []
    assert mask == [1, 0, 1] and mask[[]].size == 0


@pytest.mark.parametrize("genome", [BitString([1, 0, 1]), RealVector([1.0, 0.0, 1.0])])
def test_a_slice_is_a_copy_without_fitness(genome: Any) -> None:
    part = genome[1:]
    part[0] = 1
    assert genome[1] == 0 and not hasattr(part, "fitness")
    assert type(Mask([1, 0])[:1]) is BitString and type(Thresholds([1, 0])[:1]) is RealVector


@pytest.mark.parametrize("genome", [BitString([1, 0, 1]), RealVector([1.0, 0.0, 1.0])])
def test_a_slice_must_keep_the_length(genome: Any) -> None:
    with pytest.raises(ValueError, match="slice: expected 2 genes, got 1"):
        genome[1:] = [1]
    assert genome == [1, 0, 1]


@pytest.mark.parametrize("index", [3, -4, [0, 3], [-4]])
def test_places_outside_raise_index_error(index: Any) -> None:
    with pytest.raises(IndexError, match="range" if isinstance(index, int) else "from -3 to 2"):
        BitString([1, 0, 1])[index]


@pytest.mark.parametrize("index", [[0.5], [[0, 1]], "0", [True, False]])
def test_an_index_that_is_no_place_raises_index_error(index: Any) -> None:
    with pytest.raises(IndexError, match="index: expected integers, a slice or 3 bools"):
        BitString([1, 0, 1])[index]


@pytest.mark.parametrize("bits", [[0, 2], [0.5], "0110", ["0"], np.array([-1])])
def test_values_other_than_bits_are_refused(bits: Any) -> None:
    with pytest.raises(ValueError, match="bits: expected only 0 and 1"):
        BitString(bits)


@pytest.mark.parametrize("value", [2, 0.5, "1", None, -1])
def test_a_single_gene_takes_0_or_1_only(value: Any) -> None:
    mask = BitString([1, 0, 1])
    with pytest.raises(ValueError, match="bit: expected 0 or 1, got"):
        mask[1] = value
    assert mask == [1, 0, 1]


def test_an_array_of_two_dimensions_is_refused() -> None:
    with pytest.raises(ValueError, match="one dimension"):
        BitString.from_numpy(np.zeros((2, 2), dtype=bool))


def test_a_generator_and_initRepeat_fill_a_genome() -> None:
    assert BitString(i % 2 for i in range(5)) == [0, 1, 0, 1, 0]
    assert tools.initRepeat(Mask, partial(int, 1), 3) == [1, 1, 1]
    assert tools.initRepeat(Thresholds, partial(float, 1), 3) == [1.0, 1.0, 1.0]


# Packing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", LENGTHS)
def test_packed_bytes_are_those_of_numpy_and_unused_bits_are_0(n: int) -> None:
    bits = bits_of(n)
    mask = BitString(bits)
    assert np.array_equal(mask.packed, np.packbits(np.array(bits, dtype=bool)))
    assert BitString.from_packed(np.full(-(-n // 8), 255, dtype=np.uint8), n).count() == n
    assert np.array_equal(mask.to_numpy(), np.array(bits, dtype=bool))
    assert BitString.zeros(n) == [0] * n


def test_class_methods_make_the_type_they_are_called_on() -> None:
    made = [Mask.zeros(3), Mask.from_numpy(np.ones(3, bool)), Thresholds.from_numpy(np.ones(3))]
    assert [type(one) for one in made] == [Mask, Mask, Thresholds]
    assert not any(one.fitness.valid for one in made)


@pytest.mark.parametrize(("size", "length"), [(1, 9), (2, 8), (0, -1)])
def test_bytes_that_do_not_fit_the_length_are_refused(size: int, length: int) -> None:
    with pytest.raises(ValueError, match="packed: expected"):
        BitString.from_packed(np.zeros(size, dtype=np.uint8), length)


def test_arrays_given_and_taken_are_copies() -> None:
    packed, reals = np.array([255], dtype=np.uint8), np.ones(3)
    mask, vector = BitString.from_packed(packed, 8), RealVector.from_numpy(reals)
    packed[:], reals[:] = 0, 0
    mask.to_numpy()[:], vector.to_numpy()[:] = 0, 0
    assert mask == [1] * 8 and vector == [1.0] * 3


# Equality and hash ------------------------------------------------------------------------------


def test_equality_is_one_bool_about_the_genes_alone() -> None:
    one, other = Mask([1, 0, 1]), Mask([1, 0, 1])
    one.fitness.values = (0.1, 0.2)
    assert (one == other) is True and (one != other) is False
    assert (one == [1, 0, 1]) is True and (one == np.array([1, 0, 1])) is True
    assert (one == [1, 0]) is False and (one == BitString([1, 0, 1, 0])) is False
    assert (one == "101") is False and (one == RealVector([1, 0, 1])) is False
    assert (RealVector([0.5]) == [0.5]) is True and (RealVector([0.5]) == RealVector([])) is False


def test_equal_genomes_have_equal_hashes_and_lengths_tell_apart() -> None:
    assert hash(Mask([1, 0, 1])) == hash(BitString([1, 0, 1]))
    assert BitString.zeros(7).digest() != BitString.zeros(8).digest()
    assert RealVector([0.0]) == RealVector([-0.0])
    assert hash(RealVector([0.0])) == hash(RealVector([-0.0]))
    assert len(BitString([1]).digest()) == len(RealVector([1]).digest()) == 16


def test_the_hash_follows_the_content() -> None:
    mask = BitString(bits_of(101))
    before = mask.digest()
    mask[50] = 1 - mask[50]
    assert mask.digest() != before


def test_25_million_genes_are_counted_and_named_without_unpacking() -> None:
    mask = BitString.zeros(25_000_000)
    tracemalloc.start()
    assert mask.count() == 0 and isinstance(hash(mask), int)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 * mask.packed.nbytes


# Clones and pickles -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda genome: pickle.loads(pickle.dumps(genome))]
)
@pytest.mark.parametrize("kind", [Mask, Thresholds])
def test_a_clone_carries_everything_and_shares_nothing(clone: Any, kind: type) -> None:
    parent: Any = kind([1, 0, 1])
    parent.fitness.values, parent.fitness.violation = (0.25, 0.5), 2.0
    parent.score = np.arange(3, dtype=np.float32)
    child = clone(parent)
    assert type(child) is kind and child == parent
    assert child.fitness.values == (0.25, 0.5) and child.fitness.violation == 2.0
    assert child.score.dtype == np.float32 and np.array_equal(child.score, parent.score)
    child[0], child.score[0], child.fitness.values = 0, 9, (1, 1)
    assert parent == [1, 0, 1] and parent.score[0] == 0 and parent.fitness.values == (0.25, 0.5)


def test_deleting_the_values_forgets_the_violation() -> None:
    mask = Mask([1])
    mask.fitness.values, mask.fitness.violation = (0.25, 0.5), 2.0
    del mask.fitness.values
    assert not mask.fitness.valid and mask.fitness.violation == 0.0


def test_100_clones_of_25_million_genes_stay_under_400_megabytes() -> None:
    mask = Mask.zeros(256_000)  # a hundredth
    tracemalloc.start()
    clones = [copy.deepcopy(mask) for _ in range(100)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(clones) == 100 and peak < 400e6 / 100


def test_a_pickle_takes_a_bit_for_a_gene() -> None:
    assert len(pickle.dumps(Mask.zeros(80_000))) < 10_000 + 600
    assert len(pickle.dumps(Thresholds.from_numpy(np.zeros(1000)))) < 8_000 + 600


def test_a_type_is_the_same_type_after_pickling() -> None:
    assert pickle.loads(pickle.dumps(Mask)) is Mask is creator.Mask2
    assert pickle.loads(pickle.dumps(creator.FitnessMin3)) is creator.FitnessMin3


@pytest.mark.parametrize(("kind", "objectives"), [("mask", 0), ("mask", 5), ("bits", 1)])
def test_types_that_do_not_exist_are_refused(kind: Any, objectives: int) -> None:
    with pytest.raises(ValueError, match=r"expected kind 'mask', .* or 'sparse' and 1 to 4"):
        individual_type(kind, objectives)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_each_type_minimises_its_objectives(objectives: int) -> None:
    for kind in ("mask", "thresholds"):
        individual = individual_type(kind, objectives)([0, 1])  # type: ignore[arg-type]
        assert individual.fitness.weights == (-1.0,) * objectives


def toolbox_of_ours() -> base.Toolbox:
    rng, toolbox = np.random.default_rng(0), base.Toolbox()
    toolbox.register("individual", initDensity, Mask, 101, density=0.5, rng=rng)
    toolbox.register("mate", cxTwoPointPacked, rng=rng)
    toolbox.register("mutate", mutFlip, rate=0.1, rng=rng)
    toolbox.register("select", tools.selNSGA2)
    return toolbox


def test_individuals_and_toolbox_survive_a_spawned_worker() -> None:
    toolbox = toolbox_of_ours()
    mask = toolbox.individual()
    mask.fitness.values, mask.score = (0.1, 0.2), np.ones(3, dtype=np.float32)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(methodcaller("clone", mask), toolbox),
            pool.submit(methodcaller("individual"), toolbox),
            pool.submit(toolbox.mutate, mask),
            pool.submit(attrgetter("fitness.violation"), Mask([1])),
        ]
        cloned, made, (mutated,), violation = [job.result(timeout=60) for job in jobs]
    assert type(cloned) is Mask and cloned == mask and cloned.fitness.values == (0.1, 0.2)
    assert cloned.score.dtype == np.float32 and violation == 0.0
    twin = pickle.loads(pickle.dumps(toolbox))
    assert type(made) is Mask and made == twin.individual()
    assert mutated == toolbox.mutate(mask)[0]


def test_a_users_own_creator_type_pickles_too() -> None:
    creator.create("OwnMaskForThisTest", BitString, fitness=creator.FitnessMin1)
    try:
        mask = creator.OwnMaskForThisTest([1, 0])
        mask.fitness.values = (0.5,)
        back = pickle.loads(pickle.dumps(mask))
        assert back == mask and back.fitness.values == (0.5,)
    finally:
        del creator.OwnMaskForThisTest


# DEAP's operators, unchanged, against the same on a list ------------------------------------------


@pytest.mark.parametrize("n", [2, 9, 16, 101])
@pytest.mark.parametrize(
    "mate", [tools.cxOnePoint, tools.cxTwoPoint, partial(tools.cxUniform, indpb=0.3)]
)
def test_deaps_crossovers_do_the_same_on_a_bitstring_as_on_a_list(mate: Any, n: int) -> None:
    for seed in range(20):
        lists = [ListMask(bits_of(n, seed)), ListMask(bits_of(n, seed + 1))]
        masks = [Mask(bits) for bits in lists]
        random.seed(seed)
        mate(*lists)
        random.seed(seed)
        children = mate(*masks)
        assert children[0] is masks[0] and children[1] is masks[1]
        assert list(masks[0]) == lists[0] and list(masks[1]) == lists[1]


@pytest.mark.parametrize("n", [2, 9, 16, 101])
@pytest.mark.parametrize("mutate", [tools.mutFlipBit, tools.mutShuffleIndexes])
def test_deaps_mutations_do_the_same_on_a_bitstring_as_on_a_list(mutate: Any, n: int) -> None:
    for seed in range(20):
        plain = ListMask(bits_of(n, seed))
        mask = Mask(plain)
        random.seed(seed)
        mutate(plain, indpb=0.3)
        random.seed(seed)
        assert mutate(mask, indpb=0.3)[0] is mask
        assert list(mask) == plain


def twin_populations(seed: int = 0) -> tuple[list[Any], list[Any]]:
    draw = np.random.default_rng(seed)
    lists = [ListMask(draw.integers(0, 2, 9).tolist()) for _ in range(30)]
    lists += [copy.deepcopy(lists[0])]
    masks = [Mask(bits) for bits in lists]
    for plain, mask in zip(lists, masks, strict=True):
        plain.fitness.values = mask.fitness.values = (sum(plain), sum(plain[::2]) + plain[0] / 2)
    return lists, masks


@pytest.mark.parametrize(
    "select",
    [partial(tools.selNSGA2, k=12), partial(tools.selTournament, k=12, tournsize=3)],
)
def test_deaps_selections_do_the_same_on_bitstrings_as_on_lists(select: Any) -> None:
    lists, masks = twin_populations()
    random.seed(1)
    chosen = select(lists)
    random.seed(1)
    assert [list(mask) for mask in select(masks)] == chosen


@pytest.mark.parametrize("archive", [partial(tools.HallOfFame, 7), tools.ParetoFront])
def test_deaps_archives_do_the_same_on_bitstrings_as_on_lists(archive: Any) -> None:
    of_lists, of_masks = archive(), archive()
    for seed in range(3):
        lists, masks = twin_populations(seed)
        of_lists.update(lists)
        of_masks.update(masks)
    assert [list(mask) for mask in of_masks] == list(of_lists) and len(of_masks) > 0
    assert all(type(mask) is Mask and mask.fitness.valid for mask in of_masks)


@pytest.mark.parametrize(
    "vary",
    [
        partial(tools.cxSimulatedBinaryBounded, eta=20, low=0.0, up=1.0),
        partial(tools.cxSimulatedBinaryBounded, eta=5, low=[0.0] * 9, up=[1.0] * 9),
        lambda a, b: (tools.mutPolynomialBounded(a, 20, 0.0, 1.0, 0.5), b),
        partial(tools.cxBlend, alpha=0.5),
        partial(tools.cxTwoPoint),
    ],
)
def test_deaps_operators_for_reals_do_the_same_on_a_realvector_as_on_a_list(vary: Any) -> None:
    draw = np.random.default_rng(0)
    for seed in range(10):
        lists = [draw.random(9).tolist() for _ in range(2)]
        vectors = [Thresholds(values) for values in lists]
        random.seed(seed)
        vary(*lists)
        random.seed(seed)
        vary(*vectors)
        assert list(vectors[0]) == lists[0] and list(vectors[1]) == lists[1]
        assert all(type(value) is float for value in vectors[0])
