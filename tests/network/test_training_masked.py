"""Training further: under masks, of a narrow network, and with a teacher."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from evoprune.errors import InputError
from evoprune.network.datasets import Dataset, Split, split
from evoprune.network.finetuning import Held, loss_of
from evoprune.network.optimising import Training
from evoprune.network.training import Epoch, error, train
from evoprune.passes import Passes

Masks = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def data() -> Dataset:
    """Return 5 classes of 8x8 images, each bright in a row of its own: 80 to train."""
    rng = np.random.default_rng(0)
    labels = torch.arange(90) % 5
    images = torch.from_numpy(rng.integers(0, 100, (90, 1, 8, 8), dtype=np.uint8))
    images[torch.arange(90), 0, labels] += 100
    whole = Split(images, labels)
    return split("rows", whole, whole.part(slice(30)), list("abcde"))


@pytest.fixture
def masks(model: nn.Module) -> Masks:
    """Remove a third of each weight, and a channel's BatchNorm parameters."""
    draw = torch.Generator().manual_seed(3)
    removed = {
        f"{place}.weight": torch.rand(model[place].weight.shape, generator=draw) > 1 / 3
        for place in (0, 3, 8)
    }
    kept = torch.tensor([True, False, True])
    return removed | {"1.weight": kept, "1.bias": kept, "8.bias": torch.arange(5) > 0}


def run(model: nn.Module, data: Dataset, *, epochs: int = 2, **options: Any) -> list[Epoch]:
    rng = np.random.default_rng(0)
    return train(model, data, epochs=epochs, rng=rng, batch=16, progress=False, **options)


def assert_same(one: nn.Module, two: nn.Module) -> None:
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key]), key


@pytest.mark.parametrize(
    "settings",
    [{"rate": 0.1, "weight_decay": 0.1}, {"optimiser": "adamw", "rate": 0.01, "weight_decay": 0.5}],
    ids=["sgd", "adamw"],
)
def test_what_a_mask_removes_is_exactly_zero_and_the_rest_moves(
    model: nn.Module, data: Dataset, masks: Masks, settings: dict[str, Any]
) -> None:
    before = {name: value.clone() for name, value in model.named_parameters()}
    run(model, data, masks=masks, **settings)
    for name, value in model.named_parameters():
        kept = masks.get(name, torch.ones_like(value, dtype=torch.bool))
        assert value[~kept].count_nonzero() == 0
        assert not torch.equal(value[kept], before[name][kept])


def test_a_mask_that_removes_nothing_changes_nothing(model: nn.Module, data: Dataset) -> None:
    twin = copy.deepcopy(model)
    whole = {name: torch.ones(p.shape, dtype=torch.bool) for name, p in model.named_parameters()}
    assert run(model, data, masks=whole) == run(twin, data)
    assert_same(model, twin)


def test_a_mask_that_removes_all_of_the_last_layer_leaves_equal_logits(
    model: nn.Module, data: Dataset, images: torch.Tensor
) -> None:
    none = {
        "8.weight": torch.zeros(5, 16, dtype=torch.bool),
        "8.bias": torch.zeros(5, dtype=torch.bool),
    }
    history = run(model, data, masks=none)
    assert torch.equal(model(images), torch.zeros(20, 5))
    assert [epoch.loss for epoch in history] == pytest.approx([np.log(5)] * 2)


def test_an_optimiser_that_moves_weights_without_a_gradient_cannot_bring_them_back(
    model: nn.Module, data: Dataset, masks: Masks, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Drifting(torch.optim.SGD):
        def step(self, closure: Any = None) -> None:
            for parameter in model.parameters():
                parameter.data += 0.01

    path = "evoprune.network.training.optimiser_of"
    monkeypatch.setattr(path, lambda *_: Drifting(model.parameters(), lr=0.1))
    run(model, data, masks=masks, schedule="plateau")
    assert all(
        model.get_parameter(name)[~mask].count_nonzero() == 0 for name, mask in masks.items()
    )


def test_gradients_of_removed_weights_do_not_reach_the_optimiser() -> None:
    layer = nn.Linear(2, 1)
    held = Held(layer, {"weight": torch.tensor([[True, False]])})
    layer(torch.ones(1, 2)).sum().backward()
    held.gradients()
    assert layer.weight.grad is not None and layer.weight.grad.tolist() == [[1.0, 0.0]]


def test_a_masked_network_trains_as_the_narrow_one(data: Dataset) -> None:
    """Without its second hidden unit the network is one that never had it."""
    wide = nn.Sequential(nn.Flatten(), nn.Linear(64, 2), nn.ReLU(), nn.Linear(2, 5))
    narrow = nn.Sequential(nn.Flatten(), nn.Linear(64, 1), nn.ReLU(), nn.Linear(1, 5))
    with torch.no_grad():
        narrow[1].weight.copy_(wide[1].weight[:1])
        narrow[1].bias.copy_(wide[1].bias[:1])
        narrow[3].weight.copy_(wide[3].weight[:, :1])
        narrow[3].bias.copy_(wide[3].bias)
    first = torch.tensor([True, False])
    cut = {
        "1.weight": first[:, None].expand(2, 64),
        "1.bias": first,
        "3.weight": first.expand(5, 2),
    }
    losses = [
        [epoch.loss for epoch in run(wide, data, masks=cut)],
        [epoch.loss for epoch in run(narrow, data)],
    ]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    torch.testing.assert_close(wide[1].weight[:1], narrow[1].weight)


def test_a_narrow_network_learns(data: Dataset) -> None:
    narrow = nn.Sequential(
        nn.Conv2d(1, 2, 3, bias=False), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 5)
    )
    run(narrow, data, epochs=8)
    assert error(narrow, data.train, data) < 0.1


def test_a_mask_of_no_parameter_is_refused_with_the_nearest(
    model: nn.Module, data: Dataset
) -> None:
    with pytest.raises(InputError, match=r"unknown parameter in masks '0.wait'.*'0.weight'"):
        run(model, data, masks={"0.wait": torch.ones(3, 1, 3, 3, dtype=torch.bool)})


@pytest.mark.parametrize(
    "mask", [torch.ones(3, 9, dtype=torch.bool), torch.ones(3, 1, 3, 3)], ids=["shape", "floats"]
)
def test_a_mask_of_another_shape_or_kind_is_refused(
    model: nn.Module, data: Dataset, mask: torch.Tensor
) -> None:
    message = r"masks: expected a bool tensor of shape \(3, 1, 3, 3\) for 0.weight, got torch"
    with pytest.raises(InputError, match=message):
        run(model, data, masks={"0.weight": mask})


def test_a_refused_mask_leaves_the_network_as_it_was(
    model: nn.Module, data: Dataset, masks: Masks
) -> None:
    before = copy.deepcopy(model)
    with pytest.raises(InputError, match="unknown parameter"):
        run(model, data, masks=masks | {"9.weight": torch.ones(1, dtype=torch.bool)})
    assert_same(model, before)


def test_at_a_share_of_0_a_teacher_changes_nothing_and_costs_nothing(
    model: nn.Module, data: Dataset
) -> None:
    teacher, twin, passes = copy.deepcopy(model), copy.deepcopy(model), Passes()
    taught = run(model, data, teacher=teacher, distillation=0.0, passes=passes)
    assert taught == run(twin, data)
    assert passes["training"] == 2 * 3 * len(data.train)
    assert_same(model, twin)


def test_at_a_share_of_1_the_labels_do_not_matter(model: nn.Module, data: Dataset) -> None:
    twin, teacher = copy.deepcopy(model), copy.deepcopy(model)
    nn.init.ones_(teacher[8].bias)
    part = data.train
    other = Dataset(**vars(data) | {"train": Split(part.images, part.labels.flip(0))})
    run(model, data, teacher=teacher, distillation=1.0)
    run(twin, other, teacher=teacher, distillation=1.0)
    assert_same(model, twin)


def test_a_network_that_answers_as_its_teacher_has_nothing_to_learn(data: Dataset) -> None:
    """Without BatchNorm or dropout the modes answer alike, so the distance is 0 at once."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    teacher = copy.deepcopy(model)
    history = run(model, data, teacher=teacher, distillation=1.0, weight_decay=0.0)
    assert [epoch.loss for epoch in history] == pytest.approx([0.0, 0.0], abs=1e-6)
    torch.testing.assert_close(model[1].weight, teacher[1].weight)


def test_the_teacher_is_lent(model: nn.Module, data: Dataset, unchanged: Any) -> None:
    teacher = copy.deepcopy(model).train()
    with unchanged(teacher):
        run(model, data, teacher=teacher)


def test_a_network_cannot_teach_itself(model: nn.Module, data: Dataset) -> None:
    with pytest.raises(InputError, match=r"^teacher: expected another network; write copy"):
        run(model, data, teacher=model)


def test_distillation_by_hand() -> None:
    """p = (.8, .2) of the teacher and q = (.5, .5), both at temperature 2."""
    taught, logits = 2 * torch.tensor([[0.8, 0.2]]).log(), torch.zeros(1, 2)
    training = Training(distillation=0.25, temperature=2.0)
    divergence = 0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.2 / 0.5)
    expected = 0.75 * np.log(2) + 0.25 * 4 * divergence
    assert float(loss_of(logits, torch.tensor([0]), training, taught)) == pytest.approx(expected)


def test_smoothed_labels_by_hand() -> None:
    """A smoothing of .2 over two classes makes the label (.9, .1)."""
    logits = torch.tensor([[0.75, 0.25]]).log()
    smoothed = float(loss_of(logits, torch.tensor([0]), Training(label_smoothing=0.2)))
    assert smoothed == pytest.approx(-0.9 * np.log(0.75) - 0.1 * np.log(0.25))


def test_plain_training_goes_down_the_plain_cross_entropy(labels: torch.Tensor) -> None:
    logits = torch.randn(20, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(
        loss_of(logits, labels, Training()), functional.cross_entropy(logits, labels)
    )
