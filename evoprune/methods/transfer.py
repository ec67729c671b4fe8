"""MO-EvoPruneDeepTL: NSGA-II finds which features a transferred head needs, for three objectives.

Source: Poyatos, Molina, Martinez-Seras, Del Ser and Herrera, 2023, "Multiobjective evolutionary
pruning of deep neural networks with transfer learning for improving their performance and
robustness", and the settings of its code. Numbered details; what they leave open is ours.

1. A backbone is frozen; its features go into a head: `units` hidden ones without bias, ReLU, and
   the classes (`network/heads.py`).
2. A gene keeps a feature with all weights that read it; so hidden units, or single weights.
3. Minimised: the error, the share of active genes, and 1 - AUROC of own images against foreign
   ones. differs: the error is measured on the search split, the authors take the test images; the
   foreign images of the search are not those of the final figures. ours: the soft error in the
   place of the error, if asked for (`measure`).
4. Each head is trained from the same first weights, until its training loss falls no more.
   ours: quicker (`SCHEDULES`); or from the weights of the dense head (`inherit`).
5. A genome seen before keeps all its objectives. differs: the authors' cache forgets the AUROC.
6. The first population: each individual has a density of its own, drawn from 0 to 1.
7. Two parents by binary tournament, uniform crossover, bit flips at 1 / n; both children join the
   population, whose best go on: NSGA-II, steady state. ours, if asked for: as many children as
   parents a generation (`generational`).
8. It ends after 200 evaluations.
9. ours, if asked for (`guided`): about half of the first masks keep mostly what matters in the
   dense head, and every second mutation exchanges what matters less for what matters more; for the
   loss, by its weights, or for telling foreign images, in a mixture drawn each time.
10. ours: random masks, and masks of the features of the largest l1 norm, as many trained of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from deap import base
from tqdm import tqdm

from evoprune.errors import InputError
from evoprune.evaluation.heads import HeadEvaluator, Values
from evoprune.methods.own import Parts, check_own, parts_of, register_own, try_own
from evoprune.network.heads import Head
from evoprune.network.saliency import Scores, l1
from evoprune.records import Generation
from evoprune.running.growing import grow
from evoprune.running.run import Run
from evoprune.running.transfer_settings import Transfer
from evoprune.running.transferring import TransferProblem
from evoprune.search.archive import Archive
from evoprune.search.nsga2 import evaluate, nsga2
from evoprune.search.toolbox import check
from evoprune.space.heads import Bits
from operators.crossover import cxUniformPacked
from operators.individuals import individual_type
from operators.initialise import initDensity, initImportance
from operators.mutation import mutFlip, mutImportance
from operators.selection import selNSGA2

KIND = individual_type("mask", 3)
SHARPNESS = 60.0  # of the first masks by opinion: half of them come by chance anyway
CHANGE, EXCHANGED = 0.1, 0.05  # of a guided mutation: of the density at most, and of the genes


@dataclass(frozen=True)
class Found:
    """A trained head.

    Attributes:
        mask: over all genes.
        values: error or soft error, density, misranked share, on the search split.
        head: narrow, trained.
    """

    mask: Bits
    values: Values
    head: Head


@dataclass(frozen=True)
class Outcome:
    """What a transfer found.

    Attributes:
        front: sparsest first.
        dense: the head that keeps all.
        controls: fronts of random masks and of l1-ranked ones, by name.
    """

    front: list[Found]
    dense: Found
    controls: dict[str, list[Found]]


def transfer(
    problem: TransferProblem,
    config: Transfer,
    run: Run,
    *,
    parts: Parts | None = None,
    **own: Any,
) -> Outcome:
    """Search the heads of a backbone.

    Args:
        problem: backbone, features and splits.
        config: the settings.
        run: the driver, which keeps budget, log and checkpoints.
        parts: what `parts_of` has made of the settings already.
        own: `mate`, `mutate`, `init` or `select`: functions that take their slots and get what
            they ask for by name (see `operators.supply`). They go before those of the settings.

    Raises:
        InputError: if an operator asks for what nobody offers, or a part is given that has no slot.
        OperatorError: if one of them fails.
    """
    parts = parts_of(config, own) if parts is None else parts
    for name in ("objective", "importance"):
        if getattr(parts, name) is not None:
            raise InputError(f"{name}: a transfer has its own; give mate, mutate, init or select")
    check_own(parts.slots, problem.streams, guided=False)
    grow(problem, None if run.directory is None else run.directory.path)
    try_own(parts.slots, problem.space.layout())
    evaluator = problem.evaluator()
    run.keep("heads", evaluator.cache)
    run.restore()
    toolbox = transfer_toolbox(evaluator, problem, config, parts)
    if run.lineage:
        run.lineage.follow(toolbox, decode=evaluator.decode)
    archive = search(toolbox, problem, config, run)
    controls, count = {}, run.passes["evaluations"] - run.passes["cached"]
    if config.controls:
        controls = {"random": random_masks(problem, count), "l1": ranked_masks(problem, count)}
    fronts = {
        name: found_in(trained(name, masks, evaluator, run), evaluator)
        for name, masks in controls.items()
    }
    whole = KIND.from_numpy(np.ones(problem.space.size, bool))
    dense = trained("dense", [whole], evaluator, run)
    return Outcome(found_in(archive, evaluator), found_in(dense, evaluator)[0], fronts)


def transfer_toolbox(
    evaluator: HeadEvaluator, problem: TransferProblem, config: Transfer, parts: Parts
) -> base.Toolbox:
    """Return the toolbox of the search; the numbers are those of the file's head."""
    toolbox, streams, space = base.Toolbox(), problem.streams, problem.space
    toolbox.register("evaluate", evaluator)  # 3, 4, 5
    toolbox.register("map", evaluator.map)
    toolbox.register("individual", initDensity, KIND, space.size, rng=streams.init)  # 6
    toolbox.register("mate", cxUniformPacked, rng=streams.mate)  # 7
    toolbox.register("mutate", mutFlip, rng=streams.mutate)  # 7
    toolbox.register("select", selNSGA2)  # 7
    if config.guided:  # 9
        score = problem.opinions
        toolbox.register("individual", by_chance_or_opinion, KIND, score=score, rng=streams.init)
        toolbox.register("mutate", flip_or_exchange, score=score, rng=streams.mutate)
    register_own(toolbox, parts.slots, space.layout(), streams, KIND)
    toolbox.register("population", first_masks, toolbox, config, streams.init)
    check(toolbox, KIND.zeros(space.size))
    return toolbox


def by_chance_or_opinion(
    container: Any, *, density: float, score: Scores, rng: np.random.Generator
) -> Any:
    """Draw a mask at a density, every second time by what the dense head says of the genes.

    Args:
        container: type of the individual.
        density: expected share of genes that are kept, 0 to 1.
        score: opinions of the genes, shape (opinions, genes); see `weighed`.
        rng: the only source of random numbers.

    Source: ours.
    """
    if rng.random() < 0.5:
        return initDensity(container, score.shape[1], density=density, rng=rng)
    one = weighed(score, rng)
    return initImportance(container, one, density=density, sharpness=SHARPNESS, rng=rng)


def weighed(score: Scores, rng: np.random.Generator) -> Scores:
    """Return one score of the genes, opinions weighed at random: each mask leans elsewhere.

    Args:
        score: shape (opinions, genes), each in the same unit, higher = rather kept.
        rng: draws the weights, which sum to 1.
    """
    return rng.dirichlet(np.ones(len(score))) @ score


def flip_or_exchange(individual: Any, *, score: Scores, rng: np.random.Generator) -> tuple[Any]:
    """Flip bits at 1 / n, or, every second time, exchange genes by their importance, in place.

    Args:
        individual: a BitString.
        score: opinions of the genes, shape (opinions, genes); see `weighed`.
        rng: the only source of random numbers.

    Returns:
        The individual, changed.

    Source: ours.
    """
    if rng.random() < 0.5:
        return mutFlip(individual, rng=rng)
    change = rng.uniform(-CHANGE, CHANGE)
    one = weighed(score, rng)
    return mutImportance(individual, score=one, rate=EXCHANGED, change=change, rng=rng)


def first_masks(toolbox: base.Toolbox, config: Transfer, rng: np.random.Generator) -> list[Any]:
    """Draw the first population, each mask at a density of its own."""
    densities = rng.random(config.population)
    return [toolbox.individual(density=float(density)) for density in densities]


def search(toolbox: base.Toolbox, problem: TransferProblem, config: Transfer, run: Run) -> Archive:
    """Run NSGA-II and return the front of all that it found."""

    def loop(population: list[Any], number: int, state: dict[str, Any]) -> Iterator[Generation]:
        return nsga2(
            toolbox,
            population,
            mating_probability=1.0,
            offspring=config.offspring,
            rng=problem.streams.select,
            number=number,
            state=state,
        )

    steps = ceil((config.evaluations - config.population) / config.offspring)
    _, archive = run.phase(
        "heads", KIND, toolbox.population, loop, generations=steps, passes=config.passes
    )
    return archive


def random_masks(problem: TransferProblem, count: int) -> list[Any]:
    """Draw as many masks as the search has trained, of densities from 0 to 1."""
    rng, size = problem.streams.workers, problem.space.size
    return [
        initDensity(KIND, size, density=float(density), rng=rng) for density in rng.random(count)
    ]


def ranked_masks(problem: TransferProblem, count: int) -> list[Any]:
    """Return masks of the genes of the largest l1 norm in the dense head, of as many sizes."""
    score, size = l1(problem.dense)[problem.space.encoding], problem.space.size
    order = np.argsort(-score, kind="stable")
    sizes = np.unique(np.linspace(1, size, min(count, size)).round().astype(int))
    masks = np.zeros((len(sizes), size), bool)
    for mask, kept in zip(masks, sizes, strict=True):
        mask[order[:kept]] = True
    return [KIND.from_numpy(mask) for mask in masks]


def trained(name: str, masks: Sequence[Any], evaluator: HeadEvaluator, run: Run) -> Archive:
    """Train heads of given masks, and return the front of them."""
    toolbox, front = base.Toolbox(), Archive()
    toolbox.register("evaluate", evaluator)
    for mask in tqdm(masks, desc=name, disable=not run.bar):
        front.update(evaluate(toolbox, [mask]))
    return front


def found_in(archive: Archive, evaluator: HeadEvaluator) -> list[Found]:
    """Return the heads of a front, sparsest first."""
    found = [
        Found(evaluator.decode(one), one.fitness.values, evaluator.head(one)) for one in archive
    ]
    return sorted(found, key=lambda one: (one.values[1], one.values[0]))
