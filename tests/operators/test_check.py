"""What `check` takes, what it says of operators that cannot be tried, and what it leaves alone."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import numpy as np
import pytest
from deap import tools

from operators.contract import Finding, check, report
from operators.layout import Layout
from operators.mutation import mutFlip
from operators.tries import cases, ground, slot_of

Rng = np.random.Generator


def status(findings: list[Finding], name: str) -> tuple[str, str]:
    (found,) = (found for found in findings if found.name == name)
    return found.status, found.words


def mutWild(individual: Any, *, rng: Rng, add: float = 0.0) -> Any:
    individual.array += rng.normal(size=len(individual)) + add
    return (individual,)


def mutGrows(individual: Any, *, rng: Rng) -> Any:
    individual.array = np.append(individual.array, rng.random())
    return (individual,)


def mutNeedy(individual: Any, *, gradient: Any, rng: Rng) -> Any:
    return (individual,)


def mutNeverRuns(individual: Any) -> Any:
    raise KeyError("score")


def test_reals_that_leave_their_bounds_are_wrong() -> None:
    found = status(check(mutWild, genome="thresholds"), "leaves valid genes")
    assert found[0] == "wrong" and "clampBounds(individual, low, high)" in found[1]


def test_reals_that_are_nan_are_wrong() -> None:
    found = status(check(mutWild, genome="thresholds", add=np.nan), "leaves valid genes")
    assert found == ("wrong", "leaves NaN, on an empty vector of 1 gene; look for a 0 / 0")


def test_a_vector_that_grows_is_wrong_in_this_alone() -> None:
    (found,) = (f for f in check(mutGrows, genome="thresholds") if f.status == "wrong")
    assert (found.name, found.words[:17]) == ("keeps the length", "leaves 2 genes, o")


@pytest.mark.parametrize("packed", [lambda p: p[:-1], lambda p: p.astype(float), lambda p: None])
def test_a_mask_whose_bytes_are_broken_is_wrong_in_this_alone(packed: Any) -> None:
    def mutBroken(individual: Any) -> Any:
        individual.packed = packed(individual.packed)
        return (individual,)

    (found,) = (f for f in check(mutBroken) if f.status == "wrong")
    assert found.name == "leaves valid genes" and "write `individual[:] = genes`" in found.words


def test_an_operator_may_be_any_callable() -> None:
    class Flip:
        def __call__(self, individual: Any, *, rng: Rng) -> Any:
            return mutFlip(individual, rate=0.1, rng=rng)

    assert not [f for f in check(Flip(), slot="mutate") if f.status in ("wrong", "mind")]


def test_deaps_own_operators_may_draw_from_python() -> None:
    findings = check(tools.mutFlipBit, indpb=0.1)
    assert status(findings, "draws from its rng alone") == (
        "mind",
        "draws from Python's `random`, which a run seeds and saves",
    )
    assert not [found for found in findings if found.status == "wrong"]


def test_an_operator_around_one_of_deaps_may_not() -> None:
    def mutAround(individual: Any) -> Any:
        return tools.mutFlipBit(individual, 0.1)

    assert status(check(mutAround), "draws from its rng alone")[0] == "wrong"


def test_what_nobody_offers_is_a_finding_and_nothing_else_is_asked() -> None:
    first, *others = check(mutNeedy)
    assert first.status == "wrong"
    assert first.words.startswith("mutNeedy: nobody offers 'gradient', which it needs")
    assert {found.status for found in others} == {"not asked"}


def test_an_operator_that_takes_no_individuals_is_a_finding() -> None:
    def cxAlone(individual: Any) -> Any: ...

    assert check(cxAlone)[0].words.startswith("cxAlone: expected 2 arguments in front")


def test_of_an_operator_that_never_ran_through_nothing_else_is_asked() -> None:
    findings = check(mutNeverRuns)
    assert status(findings, "runs through")[0] == "wrong"
    assert {found.status for found in findings} == {"ok", "wrong", "not asked"}
    assert status(findings, "returns a tuple") == ("not asked", "it never ran through")


def test_the_error_comes_with_its_line() -> None:
    line = mutNeverRuns.__code__.co_firstlineno + 1
    assert f"test_check.py:{line}, on an empty" in status(check(mutNeverRuns), "runs through")[1]


def test_settings_reach_the_operator() -> None:
    assert status(check(mutFlip, rate=0.0), "changes something")[0] == "mind"
    assert status(check(partial(mutFlip, rate=0.0)), "changes something")[0] == "mind"
    assert status(check(mutFlip, rate=0.5), "changes something")[0] == "ok"


def test_a_density_that_is_set_is_not_asked_for() -> None:
    def initDense(container: Any, *, size: int, density: float, rng: Rng) -> Any:
        return container(rng.random(size) < density)

    assert status(check(initDense), "reaches the density")[0] == "ok"
    assert status(check(initDense, density=0.9), "reaches the density")[0] == "not asked"


def test_a_name_without_a_prefix_needs_a_slot() -> None:
    def thin(individual: Any, *, rng: Rng) -> Any:
        return mutFlip(individual, rate=0.1, rng=rng)

    with pytest.raises(ValueError, match="slot: expected a name with a prefix of init, cx, mut, s"):
        check(thin)
    assert not [found for found in check(thin, slot="mutate") if found.status == "wrong"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"slot": "mutat"}, "slot: expected one of init, mate, mutate, select, got 'mutat'"),
        ({"genome": "bits"}, "genome: expected 'mask', 'thresholds' or a Layout, got 'bits'"),
        ({"rat": 0.1}, "mutFlip: unknown setting 'rat', did you mean 'rate'"),
    ],
)
def test_what_cannot_be_checked_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(mutFlip, **arguments)


def test_a_layout_is_the_only_genome_tried() -> None:
    layout = Layout.plain([3, 4])
    assert all(case.space is layout for case in cases(mutFlip, "mutate", layout))
    assert not [found for found in check(mutFlip, genome=layout) if found.status == "wrong"]


def test_the_global_generators_come_back_as_they_were() -> None:
    def mutGlobal(individual: Any) -> Any:
        random.random()
        np.random.rand()  # noqa: NPY002
        return (individual,)

    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = random.random(), np.random.rand()  # noqa: NPY002
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    check(mutGlobal)
    assert (random.random(), np.random.rand()) == expected  # noqa: NPY002


def test_parents_lie_in_the_corridor_of_those_who_ask_for_it() -> None:
    def mutAsks(individual: Any, *, core: Any, support: Any) -> Any: ...

    def outside(operator: Any) -> int:
        tried = list(cases(operator, "mutate", "mask"))
        return sum(
            bool((c.genes & ~c.space.support | ~c.genes & c.space.core).any()) for c in tried
        )

    assert outside(mutAsks) == 0 < outside(mutFlip)


def test_every_second_parent_has_drifted_before() -> None:
    planned = list(cases(mutFlip, "mutate", "mask"))
    drifted = {case.seed: hasattr(case.individuals()[0], "score") for case in planned}
    assert drifted == {seed: seed % 2 == 1 for seed in range(len(planned))}


def test_no_two_cases_draw_the_same_random_numbers() -> None:
    for slot in ("init", "mate", "mutate", "select"):
        seeds = [case.seed for case in cases(mutFlip, slot, "mask")]
        assert len(set(seeds)) == len(seeds)


def test_a_single_gene_set_anywhere_is_found_outside_of_the_support() -> None:
    def mutAnywhere(individual: Any, *, support: Any, rng: Rng) -> Any:
        individual[int(rng.integers(len(individual)))] = 1
        return (individual,)

    found = status(check(mutAnywhere), "stays in the corridor")
    assert found[0] == "wrong" and "sets genes outside the support" in found[1]


def test_an_initialiser_that_hands_out_one_individual_again_is_wrong() -> None:
    known: dict[int, Any] = {}

    def initOnce(container: Any, *, size: int) -> Any:
        return known.setdefault(size, container([1] * size))

    found = status(check(initOnce), "makes what the container makes")
    assert found[0] == "wrong" and "one and the same individual" in found[1]


@pytest.mark.parametrize("change", [lambda several: several.reverse(), lambda one: one.pop()])
def test_a_selection_that_changes_the_list_it_chooses_from_is_wrong_in_this_alone(
    change: Any,
) -> None:
    def selSpoils(individuals: Any, k: int) -> Any:
        change(individuals)
        return individuals[:k]

    (found,) = (one for one in check(selSpoils) if one.status == "wrong")
    assert found.name == "leaves what is lent"
    assert "changes the list of individuals that it was lent, of 12 masks" in found.words


def test_an_operator_that_asks_whether_parents_drifted_may_be_deaf_all_the_same() -> None:
    def mutByDrift(individual: Any, *, rng: Rng) -> Any:
        individual[0] = int(hasattr(individual, "score"))
        return (individual,)

    assert status(check(mutByDrift), "listens to its rng")[0] == "mind"


def test_a_made_up_space_has_four_layers_and_a_corridor_with_room() -> None:
    space = ground(1000)
    assert len(space.names) == 4 and len(set(np.diff(space.offsets))) == 3
    assert space.support.mean() == 0.85 and space.core.mean() == 0.1


@pytest.mark.parametrize(
    ("name", "slot"),
    [("initA", "init"), ("cxA", "mate"), ("mutA", "mutate"), ("selA", "select")],
)
def test_the_slot_is_read_off_the_name(name: str, slot: str) -> None:
    assert slot_of(name) == slot


def test_the_report_begins_with_what_is_wrong_and_ends_with_what_does_not_apply() -> None:
    findings = [
        Finding("a", "not asked"),
        Finding("b", "ok"),
        Finding("c", "mind", "so"),
        Finding("d", "wrong", "not so"),
        Finding("e", "ok"),
    ]
    assert report(findings).splitlines() == [
        "WRONG      d: not so",
        "mind       c: so",
        "ok         b, e",
        "not asked  a",
    ]


def test_a_long_line_of_the_report_goes_on_below_its_words() -> None:
    first, second = report([Finding("name", "wrong", "word " * 25)]).splitlines()
    assert len(first) <= 98 and second.startswith(" " * 11 + "word")
