"""
DEAP's own loop with our parts
==============================

``deap.algorithms.eaMuPlusLambda`` drives our masks, operators and evaluator, with DEAP's own
statistics, logbook and archive; no loop of ours takes part. Half a minute on two cores; set
EVOPRUNE_FAST=1 for a glance.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from deap import algorithms, base, tools

from evoprune.methods.baselines import baseline
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.search.indicators import hypervolume
from evoprune.seeding import Streams
from operators import cxLayers, individual_type, initImportance, mutImportance, selNSGA2

N, GENERATIONS = 24, 2 if os.environ.get("EVOPRUNE_FAST") else 80

# %%
# The toolbox is that of any run. Streams seed Python's ``random`` too, from which the loop draws.
streams = Streams(0)
problem = prepare(Config(), streams)
space = problem.space
toolbox = base.Toolbox()
toolbox.register("individual", initImportance, individual_type("mask", 2), space.magnitudes)
toolbox.register("evaluate", problem.evaluator(measure="soft_error"))
toolbox.register("mate", cxLayers, layers=space.offsets, rate=0.5, rng=streams.mate)
importance = {"score": space.magnitudes, "rate": 0.01, "change": -0.005, "temperature": 0.1}
toolbox.register("mutate", mutImportance, **importance, rng=streams.mutate)
toolbox.register("select", selNSGA2)

# %%
# Statistics are functions of a population's objectives; the archive keeps what no other beats.
statistics = tools.Statistics(lambda individual: individual.fitness.values)
statistics.register("hypervolume", hypervolume, reference=(1, 1))
front = tools.ParetoFront()
sharp = {"sharpness": 50.0, "rng": streams.init}
first = [toolbox.individual(density=share, **sharp) for share in np.linspace(0.1, 0.8, N)]
chances = {"cxpb": 0.3, "mutpb": 0.6, "verbose": False}
_, logbook = algorithms.eaMuPlusLambda(
    first, toolbox, N, 2 * N, ngen=GENERATIONS, stats=statistics, halloffame=front, **chances
)

# %%
# The test images are opened once, here. The front is drawn where it does better than guessing.
judge = problem.evaluator("test").judge
found = sorted(judge(mask.to_numpy())[::-1] for mask in front if mask.fitness.values[0] < 0.85)
densities = [density for density, _ in found]
plain = [judge(baseline("global-magnitude", space, density))[0] for density in densities]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.4), layout="constrained")
left.plot(densities, plain, color="grey", lw=1.5, label="global magnitude")
left.plot(*zip(*found, strict=True), "o", ms=4, label="DEAP's ParetoFront")
left.set(xlabel="density (share of weights kept)", ylabel="error on the test images (share wrong)")
left.set_title("The archive: better than the largest weights", loc="left")
left.legend(frameon=False)
right.plot(np.cumsum(logbook.select("nevals")), logbook.select("hypervolume"), lw=2)
right.set(xlabel="evaluations", ylabel="hypervolume on the search images, to (1, 1)")
right.set_title("The logbook: what the population covers", loc="left")
for axes in (left, right):
    axes.spines[["top", "right"]].set_visible(False)
plt.savefig("deap_mu_plus_lambda.png", dpi=120)
print(f"{len(front)} networks in the archive; the logbook's last row: {logbook[-1]}")
