"""
A mutation of your own
======================

Put one mutation in the place of all those of phase 2, and of the choice among them; the rest of the
two-phase method stays. Half a minute on two cores; set EVOPRUNE_FAST=1 for a glance.
"""

import os

import matplotlib.pyplot as plt
import numpy as np

from evoprune.methods.hierarchical import hierarchical
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams

fast = bool(os.environ.get("EVOPRUNE_FAST"))
sizes = {"population": 4, "generations": (1, 2), "search_images": 100}
config = Config(**sizes) if fast else Config(population=24, generations=(8, 12))


# %%
# The operator: it changes the individual in place and returns it in a tuple. This one removes a
# few kept weights, evenly over the network, so it can only ever make a mask sparser. What it names
# in its signature it is given: ``rng`` here, and ``space``, ``layers``, ``score`` or ``saliency``
# just as well; all else is a setting, with a default.
def mutThin(individual, *, rate=0.02, rng):
    kept = np.flatnonzero(individual.to_numpy())
    individual[kept[rng.random(len(kept)) < rate]] = 0
    return (individual,)


# %%
# Two runs that differ in ``mutate`` alone: same network, same random streams, so the same phase 1,
# the same descent and the same first population. The method's own mutations spend passes on
# guidance, so they are compared at equal passes. (The fast setting is too short to tell which is
# better.)
streams = Streams(config.seed)
problem = prepare(config, streams)
start = streams.state()


def searched(**own):
    streams.restore(start)
    problem.passes.clear()
    run = Run(streams=streams, passes=problem.passes, bar=False)
    hierarchical(problem, config, run, **own)
    return [row for row in run.logbook if row["phase"] == "masks"]


figure, axes = plt.subplots(figsize=(7, 4.6), layout="constrained")
for label, log in (("the method's own", searched()), ("mutThin", searched(mutate=mutThin))):
    passes = [row["passes"] / 1000 for row in log]
    axes.plot(passes, [row["hypervolume"] for row in log], "o-", label=label)
    print(f"{label}: {log[-1]['hypervolume']:.4f} after {passes[-1]:.0f} thousand passes")
axes.set_xlabel("image passes spent (thousands)")
axes.set_ylabel("hypervolume on the search images, to (1, 1)")
axes.set_title("One slot changed: the same start, another course", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(title="mutation in phase 2", frameon=False)
plt.savefig("custom_operator.png", dpi=120)
