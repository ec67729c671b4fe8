"""Look at a toolbox before a run: is everything there, and does it fit the genome?"""

from __future__ import annotations

from typing import Any

from evoprune.errors import InputError
from operators.catalogue import CATALOGUE
from operators.genomes import BitString, RealVector
from operators.supply import name_of, plain

SLOTS = ("evaluate", "mate", "mutate", "select", "map", "clone")
BITS_ONLY = {"mutFlipBit"} | {name for name, entry in CATALOGUE.items() if entry.genome == "mask"}
REALS_ONLY = {  # DEAP's operators that would leave numbers which are no bits, and our own
    "cxBlend", "cxESBlend", "cxESTwoPoint", "cxSimulatedBinary", "cxSimulatedBinaryBounded",
    "mutESLogNormal", "mutGaussian", "mutPolynomialBounded",
} | {name for name, entry in CATALOGUE.items() if entry.genome == "thresholds"}  # fmt: skip
NEITHER = {"cxMessyOnePoint", "cxOrdered", "cxPartialyMatched", "cxUniformPartialyMatched"}


def check(toolbox: Any, individual: Any) -> None:
    """Raise an error that names what is missing in a toolbox or does not fit the individual.

    Nothing is called, so nothing is drawn, evaluated or changed. Operators that are not known by
    name are taken to fit.

    Args:
        toolbox: DEAP's, as it goes into `nsga2` or `moead`.
        individual: one of the population, with a `fitness`.

    Raises:
        InputError: naming the slot, the operator and what to register instead.

    >>> from deap import base, tools
    >>> from operators.individuals import individual_type
    >>> toolbox = base.Toolbox()
    >>> for slot in SLOTS[:4]: toolbox.register(slot, tools.mutGaussian, mu=0, sigma=1, indpb=.1)
    >>> check(toolbox, individual_type("mask", 2)([1, 0]))
    Traceback (most recent call last):
    ...
    evoprune.errors.InputError: mate: mutGaussian is for ...
    """
    missing = [slot for slot in SLOTS if not hasattr(toolbox, slot)]
    if missing:
        raise InputError(
            f"toolbox: expected the slots {', '.join(SLOTS)}, {missing[0]} is missing; "
            f'write toolbox.register("{missing[0]}", ...)'
        )
    if any(weight >= 0 for weight in individual.fitness.weights):
        raise InputError(
            f"fitness: expected all weights below 0 (everything is minimised), got "
            f"{individual.fitness.weights}; return 1 - x for an x to be maximised"
        )
    for slot in ("mate", "mutate"):
        check_fit(slot, getattr(toolbox, slot), individual)


def check_fit(slot: str, operator: Any, individual: Any) -> None:
    """Raise an InputError if an operator is known to be for another kind of genome.

    One's own is taken to fit, also under the name of one of DEAP's.

    Args:
        slot: "mate" or "mutate".
        operator: a function, or a partial of one.
        individual: one of the population.
    """
    name, module = name_of(operator), getattr(plain(operator), "__module__", None) or ""
    if module.split(".")[0] not in ("deap", "operators"):
        return
    if isinstance(individual, BitString) and name in REALS_ONLY | NEITHER:
        raise InputError(
            f"{slot}: {name} is for {'reals' if name in REALS_ONLY else 'permutations'}, but the "
            f"genome is a BitString; register {'cxUniformPacked' if slot == 'mate' else 'mutFlip'}"
        )
    if isinstance(individual, RealVector) and name in BITS_ONLY | NEITHER:
        instead = "cxSimulatedBinaryBounded" if slot == "mate" else "mutPolynomialBounded"
        raise InputError(
            f"{slot}: {name} is for {'bits' if name in BITS_ONLY else 'permutations'}, but the "
            f"genome is a RealVector; register deap.tools.{instead}"
        )
