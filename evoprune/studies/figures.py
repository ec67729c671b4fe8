"""The pictures that a run draws. Each takes plain rows and returns a matplotlib figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

Rows = Sequence[Mapping[str, Any]]
BLUE, GREEN, RED = "#0b5fa5", "#1b8a5a", "#c8442b"
GREYS = {
    "global-magnitude": ("#444444", "o"),
    "lamp": ("#808080", "s"),
    "layer-uniform": ("#a5a5a5", "^"),
    "random": ("#cfcfcf", "x"),
}


def front_figure(
    front: Rows,
    coarse: Rows,
    baselines: Rows,
    anchors: Rows,
    corridor: tuple[float, float],
    dense_error: float,
    *,
    size: str = "density",
    unit: str = "weights",
) -> Figure:
    """Draw both fronts with anchors, corridor and baselines: error against size.

    Args:
        front: rows with the size and test_error, the final front; those with `on_front` 0 are drawn
            as open circles beside it.
        coarse: the same for the front of phase 1.
        baselines: the same with a column "name".
        anchors: two rows, light and heavy, with the size and test_error.
        corridor: the densities of its core and of its support: phase 2 stays between them.
        dense_error: of the network as it was, 0 to 1.
        size: the column that is the size, "density", "macs", "params" or "latency".
        unit: what density is a share of, such as "filters".
    """
    figure, axes = _axes(8.0, 5.8)
    if size == "density":  # what the walls are in another size depends on the mask
        axes.axvspan(*corridor, color=BLUE, alpha=0.06, lw=0, label="corridor of phase 2")
    for name, (colour, marker) in GREYS.items():
        rows = [row for row in baselines if row["name"] == name]
        if rows:
            axes.plot(*_xy(rows, size), color=colour, marker=marker, ms=3.5, lw=1, label=name)
    axes.plot(
        *_xy(coarse, size),
        color=GREEN,
        marker=".",
        ms=6,
        lw=1.2,
        drawstyle="steps-post",
        label="phase 1, thresholds",
    )
    near = [row for row in front if not row.get("on_front", True)]
    if near:
        label = "near it, within noise in the search"
        axes.plot(*_xy(near, size), ls="", marker="o", ms=5, mfc="none", mec=BLUE, label=label)
    axes.plot(
        *_xy([row for row in front if row.get("on_front", True)], size),
        color=BLUE,
        marker=".",
        ms=9,
        lw=2.2,
        drawstyle="steps-post",
        label="final front",
    )
    axes.plot(
        *_xy(anchors, size),
        ls="",
        marker="D",
        ms=7,
        mfc="none",
        mec=RED,
        mew=1.6,
        label="anchors, light and heavy",
    )
    axes.axhline(dense_error, color="black", lw=1, ls=":", label=f"dense, {dense_error:.3f}")
    axes.set_xscale("log")
    ticks = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlim(max(0.008, 0.8 * min(row[size] for row in front)), 1.05)
    axes.set_ylim(0, None)
    axes.set_xlabel(f"{of_size(size, unit)}, log scale)")
    axes.set_ylabel("error on the test images (share wrong)")
    axes.set_title("Error against size: the front beside one-shot pruning", loc="left")
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=9)  # hides no line
    return figure


def of_size(size: str, unit: str) -> str:
    """Say what a size is, as a label that is still to be closed.

    >>> of_size("density", "filters") + ")"
    'density (share of filters kept)'
    """
    return {
        "density": f"density (share of {unit} kept",
        "macs": "multiply-adds (share left",
        "params": "parameters (share left",
        "latency": "latency of a forward pass (share of the dense network's",
    }[size]


def hypervolume_figure(log: Rows) -> Figure:
    """Draw hypervolume against image passes, a colour a phase."""
    figure, axes = _axes(7.0, 4.2)
    phases = list(dict.fromkeys(row["phase"] for row in log))
    for phase, colour in zip(phases, (GREEN, RED, BLUE), strict=False):
        rows = [row for row in log if row["phase"] == phase]
        axes.plot(
            [r["passes"] for r in rows],
            [r["hypervolume"] for r in rows],
            color=colour,
            marker=".",
            label=phase,
        )
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _thousands(value)))
    axes.set_xlabel("image passes spent (forward 1, forward with backward 3)")
    axes.set_ylabel("hypervolume on search images\n(reference all ones; own front and measure)")
    axes.set_title("What the passes bought", loc="left")
    axes.legend(frameon=False)
    return figure


def layers_figure(
    names: Sequence[str],
    kept: Sequence[np.ndarray],
    densities: Sequence[float],
    reference: np.ndarray,
    reference_density: float,
    *,
    unit: str = "weights",
) -> Figure:
    """Draw the kept share of each layer for a few networks of the front.

    Args:
        names: of the layers, in order.
        kept: for each network an array, shape (layers,), of shares 0 to 1.
        densities: of these networks.
        reference: the same array of global magnitude pruning.
        reference_density: its density.
        unit: of what a layer holds, such as "filters".
    """
    figure, axes = _axes(8.0, 4.6)
    places = np.arange(len(names))
    shades = np.linspace(0.35, 1.0, max(len(kept), 1))
    for shares, density, shade in zip(kept, densities, shades, strict=False):
        label = f"front, {density:.3f}"
        axes.plot(places, shares, marker=".", color=BLUE, alpha=shade, label=label)
    axes.plot(
        places,
        reference,
        color="#444444",
        ls="--",
        lw=1,
        label=f"global magnitude, {reference_density:.3f}",
    )
    shown = places[:: max(1, len(places) // 14)]
    axes.set_xticks(shown, [names[place] for place in shown], rotation=40, ha="right", fontsize=8)
    axes.set_ylim(0, 1.02)
    axes.set_ylabel(f"share of the layer's {unit} kept")
    axes.set_xlabel("layer, from the image to the classes")
    axes.set_title(f"Where the {unit} stay", loc="left")
    axes.legend(frameon=False, fontsize=9, title="density", ncols=2)
    return figure


def _axes(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, lw=0.6)
    return figure, axes


def _xy(rows: Rows, size: str) -> tuple[list[float], list[float]]:
    ordered = sorted(rows, key=lambda row: row[size])
    return [row[size] for row in ordered], [row["test_error"] for row in ordered]


def _thousands(value: float) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k"
