"""EMOFP: NSGA-II on kept filters and error finds which filters to keep; a few are fine-tuned.

Source: Wu, Shi, Zhou, Zheng and Li, 2021, "Evolutionary multi-objective one-shot filter pruning for
designing lightweight convolutional neural network", Sensors 21, 5901, algorithm 2. Numbered
details; what the paper leaves open is ours.

1. A gene is a filter of a convolution; Linear layers keep theirs (section 3).
   differs: channels that hang together are one gene.
2. f1 = kept filters / all filters, f2 = error before any fine-tuning (eq. 6).
   differs: on the search split; the paper takes the test images. ours: multiply-adds, parameters
   or measured latency in the place of f1, if asked for.
3. lower <= f2 <= upper is a constraint (eq. 7): feasible ones come first (Deb et al., 2002).
4. The first population is random bits, 50 of them (table 2).
   ours, if asked for: half of it is cut by norms (`seeded`), all of it drifts (`guided`).
5. Parents are drawn at random, not by tournament. ours: in pairs of two different ones.
6. Two-point crossover with probability pc = .9 (eq. 8).
7. Mutation by bit flips with pm = .2 (eq. 9), which can be read in two ways: see `Emofp`.
8. No layer loses its last filter. ours: the filter of the largest norm is put back.
9. The best of parents and offspring survive, by fronts and room (NSGA-II), for 200 generations.
   ours: all feasible ones that were ever found are one front.
10. K networks are picked evenly along the sorted front and fine-tuned, with augmentation and a rate
    that falls when progress stops. ours: K, epochs, optimiser and rate; picks by counts (`keep`).
11. The control: the same structures from random weights, trained alike (table 9).
12. ours: a random search of as many image passes is drawn beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial, wraps
from typing import Any

import numpy as np
from deap import base

from evoprune.errors import InputError
from evoprune.evaluation.bounds import BoundedEvaluator
from evoprune.evaluation.guidance import Guidance
from evoprune.methods.baselines import baseline
from evoprune.methods.emofp_settings import SIZES, Emofp
from evoprune.methods.finetuned import FilterOutcome, fine_tune
from evoprune.methods.fronts import Solution
from evoprune.methods.own import Parts, check_own, importance_of, parts_of, register_own, try_own
from evoprune.methods.random_masks import KIND, mend, search_at_random
from evoprune.records import Generation
from evoprune.running.problem import Problem
from evoprune.running.run import Run
from evoprune.search.archive import Archive
from evoprune.search.nsga2 import evaluate, nsga2
from evoprune.search.toolbox import check
from evoprune.space.filters import FilterSpace
from evoprune.space.genes import GeneSpace
from operators.crossover import cxTwoPointPacked
from operators.drift import mutDrift
from operators.initialise import initDensity
from operators.mutation import mutFlip
from operators.selection import selNSGA2

HALF = 0.5  # of the bits of a random mask are 1
STEPS, RATE = 20, 0.02  # of the drift of the first masks


def emofp(
    problem: Problem, config: Emofp, run: Run, *, parts: Parts | None = None, **own: Any
) -> FilterOutcome:
    """Search, pick, fine-tune.

    Args:
        problem: network, images and splits; its space is one of filters.
        config: the settings.
        run: the driver, which keeps budget, log and checkpoints.
        parts: what `parts_of` has made of the settings already.
        own: `mate`, `mutate`, `init` or `select`, functions that take their slots, `objective` and
            `importance`; see `hierarchical`. They go before those that the settings name.

    Raises:
        InputError: if the network has no convolution, or no mask keeps to the bounds.
        OperatorError: if an operator of one's own fails.
    """
    parts = parts_of(config, own) if parts is None else parts
    check_own(parts.slots, problem.streams, guided=config.guided)
    space = check_space(problem.space, config)
    if parts.importance is not None:
        space = space.scored(importance_of(problem, parts.importance))
    try_own(parts.slots, space.layout())
    judging: dict[str, Any] = {
        "images": config.search_images,
        "measure": parts.objective or config.measure,
        "objectives": (problem.size(SIZES[config.size]),),
    }
    early = config.early and parts.objective is None and config.size != "latency"
    evaluator = problem.evaluator(**judging, early=early).within(space)
    judge = BoundedEvaluator(evaluator, config.bounds)
    guidance = problem.guidance().within(space) if config.guided else None
    run.keep("masks", evaluator.cache)
    run.restore()
    dense_error = run.once("dense", lambda: list(evaluator.note(KIND([1] * space.size))))[0]
    toolbox = emofp_toolbox(judge, problem, config, parts, guidance)
    if run.lineage:
        run.lineage.follow(toolbox, decode=evaluator.decode)
    archive = search(toolbox, problem, config, run)
    drawn = search_at_random(judge, problem, config, run) if config.random else Archive()
    if problem.precision != "fp32":
        exact = problem.evaluator(**judging, precision="fp32").within(space)
        judge = BoundedEvaluator(exact, config.bounds)
        archive, drawn = judged_anew(archive, judge), judged_anew(drawn, judge)
    if not len(archive):
        low, high = config.bounds
        raise InputError(
            f"bounds: expected a mask with an error from {low:g} to {high:g}, the search found "
            "none; widen them, or search for longer"
        )
    outcome = FilterOutcome(
        solutions(archive, judge, "masks"), solutions(drawn, judge, "random"), dense_error
    )
    fine_tune(outcome, problem, config, run)
    return outcome


def check_space(space: GeneSpace, config: Emofp) -> FilterSpace:
    """Return the space, if the method can search it.

    Raises:
        InputError: if it is none of filters, has no convolution although filters are asked for, or
            fewer filters are to be kept than it has layers.
    """
    if not isinstance(space, FilterSpace):
        raise InputError("space: expected one of filters; write FilterSpace(model, image_shape)")
    if config.genes == "filters" and all(layer.kind != "conv" for layer in space.layers):
        raise InputError(
            f"model: expected a network with convolutions, {type(space.model).__name__} has none; "
            "write --genes neurons to prune units of Linear layers"
        )
    least = len(space.layers)
    for count in config.keep:
        if not least <= count <= space.size:
            raise InputError(
                f"keep: expected {least} to {space.size} filters, one of each layer at least, "
                f"got {count}"
            )
    return space


def emofp_toolbox(
    judge: BoundedEvaluator,
    problem: Problem,
    config: Emofp,
    parts: Parts,
    guidance: Guidance | None,
) -> base.Toolbox:
    """Return the toolbox of the search; the numbers are those of the file's head."""
    toolbox, streams, space = base.Toolbox(), problem.streams, judge.evaluator.space
    toolbox.register("evaluate", judge)  # 2, 3
    toolbox.register("map", judge.evaluator.map)
    if judge.evaluator.early and "select" not in parts.slots:
        toolbox.register("trial", judge.trial)
    toolbox.register("individual", initDensity, KIND, space.genes, rng=streams.init)  # 4
    toolbox.register("select_parents", random_pairs, rng=streams.select)  # 5
    toolbox.register("mate", cxTwoPointPacked, rng=streams.mate)  # 6
    rate = config.pm if config.pm_per == "gene" else None  # None is 1 / n
    toolbox.register("mutate", mutFlip, rate=rate, rng=streams.mutate)  # 7
    toolbox.register("select", selNSGA2)  # 9
    register_own(toolbox, parts.slots, space.layout(), streams, KIND, saliency=guidance)
    toolbox.register("mend", mend, space=space)  # 8
    for slot in ("mate", "mutate"):
        toolbox.decorate(slot, partial(mending, toolbox.mend))
    toolbox.register("population", first_masks, toolbox, space, config, guidance)
    check(toolbox, KIND.zeros(space.genes))
    return toolbox


def random_pairs(population: list[Any], k: int, *, rng: np.random.Generator) -> list[Any]:
    """Draw parents, all with the same chance; the two of a pair are different individuals."""
    pairs = [rng.choice(len(population), 2, replace=False) for _ in range((k + 1) // 2)]
    return [population[place] for place in np.concatenate(pairs)[:k]]


def mending(mend: Callable[[Any], Any], operator: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operator whose children are mended; a decorator, as DEAP has them for bounds."""

    @wraps(operator)
    def vary(*parents: Any, **settings: Any) -> tuple[Any, ...]:
        return tuple(mend(child) for child in operator(*parents, **settings))

    return vary


def first_masks(
    toolbox: base.Toolbox, space: FilterSpace, config: Emofp, guidance: Guidance | None
) -> list[Any]:
    """Draw the first population; ours: every second mask by norms, and all of them drifted."""
    masks = [toolbox.individual(density=HALF) for _ in range(config.population)]
    if config.seeded:
        names, seeds = ("layer-uniform", "global-magnitude"), range(1, config.population, 2)
        for place, density in zip(seeds, np.linspace(1, 0, len(seeds) + 2)[1:-1], strict=True):
            cut = baseline(names[place // 2 % 2], space, float(density))
            masks[place] = KIND.from_numpy(space.genome(cut))
    masks = [toolbox.mend(mask) for mask in masks]
    if guidance is not None:
        score = space.free(space.importance)
        for mask in masks:
            mutDrift(mask, saliency=guidance, score=score, steps=STEPS, rate=RATE)
            del mask.score  # nobody goes on with it
            toolbox.mend(mask)
    return masks


def search(toolbox: base.Toolbox, problem: Problem, config: Emofp, run: Run) -> Archive:
    """Run NSGA-II and return the front of all that it found."""
    of_children = config.pm if config.pm_per == "individual" else 1.0

    def loop(population: list[Any], number: int, state: dict[str, Any]) -> Iterator[Generation]:
        return nsga2(
            toolbox,
            population,
            mating_probability=config.pc,
            mutation_probability=of_children,
            rng=problem.streams.select,
            number=number,
            state=state,
        )

    _, archive = run.phase(
        "masks",
        KIND,
        toolbox.population,
        loop,
        generations=config.generations,
        passes=config.passes,
    )
    return archive


def judged_anew(archive: Archive, judge: BoundedEvaluator) -> Archive:
    """Return the front of the same masks as another evaluator, such as one in fp32, sees them."""
    toolbox, again = base.Toolbox(), Archive()
    toolbox.register("evaluate", judge)
    again.update(evaluate(toolbox, [KIND.from_packed(m.packed.copy(), len(m)) for m in archive]))
    return again


def solutions(archive: Archive, judge: BoundedEvaluator, phase: str) -> list[Solution]:
    """Return the front of an archive, sparsest first."""
    evaluator, found = judge.evaluator, []
    for individual in archive:
        mask, value = evaluator.decode(individual), individual.fitness.values[0]
        (error,) = evaluator.note(individual)
        found.append(Solution(mask, value, error, evaluator.space.density(mask), phase))
    return sorted(found, key=lambda one: (one.density, one.value))
