"""What single zeros have left without use is found, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from evoprune.network.surgery import shrink
from evoprune.network.unused import unused


@pytest.fixture
def chain() -> nn.Module:
    """Three Linear layers with ReLU between, 4 - 3 - 3 - 2, all weights 1."""
    network = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2))
    for parameter in network.parameters():
        nn.init.ones_(parameter)
    return network.eval()


ONES = torch.ones(2, 4)


def kept(network: nn.Module, name: str) -> list[int]:
    cut = unused(network, ONES)
    assert torch.equal(shrink(network, cut)(ONES), network(ONES))
    outputs = cut[name].outputs
    assert outputs is not None
    return outputs.tolist()


def zero(layer: Any, *place: Any) -> None:
    with torch.no_grad():
        layer.weight[place] = 0.0


def test_a_network_that_needs_all_of_itself_has_no_cut(chain: nn.Sequential) -> None:
    zero(chain[2], 0, 1)
    assert unused(chain, ONES) == {}


def test_a_channel_that_nobody_reads_can_go(chain: nn.Sequential) -> None:
    zero(chain[2], slice(None), 1)
    assert kept(chain, "0") == [0, 2]


def test_a_channel_without_weights_stays_as_long_as_its_bias_is_heard(
    chain: nn.Sequential,
) -> None:
    zero(chain[0], 2)
    assert unused(chain, ONES) == {}


def test_a_channel_without_weights_goes_where_its_bias_is_silenced(chain: nn.Sequential) -> None:
    zero(chain[0], 2)
    with torch.no_grad():
        chain[0].bias[2] = -1.0
    assert kept(chain, "0") == [0, 1]


def test_a_channel_that_only_happens_to_be_silent_stays(chain: nn.Sequential) -> None:
    with torch.no_grad():
        chain[0].bias[2] = -100.0
    assert unused(chain, ONES) == {}


def test_what_only_a_removed_channel_reads_goes_as_well(chain: nn.Sequential) -> None:
    zero(chain[4], slice(None), 0)  # nobody reads unit 0 of the middle,
    zero(chain[2], slice(1, None), 1)  # the only reader of unit 1 of the first
    assert kept(chain, "2") == [1, 2]
    assert kept(chain, "0") == [0, 2]


def test_a_layer_keeps_one_channel_at_least(chain: nn.Sequential) -> None:
    zero(chain[4], slice(None))
    assert kept(chain, "2") == [0]


def test_in_convolutions_shortcuts_and_behind_norms_the_outputs_stay(
    network: nn.Module, images: torch.Tensor, unchanged: Any
) -> None:
    rng = np.random.default_rng(1)
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.groups == 1:
            gone = torch.from_numpy(rng.random(module.in_channels) < 0.5)
            gone[0] = False
            zero(module, slice(None), gone)
    with unchanged(network):
        cut = unused(network, images)
    assert cut
    torch.testing.assert_close(shrink(network, cut).eval()(images), network(images))
