"""The fast guidance against its plain twin, with the same random numbers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.errors import CandidateError, InputError
from evoprune.evaluation.fastpath import FastGuidance
from evoprune.evaluation.guidance import LOSSES, Guidance
from evoprune.network import models
from evoprune.space.genes import Corridor
from evoprune.space.weights import WeightSpace
from operators.drift import mutDrift
from operators.genomes import BitString

DENSE = np.ones(215, bool)
Kind = type[Guidance]


def random_mask(seed: int = 0, size: int = 215) -> np.ndarray:
    return np.random.default_rng(seed).random(size) < 0.6


def ask(
    kind: Kind, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, **options: Any
) -> Guidance:
    return kind(space, images, labels, rng=np.random.default_rng(7), **{"batch": 8, **options})


def agree(saliency: np.ndarray, expected: np.ndarray) -> None:
    assert saliency.dtype == expected.dtype == np.float32
    assert expected.any()
    np.testing.assert_allclose(saliency, expected, rtol=1e-3, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
@pytest.mark.parametrize("loss", LOSSES)
def test_saliency_is_that_of_the_plain_guidance(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, loss: str, statistics: str
) -> None:
    plain, fast = (
        ask(kind, space, images, labels, loss=loss, statistics=statistics)
        for kind in (Guidance, FastGuidance)
    )
    for seed in range(3):
        agree(fast.saliency(random_mask(seed)), plain.saliency(random_mask(seed)))
    assert fast.rng.bit_generator.state == plain.rng.bit_generator.state


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_saliency_is_that_of_the_plain_guidance_on_a_residual_network(statistics: str) -> None:
    rng = torch.Generator().manual_seed(0)
    model = models.build("resnet20", channels=1, image_size=16)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3, generator=rng)
            module.running_var.uniform_(0.5, 2, generator=rng)
            nn.init.normal_(module.weight, 0.8, 0.4, generator=rng)
    images, labels = torch.randn(12, 1, 16, 16, generator=rng), torch.arange(12) % 10
    space = WeightSpace(model)
    plain, fast = (
        ask(kind, space, images, labels, statistics=statistics).saliency(
            random_mask(0, space.size)
        )
        for kind in (Guidance, FastGuidance)
    )
    agree(fast, plain)


def test_norms_that_cannot_be_folded_are_no_hindrance(
    images: torch.Tensor, labels: torch.Tensor
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.BatchNorm2d(1), nn.Conv2d(1, 2, 3), nn.ReLU(), nn.BatchNorm2d(2), nn.Flatten(),
        nn.Linear(72, 5), nn.BatchNorm1d(5),
    ).eval()  # fmt: skip
    space, mask = WeightSpace(model), random_mask(0, 378)
    for statistics in ("fixed", "batch"):
        plain, fast = (
            ask(kind, space, images, labels, statistics=statistics).saliency(mask)
            for kind in (Guidance, FastGuidance)
        )
        agree(fast, plain)


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_a_channel_whose_scale_is_0_is_worth_what_the_plain_guidance_says(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    statistics: str,
) -> None:
    with torch.no_grad():
        model[1].weight[1] = 0
    plain, fast = (
        ask(kind, space, images, labels, statistics=statistics).saliency(random_mask())
        for kind in (Guidance, FastGuidance)
    )
    agree(fast, plain)
    assert not fast[9:18].any()


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_a_mask_drifts_to_the_very_genes_to_which_the_plain_guidance_lets_it_drift(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, statistics: str
) -> None:
    drifted = []
    for kind in (Guidance, FastGuidance):
        mask = BitString.from_numpy(random_mask())
        score = space.magnitudes.astype(np.float64)
        asked = ask(kind, space, images, labels, statistics=statistics)
        mutDrift(mask, saliency=asked, score=score, count=107, steps=4, rate=0.3)
        drifted.append(mask.to_numpy())
    assert (drifted[0] == drifted[1]).all()
    assert (drifted[0] != (space.magnitudes >= np.sort(space.magnitudes)[-107])).any()


def test_the_dense_mask_is_where_the_logits_loss_has_no_slope(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    saliency = ask(FastGuidance, space, images, labels).saliency(DENSE)
    np.testing.assert_allclose(saliency, 0, atol=1e-5)


def test_the_teacher_is_dense_with_its_own_statistics_also_for_batch_statistics(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    asked = ask(FastGuidance, space, images, labels, statistics="batch")
    torch.testing.assert_close(asked._dense, model(images).detach())


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_one_question_leaves_no_trace_in_the_next(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, statistics: str
) -> None:
    asked, fresh = (
        ask(FastGuidance, space, images, labels, statistics=statistics) for _ in range(2)
    )
    asked.saliency(random_mask(1))
    fresh.rng.integers(0, 20, 8)
    assert (asked.saliency(random_mask()) == fresh.saliency(random_mask())).all()


def corridor() -> Corridor:
    core = np.arange(215) % 3 == 0
    return Corridor(core=core, support=np.arange(215) % 3 < 2)


def test_in_a_corridor_the_free_genes_are_told_what_the_plain_guidance_tells_them(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    narrow = space.within(corridor())
    genome = BitString.from_numpy(random_mask(0, narrow.genes))
    plain, fast = (
        ask(kind, space, images, labels).within(narrow)(genome) for kind in (Guidance, FastGuidance)
    )
    assert fast.shape == (narrow.genes,)
    agree(fast, plain)


def test_guidance_of_a_corridor_is_as_fast(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    narrowed = ask(FastGuidance, space, images, labels).within(space.within(corridor()))
    calls: list[int] = []
    model.register_forward_hook(lambda module, inputs, output: calls.append(1))
    narrowed.saliency(random_mask())
    assert type(narrowed) is FastGuidance
    assert calls == []  # it has a copy of its own


@pytest.mark.parametrize("loss", ["logits", "cross-entropy"])
def test_passes_are_counted_as_the_plain_guidance_counts_them(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, loss: str
) -> None:
    counters = []
    for kind in (Guidance, FastGuidance):
        asked = ask(kind, space, images, labels, loss=loss)
        asked.saliency(random_mask())
        asked.within(space).saliency(random_mask())
        counters.append(asked.passes)
        assert asked.passes.seconds > 0
    assert counters[0] == counters[1]


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
@pytest.mark.parametrize("training", [False, True])
def test_the_network_is_not_touched(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    unchanged: Any, statistics: str, training: bool,
) -> None:
    model.train(training)
    model[0].weight.requires_grad_(False)
    model[3].weight.grad = torch.ones_like(model[3].weight)
    with unchanged(model):
        ask(FastGuidance, space, images, labels, statistics=statistics).saliency(random_mask())


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_a_layer_that_is_left_out_is_not_asked_about(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, statistics: str
) -> None:
    space, mask = WeightSpace(model, exclude=["3"]), random_mask(0, 107)
    plain, fast = (
        ask(kind, space, images, labels, statistics=statistics).saliency(mask)
        for kind in (Guidance, FastGuidance)
    )
    assert fast.shape == (107,)
    agree(fast, plain)


def test_a_layer_that_the_network_does_not_use_is_worth_nothing(
    two_heads: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    asked = ask(FastGuidance, WeightSpace(two_heads), images, labels, loss="cross-entropy")
    saliency = asked.saliency(np.ones(640, bool))
    assert (saliency[:320] != 0).any()
    assert (saliency[320:] == 0).all()


def test_a_gradient_that_is_not_finite_counts_as_nothing(
    model: nn.Module, space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with torch.no_grad():
        model[8].bias[0] = float("nan")
    saliency = ask(FastGuidance, space, images, labels).saliency(random_mask())
    assert (saliency[: 135 + 16] == 0).all()  # the convolutions, and the first class
    assert np.isfinite(saliency).all()


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_after_an_exception_that_carries_the_individual_the_answers_are_as_ever(
    broken: list[bool], space: WeightSpace, images: torch.Tensor, labels: torch.Tensor,
    statistics: str,
) -> None:
    asked, fresh = (
        ask(FastGuidance, space, images, labels, statistics=statistics) for _ in range(2)
    )
    individual, state = BitString.from_numpy(random_mask()), copy.deepcopy(asked.rng)
    broken.append(True)
    message = "guiding a candidate failed: FloatingPointError: the layer broke"
    with pytest.raises(CandidateError, match=message) as caught:
        asked(individual)
    assert caught.value.individual is individual
    broken.clear()
    asked.rng = state
    assert (asked(individual) == fresh(individual)).all()


class Wrapped(nn.Module):
    """The network of the tests and what a function does with its outputs."""

    def __init__(self, model: nn.Module, call: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self.body, self.call, self.scale = model, call, torch.empty(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.call(self, x)


@pytest.mark.filterwarnings("ignore:Wrapped. BatchNorm stays where it is")
def test_what_a_network_kept_from_the_teachers_pass_can_be_guided_through(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> None:
    def keeping(m: Wrapped, x: torch.Tensor) -> torch.Tensor:
        if len(m.scale) != len(x):
            m.scale = torch.linspace(0.5, 1.5, 5).repeat(len(x), 1)
        return m.body(x) * m.scale

    space = WeightSpace(Wrapped(model, keeping))
    plain, fast = (
        ask(kind, space, images, labels, batch=20).saliency(random_mask())
        for kind in (Guidance, FastGuidance)
    )
    agree(fast, plain)


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_a_network_that_cannot_be_followed_is_guided_with_a_warning(
    model: nn.Module, images: torch.Tensor, labels: torch.Tensor, statistics: str
) -> None:
    def deciding(m: Wrapped, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = m.body(x)
        return y if y.mean() > 100 else -y

    space = WeightSpace(Wrapped(model, deciding))
    with pytest.warns(UserWarning, match="Wrapped: BatchNorm stays where it is"):
        asked = ask(FastGuidance, space, images, labels, statistics=statistics)
    expected = ask(Guidance, space, images, labels, statistics=statistics).saliency(random_mask())
    agree(asked.saliency(random_mask()), expected)


@pytest.mark.parametrize("statistics", ["fixed", "batch"])
def test_bfloat16_points_the_same_way(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, statistics: str
) -> None:
    exact = ask(Guidance, space, images, labels, statistics=statistics)
    quick = ask(FastGuidance, space, images, labels, statistics=statistics, precision="bf16")
    narrowed = quick.within(space)
    told = exact.saliency(random_mask())
    assert np.corrcoef(told, quick.saliency(random_mask()))[0, 1] > 0.98
    narrowed.rng = np.random.default_rng(7)
    assert np.corrcoef(told, narrowed.saliency(random_mask()))[0, 1] > 0.98


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss": "logit"}, "unknown guidance loss 'logit': did you mean 'logits'"),
        ({"statistics": "batches"}, "unknown statistics 'batches': did you mean 'batch'"),
        ({"precision": "bf61"}, "unknown precision 'bf61': did you mean 'bf16'"),
    ],
)
def test_a_misspelt_option_brings_the_nearest_one(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor, options: dict[str, str],
    message: str,
) -> None:
    with pytest.raises(InputError, match=message):
        ask(FastGuidance, space, images, labels, **options)


def test_an_empty_pool_is_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    with pytest.raises(InputError, match="expected at least one training image, got none"):
        ask(FastGuidance, space, images[:0], labels[:0])


def test_a_label_for_which_the_network_has_no_output_is_refused(
    space: WeightSpace, images: torch.Tensor, labels: torch.Tensor
) -> None:
    asked = ask(FastGuidance, space, images, labels + 1, loss="cross-entropy")
    message = r"labels \(guidance\): expected 0 to 4 for 5 classes, got 5"
    with pytest.raises(InputError, match=message):
        asked.saliency(random_mask())
