"""
A head that knows what it does not know
=======================================

A network has learnt the digits 0 to 4. What it looks at serves to tell 5 to 9 apart, too: only a
new head is trained, on few of its features. The head should be accurate, small, and less sure of
images that are none of its digits. Half a minute on two cores; set EVOPRUNE_FAST=1 for a glance.
"""

import os

import matplotlib.pyplot as plt
import numpy as np
from deap import base, tools

from evoprune.methods.ensembles import ensembles_of, verdict
from evoprune.methods.votes import VOTES, ballots_of
from evoprune.running.growing import grow
from evoprune.running.transfer_settings import Transfer
from evoprune.running.transferring import prepare_transfer
from evoprune.search.archive import Archive
from evoprune.search.nsga2 import nsga2
from evoprune.seeding import Streams
from operators.individuals import individual_type
from operators.initialise import initDensity
from operators.selection import selNSGA2

fast = bool(os.environ.get("EVOPRUNE_FAST"))
config = Transfer(units=64, epochs=2 if fast else 20)
size, steps = (6, 3) if fast else (30, 60)

# %%
# The backbone is trained here, once, and frozen. Each image goes through it once; what comes out,
# its features, is all that heads ever see. Digits 0 to 2 are the foreign images of the search.
streams = Streams(config.seed)
problem = prepare_transfer(config, streams)
grow(problem)
print(f"{problem.space.size} features of {problem.data.name}, {len(problem.data.train)} images")

# %%
# A gene keeps a feature. To judge a mask is to train the small head that it leaves. The toolbox is
# DEAP's, and so are crossover and mutation. Two children a step: the very next ones can use them.
kind = individual_type("mask", 3)
evaluator = problem.evaluator()  # error, share of features, 1 - AUROC; all minimised
toolbox = base.Toolbox()
toolbox.register("evaluate", evaluator)
toolbox.register("mate", tools.cxUniform, indpb=0.5)
toolbox.register("mutate", tools.mutFlipBit, indpb=1 / problem.space.size)
toolbox.register("select", selNSGA2)
shares = np.linspace(0.02, 1, size)
first = [initDensity(kind, problem.space.size, density=d, rng=streams.init) for d in shares]
archive = Archive()
for generation in nsga2(toolbox, first, offspring=2, rng=streams.select):
    archive.update([*generation.population, *generation.offspring])
    if generation.number == steps:
        break
front = sorted(archive, key=lambda one: one.fitness.values[1])
print(f"{len(evaluator.epochs)} heads trained, {len(front)} on the front")

# %%
# Several of them may vote: those around the knee, those of a band of accuracy, or whoever helps
# most. The search images decide. Then the test images are opened; foreign are now the digits 3 and
# 4, which the search has not seen.
heads = [evaluator.head(one) for one in front]


def asked(seen):
    return ballots_of([problem.asking(head, seen) for head in heads], seen.labels.numpy())


vote = VOTES["mean-probability"]
search = asked(problem.shown("search"))


def goal(ensemble):
    worth = verdict(ensemble, vote, search)
    return worth.error + worth.misranked


ensemble = min(ensembles_of([one.fitness.values for one in front], search), key=goal)
unseen = problem.shown("test", known=False)
ballots = asked(unseen)
worth = verdict(ensemble, vote, ballots)
dense = ballots_of([problem.asking(problem.dense, unseen)], unseen.labels.numpy())
print(ensemble.name, "of", [f"{front[place].fitness.values[1]:.3f}" for place in ensemble.members])
print(f"best member in each: {worth.best_member_error:.4f} {worth.best_member_misranked:.4f}")
print(f"ensemble:            {worth.error:.4f} {worth.misranked:.4f}")
print(f"dense head:          {dense.errors()[0]:.4f} {dense.misranked()[0]:.4f}")

# %%
# There are 149 test images, so that errors move in steps of .007, and a vote is no sure win. One
# run is no proof: write ``Transfer(seed=1, ...)`` and look again.
errors, misranked = ballots.errors(), ballots.misranked()
members = list(ensemble.members)
kept = [one.fitness.values[1] for one in front]
figure, axes = plt.subplots(figsize=(7, 4.8), layout="constrained")
shown = axes.scatter(errors, misranked, c=kept, cmap="viridis_r", s=45, label="heads of the front")
figure.colorbar(shown, label="share of the features that a head reads")
ring = {"s": 130, "facecolors": "none", "edgecolors": "C3"}
axes.scatter(errors[members], misranked[members], **ring, label="members of the ensemble")
axes.scatter(worth.error, worth.misranked, marker="*", s=220, color="C3", label="ensemble")
whole = {"marker": "D", "color": "black", "label": "head on all features"}
axes.scatter(dense.errors(), dense.misranked(), **whole)
axes.set(xlabel="error on the test images (share wrong)")
axes.set_ylabel("misranked against unseen digits (1 - AUROC)")
axes.set_title("Few features can do, and heads may vote", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.savefig("transfer.png", dpi=120)
