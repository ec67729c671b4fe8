"""The operator gallery: a section an operator of the catalogue, with its X-ray, made at build."""

from __future__ import annotations

import inspect
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evoprune.studies.xray import xray_figure
from evoprune.studies.xray_masks import drift_in_words
from operators.catalogue import CATALOGUE, Entry
from operators.xray import Choices, XRay, xray

RUNS = 1000 if os.environ.get("EVOPRUNE_FAST") else 5000
SLOTS = {
    "init": "Initialisers",
    "mate": "Crossovers",
    "mutate": "Mutations",
    "select": "Selections",
}
SETTINGS: dict[str, dict[str, Any]] = {  # where the default is too mild to see much on 64 genes
    "mutFlip": {"rate": 0.05},
    "mutSwap": {"rate": 0.1},
    "mutImportance": {"rate": 0.1},
    "mutDrift": {"rate": 0.02},
}


def write(folder: Path) -> Path:
    """Write the page `operators.md` and its pictures.

    Args:
        folder: made if it is not there.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    parts = []
    for slot, heading in SLOTS.items():
        names = [name for name, entry in CATALOGUE.items() if entry.slot == slot]
        parts += [f"## {heading}\n", *(_section(name, folder) for name in names)]
    page = folder / "operators.md"
    page.write_text("\n".join(parts), encoding="utf-8")
    return page


def _section(name: str, folder: Path) -> str:
    """Draw one operator, and return its section."""
    entry, settings = CATALOGUE[name], SETTINGS.get(name, {})
    genome: Any = "mask" if entry.genome == "any" else entry.genome
    seen = xray(entry.operator, genome=genome, runs=RUNS, **settings)
    xray_figure(seen).savefig(folder / f"{name}.png")
    given = [f"--arg {shlex.quote(f'{key}={value}')}" for key, value in settings.items()]
    line = " ".join(["evoprune xray", name, *given, f"--runs {RUNS}"])
    return "\n".join(
        (
            f"### {name}\n",
            f"{_first_line(entry)}\n",
            f"*Source:* {_source(entry)}\n",
            f"{' '.join(told(seen))}\n",
            f"![What {name} does, seen in {RUNS:,} runs]({name}.png)\n",
            f"```sh\n{line}\n```\n",
        )
    )


def _first_line(entry: Entry) -> str:
    return (inspect.getdoc(entry.operator) or "").partition("\n\n")[0].replace("\n", " ")


def _source(entry: Entry) -> str:
    """Return what a docstring says behind "Source:", up to the next paragraph; else it is ours."""
    _, found, rest = (inspect.getdoc(entry.operator) or "").partition("Source:")
    return " ".join(rest.split("\n\n")[0].split()) if found else "ours."


def told(seen: XRay | Choices) -> Iterator[str]:
    """Say in two or three sentences what a picture shows.

    Args:
        seen: what the picture is of.
    """
    if isinstance(seen, Choices):
        best, *_, worst = seen.by_rank()
        yield f"One of the best front is chosen {best:.2g} times a run, of the last {worst:.2g}."
        yield f"Of {seen.wanted} chosen, {seen.different().mean():.3g} are different ones."
    elif seen.slot == "init":
        yield from _told_of_newborn(seen)
    elif seen.slot == "mate":
        yield from _told_of_children(seen)
    else:
        yield from _told_of_mutants(seen)


def _told_of_newborn(seen: XRay) -> Iterator[str]:
    if seen.genome == "mask":
        off = float(np.abs(seen.drift().mean - np.unique(seen.density)).max())
        yield f"The density is {'as asked' if off < 0.02 else f'off by up to {off:.2f}'}."
        low, high = seen.by_score(seen.kept(), 4)[[0, -1]]
        yield f"Of the quarter that scores lowest it keeps {low:.0%}, of the highest {high:.0%}."
        yield f"Two of them differ in {seen.distance().mean():.3g} of {seen.space.genes} genes."
    else:
        low, high = np.quantile(seen.after, (0.05, 0.95))
        yield f"Nine tenths of the genes lie from {low:.2f} to {high:.2f}."


def _told_of_children(seen: XRay) -> Iterator[str]:
    near, apart = seen.linkage()[[1, seen.space.genes // 2]]
    yield (
        f"Of the genes in which parents differ, {seen.inherited().mean():.0%} cross over. Two "
        f"neighbours come from the same parent in {near:.0%} of the runs, two genes that lie far "
        f"apart in {apart:.0%}."
    )
    if seen.genome == "mask":
        yield f"{drift_in_words(seen.drift())}."


def _told_of_mutants(seen: XRay) -> Iterator[str]:
    touched = seen.touched().mean() * seen.space.genes
    yield (
        f"It changes {touched:.2g} of {seen.space.genes} genes on average, and none in "
        f"{seen.unchanged():.0%} of the runs."
    )
    if seen.genome == "mask":
        yield f"{drift_in_words(seen.drift())}."
        (bad, good), (low, high) = (
            seen.by_score(values, 4)[[0, -1]] for values in (seen.cleared(), seen.restored())
        )
        yield (
            f"The chance to be cleared is {bad:.1%} in the quarter that scores lowest and "
            f"{good:.1%} in the highest, the chance to be set {low:.1%} and {high:.1%}."
        )
