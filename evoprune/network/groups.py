"""Groups of coupled channels: what has to leave a network together, so that it still fits.

Removing a filter takes its output channel away, and with it the shift that BatchNorm gives the
channel, the weights of every later layer that read it, and, across an addition, the same channel of
each layer on the other side. Start reading at `channel_groups`. The graph of dependencies is
torch-pruning's (Fang et al., 2023, "DepGraph"); this file is all of evoprune that knows of it.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch_pruning
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from evoprune.errors import InputError, said
from evoprune.network.layers import LAYERS

Places = npt.NDArray[np.int64]
Side = Literal["outputs", "inputs"]
CHANNELWISE = (_BatchNorm, nn.PReLU)  # a number or more for each channel, which leaves with it


@dataclass(frozen=True)
class Member:
    """A module that a group of channels runs through, by one of its sides.

    Args:
        name: path of the module in the network.
        module: the module itself.
        side: "outputs" where it makes the channels or passes them on, as BatchNorm and depthwise
            convolutions do; "inputs" where it reads them.
        places: int, shape (k,); the places along that side that belong to the group.
        channels: int, shape (k,); the channel of the group, 0 to size - 1, at each place. A Linear
            layer behind a flattened image reads a channel at many places.
    """

    name: str
    module: Any
    side: Side
    places: Places
    channels: Places


@dataclass(frozen=True)
class Group:
    """Channels that can leave a network, each as a whole and without any other.

    Args:
        name: of the first layer that makes them.
        size: number of channels.
        members: all that they run through, in the order of the network.
    """

    name: str
    size: int
    members: tuple[Member, ...]

    @property
    def makers(self) -> list[Member]:
        """The layers that compute the channels from others: no norm, no depthwise convolution."""
        return [m for m in self.members if m.side == "outputs" and is_maker(m.module)]

    @property
    def readers(self) -> list[Member]:
        """The layers that read them."""
        return [m for m in self.members if m.side == "inputs"]


def is_maker(module: nn.Module) -> bool:
    """Tell whether a layer mixes channels: a Linear one, or a convolution in a single group."""
    return isinstance(module, LAYERS) and getattr(module, "groups", 1) == 1


def channel_groups(
    model: nn.Module, image_shape: Sequence[int]
) -> tuple[list[Group], dict[str, str]]:
    """Find the groups of coupled channels of a network, in its order.

    The channels that end as the network's outputs, the classes, are no group.

    Args:
        model: any module; a copy of it is followed.
        image_shape: (channels, height, width) of an image.

    Returns:
        The groups, and by name of their first layer why others have to stay whole: they run through
        a layer that cannot be cut, or are shifted against each other, as behind a padded shortcut.

    Raises:
        InputError: if the network cannot be followed; it names the module where that ended.

    Source: torch-pruning's dependency graph, Fang et al., 2023.

    >>> model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4))
    >>> [group], whole = channel_groups(model, (1, 4, 4))
    >>> group.name, group.size, [(m.name, m.side, len(m.places)) for m in group.members]
    ('0', 2, [('0', 'outputs', 2), ('3', 'inputs', 8)])
    """
    modules = dict(model.named_modules())
    order = {name: place for place, name in enumerate(modules)}
    groups, whole = [], dict[str, str]()
    for found in _followed(model, image_shape):
        members, strange = _members(found, modules)
        members.sort(key=lambda member: order[member.name])
        makers = [m for m in members if m.side == "outputs" and is_maker(m.module)]
        if not makers:
            continue
        group = Group(makers[0].name, len(found[0].idxs), tuple(members))
        reason = strange or _reason(group)
        if reason:
            whole[group.name] = reason
        elif group.readers:  # without any, they are the outputs
            groups.append(group)
    return sorted(groups, key=lambda group: order[group.name]), whole


def _followed(model: nn.Module, image_shape: Sequence[int]) -> list[Any]:
    """Return torch-pruning's groups of a copy of the network."""
    network = copy.deepcopy(model).eval().requires_grad_(True)
    first = next(network.parameters())
    image = torch.zeros((1, *image_shape), dtype=first.dtype, device=first.device)
    try:
        return _groups(network, image)
    except Exception as cause:  # the network's own code is run, which may raise anything
        raise InputError(
            f"model: its channels cannot be followed through {_culprit(network, image)}: "
            f"{said(cause)}; write that module in plain operations, or prune single weights"
        ) from cause


def _groups(network: nn.Module, *inputs: torch.Tensor) -> list[Any]:
    example = inputs[0] if len(inputs) == 1 else inputs  # of a tuple the first error would be lost
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what it does not know; `_members` looks itself
        graph = torch_pruning.DependencyGraph().build_dependency(network, example, verbose=False)
        return list(graph.get_all_groups(root_module_types=list(LAYERS)))


def _culprit(network: nn.Module, image: torch.Tensor) -> str:
    """Name the smallest module that cannot be followed even by itself."""
    taken: dict[str, Any] = {}
    with ExitStack() as stack, suppress(Exception):
        for name, module in network.named_modules():
            hook = partial(_take, taken, name)
            stack.callback(module.register_forward_pre_hook(hook).remove)
        network(image)
    modules = dict(network.named_modules())
    for name in sorted(taken, key=lambda name: len(list(modules[name].modules()))):
        try:
            _groups(modules[name], *taken[name])
        except Exception:
            return f"{name or 'it'} ({type(modules[name]).__name__})"
    return f"it ({type(network).__name__})"


def _take(taken: dict[str, Any], name: str, module: nn.Module, inputs: Any) -> None:
    """Keep what a module is called with; a hook."""
    taken[name] = tuple(value.detach() for value in inputs)


def _members(found: Any, modules: dict[str, nn.Module]) -> tuple[list[Member], str]:
    """Return the modules of a group, each side once, and what cannot be cut among them."""
    members: dict[tuple[str, Side], Member] = {}
    strange = ""
    for item in found:
        # torch-pruning writes "layer1.0.conv1 (Conv2d(...))"; its own nodes begin with "_".
        name = str(item.dep.target.name).split(" (")[0]
        module = modules.get(name)
        if module is None:
            if isinstance(item.dep.target.module, nn.Parameter):
                strange = f"it runs through the parameter {name}"
            continue
        cuts = isinstance(module, (*LAYERS, *CHANNELWISE))
        if not cuts or getattr(module, "groups", 1) not in (1, getattr(module, "out_channels", 1)):
            if any(True for _ in module.parameters(recurse=False)):
                strange = f"it runs through {name}, a {type(module).__name__}"
            continue
        reads = "in_channels" in item.dep.handler.__name__ and is_maker(module)
        side: Side = "inputs" if reads else "outputs"
        channels = item.idxs if item.root_idxs is None else item.root_idxs
        member = Member(name, module, side, np.asarray(item.idxs), np.asarray(channels))
        members.setdefault((name, side), member)
    return list(members.values()), strange


def _reason(group: Group) -> str:
    """Say why a group cannot be cut; "" if it can."""
    for member in group.members:
        if len(member.places) != len(member.channels):
            return f"its channels cannot be matched to those of {member.name}"
        made = getattr(member.module, "out_features", getattr(member.module, "out_channels", None))
        if member.side == "outputs" and is_maker(member.module) and made != group.size:
            return f"its channels are shifted against those of {member.name}"
    return ""
