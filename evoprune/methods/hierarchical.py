"""The hierarchical two-phase method: layer thresholds first, then guided masks in a corridor.

Source: Khan and Asilian Bidgoli, 2026. Numbered details; what the paper leaves open is ours.

1. Phase 1 searches one threshold a layer with NSGA-II (`thresholds.py`).
   ours: the first population holds the plain baselines at several densities.
2. A light and a heavy anchor are taken from its front (`choose_anchors`). ours: the rule.
3. The corridor between them leaves the genes that phase 2 may change (`measure_margin`).
   ours: its width, measured by a trial drift.
4. The first masks are importance-weighted (`first_masks`), and, ours, drifted down the densities.
5. Phase 2 (`masks.py`) varies masks, importance-aware and adaptive (`Variation`).
   ours: guidance by drift, of filters by exchange; crossover of scores; operators chosen by
   survivors per pass.
6. Selection by NSGA-II or MOEA/D for error and density. ours: the error is soft; the size may be
   told in multiply-adds or parameters.
7. The front of both phases is handed over (`fronts`). ours: with what is worse by no more than
   noise, live networks only, thinned evenly.

No weight is ever changed. Operators, objective and importance may be one's own (`own.py`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from deap import base

from evoprune.errors import InputError
from evoprune.evaluation.guidance import Guidance
from evoprune.evaluation.sensitivity import Sensitivity
from evoprune.methods.anchors import CORE_MARGIN, choose_anchors, measure_margin
from evoprune.methods.descent import ladder
from evoprune.methods.fronts import (
    Outcome,
    Solution,
    alive,
    front_of,
    judged_anew,
    near_front,
    solutions,
    thinned,
)
from evoprune.methods.masks import RATE, saliency_of, search_masks
from evoprune.methods.own import Parts, check_own, importance_of, parts_of, register_own, try_own
from evoprune.methods.thresholds import search_thresholds
from evoprune.running.config import Config
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.seeding import Streams
from evoprune.space.decode import ThresholdDecoder, corridor_between
from evoprune.space.genes import Bits, Corridor, GeneSpace
from operators.drift import Saliency
from operators.individuals import individual_type

FRONT = 24  # solutions handed to the user at most
BELOW = 2.0  # the descent ends at this part of the heavy anchor's density
FEW_BELOW = 1.0  # of filters at the anchor itself: what is dead there no exchange makes useful
UNGUIDED_MARGIN = 0.25  # of the corridor, where no guidance says how far it moves


def hierarchical(
    problem: Problem,
    config: Config,
    run: Run,
    *,
    toolbox: base.Toolbox | None = None,
    parts: Parts | None = None,
    **own: Any,
) -> Outcome:
    """Run both phases and return the front of all that they found.

    Args:
        problem: network, images and splits.
        config: the settings.
        run: the driver, which keeps budget, log and checkpoints.
        toolbox: what is registered here takes its slot in phase 2: `individual(density=)`,
            `population(densities)`, `evaluate`, `map`, `clone`, `mate`, `mutate`, `select` and
            `select_parents`, called as DEAP's are, and the attribute `saliency` (see `mutDrift`).
        parts: what `parts_of` has made of the settings already.
        own: `mate`, `mutate`, `init` or `select`: functions that take the slots of phase 2 and get
            what they ask for by name (see `operators.supply`); `objective`, a function of a
            `Candidate` that is minimised beside the density in both phases; `importance`, a name
            or a function of `weights`, `space`, `model`, `batches` or `passes` as it asks for them,
            that scores the weights in phase 2. They go before those that the settings name.

    Raises:
        InputError: if an operator asks for what nobody offers, or phase 1 found no live network.
        OperatorError: if one of them fails.
    """
    parts = parts_of(config, own) if parts is None else parts
    check_own(parts.slots, problem.streams, guided=config.guided)
    weights = problem.space
    if parts.importance is not None:
        weights = weights.scored(importance_of(problem, parts.importance))
    try_own(parts.slots, weights.layout())
    decoder = ThresholdDecoder(weights)
    measure = parts.objective or config.measure
    size = problem.size(config.size)
    evaluator = problem.evaluator(
        images=config.search_images,
        measure=measure,
        objectives=(size,),
        early=config.early and not parts.objective and isinstance(size, str),
    )
    guidance = guidance_of(problem, toolbox) if config.guided else None
    thresholds = evaluator.within(weights, decode=decoder)
    nothing = weights.floored(np.zeros(weights.size, bool))  # before: what it repairs is counted
    run.restore()
    guess = 1 - 1 / len(problem.data.classes)
    images: int | None = len(evaluator.images)
    if parts.objective is not None:  # what guessing is worth is measured, how it scatters unknown
        images = None
        guess = run.once("guess", lambda: evaluator.judge(nothing)[0])
        run.reference = (guess, 1.0) if np.isfinite(guess) else None
    coarse = search_thresholds(problem, config, run, thresholds, decoder)
    all_kept = individual_type("mask", 2).from_numpy(np.ones(weights.size, bool))
    value, error = run.once("dense", lambda: [evaluator(all_kept)[0], evaluator.note(all_kept)[0]])
    if not np.isfinite(value):
        raise InputError(
            f"objective: expected a finite number for the dense network, got {value}; see what "
            "it makes of a network that nothing was taken from"
        )
    whole = Solution(all_kept.to_numpy(), value, error, 1.0, "dense")
    repaired = problem.passes["repaired"]
    light, heavy = (decoder(a) for a in choose_anchors(coarse, dense=value, guess=guess))
    problem.passes["repaired"] = repaired  # of candidates alone; going on decodes these anew
    if np.count_nonzero(light) <= np.count_nonzero(heavy):
        light = whole.mask  # phase 1 found a single live network
    corridor = corridor_of(light, heavy, decoder, guidance, run)
    space = weights.within(corridor)
    below = FEW_BELOW if isinstance(guidance, Sensitivity) else BELOW
    densities = ladder(space.density(light), space.density(heavy) / below, config.population)
    masks = evaluator.within(space)
    within = guidance.within(space) if guidance else None
    own_toolbox = toolbox_of(toolbox, parts.slots, space, problem.streams, saliency_of(within))
    rungs, fine = search_masks(problem, config, run, masks, within, densities, own_toolbox)
    first = alive(solutions(coarse, thresholds, "thresholds"), guess=guess)
    second = [*solutions(rungs, masks, "descent"), *solutions(fine, masks, "masks")]
    found = [*first, *alive(second, guess=guess), whole]
    near = thinned(near_front(found, images=images), FRONT)
    if problem.precision != "fp32":
        exact = problem.evaluator(
            images=config.search_images,
            measure=measure,
            objectives=(size,),
            precision="fp32",
        )
        near = near_front(judged_anew(near, exact), images=images)
        error = judged_anew([whole], exact)[0].error
    return Outcome(
        near,
        front_of(first),
        {"light": light, "heavy": heavy},
        corridor,
        error,
    )


def guidance_of(problem: Problem, toolbox: base.Toolbox | None) -> Guidance | Sensitivity:
    """Return the sensitivity of few genes, else guidance, and so where a saliency is one's own."""
    own = toolbox is not None and hasattr(toolbox, "saliency")
    return (None if own else problem.sensitivity()) or problem.guidance()


def corridor_of(
    light: Bits,
    heavy: Bits,
    decoder: ThresholdDecoder,
    guidance: Guidance | Sensitivity | None,
    run: Run,
) -> Corridor:
    """Return the corridor between two anchors, as wide as guidance needs it."""
    margin = UNGUIDED_MARGIN
    if guidance:
        margin = run.once(
            "margin", lambda: measure_margin(light, heavy, decoder, guidance, rate=RATE)
        )
    return corridor_between(
        light,
        heavy,
        ranks=decoder.ranks,
        margin=margin,
        core_margin=max(margin, CORE_MARGIN),
    )


def toolbox_of(
    toolbox: base.Toolbox | None,
    slots: dict[str, Any],
    space: GeneSpace,
    streams: Streams,
    saliency: Saliency | None,
) -> base.Toolbox:
    """Return a user's toolbox with their own operators by slot registered in it too."""
    own = base.Toolbox()
    vars(own).update(vars(toolbox or own))
    kind = individual_type("mask", 2)
    register_own(own, slots, space.layout(), streams, kind, saliency=saliency)
    return own
