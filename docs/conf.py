"""Settings of the documentation: MyST pages, the furo theme, a gallery made from examples/."""

from __future__ import annotations

import os

os.environ.setdefault("EVOPRUNE_FAST", "1")  # the gallery runs the examples in the fast setting

project = "evoprune"
author = "the evoprune authors"
project_copyright = "2026, the evoprune authors"

extensions = ["myst_parser", "sphinx_gallery.gen_gallery"]
exclude_patterns = ["_build", "gallery/*.ipynb", "gallery/*.py", "gallery/*.zip"]
myst_heading_anchors = 3

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
