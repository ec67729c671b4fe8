"""How a smaller network is made again from plain data: which channels were kept, and the weights.

A recipe is JSON: for each module that lost something the places that were kept of it, and of how
many. Start reading at `rebuild`: it takes the architecture as it was, shrinks it by a recipe, puts
a head behind it where the recipe tells of one (`transferred`), and loads a state dict into what is
left. Nothing is unpickled but tensors, so that a file of somebody else's can run no code.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from evoprune.errors import InputError, said, unknown
from evoprune.network import models
from evoprune.network.places import rising
from evoprune.network.surgery import Cut, Kept, Places, shrink
from evoprune.network.transferred import check_read, with_head

NAME, VERSION = "evoprune recipe", 1
SIDES = ("outputs", "inputs")
OWN_RANGE = "transform_input"  # whether a network of torchvision brings images to a range first

Recipe = Mapping[str, Any]


def recipe_of(
    model: nn.Module, cut: Cut, *, network: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return how a network is shrunk, as what JSON can hold.

    Single weights that a cut removes are not in it: they are zeros in the state dict.

    Args:
        model: the network before the cut.
        cut: what is kept of its modules; an empty one leaves the network its size.
        network: how `models.build` makes the architecture: `name`, `classes`, `channels`,
            `image_size`, for some of torchvision's `transform_input`; None for a network of one's
            own.

    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3))
    >>> recipe_of(model, {"0": Kept(outputs=np.array([0, 3]))})["modules"]
    {'0': {'outputs': {'kept': [0, 3], 'of': 4}}}
    """
    modules: dict[str, Any] = {}
    for name, kept in cut.items():
        module = model.get_submodule(name)
        for side in SIDES:
            places, size = getattr(kept, side), _size(module, side)
            if places is not None and len(places) < size:
                entry = {"kept": [int(place) for place in places], "of": size}
                modules.setdefault(name, {})[side] = entry
    known = None if network is None else dict(network)
    return {"format": NAME, "version": VERSION, "network": known, "modules": modules}


def write_recipe(recipe: Recipe, path: str | Path) -> None:
    """Write a recipe as JSON, a line a module."""
    head = {key: value for key, value in recipe.items() if key != "modules"}
    lines = [f"{json.dumps(name)}: {json.dumps(m)}" for name, m in recipe["modules"].items()]
    body = ",\n  ".join(lines)
    text = (
        f'{json.dumps(head)[:-1]}, "modules": {{\n  {body}\n}}}}\n'
        if lines
        else json.dumps(dict(recipe))
    )
    Path(path).write_text(text, encoding="utf-8")


def read_recipe(path: str | Path) -> dict[str, Any]:
    """Read a recipe that `write_recipe` wrote; `rebuild` checks what is in it.

    Raises:
        InputError: if the file is absent or is no recipe.
    """
    try:
        return _checked(json.loads(Path(path).read_text(encoding="utf-8")), str(path))
    except (OSError, ValueError) as cause:
        if isinstance(cause, InputError):
            raise
        raise InputError(f"recipe: cannot read {path}: {said(cause)}") from cause


def rebuild(
    model: nn.Module | None,
    recipe: Recipe | str | Path,
    weights: Mapping[str, torch.Tensor] | str | Path | None = None,
) -> nn.Module:
    """Return the smaller network that a recipe tells of, in evaluation mode.

    Args:
        model: the architecture before anything was removed, trained or not; it stays as it was.
            None builds the one that the recipe names. Of a transferred network it is the backbone.
        recipe: what `recipe_of` returned, or the path of its file.
        weights: a state dict, or the path of one, which is read as plain tensors; None leaves the
            weights of the model, those that are kept.

    Raises:
        InputError: if the recipe is none or does not fit the model, or the weights do not fit what
            the recipe makes of it.

    >>> model = nn.Sequential(nn.Conv2d(1, 4, 3))
    >>> rebuild(model, recipe_of(model, {"0": Kept(outputs=np.array([0, 3]))}))[0]
    Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1))
    """
    content = read_recipe(recipe) if isinstance(recipe, str | Path) else _checked(recipe, "it")
    model = _built(content["network"]) if model is None else model
    small = shrink(model, cut_in(content, model)).eval()
    head = content.get("head")
    if head is not None:
        small = with_head(small, head)
    if isinstance(weights, str | Path):
        models.load_weights(small, weights)
    elif weights is not None:
        try:
            small.load_state_dict(dict(weights))
        except RuntimeError as cause:
            raise InputError(
                f"weights: they do not fit what the recipe makes of the model: {said(cause)}"
            ) from cause
    if head is not None:
        check_read(small, head)
    return small


def cut_in(recipe: Recipe, model: nn.Module) -> dict[str, Kept]:
    """Return what a recipe keeps of each module of a network.

    Raises:
        InputError: naming the module, if the recipe does not fit the network.
    """
    modules, cut = dict(model.named_modules()), {}
    for name, sides in _checked(recipe, "it")["modules"].items():
        if name not in modules:
            raise unknown("module in recipe", name, modules)
        if not isinstance(sides, dict) or not set(sides) <= set(SIDES):
            raise InputError(f"recipe: expected outputs and inputs of {name}, got {sides!r:.60}")
        places = {side: _places(name, side, sides[side], modules[name]) for side in sides}
        cut[name] = Kept(places.get("outputs"), places.get("inputs"))
    return cut


def widened(model: nn.Module, cut: Cut, small: nn.Module) -> nn.Module:
    """Return the network of the old size that computes what a smaller one does: zeros are put back.

    Args:
        model: of the architecture before the cut; it stays as it was.
        cut: what is kept of its modules.
        small: a network of the sizes that the cut leaves, of any weights.

    >>> wide, cut = nn.Sequential(nn.Linear(1, 3)), {"0": Kept(outputs=np.array([0, 2]))}
    >>> small = shrink(wide, cut)
    >>> widened(wide, cut, small)[0].bias[1].item()
    0.0
    """
    whole = copy.deepcopy(model)
    state = whole.state_dict()
    for key, value in small.state_dict().items():
        name, _, _ = key.rpartition(".")
        if state[key].shape == value.shape:
            state[key] = value
            continue
        # A variance of 1 beside a factor of 0: any would do, but none may be divided by.
        wide = torch.full_like(state[key], float(key.endswith("running_var")))
        outputs, inputs = (
            torch.arange(size) if places is None else torch.from_numpy(places)
            for size, places in zip(
                (*wide.shape, 1), (cut[name].outputs, cut[name].inputs), strict=False
            )
        )
        wide[(outputs,) if wide.ndim == 1 else (outputs[:, None], inputs[None])] = value
        state[key] = wide
    whole.load_state_dict(state)
    return whole


def _built(network: Any) -> nn.Module:
    """Build the architecture that a recipe names."""
    if network is None:
        raise InputError("model: the recipe names no architecture; give the network itself")
    try:
        settings = dict(network)
        brought = settings.pop(OWN_RANGE, None)
        model = models.build(settings.pop("name"), **settings)
        if brought is not None:
            setattr(model, OWN_RANGE, bool(brought))
        return model
    except (KeyError, TypeError, ValueError) as cause:
        if isinstance(cause, InputError):
            raise
        raise InputError(f"recipe: expected a network by name, got {network!r:.60}") from cause


def _checked(content: Any, what: str) -> dict[str, Any]:
    """Return what claims to be a recipe, if it is one that this version reads."""
    if not isinstance(content, Mapping) or content.get("format") != NAME:
        raise InputError(f"recipe: expected one that evoprune export wrote; {what} is none")
    if content.get("version") != VERSION:
        raise InputError(
            f"recipe: expected version {VERSION}, got {content.get('version')!r}; "
            "take the evoprune that wrote it"
        )
    if not isinstance(content.get("modules"), Mapping):
        raise InputError(f"recipe: expected modules by name, got {content.get('modules')!r:.60}")
    return {"network": None, **content}


def _places(name: str, side: str, entry: Any, module: nn.Module) -> Places:
    """Return the places that are kept of a side of a module, in range and in order."""
    size = _size(module, side)
    said_size = entry.get("of") if isinstance(entry, Mapping) else None
    kept = entry.get("kept") if isinstance(entry, Mapping) else None
    if said_size != size:
        raise InputError(
            f"recipe: it is for {said_size} {side} of {name}, the model has {size}; "
            "give the architecture that was pruned"
        )
    return np.array(rising(kept, size, f"{side} kept of {name}"), np.int64)


def _size(module: nn.Module, side: str) -> int:
    """Return how many channels a module has on a side; 0 if it has no such side."""
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor):
        return 0
    if side == "outputs":
        return len(weight)
    return weight.shape[1] if weight.ndim > 1 else 0
