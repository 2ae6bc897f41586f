"""Figures of the particles of jets: average images, and spectra of the constituents."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize, SymLogNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from anode.evaluation.description.particle_summary import (
    DISTANCE_EDGES,
    FRACTION_EDGES,
    IMAGE,
    NUMBER_EDGES,
    ParticleSummary,
)
from anode.reporting.common.style import (
    BACKGROUND,
    DATA,
    SIGNAL,
    new_figure,
    notice_figure,
    style,
)

JETS = ("harder jet", "other jet")
_COLORS = {"background": BACKGROUND, "signal": SIGNAL, "all": DATA}
_DECADES = 5
"""Decades that the colours of an average span below the brightest pixel."""

_LINEAR = 1e-4
"""Differences of pT fractions below this are drawn on a linear scale."""


def images_figure(samples: Mapping[str, ParticleSummary]) -> Figure:
    """The average image of both jets of each sample, and signal minus background.

    Args:
        samples: "background" and "signal", one of them, or "all" -> averages.
    """
    if not samples:
        return notice_figure("no events without fault")
    both = {"background", "signal"} <= set(samples)
    n_columns = len(samples) + both
    highest = max(sample.image.max() for sample in samples.values())
    norm = LogNorm(highest * 10.0**-_DECADES, highest)
    with style():
        figure = new_figure(3.1 * n_columns + 2.4, 5.6)
        axes = figure.subplots(2, n_columns, sharex=True, sharey=True, squeeze=False)
        for place, (name, sample) in enumerate(samples.items()):
            for row, image in zip(axes[:, place], sample.image, strict=True):
                shown = _draw_image(row, np.maximum(image, norm.vmin or 0.0), "viridis", norm)
            axes[0, place].set_title(f"{_named(name)} ({sample.n_events:,})")
        means = axes[:, : len(samples)].ravel().tolist()
        figure.colorbar(shown, ax=means, label=r"mean $p_\mathrm{T}$ fraction / pixel")
        if both:
            difference = samples["signal"].image - samples["background"].image
            reach = max(float(np.abs(difference).max()), 10 * _LINEAR)
            signed = SymLogNorm(_LINEAR, vmin=-reach, vmax=reach)
            for row, image in zip(axes[:, -1], difference, strict=True):
                shown = _draw_image(row, image, "RdBu_r", signed)
            axes[0, -1].set_title("signal − background")
            last = axes[:, -1].tolist()
            figure.colorbar(shown, ax=last, label=r"difference of $p_\mathrm{T}$ fractions")
        for row, jet in zip(axes[:, 0], JETS, strict=True):
            row.set_ylabel(f"{jet}\nalong the principal axis")
        for column in axes[-1]:
            column.set_xlabel("across the principal axis")
    return figure


def constituents_figure(samples: Mapping[str, ParticleSummary]) -> Figure:
    """Number of constituents of a jet, their pT fractions and their distances to the axis.

    Args:
        samples: as of ``images_figure``.
    """
    if not samples:
        return notice_figure("no events without fault")
    panels = (
        ("number", NUMBER_EDGES, "number of constituents", "fraction of jets / bin"),
        (
            "fraction",
            FRACTION_EDGES,
            r"$p_\mathrm{T}$ / $p_\mathrm{T}^J$",
            "constituents / jet / bin",
        ),
        (
            "distance",
            DISTANCE_EDGES,
            r"$\Delta R$ to the axis of the jet",
            "constituents / jet / bin",
        ),
    )
    with style():
        figure = new_figure(11.0, 5.8)
        axes = figure.subplots(2, len(panels), sharex="col", squeeze=False)
        for jet, of_jet in enumerate(JETS):
            for place, (key, edges, label, unit) in enumerate(panels):
                panel = axes[jet, place]
                for name, sample in samples.items():
                    values = getattr(sample, key)[jet]
                    legend = f"{_named(name)} ({sample.n_events:,})"
                    color = _COLORS[name]
                    panel.stairs(values, edges, fill=True, color=color, alpha=0.15, lw=0)
                    panel.stairs(values, edges, color=color, lw=1.4, label=legend)
                panel.set(xlim=(edges[0], edges[-1]), ylabel=unit)
                if jet == 1:
                    panel.set_xlabel(label)
                _scale(panel, key)
            axes[jet, 0].set_title(of_jet, loc="left")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(samples))
    return figure


def _draw_image(axes: Axes, image: np.ndarray, colors: str, norm: Normalize) -> AxesImage:
    reach = IMAGE.half_width
    extent = (-reach, reach, -reach, reach)
    shown = axes.imshow(image, origin="lower", extent=extent, cmap=colors, norm=norm)
    axes.minorticks_off()
    axes.set_xticks((-reach / 2, 0, reach / 2))
    axes.set_yticks((-reach / 2, 0, reach / 2))
    return shown


def _scale(axes: Axes, key: str) -> None:
    """Both spectra over decades, the number of constituents as it is."""
    if key == "fraction":
        axes.set_xscale("log")
    if key == "distance":
        axes.set_yscale("log")
        axes.set_ylim(bottom=1e-3)
    else:
        axes.set_ylim(bottom=0)


def _named(name: str) -> str:
    return "all events" if name == "all" else name
