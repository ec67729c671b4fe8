"""Genes are drawn with the chance that is asked for, one by one."""

from __future__ import annotations

import numpy as np
import pytest

from operators.draws import FEW, drawBits, drawPlaces, flip, placesOf
from operators.genomes import BitString

Rng = np.random.Generator
LENGTHS = [0, 1, 2, 7, 8, 9, 16, 33, 101]
RATES = [0.0, 1e-3, FEW / 2, FEW, 0.1, 0.25, 1 / 3, 0.5, 0.625, 0.9, 1 - 2**-12, 1.0]


class Told:
    """A generator whose random bits and doubles are given in advance."""

    def __init__(self, bits: np.ndarray, double: float) -> None:
        self.bits, self.double = iter(bits), double

    def integers(self, low: int, high: int, size: int, dtype: type) -> np.ndarray:
        packed = np.packbits(next(self.bits))
        return np.resize(packed, 8 * size).view(dtype)

    def random(self, size: int) -> np.ndarray:
        return np.full(size, self.double)


@pytest.mark.parametrize("n", LENGTHS)
@pytest.mark.parametrize("rate", RATES)
def test_unused_bits_stay_0(n: int, rate: float, rng: Rng) -> None:
    packed = drawBits(n, rate, rng)
    assert packed.shape == (-(-n // 8),)
    assert np.array_equal(packed, BitString.from_packed(packed, n).packed)


@pytest.mark.parametrize("n", LENGTHS)
def test_rate_0_draws_none_and_rate_1_all(n: int, rng: Rng) -> None:
    for _ in range(20):
        assert not drawBits(n, 0.0, rng).any() and drawPlaces(n, 0.0, rng).size == 0
        assert np.unpackbits(drawBits(n, 1.0, rng), count=n).all()
        assert sorted(drawPlaces(n, 1.0, rng)) == list(range(n))


@pytest.mark.parametrize("rate", RATES)
def test_each_place_is_drawn_with_the_rate(rate: float, rng: Rng) -> None:
    drawn = np.unpackbits(drawBits(200_000, rate, rng)).reshape(-1, 40).mean(axis=0)
    assert np.allclose(drawn, rate, atol=5 * np.sqrt(rate * (1 - rate) / 5000) + 1e-12)


@pytest.mark.parametrize("rate", RATES)
def test_the_number_drawn_is_binomial(rate: float, rng: Rng) -> None:
    n, draws = 800, 500
    counts = [int(np.bitwise_count(drawBits(n, rate, rng)).sum()) for _ in range(draws)]
    variance = n * rate * (1 - rate)
    assert np.mean(counts) == pytest.approx(n * rate, abs=5 * np.sqrt(variance / draws))
    assert np.var(counts) == pytest.approx(variance, rel=0.35)


@pytest.mark.parametrize("rate", [0.1, 0.25, 1 / 3, 0.5, 0.625, 0.9, 1 - 2**-12, 1.0])
def test_a_gene_is_drawn_if_its_number_is_below_the_rate(rate: float) -> None:
    # All numbers of 8 binary digits, a double of 0.5 behind them; a random 1 is a digit other than
    # the rate's (1 = .1111...).
    numbers, highest = np.arange(256), min(int(256 * rate), 255)
    differ = ((numbers ^ highest)[None, :] >> np.arange(7, -1, -1)[:, None]) & 1
    drawn = np.unpackbits(drawBits(256, rate, Told(differ, 0.5))).astype(bool)  # type: ignore
    assert np.array_equal(drawn, (numbers + 0.5) / 256 < rate)


def test_genes_are_drawn_independently_of_their_neighbours(rng: Rng) -> None:
    bits = np.unpackbits(drawBits(400_000, 0.3, rng)).astype(float)
    for apart in (1, 8, 64):
        assert abs(np.corrcoef(bits[:-apart], bits[apart:])[0, 1]) < 0.01


@pytest.mark.parametrize("n", [9, 33, 101, 5000])
@pytest.mark.parametrize("density", [0.02, 0.5, 0.98])
def test_the_kth_one_is_found_where_it_is(n: int, density: float, rng: Rng) -> None:
    bits = rng.random(n) < density
    ones = np.flatnonzero(bits)
    for many in (0, min(1, ones.size), ones.size):
        numbers = rng.permutation(ones.size)[:many]
        assert np.array_equal(placesOf(np.packbits(bits), numbers), ones[numbers])


def test_flipping_turns_the_places_and_no_others(rng: Rng) -> None:
    bits = rng.random(101) < 0.5
    packed, places = np.packbits(bits), np.array([0, 7, 8, 9, 100])
    flip(packed, places)
    bits[places] = ~bits[places]
    assert np.array_equal(packed, np.packbits(bits))


@pytest.mark.usefixtures("no_global_draws")
def test_draws_come_from_their_rng_alone(rng: Rng) -> None:
    for rate in RATES:
        drawBits(37, rate, rng)
