"""Guidance against autograd on a copy of the network, and by finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import CandidateError, InputError
from evoprune.evaluation.guidance import LOSSES, Guidance
from evoprune.passes import Passes
from evoprune.space.genes import Corridor
from evoprune.space.weights import WeightSpace
from operators.genomes import BitString

DENSE = np.ones(215, bool)


def random_mask(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(215) < 0.6


def ask(space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, **options: Any) -> Guidance:
    return Guidance(
        space, images, labels, rng=np.random.default_rng(7), **{"batch": 8, **options}
    )


def drawn() -> np.ndarray:
    """The batch that the first question takes."""
    return np.random.default_rng(7).integers(0, 20, 8)


def plain_loss(
    outputs: torch.Tensor, dense: torch.Tensor, labels: torch.Tensor, loss: str
) -> torch.Tensor:
    if loss == "logits":
        return ((outputs - dense) ** 2).sum() / outputs.numel()
    if loss == "cross-entropy":
        return -functional.log_softmax(outputs, 1)[range(len(labels)), labels].sum() / len(labels)
    p, q = (functional.softmax(each / 2, 1) for each in (dense, outputs))
    return 4 * (p * (p / q).log()).sum() / len(p)


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
@pytest.mark.parametrize("loss", LOSSES)
def test_saliency_is_minus_gradient_times_trained_weight_for_removed_weights_too(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, cut: Any,
    loss: str, statistics: str,
) -> None:
    mask, chosen = random_mask(), drawn()
    dense = model(images[chosen]).detach()
    network = cut(model, mask)
    if statistics == "batch":
        network.train()
    plain_loss(network(images[chosen]), dense, labels[chosen], loss).backward()
    gradient = torch.cat([network[place].weight.grad.reshape(-1) for place in (0, 3, 8)])
    saliency = ask(space, images, labels, loss=loss, statistics=statistics).saliency(mask)
    np.testing.assert_allclose(saliency, -gradient * space.weights, rtol=1e-3, atol=1e-5)
    assert (saliency[~mask] != 0).mean() > 0.5


@pytest.mark.parametrize("gene", [3, 40, 150])
@pytest.mark.parametrize("kept", [False, True])
def test_saliency_is_the_first_order_fall_of_the_loss_when_a_gene_is_set(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, cut: Any,
    gene: int, kept: bool,
) -> None:
    mask, chosen, step = random_mask(), drawn(), 1e-3
    mask[gene] = kept
    dense = model(images[chosen]).double()
    network = cut(model, mask).double()
    layer = int(space.layer_of(gene))
    weights = network[(0, 3, 8)[layer]].weight.detach().reshape(-1)
    place, amount = gene - space.offsets[layer], float(space.weights[gene]) * step
    losses = []
    with torch.no_grad():
        for change in (amount, -2 * amount):
            weights[place] += change
            outputs = network(images[chosen].double())
            losses.append(float(functional.mse_loss(outputs, dense)))
    fall = (losses[1] - losses[0]) / (2 * step)
    saliency = ask(space, images, labels).saliency(mask)
    assert saliency[gene] == pytest.approx(fall, rel=1e-3, abs=1e-6)


def test_the_dense_mask_is_where_the_logits_loss_has_no_slope(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    saliency = ask(space, images, labels, loss="logits").saliency(DENSE)
    np.testing.assert_allclose(saliency, 0, atol=1e-5)


def test_the_teacher_is_dense_with_its_own_statistics_also_for_batch_statistics(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    asked = ask(space, images, labels, statistics="batch")
    torch.testing.assert_close(asked._dense, model(images).detach())
    assert np.abs(asked.saliency(DENSE)).max() > 1e-3


def test_temperature_changes_what_distillation_asks(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    cold, warm = (
        ask(space, images, labels, loss="distillation", temperature=t).saliency(random_mask())
        for t in (1.0, 4.0)
    )
    assert not np.allclose(cold, warm)


def test_labels_move_the_cross_entropy_alone(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    for loss in LOSSES:
        first = ask(space, images, labels, loss=loss).saliency(random_mask())
        second = ask(space, images, (labels + 1) % 5, loss=loss).saliency(random_mask())
        assert (first == second).all() == (loss != "cross-entropy")


def test_the_same_rng_gives_the_same_saliency(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    first, second = ask(space, images, labels), ask(space, images, labels)
    for _ in range(3):
        assert (first.saliency(random_mask()) == second.saliency(random_mask())).all()


def test_every_question_draws_its_own_batch(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    asked = ask(space, images, labels)
    assert (asked.saliency(random_mask()) != asked.saliency(random_mask())).any()


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_the_answer_does_not_depend_on_the_mode_the_network_came_in(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    statistics: str,
) -> None:
    evaluated = ask(space, images, labels, statistics=statistics).saliency(random_mask())
    model.train()
    trained = ask(space, images, labels, statistics=statistics).saliency(random_mask())
    assert (trained == evaluated).all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("statistics", ["fixed", "batch"])
@pytest.mark.parametrize("training", [False, True])
def test_the_network_comes_back_as_it_was(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    unchanged: Any, loss: str, statistics: str, training: bool,
) -> None:
    model.train(training)
    model[0].weight.requires_grad_(False)
    model[3].weight.grad = torch.ones_like(model[3].weight)
    with unchanged(model):
        ask(space, images, labels, loss=loss, statistics=statistics).saliency(random_mask())


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
@pytest.mark.parametrize("before", [False, True])  # while the teacher runs, or in a question
def test_the_network_comes_back_as_it_was_also_from_an_exception(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    unchanged: Any, statistics: str, before: bool,
) -> None:
    def fail(module: nn.Module, inputs: object) -> None:
        raise FloatingPointError("the layer broke")

    model[3].weight.requires_grad_(False)
    asked = None if before else ask(space, images, labels, statistics=statistics)
    hook = model[4].register_forward_pre_hook(fail)
    with unchanged(model), pytest.raises(FloatingPointError, match="the layer broke"):
        (asked or ask(space, images, labels, statistics=statistics)).saliency(random_mask())
    hook.remove()


@pytest.mark.parametrize(("loss", "teacher"), [("logits", 20), ("cross-entropy", 0)])
def test_passes_are_one_an_image_for_the_teacher_and_three_for_each_asked(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, loss: str, teacher: int
) -> None:
    passes = Passes()
    asked = ask(space, images, labels, loss=loss, passes=passes)
    asked.saliency(random_mask())
    asked.within(space).saliency(random_mask())
    assert passes == {"guidance": teacher + 2 * 3 * 8}


def test_a_batch_is_at_most_the_pool(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    asked = ask(space, images, labels, batch=500, loss="cross-entropy")
    asked.saliency(random_mask())
    assert asked.passes["guidance"] == 3 * 20


def test_in_a_corridor_only_the_free_genes_are_told(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    core = np.arange(215) % 3 == 0
    narrow = space.within(Corridor(core=core, support=np.arange(215) % 3 < 2))
    genome = BitString.from_numpy(np.random.default_rng(0).random(narrow.genes) < 0.5)
    told = ask(space, images, labels).within(narrow)(genome)
    assert told.shape == (narrow.genes,)
    whole = ask(space, images, labels).saliency(narrow.mask(genome))
    assert (told == whole[narrow.corridor.free]).all()


def test_a_gradient_that_is_not_finite_counts_as_nothing(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with torch.no_grad():
        model[8].bias[0] = float("nan")
    saliency = ask(space, images, labels).saliency(random_mask())
    assert (saliency[: 135 + 16] == 0).all()  # the convolutions, and the first class
    assert np.isfinite(saliency).all()


def test_a_layer_that_the_network_does_not_use_is_worth_nothing(
    two_heads: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    asked = ask(WeightSpace(two_heads), images, labels, loss="cross-entropy")
    saliency = asked.saliency(np.ones(640, bool))
    assert (saliency[:320] != 0).any()
    assert (saliency[320:] == 0).all()


def test_an_exception_in_a_pass_carries_the_individual(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    asked, individual = ask(space, images, labels), BitString.zeros(215)

    def fail(module: nn.Module, inputs: object) -> None:
        raise FloatingPointError("the layer broke")

    message = "guiding a candidate failed: FloatingPointError: the layer broke"
    hook = space.model[3].register_forward_pre_hook(fail)
    with pytest.raises(CandidateError, match=message) as caught:
        asked(individual)
    hook.remove()
    assert caught.value.individual is individual


def test_a_label_for_which_the_network_has_no_output_is_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    asked = ask(space, images, labels + 1, loss="cross-entropy")
    message = r"labels \(guidance\): expected 0 to 4 for 5 classes, got 5"
    with pytest.raises(InputError, match=message):
        asked.saliency(random_mask())


def test_bfloat16_points_the_same_way(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    exact = ask(space, images, labels).saliency(random_mask())
    quick = ask(space, images, labels, precision="bf16").saliency(random_mask())
    assert np.corrcoef(exact, quick)[0, 1] > 0.99


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "logit"}, "unknown guidance loss 'logit': did you mean 'logits'"),
        ({"statistics": "batches"}, "unknown statistics 'batches': did you mean 'batch'"),
    ],
)
def test_a_misspelt_option_brings_the_nearest_one(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, options: dict[str, str],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        ask(space, images, labels, **options)


def test_an_empty_pool_is_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with pytest.raises(InputError, match="expected at least one training image, got none"):
        ask(space, images[:0], labels[:0])
