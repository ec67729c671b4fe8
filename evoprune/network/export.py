"""Write a pruned network to a file that others can run, and prove that it is the same network.

Start reading at `export`. Whatever it writes it reads again, and runs beside the network under its
mask and the network that was cut; only if all of them say the same does the folder appear.
"""

from __future__ import annotations

import copy
import importlib
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from evoprune.errors import InputError, said, unknown
from evoprune.network import certificate, recipe, surgery
from evoprune.network.certificate import ExportError
from evoprune.network.latency import Network
from evoprune.network.surgery import Cut

FILE = "network"  # its name in the folder, before the suffix
RECIPE = "recipe.json"


@dataclass(frozen=True)
class Versions:
    """A network before and after something was removed, and how it is made again.

    Attributes:
        dense: before.
        masked: of the old size, with zeros.
        small: what is written; it computes what the masked one does.
        recipes: of the dense network, and of the small one.
        architecture: what recipes are read with; None where they name it themselves.
    """

    dense: nn.Module
    masked: nn.Module
    small: nn.Module
    recipes: tuple[recipe.Recipe, recipe.Recipe]
    architecture: nn.Module | None = None


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Args:
        suffix: of the file's name.
        needs: packages beside torch.
        write: writes a module, which may be tried on the images.
        read: makes what runs images of the file, and of the folder it lies in; it may build on a
            module of the architecture before the cut, if one is given, but takes every number from
            the file.
    """

    suffix: str
    needs: tuple[str, ...]
    write: Callable[[nn.Module, Path, torch.Tensor], None]
    read: Callable[[Path, nn.Module | None], Network]


def export(
    model: nn.Module,
    cut: Cut,
    folder: str | Path,
    *,
    images: torch.Tensor,
    to: str = "state-dict",
    shrink: bool = True,
    masked: nn.Module | None = None,
    network: Mapping[str, Any] | None = None,
    timing: Mapping[str, int] | None = None,
    also: Callable[[Network], Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Cut a network, and write it with its recipe and a certificate into a new folder.

    Args:
        model: the dense network; it stays as it was.
        cut: what is kept of its modules, such as `space.cut(mask)` returns.
        folder: it must not be there yet; it appears when all of it is proved, or not at all.
        images: normalised, 2 or more, shape (images, channels, height, width), to compare on.
        to: "state-dict", "torch-export" or "onnx".
        shrink: whether to take out what is not kept; else there are zeros in its place.
        masked: the network under the cut, of the old size, where it is another than the model with
            zeros: recalibrated, or fine-tuned.
        network: how `models.build` makes the model; see `recipe.recipe_of`.
        timing: `batch` and `runs` of the measured latency; see `certificate.latency`.
        also: takes the network as it was read from the file, and returns more for the certificate;
            it may raise an ExportError.

    Returns:
        The certificate, as in the folder's certificate.json; see `certificate.certified`.

    Raises:
        InputError: if the format is unknown, a package is not installed, or the folder is there.
        ExportError: if the network cannot be written so, or what was written does not agree.
    """
    checked(to)
    removed = cut if shrink else {}
    whole = surgery.apply(model, cut, permanent=True) if masked is None else masked
    recipes = recipe.recipe_of(model, {}), recipe.recipe_of(model, removed, network=network)
    versions = Versions(model, whole, surgery.shrink(whole, removed), recipes, _plain(model))
    return write(versions, folder, images=images, to=to, timing=timing, also=also)


def write(
    versions: Versions,
    folder: str | Path,
    *,
    images: torch.Tensor,
    to: str = "state-dict",
    timing: Mapping[str, int] | None = None,
    also: Callable[[Network], Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Write a smaller network with its recipe, and certify that it computes what the masked does.

    Args:
        versions: of the network.
        folder: as in `export`, and so are the others, the certificate, and what is raised.
        images: normalised, 2 or more.
        to: a key of `FORMATS`.
        timing: of the measured latency.
        also: more for the certificate.
    """
    form = checked(to)
    if len(images) < 2:
        raise InputError(f"images: expected 2 or more to compare on, got {len(images)}")
    dense, masked, small = map(_plain, (versions.dense, versions.masked, versions.small))
    images = images.cpu()
    with appearing(Path(folder)) as place:
        path = place / f"{FILE}{form.suffix}"
        recipe.write_recipe(versions.recipes[1], place / RECIPE)
        read = _through(form, small, path, versions.architecture, images, to)
        agreement = certificate.agreement(masked, small, read, images)
        with _dense_beside(form, versions, dense, place, images, to) as (before, dense_bytes):
            sizes = certificate.sizes(dense, small, dense_bytes, path.stat().st_size)
            content = {
                "file": path.name,
                "format": to,
                "shrunk": sizes["parameters"]["exported"] < sizes["parameters"]["dense"],
                **sizes,
                "macs": certificate.multiply_adds(dense, small, tuple(images.shape[1:])),
                "latency": certificate.latency(before, read, images, **dict(timing or {})),
                "agreement": agreement,
                **(also(read) if also else {}),
            }
        certificate.write(content, place / certificate.FILE)
    return content


def checked(to: str) -> Format:
    """Return the format of a name, if it can be written here.

    Raises:
        InputError: if there is none of the name, or a package that it needs is not installed.
    """
    if to not in FORMATS:
        raise unknown("format", to, FORMATS)
    for package in FORMATS[to].needs:
        try:
            importlib.import_module(package)
        except ImportError as cause:
            raise InputError(
                f"to: {to} needs the package {package}; pip install 'evoprune[export]'"
            ) from cause
    return FORMATS[to]


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Give a folder to write into that takes its name when the block ends well, and else vanishes.

    Raises:
        InputError: if the folder is there already or cannot be made.
    """
    folder = folder.expanduser().absolute()
    if folder.exists():
        raise InputError(f"out: {folder} is there already; name another folder")
    beside = folder.with_name(f"{folder.name}.part")
    try:
        shutil.rmtree(beside, ignore_errors=True)  # of an export that was killed
        beside.mkdir(parents=True)
        yield beside
        os.replace(beside, folder)
    except OSError as cause:
        raise InputError(f"out: cannot write to {folder}: {said(cause)}") from cause
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _plain(model: nn.Module) -> nn.Module:
    """Return a copy of a network as others would build it: on the CPU, laid out as usual."""
    network = copy.deepcopy(model).cpu().eval().requires_grad_(False)
    return network.to(memory_format=torch.contiguous_format)


def _through(
    form: Format,
    model: nn.Module,
    path: Path,
    architecture: nn.Module | None,
    images: torch.Tensor,
    to: str,
) -> Network:
    """Write a network and read it again."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporters, about themselves
            form.write(model, path, images)
            return form.read(path, architecture)
    except InputError:
        raise
    except Exception as cause:  # the exporters follow the network's own code
        name = type(model).__name__
        raise ExportError(f"{name} cannot be written as {to}: {said(cause)}") from cause


@contextmanager
def _dense_beside(
    form: Format, versions: Versions, dense: nn.Module, place: Path, images: torch.Tensor, to: str
) -> Iterator[tuple[Network, int]]:
    """Give the dense network in the same format, to be compared with, and the bytes that it takes.

    A network in another runtime would be compared with the runtime.
    """
    inside = place / "dense"
    inside.mkdir()
    recipe.write_recipe(versions.recipes[0], inside / RECIPE)
    path = inside / f"{FILE}{form.suffix}"
    try:
        before = _through(form, dense, path, versions.architecture, images, to)
        yield before, path.stat().st_size
    finally:
        shutil.rmtree(inside)


def _write_state(model: nn.Module, path: Path, images: torch.Tensor) -> None:
    torch.save({name: value.contiguous() for name, value in model.state_dict().items()}, path)


def _read_state(path: Path, model: nn.Module | None) -> Network:
    return recipe.rebuild(model, path.with_name(RECIPE), path)


def _write_program(model: nn.Module, path: Path, images: torch.Tensor) -> None:
    torch.export.save(torch.export.export(model, (images[:2],), dynamic_shapes=(_batches(),)), path)


def _read_program(path: Path, model: nn.Module | None) -> Network:
    program = torch.export.load(path).module()
    return lambda images: program(images)  # it is no module that has modes to be kept


def _write_onnx(model: nn.Module, path: Path, images: torch.Tensor) -> None:
    torch.onnx.export(
        model,
        (images[:2],),
        path,
        dynamo=True,
        dynamic_shapes=(_batches(),),
        input_names=["images"],
        output_names=["logits"],
        external_data=False,
        verbose=False,
    )


def _read_onnx(path: Path, model: nn.Module | None) -> Network:
    """Open a session of as many threads as torch has."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    return lambda images: torch.from_numpy(session.run(None, {entry.name: images.numpy()})[0])


def _batches() -> dict[int, Any]:
    """Return that the first dimension of the images may have any length."""
    return {0: torch.export.Dim("batch", min=1)}


FORMATS = {
    "state-dict": Format(".pt", (), _write_state, _read_state),
    "torch-export": Format(".pt2", (), _write_program, _read_program),
    "onnx": Format(".onnx", ("onnx", "onnxscript", "onnxruntime"), _write_onnx, _read_onnx),
}
