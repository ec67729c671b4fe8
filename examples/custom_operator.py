"""
A mutation of your own
======================

Put one mutation in the place of all those of phase 2, and of the choice among them; the rest of the
two-phase method stays. About a minute on two cores; set EVOPRUNE_FAST=1 for a glance.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from deap import base

from evoprune.methods.hierarchical import hierarchical
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams

fast = bool(os.environ.get("EVOPRUNE_FAST"))
config = Config(population=8 if fast else 24, generations=(2, 2) if fast else (8, 12))


# %%
# The operator: it changes the individual in place and returns it in a tuple. This one removes a
# few kept weights, evenly over the network, so it can only ever make a mask sparser.
def mutThin(individual, *, rate, rng):
    kept = np.flatnonzero(individual.to_numpy())
    individual[kept[rng.random(len(kept)) < rate]] = 0
    return (individual,)


# %%
# Two runs that differ in the slot ``mutate`` alone: same seed, same network, same phase 1, same
# descent, and so the same first population. The method's own mutations spend passes on guidance, so
# they are compared at equal passes.
def searched(mutate=None):
    streams = Streams(config.seed)
    problem = prepare(config, streams)
    run = Run(streams=streams, passes=problem.passes, bar=False)
    own = base.Toolbox()
    if mutate is not None:
        own.register("mutate", mutate, rate=0.02, rng=streams.mutate)
    hierarchical(problem, config, run, toolbox=own)
    return [row for row in run.logbook if row["phase"] == "masks"]


for label, log in (("as it is", searched()), ("mutThin", searched(mutThin))):
    plt.plot([r["passes"] for r in log], [r["hypervolume"] for r in log], "o-", label=label)
plt.xlabel("image passes spent")
plt.ylabel("hypervolume on search images, reference (1, 1)")
plt.title("Another mutation in phase 2")
plt.legend(title="mutation", frameon=False)
plt.savefig("custom_operator.png", dpi=120)
print("the picture is custom_operator.png")
