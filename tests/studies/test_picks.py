"""A network is chosen by what a user writes, and the test split has no say in it."""

from __future__ import annotations

from typing import Any

import pytest

from evoprune.errors import InputError
from evoprune.studies.picks import after_tuning, choose, parsed

DENSE = 0.06
ROWS: list[dict[str, Any]] = [
    {"id": i, "density": density, "search_error": error, "test_error": 1 - error, "macs": macs}
    for i, (density, error, macs) in enumerate(
        [(0.1, 0.5, 0.3), (0.2, 0.1, 0.2), (0.5, 0.07, 0.4), (0.8, 0.065, 0.9), (0.9, 0.065, 0.8)]
    )
]
ROWS.append({"id": 5, "density": 1.0, "search_error": DENSE, "macs": 1.0, "phase": "dense"})
COLUMNS = ("id", "density", "search_error", "search_value", "test_error", "macs", "on_front")


def picked(text: str) -> int:
    return int(choose(parsed(text, COLUMNS), ROWS, DENSE)["id"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3", 3),
        ("5", 5),  # the dense network, by its id
        ("knee", 1),
        ("max-error-rise=0.01", 2),  # .07 - .06 is a little more than .01 in binary
        ("max-error-rise=0.04", 1),
        ("max-error=0.1", 1),
        ("max-density=0.5", 2),
        ("min-error", 3),  # of two with the same error the sparser one
        ("min-density", 0),
        ("min-macs", 1),
        ("min-macs,max-error=0.066", 4),
        ("max-error=0.066,min-macs", 4),
        ("max-error=0.1,max-macs=0.3", 1),
        ("min-error,max-density=0.85,max-macs=0.5", 2),
    ],
)
def test_a_pick_means_a_row(text: str, expected: int) -> None:
    assert picked(text) == expected


def test_the_knee_is_of_what_was_minimised() -> None:
    rows = [{**row, "search_value": 1 - row["density"] ** 4} for row in ROWS]
    assert choose(parsed("knee", COLUMNS), rows, DENSE)["id"] == 0


HEADS = [
    {"id": i, "density": density, "search_error": error, "search_misranked": misranked}
    for i, (density, error, misranked) in enumerate(
        [(0.0, 1.0, 1.0), (0.2, 0.1, 0.9), (0.4, 0.2, 0.2), (1.0, 0.0, 0.0)]
    )
]  # sums 2, 1.2, .8, 1; of error and density alone 1, .3, .6, 1


def test_the_knee_of_three_objectives_is_of_all_three() -> None:
    without = [{k: v for k, v in row.items() if k != "search_misranked"} for row in HEADS]
    assert choose(parsed("knee", COLUMNS), HEADS, DENSE)["id"] == 2
    assert choose(parsed("knee", COLUMNS), without, DENSE)["id"] == 1


def test_what_is_misranked_is_that_of_the_search_split() -> None:
    columns = (*COLUMNS, "search_misranked", "test_misranked")
    assert choose(parsed("min-misranked", columns), HEADS, DENSE)["id"] == 3
    assert choose(parsed("max-misranked=0.5,min-density", columns), HEADS, DENSE)["id"] == 2
    assert choose(parsed("max-misranked=0.9", columns), HEADS, DENSE)["id"] == 3


def test_nothing_is_misranked_where_no_foreign_images_were_shown() -> None:
    with pytest.raises(InputError, match="unknown pick 'min-misranked'"):
        parsed("min-misranked", COLUMNS)


@pytest.mark.parametrize(("text", "nearest"), [("99", "2, 3, 4, 5"), ("-1", "0, 1, 2, 3")])
def test_an_id_that_is_not_there_lists_the_nearest(text: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"one of 6 rows .* got {text}; the nearest are {nearest}"):
        picked(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nee", "unknown pick 'nee': did you mean 'knee'"),
        ("max-eror=0.1", "unknown pick 'max-eror': did you mean 'max-error'"),
        ("min-error-rise", "unknown pick 'min-error-rise'"),
        ("min-test_error", "unknown pick 'min-test_error'"),
        ("min-id", "unknown pick 'min-id'"),
        ("", "unknown pick ''"),
        ("max-error", "expected a number behind max-error=, got 'max-error'"),
        ("max-error=low", "expected a number behind max-error=, got 'max-error=low'"),
        ("min-macs,min-error", "expected one min-, got 2 in 'min-macs,min-error'"),
        ("min-macs=3", "min-macs takes no number"),
        ("knee,max-error=0.1", "unknown pick 'knee'"),
        ("max-error=nan", "expected a number behind max-error="),
    ],
)
def test_what_means_nothing_is_one_line(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as refused:
        picked(text)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "max-error-rise=0.001",
            "expected a network with error-rise of at most 0.001, the least is 0.005, of network 3",
        ),
        ("max-error=0.1,max-macs=0.1", "macs of at most 0.1, the least is 0.2, of network 1"),
    ],
)
def test_a_limit_that_nothing_keeps_names_the_nearest_network(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        picked(text)


def test_a_front_of_the_dense_network_alone_gives_it() -> None:
    assert choose(parsed("min-density", COLUMNS), ROWS[-1:], DENSE)["id"] == 5


def test_a_pick_knows_its_columns() -> None:
    assert parsed("min-macs,max-error-rise=0.1", COLUMNS).columns == {"macs", "search_error"}
    assert parsed("knee", COLUMNS).columns == set()


def test_a_fine_tuned_network_counts_with_the_error_that_it_has_now() -> None:
    rows = [{**row, "search_value": 0.0, "tuned_search_error": ""} for row in ROWS]
    rows[0]["tuned_search_error"] = 0.065
    given = after_tuning(rows)
    assert choose(parsed("max-error-rise=0.01", COLUMNS), given, DENSE)["id"] == 0
    assert [row["search_error"] for row in given[1:]] == [row["search_error"] for row in ROWS[1:]]
    assert all("search_value" not in row for row in given) and "search_value" in rows[0]


def test_a_front_without_fine_tuning_is_offered_as_it_is() -> None:
    assert after_tuning(ROWS) == ROWS
