"""What a user names on the command line is found, or the nearest is offered."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from deap import tools

from evoprune.errors import InputError
from evoprune.running import plugins
from evoprune.running.config import Config
from operators import cxLayers, mutFlip

SOURCE = '''
"""Operators of mine."""
from dataclasses import dataclass

STRENGTH = 3


@dataclass
class Kept:
    of: "list[int]"


def mutMine(individual, *, rate=0.1):
    return (individual,)
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "my_file.py"
    path.write_text(SOURCE)
    return path


def test_a_plain_name_is_an_operator_of_the_library() -> None:
    assert plugins.load("cxLayers", slot="mate") is cxLayers


def test_a_plain_name_may_be_one_of_deaps_operators() -> None:
    assert plugins.load("mutFlipBit", slot="mutate") is tools.mutFlipBit


def test_a_file_and_a_name_are_a_function_of_the_file(file: Path) -> None:
    assert plugins.load(f"{file}:mutMine", slot="mutate").__name__ == "mutMine"


def test_a_file_leaves_the_modules_of_the_same_name_alone(file: Path) -> None:
    plugins.load(f"{file}:mutMine")
    assert "my_file" not in sys.modules


def test_a_file_is_run_anew_each_time(file: Path) -> None:
    first = plugins.load(f"{file}:mutMine")
    file.write_text(SOURCE.replace("0.1", "0.2"))
    again = plugins.load(f"{file}:mutMine")
    assert (first.__kwdefaults__, again.__kwdefaults__) == ({"rate": 0.1}, {"rate": 0.2})


@pytest.mark.parametrize(
    ("reference", "slot", "message"),
    [
        ("cxLayer", "mate", "unknown mate 'cxLayer': did you mean 'cxLayers'"),
        ("mutFlip", "mate", "mate: mutFlip is for mutate; those that fit are .*cxLayers"),
        ("initUniform", "init", "init: initUniform is for reals, but the genome holds bits"),
        ("FILE:mutMin", "mutate", "unknown function in .*my_file.py 'mutMin': .* 'mutMine'"),
        ("FILE:STRENGTH", "mutate", "unknown function in .* 'STRENGTH'"),
        ("FILE", "mutate", "expected FILE.py:NAME, got .*my_file.py; write"),
        ("absent.py:mutMine", "mutate", "expected a Python file, got absent.py"),
    ],
)
def test_what_cannot_be_found_is_one_line(
    reference: str, slot: str, message: str, file: Path
) -> None:
    with pytest.raises(InputError, match=message):
        plugins.load(reference.replace("FILE", str(file)), slot=slot)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\nimport not_there\n", "my_file.py:2: ModuleNotFoundError: No module named"),
        ("x = 1\n\ndef mutMine(:\n", "my_file.py:3: SyntaxError"),
        ("def f():\n    1 / 0\n\nf()\n", "my_file.py:2: ZeroDivisionError"),
        ("raise ValueError('one\\ntwo')\n", "my_file.py:1: ValueError: one$"),
        ("import sys\nsys.exit(3)\n", "my_file.py:2: SystemExit: 3"),
        ("x = 1\0\n", "my_file.py: SyntaxError: source code string cannot contain null bytes"),
    ],
)
def test_a_file_that_fails_shows_its_own_error_and_the_line(
    source: str, message: str, file: Path
) -> None:
    file.write_text(source)
    with pytest.raises(InputError, match=message):
        plugins.load(f"{file}:mutMine")


def test_functions_of_one_file_share_what_it_holds(file: Path) -> None:
    file.write_text("held = []\ndef cxMine(a, b): return held\ndef mutMine(a): return held\n")
    parts = plugins.chosen(Config(mate=f"{file}:cxMine", mutate=f"{file}:mutMine"))
    assert parts["mate"](1, 2) is parts["mutate"](1)


def test_the_line_is_shown_for_a_relative_path_too(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("x = 1\nimport not_there\n")
    monkeypatch.chdir(file.parent)
    with pytest.raises(InputError, match=r"my_file.py:2: ModuleNotFoundError"):
        plugins.load("my_file.py:mutMine")


def test_settings_are_numbers_words_and_nothing() -> None:
    read = plugins.settings(["a=1", "b=0.5", "c=true", "d=none", "e=soft", "f=1e-3"])
    assert read == {"a": 1, "b": 0.5, "c": True, "d": None, "e": "soft", "f": 1e-3}
    assert isinstance(read["a"], int)


@pytest.mark.parametrize("pair", ["rate", "=1", "a b=1"])
def test_a_setting_without_name_or_value_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match=r"expected NAME=VALUE such as rate=0\.01"):
        plugins.settings([pair])


def test_a_reference_to_a_file_is_made_absolute_and_a_name_is_left_alone(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(file.parent)
    assert plugins.absolute("my_file.py:mutMine") == f"{file}:mutMine"
    assert plugins.absolute("mutFlip") == "mutFlip"


def test_the_settings_of_a_run_bring_the_parts_that_they_name(file: Path) -> None:
    config = Config(
        mutate="mutFlip",
        mutate_args={"rate": 0.25},
        measure=f"{file}:mutMine",
        importance="taylor",
    )
    parts = plugins.chosen(config)
    assert sorted(parts) == ["importance", "mutate", "objective"]
    assert parts["mutate"].func is mutFlip
    assert parts["mutate"].keywords == {"rate": 0.25}
    assert parts["importance"] == "taylor"


def test_a_run_without_parts_of_ones_own_names_none() -> None:
    assert plugins.chosen(Config()) == {}


def test_the_settings_tell_whether_a_file_has_changed(file: Path) -> None:
    config = Config(mutate=f"{file}:mutMine", mate="cxLayers")
    before = config.files()
    file.write_text(SOURCE + "\n")
    assert list(before) == [str(file)]
    assert config.files() != before
