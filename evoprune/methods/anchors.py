"""Between the phases: two anchors from the front of phase 1, and the corridor between them.

The paper names a heavy and a light anchor and leaves their choice and the corridor's width open;
both rules here are ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from evoprune.errors import InputError
from evoprune.evaluation.guidance import Guidance
from evoprune.evaluation.sensitivity import Sensitivity
from evoprune.space.decode import ThresholdDecoder, corridor_between
from evoprune.space.genes import Bits
from operators.drift import mutDrift
from operators.exchange import mutExchange
from operators.individuals import individual_type

MARGINS = (0.1, 0.25, 0.5, 0.75, 1.0)
TRIAL_STEPS = 20
TRIAL_IMAGES = 512
CORE_MARGIN = 0.8  # a drift stays alive where magnitude is dead, so the core is small
REACH = 0.99  # share of the genes that a trial drift moves which must be free


def choose_anchors(front: Iterable[Any], *, dense: float, guess: float) -> tuple[Any, Any]:
    """Return the light and the heavy anchor of a phase-1 front (ours).

    Light: the sparsest solution that is measured no worse than the dense network; if there is
    none, the best one. Heavy: the sparsest that still does better than guessing; below it
    magnitude says nothing about where to go. A network without weights is neither.

    Args:
        front: individuals with (error, size) as objectives; the error may be a soft one.
        dense: error of the dense network, measured alike, 0 to 1.
        guess: what guessing is measured as, such as an error of .9 among ten classes.

    Raises:
        InputError: if the front holds nothing but the network without weights.
    """
    kept = [individual for individual in front if individual.fitness.values[1] > 0]
    if not kept:
        raise InputError(
            "phase 1: no network that keeps a weight is any better than none; train it first, or "
            "take other search images"
        )
    ordered = sorted(kept, key=lambda individual: float(individual.fitness.values[1]))
    best = min(ordered, key=lambda individual: individual.fitness.values[0])
    light = next((i for i in ordered if i.fitness.values[0] <= dense), best)
    heavy = next((i for i in ordered if better_than(guess, i.fitness.values[0])), ordered[0])
    return light, heavy


def better_than(guess: float, value: float) -> bool:
    """Tell whether a network clearly beats guessing; nobody would choose another (ours)."""
    return value < (0.99 if guess > 0 else 1.01) * guess


def measure_margin(
    light: Bits,
    heavy: Bits,
    decoder: ThresholdDecoder,
    guidance: Guidance | Sensitivity,
    *,
    rate: float,
) -> float:
    """Return how far the walls must stand back so that guidance can move (ours).

    A trial drift at the light anchor, without any walls, shows which genes guidance wants to
    change. Of filters it is an exchange, from the light anchor down to as many as the heavy one
    keeps. The margin is the smallest of `MARGINS` that leaves the share `REACH` of them free.

    Args:
        light: mask of the light anchor, bool, shape (size,).
        heavy: mask of the heavy one.
        decoder: knows the ranking of the magnitudes.
        guidance: saliency, or sensitivity, over the whole space.
        rate: of the drift.
    """
    trial = individual_type("mask", 2).from_numpy(light)
    if isinstance(guidance, Sensitivity):
        count, layers = int(np.count_nonzero(heavy)), decoder.space.offsets
        mutExchange(trial, sensitivity=guidance.showing(TRIAL_IMAGES), layers=layers, count=count)
    else:
        score, count = decoder.space.importance, trial.count()
        mutDrift(trial, saliency=guidance, score=score, count=count, steps=TRIAL_STEPS, rate=rate)
    moved = trial.to_numpy() != light
    for margin in MARGINS[:-1]:
        corridor = corridor_between(
            light, heavy, ranks=decoder.ranks, margin=margin, core_margin=max(margin, CORE_MARGIN)
        )
        if not moved.any() or corridor.free[moved].mean() >= REACH:
            return margin
    return MARGINS[-1]
