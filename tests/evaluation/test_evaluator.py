"""The evaluator: what it borrows, counts and remembers, and what it does about failures."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import CandidateError, InputError
from evoprune.evaluation.evaluator import Evaluator, Recalibration
from evoprune.passes import Passes
from evoprune.space.decode import ThresholdDecoder
from evoprune.space.genes import Corridor
from evoprune.space.weights import WeightSpace
from operators.individuals import individual_type

Mask, Thresholds = individual_type("mask", 2), individual_type("thresholds", 2)
ALL = ("error", "loss", "density", "macs")


def candidate(seed: int = 0, genes: int = 215) -> Any:
    return Mask.from_numpy(np.random.default_rng(seed).random(genes) < 0.6)


@pytest.fixture
def batches() -> list[torch.Tensor]:
    rng = torch.Generator().manual_seed(3)
    return [torch.randn(size, 1, 8, 8, generator=rng) * 2 + 1 for size in (6, 6, 4)]


@contextmanager
def calls(module: nn.Module) -> Iterator[list[int]]:
    """Take down how many images each call of a module gets."""
    seen: list[int] = []
    hook = module.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    try:
        yield seen
    finally:
        hook.remove()


@contextmanager
def breaking(module: nn.Module, call: int) -> Iterator[None]:
    """Raise inside the call of that number."""
    left = iter(range(call))

    def count_down(module: nn.Module, inputs: object) -> None:
        if next(left, None) is None:
            raise FloatingPointError("the layer broke")

    hook = module.register_forward_pre_hook(count_down)
    try:
        yield
    finally:
        hook.remove()


def test_a_candidate_is_judged_by_its_objectives_in_order(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    both = Evaluator(space, images, labels, objectives=["density", "error"])(candidate())
    for place, name in enumerate(["density", "error"]):
        assert both[place] == Evaluator(space, images, labels, objectives=[name])(candidate())[0]
    assert all(type(value) is float for value in both)


@pytest.mark.parametrize("strength", [None, 0.5])
@pytest.mark.parametrize("training", [False, True])
def test_the_network_comes_back_as_it_was(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    batches: list[torch.Tensor], unchanged: Any, strength: float | None, training: bool,
) -> None:
    model.train(training)
    model[0].weight.requires_grad_(False)
    model[3].weight.grad = torch.ones_like(model[3].weight)
    with unchanged(model):
        renew = None if strength is None else Recalibration(batches, strength)
        Evaluator(space, images, labels, objectives=ALL, recalibration=renew)(candidate())


@pytest.mark.parametrize("call", [0, 1, 4])  # in recalibration, amidst it, on the images
def test_the_network_comes_back_as_it_was_also_from_an_exception(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    batches: list[torch.Tensor], unchanged: Any, call: int,
) -> None:
    judge = Evaluator(space, images, labels, recalibration=Recalibration(batches), batch=8)
    with breaking(model[3], call), unchanged(model), pytest.raises(CandidateError):
        judge(candidate())


def test_an_exception_inside_forward_carries_the_individual(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    individual, judge = candidate(), Evaluator(space, images, labels)
    message = "evaluating a candidate failed: FloatingPointError: the layer broke"
    with breaking(model[3], 0), pytest.raises(CandidateError, match=message) as caught:
        judge(individual)
    assert caught.value.individual is individual
    assert isinstance(caught.value.__cause__, FloatingPointError)


def test_a_failure_comes_back_whole_from_a_worker_process() -> None:
    failed = CandidateError(candidate(), FloatingPointError("the layer broke"))
    again = pickle.loads(pickle.dumps(failed))
    assert again.individual == failed.individual
    assert str(again) == str(failed)


def test_a_failed_candidate_is_not_remembered(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = Evaluator(space, images, labels)
    with breaking(model[3], 0), pytest.raises(CandidateError, match="the layer broke"):
        judge(candidate())
    assert judge(candidate()) == Evaluator(space, images, labels)(candidate())
    assert judge.passes["cached"] == 0


def test_one_forward_a_candidate_serves_all_objectives(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = Evaluator(space, images, labels, objectives=ALL)
    with calls(model) as seen:
        judge(candidate())
    assert seen == [20]


def test_images_go_through_in_batches_and_the_result_is_the_same(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = Evaluator(space, images, labels, objectives=ALL, batch=8)
    with calls(model) as seen:
        values = judge(candidate())
    assert seen == [8, 8, 4]
    assert values == pytest.approx(Evaluator(space, images, labels, objectives=ALL)(candidate()))


def test_objectives_without_logits_cost_no_pass(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = Evaluator(space, images, labels, objectives=["density", "macs"])
    with calls(model) as seen:
        judge(candidate())
    assert seen == []
    assert judge.passes.spent() == 0


def test_a_duplicate_costs_no_pass_and_is_counted_apart(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = Evaluator(space, images, labels)
    first = judge(candidate())
    with calls(model) as seen:
        assert judge(copy.deepcopy(candidate())) == first
    assert seen == []
    assert (judge.passes["fitness"], judge.passes["cached"]) == (20, 1)


def test_passes_are_counted_by_kind_as_by_hand(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, batches: list[torch.Tensor]
) -> None:
    passes = Passes()
    judge = Evaluator(
        space, images, labels, recalibration=Recalibration(batches), passes=passes, batch=8
    )
    judge.map(judge, [candidate(0), candidate(1), candidate(0), candidate(2)])
    assert passes["fitness"] == 3 * 20
    assert passes["recalibration"] == 3 * (6 + 6 + 4)
    assert (passes["cached"], passes["guidance"], passes["not finite"]) == (1, 0, 0)
    assert passes.spent() == 60 + 48 == 3 * judge.cost
    assert passes.seconds > 0


def test_map_keeps_the_order(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = Evaluator(space, images, labels)
    many = [candidate(seed) for seed in range(4)]
    assert judge.map(judge, many) == [Evaluator(space, images, labels)(one) for one in many]


def test_a_candidate_with_logits_that_are_not_finite_gets_the_worst_and_is_counted(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with torch.no_grad():
        model[8].bias[2] = float("nan")
    judge = Evaluator(space, images, labels, objectives=("error", "loss", "density"))
    assert judge(candidate()) == (1.0, float("inf"), candidate().count() / 215)
    judge(candidate())
    assert (judge.passes["not finite"], judge.passes["cached"]) == (1, 1)


def test_the_judgement_does_not_depend_on_the_mode_the_network_came_in(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    evaluated = Evaluator(space, images, labels, objectives=ALL)(candidate())
    model.train()
    assert Evaluator(space, images, labels, objectives=ALL)(candidate()) == evaluated


def test_the_logits_of_the_dense_mask_are_those_of_the_network(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    logits = Evaluator(space, images, labels).logits(np.ones(215, bool))
    assert torch.equal(logits, model(images))
    assert not logits.requires_grad


def test_recalibration_of_strength_0_changes_nothing(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, batches: list[torch.Tensor]
) -> None:
    mask = candidate().to_numpy()
    renewed = Evaluator(space, images, labels, recalibration=Recalibration(batches, 0.0))
    assert torch.equal(renewed.logits(mask), Evaluator(space, images, labels).logits(mask))


def gathered(network: nn.Module, batches: list[torch.Tensor]) -> nn.Module:
    """Average the statistics of the batches the plain way; the network changes."""
    for norm in (network[1], network[4]):
        norm.reset_running_stats()
        norm.momentum = None
    network.train()
    with torch.no_grad():
        for batch in batches:
            network(batch)
    return network.eval()


def test_recalibration_of_strength_1_takes_the_statistics_that_a_plain_loop_gathers(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    batches: list[torch.Tensor], cut: Any,
) -> None:
    mask = candidate().to_numpy()
    renewed = Evaluator(space, images, labels, recalibration=Recalibration(batches, 1.0))
    expected = gathered(cut(model, mask), batches)(images)
    torch.testing.assert_close(renewed.logits(mask), expected)
    assert not torch.allclose(expected, Evaluator(space, images, labels).logits(mask), atol=0.1)


def test_recalibration_in_between_mixes_old_and_new_statistics(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    batches: list[torch.Tensor], cut: Any,
) -> None:
    mask = candidate().to_numpy()
    network = gathered(cut(model, mask), batches)
    for place in (1, 4):
        for name in ("running_mean", "running_var"):
            new, old = getattr(network[place], name), getattr(model[place], name)
            new.copy_(0.3 * new + 0.7 * old)
    renewed = Evaluator(space, images, labels, recalibration=Recalibration(batches, 0.3))
    torch.testing.assert_close(renewed.logits(mask), network(images))


def test_each_candidate_is_recalibrated_from_the_networks_own_statistics(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, batches: list[torch.Tensor]
) -> None:
    renew = Recalibration(batches, 0.5)
    judge = Evaluator(space, images, labels, objectives=ALL, recalibration=renew)
    judge(candidate(1))
    assert judge(candidate()) == Evaluator(
        space, images, labels, objectives=ALL, recalibration=renew
    )(candidate())


def test_a_genome_of_free_genes_is_judged_as_its_whole_mask(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    core = np.arange(215) % 3 == 0
    narrow = space.within(Corridor(core=core, support=np.arange(215) % 3 < 2))
    judge, genome = Evaluator(space, images, labels), candidate(0, narrow.genes)
    assert judge.within(narrow)(genome) == judge.judge(narrow.mask(genome))


def test_thresholds_are_judged_as_the_mask_they_decode_to(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    decoder, judge = ThresholdDecoder(space), Evaluator(space, images, labels)
    genome = Thresholds([0.2, 0.5, 0.4])
    assert judge.within(space, decode=decoder)(genome) == judge.judge(decoder(genome))


def test_another_kind_of_genome_shares_the_counter_but_not_the_cache(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = Evaluator(space, images, labels)
    judge(candidate())
    judge.within(space)(candidate())
    assert (judge.passes["fitness"], judge.passes["cached"]) == (40, 0)


def test_bfloat16_comes_near_float32_and_leaves_the_weights_as_they_were(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, unchanged: Any
) -> None:
    mask = candidate().to_numpy()
    with unchanged(model):
        quick = Evaluator(space, images, labels, precision="bf16").logits(mask)
    assert quick.dtype == torch.float32
    exact = Evaluator(space, images, labels).logits(mask)
    assert not torch.equal(quick, exact)
    torch.testing.assert_close(quick, exact, rtol=0.05, atol=0.05)


def test_images_without_a_label_each_are_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with pytest.raises(InputError, match="with a label each; got 20 images and 19 labels"):
        Evaluator(space, images, labels[1:])
    with pytest.raises(InputError, match=r"expected at least one, .* got 0 images and 0 labels"):
        Evaluator(space, images[:0], labels[:0])


def test_an_unknown_precision_is_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with pytest.raises(InputError, match="precision: expected fp32 or bf16, got 'fp16'"):
        Evaluator(space, images, labels, precision="fp16")


@pytest.mark.parametrize("strength", [-0.1, 1.5, float("nan")])
def test_a_strength_that_is_no_share_is_refused(strength: float) -> None:
    with pytest.raises(InputError, match=f"strength: expected a share from 0 to 1, got {strength}"):
        Recalibration([], strength)


@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_for_which_the_network_has_no_output_is_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, label: int
) -> None:
    labels[3] = label
    message = rf"labels \(evaluator\): expected 0 to 4 for 5 classes, got {label}"
    with pytest.raises(InputError, match=message):
        Evaluator(space, images, labels)(candidate())


def test_a_genome_that_does_not_fit_is_the_users_error_not_the_candidates(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with pytest.raises(InputError, match="genome: expected 215 genes"):
        Evaluator(space, images, labels)(candidate(0, 214))
