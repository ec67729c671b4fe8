"""What a transfer is told: the authors' defaults, the embedded task, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from evoprune.errors import InputError
from evoprune.network.heads import HeadTraining
from evoprune.running.transfer_settings import ALGORITHMS, SCHEDULES, SHORT, Transfer

TOLD: dict[str, Any] = {"data": "mnist", "source": "cifar10", "foreign": ("fashion-mnist",)}


def test_the_search_is_the_authors_by_default() -> None:
    """Poyatos et al., 2023: as in their code."""
    default = Transfer()
    assert default.encoding == "features"
    assert default.units == 512
    assert default.algorithm == "steady-state"
    assert default.offspring == 2
    assert default.population == 30
    assert default.evaluations == 200
    assert default.score == "odin"
    assert default.perturbation == 0
    assert default.objectives() == ("error", "density", "misranked")


def test_what_is_ours_is_off_by_default_but_the_controls() -> None:
    default = Transfer()
    assert not default.guided and not default.inherit
    assert default.controls


def test_the_authors_schedule_is_theirs() -> None:
    assert Transfer(schedule="authors").training() == HeadTraining(
        rate=0.001, momentum=0.9, batch=32, epochs=600, patience=10, least=1e-5
    )


def test_a_generational_search_has_as_many_offspring_as_parents() -> None:
    assert Transfer(algorithm="generational", population=12).offspring == 12


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_numbers_that_are_told_go_before_those_of_the_schedule(schedule: str) -> None:
    told = Transfer(schedule=schedule, epochs=7, rate=0.3, batch=11).training()
    assert (told.epochs, told.rate, told.batch) == (7, 0.3, 11)
    given = SCHEDULES[schedule]
    assert (told.momentum, told.patience) == (given.momentum, given.patience)
    assert Transfer(**TOLD, schedule=schedule).training() == given


def test_the_embedded_task_is_short_unless_something_else_is_said() -> None:
    assert Transfer().epochs == SHORT < SCHEDULES["quick"].epochs
    assert Transfer(epochs=30).epochs == 30
    assert Transfer(schedule="authors").training() == SCHEDULES["authors"]
    assert Transfer(**TOLD).epochs is None


def test_the_embedded_task_is_taken_where_nothing_is_said() -> None:
    """Target, foreign and unseen digits share no class."""
    default = Transfer()
    assert (default.data, default.source) == ("digits:5-9", "digits:0-4")
    assert (default.foreign, default.unseen) == (("digits:0-2",), ("digits:3-4",))
    assert (default.model, default.weights) == ("digits-cnn", None)


def test_nothing_of_the_embedded_task_is_taken_where_data_are_named() -> None:
    told = Transfer(**TOLD)
    assert (told.data, told.source) == ("mnist", "cifar10")
    assert (told.foreign, told.unseen) == (("fashion-mnist",), ())


def test_what_is_said_of_the_embedded_task_is_kept() -> None:
    told = Transfer(unseen=("digits:3",))
    assert (told.data, told.foreign, told.unseen) == ("digits:5-9", ("digits:0-2",), ("digits:3",))


def test_whoever_names_foreign_data_sets_names_the_unseen_ones_too() -> None:
    told = Transfer(foreign=("digits:3-4",))
    assert (told.data, told.foreign, told.unseen) == ("digits:5-9", ("digits:3-4",), ())


def test_settings_come_back_from_json_as_they_were() -> None:
    told = Transfer(**TOLD, unseen=("cifar100",), inherit=True, epochs=3, image_size=32)
    assert Transfer.from_json(json.loads(json.dumps(told.to_json()))) == told


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"encoding": "feature"}, "unknown encoding 'feature': did you mean 'features'"),
        ({"algorithm": "steady"}, "unknown algorithm 'steady': did you mean 'steady-state'"),
        ({"schedule": "quik"}, "unknown schedule 'quik': did you mean 'quick'"),
        ({"score": "max_softmax"}, "unknown score 'max_softmax': did you mean 'max-softmax'"),
        ({"measure": "soft-error"}, "unknown measure 'soft-error': did you mean 'soft_error'"),
        ({"pool": 0}, "pool: expected at least 1, got 0"),
        ({"units": 0}, "units: expected at least 1, got 0"),
        ({"image_size": 0}, "image-size: expected at least 1, got 0"),
        ({"train_images": 0}, "train-images: expected at least 1, got 0"),
        ({"search_images": 0}, "search-images: expected at least 1, got 0"),
        ({"population": 3}, "population: expected at least 4, got 3"),
        ({"evaluations": 29}, "evaluations: expected at least the population, 30, got 29"),
        ({"epochs": 0}, "epochs: expected from 1 on, got 0"),
        ({"rate": -1.0}, "rate: expected above 0, got -1"),
        ({"batch": 0}, "batch: expected from 1 on, got 0"),
        ({"perturbation": -0.1}, "perturbation: expected 0 or more, got -0.1"),
        ({"perturbation": float("nan")}, "perturbation: expected 0 or more, got nan"),
        ({"perturbation": float("inf")}, "perturbation: expected 0 or more, got inf"),
        ({"perturbation": 0.1, "score": "energy"}, "perturbation: it is ODIN's; .* not energy"),
        (
            {**TOLD, "foreign": ()},
            "foreign: expected at least one data set .* --foreign fashion",
        ),
        ({**TOLD, "foreign": ("mnist",)}, "foreign: mnist is the target itself; name a data set"),
        ({**TOLD, "unseen": ("mnist",)}, "unseen: mnist is the target itself; name a data set"),
        (
            {**TOLD, "unseen": ("fashion-mnist",)},
            "unseen: fashion-mnist is one of those that the search sees; name another",
        ),
        (
            {**TOLD, "source": None},
            "source: digits-cnn has no weights; write --weights FILE",
        ),
    ],
)
def test_bad_settings_are_refused_in_one_line(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        Transfer(**wrong)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_as_many_evaluations_as_individuals_are_enough(algorithm: str) -> None:
    assert Transfer(algorithm=algorithm, population=4, evaluations=4).evaluations == 4
