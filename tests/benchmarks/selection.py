"""Time selNSGA2 against DEAP's: python tests/benchmarks/selection.py; exit status 1 under 20 times.

1,000 individuals, 2 objectives, 500 survive; both sides in turn in one process, medians of 7.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
from deap import tools

from operators.individuals import individual_type
from operators.selection import selNSGA2


def seconds(select: Callable[[list[Any], int], list[Any]], people: list[Any], k: int) -> float:
    began = time.perf_counter()
    select(people, k)
    return time.perf_counter() - began


def main(rounds: int = 7, n: int = 1000) -> float:
    """Print and return how many times as fast ours is."""
    rng, ours, theirs = np.random.default_rng(0), [], []
    for _ in range(rounds):
        people = [individual_type("mask", 2)([1]) for _ in range(n)]
        for individual, point in zip(people, rng.random((n, 2)), strict=True):
            individual.fitness.values = tuple(point.tolist())
        ours.append(seconds(selNSGA2, people, n // 2))
        theirs.append(seconds(tools.selNSGA2, people, n // 2))
    ratio = median(theirs) / median(ours)
    print(f"selNSGA2: {1e3 * median(ours):.1f} ms, DEAP's: {1e3 * median(theirs):.1f} ms, "
          f"ratio {ratio:.0f}")
    return ratio


if __name__ == "__main__":
    sys.exit(main() < 20)
