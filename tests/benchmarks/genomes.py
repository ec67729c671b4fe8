"""Time and weigh masks of 25.6 million genes: python tests/benchmarks/genomes.py

Counting and hashing, medians of 7, beside NumPy's sum of a boolean array; and what 100 clones add
to the memory of the process. Exit status 1 if the clones take 400 MB or more.
"""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from statistics import median
from typing import Any

import numpy as np

from operators.individuals import individual_type

GENES = 25_600_000  # as many as ResNet-50 has weights
CLONES = 100


def milliseconds(call: Callable[[], Any], rounds: int = 7) -> float:
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        call()
        times.append(1e3 * (time.perf_counter() - began))
    return median(times)


def peak() -> float:
    """Return the most memory that the process has held, in MB."""
    unit = 1e6 if sys.platform == "darwin" else 1e3  # bytes there, else kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def main() -> float:
    """Print all figures and return the megabytes that the clones added."""
    mask = individual_type("mask", 2).zeros(GENES)
    mask.packed[:] = np.random.default_rng(0).integers(0, 256, len(mask.packed), np.uint8)
    before = peak()
    clones = [deepcopy(mask) for _ in range(CLONES)]
    added = peak() - before
    plain = mask.to_numpy()
    print(f"count: {milliseconds(mask.count):.1f} ms, of booleans {milliseconds(plain.sum):.1f} ms")
    print(f"hash: {milliseconds(lambda: hash(mask)):.1f} ms")
    print(f"{len(clones)} clones: {added:.0f} MB, {peak():.0f} MB with all that was made")
    return added


if __name__ == "__main__":
    sys.exit(main() >= 400)
