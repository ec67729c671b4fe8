"""A toolbox is told which of the library's operators do not fit its genome."""

from __future__ import annotations

import pytest
from deap import base, tools

from evoprune.errors import InputError
from evoprune.search.toolbox import check
from operators.catalogue import CATALOGUE
from operators.individuals import individual_type

MASK, THRESHOLDS = individual_type("mask", 2)([1, 0]), individual_type("thresholds", 2)([1, 0])
VARY = [name for name, entry in CATALOGUE.items() if entry.slot in ("mate", "mutate")]


def toolbox_with(name: str) -> base.Toolbox:
    entry, toolbox = CATALOGUE[name], base.Toolbox()
    for slot in ("evaluate", "mate", "mutate", "select"):
        toolbox.register(slot, tools.selBest)  # is taken to fit anything
    toolbox.register(entry.slot, entry.operator)
    return toolbox


@pytest.mark.parametrize("name", VARY)
def test_an_operator_of_the_catalogue_fits_its_own_genome_alone(name: str) -> None:
    for_bits = CATALOGUE[name].genome == "mask"
    fits, fits_not = (MASK, THRESHOLDS) if for_bits else (THRESHOLDS, MASK)
    check(toolbox_with(name), fits)
    with pytest.raises(InputError, match=f"{name} is for {'bits' if for_bits else 'reals'}, but"):
        check(toolbox_with(name), fits_not)
