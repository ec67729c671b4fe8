"""What the documents show runs, and what they point at is there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import operators

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
EXAMPLES = sorted(ROOT.glob("examples/*.py"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)\s#]+)(?:#[^)\s]*)?\)")
FAST = {"EVOPRUNE_FAST": "1", "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1"}


def page_name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python_blocks(text: str) -> Iterator[str]:
    """Yield each python block behind as many empty lines as stand above it in the page."""
    for block in BLOCK.finditer(text):
        yield "\n" * text[: block.start(1)].count("\n") + block[1]


SHOWING = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]


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


@pytest.mark.parametrize("example", EXAMPLES, ids=page_name)
def test_an_example_runs_in_the_fast_setting(example: Path, tmp_path: Path) -> None:
    environment = os.environ | FAST | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.glob("*.png")] == [f"{example.stem}.png"]


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_the_links_of_a_page_lead_to_files(page: Path) -> None:
    targets = LINK.findall(page.read_text(encoding="utf-8"))
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_the_reference_has_a_row_for_every_name_that_operators_exports() -> None:
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE))
    assert [name for name in operators.__all__ if name not in rows] == []


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
