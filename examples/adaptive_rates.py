"""
Rates and choices that learn
============================

The best chance of a flip falls while a search goes on. Two ways to learn it from success, watched
on a problem whose best rate is known. Half a minute on two cores; set EVOPRUNE_FAST=1 for a glance.
"""

import os
from functools import partial

import matplotlib.pyplot as plt
import numpy as np

from operators import OneFifthRule, OperatorCredit, individual_type, lotz, mutFlip

GENES, RUNS = (32, 1) if os.environ.get("EVOPRUNE_FAST") else (64, 9)
CHOICES = ["16", "4", "1"]  # how many genes a mutation flips on average


# %%
# The loop: all bits are to become ones, in order; a child takes the place of its parent unless it
# has fewer leading ones. A rule is told of every child that was no worse, a credit of every better.
def climb(seed, *, rule=None, credit=None):
    rng, rows = np.random.default_rng(seed), []
    parent = individual_type("mask", 1).zeros(GENES)
    while (missing := lotz(parent)[0]) > 0:
        name = credit.choose(rng) if credit else ""
        rate = int(name) / GENES if credit else rule.rate
        rows.append((GENES - missing, rate, *(credit.chances() if credit else ())))
        (child,) = mutFlip(type(parent)(parent), rate=rate, rng=rng)
        gain = missing - lotz(child)[0]
        if credit:
            credit.credit(name, survived=int(gain > 0), passes=1)
        else:
            rule.update(succeeded=int(gain >= 0), tried=1)
        parent = child if gain >= 0 else parent
    return np.array(rows)


# %%
# Both learners start where flips are far too many. Switched off, the same classes are the controls:
# a fixed rate, and an even choice.
rule, credit = partial(OneFifthRule, factor=1.1), partial(OperatorCredit, CHOICES, decay=0.99)
LEARNERS = {
    "fixed rate, 1 gene": lambda: {"rule": rule(1 / GENES, enabled=False)},
    "fixed rate, 4 genes": lambda: {"rule": rule(4 / GENES, enabled=False)},
    "even choice of 16, 4, 1": lambda: {"credit": credit(enabled=False)},
    "OneFifthRule": lambda: {"rule": rule(16 / GENES)},
    "OperatorCredit": lambda: {"credit": credit()},
}
places, spent, seen = np.arange(GENES), {}, {}
for name, make in LEARNERS.items():
    runs = [climb(seed, **make()) for seed in range(RUNS)]
    left = [np.searchsorted(run[:, 0], places, side="right") for run in runs]
    spent[name] = np.median(left, axis=0)  # generations until more than so many ones were found
    seen[name] = np.mean([run[last - 1] for run, last in zip(runs, left, strict=True)], axis=0)
    print(f"{name}: {spent[name][-1]:.0f} generations")

# %%
# The best rate with i leading ones is 1 / (i + 1): it has to hit one gene and miss i (Boettcher,
# Doerr & Neumann 2010).
figure, axes = plt.subplots(3, sharex=True, figsize=(7.5, 9), layout="constrained")
rates, choices, costs = axes
rates.plot(places, 1 / (places + 1), "k--", label="the best rate there is")
rates.plot(places, seen["OneFifthRule"][:, 1], color="C3", lw=2, label="OneFifthRule")
rates.set(yscale="log", ylabel="chance that a gene flips", title="A rate follows the best one")
labels = [f"flip {choice} of {GENES} genes" for choice in CHOICES]
choices.stackplot(places, seen["OperatorCredit"][:, 2:].T, labels=labels, alpha=0.8)
choices.set(ylabel="chance to be chosen", ylim=(0, 1), title="A choice learns that fewer flips pay")
for name, style in zip(LEARNERS, ("k:", "k-.", "k--", "C3", "C4"), strict=True):
    costs.plot(places, spent[name], style, lw=2 if "C" in style else 1, label=name)
costs.set(xlabel=f"leading ones found, of {GENES}", ylabel=f"generations spent (median of {RUNS})")
costs.set_title("Learning costs less than a rate that is wrong")
for axis in axes:
    axis.legend(loc="upper left" if axis is costs else "upper right")
plt.savefig("adaptive_rates.png", dpi=120)
