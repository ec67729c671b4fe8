"""Every operator that can be put in another's place, by name: where it goes, and on what genome.

Each needs no settings: what it asks for is on offer (`supply.py`), all else has a default.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from operators.crossover import (
    cxHalfUniform,
    cxImportance,
    cxKPointPacked,
    cxLayers,
    cxOnePointPacked,
    cxTwoPointPacked,
    cxUniformPacked,
)
from operators.drift import cxScores, mutDrift
from operators.initialise import initAround, initDensity, initImportance, initUniform
from operators.microbial import cxMicrobial
from operators.mutation import mutFlip, mutImportance, mutLayerReset, mutRemove, mutSwap
from operators.rates import mutBalanced, mutHeavyTail, mutLogNormal
from operators.reals import cxSBX, mutPolynomial
from operators.selection import (
    selCrowdedTournament,
    selNSGA2,
    selRoulette,
    selTournament,
    selTruncation,
)
from operators.sparse import cxSparse, initSparse, initStripes, mutSparse


@dataclass(frozen=True)
class Entry:
    """Say where an operator goes.

    Attributes:
        operator: the function.
        slot: "init", "mate", "mutate" or "select".
        genome: "mask" (bits), "thresholds" (reals) or "any".
    """

    operator: Callable[..., Any]
    slot: str
    genome: str


_ALL: dict[tuple[str, str], tuple[Callable[..., Any], ...]] = {
    ("init", "mask"): (initDensity, initImportance, initSparse, initStripes),
    ("init", "thresholds"): (initUniform, initAround),
    ("mate", "mask"): (
        cxOnePointPacked,
        cxTwoPointPacked,
        cxKPointPacked,
        cxUniformPacked,
        cxHalfUniform,
        cxLayers,
        cxMicrobial,
        cxImportance,
        cxScores,
        cxSparse,
    ),
    ("mate", "thresholds"): (cxSBX,),
    ("mutate", "mask"): (
        mutFlip,
        mutSwap,
        mutLayerReset,
        mutRemove,
        mutHeavyTail,
        mutBalanced,
        mutLogNormal,
        mutImportance,
        mutDrift,
        mutSparse,
    ),
    ("mutate", "thresholds"): (mutPolynomial,),
    ("select", "any"): (selNSGA2, selCrowdedTournament, selTournament, selTruncation, selRoulette),
}
CATALOGUE: dict[str, Entry] = {
    operator.__name__: Entry(operator, slot, genome)
    for (slot, genome), operators in _ALL.items()
    for operator in operators
}


def fitting(slot: str, genome: str) -> list[str]:
    """Return the names of the operators that fit a slot and a genome, in the catalogue's order.

    Args:
        slot: "init", "mate", "mutate" or "select".
        genome: "mask" or "thresholds".

    Raises:
        ValueError: if there is no such slot or genome.

    >>> fitting("mate", "thresholds")
    ['cxSBX']
    >>> fitting("select", "mask")[0]
    'selNSGA2'
    """
    slots, genomes = (sorted(set(names)) for names in zip(*_ALL, strict=True))
    if slot not in slots or genome not in genomes:
        raise ValueError(
            f"fitting: expected a slot of {', '.join(slots)} and a genome of "
            f"{', '.join(genomes)}, got {slot!r} and {genome!r}"
        )
    return [
        name
        for name, entry in CATALOGUE.items()
        if entry.slot == slot and entry.genome in (genome, "any")
    ]
