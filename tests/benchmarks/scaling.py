"""How the time of a generation grows: exponents of straight lines through logarithms, and a plot.

A generation as in `generation.py`, of cxUniformPacked and mutFlip, with digests and decoding. An
exponent of 1 says that twice the size takes twice the time; of less, that a fixed part weighs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import generation
import numpy as np
from timing import DisagreementError, Row, seconds

from operators.individuals import individual_type


def times(n: int, population: int, rounds: int) -> float:
    """Return the median seconds of a generation of so many genes and individuals."""
    rng = np.random.default_rng(1)
    before, after = rng.random((2, population, 2))
    mask, toolbox = individual_type("mask", 2), generation.ours(n)
    packed = generation.people(lambda: generation.random_mask(mask, n, rng), before)
    run = partial(generation.generation, toolbox, packed, after, names=True)
    offspring, survivors = run()
    if not len(offspring) == len(survivors) == population:
        raise DisagreementError(f"scaling: {population} individuals became {len(survivors)}")
    return float(np.median([seconds(run) for _ in range(rounds)]))


def fit(sizes: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return the exponent of a power law by least squares of logarithms, and its standard error.

    >>> tuple(round(x, 3) + 0 for x in fit([1, 10, 100], [2, 20, 200]))
    (1.0, 0.0)
    """
    x, y = np.log(sizes), np.log(values)
    x, y = x - x.mean(), y - y.mean()
    slope = (x @ y) / (x @ x)
    left = y - slope * x
    return float(slope), float(np.sqrt((left @ left) / max(len(x) - 2, 1) / (x @ x)))


def curve(axis: str, what: str, sizes: Sequence[int], time: Callable[[int], float]) -> Row:
    """Measure along one axis and sum it up by its exponent.

    Args:
        axis: what the sizes count, as the plot names it: "genes", "individuals", "images".
        what: is timed.
        sizes: of the points, rising.
        time: from a size to seconds.
    """
    points = [(float(size), time(size)) for size in sizes]
    slope, error = fit(*zip(*points, strict=True))
    return Row(
        f"growth with {axis}", what, value=slope, unit="",
        aim="1 or less", reached=slope - 2 * error <= 1, points=tuple(points),
        note=f"exponent, standard error {error:.2f}; {sizes[0]:,} to {sizes[-1]:,} {axis}",
    )  # fmt: skip


def draw(rows: Sequence[Row], path: Path) -> None:
    """Draw the curves of all rows that hold points, one panel each, with a line of exponent 1."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib import ticker

    held = [row for row in rows if row.points]
    figure, panels = plt.subplots(
        1, len(held), figsize=(4.5 * len(held), 3.8), squeeze=False, layout="constrained"
    )
    for panel, row in zip(panels[0], held, strict=True):
        sizes, values = np.array(row.points).T
        through = np.exp(np.mean(np.log(values / sizes)))
        panel.loglog(sizes, through * sizes, color="grey", ls="--", lw=1, label="exponent 1")
        label = f"measured, exponent {row.value:.2f}"
        panel.loglog(sizes, values, "o-", color="tab:blue", label=label)
        axis = row.name.removeprefix("growth with ")
        panel.set(xlabel=f"number of {axis}", ylabel="time (seconds)", title=row.ours)
        panel.set_xticks(sizes, [short(size) for size in sizes])
        panel.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        for scale in (panel.xaxis, panel.yaxis):
            scale.set_minor_formatter(ticker.NullFormatter())
        panel.tick_params(axis="x", which="minor", bottom=False)
        panel.grid(alpha=0.3)
        panel.legend(fontsize=9)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def short(size: float) -> str:
    """Return a number of three digits.

    >>> short(848_944), short(25.6e6), short(50)
    ('849k', '25.6M', '50')
    """
    for unit, letter in ((1e6, "M"), (1e3, "k")):
        if size >= unit:
            return f"{size / unit:.3g}{letter}"
    return f"{size:.3g}"


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of this file."""
    genes = [1_000, 4_000, 16_000] if quick else [53_059 * 4**i for i in range(5)]
    people, fixed = ([20, 40, 80], 5_000) if quick else ([25, 50, 100, 200, 400, 800], 848_944)
    rounds, usual = (2, 20) if quick else (5, 100)
    what = f"a generation of {usual}"
    yield curve("genes", what, genes, lambda n: times(n, usual, rounds))
    what = f"a generation, {fixed:,} genes"
    yield curve("individuals", what, people, lambda n: times(fixed, n, rounds))
