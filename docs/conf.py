"""Settings of the documentation: MyST pages, the furo theme, galleries, pages from docstrings.

The docstrings are plain text, to be read in a terminal: `plain_to_rest` makes them fit for Sphinx.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("EVOPRUNE_FAST", "1")  # the gallery runs the examples in the fast setting

project = "evoprune"
author = "the evoprune authors"
project_copyright = "2026, the evoprune authors"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "generated", "gallery/*.ipynb", "gallery/*.py", "gallery/*.zip"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
autodoc_type_aliases = {name: name for name in ("ArrayLike", "Floats", "Ints", "Scalarise")}
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # the attributes of a dataclass are told once
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = "evoprune"
html_show_sourcelink = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "gallery",
    "filename_pattern": r"\.py$",
    "abort_on_example_error": True,
    "download_all_examples": False,
    "write_computation_times": False,
}

QUOTED = re.compile(r"(`+)(.+?)\1")
SPECIAL = re.compile(r"[*|\\]|_\b")  # what would be emphasis, a substitution, a link
SOURCE, DIFFERS = re.compile(r"^(\s*)Source:(?= \S)"), re.compile(r"\bdiffers:")
COLUMNS = re.compile(r"\S {3,}\S")
ALIAS = re.compile(r"(?:\w+\.)*TypeAliasForwardRef\('(\w+)'\)")
ARRAY = re.compile(
    r"~?numpy\.ndarray\[tuple\[~?typing\.Any, \.\.\.\], ~?numpy\.dtype\[([^][]+(?:\[[^][]*\])?)\]\]"
)


def plain_to_rest(lines: list[str]) -> Iterator[str]:
    """Yield the lines of a plain docstring as reStructuredText; doctests stay as they are.

    `x` becomes a literal, a star or a bar stands for itself, "Source:" and "differs:" stand out,
    and a line in columns stays a line.
    """
    doctest = False
    for line in lines:
        doctest = line.lstrip().startswith(">>>") or (doctest and bool(line.strip()))
        yield line if doctest else ("| " if COLUMNS.search(line) else "") + _escaped(line)


def _escaped(line: str) -> str:
    """Return one line of text, escaped outside of what stands between backticks."""
    parts = QUOTED.split(line)  # text, ticks, quoted, text, ticks, quoted, ..., text
    for i in range(0, len(parts), 3):
        parts[i] = SPECIAL.sub(lambda found: "\\" + found[0], parts[i])
        parts[i] = DIFFERS.sub("*differs:*", SOURCE.sub(r"\1**Source:**", parts[i]))
    for i in range(1, len(parts), 3):
        parts[i], parts[i + 1] = "", f"``{parts[i + 1]}``"
    return "".join(parts)


def short_types(signature: str | None) -> str | None:
    """Return a signature with the names of types as the source writes them."""
    return signature and ARRAY.sub(r"NDArray[\1]", ALIAS.sub(r"\1", signature))


def _docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    lines[:] = list(plain_to_rest(lines))


def _signature(
    app: Any, what: str, name: str, obj: Any, options: Any, given: str | None, back: str | None
) -> tuple[str | None, str | None]:
    return short_types(given), short_types(back)


def _operators(app: Any) -> None:
    sys.path.insert(0, str(app.srcdir))
    from operator_gallery import write

    write(Path(app.srcdir) / "generated")


def setup(app: Any) -> None:
    """Draw the operator gallery, and rewrite docstrings before napoleon reads their sections."""
    app.connect("builder-inited", _operators)
    app.connect("autodoc-process-docstring", _docstring, priority=400)
    app.connect("autodoc-process-signature", _signature)
