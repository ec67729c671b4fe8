"""Find what a user names on the command line: an operator of the library, or one in their own file.

A file is code and is run as such, by the path that was given and by no other way.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable
from hashlib import sha256
from inspect import getmembers, isfunction
from pathlib import Path
from types import ModuleType
from typing import Any

from deap import tools

from evoprune.errors import InputError, said, unknown
from operators.catalogue import CATALOGUE, fitting
from operators.supply import GIVEN, settle

PREFIXES = {"init": "init", "mate": "cx", "mutate": "mut", "select": "sel"}


def load(
    reference: str,
    *,
    slot: str | None = None,
    genome: str = "mask",
    modules: dict[Path, ModuleType] | None = None,
) -> Callable[..., Any]:
    """Return the function that a reference names.

    Args:
        reference: "cxLayers", of the library or of deap.tools, or "my_file.py:mutMine".
        slot: "init", "mate", "mutate" or "select"; a library's operator has to fit it. None takes
            any.
        genome: "mask" or "thresholds", which a library's operator has to fit.
        modules: files that were run already, by path, so that functions of one file share what it
            holds; a file that is run is added.

    Raises:
        InputError: if the file cannot be imported (its own error is shown, with the line), the name
            does not exist (the nearest is offered) or the operator does not fit.
    """
    path, function = split(reference)
    if path is not None:
        modules = {} if modules is None else modules
        if path not in modules:
            modules[path] = module_at(path)
        return _member(modules[path], function)
    prefix = PREFIXES[slot] if slot else tuple(PREFIXES.values())
    ours = {n: e.operator for n, e in CATALOGUE.items() if slot in (None, e.slot)}
    theirs = {n: f for n, f in getmembers(tools, isfunction) if n.startswith(prefix)}
    if reference in CATALOGUE and slot is not None:
        _check_fit(reference, slot, genome)
    found: dict[str, Callable[..., Any]] = {**theirs, **ours}
    if reference not in found:
        near = found if slot is None else [*fitting(slot, genome), *theirs]
        raise unknown(slot or "operator", reference, near)
    return found[reference]


def chosen(config: Any) -> dict[str, Any]:
    """Return what the settings of a run name in the place of a method's own parts, loaded.

    Args:
        config: with `mate`, `mate_args` and so on, and perhaps `measure` and `importance`.

    Raises:
        InputError: if one cannot be found, or has no such setting.
    """
    found: dict[str, Any] = {}
    modules: dict[Path, ModuleType] = {}  # each file is run once, whatever is taken from it
    for slot, given in GIVEN.items():
        reference, own = getattr(config, slot), getattr(config, f"{slot}_args") or {}
        if reference:
            operator = load(reference, slot=slot, modules=modules)
            try:
                found[slot] = settle(operator, own, given=given)
            except ValueError as wrong:
                raise InputError(f"{slot}: {wrong}") from None
    measure = getattr(config, "measure", "error")
    if split(measure)[0] is not None:
        found["objective"] = load(measure, modules=modules)
    asked = getattr(config, "importance", "magnitude")
    if asked != "magnitude":
        ours = split(asked)[0] is None
        found["importance"] = asked if ours else load(asked, modules=modules)
    return found


def split(reference: str) -> tuple[Path | None, str]:
    """Cut "my_file.py:mutMine" into path and name; a plain name has no path.

    >>> split("cxLayers")
    (None, 'cxLayers')
    """
    path, colon, name = reference.rpartition(":")
    if reference.endswith(".py"):
        raise InputError(
            f"operator: expected FILE.py:NAME, got {reference}; write for example "
            f"{reference}:mutMine"
        )
    return (Path(path), name) if colon and path.endswith(".py") else (None, reference)


def absolute(reference: str) -> str:
    """Return a reference that means the same from any folder."""
    path, name = split(reference)
    return reference if path is None else f"{path.expanduser().absolute()}:{name}"


def fingerprint(path: str) -> str:
    """Return what tells whether a file has changed; "missing" if it is not there."""
    file = Path(path)
    return sha256(file.read_bytes()).hexdigest()[:16] if file.is_file() else "missing"


def module_at(path: Path) -> ModuleType:
    """Run a file of the user's as a module and return it.

    Raises:
        InputError: if there is no such file, or it fails: its own error, and the line.
    """
    if not path.is_file():
        raise InputError(f"operator: expected a Python file, got {path}: there is none")
    name = f"{path.stem}_{sha256(bytes(path.absolute())).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickles look there
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as cause:  # a script may end itself
        del sys.modules[name]
        raise InputError(f"operator: {where(cause, path)}: {said(cause)}") from cause
    return module


def where(cause: BaseException, path: Path) -> str:
    """Return the place in a file that an exception came through last, as "file.py:12"."""
    if isinstance(cause, SyntaxError) and cause.filename:
        return f"{cause.filename}:{cause.lineno}"
    own = str(path.absolute())
    frames = [frame for frame in traceback.extract_tb(cause.__traceback__) if frame.filename == own]
    return f"{path}:{frames[-1].lineno}" if frames else str(path)


def settings(pairs: Iterable[str]) -> dict[str, Any]:
    """Read settings as "rate=0.01": whole numbers, numbers, true, false, none, else words.

    Raises:
        InputError: if there is no name or no equals sign.

    >>> settings(["rate=0.01", "points=3", "floor=none"])
    {'rate': 0.01, 'points': 3, 'floor': None}
    """
    read: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not (equals and name.isidentifier()):
            raise InputError(f"setting: expected NAME=VALUE such as rate=0.01, got {pair!r}")
        read[name] = _value(text)
    return read


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            pass
    return text


def _member(module: ModuleType, name: str) -> Callable[..., Any]:
    known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
    if not callable(getattr(module, name, None)):
        raise unknown(f"function in {module.__file__}", name, known)
    found: Callable[..., Any] = getattr(module, name)
    return found


def _check_fit(name: str, slot: str, genome: str) -> None:
    entry = CATALOGUE[name]
    those = ", ".join(fitting(slot, genome))
    if entry.slot != slot:
        raise InputError(f"{slot}: {name} is for {entry.slot}; those that fit are {those}")
    if genome not in (entry.genome, "any") and entry.genome != "any":
        what = {"mask": "bits", "thresholds": "reals"}
        raise InputError(
            f"{slot}: {name} is for {what[entry.genome]}, but the genome holds {what[genome]}; "
            f"those that fit are {those}"
        )
