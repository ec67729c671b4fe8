"""`evoprune check` and `evoprune xray`: what they print, write and refuse."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NoReturn

import pytest

from evoprune.commands import check, xray
from evoprune.errors import InputError

OWN = """
import numpy as np
from operators import mutFlip


def mutThin(individual, *, rate=0.1, rng):
    individual[np.flatnonzero(rng.random(len(individual)) < rate)] = 0
    return (individual,)


def cxNothing(a, b):
    return a


def _mutHidden(individual):
    raise RuntimeError


def beside(individual, *, rng):
    return mutThin(individual, rng=rng)


def mutBreaks(individual, *, rng):
    return (individual[len(individual)],)
"""


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InputError(message)


def run(line: str) -> int:
    parser = Parser()
    commands = parser.add_subparsers(required=True)
    check.add(commands)
    xray.add(commands)
    options = parser.parse_args(line.split())
    status: int = options.call(options)
    return status


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder with a file of operators, one right and two wrong."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN)
    return tmp_path / "own.py"


def test_every_operator_that_a_file_defines_is_checked(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check own.py") == 1
    printed = capsys.readouterr().out
    heads = [line for line in printed.splitlines() if ", to " in line]
    assert heads == [
        "mutThin, to mutate: nothing is wrong, 1 to mind",
        "cxNothing, to mate: 1 wrong, 1 to mind",
        "mutBreaks, to mutate: 1 wrong",
    ]
    assert "can only clear bits" in printed


def test_an_error_is_shown_with_its_line(own: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check own.py:mutBreaks") == 1
    assert f"{own}:24" in capsys.readouterr().out.replace("\n" + " " * 11, "")


def test_one_operator_can_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check own.py:mutThin") == 0
    assert "cxNothing" not in capsys.readouterr().out


def test_a_setting_goes_to_the_operators_that_take_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check own.py --arg rate=0") == 1
    assert "changed nothing in any try" in capsys.readouterr().out


def test_a_name_without_a_prefix_needs_its_slot(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check own.py:beside --slot mutate") == 0
    assert capsys.readouterr().out.startswith("beside, to mutate: nothing is wrong")


def test_an_operator_of_the_library_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check cxLayers") == 0
    assert run("check mutFlipBit --arg indpb=0.1") == 0
    assert run("check mutPolynomial") == 0  # on reals, which it is for
    assert "WRONG" not in capsys.readouterr().out


def test_an_xray_prints_numbers_and_writes_a_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("xray mutFlip --arg rate=0.5 --runs 100") == 0
    assert run("xray own.py:mutThin --runs 100 --out thin.png") == 0
    printed = capsys.readouterr().out
    assert "mutFlip(rate=0.5) on 64 genes, 100 runs" in printed
    assert "the picture is mutFlip.png" in printed and "the picture is thin.png" in printed
    pictures = sorted(tmp_path.glob("*.png"))
    assert [path.name for path in pictures] == ["mutFlip.png", "thin.png"]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in pictures)


def test_an_operator_of_reals_is_seen_on_reals(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("xray mutPolynomial --runs 20") == 0
    assert "mean change of a gene" in capsys.readouterr().out


WRONG = {
    "expected a Python file, got .*absent.py": "check absent.py",
    "unknown function in .*'mutThi': did you mean 'mutThin'": "check own.py:mutThi",
    "names begin with init, cx, mut, sel, empty.py has none": "check empty.py",
    r"broken.py:3: ZeroDivisionError: division by zero": "check broken.py",
    r"broken.py:3: ZeroDivisionError": "xray broken.py:mutAny",
    "arg: expected a setting of mutThin, cxNothing, mutBreaks": "check own.py --arg rats=1",
    "mutThin: unknown setting 'rats', did you mean 'rate'": "check own.py:mutThin --arg rats=1",
    "slot: expected a name with a prefix": "check own.py:beside",
    "multiple values for keyword argument 'genome'": "check own.py:mutThin --arg genome=1",
    "unknown operator 'cxLayer': did you mean 'cxLayers'": "xray cxLayer",
    "invalid choice: 'bits'": "check own.py --genome bits",
    r"own.py:24: IndexError": "xray own.py:mutBreaks",
    r"expected a tuple of 2 individuals, got Mask2.*check\(cxNothing\)": "xray own.py:cxNothing",
    "mutFlip: unknown setting 'rats'": "xray mutFlip --arg rats=1",
    "runs: expected 5 or more": "xray mutFlip --runs 1",
    "seed: expected 0 or more": "xray mutFlip --seed -1 --runs 5",
    "out: expected a folder, found none at nowhere": "xray mutFlip --runs 5 --out nowhere/a.png",
    "out: expected the name of a picture, got .; write": "xray mutFlip --runs 5 --out .",
    "out: expected the name of a picture, got a; write a.png": "xray mutFlip --runs 5 --out a",
    "rate: expected a share from 0 to 1, got 'abc'": "xray mutFlip --runs 5 --arg rate=abc",
    "out: cannot write to a.xyz": "xray mutFlip --runs 5 --out a.xyz",
}


@pytest.mark.parametrize("message", WRONG)
def test_bad_input_is_one_clear_line_and_writes_nothing(message: str, tmp_path: Path) -> None:
    (tmp_path / "empty.py").write_text("from operators import mutFlip\n")
    (tmp_path / "broken.py").write_text("def mutAny(individual): ...\n\n1 / 0\n")
    before = sorted(path.name for path in tmp_path.glob("*.*"))
    with pytest.raises(InputError, match=message) as refused:
        run(WRONG[message])
    assert "\n" not in str(refused.value)
    assert sorted(path.name for path in tmp_path.glob("*.*")) == before
