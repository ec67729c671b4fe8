"""One set of weights trained for several masks: each batch goes through one of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.network.sharing import Shared, masks_of
from evoprune.network.surgery import Kept, apply


def small() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))


FIRST = {"0": Kept(outputs=np.array([0])), "3": Kept(inputs=np.arange(4))}
SECOND = {"0": Kept(outputs=np.array([0, 1])), "3": Kept(inputs=np.arange(8))}
IMAGES = torch.randn(5, 1, 4, 4, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("cut", [FIRST, SECOND])
def test_in_training_it_computes_as_the_masked_network(cut: dict[str, Kept]) -> None:
    model = small()
    shared = Shared(model, [cut], np.random.default_rng(0)).train()
    assert torch.allclose(shared(IMAGES), apply(model, cut, permanent=True)(IMAGES))


def test_in_evaluation_it_is_the_network() -> None:
    model = small()
    shared = Shared(model, [FIRST, SECOND], np.random.default_rng(0)).eval()
    assert torch.equal(shared(IMAGES), model(IMAGES))


def test_only_what_a_mask_keeps_gets_a_gradient() -> None:
    shared = Shared(small(), [FIRST], np.random.default_rng(0)).train()
    shared(IMAGES).sum().backward()
    gradient = shared.model[0].weight.grad
    assert gradient[0].abs().sum() > 0
    assert gradient[1:].abs().sum() == 0


def test_the_masks_are_drawn_about_equally_often() -> None:
    model = small()
    shared = Shared(model, [FIRST, SECOND], np.random.default_rng(0)).train()
    expected = apply(model, FIRST, permanent=True)(IMAGES)
    first = sum(torch.allclose(shared(IMAGES), expected) for _ in range(200))
    assert 70 < first < 130


def test_removed_by_all_is_what_no_mask_keeps() -> None:
    shared = Shared(small(), [FIRST, SECOND], np.random.default_rng(0))
    assert shared.removed_by_all["0.bias"].tolist() == [True, True, False]
    assert shared.removed_by_all["3.weight"][0].tolist() == [True] * 8 + [False] * 4


def test_single_weights_are_masked_too() -> None:
    kept = torch.tensor([[True, False], [False, True]])
    masks = masks_of(nn.Sequential(nn.Linear(2, 2)), {"0": Kept(weights=kept)})
    assert torch.equal(masks["0.weight"], kept)
    assert masks["0.bias"].all()
