"""
Exact regret
============

How far is a search from the best front there is? Of the small network ``filters`` all 65,536 masks
were evaluated once, so the answer is exact: the picture shows what random search, NSGA-II and
MOEA/D still miss after so many evaluations, and the fronts beside the true one. About ten seconds
on one core, without torch; set EVOPRUNE_FAST=1 for a glance.
"""

import os
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from deap import base

from evoprune.enumerated import Seen, load
from evoprune.search.moead import moead
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from operators import cxUniformPacked, individual_type, initDensity, mutFlip, selNSGA2, weightsFor

SEEDS, SIZE, BUDGET = (2, 20, 200) if os.environ.get("EVOPRUNE_FAST") else (10, 20, 600)
network = load("filters")


# %%
# ``Seen`` stands in for an evaluator: it counts each genome once, as an evaluator's cache does.
def drawn(streams):
    kind, density = individual_type("mask", 2), streams.init.random()
    return initDensity(kind, network.genes, density=density, rng=streams.init)


def random_search(seed):
    streams, seen = Streams(seed), Seen(network.evaluate)
    while len(seen) < BUDGET:
        seen(drawn(streams))
    return seen.points()


# Put another mutation or crossover in, and see what it changes.
def search(loop, seed):
    streams, seen, toolbox = Streams(seed), Seen(network.evaluate), base.Toolbox()
    toolbox.register("evaluate", seen)
    toolbox.register("mate", cxUniformPacked, rate=0.5, rng=streams.mate)
    toolbox.register("mutate", mutFlip, rate=1 / network.genes, rng=streams.mutate)
    toolbox.register("select", selNSGA2)
    population = [drawn(streams) for _ in range(SIZE)]
    for generation in loop(toolbox, population, rng=streams.select):
        if len(seen) >= BUDGET or generation.number == 10 * BUDGET // SIZE:
            return seen.points(BUDGET)


decomposition = partial(moead, weights=weightsFor(2, SIZE), neighbours=5)
searches = {"NSGA-II": partial(search, nsga2), "MOEA/D": partial(search, decomposition)}
searches = {"random search": random_search, **searches}

# %%
# The regret is the share of the true front's hypervolume that is still missing.
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
right.fill_between(*network.front().T, step="post", color="#e0d4b0", label="no mask gets here")
at = np.arange(SIZE, BUDGET + 1, SIZE)
for (label, run), colour in zip(searches.items(), ("#808080", "#0b5fa5", "#c8442b"), strict=True):
    runs = [run(seed) for seed in range(SEEDS)]
    regret = [[100 * network.regret(points[:k]) for k in at] for points in runs]
    low, middle, high = np.quantile(regret, [0.25, 0.5, 0.75], axis=0)
    left.plot(at, middle, color=colour, lw=2, label=f"{label}: {middle[-1]:.1f} % at the end")
    left.fill_between(at, low, high, color=colour, alpha=0.2, lw=0)
    best = np.array(sorted(runs[0].tolist()))
    best = best[best[:, 1] <= np.minimum.accumulate(best[:, 1])]
    right.step(*best.T, where="post", color=colour, lw=1.4, label=label)
left.set(xlabel="different masks evaluated, of 65,536", ylabel="regret (% of the true hypervolume)")
left.set(title=f"What a search still misses: median, quartiles of {SEEDS} seeds", ylim=(0, None))
right.set(xlabel="error on the search images", ylabel="multiply-adds (share of the dense ones)")
right.set(title=f"The fronts after {BUDGET} masks, seed 0", ylim=(0, None))
left.legend(frameon=False), right.legend(frameon=False)
plt.savefig("regret.png", dpi=120)
print("the picture is regret.png")
