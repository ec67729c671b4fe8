"""Places that a file names: which of many are kept, as plain data that somebody else may have made.

What is read from a file is checked before it is believed.
"""

from __future__ import annotations

from typing import Any

from evoprune.errors import InputError


def rising(kept: Any, size: int, what: str) -> list[int]:
    """Return places as they are, if they rise and lie within a size.

    Args:
        kept: what was read; it should be a list of whole numbers, one or more.
        size: how many places there are.
        what: they are of, in words.

    Raises:
        InputError: if it is anything else.

    >>> rising([0, 3], 4, "features")
    [0, 3]
    """
    whole = isinstance(kept, list) and all(type(place) is int for place in kept)
    if not whole or not kept or sorted(set(kept)) != kept or kept[0] < 0 or kept[-1] >= size:
        raise InputError(
            f"recipe: expected rising places from 0 to {size - 1} as the {what}, got "
            f"{kept!r:.60}; export the network anew"
        )
    return list(kept)
