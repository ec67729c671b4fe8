"""Cut a network: keep some channels, some weights, and make of the rest nothing at all.

A `Cut` says what stays of each module. `shrink` makes a smaller network of it, `apply` one of the
old size with zeros in it, and both compute the same. The network that is cut is never changed.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import prune

from evoprune.errors import unknown
from evoprune.network.groups import Group, is_maker
from evoprune.network.layers import LAYERS

Places = npt.NDArray[np.int64]
PARAMETERS = ("weight", "bias")
STATISTICS = ("running_mean", "running_var")


@dataclass(frozen=True)
class Kept:
    """What is kept of one module; None where all is.

    Args:
        outputs: int, sorted; the output channels of a layer, or the channels of a norm.
        inputs: int, sorted; the input channels of a layer.
        weights: bool, of the whole weight's shape; single weights of a layer.
    """

    outputs: Places | None = None
    inputs: Places | None = None
    weights: torch.Tensor | None = None


Cut = Mapping[str, Kept]


def cut_of(
    groups: Iterable[Group],
    kept: Iterable[npt.NDArray[np.bool_]],
    weights: Mapping[str, torch.Tensor] | None = None,
) -> dict[str, Kept]:
    """Say what stays of each module when some channels of its groups do.

    Args:
        groups: see `network.groups.channel_groups`; a module may be in several.
        kept: bool, shape (group's size,), one for each of the groups.
        weights: bool, of the weight's shape, by the name of a layer; its single weights.
    """
    gone: dict[tuple[str, str], list[Places]] = {}
    modules: dict[str, nn.Module] = {}
    for group, channels in zip(groups, kept, strict=True):
        for member in group.members:
            modules[member.name] = member.module
            places = member.places[~channels[member.channels]]
            gone.setdefault((member.name, member.side), []).append(places)
    sides: dict[str, dict[str, Any]] = {}
    for (name, side), removed in gone.items():
        inside = np.ones(_length(modules[name], side), bool)
        inside[np.concatenate(removed)] = False
        sides.setdefault(name, {})[side] = np.flatnonzero(inside)
    for name, mask in (weights or {}).items():
        sides.setdefault(name, {})["weights"] = mask
    return {name: Kept(**parts) for name, parts in sides.items()}


def _length(module: Any, side: str) -> int:
    """Return how many channels a module has on a side."""
    if isinstance(module, _BatchNorm):  # it may have no weight
        return int(module.num_features)
    return int(module.weight.shape[0 if side == "outputs" or module.weight.ndim == 1 else 1])


def shrink(model: nn.Module, cut: Cut) -> nn.Module:
    """Return a new network in which only what is kept is there at all.

    Args:
        model: any module; it is copied, and stays as it was.
        cut: what is kept of its modules, by name; others stay whole.

    Raises:
        InputError: if there is no module of such a name.

    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(16, 2))
    >>> two, eight = np.arange(2), np.arange(8)
    >>> small = shrink(model, {"0": Kept(outputs=two), "2": Kept(inputs=eight)})
    >>> small[0], small[2], model[0].out_channels
    (Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1)), Linear(in_features=8, out_features=2, bias=True), 4)
    """  # noqa: E501
    small = copy.deepcopy(model)
    for module, kept in _named(small, cut):
        for name, value in narrowed(module, kept).items():
            old = getattr(module, name)
            if isinstance(old, nn.Parameter):
                value = nn.Parameter(value.clone(), requires_grad=old.requires_grad)
            setattr(module, name, value)
        resize(module)
    return small


def apply(model: nn.Module, cut: Cut, *, permanent: bool = False) -> nn.Module:
    """Return a copy of the network with zeros in place of what is not kept.

    The zeros are those of `torch.nn.utils.prune`: a module then holds `weight_orig` and
    `weight_mask`, and training goes on under the mask.

    Args:
        model: any module; it is copied, and stays as it was.
        cut: what is kept of its modules, by name.
        permanent: whether to write the zeros into plain parameters instead.

    Raises:
        InputError: if there is no module of such a name.
    """
    zeroed = copy.deepcopy(model)
    for module, kept in _named(zeroed, cut):
        for name, mask in parameter_masks(module, kept).items():
            prune.custom_from_mask(module, name, mask)
            if permanent:
                prune.remove(module, name)
    return zeroed


def apart(model: nn.Module, cut: Cut, image_shape: Sequence[int], *, images: int = 2) -> float:
    """Return how far the cut network and the zeroed one are apart.

    Args:
        model: any module, in evaluation mode; it stays as it was.
        cut: what is kept of its modules.
        image_shape: (channels, height, width) of an image.
        images: how many random ones they are compared on.

    Returns:
        The largest difference of two outputs, as a share of the largest output.

    Raises:
        RuntimeError: if the cut network cannot be run.
    """
    first = next(model.parameters())
    noise = torch.randn((images, *image_shape), generator=torch.Generator().manual_seed(0))
    seen = noise.to(first.device, first.dtype)
    with torch.no_grad():
        expected = apply(model, cut).eval()(seen)
        difference = (shrink(model, cut).eval()(seen) - expected).abs().max()
    return float(difference / expected.abs().max().clamp(min=1e-12))


def parameter_masks(module: nn.Module, kept: Kept) -> dict[str, torch.Tensor]:
    """Return what is kept of a module as masks, bool, of its parameters' shapes, by their names."""
    masks = {}
    for name in PARAMETERS:
        parameter = getattr(module, name, None)
        if parameter is None:
            continue
        mask = torch.ones(parameter.shape, dtype=torch.bool, device=parameter.device)
        whole = kept.weights is None or name != "weight"
        mask &= True if whole else kept.weights.to(mask.device)  # type: ignore[union-attr]
        if kept.outputs is not None and len(parameter) > 1:
            mask[_others(kept.outputs, len(parameter))] = False
        if kept.inputs is not None and name == "weight":
            mask[:, _others(kept.inputs, parameter.shape[1])] = False
        masks[name] = mask
    return masks


def narrowed(module: Any, kept: Kept) -> dict[str, torch.Tensor]:
    """Return the parameters and statistics of a module, cut to what is kept, by their names."""
    tensors = {}
    for name in (*PARAMETERS, *STATISTICS):
        value = getattr(module, name, None)
        if value is None:
            continue
        value = value.detach()
        weight = name == "weight"
        tensors[name] = narrow_weight(value, kept) if weight else picked(value, kept.outputs)
    return tensors


def narrow_weight(weight: torch.Tensor, kept: Kept) -> torch.Tensor:
    """Return the weight of a layer, or of a norm, cut to what is kept."""
    if kept.weights is not None:
        weight = weight * kept.weights.to(weight.device)
    if len(weight) > 1:  # a PReLU may have one for all channels
        weight = picked(weight, kept.outputs)
    if kept.inputs is not None:
        weight = weight[:, torch.from_numpy(kept.inputs).to(weight.device)]
    return weight


def picked(values: torch.Tensor, places: Places | None) -> torch.Tensor:
    """Return the entries at some places of the first dimension; all of them, if None."""
    return values if places is None else values[torch.from_numpy(places).to(values.device)]


def resize(module: Any) -> None:
    """Set what a module says of its size to what its weight has."""
    weight = module.weight
    if isinstance(module, _BatchNorm):
        known = weight if weight is not None else module.running_mean
        module.num_features = module.num_features if known is None else len(known)
    elif isinstance(module, nn.PReLU):
        module.num_parameters = len(weight)
    elif isinstance(module, nn.Linear):
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, LAYERS):
        if not is_maker(module):  # depthwise
            module.groups = module.in_channels = len(weight)
        else:
            module.in_channels = weight.shape[1]
        module.out_channels = len(weight)


def _named(model: nn.Module, cut: Cut) -> Iterable[tuple[Any, Kept]]:
    modules = dict(model.named_modules())
    for name in cut:
        if name not in modules:
            raise unknown("module", name, modules)
    return [(modules[name], kept) for name, kept in cut.items()]


def _others(places: Places, length: int) -> torch.Tensor:
    others = np.ones(length, bool)
    others[places] = False
    return torch.from_numpy(np.flatnonzero(others))
