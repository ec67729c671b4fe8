"""Imports run down the list of rooms only, torch starts at the network, files stay short."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = [  # a room may import itself and the rooms above it
    "operators",
    "evoprune",
    "evoprune.errors",
    "evoprune.seeding",
    "evoprune.passes",
    "evoprune.records",
    "evoprune.search",
    "evoprune.enumerated",
    "evoprune.network",
    "evoprune.space",
    "evoprune.evaluation",
    "evoprune.running",
    "evoprune.methods",
    "evoprune.studies",
    "evoprune.commands",
    "evoprune.cli",
    "evoprune.__main__",
]
TORCH = {"torch", "torchvision"}
TORCH_STARTS = ROOMS.index("evoprune.network")
LINES = 320

FILES = sorted(p for package in ("operators", "evoprune") for p in ROOT.glob(f"{package}/**/*.py"))


def module_name(path: Path) -> str:
    """'evoprune/search/nsga2.py' -> 'evoprune.search.nsga2'; an __init__ is its package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(name: str) -> int:
    """Place in ROOMS of the longest entry that the dotted name lies in."""
    inside = [room for room in ROOMS if f"{name}.".startswith(f"{room}.")]
    return ROOMS.index(max(inside, key=len))


def imported(module: str, source: str, *, is_package: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the line and dotted name of every import, also of those inside functions."""
    package = module.split(".") if is_package else module.split(".")[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def wrong_imports(module: str, source: str, *, is_package: bool = False) -> list[str]:
    """Say for each import that runs the wrong way where it is and what it wants."""
    room = room_of(module)
    wrong = []
    for line, name in imported(module, source, is_package=is_package):
        top = name.split(".")[0]
        upwards = top in ("operators", "evoprune") and room_of(name) > room
        early = top in TORCH and room < TORCH_STARTS
        if upwards or early:
            wrong.append(f"{module}:{line} imports {name}, which {ROOMS[room]} may not")
    return wrong


def test_there_are_files_to_read() -> None:
    assert len(FILES) > 10


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_no_import_runs_the_wrong_way(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    is_package = path.name == "__init__.py"
    assert wrong_imports(module_name(path), source, is_package=is_package) == []


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_every_file_has_a_room(path: Path) -> None:
    name = module_name(path)
    assert name == "evoprune" or ROOMS[room_of(name)] != "evoprune"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_every_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("evoprune.network.masks", "from evoprune.space.weights import WeightSpace"),
        ("evoprune.network.masks", "from evoprune import space"),
        ("evoprune.network.masks", "from ..running.run import run"),
        ("evoprune.network.masks", "from .. import running"),
        ("evoprune.network.masks", "import evoprune.cli"),
        ("evoprune.network.masks", "def late():\n    import evoprune.cli"),
        ("operators.mutation", "from evoprune.errors import InputError"),
        ("operators.mutation", "import torch"),
        ("evoprune.search.nsga2", "from torch import nn"),
        ("evoprune.search.nsga2", "import torchvision.models"),
    ],
)
def test_an_import_that_runs_the_wrong_way_is_caught(module: str, source: str) -> None:
    assert len(wrong_imports(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("evoprune.network.masks", "import torch"),
        ("evoprune.network.masks", "from evoprune.network import layers"),
        ("evoprune.network.masks", "from . import layers"),
        ("evoprune.space.weights", "from evoprune.network.layers import prunable"),
        ("evoprune.search.nsga2", "from operators.selection import selNSGA2"),
        ("evoprune.search.nsga2", "from evoprune import errors"),
        ("evoprune.search.nsga2", "import torchlike"),
    ],
)
def test_an_import_of_the_own_room_or_of_one_above_passes(module: str, source: str) -> None:
    assert wrong_imports(module, source) == []


def test_a_package_reaches_its_own_modules_by_one_dot() -> None:
    source = "from .weights import WeightSpace"
    assert list(imported("evoprune.space", source, is_package=True)) == [
        (1, "evoprune.space.weights.WeightSpace")
    ]
