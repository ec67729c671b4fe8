"""The study of regret: equal starts, equal budgets, corrected tests, and every pass paid for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import guided  # both from tests/benchmarks, which pyproject.toml names to pytest
import numpy as np
import pytest
import regret

from evoprune.enumerated import EnumeratedNetwork, Seen, load
from operators import BitString
from operators.catalogue import fitting


@pytest.fixture(scope="module")
def network() -> EnumeratedNetwork:
    return load("groups")


def first_genomes(seen: Seen) -> list[bytes]:
    return list(seen._known)[: regret.POPULATION // 2]


def test_holm_by_hand() -> None:
    # 0.01 * 3, then 0.03 * 2, then 0.04 * 1, which may not be less than the one before.
    assert regret.holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert regret.holm([0.9, 0.8]) == [1.0, 1.0] and regret.holm([]) == []


def test_random_search_sees_exactly_its_budget(network: EnumeratedNetwork) -> None:
    assert len(regret.at_random(network, 3, 50)) == 50


def test_all_searches_of_a_seed_start_from_the_same_individuals(
    network: EnumeratedNetwork,
) -> None:
    drawn = first_genomes(regret.at_random(network, 5, 50))
    for loop in regret.LOOPS:
        run = regret.searched(network, loop, "cxLayers", "mutSwap", 5, lambda _: True)
        assert first_genomes(run) == drawn


@pytest.mark.parametrize("name", fitting("mutate", "mask"))
def test_every_mutation_of_the_library_runs(network: EnumeratedNetwork, name: str) -> None:
    def enough(seen: Seen) -> bool:
        return len(seen) >= 40

    run = regret.searched(network, "NSGA-II", regret.MATE, name, 0, enough)
    assert len(run) >= 40 and 0 < network.regret(run.points(40)) < 1


@pytest.mark.parametrize("name", fitting("mate", "mask"))
def test_every_crossover_of_the_library_runs(network: EnumeratedNetwork, name: str) -> None:
    run = regret.searched(network, "MOEA/D", name, regret.MUTATE, 0, lambda seen: len(seen) >= 40)
    assert len(run) >= 40


def test_without_variation_nothing_is_seen_beyond_the_first_population(
    network: EnumeratedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(regret, "PATIENCE", 1)
    for loop in regret.LOOPS:
        run = regret.searched(network, loop, "no crossover", "no mutation", 0, lambda _: False)
        assert len(run) <= regret.POPULATION


def test_the_same_seed_gives_the_same_run(network: EnumeratedNetwork) -> None:
    arguments = (network, "NSGA-II", "cxUniformPacked", "mutFlip", 7, lambda seen: len(seen) > 60)
    one, other = regret.searched(*arguments), regret.searched(*arguments)
    assert one.points().tolist() == other.points().tolist()


def test_the_table_is_sorted_and_says_which_is_lower() -> None:
    rng, few = np.random.default_rng(0), np.ones(12)
    rows = [("worse", 0.5 + rng.random(12) / 9, few, few), ("better", rng.random(12) / 9, few, few)]
    head, _, first, second = regret.table(rows, ["worse"])
    assert head.endswith("| against worse |")
    assert first.startswith("| better | ") and "| less, 0.00049 |" in first  # 2 / 2 ** 12
    assert second.startswith("| worse | ") and second.endswith("|  |")


def test_no_difference_is_no_evidence() -> None:
    row = np.full(8, 0.5)
    rows = [("one", row, row, row), ("other", row, row, row)]
    assert regret.chances(rows, "one") == {"other": "1.00"}


def test_a_purse_pays_for_images_and_three_times_for_gradients(
    network: EnumeratedNetwork,
) -> None:
    purse = guided.Purse(network, images=100)
    purse.evaluate(BitString([1] * 14))
    purse.saliency(BitString([1] * 14))
    purse.evaluate(BitString([0] * 14))
    assert purse.when == [300, 900]


def test_genomes_beyond_the_budget_do_not_count(
    network: EnumeratedNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guided, "PASSES", 600)
    purse = guided.Purse(network, images=100)
    purse.when = [300, 600, 601]
    assert purse.afforded() == 2


@pytest.mark.parametrize(
    ("drop", "changed"), [(True, [1, 0, 0, 0]), (False, [1, 0, 1, 1])], ids=["drop", "set"]
)
def test_the_best_flip_by_hand(
    monkeypatch: pytest.MonkeyPatch, drop: bool, changed: list[int]
) -> None:
    class Certain:
        def random(self) -> float:
            return 0.0 if drop else 0.9

    worth: Callable[[Any], Any] = lambda _: np.array([5.0, 2.0, 1.0, 3.0])  # noqa: E731
    (found,) = guided.mutBest(BitString([1, 0, 1, 0]), saliency=worth, rng=Certain())
    assert list(found) == changed


@pytest.mark.parametrize("bits", [[0, 0], [1, 1]])
def test_the_best_flip_of_one_kind_may_have_no_gene(bits: list[int]) -> None:
    for seed in range(6):
        mask = BitString(bits)
        guided.mutBest(mask, saliency=lambda _: np.ones(2), rng=np.random.default_rng(seed))
        assert abs(mask.count() - sum(bits)) <= 1


def test_the_table_of_guesses_holds_every_living_mask(network: EnumeratedNetwork) -> None:
    lines = [line for line in guided.agreement() if line[2:3].isdigit()]
    counts = [int(line.split("|")[2].replace(",", "")) for line in lines]
    assert sum(counts) == len(guided.living(network)) == 31 * 31 * 15 - 1  # not the full one
