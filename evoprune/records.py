"""What the parts of a run hand to each other: plain frozen dataclasses without logic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Generation:
    """What a search loop yields: where it stands after one generation.

    Population, state and the state of the random streams are all a loop needs to go on.

    Attributes:
        number: 0 for the first population, then 1, 2, ...
        population: the individuals that survived, evaluated; not to be changed in place.
        offspring: the individuals evaluated in this generation, survivors or not. A survivor is
            the same object in both lists. Empty in generation 0. One that was given up, because
            its fate was decided, has no fitness.
        state: what the loop must be given back besides the population, as arrays.
    """

    number: int
    population: list[Any]
    offspring: list[Any]
    state: dict[str, np.ndarray]
