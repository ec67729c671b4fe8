"""
Whole filters: a network that is really smaller
===============================================

A gene keeps a filter, not a weight. What falls is cut out, so a candidate is judged in the time
that is left of the network, and what you take home is an ordinary, smaller module. NSGA-II searches
for error against multiply-adds. Half a minute on two cores; set EVOPRUNE_FAST=1 for a glance.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from deap import base, tools

from evoprune.network.surgery import shrink
from evoprune.network.training import error, train
from evoprune.running.config import MaskSettings
from evoprune.running.problem import prepare
from evoprune.search.archive import Archive
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from operators.individuals import individual_type
from operators.initialise import initDensity
from operators.selection import selNSGA2

fast = bool(os.environ.get("EVOPRUNE_FAST"))
generations, children, epochs = (2, 6, 1) if fast else (40, 40, 5)

# %%
# A small network, trained here on the digits of the package. Its space finds which channels have to
# leave together: a filter, its BatchNorm, and the weights of the next layer that read it.
streams = Streams(0)
problem = prepare(MaskSettings(genes="filters"), streams)
space, model, digits = problem.space, problem.space.model, problem.data
for group in space.groups:
    print(group.name, group.size, [f"{member.name}, {member.side}" for member in group.members])

# %%
# The toolbox is DEAP's, and so are crossover and mutation. The evaluator cuts the network for each
# candidate; a layer that lost its last filter gets its largest one back.
kind = individual_type("mask", 2)
toolbox = base.Toolbox()
toolbox.register("mate", tools.cxUniform, indpb=0.5)
toolbox.register("mutate", tools.mutFlipBit, indpb=1 / space.size)
toolbox.register("select", selNSGA2)
toolbox.register("evaluate", problem.evaluator(objectives=["macs"]))
shares = np.linspace(0.1, 1, children)
first = [initDensity(kind, space.size, density=share, rng=streams.init) for share in shares]
archive = Archive()
for generation in nsga2(toolbox, first, rng=streams.select):
    archive.update(generation.population)
    if generation.number == generations:
        break
print(f"{len(archive)} networks, {problem.passes['repaired']} filters put back")

# %%
# Six of them, evenly along the front, cut out of the network and trained for some epochs more. The
# test images are opened here, and the network that was lent is what it was.
members = list(archive)
picks = [members[i] for i in np.linspace(0, len(members) - 1, 6).astype(int)]
rows = []
for pick in picks:
    small = shrink(model, space.cut(space.mask(pick)))
    before = error(small, digits.test, digits)
    train(small, digits, epochs=epochs, rng=streams.torch, rate=0.01, progress=False)
    after = error(small, digits.test, digits)
    rows.append((pick.fitness.values[1], before, after))
    print(f"{rows[-1][0]:.3f} of the multiply-adds: error {before:.3f}, tuned {after:.3f}")
print("the last of them:", small.conv1, small.conv2, small.conv3, sep="\n  ")

# %%
macs, before, after = np.array(rows).T
figure, axes = plt.subplots(figsize=(7, 4.8), layout="constrained")
axes.plot(macs, before, "o--", color="grey", label="cut")
axes.plot(macs, after, "o-", color="C0", label=f"cut, then trained for {epochs} epochs")
axes.axhline(error(model, digits.test, digits), color="black", lw=1, ls=":", label="whole")
axes.set(xlabel="multiply-adds (share of the whole network's)", ylim=(0, None))
axes.set_ylabel("error on the test images (share wrong)")
axes.set_title("A few epochs repair what cutting breaks", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.savefig("filters.png", dpi=120)
