"""Operators for DEAP toolboxes on packed masks and real thresholds; nothing here knows of torch.

Start with `genomes.py`, what an individual is. Names carry DEAP's prefixes: `init*` makes an
individual, `cx*` mates two, `mut*` changes one, `sel*` chooses some; all of `cx*` and `mut*` work
in place and leave the fitness alone, and every random number comes from the `rng` that is given.
"""

from operators.adaptation import OneFifthRule, OperatorCredit, SuccessHistory
from operators.crossover import cxLayers, cxTwoPointPacked, cxUniformPacked
from operators.decomposition import (
    dasDennis,
    neighbourhoods,
    pbi,
    tchebycheff,
    weightedSum,
    weightsFor,
)
from operators.dominance import crowding, crowdingOfFront, fronts, ranks
from operators.drift import alignScore, cxScores, keepTop, mutDrift
from operators.genomes import BitString, RealVector
from operators.individuals import Minimised, individual_type
from operators.initialise import initAround, initDensity, initImportance, initUniform
from operators.mutation import mutFlip, mutImportance, mutSwap
from operators.problems import dtlz2, front, lotz, zdt1, zdt2, zdt3
from operators.repair import clampBounds, corridor, floorLayers
from operators.selection import assignCrowding, selCrowdedTournament, selNSGA2

__all__ = [
    "BitString",
    "Minimised",
    "OneFifthRule",
    "OperatorCredit",
    "RealVector",
    "SuccessHistory",
    "alignScore",
    "assignCrowding",
    "clampBounds",
    "corridor",
    "crowding",
    "crowdingOfFront",
    "cxLayers",
    "cxScores",
    "cxTwoPointPacked",
    "cxUniformPacked",
    "dasDennis",
    "dtlz2",
    "floorLayers",
    "front",
    "fronts",
    "individual_type",
    "initAround",
    "initDensity",
    "initImportance",
    "initUniform",
    "keepTop",
    "lotz",
    "mutDrift",
    "mutFlip",
    "mutImportance",
    "mutSwap",
    "neighbourhoods",
    "pbi",
    "ranks",
    "selCrowdedTournament",
    "selNSGA2",
    "tchebycheff",
    "weightedSum",
    "weightsFor",
    "zdt1",
    "zdt2",
    "zdt3",
]
