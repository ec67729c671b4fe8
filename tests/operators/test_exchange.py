"""Exchange by a quadratic model: worked by hand, and beside all masks tried out."""

from __future__ import annotations

from itertools import combinations, product
from typing import Any

import numpy as np
import pytest

from operators.exchange import Damage, mutExchange
from operators.genomes import BitString

GENES = 8
RNG = np.random.default_rng(0)
ROWS, MISSES = RNG.normal(size=(30, GENES)), RNG.normal(size=30)


def see(individual: Any) -> tuple[np.ndarray, np.ndarray]:
    """Answer for outputs that are linear in the bits, so that the model is exact."""
    return ROWS, MISSES + ROWS @ (individual.to_numpy().astype(float) - 1)


def cost(bits: Any) -> float:
    return float(np.mean((MISSES + ROWS @ (np.asarray(bits, float) - 1)) ** 2))


def exchanged(bits: Any, **settings: Any) -> BitString:
    mask = BitString(bits)
    settings = {"sensitivity": see, "layers": [0, GENES], **settings}
    return mutExchange(mask, **settings)[0]


def test_the_model_of_linear_outputs_is_their_damage_at_every_mask() -> None:
    damage = Damage(GENES)
    damage.learn(np.ones(GENES), ROWS, MISSES)
    for bits in RNG.random((20, GENES)) < 0.5:
        assert damage.of(bits) == pytest.approx(cost(bits))


def test_every_row_weighs_alike_whichever_call_brought_it() -> None:
    parts, whole = Damage(GENES), Damage(GENES)
    whole.learn(np.ones(GENES), ROWS, MISSES)
    parts.learn(np.ones(GENES), ROWS[:7], MISSES[:7])
    parts.learn(np.ones(GENES), ROWS[7:], MISSES[7:], decay=1.0)
    for bits in RNG.random((20, GENES)) < 0.5:
        assert parts.of(bits) == pytest.approx(whole.of(bits))


def test_a_model_goes_on_from_its_state() -> None:
    damage, other = Damage(GENES), Damage(GENES)
    damage.learn(np.ones(GENES), ROWS[:9], MISSES[:9])
    other.restore(damage.state())
    for each in (damage, other):
        each.learn(np.zeros(GENES), ROWS, MISSES, decay=0.5)
    assert other.of([1, 0] * 4) == damage.of([1, 0] * 4)


def test_rows_of_two_masks_weigh_by_the_decay() -> None:
    damage, rows = Damage(1), np.array([[1.0]])
    damage.learn([1], rows, np.array([0.0]))  # (m - 1)^2
    damage.learn([1], rows, np.array([1.0]), decay=0.5)  # m^2
    assert damage.of([0]) == pytest.approx((0.5 * 1 + 0) / 1.5)
    assert damage.of([1]) == pytest.approx((0 + 1) / 1.5)


@pytest.mark.parametrize("count", [1, 3, 5, 8])
def test_the_count_that_is_asked_for_is_reached_from_above_and_below(count: int) -> None:
    assert exchanged([1] * GENES, count=count).count() == count
    assert exchanged([1, *[0] * (GENES - 1)], count=count).count() == count


def test_without_a_count_as_many_are_kept_as_before() -> None:
    assert exchanged([1, 0, 1, 0, 1, 0, 0, 0]).count() == 3


def test_no_single_exchange_is_left_that_saves_anything() -> None:
    bits = exchanged([1, 1, 1, 0, 0, 0, 0, 0]).to_numpy()
    for on in np.flatnonzero(bits):
        for off in np.flatnonzero(~bits):
            other = bits.copy()
            other[[on, off]] = False, True
            assert cost(other) >= cost(bits) - 1e-9


def test_the_best_of_all_masks_is_left_as_it_is() -> None:
    every = [np.isin(np.arange(GENES), kept) for kept in combinations(range(GENES), 4)]
    best = min(every, key=cost)
    assert exchanged(best).to_numpy().tolist() == best.tolist()


def test_without_swaps_the_cheapest_gene_leaves() -> None:
    costs = [cost(np.arange(GENES) != gene) for gene in range(GENES)]
    left = exchanged([1] * GENES, count=GENES - 1, swaps=0)
    assert left.to_numpy().tolist() == [gene != np.argmin(costs) for gene in range(GENES)]


def test_the_score_is_what_each_gene_saves() -> None:
    mask = exchanged([1, 1, 1, 1, 0, 0, 0, 0], swaps=0)
    for gene in range(GENES):
        without, with_it = mask.to_numpy(), mask.to_numpy()
        without[gene], with_it[gene] = False, True
        assert mask.score[gene] == pytest.approx(cost(without) - cost(with_it), abs=1e-5)


def test_a_layer_keeps_its_last_gene() -> None:
    layers = [0, 3, 6, GENES]
    mask = exchanged([1] * GENES, count=1, layers=layers).to_numpy()
    assert np.add.reduceat(mask.astype(int), layers[:-1]).tolist() == [1, 1, 1]


def test_a_model_that_is_handed_over_learns() -> None:
    damage = Damage(GENES)
    exchanged([1] * GENES, damage=damage)
    exchanged([1] * GENES, damage=damage, decay=0.5)
    assert damage.weight == 1.5 * len(ROWS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"count": 0}, "count: expected 1 to 8 genes, got 0"),
        ({"count": 9}, "count: expected 1 to 8 genes, got 9"),
        ({"swaps": -1}, "swaps: expected 0 or more"),
        ({"decay": 2.0}, "decay: expected a share from 0 to 1, got 2"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        exchanged([1] * GENES, **settings)


def drawn(seed: int, **settings: Any) -> BitString:
    return exchanged([1, 1, 1, 1, 0, 0, 0, 0], rng=np.random.default_rng(seed), **settings)


def test_a_drawn_exchange_moves_as_many_pairs_as_asked_and_no_gene_twice() -> None:
    before = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    for seed, swaps in product(range(5), (1, 2, 3)):
        mask = drawn(seed, swaps=swaps).to_numpy()
        assert mask.sum() == 4 and np.count_nonzero(mask != before) == 2 * swaps


def test_drawn_from_one_pair_it_is_the_best_exchange() -> None:
    assert drawn(0, swaps=1, best=1) == exchanged([1, 1, 1, 1, 0, 0, 0, 0], swaps=1)


def test_drawn_from_the_best_pairs_the_others_never_come() -> None:
    pairs = {}
    for leaving, coming in product(range(4), range(4, 8)):
        bits = np.array([1, 1, 1, 1, 0, 0, 0, 0])
        bits[[leaving, coming]] = 0, 1
        pairs[tuple(bits)] = cost(bits)
    best = set(sorted(pairs, key=pairs.__getitem__)[:3])
    assert {tuple(drawn(seed, swaps=1, best=3).to_numpy()) for seed in range(40)} == best


def test_a_drawn_exchange_is_the_same_for_the_same_seed() -> None:
    assert drawn(3) == drawn(3)


def test_no_draw_takes_the_last_gene_of_a_layer() -> None:
    bits = [1, 0, 1, 1, 1, 0, 0, 0]
    for seed in range(10):
        mask = exchanged(bits, layers=[0, 2, 5, GENES], rng=np.random.default_rng(seed))
        assert mask.to_numpy()[:2].any() and mask.to_numpy()[2:5].any()


def test_where_all_are_kept_there_is_nothing_to_draw() -> None:
    assert exchanged([1] * GENES, rng=np.random.default_rng(0)).count() == GENES
