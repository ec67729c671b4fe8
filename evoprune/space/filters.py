"""The space of filter masks: a gene is a group of coupled channels, of a convolution or a layer.

What is removed here makes a network really smaller. Where the granularity is mixed, single weights
of other layers are genes beside the filters, as in the microbial GA: filters in convolutions,
connections in Linear layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from evoprune.errors import InputError
from evoprune.network.groups import Group, channel_groups
from evoprune.network.layers import Layer, prunable
from evoprune.network.surgery import Cut, Kept, apart, cut_of, narrow_weight
from evoprune.passes import Passes
from evoprune.space.genes import Bits, Corridor, GeneSpace
from evoprune.space.weights import WeightSpace
from operators.genomes import BitString
from operators.repair import floorLayers

NOBODY = -1  # the gene of a weight that no gene removes
TOLERANCE = 1e-3  # of the cut network's outputs, as a share of the largest; rounding is below 1e-5


class FilterSpace(GeneSpace):
    """All masks over the filters of a network, or its neurons, or filters and single weights.

    Args:
        model: any module; it is lent, and its trained weights are remembered here.
        image_shape: (channels, height, width) of an image.
        include: names or types of the layers whose output channels are genes; convolutions if None,
            or Linear layers where there is none. "linear" makes a gene of a neuron.
        exclude: names or types of layers whose channels all stay.
        weights: names or types of layers of which each single weight is a gene.
        corridor: the genes that a genome holds; all if None.
        floor: channels that each group keeps at least.
        passes: counter that takes the genes that had to be put back for that, under "repaired".

    Attributes:
        groups: the groups of channels, in the order of the network.
        whole: by the name of a layer why its channels, although asked for, all stay.
        importance: of each gene; its magnitude unless `scored`. Of a filter that is the root of
            the sum of the squares of its weights, of a single weight |w|.
        (the others): see `GeneSpace`.

    Raises:
        InputError: if the network cannot be followed, a name fits no layer, nothing is left to
            prune, or the network computes something else once it is cut; it names the module.
    """

    unit = "filters"

    def __init__(
        self,
        model: nn.Module,
        image_shape: Sequence[int],
        *,
        include: Iterable[str] | None = None,
        exclude: Iterable[str] | None = None,
        weights: Iterable[str] = (),
        corridor: Corridor | None = None,
        floor: int = 1,
        passes: Passes | None = None,
    ) -> None:
        if floor < 1:
            raise InputError(f"floor: expected at least 1 channel a group, got {floor}")
        self.image_shape, self.floor = tuple(image_shape), floor
        self.passes = Passes() if passes is None else passes
        inside = WeightSpace(model)
        self.carriers, self.parameters, self.weights = (
            inside.carriers,
            inside.parameters,
            inside.weights,
        )
        self.groups, self.whole = chosen_groups(model, image_shape, include, exclude)
        weights = list(weights)
        single = set(_names(prunable(model, include=weights)) if weights else ())
        layers = self._layers(single)
        if not layers:
            raise InputError(_nothing(self.whole))
        self._singles = [layer for layer in layers if layer.name in single]
        super().__init__(model, layers, self._norms(layers, inside), corridor)
        self._genes_of_weights(inside)
        self._check_cut()

    def weight_mask(self, mask: Bits) -> Bits:
        """Return which weights of the carriers are read or kept; a removed filter is read by none.

        The filter's own weights stay: what it computes reaches nobody. So the masked network is the
        cut one to the bit of every later layer, whatever an activation makes of a zero.
        """
        known = np.append(mask, True)  # NOBODY is the last place
        kept = known[self._readers]
        if self._single is not None:
            kept &= known[self._single]
        return kept

    def gathered(self, values: npt.NDArray, mask: Bits) -> npt.NDArray:
        """Sum a number a weight over the weights that read each filter, shape (size,)."""
        known, size = np.append(mask, True), self.size + 1  # NOBODY's sum is the first
        read = values if self._single is None else values * known[self._single]
        totals = np.bincount(self._readers + 1, read, size)
        if self._single is not None:
            totals += np.bincount(self._single + 1, values * known[self._readers], size)
        return totals[1:].astype(values.dtype)

    def floored(self, mask: Bits) -> Bits:
        """Return the mask, or a copy in which each group keeps its most important channels."""
        kept = np.add.reduceat(mask.astype(np.int64), self.offsets[:-1])
        floors = self._floors()
        if (kept >= floors).all():
            return mask
        whole = BitString.from_numpy(mask)
        self.passes["repaired"] += floorLayers(
            whole, layers=self.offsets, floor=floors, score=self.importance
        )
        return whole.to_numpy()

    def cut(self, mask: Bits) -> Cut:
        """Return what a mask over all genes keeps of each module."""
        parts = dict(zip(_names(self.layers), np.split(mask, self.offsets[1:-1]), strict=True))
        weights = {
            layer.name: torch.from_numpy(parts[layer.name]).view_as(layer.module.weight)
            for layer in self._singles
        }
        return cut_of(self.groups, [parts[group.name] for group in self.groups], weights)

    def macs(self, mask: Bits, uses: npt.NDArray[np.number]) -> float:
        """Return the share of the multiply-adds of the network that is left when it is cut."""
        cut = self.cut(mask)
        left = [kept_weights(layer, cut.get(layer.name)) for layer in self.carriers]
        sizes = np.array([layer.size for layer in self.carriers])
        return float(np.array(left) @ uses / (sizes @ uses))

    def params(self, mask: Bits) -> float:
        """Return the share of the network's parameters that is left when it is cut."""
        cut, gone = self.cut(mask), 0
        modules = dict(self.model.named_modules())
        for layer in self.carriers:
            gone += layer.size - kept_weights(layer, cut.get(layer.name))
        for name, kept in cut.items():
            module = modules[name]
            for parameter in module.parameters(recurse=False):
                if kept.outputs is not None and parameter.ndim == 1 and len(parameter) > 1:
                    gone += len(parameter) - len(kept.outputs)
        every = sum(parameter.numel() for parameter in self.model.parameters())
        return 1 - gone / every

    def _layers(self, single: set[str]) -> list[Layer]:
        """List the layers of genes, in the order of the network."""
        filters = {group.name: group.size for group in self.groups}
        both = sorted(single & set(filters))
        if both:
            raise InputError(
                f"weights: {both[0]} is to be pruned by its channels and by its weights; exclude it"
            )
        found = []
        for layer in self.carriers:
            if layer.name in filters:
                found.append(Layer(layer.name, layer.module, layer.kind, filters[layer.name]))
            elif layer.name in single:
                found.append(layer)
        return found

    def _norms(self, layers: list[Layer], inside: WeightSpace) -> npt.NDArray[np.float32]:
        """Return the magnitude of each gene."""
        parts = inside.split(inside.weights.square().cpu())
        squares = {
            layer.name: part.numpy() for layer, part in zip(self.carriers, parts, strict=True)
        }
        for group in self.groups:
            sums = np.zeros(group.size)
            for maker in group.makers:
                filters = squares[maker.name].reshape(len(maker.module.weight), -1).sum(1)
                np.add.at(sums, maker.channels, filters[maker.places])
            squares[group.name] = sums
        every = [squares[layer.name].reshape(-1) for layer in layers]
        return np.sqrt(np.concatenate(every)).astype(np.float32)

    def _genes_of_weights(self, inside: WeightSpace) -> None:
        """Note for each weight of the carriers the filter that it reads, and the gene it is."""
        first = dict(zip(_names(self.layers), self.offsets.tolist(), strict=False))
        start = dict(zip(_names(self.carriers), inside.offsets.tolist(), strict=False))
        self._readers = np.full(inside.size, NOBODY, np.int64)
        for group in self.groups:
            for reader in group.readers:
                weight = reader.module.weight
                stop = start[reader.name] + weight.numel()
                table = self._readers[start[reader.name] : stop].reshape(*weight.shape[:2], -1)
                table[:, reader.places] = first[group.name] + reader.channels[None, :, None]
        self._single: npt.NDArray[np.int64] | None = None
        for layer in self._singles:
            if self._single is None:
                self._single = np.full(inside.size, NOBODY, np.int64)
            places = slice(start[layer.name], start[layer.name] + layer.size)
            self._single[places] = first[layer.name] + np.arange(layer.size)

    def _floors(self) -> npt.NDArray[np.int64]:
        """Return how many genes each layer keeps at least; single weights have no floor."""
        floors = np.minimum(self.floor, np.diff(self.offsets))
        floors[[layer in self._singles for layer in self.layers]] = 0
        return floors

    def _check_cut(self) -> None:
        """Cut half of all channels, and look whether the network computes what it should.

        Raises:
            InputError: naming the group, if it does not.
        """
        half = np.arange(self.size) % 2 == 1
        half[self.offsets[:-1]] = True
        if self._agrees(half):
            return
        for name, start, stop in zip(
            _names(self.layers), self.offsets, self.offsets[1:], strict=False
        ):
            alone = np.ones(self.size, bool)
            alone[start:stop] = half[start:stop]
            if not self._agrees(alone):
                raise InputError(
                    f"model: it computes something else when channels of {name} are cut out; "
                    f"leave them alone by exclude=[{name!r}]"
                )
        raise InputError("model: it computes something else when channels are cut out together")

    def _agrees(self, mask: Bits) -> bool:
        try:
            return apart(self.model, self.cut(mask), self.image_shape) <= TOLERANCE
        except RuntimeError:  # a size that the network's own code takes for granted
            return False


def chosen_groups(
    model: nn.Module,
    image_shape: Sequence[int],
    include: Iterable[str] | None,
    exclude: Iterable[str] | None,
) -> tuple[list[Group], dict[str, str]]:
    """Return the groups all of whose layers are asked for, and why others of them stay whole.

    Raises:
        InputError: if the network cannot be followed or a name fits no layer.
    """
    every = prunable(model)
    if include is None:
        include = ["conv" if any(layer.kind == "conv" for layer in every) else "linear"]
    chosen = set(_names(prunable(model, include=include, exclude=exclude)))
    groups, whole = channel_groups(model, image_shape)
    wanted = [g for g in groups if chosen.issuperset(maker.name for maker in g.makers)]
    return wanted, {name: reason for name, reason in whole.items() if name in chosen}


def kept_weights(layer: Layer, kept: Kept | None) -> int:
    """Return how many weights of a layer are left when it is cut."""
    if kept is None:
        return layer.size
    if kept.weights is not None:
        return int(torch.count_nonzero(narrow_weight(kept.weights, replace(kept, weights=None))))
    outputs, inputs, *window = layer.module.weight.shape
    outputs = outputs if kept.outputs is None else len(kept.outputs)
    inputs = inputs if kept.inputs is None else len(kept.inputs)
    return int(outputs * inputs * np.prod(window, dtype=int))


def _names(layers: Iterable[Layer]) -> list[str]:
    return [layer.name for layer in layers]


def _nothing(whole: Mapping[str, str]) -> str:
    """Say that there is nothing to prune, and why."""
    why = "".join(f"; {name} stays whole: {reason}" for name, reason in list(whole.items())[:2])
    return f"model: expected a layer whose channels can be removed, got none{why}"
