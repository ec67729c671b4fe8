"""The gallery has a section an operator, with a picture and sentences that are true of it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from operators.catalogue import CATALOGUE
from operators.crossover import cxUniformPacked
from operators.initialise import initDensity
from operators.mutation import mutFlip, mutSwap
from operators.xray import xray

FILE = Path(__file__).parent.parent / "docs" / "operator_gallery.py"
SHOWN = ("initUniform", "cxLayers", "mutSwap", "selNSGA2")


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("operator_gallery", FILE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_has_a_section_and_a_picture_of_each_operator(
    gallery: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "CATALOGUE", {name: CATALOGUE[name] for name in SHOWN})
    monkeypatch.setattr(gallery, "RUNS", 20)
    page = gallery.write(tmp_path / "made").read_text(encoding="utf-8")
    headings = [line for line in page.splitlines() if line.startswith("##")]
    assert headings == [
        *("## Initialisers", "### initUniform", "## Crossovers", "### cxLayers"),
        *("## Mutations", "### mutSwap", "## Selections", "### selNSGA2"),
    ]
    assert all(f"({name}.png)" in page for name in SHOWN)
    assert {path.stem for path in (tmp_path / "made").glob("*.png")} == set(SHOWN)
    assert "evoprune xray mutSwap --arg rate=0.1 --runs 20" in page
    assert "Exchange whole layers, each with chance `rate`, in place." in page


def test_every_setting_is_of_an_operator_in_the_catalogue(gallery: ModuleType) -> None:
    assert set(gallery.SETTINGS) <= set(CATALOGUE)


@pytest.mark.parametrize(
    ("operator", "settings", "words"),
    [
        (
            mutFlip,
            {"rate": 1.0},
            "It changes 64 of 64 genes on average, and none in 0% of the runs.",
        ),
        (mutFlip, {"rate": 0.5}, "The density drifts to the middle."),
        (mutSwap, {"rate": 0.5}, "The density stays, on average."),
        (cxUniformPacked, {"rate": 1.0}, "Of the genes in which parents differ, 100% cross over."),
        (initDensity, {}, "The density is as asked."),
        (initDensity, {"density": 0.5}, "The density is off by up to 0.4"),
    ],
)
def test_what_is_told_is_what_was_seen(
    gallery: ModuleType, operator: Any, settings: dict[str, Any], words: str
) -> None:
    assert words in " ".join(gallery.told(xray(operator, runs=1000, **settings)))
