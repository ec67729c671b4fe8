"""Named streams: same seed, same numbers; one stream never disturbs another."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from evoprune import seeding
from evoprune.errors import InputError, unknown
from evoprune.seeding import NAMES, Streams


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_numbers(name: str) -> None:
    first, second = getattr(Streams(3), name), getattr(Streams(3), name)
    assert first.random(5).tolist() == second.random(5).tolist()


def test_streams_and_seeds_all_differ() -> None:
    numbers = {getattr(Streams(seed), name).random() for seed in range(5) for name in NAMES}
    assert len(numbers) == 5 * len(NAMES)


def test_a_new_stream_changes_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    before = Streams(0).mutate.random()
    monkeypatch.setattr(seeding, "NAMES", ("extra", *NAMES))
    assert Streams(0).mutate.random() == before


def test_pythons_own_random_is_seeded_too() -> None:
    Streams(7)
    before = random.random()
    Streams(7)
    assert random.random() == before


def test_streams_go_on_where_they_were_after_a_way_through_json() -> None:
    streams = Streams(1)
    streams.mate.normal(size=3)
    random.gauss(0, 1)
    saved = json.loads(json.dumps(streams.state()))
    expected = [getattr(streams, name).random() for name in NAMES], random.gauss(0, 1)
    other = Streams(99)
    other.restore(saved)
    assert ([getattr(other, name).random() for name in NAMES], random.gauss(0, 1)) == expected
    assert other.seed == 1


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_a_seed_that_is_no_natural_number_is_refused(seed: object) -> None:
    with pytest.raises(InputError, match="seed: expected an integer of 0 or more, got"):
        Streams(seed)  # type: ignore[arg-type]


def test_numpy_integers_are_seeds() -> None:
    assert Streams(np.int64(2)).init.random() == Streams(2).init.random()


def test_a_misspelt_name_brings_the_nearest() -> None:
    assert str(unknown("method", "hierachical", ["emofp", "hierarchical"])) == (
        "unknown method 'hierachical': did you mean 'hierarchical'? Known: emofp, hierarchical"
    )


def test_a_name_like_no_other_brings_only_the_list() -> None:
    assert "did you mean" not in str(unknown("method", "zzz", ["emofp", "hierarchical"]))
