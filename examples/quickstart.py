"""
Quickstart
==========

A trained network, a DEAP toolbox, a loop, and a front of smaller networks to choose from, drawn
beside plain magnitude pruning. About half a minute on two cores; set EVOPRUNE_FAST=1 for a glance.
"""

import os

import matplotlib.pyplot as plt
from deap import base, tools

from evoprune.methods.baselines import baseline
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.search.archive import Archive
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from operators import cxLayers, individual_type, initImportance, mutImportance, selNSGA2

GENERATIONS = 3 if os.environ.get("EVOPRUNE_FAST") else 60

# %%
# The task: a small network, trained here on the handwritten digits of the package. ``space`` says
# what a gene is: one weight. ``problem.evaluator()`` judges a mask on images kept for the search.
streams = Streams(0)
problem = prepare(Config(), streams)
space = problem.space

# %%
# The toolbox, with DEAP's usual slots. Whatever is registered here is used.
densities = iter([0.15 + 0.03 * i for i in range(24)])
toolbox = base.Toolbox()
toolbox.register("mask", initImportance, individual_type("mask", 2), space.magnitudes)
toolbox.register(
    "individual", lambda: toolbox.mask(density=next(densities), sharpness=50.0, rng=streams.init)
)
toolbox.register("population", tools.initRepeat, list, toolbox.individual)
toolbox.register("evaluate", problem.evaluator())
toolbox.register("mate", cxLayers, layers=space.offsets, rate=0.5, rng=streams.mate)
importance = {"score": space.magnitudes, "rate": 0.005, "change": -0.005, "temperature": 0.1}
toolbox.register("mutate", mutImportance, **importance, rng=streams.mutate)
toolbox.register("select", selNSGA2)

# %%
# The loop is yours: stop, log or draw at any generation.
for generation in nsga2(toolbox, toolbox.population(n=24), rng=streams.select):
    if generation.number == GENERATIONS:
        break

# %%
# The test images are opened once, here.
judge = problem.evaluator("test")
archive = Archive()
archive.update(generation.population)
front = sorted((i.fitness.values[1], judge(i)[0]) for i in archive)
shares = [0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]
plain = [judge.judge(baseline("global-magnitude", space, share))[0] for share in shares]
figure, axes = plt.subplots(figsize=(7, 4.8), layout="constrained")
axes.plot(shares, plain, "o-", color="grey", label="global magnitude")
axes.plot(*zip(*front, strict=True), "o-", label="front, after a plain search")
axes.set(xlabel="density (share of weights kept)", ylabel="error on the test images (share wrong)")
axes.set_title("Digits: error against size", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.savefig("quickstart.png", dpi=120)
print(f"{len(front)} networks; the picture is quickstart.png")
