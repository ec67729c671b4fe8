"""One seed, many streams: every part of a run draws from a random stream with a name of its own."""

from __future__ import annotations

import random
from typing import Any

import numpy as np

from evoprune.errors import InputError

NAMES = ("init", "mate", "mutate", "select", "data", "torch", "workers")


class Streams:
    """Hold the named random streams of a run, all of them made from one seed.

    A stream depends on the seed and on its own name only: drawing more from one, or adding a new
    name, changes no other. DEAP's own operators draw from Python's `random`; making Streams seeds
    that too, and its state is saved with the others.

    Args:
        seed: 0 or more. Same seed, same numbers.

    Attributes:
        init: numpy Generator for first populations. So are `mate`, `mutate`, `select`, `data`
            (which images), `torch` (source of seeds for torch) and `workers`.

    Raises:
        InputError: if the seed is no integer of 0 or more.

    Source: numpy's SeedSequence; differs: the spawn key is the name of the stream, not its number.

    >>> a, b = Streams(1), Streams(1)
    >>> _ = a.mate.random(1000)
    >>> bool(a.init.random() == b.init.random())
    True
    """

    init: np.random.Generator
    mate: np.random.Generator
    mutate: np.random.Generator
    select: np.random.Generator
    data: np.random.Generator
    torch: np.random.Generator
    workers: np.random.Generator

    def __init__(self, seed: int) -> None:
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or seed < 0:
            raise InputError(f"seed: expected an integer of 0 or more, got {seed!r}; write seed=0")
        self.seed = int(seed)
        for name in NAMES:
            setattr(self, name, stream(self.seed, name))
        random.seed(_sequence(self.seed, "random").generate_state(4).tobytes())

    def state(self) -> dict[str, Any]:
        """Return where every stream stands, also Python's `random`; JSON can hold it."""
        version, words, gauss = random.getstate()
        streams = {name: getattr(self, name).bit_generator.state for name in NAMES}
        return {"seed": self.seed, **streams, "random": [version, list(words), gauss]}

    def restore(self, state: dict[str, Any]) -> None:
        """Set every stream, and Python's `random`, to where `state()` found them.

        Args:
            state: what `state()` returned, also after a way through JSON.
        """
        self.seed = int(state["seed"])
        for name in NAMES:
            getattr(self, name).bit_generator.state = state[name]
        version, words, gauss = state["random"]
        random.setstate((version, tuple(words), gauss))


def stream(seed: int, name: str) -> np.random.Generator:
    """Return a random stream of its own for something that happens once, such as "retraining 3".

    It stands at its beginning whenever it is asked for, whatever was drawn from others.
    """
    return np.random.Generator(np.random.PCG64(_sequence(seed, name)))


def _sequence(seed: int, name: str) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=tuple(name.encode()))
