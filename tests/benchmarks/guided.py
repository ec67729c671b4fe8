"""What first-order guidance is worth on the enumerated network "groups".

python tests/benchmarks/guided.py [--seeds 30]

Prints how often the first-order guess is right, by density, over all masks, and the regret of
NSGA-II with and without guidance at equal image passes. Both are look-ups, so no torch is needed.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import regret
from numpy.typing import NDArray
from tqdm import tqdm

from evoprune.enumerated import EnumeratedNetwork, Seen, load

Floats = NDArray[np.float64]
Mutation = Callable[[Any], tuple[Any]]
PASSES = 300 * 300  # as much as 300 genomes on 300 images
TRAIN = 1197  # images of the gradients in the table
FEW = 128  # images that might do as well, if all else stayed equal
KEPT = ((3, 4), (5, 6), (7, 8), (9, 10), (11, 13))  # genes, of 14
SHARES = (1.0, 0.1)  # of the children that are guided; the others take the plain mutation


class Purse:
    """Count image passes of fitness and guidance, and how many had been spent at each genome.

    Args:
        network: with gradients.
        images: that a gradient is taken on; an image costs 3 passes.
    """

    def __init__(self, network: EnumeratedNetwork, images: int) -> None:
        self.network, self.images, self.spent = network, images, 0
        self.when: list[int] = []

    def evaluate(self, individual: Any) -> tuple[float, float]:
        """Look a genome up that was not seen before."""
        self.spent += self.network.images["search"]
        self.when.append(self.spent)
        return self.network.evaluate(individual)

    def saliency(self, individual: Any) -> NDArray[np.float32]:
        """Look the gradients up."""
        self.spent += 3 * self.images
        return self.network.saliency(individual)

    def afforded(self) -> int:
        """Return how many genomes came within the budget."""
        return int(np.searchsorted(self.when, PASSES, side="right"))


def mutBest(
    individual: Any,
    *,
    saliency: Callable[[Any], NDArray[np.float32]],
    rng: np.random.Generator,
) -> tuple[Any]:
    """Drop the kept gene that is worth least, or set the removed one that is worth most."""
    worth, bits = saliency(individual), individual.to_numpy()
    drop = rng.random() < 0.5
    places = np.flatnonzero(bits == drop)
    if places.size:
        chosen = places[np.argmin(worth[places] if drop else -worth[places])]
        individual[chosen] = not drop
    return (individual,)


def mixed(
    network: EnumeratedNetwork, purse: Purse, way: str, share: float, rng: np.random.Generator
) -> Mutation:
    """Return a mutation that guides a share of the children and flips genes of the others."""
    plain = regret.bound(network, regret.MUTATE, rng)
    ways: dict[str, Mutation] = {
        "mutDrift": regret.bound(network, "mutDrift", rng, saliency=purse.saliency),
        "mutBest": partial(mutBest, saliency=purse.saliency, rng=rng),
        "mutBest by magnitude": partial(mutBest, saliency=lambda _: network.score, rng=rng),
    }

    def mutate(individual: Any) -> tuple[Any]:
        return ways[way](individual) if share and rng.random() < share else plain(individual)

    return mutate


def equal_passes(seeds: int) -> Iterator[str]:
    """Yield the table of searches at equal passes."""
    network = load("groups")
    yield f"\n### NSGA-II on groups, {PASSES:,} passes\n"
    runs = [regret.at_random(network, seed, PASSES // 300) for seed in range(seeds)]
    rows = [regret.measured(network, regret.RANDOM, runs, None)]
    costs = {f"a gradient on {n:,} images": n for n in (TRAIN, FEW)} | {"gradients for free": 0}
    ways = [(regret.MUTATE, "mutBest", 0.0, 0)]
    for share in SHARES:
        guided = f"in {share:.0%} of the children"
        ways.append((f"mutBest by magnitude {guided}", "mutBest by magnitude", share, 0))
        for cost, images in costs.items():
            ways.append((f"mutBest {guided}, {cost}", "mutBest", share, images))
        ways.append(
            (f"mutDrift {guided}, a gradient on {TRAIN:,} images", "mutDrift", share, TRAIN)
        )
    for label, *way in tqdm(ways, desc="guidance"):
        rows.append(measured(network, label, *way, seeds))
    yield from regret.table(rows, [regret.RANDOM, regret.MUTATE])


def measured(
    network: EnumeratedNetwork, label: str, way: str, share: float, images: int, seeds: int
) -> regret.Row:
    """Return the row of one way to mutate."""
    points: list[Floats] = []
    for seed in range(seeds):
        purse = Purse(network, images)
        seen = Seen(purse.evaluate)
        regret.searched(
            network,
            "NSGA-II",
            regret.MATE,
            partial(mixed, network, purse, way, share),
            seed,
            lambda _, purse=purse: purse.spent >= PASSES,
            seen,
        )
        points.append(seen.points(purse.afforded()))
    return regret.summed(network, label, points)


def agreement() -> Iterator[str]:
    """Yield the table of how often the first-order guess is right, over all living masks.

    Where a layer is empty the network is cut in two: other flips change nothing, and a guess of
    nothing is no merit. So only masks that keep a gene in every layer are looked at.
    """
    network = load("groups")
    masks = living(network)
    worth = np.stack([network.saliency(mask) for mask in masks])
    gained = np.stack([network.gain(mask) for mask in masks])  # by flipping each gene
    guessed = np.where(masks, -worth, worth)
    hopeful, gloomy = (guessed > 0) & (gained < 0), (guessed < 0) & (gained > 0)
    cost = np.where(masks, -gained, np.inf)  # of dropping each kept gene
    cheapest = cost == cost.min(axis=1, keepdims=True)
    scores = [np.where(masks, score, np.inf) for score in (worth, network.score)]
    right = [cheapest[np.arange(len(masks)), score.argmin(axis=1)] for score in scores]
    chance = cheapest.sum(axis=1) / masks.sum(axis=1)
    yield "\n### First-order guesses on groups, all masks with a gene in every layer\n"
    yield (
        "| genes kept | masks | wrong about dropping | wrong about setting | cheapest gene to drop "
        "found: by gradient | by magnitude | by chance |"
    )
    yield "| --- |" + " --- |" * 6
    count, wrong = masks.sum(axis=1), hopeful | gloomy
    for low, high in KEPT:
        here = (count >= low) & (count <= high)
        cells = [wrong[here][masks[here]], wrong[here][~masks[here]]]
        cells += [each[here] for each in (*right, chance)]
        shares = " | ".join(f"{np.mean(cell):.0%}" for cell in cells)
        yield f"| {low} to {high} | {here.sum():,} | {shares} |"
    share = hopeful.sum() / wrong.sum()
    yield f"\nOf the wrong guesses {share:.1%} expect the loss to fall where it rises."


def living(network: EnumeratedNetwork) -> NDArray[np.bool_]:
    """Return all masks that keep a gene in every layer, but not all genes."""
    masks = network.masks(range(2**network.genes - 1))
    kept = np.add.reduceat(masks, network.offsets[:-1], axis=1, dtype=np.int64)
    return masks[kept.all(axis=1)]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=30)
    options = parser.parse_args()
    for line in (*agreement(), *equal_passes(options.seeds)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
