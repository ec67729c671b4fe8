"""Everything a run needs to go on as if it had never stopped, as plain arrays and JSON.

No pickles: individuals are taken apart into bits, scores and objectives, and put together again.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

SCHEMA = 1
Arrays = dict[str, np.ndarray]


def pack_individuals(individuals: Sequence[Any], *, scores: bool = True) -> Arrays:
    """Take individuals apart into arrays, one row each.

    Packed bits or reals, objectives of those that were judged, violations, the rates of those that
    carry their own (see `mutLogNormal`), and, if asked for, the drift's scores of those that carry
    one.
    """
    if not individuals:
        return {"count": np.array(0)}
    first = individuals[0]
    arrays = {"count": np.array(len(individuals)), "length": np.array(len(first))}
    if hasattr(first, "packed"):
        arrays["packed"] = np.stack([individual.packed for individual in individuals])
    else:
        arrays["reals"] = np.stack([individual.to_numpy() for individual in individuals])
    judged = [i for i, individual in enumerate(individuals) if individual.fitness.valid]
    arrays["judged"] = np.array(judged, np.int64)  # the others were given up
    arrays["values"] = np.array([individuals[i].fitness.values for i in judged])
    arrays["violation"] = np.array([individual.fitness.violation for individual in individuals])
    rated = [i for i, individual in enumerate(individuals) if hasattr(individual, "mutation_rate")]
    if rated:
        arrays["rated"] = np.array(rated)
        arrays["mutation_rates"] = np.array([individuals[i].mutation_rate for i in rated])
    scored = [i for i, individual in enumerate(individuals) if hasattr(individual, "score")]
    if scores and scored:
        arrays["scored"] = np.array(scored)
        arrays["scores"] = np.stack([individuals[i].score for i in scored])
    return arrays


def unpack_individuals(arrays: Arrays, kind: Any) -> list[Any]:
    """Put individuals of a creator type together again; the inverse of `pack_individuals`."""
    individuals = []
    for row in range(int(arrays["count"])):
        if "packed" in arrays:
            individual = kind.from_packed(arrays["packed"][row].copy(), int(arrays["length"]))
        else:
            individual = kind.from_numpy(arrays["reals"][row].copy())
        individual.fitness.violation = float(arrays["violation"][row])
        individuals.append(individual)
    judged = arrays.get("judged", range(len(individuals)))  # older files: all, or none
    for row, values in zip(judged, arrays.get("values", ()), strict=True):
        if len(values):
            individuals[row].fitness.values = tuple(values.tolist())
    for place, row in enumerate(arrays.get("rated", ())):
        individuals[row].mutation_rate = float(arrays["mutation_rates"][place])
    for place, row in enumerate(arrays.get("scored", ())):
        individuals[row].score = arrays["scores"][place].copy()
    return individuals


def nest(prefix: str, arrays: Arrays) -> Arrays:
    """Put a prefix before every key."""
    return {f"{prefix}/{key}": value for key, value in arrays.items()}


def unnest(prefix: str, arrays: Arrays) -> Arrays:
    """Pick the keys with a prefix and take it off."""
    start = prefix + "/"
    return {key[len(start) :]: v for key, v in arrays.items() if key.startswith(start)}


def pack_json(value: Any) -> np.ndarray:
    """Keep a JSON value inside an npz file."""
    return np.frombuffer(json.dumps(value).encode(), np.uint8)


def unpack_json(array: np.ndarray) -> Any:
    """Read a value that `pack_json` wrote."""
    return json.loads(array.tobytes())
