"""Groups of coupled channels: who leaves with whom."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.groups import Group, channel_groups
from evoprune.network.models import build


class Residual(nn.Module):
    """A stem, a block of two convolutions beside a plain shortcut, and a Linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.inner = nn.Conv2d(4, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.outer = nn.Conv2d(6, 4, 3, padding=1)
        self.head = nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).relu()
        x = x + self.outer(self.norm(self.inner(x)).relu())
        return self.head(x.mean((2, 3)))


class Concatenated(nn.Module):
    """Two convolutions side by side, read by a third one."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Conv2d(1, 2, 1), nn.Conv2d(1, 3, 3, padding=1)
        self.both = nn.Conv2d(5, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.both(torch.cat([self.left(x), self.right(x)], 1)).mean((2, 3))


def groups_of(model: nn.Module, channels: int = 1, size: int = 8) -> list[Group]:
    return channel_groups(model.eval(), (channels, size, size))[0]


def sides(group: Group) -> list[tuple[str, str]]:
    return [(member.name, member.side) for member in group.members]


def test_a_plain_network_has_a_group_a_layer_but_for_the_classes() -> None:
    groups = groups_of(build("lenet-8-16", channels=1, image_size=28), size=28)
    assert [(group.name, group.size) for group in groups] == [
        ("0", 8), ("3", 16), ("7", 120), ("9", 84),
    ]  # fmt: skip


def test_a_norm_and_the_layer_that_reads_them_go_with_the_channels() -> None:
    inner = groups_of(Residual())[1]
    assert sides(inner) == [("inner", "outputs"), ("norm", "outputs"), ("outer", "inputs")]


def test_an_addition_couples_the_layers_on_both_of_its_sides() -> None:
    stem = groups_of(Residual())[0]
    assert [maker.name for maker in stem.makers] == ["stem", "outer"]
    assert [reader.name for reader in stem.readers] == ["inner", "head"]


def test_a_linear_layer_reads_a_channel_at_every_place_of_the_flattened_image() -> None:
    model = nn.Sequential(nn.Conv2d(1, 3, 3), nn.Flatten(), nn.Linear(3 * 36, 2))
    [reader] = groups_of(model)[0].readers
    assert reader.places.tolist() == list(range(108))
    assert reader.channels.tolist() == [0] * 36 + [1] * 36 + [2] * 36


def test_behind_a_concatenation_each_group_has_its_own_places() -> None:
    left, right = groups_of(Concatenated())
    assert [reader.places.tolist() for reader in left.readers] == [[0, 1]]
    assert [reader.places.tolist() for reader in right.readers] == [[2, 3, 4]]


def test_a_depthwise_convolution_passes_channels_on_and_makes_none() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 2, 1), nn.Flatten()
    )
    [group] = groups_of(model, size=4)
    assert sides(group) == [("0", "outputs"), ("1", "outputs"), ("2", "inputs")]
    assert [maker.name for maker in group.makers] == ["0"]


def test_the_stream_behind_a_padded_shortcut_stays_whole() -> None:
    groups, whole = channel_groups(build("resnet20"), (3, 32, 32))
    assert len(groups) == 9
    assert sum(group.size for group in groups) == 3 * (16 + 32 + 64)
    assert whole == {"conv1": "its channels are shifted against those of layer2.0.conv2"}


def test_a_layer_in_several_groups_stays_whole_and_the_reason_names_it() -> None:
    model = nn.Sequential(
        nn.Conv2d(1, 4, 1), nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(4, 2, 1), nn.Flatten()
    )
    groups, whole = channel_groups(model, (1, 4, 4))
    assert (groups, whole) == ([], {"0": "it runs through 1, a Conv2d"})


def test_a_layer_norm_over_channels_stays_whole() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 2))
    groups, whole = channel_groups(model, (4,))
    assert (groups, whole) == ([], {"0": "it runs through 1, a LayerNorm"})


def test_a_network_that_cannot_be_followed_names_the_module() -> None:
    class Lost(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("lost")

    model = nn.Sequential(nn.Conv2d(1, 2, 1), Lost())
    with pytest.raises(InputError, match=r"cannot be followed through 1 \(Lost\).*lost"):
        groups_of(model)


def test_the_network_is_not_touched() -> None:
    model = Residual().eval().requires_grad_(False)
    model.norm.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    groups_of_it = channel_groups(model, (1, 8, 8))[0]
    assert groups_of_it[0].members[0].module is model.stem
    assert model.norm.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
