"""The numbers of an X-ray are those that follow from what an operator is known to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from operators.catalogue import CATALOGUE
from operators.crossover import cxLayers, cxTwoPointPacked, cxUniformPacked
from operators.drift import cxScores, mutDrift
from operators.initialise import initDensity, initImportance
from operators.layout import Layout
from operators.mutation import mutFlip, mutImportance, mutSwap
from operators.selection import selNSGA2
from operators.xray import DENSITIES, MIDDLE, Choices, XRay, xray

Rng = np.random.Generator
RUNS = 2000


def seen(operator: Any, runs: int = RUNS, **settings: Any) -> XRay:
    made = xray(operator, runs=runs, **settings)
    assert isinstance(made, XRay)
    return made


def by_hand(slot: str, before: Any, after: Any, genome: str = "mask") -> XRay:
    """An X-ray of a few runs that can be counted: two layers, of two genes and of one."""
    layout = Layout.plain([2, 1], score=[3, 1, 2])
    kind = bool if genome == "mask" else float
    density = np.full(len(after), 0.5)
    arrays = np.array(before, kind), np.array(after, kind)
    return XRay("mutHand", {}, slot, genome, layout, density, *arrays)


ONE = by_hand("mutate", [[[1, 0, 0]], [[1, 1, 0]]], [[[0, 0, 1]], [[1, 1, 0]]])
PAIR = by_hand("mate", [[[1, 1, 1], [0, 0, 1]]], [[[1, 0, 1], [0, 1, 1]]])


def test_what_is_touched_cleared_and_set_is_counted_gene_by_gene() -> None:
    assert ONE.touched().tolist() == [0.5, 0, 0.5]
    assert ONE.cleared().tolist() == [0.5, 0, 0]
    assert ONE.restored().tolist() == [0, 0, 0.5]


def test_genes_are_gathered_by_layer_and_by_score() -> None:
    assert ONE.by_layer(np.array([1.0, 3.0, 5.0])).tolist() == [2, 5]
    assert ONE.by_score(np.array([1.0, 3.0, 5.0]), 3).tolist() == [3, 5, 1]


def test_what_a_child_holds_is_counted_where_the_parents_differ() -> None:
    assert PAIR.held(0).tolist() == [1, 0, 0]
    assert PAIR.held(1).tolist() == [0, 1, 0]


def test_distance_counts_the_genes_that_differ_and_unchanged_the_children_without() -> None:
    assert ONE.distance().tolist() == [2, 0] and ONE.unchanged() == 0.5


def test_the_distance_of_reals_is_the_mean_absolute_change() -> None:
    one = by_hand("mutate", [[[0.5, 0.5, 0.5]]], [[[0.5, 0.2, 0.8]]], "thresholds")
    assert one.distance() == pytest.approx([0.2])


def test_the_way_to_the_other_parent_is_nan_where_parents_do_not_differ() -> None:
    assert np.array_equal(PAIR.crossed(), [[[0, 1, np.nan], [0, 1, np.nan]]], equal_nan=True)
    assert PAIR.inherited().tolist() == [0.5, 0.5]


def test_a_blend_lies_between_or_beyond_its_parents() -> None:
    pair = by_hand("mate", [[[0, 0, 0], [1, 1, 1]]], [[[0.25, -0.5, 1], [1, 1, 1]]], "thresholds")
    assert pair.crossed()[0, 0].tolist() == [0.25, -0.5, 1]


def test_linkage_counts_the_pairs_of_genes_from_the_same_parent() -> None:
    before, after = [[[1, 1, 1], [0, 0, 0]]] * 2, [[[1, 1, 0], [0, 0, 1]], [[1, 1, 1], [0, 0, 0]]]
    # gene 0 and 1 always stay together, 1 and 2 in one run of two: 3 of 4 neighbours
    assert by_hand("mate", before, after).linkage().tolist() == [1, 0.75, 0.5]


def test_the_busier_child_is_the_one_that_takes_more() -> None:
    before = [[[1, 1, 1], [0, 0, 0]]]
    assert by_hand("mate", before, [[[1, 1, 1], [1, 0, 0]]]).busier() == 1
    assert by_hand("mate", before, [[[1, 1, 0], [1, 0, 0]]]).busier() == 0
    winner_stays = by_hand("mate", before, [[[1, 1, 1], [1, 1, 0]]])
    assert winner_stays.linkage().tolist() == [1, 0.5, 0]


def test_newborn_are_compared_with_the_next_of_the_middle_density() -> None:
    made = by_hand("init", np.zeros((2, 0, 3)), [[[1, 0, 1]], [[1, 1, 0]]])
    assert made.distance().tolist() == [2, 2]


@pytest.mark.parametrize(("slot", "children"), [("mutate", 1), ("mate", 2)])
def test_the_drift_has_a_standard_error_over_runs(slot: str, children: int) -> None:
    before, after = np.zeros((4, children, 3)), np.zeros((4, children, 3))
    after[:2] = 1  # two of four runs set all genes: mean 1/2, deviation 1/2, error 1/4
    four = by_hand(slot, before, after)
    many = XRay(
        **{
            **vars(four),
            "density": np.repeat(DENSITIES, 4),
            "before": np.tile(four.before, (5, 1, 1)),
            "after": np.tile(four.after, (5, 1, 1)),
        }
    )
    band = many.drift()
    assert band.mean.tolist() == [0.5] * 5 and band.error.tolist() == [0.25] * 5
    assert band.low.tolist() == [0] * 5 and band.high.tolist() == [1] * 5


def test_flipping_touches_every_gene_with_its_rate_and_drifts_to_the_middle() -> None:
    flipped = seen(mutFlip, rate=0.1)
    assert flipped.touched() == pytest.approx(0.1, abs=0.035)
    expected = 0.1 * (1 - 2 * np.array(DENSITIES))
    assert flipped.drift().mean == pytest.approx(expected, abs=0.01)
    assert flipped.distance().mean() == pytest.approx(6.4, abs=0.3)
    assert seen(mutFlip, rate=0.0).unchanged() == 1


def test_swapping_keeps_the_density_of_every_single_run() -> None:
    band = seen(mutSwap, rate=0.5).drift()
    assert not np.any([band.mean, band.low, band.high])


def test_a_mutation_that_only_clears_shows_at_once() -> None:
    def mutThin(individual: Any, *, rng: Rng) -> Any:
        individual[np.flatnonzero(rng.random(len(individual)) < 0.2)] = 0
        return (individual,)

    thinned = seen(mutThin)
    assert thinned.drift().mean == pytest.approx(-0.2 * np.array(DENSITIES), abs=0.02)
    assert not thinned.restored().any()


def test_a_mutation_by_importance_clears_low_scores_and_sets_high_ones() -> None:
    traded = seen(mutImportance, rate=0.5, temperature=0.1)
    cleared, restored = traded.by_score(traded.cleared(), 4), traded.by_score(traded.restored(), 4)
    assert cleared[0] > 5 * cleared[-1] and restored[-1] > 5 * restored[0]


def test_genes_of_a_uniform_crossover_travel_alone() -> None:
    mixed = seen(cxUniformPacked, rate=0.5)
    assert mixed.linkage()[1:50] == pytest.approx(0.5, abs=0.05)
    assert mixed.inherited().mean() == pytest.approx(0.5, abs=0.02)


def test_two_cuts_part_two_genes_as_often_as_one_of_them_falls_between() -> None:
    n, d = 64, np.arange(1, 60)
    inside = d / (n - 1)  # chance of a cut between: 63 places to cut; just one of two is wanted
    apart = 2 * inside * (1 - inside) * (n - 1) / (n - 2)
    assert seen(cxTwoPointPacked, 4000).linkage()[1:60] == pytest.approx(1 - apart, abs=0.08)


def test_genes_of_a_layer_stay_together_through_a_crossover_by_layers() -> None:
    way = seen(cxLayers, rate=0.5).crossed()[:, 0]
    first = way[:, :8]  # the first layer
    sides = [set(genes[np.isfinite(genes)]) for genes in first]
    assert all(len(side) <= 1 for side in sides)


def test_pairs_at_a_density_of_a_half_differ_in_every_gene() -> None:
    crossed = seen(cxUniformPacked, 100)
    pairs = crossed.before[crossed.density == MIDDLE]
    assert (pairs[:, 0] != pairs[:, 1]).all()


def test_an_initialiser_is_measured_by_the_density_that_was_asked() -> None:
    band = seen(initDensity).drift()
    assert band.mean == pytest.approx(np.array(DENSITIES), abs=0.02)
    assert (band.low < band.mean).all() and (band.mean < band.high).all()


def test_a_density_that_is_set_is_the_one_made() -> None:
    assert seen(initDensity, 200, density=1.0).drift().mean.tolist() == [1] * 5


def test_an_initialiser_by_importance_keeps_what_scores_high() -> None:
    made = seen(initImportance)
    assert (np.diff(made.by_score(made.kept(), 4)) > 0).all()


def test_the_drift_runs_on_a_made_up_saliency() -> None:
    assert seen(mutDrift, 50, steps=3).distance().mean() > 0


def test_parents_carry_scores_for_those_who_cross_them() -> None:
    assert seen(cxScores, 50).unchanged() < 0.1


def test_a_selection_shows_how_often_each_front_is_chosen() -> None:
    chosen = xray(selNSGA2, runs=5)
    assert isinstance(chosen, Choices)
    assert chosen.copies.sum(axis=1).tolist() == [24] * 5
    assert chosen.by_rank()[0] == 1 and chosen.by_rank()[-1] == 0
    assert chosen.different().tolist() == [24] * 5


def test_the_same_seed_shows_the_same_and_another_one_does_not() -> None:
    first, again, other = (seen(mutFlip, 50, rate=0.2, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.after, again.after) and np.array_equal(first.before, again.before)
    assert not np.array_equal(first.after, other.after)


def test_a_layout_is_taken_with_its_corridor() -> None:
    layout = Layout.plain([5, 5], support=[1] * 9 + [0], core=[1] + [0] * 9)
    parents = seen(mutFlip, 100, layout=layout, rate=0.0).before
    assert parents[..., 0].all() and not parents[..., 9].any()


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_operator_of_the_library_can_be_seen(name: str) -> None:
    entry = CATALOGUE[name]
    genome: Any = "mask" if entry.genome == "any" else entry.genome
    made = xray(entry.operator, genome=genome, runs=10)
    assert (len(made.copies) if isinstance(made, Choices) else len(made.after)) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"runs": 4}, "runs: expected 5 or more, finite, got 4"),
        ({"seed": -1}, "seed: expected 0 or more, finite, got -1"),
        ({"rats": 0.5}, "mutFlip: unknown setting 'rats', did you mean 'rate'"),
        ({"slot": "mate"}, "mutFlip: expected 2 arguments in front"),
    ],
)
def test_what_cannot_be_seen_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        xray(mutFlip, **arguments)


def test_an_operator_that_returns_no_tuple_is_named() -> None:
    def mutBare(individual: Any) -> Any:
        return individual

    with pytest.raises(ValueError, match=r"mutBare: expected a tuple of 1 .*check\(mutBare\)"):
        xray(mutBare, runs=5)
