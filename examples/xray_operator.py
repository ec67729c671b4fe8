"""
The X-ray of an operator
========================

What does a mutation do, before any fitness is asked? Thousands of runs on made-up masks show it.
One of these three can only clear bits. About five seconds on two cores; EVOPRUNE_FAST=1 takes fewer
runs.
"""

import os

import matplotlib.pyplot as plt
import numpy as np

from evoprune.studies.xray_masks import change_by_score, drift
from operators import mutFlip, mutImportance
from operators.xray import xray

RUNS = 200 if os.environ.get("EVOPRUNE_FAST") else 10_000


# %%
# An operator of your own may be looked at like any other. This one has a fault that is easily
# missed: what it clears is never set again, so a search with it can only go down.
def mutThin(individual, *, rate=0.1, rng):
    kept = np.flatnonzero(individual.to_numpy())
    individual[kept[rng.random(len(kept)) < rate]] = 0
    return (individual,)


# %%
# Parents come at five densities, genes with scores. The upper row tells whether masks get denser or
# sparser, the lower row which genes are meant. ``evoprune xray`` draws more of one operator.
seen = [xray(operator, runs=RUNS, rate=0.1) for operator in (mutFlip, mutImportance, mutThin)]
figure = plt.figure(figsize=(10.5, 7), layout="constrained")
figure.suptitle("Three mutations, one of which knows no way back", fontsize=14)
for column, one in zip(figure.subfigures(1, 3), seen, strict=True):
    column.suptitle(one.name, weight="bold")
    above, below = column.subplots(2)
    drift(above, one)
    above.set_ylim(-0.18, 0.18)
    change_by_score(below, one)
    below.set_ylim(-0.01, 0.4)
    for axes in (above, below):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
plt.savefig("xray_operator.png", dpi=120)
for one in seen:
    print(f"{one.name} clears {one.cleared().mean():.1%} and sets {one.restored().mean():.1%}")
