"""What each part of a head matters: the definitions, worked one image at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.evaluation.outofdistribution import energy
from evoprune.network import saliency
from evoprune.network.heads import Head, HeadTraining, fresh_head, train_head
from evoprune.network.saliency import l1, separation, taylor
from evoprune.passes import Passes

IMAGES = torch.rand(7, 4, generator=torch.Generator().manual_seed(0)) - 0.4
LABELS = torch.arange(7) % 2


@pytest.fixture
def head() -> Head:
    return fresh_head(4, 3, 2, seed=5)


def one_by_one(head: Head) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return x dL/dx, h dL/dh and dL/dh of every image, by autograd through plain layers."""
    of_features, of_units, slopes = [], [], []
    for image, label in zip(IMAGES, LABELS, strict=True):
        x = image.clone().requires_grad_()
        h = head.hidden.weight @ x
        logits = head.out.weight @ h.clamp(min=0) + head.out.bias
        loss = nn.functional.cross_entropy(logits[None], label[None])
        by_x, by_h = torch.autograd.grad(loss, [x, h])
        of_features.append((x * by_x).detach().numpy())
        of_units.append((h * by_h).detach().numpy())
        slopes.append(by_h.numpy())
    return np.stack(of_features), np.stack(of_units), np.stack(slopes)


def test_a_feature_matters_by_the_mean_magnitude_of_itself_times_its_gradient(head: Head) -> None:
    of_features, _, _ = one_by_one(head)
    found = taylor(head, IMAGES, LABELS)["features"]
    assert found == pytest.approx(np.abs(of_features).mean(0), rel=1e-5)


def test_a_unit_matters_by_the_mean_magnitude_of_itself_times_its_gradient(head: Head) -> None:
    _, of_units, _ = one_by_one(head)
    found = taylor(head, IMAGES, LABELS)["neurons"]
    assert found == pytest.approx(np.abs(of_units).mean(0), rel=1e-5)


def test_a_connection_matters_by_its_weight_what_it_reads_and_its_units_gradient(
    head: Head,
) -> None:
    slopes = np.abs(one_by_one(head)[2]).mean(0)
    reads = IMAGES.abs().mean(0).numpy()
    expected = head.hidden.weight.detach().abs().numpy() * np.outer(slopes, reads)
    found = taylor(head, IMAGES, LABELS)["connections"]
    assert found == pytest.approx(expected.ravel(), rel=1e-5)  # unit by unit


def test_a_feature_that_is_always_zero_and_one_that_nothing_reads_do_not_matter(
    head: Head,
) -> None:
    images = IMAGES.clone()
    images[:, 0] = 0
    with torch.no_grad():
        head.hidden.weight[:, 1] = 0
    found = taylor(head, images, LABELS)["features"]
    assert (found[:2] == 0).all() and (found[2:] > 0).all()


def test_a_unit_that_never_fires_does_not_matter(head: Head) -> None:
    with torch.no_grad():
        head.hidden.weight[2] = -1
    found = taylor(head, IMAGES.abs(), LABELS)
    assert found["neurons"][2] == 0
    assert (found["connections"].reshape(3, 4)[2] == 0).all()


def test_scores_do_not_depend_on_how_many_images_are_held_at_once(
    head: Head, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = taylor(head, IMAGES, LABELS)
    monkeypatch.setattr(saliency, "BATCH", 3)
    for name, score in taylor(head, IMAGES, LABELS).items():
        assert score == pytest.approx(whole[name], rel=1e-5)


def test_its_passes_are_three_an_image(head: Head) -> None:
    passes = Passes()
    taylor(head, IMAGES, LABELS, passes=passes)
    assert dict(passes) == {"guidance": 3 * 7}


def test_the_head_is_lent(head: Head, unchanged: Any) -> None:
    with unchanged(head):
        taylor(head, IMAGES, LABELS)
        l1(head)


def test_what_the_labels_depend_on_matters_most() -> None:
    images = torch.rand(200, 6, generator=torch.Generator().manual_seed(3))
    labels = (images[:, 4] > 0.5).long()
    head = fresh_head(6, 8, 2, seed=0)
    train_head(head, images, labels, HeadTraining(rate=0.2, epochs=30), seed=0)
    assert taylor(head, images, labels)["features"].argmax() == 4


def test_the_norm_sums_the_weights_that_hang_on_a_part() -> None:
    head = Head(3, 2, 2)
    with torch.no_grad():
        head.hidden.weight.copy_(torch.tensor([[1.0, -2.0, 0.0], [0.5, 0.5, -4.0]]))
        head.out.weight.copy_(torch.tensor([[10.0, 0.0], [-10.0, 1.0]]))
    found = l1(head)
    assert found["features"].tolist() == [1.5, 2.5, 4.0]
    assert found["neurons"].tolist() == [3 + 20, 5 + 1]  # what it reads, and what reads it
    assert found["connections"].tolist() == [1, 2, 0, 0.5, 0.5, 4]


def test_a_part_separates_by_what_it_adds_to_the_score_of_own_images_less_of_foreign_ones(
    head: Head,
) -> None:
    """One image at a time, by autograd: x ds/dx, h ds/dh and w ds/dw."""
    own, foreign = IMAGES[:4], IMAGES[4:]
    means = []
    for images in (own, foreign):
        added = []
        for image in images:
            x, w = image.clone().requires_grad_(), head.hidden.weight.detach().requires_grad_()
            h = w @ x
            score = energy(head.out(h.clamp(min=0))[None]).sum()
            by_x, by_h, by_w = torch.autograd.grad(score, [x, h, w])
            parts = (x * by_x, h * by_h, (w * by_w).ravel())
            added.append(torch.cat(parts).detach().numpy())
        means.append(np.mean(added, axis=0))
    passes = Passes()
    found = separation(head, own, foreign, energy, passes=passes)
    together = np.concatenate([found[name] for name in ("features", "neurons", "connections")])
    assert together == pytest.approx(means[0] - means[1], rel=1e-4, abs=1e-7)
    assert passes["guidance"] == 3 * len(IMAGES)


def test_parts_separate_nothing_from_itself(head: Head) -> None:
    found = separation(head, IMAGES, IMAGES, energy)
    assert all((score == 0).all() for score in found.values())
