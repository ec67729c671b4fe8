"""What the panels of an operator's picture share: colours, rows of specimens, axes in percent."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from evoprune.studies.figures import BLUE, RED
from operators.xray import DENSITIES, MIDDLE, Choices, XRay

PALE, GREY, INK = "#f1f3f5", "#cdd3d9", "#222222"
ROWS = 8  # specimens of each density
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.3g} %")
ACROSS_SCORES = "score of the gene: lowest 0, highest 1"


def chosen_runs(seen: XRay) -> NDArray[np.intp]:
    """Return the runs to show, as many of each density, sparse ones first."""
    groups = [np.flatnonzero(seen.density == density)[:ROWS] for density in DENSITIES]
    return np.concatenate(groups)


def draw_rows(axes: Any, picture: NDArray[Any], what: str, **how: Any) -> None:
    """Draw one row of colours for each specimen."""
    axes.imshow(picture, aspect="auto", interpolation="nearest", **how)
    axes.set_yticks([])
    axes.set_ylabel(what)
    axes.spines[:].set_visible(False)


def mark_densities(axes: Any) -> None:
    """Set the rows of each density apart, and write the density beside them."""
    for group in range(1, len(DENSITIES)):
        axes.axhline(group * ROWS - 0.5, color="white", lw=2)
    middles = ROWS * np.arange(len(DENSITIES)) + (ROWS - 1) / 2
    axes.set_yticks(middles, [f"{density:g}" for density in DENSITIES])
    axes.tick_params(left=False)


def title(axes: Any, seen: XRay, what: str, *named: tuple[str, str]) -> None:
    """Write what is shown, and at the right what each colour means."""
    text = f"{call_of(seen)}: {what} of {len(seen.after):,} runs"
    axes.set_title(text, loc="left", fontsize=12, pad=20, fontweight="bold")
    for colour, label in named:
        how = {"marker": "s", "s": 45, "edgecolor": "#999999", "lw": 0.4}
        axes.scatter([], [], color=colour, label=label, **how)
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.005, 1.045),
        ncols=len(named),
        frameon=False,
        fontsize=9,
        handletextpad=0.1,
        columnspacing=1.2,
    )


def call_of(seen: XRay | Choices) -> str:
    """Return an operator with the settings that it was given, as one would call it."""
    given = ", ".join(f"{name}={value}" for name, value in seen.settings.items())
    return f"{seen.name}({given})" if given else seen.name


def ordinal(seen: XRay) -> str:
    """Say which child is drawn: the one that takes more from its other parent."""
    return ("first", "second")[seen.busier()]


def headline(axes: Any, words: str) -> None:
    """Write what a panel says."""
    axes.set_title(words, loc="left", fontsize=10)


def chances(axes: Any, what: str, top: float | None = None) -> None:
    """Name an axis of chances or shares, from 0 up, in percent."""
    axes.set_ylim(0, top)
    axes.yaxis.set_major_formatter(PERCENT)
    axes.set_ylabel(what)


def along_genes(axes: Any, *lines: tuple[NDArray[np.float64], str]) -> None:
    """Draw something known of each gene as steps, a colour a line."""
    for values, colour in lines:
        axes.step(np.arange(values.size), values, where="mid", color=colour, lw=1.4)


def histogram(axes: Any, values: NDArray[Any], bins: Any, colour: str) -> None:
    """Draw shares of all values, whatever their number."""
    axes.hist(values, bins, weights=np.full(values.size, 1 / max(values.size, 1)), color=colour)


def across_scores(seen: XRay, values: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return x and y of something known of each gene, by the rank of its score."""
    means = seen.by_score(values, min(16, seen.space.genes))
    return (np.arange(means.size) + 0.5) / means.size, means


def distance(axes: Any, seen: XRay) -> None:
    """Draw how far children are from their parents, or newborn from each other."""
    far, init = seen.distance(), seen.slot == "init"
    if seen.genome == "mask":
        share = np.bincount(far.astype(int), minlength=2) / far.size
        colours = [BLUE if place or init else GREY for place in range(share.size)]
        axes.bar(range(share.size), share, width=0.9, color=colours)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("genes that differ" if init else "genes changed in a run")
    else:
        histogram(axes, far, 40, BLUE)
        axes.set_xlabel("mean difference of a gene" if init else "mean change of a gene in a run")
    chances(axes, "share of pairs" if init else "share of children")
    if init:
        at = f" at {MIDDLE:g}" if seen.genome == "mask" else ""
        headline(axes, f"How different two of them are{at}")
    else:
        headline(axes, f"How far it goes; {100 * seen.unchanged():.0f} % unchanged")


def crossed(axes: Any, seen: XRay) -> None:
    """Draw for each gene how far it goes over to the other parent, 0 to 1."""
    way = seen.crossed()[:, seen.busier()]
    many = np.isfinite(way).sum(axis=0)
    along_genes(axes, (np.nansum(way, axis=0) / np.maximum(many, 1), RED))
    axes.axhline(0.5, color=INK, lw=1, ls=":")
    chances(axes, "other's" if seen.genome == "mask" else "way over", 1)


def linkage(axes: Any, seen: XRay) -> None:
    """Draw how often two genes come from the same parent, by their distance."""
    together = seen.linkage()
    axes.axhline(0.5, color=INK, lw=1, ls=":")
    axes.plot(np.arange(1, together.size), together[1:], color=BLUE, lw=2)
    axes.set_xlim(0, together.size)
    axes.set_xlabel("distance of two genes (places)")
    chances(axes, "chance of the same parent", 1.02)
    far = together[together.size // 4 :].mean()
    if together[1] > far + 0.1:
        headline(axes, "Neighbours travel together")
    else:
        headline(axes, "Most genes stay" if far > 0.9 else "Each gene travels alone")
