"""The first masks of phase 2: one drift, down through the densities.

A sparse mask cut straight from the magnitudes is dead, and no gradient wakes it. Coming down in
small steps keeps the network alive at every density, and each rung of the ladder is one individual
of the first population.

The drift that comes down is *hot*: its rate is high enough to follow the falling density, and so
high that noise keeps it from the best mask at any density. What becomes an individual is the mask
of its mean score on this rung and the next, where the noise cancels; the hot one goes on down.

Of few genes, filters, `descend_by_exchange` takes another way down: by a model of every pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from deap import base

from evoprune.evaluation.sensitivity import Sensitivity
from evoprune.records import Generation
from operators.drift import keepTop, mutDrift
from operators.exchange import Damage, mutExchange

SWAPS = 60  # exchanges on a rung at most; a few thousand rows do not tell apart more
DECAY = 0.85  # what the model of a rung keeps of the rungs before, whose masks were much alike


def ladder(light: float, heavy: float, rungs: int) -> list[float]:
    """Return densities from the light to the heavy anchor, evenly spaced in their logarithm.

    >>> [round(density, 3) for density in ladder(0.8, 0.1, 4)]
    [0.8, 0.4, 0.2, 0.1]
    """
    return np.geomspace(light, heavy, rungs).tolist()


def descend(
    toolbox: base.Toolbox,
    population: Sequence[Any],
    *,
    counts: Sequence[int],
    steps: int | Callable[[int], int],
    score: np.ndarray,
    rate: float,
    number: int = 0,
    state: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Generation]:
    """Drift a mask down a ladder; a generation is a rung, and all rungs so far the population.

    Args:
        toolbox: with `saliency`, `evaluate`, `map` and `clone`.
        population: the individual to start from; when going on, all rungs so far.
        counts: ones that each rung keeps, falling.
        steps: drift steps a rung, or a function of the rung's number (so a budget can be shared
            out while it is spent).
        score: first score of the genes, shape (genes,).
        rate: of the hot drift.
        number: the generation that `population` is; 0 if it is the start.
        state: of the generation gone on from; without one the start is judged and yielded first.

    Raises:
        ValueError: if a rung has no step.

    Yields:
        A generation a rung; the first is the start itself, unless the descent goes on.
    """
    rungs = list(population)
    if number == 0 and not state:
        (rungs[0].fitness.values,) = toolbox.map(toolbox.evaluate, rungs[:1])
        yield Generation(0, rungs[:], rungs[:], {"number": np.array(0)})
    state, last = dict(state or {}), len(counts) - 1
    hot, ahead = toolbox.clone(rungs[-1]), state.get("ahead")
    if "hot" in state:
        hot.score = np.array(state["hot"])
        keepTop(hot, hot.score, counts[min(number, last)])

    def walk(rung: int) -> np.ndarray:
        """Drift the hot mask down to a rung and return its mean score there."""
        every, mean = steps(rung) if callable(steps) else steps, np.zeros(len(score), np.float32)
        if every < 1:
            raise ValueError(f"steps: expected at least 1 a rung, got {every}")
        mutDrift(
            hot,
            saliency=toolbox.saliency,
            score=score,
            count=counts[rung],
            steps=every,
            rate=rate,
            mean=mean,
        )
        return mean

    for rung in range(number, last + 1):
        here = walk(rung) if ahead is None else ahead
        ahead = walk(rung + 1) if rung < last else None
        individual = toolbox.clone(rungs[-1])  # what it drifted down from
        individual.score = here.copy() if ahead is None else _between(here, ahead, counts[rung:])
        keepTop(individual, individual.score, counts[rung])
        (individual.fitness.values,) = toolbox.map(toolbox.evaluate, [individual])
        rungs.append(individual)
        passed_on = {} if ahead is None else {"hot": hot.score, "ahead": ahead}
        state_now = {"number": np.array(rung + 1), **passed_on}
        yield Generation(rung + 1, rungs[:], [individual], state_now)


def _between(here: np.ndarray, ahead: np.ndarray, counts: Sequence[int]) -> np.ndarray:
    """Return the mean of two rungs' scores, each measured from its threshold."""
    thresholds = [
        np.partition(s, len(s) - count)[len(s) - count]
        for s, count in zip((here, ahead), counts, strict=False)
    ]
    return (here + (ahead - thresholds[1] + thresholds[0])) / 2


def descend_by_exchange(
    toolbox: base.Toolbox,
    population: Sequence[Any],
    *,
    counts: Sequence[int],
    images: int | Callable[[int], int],
    sensitivity: Sensitivity,
    damage: Damage,
    number: int = 0,
    state: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Generation]:
    """Bring a mask of few genes down a ladder by `mutExchange`; a generation is a rung.

    Each rung is the mask that a model of the damage makes of the rung before. The model is carried
    down: it is the mean over the images of all rungs, those of older masks fading.

    Args:
        toolbox: with `evaluate`, `map` and `clone`.
        population: as in `descend`.
        counts: ones that each rung keeps, falling.
        images: that the sensitivity is asked on at each rung, or a function of the rung's number.
        sensitivity: over the genes of the masks.
        damage: the model, which learns; when going on, as it was left.
        number: as in `descend`.
        state: as in `descend`.

    Yields:
        A generation a rung; the first is the start itself, unless the descent goes on.
    """
    rungs = list(population)
    if number == 0 and not state:
        (rungs[0].fitness.values,) = toolbox.map(toolbox.evaluate, rungs[:1])
        yield Generation(0, rungs[:], rungs[:], {"number": np.array(0)})
    for rung in range(number, len(counts)):
        individual = toolbox.clone(rungs[-1])
        mutExchange(
            individual,
            sensitivity=sensitivity.showing(images(rung) if callable(images) else images),
            layers=sensitivity.space.gene_offsets,
            count=counts[rung],
            swaps=SWAPS,
            damage=damage,
            decay=DECAY,
        )
        (individual.fitness.values,) = toolbox.map(toolbox.evaluate, [individual])
        rungs.append(individual)
        yield Generation(rung + 1, rungs[:], [individual], {"number": np.array(rung + 1)})
