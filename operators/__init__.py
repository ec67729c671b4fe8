"""Operators for DEAP toolboxes on packed masks and real thresholds; nothing here knows of torch.

Start with `genomes.py`, what an individual is. Names carry DEAP's prefixes: `init*` makes an
individual, `cx*` mates two, `mut*` changes one, `sel*` chooses some; all of `cx*` and `mut*` work
in place and leave the fitness alone, and every random number comes from the `rng` that is given.
"""

from operators.adaptation import OneFifthRule, OperatorCredit, SuccessHistory
from operators.catalogue import CATALOGUE, fitting
from operators.contract import Finding, check, report
from operators.crossover import (
    cxHalfUniform,
    cxImportance,
    cxKPointPacked,
    cxLayers,
    cxOnePointPacked,
    cxTwoPointPacked,
    cxUniformPacked,
)
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
from operators.exchange import Damage, mutExchange
from operators.genomes import BitString, RealVector
from operators.individuals import Minimised, individual_type
from operators.initialise import initAround, initDensity, initImportance, initUniform
from operators.knapsack import Knapsack
from operators.layout import Layout
from operators.microbial import cxMicrobial
from operators.mutation import mutFlip, mutImportance, mutLayerReset, mutRemove, mutSwap
from operators.problems import cocz, dtlz2, front, lotz, zdt1, zdt2, zdt3, zdt5
from operators.pursuit import AdaptivePursuit
from operators.rates import mutBalanced, mutHeavyTail, mutLogNormal
from operators.reals import cxSBX, mutPolynomial
from operators.repair import clampBounds, corridor, floorLayers
from operators.selection import (
    assignCrowding,
    selCrowdedTournament,
    selNSGA2,
    selRoulette,
    selTournament,
    selTruncation,
)
from operators.smop import (
    smop1,
    smop2,
    smop3,
    smop4,
    smop5,
    smop6,
    smop7,
    smop8,
    smopBest,
    smopBounds,
    smopFront,
    smopRows,
)
from operators.sparse import cxSparse, initSparse, initStripes, mutSparse, scoreAlone
from operators.sparse_vector import SparseVector, cxBoth, initBoth, mutBoth
from operators.supply import offers, settle, supply

__all__ = [
    "CATALOGUE",
    "AdaptivePursuit",
    "BitString",
    "Damage",
    "Finding",
    "Knapsack",
    "Layout",
    "Minimised",
    "OneFifthRule",
    "OperatorCredit",
    "RealVector",
    "SparseVector",
    "SuccessHistory",
    "alignScore",
    "assignCrowding",
    "check",
    "clampBounds",
    "cocz",
    "corridor",
    "crowding",
    "crowdingOfFront",
    "cxBoth",
    "cxHalfUniform",
    "cxImportance",
    "cxKPointPacked",
    "cxLayers",
    "cxMicrobial",
    "cxOnePointPacked",
    "cxSBX",
    "cxScores",
    "cxSparse",
    "cxTwoPointPacked",
    "cxUniformPacked",
    "dasDennis",
    "dtlz2",
    "fitting",
    "floorLayers",
    "front",
    "fronts",
    "individual_type",
    "initAround",
    "initBoth",
    "initDensity",
    "initImportance",
    "initSparse",
    "initStripes",
    "initUniform",
    "keepTop",
    "lotz",
    "mutBalanced",
    "mutBoth",
    "mutDrift",
    "mutExchange",
    "mutFlip",
    "mutHeavyTail",
    "mutImportance",
    "mutLayerReset",
    "mutLogNormal",
    "mutPolynomial",
    "mutRemove",
    "mutSparse",
    "mutSwap",
    "neighbourhoods",
    "offers",
    "pbi",
    "ranks",
    "report",
    "scoreAlone",
    "selCrowdedTournament",
    "selNSGA2",
    "selRoulette",
    "selTournament",
    "selTruncation",
    "settle",
    "smop1",
    "smop2",
    "smop3",
    "smop4",
    "smop5",
    "smop6",
    "smop7",
    "smop8",
    "smopBest",
    "smopBounds",
    "smopFront",
    "smopRows",
    "supply",
    "tchebycheff",
    "weightedSum",
    "weightsFor",
    "zdt1",
    "zdt2",
    "zdt3",
    "zdt5",
]
