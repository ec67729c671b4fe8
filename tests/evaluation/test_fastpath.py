"""The fast evaluator against its plain twin: the same values, the same passes, the same errors."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import CandidateError, InputError
from evoprune.evaluation.batches import SMALL
from evoprune.evaluation.evaluator import Evaluator, Recalibration
from evoprune.evaluation.fastpath import FastEvaluator
from evoprune.network import datasets, models
from evoprune.network.cost import activation_bytes
from evoprune.passes import Passes
from evoprune.space.decode import ThresholdDecoder
from evoprune.space.genes import Corridor
from evoprune.space.weights import WeightSpace
from operators.individuals import individual_type

Mask, Thresholds = individual_type("mask", 2), individual_type("thresholds", 2)
ALL = ("error", "soft_error", "loss", "density", "macs")
TOLERANCE = {"error": 0.0, "soft_error": 1e-5, "loss": 1e-4, "density": 0.0, "macs": 0.0}
EARLY = ("soft_error", "density")


def candidate(seed: int = 0, genes: int = 215) -> Any:
    return Mask.from_numpy(np.random.default_rng(seed).random(genes) < 0.6)


def renewal(strength: float | None) -> Recalibration | None:
    """Recalibrate on images that are nothing like those of the network's statistics."""
    if strength is None:
        return None
    rng = torch.Generator().manual_seed(3)
    batches = [torch.randn(size, 1, 8, 8, generator=rng) * 2 + 1 for size in (6, 6, 4)]
    return Recalibration(batches, strength)


def agree(values: tuple[float, ...], expected: tuple[float, ...]) -> None:
    for name, value, plain in zip(ALL, values, expected, strict=True):
        assert value == pytest.approx(plain, rel=0, abs=TOLERANCE[name]), name


def many(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(5)
    images = torch.randn(count, 1, 8, 8, generator=rng)
    return images, torch.randint(0, 5, (count,), generator=rng)


@pytest.fixture(scope="module")
def digits(digits_weights: Path) -> tuple[WeightSpace, torch.Tensor, torch.Tensor]:
    """Return the trained network of the digits, and images of theirs."""
    network = models.build("digits-cnn", channels=1, image_size=8)
    models.load_weights(network, digits_weights)
    data = datasets.load("digits")
    images = datasets.normalise(data.search.images, data)
    return WeightSpace(network), images, data.search.labels


@pytest.mark.parametrize("strength", [None, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("batch", [None, 1, 8, 20, 100])
def test_objectives_are_those_of_the_plain_evaluator(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, strength: float | None,
    batch: int | None,
) -> None:
    options: dict[str, Any] = {"objectives": ALL, "recalibration": renewal(strength)}
    plain = Evaluator(space, images, labels, **options)
    fast = FastEvaluator(space, images, labels, batch=batch, **options)
    for seed in range(3):
        agree(fast(candidate(seed)), plain(candidate(seed)))


@pytest.mark.parametrize("strength", [None, 0.5, 1.0])
def test_objectives_of_a_trained_network_are_those_of_the_plain_evaluator(
    digits: tuple[WeightSpace, torch.Tensor, torch.Tensor], strength: float | None
) -> None:
    space, images, labels = digits
    renew = None if strength is None else Recalibration(images.split(64)[:3], strength)
    options: dict[str, Any] = {"objectives": ALL, "recalibration": renew}
    plain = Evaluator(space, images[:230], labels[:230], **options)
    fast = FastEvaluator(space, images[:230], labels[:230], **options)
    for seed in range(3):
        one = candidate(seed, space.genes)
        agree(fast(one), plain(one))


def test_the_logits_of_the_dense_mask_are_those_of_the_network(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    logits = FastEvaluator(space, images, labels).logits(np.ones(215, bool))
    torch.testing.assert_close(logits, model(images).detach())
    assert logits.dtype == torch.float32


def test_a_genome_of_a_corridor_is_judged_as_the_plain_evaluator_judges_it(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    core = np.arange(215) % 3 == 0
    narrow = space.within(Corridor(core=core, support=np.arange(215) % 3 < 2))
    genome = candidate(0, narrow.genes)
    expected = Evaluator(narrow, images, labels, objectives=ALL)(genome)
    agree(FastEvaluator(narrow, images, labels, objectives=ALL)(genome), expected)
    wide = FastEvaluator(space, images, labels, objectives=ALL)
    wide(candidate())
    agree(wide.within(narrow)(genome), expected)


def test_an_evaluator_within_a_corridor_is_as_fast(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    wide = FastEvaluator(space, images, labels)
    narrow = wide.within(space)
    assert type(narrow) is FastEvaluator
    assert narrow.network is wide.network


def test_thresholds_are_judged_as_the_mask_they_decode_to(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    decoder, judge = ThresholdDecoder(space), FastEvaluator(space, images, labels)
    genome = Thresholds([0.2, 0.5, 0.4])
    assert judge.within(space, decode=decoder)(genome) == judge.judge(decoder(genome))


def test_layers_that_are_left_out_stay_as_they_are(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    space = WeightSpace(model, exclude=["3"])
    one = candidate(0, space.genes)
    agree(
        FastEvaluator(space, images, labels, objectives=ALL)(one),
        Evaluator(space, images, labels, objectives=ALL)(one),
    )


def test_what_is_noted_is_measured_beside_the_objectives(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = FastEvaluator(space, images, labels, objectives=["soft_error"], noted=["error"])
    judge(candidate())
    assert judge.note(candidate()) == Evaluator(space, images, labels)(candidate())[:1]
    assert judge.passes["fitness"] == 20


@pytest.mark.parametrize("strength", [None, 0.5])
@pytest.mark.parametrize("objectives", [ALL, ("density", "macs")])
def test_passes_are_counted_by_kind_as_the_plain_evaluator_counts_them(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, strength: float | None,
    objectives: tuple[str, ...],
) -> None:
    counters = []
    for kind in (Evaluator, FastEvaluator):
        judge = kind(
            space, images, labels, objectives=objectives, recalibration=renewal(strength), batch=8
        )
        judge.map(judge, [candidate(0), candidate(1), candidate(0), candidate(2)])
        counters.append(judge.passes)
    assert counters[0] == counters[1]
    assert counters[1]["cached"] == 1


def test_trying_batch_sizes_out_is_not_counted(
    model: nn.Module, space: WeightSpace
) -> None:
    judge = FastEvaluator(space, *many(120))
    assert judge.passes.spent() == 0
    judge(candidate())
    assert judge.passes.spent() == judge.cost == 120
    assert judge.passes.seconds > 0


def test_each_candidate_is_recalibrated_from_the_networks_own_statistics(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    options: dict[str, Any] = {"objectives": ALL, "recalibration": renewal(0.5)}
    judge = FastEvaluator(space, images, labels, **options)
    judge(candidate(1))
    assert judge(candidate()) == FastEvaluator(space, images, labels, **options)(candidate())


@pytest.mark.parametrize("count", [20, 120])  # one batch; enough to try several sizes
def test_a_candidate_with_logits_that_are_not_finite_gets_the_worst_and_is_counted(
    model: nn.Module, space: WeightSpace, count: int
) -> None:
    with torch.no_grad():
        model[8].bias[2] = float("nan")
    judge = FastEvaluator(space, *many(count), objectives=("error", "loss", "density"))
    assert judge(candidate()) == (1.0, float("inf"), candidate().count() / 215)
    judge(candidate())
    assert (judge.passes["not finite"], judge.passes["cached"]) == (1, 1)
    assert judge.not_finite == {candidate().digest()}


def test_bfloat16_puts_nearly_all_digits_into_the_same_class(
    digits: tuple[WeightSpace, torch.Tensor, torch.Tensor]
) -> None:
    space, images, labels = digits
    mask = space.magnitudes > np.quantile(space.magnitudes, 0.4)
    exact = FastEvaluator(space, images, labels).logits(mask)
    quick = FastEvaluator(space, images, labels, precision="bf16").logits(mask)
    assert not torch.equal(quick, exact)
    assert (quick.argmax(1) == exact.argmax(1)).double().mean() > 0.99


@pytest.mark.parametrize("strength", [None, 1.0])
def test_bfloat16_comes_near_the_plain_evaluators(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, strength: float | None
) -> None:
    mask, options = candidate().to_numpy(), {"recalibration": renewal(strength)}
    exact = Evaluator(space, images, labels, **options).logits(mask)
    quick = FastEvaluator(space, images, labels, precision="bf16", **options).logits(mask)
    torch.testing.assert_close(quick, exact, rtol=0.1, atol=0.1)


@pytest.mark.parametrize("count", [200, 226, 251])  # 226 and 251 may leave an image over
def test_whichever_batch_is_the_fastest_the_logits_are_the_same_bit_by_bit(
    digits: tuple[WeightSpace, torch.Tensor, torch.Tensor], count: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    space, images, labels = digits
    now, fastest = [0.0], [0]

    def take_time(module: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        now[0] += 1e-6 if len(inputs[0]) == fastest[0] else 1.0

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    hook = space.model.conv1.register_forward_pre_hook(take_time)
    logits = []
    for fastest[0] in SMALL:
        judge = FastEvaluator(space, images[:count], labels[:count])
        logits.append(judge.logits(candidate(0, space.genes).to_numpy()))
    hook.remove()
    assert all(torch.equal(each, logits[0]) for each in logits)


@pytest.mark.parametrize("strength", [None, 0.5])
@pytest.mark.parametrize("count", [100, 101, 113, 226])  # 101 and 226 leave an image over
def test_showing_hard_images_first_changes_no_bit_of_the_objectives(
    digits: tuple[WeightSpace, torch.Tensor, torch.Tensor], strength: float | None, count: int
) -> None:
    space, images, labels = digits
    renew = None if strength is None else Recalibration([images[:64]], strength)
    options: dict[str, Any] = {"objectives": ALL, "recalibration": renew, "batch": 25}
    plain, early = (
        FastEvaluator(space, images[:count], labels[:count], early=early, **options)
        for early in (False, True)
    )
    for seed in range(4):
        mask = candidate(seed, space.genes).to_numpy()
        assert torch.equal(early.logits(mask), plain.logits(mask))
        assert early.judge(mask) == plain.judge(mask)


def test_the_images_that_the_dense_network_is_least_sure_of_come_first(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    judge = FastEvaluator(space, images, labels, objectives=EARLY, early=True)
    right = functional.softmax(model(images).detach(), 1)[range(20), labels]
    assert right[judge.order].diff().min() >= 0
    assert torch.equal(judge.images, images[judge.order])
    assert torch.equal(judge.labels, labels)


@pytest.mark.parametrize("batch", [None, 6])
def test_the_order_of_images_costs_one_pass_each(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, batch: int | None
) -> None:
    passes = Passes()
    FastEvaluator(
        space, images, labels, objectives=EARLY, early=True, batch=batch, passes=passes,
        recalibration=renewal(1.0),
    )
    assert passes == {"fitness": 20}


def test_trials_are_refused_for_an_objective_of_ones_own(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    def own(part: Any) -> float:
        return 0.5

    with pytest.raises(InputError, match=r"^early: expected objectives of which a bound is known"):
        FastEvaluator(space, images, labels, objectives=["error", own], early=True)
    judge = FastEvaluator(space, images, labels, objectives=["error", own])
    assert judge(candidate())[1] == 0.5


@pytest.mark.parametrize("strength", [None, 0.5])
@pytest.mark.parametrize("training", [False, True])
def test_the_network_is_not_touched(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    unchanged: Any, strength: float | None, training: bool,
) -> None:
    model.train(training)
    model[0].weight.requires_grad_(False)
    model[3].weight.grad = torch.ones_like(model[3].weight)
    with unchanged(model):
        judge = FastEvaluator(
            space, images, labels, objectives=EARLY, recalibration=renewal(strength), early=True
        )
        judge(candidate())


@pytest.mark.parametrize("strength", [None, 1.0])
def test_an_exception_inside_forward_carries_the_individual_and_is_not_remembered(
    broken: list[bool], space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    strength: float | None,
) -> None:
    individual, renew = candidate(), renewal(strength)
    judge = FastEvaluator(space, images, labels, recalibration=renew)
    expected = FastEvaluator(space, images, labels, recalibration=renew)(individual)
    broken.append(True)
    message = "evaluating a candidate failed: FloatingPointError: the layer broke"
    with pytest.raises(CandidateError, match=message) as caught:
        judge(individual)
    assert caught.value.individual is individual
    broken.clear()
    assert judge(individual) == expected
    assert judge.passes["cached"] == 0


class Wrapped(nn.Module):
    """The network of the tests and what a function does with its outputs."""

    def __init__(self, model: nn.Module, call: Callable[..., torch.Tensor], **parts: Any) -> None:
        super().__init__()
        self.body, self.call = model, call
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.call(self, x)


def test_a_network_that_cannot_be_followed_is_judged_with_a_warning(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    def deciding(m: Any, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = m.body(x)
        return y if y.mean() > 0 else -y

    space = WeightSpace(Wrapped(model, deciding))
    with pytest.warns(UserWarning, match="Wrapped: BatchNorm stays where it is, .* no result: "):
        fast = FastEvaluator(space, images, labels, objectives=ALL, recalibration=renewal(0.5))
    plain = Evaluator(space, images, labels, objectives=ALL, recalibration=renewal(0.5))
    agree(fast(candidate()), plain(candidate()))


@pytest.mark.filterwarnings("ignore:Wrapped. BatchNorm stays where it is")
def test_a_network_that_draws_numbers_is_no_reason_to_break_off(model: nn.Module) -> None:
    space = WeightSpace(Wrapped(model, lambda m, x: functional.dropout(m.body(x), 0.2)))
    with pytest.warns(UserWarning, match="outputs change with the batch size"):
        judge = FastEvaluator(space, *many(120))
    assert 0 <= judge(candidate())[0] <= 1


def test_a_network_that_is_made_fit_by_a_hook_is_judged(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    network = nn.Sequential(nn.Sequential(nn.Conv2d(3, 1, 1), *model))
    network.register_forward_pre_hook(lambda module, args: (args[0].expand(-1, 3, -1, -1),))
    space = WeightSpace(network.eval())
    one = candidate(0, space.genes)
    expected = Evaluator(space, images, labels, objectives=ALL)(one)
    with pytest.warns(UserWarning, match="BatchNorm stays where it is"):
        judge = FastEvaluator(space, images, labels, objectives=ALL)
    agree(judge(one), expected)


def test_a_network_that_cannot_be_copied_is_refused(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    model.lock = threading.Lock()
    with pytest.raises(InputError, match="model: expected one that can be copied, not Sequential"):
        FastEvaluator(WeightSpace(model), images, labels)


def test_a_network_that_cannot_run_in_bfloat16_is_refused(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    space = WeightSpace(Wrapped(model, lambda m, x: m.body(x.float())))
    message = "precision: Wrapped cannot run in bf16: .*; write --precision fp32"
    with pytest.raises(InputError, match=message):
        FastEvaluator(space, images, labels, precision="bf16")


def test_a_network_that_can_run_in_bfloat16_only_where_it_is_followed_is_refused_at_once(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    # Its constant is no buffer: only the followed network brings it to bfloat16.
    network = Wrapped(model, lambda m, x: m.body(x - m.mean), mean=torch.full((1,), 0.3))
    message = "precision: Wrapped cannot run in bf16: .*; write --precision fp32"
    with pytest.raises(InputError, match=message):
        FastEvaluator(
            WeightSpace(network), images, labels, precision="bf16", recalibration=renewal(1.0)
        )


def test_an_unknown_precision_is_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with pytest.raises(InputError, match="precision: expected fp32 or bf16, got 'fp16'"):
        FastEvaluator(space, images, labels, precision="fp16")


def test_images_without_a_label_each_are_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with pytest.raises(InputError, match="with a label each; got 20 images and 19 labels"):
        FastEvaluator(space, images, labels[1:])
    with pytest.raises(InputError, match="got 0 images and 0 labels"):
        FastEvaluator(space, images[:0], labels[:0])


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("label", [-1, 5])
def test_a_label_for_which_the_network_has_no_output_is_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, label: int, early: bool
) -> None:
    labels[3] = label
    message = rf"labels \(evaluator\): expected 0 to 4 for 5 classes, got {label}"
    with pytest.raises(InputError, match=message):
        FastEvaluator(space, images, labels, early=early)(candidate())


def test_one_image_is_enough(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    agree(
        FastEvaluator(space, images[:1], labels[:1], objectives=ALL)(candidate()),
        Evaluator(space, images[:1], labels[:1], objectives=ALL)(candidate()),
    )


def test_a_network_of_one_layer_judges_images_without_a_shape(labels: torch.Tensor) -> None:
    torch.manual_seed(0)
    space, images = WeightSpace(nn.Linear(12, 5)), torch.randn(20, 12)
    agree(
        FastEvaluator(space, images, labels, objectives=ALL)(candidate(0, 60)),
        Evaluator(space, images, labels, objectives=ALL)(candidate(0, 60)),
    )


def test_a_memory_too_small_for_one_image_is_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with pytest.raises(InputError, match=r"memory: expected at least .* MB, which one image takes"):
        FastEvaluator(space, images, labels, memory=1e-6)


@pytest.mark.parametrize("fitting", [1, 7, 26, 60, 1000])
def test_as_many_images_go_through_at_a_time_as_fit_into_memory(
    model: nn.Module, space: WeightSpace, fitting: int
) -> None:
    one, _ = activation_bytes(model, (1, 8, 8))
    judge = FastEvaluator(space, *many(120), memory=(fitting + 0.5) * one / 1e6)
    assert 1 <= judge.batch <= fitting


def test_a_network_that_normalises_over_the_batch_is_judged_with_a_warning(
    model: nn.Module
) -> None:
    model[1] = nn.BatchNorm2d(3, track_running_stats=False)
    with pytest.warns(UserWarning, match="outputs change with the batch size"):
        judge = FastEvaluator(WeightSpace(model), *many(120))
    assert judge.network.folded == ("4",)
