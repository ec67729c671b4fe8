"""
NSGA-II against MOEA/D
======================

The same operators and budget, but two ideas of who survives: the best fronts, or the best along
each ray of a fan. No network; half a minute on two cores, EVOPRUNE_FAST=1 for a glance.
"""

import os
from itertools import islice

import matplotlib.pyplot as plt
import numpy as np
from deap import base, tools

from evoprune.search.indicators import hypervolume
from evoprune.search.moead import moead
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from operators import cxTwoPointPacked, individual_type, initDensity, initUniform, mutFlip, selNSGA2
from operators.decomposition import tchebycheff, weightsFor
from operators.problems import front, lotz, zdt2

RUNS, GENERATIONS = (1, 60) if os.environ.get("EVOPRUNE_FAST") else (9, 150)
WEIGHTS = weightsFor(2, 21)  # as many individuals
REALS, BITS = individual_type("thresholds", 2), individual_type("mask", 2)
FRONTS = {zdt2: front(zdt2, 1000), lotz: front(lotz, 20)}  # the best there can be
WORST = {zdt2: (1.1, 1.1), lotz: (21, 21)}  # corners from which hypervolume is measured


# %%
# Ten real numbers with DEAP's operators (``zdt2``), or twenty bits with ours (``lotz``).
def toolbox_for(problem, streams):
    toolbox = base.Toolbox()
    if problem is zdt2:
        toolbox.register("individual", initUniform, REALS, [0.0] * 10, [1.0] * 10, rng=streams.init)
        toolbox.register("mate", tools.cxSimulatedBinaryBounded, eta=10, low=0, up=1)
        toolbox.register("mutate", tools.mutPolynomialBounded, eta=10, low=0, up=1, indpb=0.1)
    else:
        toolbox.register("individual", initDensity, BITS, 20, density=0.5, rng=streams.init)
        toolbox.register("mate", cxTwoPointPacked, rng=streams.mate)
        toolbox.register("mutate", mutFlip, rate=1 / 20, rng=streams.mutate)
    toolbox.register("evaluate", problem)
    toolbox.register("select", selNSGA2)
    return toolbox


# %%
# Both loops yield generations, so that the same lines run either.
def searched(problem, loop, seed, **settings):
    toolbox = toolbox_for(problem, streams := Streams(seed))
    first = [toolbox.individual() for _ in WEIGHTS]
    generations = islice(loop(toolbox, first, rng=streams.select, **settings), GENERATIONS + 1)
    return [np.array([one.fitness.values for one in g.population]) for g in generations]


fan = {"weights": WEIGHTS, "neighbours": 6, "normalise": False}
LOOPS = (("NSGA-II", "C0", nsga2, {}), ("MOEA/D", "C1", moead, fan))
figure, axes = plt.subplots(2, 2, figsize=(9.5, 8), layout="constrained")
for column, (problem, best) in enumerate(FRONTS.items()):
    whole = hypervolume(best, WORST[problem])
    for above, (name, colour, loop, settings) in zip(axes[0], LOOPS, strict=True):
        runs = [searched(problem, loop, seed, **settings) for seed in range(RUNS)]
        share = np.array([[hypervolume(p, WORST[problem]) / whole for p in run] for run in runs])
        spent, median = len(WEIGHTS) * np.arange(1, GENERATIONS + 2), np.median(share, axis=0)
        axes[1, column].plot(spent, share.T, color=colour, lw=0.5, alpha=0.5)
        axes[1, column].plot(spent, median, color=colour, lw=2.5, label=f"{name}, median run")
        print(f"{problem.__name__}, {name}: {median[-1]:.3f} of the front's hypervolume")
        if problem is zdt2:
            above.plot(*best.T, color="grey", lw=1)
            above.scatter(*runs[0][50].T, fc="white", ec=colour, label="generation 50")
            above.scatter(*runs[0][-1].T, color=colour, label=f"generation {GENERATIONS}", zorder=3)
            above.set(title=f"{name}, zdt2, seed 0", xlabel="objective 1", ylabel="objective 2")
    axes[1, column].set(title=problem.__name__, xlabel="evaluations", ylabel="hypervolume (share)")
for nearest in (tchebycheff(FRONTS[zdt2], weight).argmin() for weight in WEIGHTS):
    axes[0, 1].plot(*np.array([(0, 0), FRONTS[zdt2][nearest]]).T, color="grey", lw=0.5)
axes[0, 0].legend(), axes[0, 1].legend(), axes[1, 1].legend(loc="lower right")
figure.suptitle("Both find the front; which is the quicker depends on the problem", fontsize=14)
plt.savefig("nsga2_against_moead.png", dpi=120)
