"""
One generation of NSGA-II, taken apart
======================================

Eight individuals, one generation, every step in the open; at the end the library's own loop has to
come to the same survivors. A second on two cores; there is nothing to shorten.
"""

import matplotlib.pyplot as plt
import numpy as np
from deap import base

from evoprune.search.nsga2 import distinct, nsga2
from evoprune.seeding import Streams
from operators import cxTwoPointPacked, individual_type, initImportance, lotz, mutFlip, ranks
from operators.selection import assignCrowding, selCrowdedTournament, selNSGA2

# %%
# The problem: ten bits that want ones at the head and zeros at the tail (``lotz``). A score that
# falls from the first gene to the last makes a first population that leans the right way.
streams, genes, n = Streams(8), 10, 8
toolbox = base.Toolbox()
toolbox.register("evaluate", lotz)
toolbox.register("mate", cxTwoPointPacked, rng=streams.mate)
toolbox.register("mutate", mutFlip, rate=1 / genes, rng=streams.mutate)
toolbox.register("select", selNSGA2)
toolbox.register("individual", initImportance, individual_type("mask", 2), -np.arange(genes))
population = [toolbox.individual(density=0.5, sharpness=4, rng=streams.init) for _ in range(n)]
loop = nsga2(toolbox, population, mating_probability=0.9, rng=streams.select)
next(loop)  # generation 0: the population is evaluated, nothing else
before = streams.state()

# %%
# Step 1: parents win a tournament of two, by front, then by room; pairs of them cross; all mutate.
parents = selCrowdedTournament(population, n, rng=streams.select)
crossed = [toolbox.clone(parent) for parent in parents]
for i in range(0, n, 2):
    if streams.select.random() < 0.9:
        crossed[i : i + 2] = toolbox.mate(*crossed[i : i + 2])
offspring = [toolbox.mutate(toolbox.clone(child))[0] for child in crossed]
for child in offspring:
    child.fitness.values = toolbox.evaluate(child)
print("population  parents     crossed     mutated")
for row in zip(population, parents, crossed, offspring, strict=True):
    print(*("".join(map(str, individual)) for individual in row), sep="  ")

# %%
# Steps 2 to 4: copies go; the rest is sorted into fronts, and the best fronts make the next
# population. Of the front that does not fit whole, those with most room around them are taken.
union = distinct(population + offspring, n)
survivors = toolbox.select(union, n)
lives = [any(one is other for other in survivors) for one in union]
points = np.array([individual.fitness.values for individual in union])
rank = ranks(points)
assignCrowding(union)  # the room of those too that nobody asked for
for one, place, alive in sorted(zip(union, rank, lives, strict=True), key=lambda row: row[1]):
    print(f"front {place + 1}, room {one.fitness.crowding_dist:.2f}", one.fitness, "lives" * alive)

# %%
# The streams go back to where they were, and the library's loop makes the same generation.
streams.restore(before)
assert next(loop).population == survivors
figure, axes = plt.subplots(figsize=(7, 5.2), layout="constrained")
axes.plot([3.5, 6.5], [6.5, 3.5], ls=":", color="grey", label="the best there can be")
shades = plt.cm.viridis(rank / rank.max() * 0.9)
for place in range(rank.max() + 1):
    line, shade = np.unique(points[rank == place], axis=0), shades[rank == place][0]
    axes.plot(*line.T, color=shade, lw=1.5, zorder=1)
    axes.text(line[-1, 0] + 0.18, line[-1, 1] - 0.06, f"front {place + 1}", color=shade)
for one, point, alive, shade in zip(union, points, lives, shades, strict=True):
    shape = "o" if any(one is child for child in offspring) else "s"
    axes.scatter(*point, s=130, marker=shape, fc=shade if alive else "white", ec=shade, lw=1.8)
axes.scatter([], [], s=110, marker="s", color="grey", label="parent")
axes.scatter([], [], s=110, marker="o", color="grey", label="child")
axes.set(xlabel="leading ones that are missing", ylabel="trailing zeros that are missing")
axes.set_title("Two fronts survive whole; of the third, those with most room", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(title="filled lives on, hollow is dropped", frameon=False)
plt.savefig("one_generation.png", dpi=120)
