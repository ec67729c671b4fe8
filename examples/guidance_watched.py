"""
Guidance, watched at work
=========================

A mask drifts to where the network wants its weights. Which ones does it exchange, in which layers,
and when? Ten seconds on two cores; EVOPRUNE_FAST=1 takes a tenth of the steps.
"""

import os

import matplotlib.pyplot as plt
import numpy as np

from evoprune.methods.baselines import baseline
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.seeding import Streams
from operators import individual_type, mutDrift

STEPS, DENSITY = 20 if os.environ.get("EVOPRUNE_FAST") else 200, 0.1

# %%
# The digits network, cut to the tenth of its weights that are largest: all but dead.
problem = prepare(Config(), Streams(0))
space, guidance = problem.space, problem.guidance()
start = baseline("global-magnitude", space, DENSITY)
mask = individual_type("mask", 2).from_numpy(start)


# %%
# At every step the drift asks what each gene is worth on the mask as it now is. Whoever answers may
# look on: this function keeps the mask, and passes the question to ``guidance``.
def watched(individual):
    seen.append(individual.to_numpy())
    return guidance(individual)


seen, drift = [], {"steps": STEPS, "rate": 0.002, "count": mask.count()}
mutDrift(mask, saliency=watched, score=space.magnitudes, **drift)
seen.append(mask.to_numpy())

# %%
# How well each of these masks does on the search images, beside the largest weights at this density
# and at two higher ones; and how much of each layer is no longer as it was.
judge = problem.evaluator().judge
watch = range(0, STEPS + 1, 4)
figure, (above, below) = plt.subplots(2, sharex=True, figsize=(7.5, 7), layout="constrained")
for density in (DENSITY, 0.2, 0.3):
    level = judge(baseline("global-magnitude", space, density))[0]
    above.axhline(level, color="grey", ls="--", lw=1)
    what = f"global magnitude, density {density}"
    above.text(STEPS, level - 0.01, what, ha="right", va="top", fontsize=9)
errors = [judge(seen[step])[0] for step in watch]
above.plot(watch, errors, color="black", lw=2.5, label=f"drifting mask, density {DENSITY}")
above.set(ylim=(0, 1), ylabel="error on the search images (share wrong)")
above.set_title("A tenth of the weights, better chosen, revives the network", loc="left")
above.legend(loc="center right", frameon=False)
moved = np.array([np.add.reduceat(now != start, space.offsets[:-1]) for now in seen])
for place, layer in enumerate(space.layers):
    size = space.offsets[place + 1] - space.offsets[place]
    below.plot(100 * moved[:, place] / size, lw=2, label=f"{layer.name}, {size:,} weights")
below.set(xlabel="steps of the drift", ylabel="weights that changed sides (% of the layer)")
below.set_title("Most exchanges come early, the first layer exchanges most", loc="left")
below.legend(frameon=False)
for axes in (above, below):
    axes.spines[["top", "right"]].set_visible(False)
plt.savefig("guidance_watched.png", dpi=120)
share = moved[-1].sum() / space.size
print(f"error {errors[0]:.3f} -> {errors[-1]:.3f}; {share:.1%} of the weights changed sides")
