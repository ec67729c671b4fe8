"""What a mask weighs, and what counting and naming it costs, beside other ways to hold it."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from hashlib import blake2b
from typing import Any

import numpy as np
from timing import DisagreementError, Row, alone, compare, spoken

from operators.individuals import individual_type

Mask = individual_type("mask", 2)
MOST = 400e6  # bytes that 100 clones of ResNet-50's masks may take


def weight(make: Callable[[], Any], copies: int) -> float:
    """Return the bytes of one of several, as the allocator counts them, with all that they hold."""
    tracemalloc.start()
    kept = [make() for _ in range(copies)]
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return held / len(kept)


def beside(what: str, make: Callable[[Any], Any], n: int, aim: float) -> Row:
    """Compare the bytes of an individual with those of the same genes held another way."""
    bits = np.random.default_rng(0).random(n) < 0.5
    mask = Mask.from_numpy(bits)
    if not np.array_equal(np.asarray(make(bits), bool), mask.to_numpy()):
        raise DisagreementError(f"memory: {what} does not hold the genes of the BitString")
    ours = weight(partial(deepcopy, mask), 10)
    ratio = weight(lambda: make(bits), 3) / ours
    return Row(
        f"memory of an individual, {n:,} genes", "BitString with its fitness", what, ours, "B",
        ratio, aim=f"{aim:g} times", reached=ratio >= aim, note="allocated bytes, by tracemalloc",
    )  # fmt: skip


def clones(n: int) -> Row:
    """Weigh 100 clones."""
    mask = Mask.zeros(n)
    clone = deepcopy(mask)
    if clone != mask or np.shares_memory(clone.packed, mask.packed):
        raise DisagreementError("memory: a clone is not an equal mask of its own")
    held = 100 * weight(partial(deepcopy, mask), 100)
    return Row(
        f"memory of 100 clones, {n:,} genes", "BitString with its fitness", value=held, unit="B",
        aim=f"{spoken(MOST, 'B')} or less", reached=held <= MOST,
        note="allocated bytes, by tracemalloc",
    )  # fmt: skip


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of this file."""
    n, many, rounds = (5_000, 5_000, 2) if quick else (848_944, 25_600_000, 7)
    yield beside("boolean array", np.copy, n, 7.9)
    yield beside("list of ints", lambda bits: bits.astype(int).tolist(), n, 60)
    yield clones(many)
    random_bytes = np.frombuffer(np.random.default_rng(0).bytes(many // 8), np.uint8)
    mask = Mask.from_packed(random_bytes, many)
    plain = mask.to_numpy()
    yield compare(
        f"counting {many:,} genes",
        ("BitString.count", mask.count),
        ("sum of a boolean array", plain.sum),
        agree=lambda one, other: one == other,
        rounds=rounds,
    )
    yield alone(
        f"naming {many:,} genes",
        ("BitString.digest", mask.digest),
        right=lambda name: name == blake2b(
            mask.packed.tobytes() + np.int64(many).tobytes(), digest_size=16
        ).digest(),
        rounds=rounds,
    )  # fmt: skip
