"""The tables hold what the networks do: masks are evaluated again, plainly, one at a time."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from evoprune.enumerated import NAMES, EnumeratedNetwork, load
from evoprune.enumerated.tables import FOLDER
from evoprune.errors import InputError
from evoprune.evaluation.evaluator import Evaluator
from evoprune.evaluation.guidance import Guidance
from evoprune.network.cost import macs_by_layer
from evoprune.network.masks import masked
from evoprune.space.weights import WeightSpace
from evoprune.studies import enumerable, enumerate

SAMPLE = 25
SHAPE = (1, 8, 8)


def model_of(name: str) -> nn.Module:
    return enumerable.rebuilt(name, load(name).weights).double()


def weight_masks(name: str, model: nn.Module, genes: np.ndarray) -> list[torch.Tensor]:
    """Return the mask over each layer's weights."""
    owners = enumerable.recipe(name).owners(model)
    return [torch.from_numpy(genes)[owner] for owner in owners]


def outputs(name: str, model: nn.Module, genes: np.ndarray, split: str) -> torch.Tensor:
    """Run a split through the network with the weights of removed genes at zero."""
    weights = [layer.module.weight for layer in enumerable.recipe(name).layers(model)]
    with torch.no_grad(), masked(weights, weight_masks(name, model, genes)):
        return model(enumerable.split(enumerable.digits(), split)[0])


def sampled(network: EnumeratedNetwork, seed: int) -> list[int]:
    """Return random masks and both ends."""
    numbers = np.random.default_rng(seed).integers(0, 2**network.genes, SAMPLE).tolist()
    return [0, 2**network.genes - 1, *numbers]


@pytest.mark.parametrize("split", ["search", "test"])
@pytest.mark.parametrize("name", NAMES)
def test_masked_networks_give_exactly_the_counts_of_the_table(name: str, split: str) -> None:
    network, model = load(name), model_of(name)
    labels = enumerable.split(enumerable.digits(), split)[1]
    for number in sampled(network, 0):
        logits = outputs(name, model, network.masks([number])[0], split)
        assert int((logits.argmax(1) != labels).sum()) == network.wrong[split][number]
        right = logits.softmax(1)[torch.arange(len(labels)), labels]
        soft = float(1 - right.mean())
        assert network.soft_error[split][number] == pytest.approx(soft, abs=1e-6)


def test_counts_do_not_hang_on_rounding() -> None:
    for name in NAMES:
        with np.load(FOLDER / f"{name}.npz") as file:
            assert file["margin"] > 1e-9  # double precision rounds these logits by about 1e-14


def smaller(model: nn.Module, kept: list[np.ndarray]) -> nn.Module:
    """Return the network that holds the kept filters alone, physically."""
    cut, below = copy.deepcopy(model), np.array([0])
    for name, filters in zip(("conv1", "conv2", "conv3"), kept, strict=True):
        layer = nn.Conv2d(len(below), len(filters), 3, padding=1, bias=False).double()
        layer.weight.data = getattr(model, name).weight.data[filters][:, below]
        setattr(cut, name, layer)
        below = filters
    cut.linear = nn.Linear(16 * len(below), 10).double()
    weight = model.linear.weight.data.view(10, -1, 16)
    cut.linear.weight.data = weight[:, below].flatten(1)
    cut.linear.bias.data = model.linear.bias.data
    return cut


def test_the_smaller_network_has_the_cost_and_the_outputs_of_the_masked_one() -> None:
    network, model = load("filters"), model_of("filters")
    pixels = enumerable.split(enumerable.digits(), "search")[0]
    for number in sampled(network, 1):
        genes = network.masks([number])[0]
        kept = [np.flatnonzero(part) for part in np.split(genes, network.offsets[1:-1])]
        if min(map(len, kept)) == 0:  # no such network can be built
            continue
        cut = smaller(model, kept)
        assert sum(macs_by_layer(cut, SHAPE).values()) == network.cost[number]
        with torch.no_grad():
            logits = outputs("filters", model, genes, "search")
            assert torch.allclose(cut(pixels), logits, atol=1e-12)


def test_the_dense_perceptron_costs_all_its_weights() -> None:
    costs = macs_by_layer(model_of("groups"), SHAPE)
    assert load("groups").cost[-1] == sum(costs.values()) == 64 * 32 + 32 * 32 + 32 * 10


def test_a_mask_of_groups_costs_the_weights_that_it_keeps() -> None:
    network, model = load("groups"), model_of("groups")
    for number in sampled(network, 2):
        masks = weight_masks("groups", model, network.masks([number])[0])
        assert sum(int(mask.sum()) for mask in masks) == network.cost[number]


@pytest.mark.parametrize("number", [0, 37, 5461, 16383])
def test_the_saliency_is_the_guidance_of_the_library_summed_over_the_groups(number: int) -> None:
    network, model = load("groups"), enumerable.rebuilt("groups", load("groups").weights)
    data = enumerable.digits()
    images, labels = enumerable.split(data, "train")
    rng = np.random.default_rng(0)
    space = WeightSpace(model)
    guide = Guidance(space, images.float(), labels, rng=rng, loss="cross-entropy")
    genes = network.masks([number])[0]
    mask = torch.cat([m.flatten() for m in weight_masks("groups", model, genes)]).numpy()
    gradients, weights = guide.gradients(mask, torch.arange(len(images)))
    parts = [-(g * w).flatten() for g, w in zip(gradients, weights, strict=True)]
    owner = torch.cat([owner.flatten() for owner in enumerable.RECIPES["groups"].owners(model)])
    expected = owner.bincount(torch.cat(parts).double()).numpy()
    found = network.saliency(genes)
    assert found == pytest.approx(expected, rel=2e-3, abs=1e-5)  # float16 in the table


def test_the_librarys_evaluator_gives_what_the_table_holds() -> None:
    network, model = load("groups"), enumerable.rebuilt("groups", load("groups").weights)
    pixels, labels = enumerable.split(enumerable.digits(), "search")
    owner = torch.cat([part.flatten() for part in enumerable.recipe("groups").owners(model)])

    def decode(genes: np.ndarray) -> np.ndarray:
        return genes[owner.numpy()]

    objectives = ("error", "macs", "soft_error")
    evaluate = Evaluator(
        WeightSpace(model), pixels.float(), labels, objectives=objectives, decode=decode
    )
    for number in sampled(network, 4)[:8]:
        genes = network.masks([number])[0]
        error, macs, soft = evaluate(genes)
        assert network.evaluate(genes) == pytest.approx((error, macs), abs=1e-12)
        assert network.soft_error["search"][number] == pytest.approx(soft, abs=1e-5)


def test_the_loss_is_the_cross_entropy_on_the_training_images() -> None:
    network, model = load("groups"), model_of("groups")
    labels = enumerable.split(enumerable.digits(), "train")[1]
    assert network.loss is not None
    for number in sampled(network, 3)[:6]:
        logits = outputs("groups", model, network.masks([number])[0], "train")
        loss = float(functional.cross_entropy(logits, labels))
        assert network.loss[number] == pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_importance_is_the_mean_magnitude_of_a_gene(name: str) -> None:
    network, model = load(name), model_of(name)
    last = network.genes - 1
    layer = enumerable.recipe(name).layers(model)[-1].module.weight.detach().numpy()
    owner = enumerable.recipe(name).owners(model)[-1].numpy()
    assert network.score[last] == pytest.approx(np.abs(layer[owner == last]).mean())


def test_blocks_are_ordered_by_magnitude_and_of_about_equal_sum() -> None:
    weight = torch.from_numpy(np.random.default_rng(0).normal(size=(30, 20)))
    block = enumerable.blocks(weight, 4)
    parts = [weight[block == i].abs() for i in range(4)]
    assert all(low.max() <= high.min() for low, high in pairwise(parts))
    sums = [float(part.sum()) for part in parts]
    assert max(sums) - min(sums) <= 2 * float(weight.abs().max())


def test_training_starts_from_the_seed_and_leaves_torchs_generator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(enumerable.training, "train", lambda *_, **__: [])
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = enumerable.trained("filters"), enumerable.trained("filters")
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.conv1.weight, second.conv1.weight)


def test_training_is_on_one_thread_and_gives_the_others_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_to: list[int] = []
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)

    def train(*_: object, **__: object) -> None:
        assert set_to == [1]
        raise FloatingPointError("broke")

    monkeypatch.setattr(enumerable.training, "train", train)
    with pytest.raises(FloatingPointError, match="broke"):
        enumerable.trained("groups")
    assert set_to == [1, 3]


def test_a_sweep_tells_its_bar_of_every_mask(monkeypatch: pytest.MonkeyPatch) -> None:
    model, masks = model_of("filters"), enumerate.every_mask(16)
    digits = enumerable.digits()
    two = {"search": digits.search.part(slice(2)), "test": digits.test.part(slice(2))}
    few = replace(digits, **two)
    monkeypatch.setattr(enumerate, "digits", lambda: few)
    with tqdm(total=len(masks), disable=True) as bar:
        counted: list[float] = []
        bar.update = counted.append
        swept = enumerate.sweep_filters(model, masks, bar)
    assert sum(counted) == 2**16 and swept["wrong_search"].max() <= 2


def test_an_unknown_network_brings_the_nearest() -> None:
    for make in (enumerable.trained, enumerate.tables):
        with pytest.raises(InputError, match="'filterz': did you mean 'filters'"):
            make("filterz")
