"""What the documents show runs, and what they point at is there."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import operators
from evoprune.cli import parser

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("docs/api/*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`(evoprune [^`]+ --[^`]+)`")
INCLUDE = re.compile(r"^```\{literalinclude\} (\S+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
OPTION = re.compile(r"^:([\w-]+): *\"?(.*?)\"?$", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)\s]*)?\)")
FAST = {"EVOPRUNE_FAST": "1", "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python_blocks(text: str) -> Iterator[str]:
    """Yield each python block behind as many empty lines as stand above it in the page."""
    for block in BLOCK.finditer(text):
        yield "\n" * text[: block.start(1)].count("\n") + block[1]


def commands(text: str) -> list[str]:
    """Return the evoprune commands of the sh blocks, and those with an option in the text."""
    lines = "".join(SHELL.findall(text)).replace("\\\n", " ").splitlines()
    return [line for line in lines if line.startswith("evoprune ")] + INLINE.findall(text)


def included(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield path and lines of each piece of a file that a page shows, cut as Sphinx cuts it.

    Raises:
        ValueError: if a mark does not stand in the file.
    """
    for path, options in INCLUDE.findall(page.read_text(encoding="utf-8")):
        marks = dict(OPTION.findall(options))
        yield path, section((page.parent / path).read_text(encoding="utf-8").splitlines(), marks)


def section(lines: list[str], marks: dict[str, str]) -> list[str]:
    """Return the lines from `start-at` up to `end-before`, or through `end-at`."""
    lines = lines[place(lines, marks["start-at"]) :]
    if "end-before" in marks:
        return lines[: place(lines[1:], marks["end-before"]) + 1]
    return lines[: place(lines, marks["end-at"]) + 1]


def place(lines: list[str], mark: str) -> int:
    """Return the index of the first line that holds the mark."""
    for i, line in enumerate(lines):
        if mark in line:
            return i
    raise ValueError(f"no line holds {mark!r}")


SHOWING = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


@pytest.mark.usefixtures("short_searches")
@pytest.mark.parametrize("page", SHOWING, ids=page_name)
def test_the_python_of_a_page_runs_in_order(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in FAST.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in python_blocks(page.read_text(encoding="utf-8")):
        exec(compile(block, str(page), "exec"), namespace)


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_reference_has_a_row_for_every_name_that_operators_exports() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert [name for name in operators.__all__ if name not in rows] == []


INCLUDING = [page for page in PAGES if INCLUDE.search(page.read_text(encoding="utf-8"))]
COMMANDING = [page for page in PAGES if commands(page.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("page", INCLUDING, ids=page_name)
def test_what_a_page_shows_of_a_file_is_found_there(page: Path) -> None:
    pieces = list(included(page))
    assert [path for path, lines in pieces if not any(map(str.strip, lines))] == []


@pytest.mark.parametrize("name", ["nsga2", "moead"])
def test_a_line_by_line_page_leaves_nothing_of_its_loop_out(name: str) -> None:
    file = ROOT / "evoprune" / "search" / f"{name}.py"
    shown = {line for path, lines in included(ROOT / "docs" / f"{name}.md") for line in lines}
    text = file.read_text(encoding="utf-8")
    loop = re.search(rf"^def {name}\(.*?^(?=def |class )", text, re.DOTALL | re.MULTILINE)
    assert loop is not None
    code = re.sub(r' +""".*?"""\n', "", loop[0], flags=re.DOTALL)
    assert [line for line in code.splitlines() if line not in shown] == []


@pytest.mark.parametrize("page", COMMANDING, ids=page_name)
def test_the_commands_of_a_page_have_the_options_they_show(page: Path) -> None:
    for command in commands(page.read_text(encoding="utf-8")):
        parser().parse_args(shlex.split(command, comments=True)[1:])


def test_the_api_shows_every_module_once() -> None:
    pages = "".join(page.read_text(encoding="utf-8") for page in ROOT.glob("docs/api/*.md"))
    shown = re.findall(r"^\.\. automodule:: (\S+)", pages, re.MULTILINE)
    files = [*ROOT.glob("operators/**/*.py"), *ROOT.glob("evoprune/**/*.py")]
    modules = [page_name(file.with_suffix("")).replace("/", ".") for file in files]
    assert sorted(shown) == sorted(m for m in modules if not m.split(".")[-1].startswith("__"))


def test_the_readme_shows_code() -> None:
    assert ROOT / "README.md" in SHOWING


def test_the_readme_has_one_command_to_run_and_one_to_test() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, second = re.findall(r"^```sh\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)[:2]
    assert first.strip().endswith("evoprune run hierarchical")
    assert second.strip().endswith("-m pytest")


def test_blocks_keep_the_line_numbers_of_the_page() -> None:
    text = "# Title\n\n```python\nfirst = 1\n```\n\n```sh\nls\n```\n\n```python\nsecond\n```\n"
    assert list(python_blocks(text)) == ["\n" * 3 + "first = 1\n", "\n" * 11 + "second\n"]


def test_links_to_other_sites_and_within_a_page_are_left_alone() -> None:
    text = "[a](https://example.org) [b](#here) ![c](images/c.png) [d](design.md#genomes)"
    assert LINK.findall(text) == ["images/c.png", "design.md"]


def test_a_section_begins_and_ends_at_its_marks() -> None:
    lines = ["one", "two a", "three", "two b", "four"]
    assert section(lines, {"start-at": "two", "end-before": "two"}) == ["two a", "three"]
    assert section(lines, {"start-at": "three", "end-at": "two"}) == ["three", "two b"]


def test_a_mark_that_is_not_in_the_file_is_named() -> None:
    with pytest.raises(ValueError, match="no line holds 'five'"):
        section(["one", "two"], {"start-at": "one", "end-before": "five"})


def test_commands_with_an_option_are_found_in_the_text_too() -> None:
    text = "`evoprune --help`, `evoprune show RUN`, and `evoprune run\nhierarchical --seed 1`"
    assert [shlex.split(c) for c in commands(text)] == [
        ["evoprune", "run", "hierarchical", "--seed", "1"]
    ]


def test_a_command_over_several_lines_is_one() -> None:
    text = "```sh\nls\nevoprune run hierarchical \\\n    --seed 1\nevoprune show RUN\n```\n"
    found = [" ".join(command.split()) for command in commands(text)]
    assert found == ["evoprune run hierarchical --seed 1", "evoprune show RUN"]


@pytest.fixture(scope="module")
def conf() -> ModuleType:
    """Give docs/conf.py, which is no module of the package."""
    spec = importlib.util.spec_from_file_location("docs_conf", ROOT / "docs" / "conf.py")
    assert spec is not None and spec.loader is not None
    conf = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "environ", dict(os.environ))
        spec.loader.exec_module(conf)
    return conf


@pytest.mark.parametrize(
    ("plain", "rest"),
    [
        ("the `rate` of `mutFlip`", "the ``rate`` of ``mutFlip``"),
        ("|w| of x_i and cx*", r"\|w\| of x_i and cx\*"),
        ("a name_ is no link", r"a name\_ is no link"),
        ("`|a| * b_` is left", "``|a| * b_`` is left"),
        ("Source: ours. differs: nothing.", "**Source:** ours. *differs:* nothing."),
        ("evoprune show RUN    print it", "| evoprune show RUN    print it"),
        (">>> f(*a, b_)", ">>> f(*a, b_)"),
    ],
)
def test_a_plain_docstring_is_made_fit_for_sphinx(plain: str, rest: str, conf: ModuleType) -> None:
    assert list(conf.plain_to_rest([plain])) == [rest]


def test_what_a_doctest_prints_stays_as_it_is(conf: ModuleType) -> None:
    lines = [">>> f(1)", "(a_ * |b|)", "", "as a_ * |b|"]
    assert list(conf.plain_to_rest(lines)) == [*lines[:3], r"as a\_ \* \|b\|"]


@pytest.mark.parametrize(
    ("long", "short"),
    [
        ("(x: TypeAliasForwardRef('ArrayLike') | None)", "(x: ArrayLike | None)"),
        (
            "~numpy.ndarray[tuple[~typing.Any, ...], ~numpy.dtype[~numpy.bool]]",
            "NDArray[~numpy.bool]",
        ),
        (None, None),
    ],
)
def test_types_in_a_signature_are_named_as_in_the_source(
    long: str | None, short: str | None, conf: ModuleType
) -> None:
    assert conf.short_types(long) == short


def test_backticks_of_docstrings_close_on_their_line() -> None:
    """One that does not would be shown as it stands."""
    open_ones = [
        (page_name(file), line)
        for file in [*ROOT.glob("operators/**/*.py"), *ROOT.glob("evoprune/**/*.py")]
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        for line in (ast.get_docstring(node) or "").splitlines()
        if line.count("`") % 2
    ]
    assert open_ones == []
