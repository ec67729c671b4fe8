"""Networks so small that every mask of them was evaluated once: how far a run is from the best.

Start with `load`. The tables lie in the package, a look-up takes microseconds, and no torch is
needed. `evoprune enumerate` makes the tables.
"""

from evoprune.enumerated.network import EnumeratedNetwork
from evoprune.enumerated.seen import Seen
from evoprune.enumerated.tables import NAMES, load

__all__ = ["NAMES", "EnumeratedNetwork", "Seen", "load"]
