"""The exact regret of every search and operator on the enumerated networks.

python tests/benchmarks/regret.py [--seeds 30] [floor] [loops] [mutations] [crossovers]

Prints the tables of docs/results.md, section "Exact regret"; all four by default. No torch: each
evaluation is a look-up. A genome that comes again is free, as it is with an evaluator's cache, so a
budget counts different genomes; all searches of a seed start from the same individuals, so that
tests are paired by seed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from deap import base
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from evoprune.enumerated import EnumeratedNetwork, Seen, load
from evoprune.search.moead import moead
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from operators import individual_type, initDensity, selNSGA2, weightsFor
from operators.catalogue import CATALOGUE, fitting
from operators.supply import offers, supply

Row = tuple[str, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
BUDGET = {"filters": 600, "groups": 300}  # different genomes, of 65,536 and of 16,384
POPULATION, NEIGHBOURS = 20, 5
PATIENCE = 10  # times the generations that would do if no genome ever came again
RANDOM, MATE, MUTATE = "random search", "cxUniformPacked", "mutFlip"
LOOPS: dict[str, Callable[..., Any]] = {
    "NSGA-II": nsga2,
    "MOEA/D": partial(moead, weights=weightsFor(2, POPULATION), neighbours=NEIGHBOURS),
}
IDLE = ("cxScores",)  # exchanges nothing where no individual has drifted
NONE: dict[str, Callable[..., Any]] = {
    "no crossover": lambda a, b: (a, b),
    "no mutation": lambda individual: (individual,),
}


def settings(name: str, genes: int) -> dict[str, float]:
    """Return settings for few genes, where the defaults are meant for thousands and more."""
    few: dict[str, dict[str, float]] = {
        "mutSwap": {"rate": 2 / genes},
        "mutImportance": {"rate": 2 / genes},
        "mutDrift": {"rate": 0.2, "steps": 4},
    }
    return few.get(name, {})


def drawn(network: EnumeratedNetwork, streams: Streams) -> Any:
    """Return a random individual at a random density: all sizes are equally likely to come up."""
    density, kind = streams.init.random(), individual_type("mask", 2)
    return initDensity(kind, network.genes, density=density, rng=streams.init)


def at_random(network: EnumeratedNetwork, seed: int, budget: int) -> Seen:
    """Draw individuals until as many different ones have come."""
    streams, seen = Streams(seed), Seen(network.evaluate)
    while len(seen) < budget:
        seen(drawn(network, streams))
    return seen


def bound(
    network: EnumeratedNetwork, name: str, rng: np.random.Generator, **more: Any
) -> Callable[..., Any]:
    """Return an operator of the catalogue with all that it asks for, or one that does nothing."""
    if name in NONE:
        return NONE[name]
    saliency = network.saliency if network.first_order is not None else None
    offered = offers(network.layout, rng=rng, saliency=saliency) | more
    given = 2 if CATALOGUE[name].slot == "mate" else 1
    return supply(CATALOGUE[name].operator, offered, settings(name, network.genes), given=given)


def searched(
    network: EnumeratedNetwork,
    loop: str,
    mate: str,
    mutate: str | Callable[..., Any],
    seed: int,
    enough: Callable[[Seen], bool],
    seen: Seen | None = None,
) -> Seen:
    """Run a search until enough has been seen.

    Args:
        network: to search.
        loop: a name of LOOPS.
        mate: name of a crossover.
        mutate: name of a mutation, or what makes one from the random streams.
        seed: of the run.
        enough: asked after each generation.
        seen: what evaluates; a new one if None.
    """
    streams, seen = Streams(seed), Seen(network.evaluate) if seen is None else seen
    toolbox = base.Toolbox()
    toolbox.register("evaluate", seen)
    toolbox.register("mate", bound(network, mate, streams.mate))
    named = isinstance(mutate, str)
    toolbox.register(
        "mutate", bound(network, mutate, streams.mutate) if named else mutate(streams.mutate)
    )
    toolbox.register("select", selNSGA2)
    population = [drawn(network, streams) for _ in range(POPULATION)]
    most = PATIENCE * BUDGET[network.name] // POPULATION
    for generation in LOOPS[loop](toolbox, population, rng=streams.select):
        if enough(seen) or generation.number == most:
            break
    return seen


def measured(
    network: EnumeratedNetwork, label: str, runs: Sequence[Seen], budget: int | None
) -> Row:
    """Return the row of runs that saw as many genomes as the budget, or fewer."""
    return summed(network, label, [run.points(budget) for run in runs])


def summed(network: EnumeratedNetwork, label: str, points: Sequence[NDArray[np.float64]]) -> Row:
    """Return a label with the regret, the share of the front found and the genomes of each run."""
    return (
        label,
        np.array([network.regret(p) for p in points]),
        np.array([network.found(p) for p in points]),
        np.array([float(len(p)) for p in points]),
    )


def holm(chances: Sequence[float]) -> list[float]:
    """Correct p-values of several tests of one question (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order, worst, corrected = np.argsort(chances), 0.0, [1.0] * len(chances)
    for place, i in enumerate(order.tolist()):
        worst = max(worst, min(1.0, (len(chances) - place) * chances[i]))
        corrected[i] = round(worst, 12)
    return corrected


def chances(rows: Sequence[Row], against: str) -> dict[str, str]:
    """Return the corrected p-value of each row against one of them, with which is lower."""
    regrets = {label: regret for label, regret, *_ in rows}
    others = [label for label in regrets if label != against]
    gaps = [regrets[label] - regrets[against] for label in others]
    raw = [float(stats.wilcoxon(gap).pvalue) if gap.any() else 1.0 for gap in gaps]
    signs = ["less" if np.median(gap) < 0 else "more" for gap in gaps]
    return {
        label: f"{sign}, {p:.2g}" if p < 0.05 else f"{p:.2f}"
        for label, sign, p in zip(others, signs, holm(raw), strict=True)
    }


def table(rows: Sequence[Row], against: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table, in the order of the medians."""
    heads = [f"against {name}" for name in against]
    yield (
        "| | regret, 10^-3: median (quartiles) | front found | genomes | "
        + " | ".join([*heads, ""]).strip()
    )
    yield "| --- |" + " --- |" * (3 + len(heads))
    tested = [chances(rows, name) for name in against]
    for label, regret, found, genomes in sorted(rows, key=lambda row: float(np.median(row[1]))):
        low, middle, high = 1000 * np.quantile(regret, [0.25, 0.5, 0.75])
        cells = [f"{middle:.1f} ({low:.1f} to {high:.1f})", f"{np.median(found):.0%}"]
        cells += [f"{np.mean(genomes):.0f}", *(test.get(label, "") for test in tested)]
        yield f"| {label} | {' | '.join(cells)} |"


def compared(
    network: EnumeratedNetwork, pairs: Mapping[str, tuple[str, str, str]], seeds: int, plain: str
) -> Iterator[str]:
    """Yield the table of random search and of searches given as loop, crossover, mutation."""
    budget = BUDGET[network.name]
    runs = [at_random(network, seed, budget) for seed in range(seeds)]
    rows = [measured(network, RANDOM, runs, budget)]
    for label, parts in tqdm(pairs.items(), desc=network.name):
        runs = [
            searched(network, *parts, seed, lambda seen: len(seen) >= budget)
            for seed in range(seeds)
        ]
        rows.append(measured(network, label, runs, budget))
    yield from table(rows, [RANDOM, plain])


def floor(seeds: int) -> Iterator[str]:
    """Say what the true front on the search images still misses on the test images."""
    yield "\n### The true front of the search images, on the test images\n"
    for name in BUDGET:
        network = load(name)
        masks = network.masks_on_front("search")
        points = [network.evaluate(mask, "test") for mask in masks]
        left = 1000 * network.regret(points, "test")
        yield f"- {name}: {len(network.front())} points of {len(masks)} masks, regret {left:.1f}"


def loops(seeds: int) -> Iterator[str]:
    """Compare the searches with the plain operators."""
    for name in BUDGET:
        yield f"\n### Searches on {name}\n"
        pairs = {loop: (loop, MATE, MUTATE) for loop in LOOPS}
        yield from compared(load(name), pairs, seeds, "NSGA-II")


def mutations(seeds: int) -> Iterator[str]:
    """Compare the mutations, with the plain crossover."""
    for name in BUDGET:
        network = load(name)
        fit = [m for m in fitting("mutate", "mask") if m != "mutDrift" or network.loss is not None]
        fit.append("no mutation")
        for loop in LOOPS:
            yield f"\n### Mutations on {name}, {loop}, {MATE}\n"
            pairs = {mutate: (loop, MATE, mutate) for mutate in fit}
            yield from compared(network, pairs, seeds, MUTATE)


def crossovers(seeds: int) -> Iterator[str]:
    """Compare the crossovers, with the plain mutation."""
    for name in BUDGET:
        for loop in LOOPS:
            yield f"\n### Crossovers on {name}, {loop}, {MUTATE}\n"
            fit = [mate for mate in fitting("mate", "mask") if mate not in IDLE]
            fit.append("no crossover")
            pairs = {mate: (loop, mate, MUTATE) for mate in fit}
            yield from compared(load(name), pairs, seeds, MATE)


PARTS = {"floor": floor, "loops": loops, "mutations": mutations, "crossovers": crossovers}


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART")
    parser.add_argument("--seeds", type=int, default=30)
    options = parser.parse_args()
    for part in options.parts or PARTS:
        for line in PARTS[part](options.seeds):
            print(line, flush=True)


if __name__ == "__main__":
    main()
