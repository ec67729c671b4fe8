"""A copy that is cut anew for each candidate, in the precision of the search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.network.narrowing import NarrowNetwork
from evoprune.space.filters import FilterSpace

MASK = np.array([1, 0, 1, 1, 0, 1, 1], bool)  # of 3 and 4 filters


@pytest.mark.parametrize("recalibrated", [False, True])
def test_in_bf16_norms_are_folded_and_outputs_near_those_of_single_precision(
    model: nn.Module, images: torch.Tensor, recalibrated: bool
) -> None:
    cut, outputs = FilterSpace(model, (1, 8, 8)).cut(MASK), {}
    for dtype in (torch.float32, torch.bfloat16):
        network = NarrowNetwork(model, images[:2], dtype=dtype)
        assert network.reason is None and len(network.folded) == 2
        with torch.no_grad():
            if recalibrated:
                network.put_recalibrated(cut, [images], 1.0)
            else:
                network.put(cut)
            outputs[dtype] = network(images)
    exact, coarse = outputs.values()
    assert torch.allclose(coarse, exact, atol=0.05 * float(exact.abs().max()))
