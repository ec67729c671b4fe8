"""The vectorised operators for reals equal DEAP's, gene for gene, and keep to their bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from deap import creator
from deap.tools import crossover, cxSimulatedBinaryBounded, mutation, mutPolynomialBounded

from operators.genomes import RealVector
from operators.reals import cxSBX, mutPolynomial

Rng = np.random.Generator
LOW, HIGH = np.array([0.0, -1, -1, 2, 0] * 8), np.array([1.0, 2, 2, 5, 1e-3] * 8)
N = len(LOW)


class Scripted:
    """A generator whose draws are written down before."""

    def __init__(self, *draws: Any) -> None:
        self.draws = iter(draws)

    def random(self, size: Any = None) -> Any:
        drawn = next(self.draws)
        assert np.shape(drawn) == (() if size is None else np.atleast_1d(np.zeros(size)).shape)
        return drawn


def inside(rng: Rng) -> RealVector:
    vector = rng.uniform(LOW, HIGH)
    vector[:3], vector[3:6] = LOW[:3], HIGH[3:6]  # some of them on their bounds
    return RealVector(vector)


def sbx_draws(a: Any, b: Any, draws: Any) -> Iterator[float]:
    """Yield what DEAP asks for: three draws a gene, two of them only where it is crossed."""
    for one, two, (crossed, spread, swapped) in zip(a, b, draws.T, strict=True):
        yield crossed
        if crossed <= 0.5 and one != two:
            yield from (spread, swapped)


def polynomial_draws(chosen: Any, steps: Any, rate: float) -> Iterator[float]:
    step = iter(steps)
    for chance in chosen:
        yield chance
        if chance <= rate:
            yield next(step)


@pytest.mark.parametrize("eta", [0, 2.5, 20])
@pytest.mark.parametrize("seed", range(5))
def test_sbx_on_the_same_draws_makes_the_children_of_deap(
    eta: float, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(seed)
    a, b, draws = inside(rng), inside(rng), rng.random((3, N))
    b[10:13] = a[10:13]
    theirs, script = (list(a), list(b)), Scripted(*sbx_draws(a, b, draws))
    with monkeypatch.context() as patch:
        patch.setattr(crossover, "random", script)
        cxSimulatedBinaryBounded(*theirs, eta=eta, low=LOW.tolist(), up=HIGH.tolist())
    cxSBX(a, b, low=LOW, high=HIGH, eta=eta, rng=Scripted(draws))  # type: ignore[arg-type]
    assert np.allclose([a, b], theirs, rtol=0, atol=1e-12)
    assert list(script.draws) == []


@pytest.mark.parametrize("eta", [0, 2.5, 20])
@pytest.mark.parametrize("rate", [0.3, 1.0])
def test_polynomial_mutation_on_the_same_draws_takes_the_steps_of_deap(
    eta: float, rate: float, rng: Rng, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, chosen = inside(rng), rng.random(N)
    theirs, steps = list(ours), rng.random(np.count_nonzero(chosen <= rate))
    script = Scripted(*polynomial_draws(chosen, steps, rate))
    with monkeypatch.context() as patch:
        patch.setattr(mutation, "random", script)
        mutPolynomialBounded(theirs, eta=eta, low=LOW.tolist(), up=HIGH.tolist(), indpb=rate)
    scripted: Any = Scripted(chosen, steps)
    mutPolynomial(ours, low=LOW, high=HIGH, eta=eta, rate=rate, rng=scripted)
    assert np.allclose(ours, theirs, rtol=0, atol=1e-12)
    assert list(script.draws) == []


def test_the_children_of_sbx_lie_evenly_about_their_parents(rng: Rng) -> None:
    a, b = RealVector([0.25] * 99), RealVector([0.75] * 99)
    cxSBX(a, b, low=0, high=1, rng=rng)
    assert np.allclose(a.array + b.array, 1.0)


@pytest.mark.parametrize("eta", [0, 20])
def test_children_stay_inside_their_bounds(eta: float, rng: Rng) -> None:
    for _ in range(50):
        a, b = inside(rng), inside(rng)
        cxSBX(a, b, low=LOW, high=HIGH, eta=eta, rate=1.0, rng=rng)
        mutPolynomial(a, low=LOW, high=HIGH, eta=eta, rate=1.0, rng=rng)
        assert (a.array >= LOW).all() and (a.array <= HIGH).all()
        assert (b.array >= LOW).all() and (b.array <= HIGH).all()


def test_rate_0_changes_nothing_and_equal_parents_have_equal_children(rng: Rng) -> None:
    a, b = inside(rng), inside(rng)
    before = a.to_numpy(), b.to_numpy()
    cxSBX(a, b, low=LOW, high=HIGH, rate=0.0, rng=rng)
    mutPolynomial(a, low=LOW, high=HIGH, rate=0.0, rng=rng)
    assert a == before[0] and b == before[1]
    c, d = RealVector(a), RealVector(a)
    cxSBX(c, d, low=LOW, high=HIGH, rate=1.0, rng=rng)
    assert c == d == a


def test_a_rate_is_the_chance_of_a_gene_to_move(rng: Rng) -> None:
    moved = np.zeros(2)
    for _ in range(200):
        a, b, c = (RealVector([value] * 50) for value in (0.2, 0.8, 0.5))
        cxSBX(a, b, low=0, high=1, rate=0.3, rng=rng)
        mutPolynomial(c, low=0, high=1, rate=0.3, rng=rng)
        crossed = ~np.isin(a.array, (0.2, 0.8))
        moved += crossed.mean(), (c.array != 0.5).mean()
    assert moved / 200 == pytest.approx([0.3, 0.3], abs=0.03)


def test_one_gene_in_the_mean_moves_where_no_rate_is_given(rng: Rng) -> None:
    moved = 0
    for _ in range(2000):
        (ind,) = mutPolynomial(RealVector([0.5] * 40), low=0, high=1, rng=rng)
        moved += np.count_nonzero(ind.array != 0.5)
    assert moved / 2000 == pytest.approx(1, abs=0.1)


def test_a_larger_eta_keeps_children_nearer(rng: Rng) -> None:
    steps = [
        mutPolynomial(RealVector([0.5] * 999), low=0, high=1, eta=eta, rate=1.0, rng=rng)[0].array
        for eta in (2, 20, 200)
    ]
    far, middle, near = (abs(step - 0.5).mean() for step in steps)
    assert far > 2 * middle > 4 * near > 0


def test_the_parents_themselves_come_back_with_their_fitness(rng: Rng) -> None:
    a, b = (creator.Thresholds2.from_numpy(inside(rng)) for _ in range(2))
    a.fitness.values = (0.5, 0.25)
    children = cxSBX(a, b, low=LOW, high=HIGH, rng=rng)
    (mutated,) = mutPolynomial(a, low=LOW, high=HIGH, rng=rng)
    assert children[0] is a is mutated and children[1] is b
    assert a.fitness.values == (0.5, 0.25)


def test_genes_without_room_and_vectors_without_genes_pass(rng: Rng) -> None:
    fixed, empty = RealVector([1.0, 1.0]), RealVector()
    assert mutPolynomial(fixed, low=1, high=1, rate=1.0, rng=rng)[0] == [1.0, 1.0]
    assert len(mutPolynomial(empty, low=0, high=1, rng=rng)[0]) == 0
    assert len(cxSBX(empty, RealVector(), low=0, high=1, rng=rng)[0]) == 0


@pytest.mark.usefixtures("no_global_draws")
def test_all_chance_comes_from_the_given_generator(rng: Rng) -> None:
    a, b = inside(rng), inside(rng)
    cxSBX(a, b, low=LOW, high=HIGH, rng=rng)
    mutPolynomial(a, low=LOW, high=HIGH, rng=rng)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rate": 1.5}, "rate: expected a share from 0 to 1, got 1.5"),
        ({"eta": -1}, "eta: expected 0 or more, finite, got -1"),
        ({"low": 2}, "low, high: expected finite numbers with low <= high, got 2 and 1"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings: Any, message: str, rng: Rng) -> None:
    usual = {"low": 0, "high": 1, "rng": rng, **settings}
    with pytest.raises(ValueError, match=message):
        cxSBX(RealVector([0.5]), RealVector([0.4]), **usual)
    with pytest.raises(ValueError, match=message):
        mutPolynomial(RealVector([0.5]), **usual)


def test_parents_of_unlike_lengths_are_refused(rng: Rng) -> None:
    with pytest.raises(ValueError, match="parents: expected two of equal length, got 1 and 2"):
        cxSBX(RealVector([0.5]), RealVector([0.5, 0.5]), low=0, high=1, rng=rng)
