"""Some classes of a data set, chosen in its name: `digits:5-9`, `cifar10:0-4`, `mnist:0,2,4`.

The numbers are places in the data set's own order of classes, from 0 on. A folder's name ends with
its path, so it has no such choice.
"""

from __future__ import annotations

import re

from evoprune.errors import InputError

PLACES = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?")  # 7, or 5-9 with both ends


def base_name(name: str) -> str:
    """Return the name of the whole data set.

    >>> base_name("digits:5-9"), base_name("digits"), base_name("folder:/photos/a:0-4")
    ('digits', 'digits', 'folder:/photos/a:0-4')
    """
    return name if name.startswith("folder:") else name.partition(":")[0]


def chosen_places(name: str, classes: int) -> list[int]:
    """Return the places of the classes that a name chooses, in the order that it writes them.

    Args:
        name: BASE:PLACES, where PLACES are numbers and ranges between commas.
        classes: of the whole data set.

    Raises:
        InputError: if PLACES cannot be read, lie outside the classes or name one twice.

    >>> chosen_places("digits:0-2,7", 10)
    [0, 1, 2, 7]
    """
    base = base_name(name)
    chosen: list[int] = []
    for part in name.removeprefix(f"{base}:").split(","):
        chosen += _read(part, name, base, classes)
    twice = [place for place in chosen if chosen.count(place) > 1]
    if twice:
        raise InputError(f"data {name}: expected each class once, got {twice[0]} twice")
    return chosen


def _read(part: str, name: str, base: str, classes: int) -> range:
    """Read one number or range."""
    match = PLACES.fullmatch(part)
    if match is None:
        raise InputError(
            f"data {name}: expected the places of classes, got {part!r}; "
            f"write {base}:0-4 or {base}:0,2,4"
        )
    first, last = int(match[1]), int(match[2] or match[1])
    if max(first, last) >= classes:
        raise InputError(
            f"data {name}: expected classes from 0 to {classes - 1}, got {max(first, last)}"
        )
    if first > last:
        raise InputError(f"data {name}: the range {part} is empty; write {base}:{last}-{first}")
    return range(first, last + 1)
