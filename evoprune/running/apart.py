"""Data sets that must be apart: foreign images are no images of the target, unseen ones are new.

Names do not say it: a folder may hold what another data set holds, and `digits:3-7` shares three
classes with `digits:5-9`. So the images themselves are compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from evoprune.errors import InputError
from evoprune.network.datasets import Dataset


def check_foreign(data: Dataset, foreign: Sequence[Dataset], unseen: Sequence[Dataset]) -> None:
    """Refuse out-of-distribution images that are the target's own, and unseen ones that are not.

    Raises:
        InputError: naming the data set.
    """
    for name, others in (("foreign", foreign), ("unseen", unseen)):
        for other in others:
            check_apart(name, other, data, "the target's")
    for other in unseen:
        for known in foreign:
            check_apart("unseen", other, known, "seen by the search")


def check_apart(name: str, other: Dataset, data: Dataset, whose: str) -> None:
    """Refuse a data set that shares images with another, bit by bit.

    Raises:
        InputError: naming the option and both; a few images, black ones say, may be in both.
    """
    if other.train.images.shape[1:] != data.train.images.shape[1:]:
        return
    theirs = contents(other)
    same = len(theirs & contents(data))
    if same > len(theirs) // 100:
        raise InputError(
            f"{name}: {same} of the {len(theirs)} images of {other.name} are {whose}, "
            f"{data.name}; name a data set of other things"
        )


def contents(data: Dataset) -> set[bytes]:
    """Return a digest of each image of all splits."""
    images = (image for part in (data.train, data.search, data.test) for image in part.images)
    return {blake2b(image.numpy().tobytes(), digest_size=16).digest() for image in images}
