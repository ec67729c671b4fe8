"""
A network of your own
=====================

Any ``nn.Module`` will do, with layers that the library has never heard of. This one tells its
convolution where each pixel lies, and its last layer is left alone. A quarter of a minute on two
cores; set EVOPRUNE_FAST=1 for a glance.
"""

import os

import matplotlib.pyplot as plt
import torch
from torch import nn

from evoprune.methods.baselines import baseline
from evoprune.methods.hierarchical import hierarchical
from evoprune.network import datasets, training
from evoprune.running.config import Config
from evoprune.running.problem import prepare
from evoprune.running.run import Run
from evoprune.seeding import Streams
from evoprune.space.weights import WeightSpace

fast = bool(os.environ.get("EVOPRUNE_FAST"))
sizes = {"population": 4, "generations": (1, 1), "search_images": 100}
config = Config(**sizes) if fast else Config(population=24, generations=(12, 12))


# %%
# The odd layer adds two channels, how far right and how far down each pixel lies (Liu et al. 2018,
# CoordConv). It has no weights, so nothing in it can be pruned.
class Places(nn.Module):
    def forward(self, x):
        along = torch.linspace(-1, 1, x.shape[-1]).expand(len(x), 1, *x.shape[2:])
        return torch.cat([x, along, along.mT], dim=1)


torch.manual_seed(config.seed)
network = nn.Sequential()
network.add_module("places", Places())
network.add_module("first", nn.Conv2d(3, 24, 3))
network.add_module("second", nn.Sequential(nn.ReLU(), nn.Conv2d(24, 32, 3, stride=2), nn.ReLU()))
network.add_module("hidden", nn.Sequential(nn.Flatten(), nn.Linear(32 * 4, 48), nn.ReLU()))
network.add_module("classes", nn.Linear(48, 10))

# %%
# Train it as you like, here on the digits of the package. ``WeightSpace`` says what a gene is: each
# weight of a Conv or Linear layer, but for the layers that are excluded.
streams = Streams(config.seed)
digits = datasets.load(config.data, search_from="test")
training.train(network, digits, epochs=3 if fast else 20, rng=streams.torch, progress=False)
space = WeightSpace(network, exclude=["classes"])
problem = prepare(config, streams, space=space)
outcome = hierarchical(problem, config, Run(streams=streams, passes=problem.passes, bar=False))
print(space.size, "weights may be pruned, in", *(layer.name for layer in space.layers))

# %%
# The test images are opened once, here: the front, and what keeping the largest weights gives.
judge = problem.evaluator("test").judge
densities = [solution.density for solution in outcome.front]
found = [judge(solution.mask)[0] for solution in outcome.front]
plain = [judge(baseline("global-magnitude", space, density))[0] for density in densities]
figure, axes = plt.subplots(figsize=(7, 4.8), layout="constrained")
axes.plot(densities, plain, "o-", color="grey", ms=5, label="global magnitude")
axes.plot(densities, found, "o-", color="C0", ms=5, label="front of hierarchical")
axes.set(xscale="log", ylim=(0, None), xlabel="density (share of weights kept, log scale)")
axes.set_xticks([0.003, 0.01, 0.03, 0.1, 0.3, 1], ["0.003", "0.01", "0.03", "0.1", "0.3", "1"])
axes.minorticks_off()
axes.set_ylabel("error on the test images (share wrong)")
axes.set_title("The method takes a network that it does not know", loc="left")
axes.spines[["top", "right"]].set_visible(False)
axes.legend(frameon=False)
plt.savefig("own_network.png", dpi=120)
