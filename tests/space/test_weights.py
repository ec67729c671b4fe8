"""The space of weight masks: genes, layers and corridors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from evoprune.errors import InputError
from evoprune.space.genes import Corridor
from evoprune.space.weights import WeightSpace
from operators.genomes import BitString

SIZES = [27, 108, 80]
SIZE = sum(SIZES)


def random_mask(seed: int, share: float = 0.5) -> np.ndarray:
    return np.random.default_rng(seed).random(SIZE) < share


@pytest.fixture
def corridor() -> Corridor:
    support = random_mask(0, 0.8)
    return Corridor(core=support & random_mask(1, 0.3), support=support)


def test_a_gene_is_a_weight_of_a_conv_or_linear_layer(space: WeightSpace) -> None:
    assert (space.size, space.genes) == (SIZE, SIZE)
    assert space.offsets.tolist() == [0, 27, 135, 215]


def test_the_genes_stand_in_the_order_of_the_weights(model: nn.Module, space: WeightSpace) -> None:
    flat = [model[place].weight.detach().reshape(-1) for place in (0, 3, 8)]
    assert torch.equal(space.weights, torch.cat(flat))
    assert (space.magnitudes == torch.cat(flat).abs().numpy()).all()


def test_the_trained_weights_are_remembered_apart_from_the_network(
    model: nn.Module, space: WeightSpace
) -> None:
    before = space.weights.clone()
    nn.init.zeros_(model[0].weight)
    assert torch.equal(space.weights, before)


def test_channels_last_weights_give_the_same_genes(model: nn.Module, space: WeightSpace) -> None:
    other = WeightSpace(model.to(memory_format=torch.channels_last))
    assert torch.equal(other.weights, space.weights)


def test_splitting_gives_the_layers_their_shapes(model: nn.Module, space: WeightSpace) -> None:
    parts = space.split(space.weights)
    assert all(torch.equal(p, model[i].weight) for p, i in zip(parts, (0, 3, 8), strict=True))


def test_layers_are_chosen_and_left_out_by_name(model: nn.Module) -> None:
    assert WeightSpace(model, include=["conv"]).size == 135
    assert WeightSpace(model, exclude=["0"]).size == 188


def test_without_a_corridor_the_genome_is_the_mask(space: WeightSpace) -> None:
    mask = random_mask(2)
    assert (space.mask(BitString.from_numpy(mask)) == mask).all()
    assert (space.genome(mask) == mask).all()


def test_a_genome_in_a_corridor_comes_back_from_its_mask(
    space: WeightSpace, corridor: Corridor
) -> None:
    narrow = space.within(corridor)
    genome = np.random.default_rng(3).random(narrow.genes) < 0.5
    assert (narrow.genome(narrow.mask(BitString.from_numpy(genome))) == genome).all()


def test_a_mask_inside_a_corridor_comes_back_from_its_genome(
    space: WeightSpace, corridor: Corridor
) -> None:
    narrow = space.within(corridor)
    mask = (random_mask(4) & corridor.support) | corridor.core
    assert (narrow.mask(narrow.genome(mask)) == mask).all()


@pytest.mark.parametrize("bit", [0, 1])
def test_no_genome_leaves_the_corridor(space: WeightSpace, corridor: Corridor, bit: int) -> None:
    narrow = space.within(corridor)
    wall = corridor.support if bit else corridor.core
    assert (narrow.mask(np.full(narrow.genes, bit)) == wall).all()


def test_a_corridor_leaves_as_many_genes_as_stand_between_its_walls(
    space: WeightSpace, corridor: Corridor
) -> None:
    assert space.within(corridor).genes == corridor.support.sum() - corridor.core.sum()


def test_narrowing_leaves_the_whole_space_as_it_was(space: WeightSpace, corridor: Corridor) -> None:
    space.within(corridor)
    assert (space.genes, space.corridor) == (SIZE, None)


def test_narrowing_keeps_the_layers_that_were_left_out_left_out() -> None:
    class Named(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear, self.head = nn.Linear(3, 4), nn.Linear(4, 2)  # one is named like its kind

    space = WeightSpace(Named(), exclude=["head"])
    corridor = Corridor(core=np.zeros(12, bool), support=np.ones(12, bool))
    assert [layer.name for layer in space.within(corridor).layers] == ["linear"]


def test_the_free_genes_of_each_layer_stand_between_its_gene_offsets(
    space: WeightSpace, corridor: Corridor
) -> None:
    free = [part.sum() for part in np.split(corridor.free, [27, 135])]
    narrow = space.within(corridor)
    assert np.diff(narrow.gene_offsets).tolist() == free
    assert (narrow.layer_of(np.arange(narrow.genes)) == np.repeat([0, 1, 2], free)).all()


def test_a_layer_without_a_free_gene_is_the_layer_of_none(space: WeightSpace) -> None:
    support = np.ones(SIZE, bool)
    support[27:135] = False
    narrow = space.within(Corridor(core=np.zeros(SIZE, bool), support=support))
    assert narrow.gene_offsets.tolist() == [0, 27, 27, 107]
    assert narrow.layer_of([0, 26, 27, 106]).tolist() == [0, 0, 2, 2]


def test_density_and_kept_share_by_layer_are_counted_over_all_weights(space: WeightSpace) -> None:
    mask = np.zeros(SIZE, bool)
    mask[:27], mask[135:175] = True, True
    assert space.density(mask) == 67 / 215
    assert space.kept_by_layer(mask).tolist() == [1.0, 0.0, 0.5]


def test_a_genome_of_another_length_is_refused(space: WeightSpace, corridor: Corridor) -> None:
    free = int(corridor.free.sum())
    with pytest.raises(InputError, match=f"genome: expected {free} genes, .* got 215"):
        space.within(corridor).mask(np.ones(SIZE, bool))


def test_a_core_outside_the_support_is_refused() -> None:
    with pytest.raises(InputError, match="got 1 genes fixed at 1 and at 0: swap the heavy"):
        Corridor(core=np.array([1, 1, 0], bool), support=np.array([0, 1, 1], bool))


def test_a_corridor_without_a_free_gene_is_refused() -> None:
    with pytest.raises(InputError, match="no gene is free; choose anchors further apart"):
        Corridor(core=np.array([1, 0], bool), support=np.array([1, 0], bool))


def test_a_network_without_weights_to_prune_is_refused() -> None:
    with pytest.raises(InputError, match="at least one Conv or Linear layer"):
        WeightSpace(nn.Sequential(nn.BatchNorm2d(2), nn.ReLU()))


@pytest.mark.parametrize(
    "make", [torch.nn.utils.parametrizations.weight_norm, lambda m: prune.identity(m, "weight")]
)
def test_a_weight_that_is_computed_at_each_pass_is_refused(model: nn.Module, make: Any) -> None:
    make(model[3])
    with pytest.raises(InputError, match=r"^model: the weight of 3 is computed at each pass; "):
        WeightSpace(model)
    assert len(WeightSpace(model, exclude=["3"]).layers) == 2
