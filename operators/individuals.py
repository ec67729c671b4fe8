"""The types that individuals have: a genome with a fitness that is minimised.

`individual_type("mask", 2)` and its like are made once, at import, and also found in
`deap.creator`. They pickle by name, so that they live in a worker process.
"""

from __future__ import annotations

from typing import Any, Literal

from deap import base, creator

from operators.genomes import BitString, RealVector
from operators.sparse_vector import SparseVector


class Minimised(base.Fitness):
    """Hold objective values that are all minimised, and by how much a candidate is infeasible.

    Attributes:
        violation: 0 where the candidate is feasible, else how far it is outside, in the unit of
            whoever sets it. It is copied with the values and goes back to 0 when they are deleted.
    """

    violation: float = 0.0

    def delValues(self) -> None:
        """Make the fitness invalid and forget the violation."""
        self.wvalues = ()
        self.violation = 0.0

    values = property(base.Fitness.getValues, base.Fitness.setValues, delValues)

    def __deepcopy__(self, memo: dict[int, Any]) -> Minimised:
        made = type(self)()
        made.wvalues, made.violation = self.wvalues, self.violation
        return made


class _PickledByName(creator.MetaCreator):
    """Make creator types that pickle as "operators.individuals.Mask2", hence stay the same type.

    differs: DEAP's own creator types are made anew by each unpickling.
    """


def _create(name: str, parent: type, **attributes: Any) -> type:
    """Make a type as creator.create does, found here and, where the name is free, in creator."""
    made = _PickledByName(name, parent, attributes)
    made.__module__ = __name__
    globals()[name] = made
    if getattr(getattr(creator, name, made), "__module__", None) == __name__:
        setattr(creator, name, made)
    return made


_TYPES: dict[tuple[str, int], type] = {}
for _n in range(1, 5):
    _fitness = _create(f"FitnessMin{_n}", Minimised, weights=(-1.0,) * _n)
    _TYPES["mask", _n] = _create(f"Mask{_n}", BitString, fitness=_fitness)
    _TYPES["thresholds", _n] = _create(f"Thresholds{_n}", RealVector, fitness=_fitness)
    _TYPES["sparse", _n] = _create(f"Sparse{_n}", SparseVector, fitness=_fitness)


def individual_type(kind: Literal["mask", "thresholds", "sparse"], objectives: int) -> Any:
    """Return the type of an individual: a genome with a `fitness` that is minimised.

    Args:
        kind: "mask" (a BitString), "thresholds" (a RealVector) or "sparse" (a SparseVector).
        objectives: number of objectives, 1 to 4.

    Returns:
        `creator.Mask1` ... `creator.Mask4`, `creator.Thresholds1` ... or `creator.Sparse1` ...;
        the fitness is `creator.FitnessMin1` ... and has a `violation`.

    Raises:
        ValueError: if there is no such type.

    >>> mask = individual_type("mask", 2)([0, 1, 1])
    >>> mask.fitness.weights, mask.fitness.valid, mask.fitness.violation
    ((-1.0, -1.0), False, 0.0)
    """
    if (kind, objectives) not in _TYPES:
        raise ValueError(
            "individual_type: expected kind 'mask', 'thresholds' or 'sparse' and 1 to 4 "
            f"objectives, got {kind!r} and {objectives!r}; make other types with creator.create"
        )
    return _TYPES[kind, objectives]
