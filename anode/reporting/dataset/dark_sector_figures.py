"""Figures of dark-sector jets: a feature of the signal over that of the Standard Model, and how
it moves with one parameter."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from anode.reporting.common.beyond import mark_events_beyond
from anode.reporting.common.style import (
    BACKGROUND,
    PALETTE,
    REFERENCE_LINE,
    SIGNAL,
    feature_label,
    new_figure,
    style,
)

_MIN_EXPECTED = 10
"""Ratios are drawn where a bin has this many jets on both sides."""


class Binning(NamedTuple):
    """Bins of one feature.

    Attributes:
        edges: (B + 1,) edges.
        log_x: True for a logarithmic axis of the feature.
        log_y: True for a logarithmic axis of the density.
    """

    edges: np.ndarray
    log_x: bool = False
    log_y: bool = False


BINNING = {
    "pT": Binning(np.geomspace(1, 2000, 51), log_x=True, log_y=True),
    "eta": Binning(np.linspace(-6, 6, 49)),
    "phi": Binning(np.linspace(-np.pi, np.pi, 41)),
    "jet_pt": Binning(np.linspace(0, 1600, 41), log_y=True),
    "jet_eta": Binning(np.linspace(-6, 6, 41)),
    "jet_phi": Binning(np.linspace(-np.pi, np.pi, 33)),
    "jet_m": Binning(np.linspace(0, 200, 41), log_y=True),
    "jet_e": Binning(np.linspace(0, 4000, 41), log_y=True),
}
"""Bins of every feature that is drawn."""

_KIND = {"pT": "particles", "eta": "particles", "phi": "particles"}


def feature_figure(
    feature: str, signal: np.ndarray, standard_model: np.ndarray, *, title: str
) -> Figure:
    """Densities of one feature, and signal over Standard Model below with its statistical error.

    Args:
        feature: one of ``BINNING``.
        signal: (N,) values of the dark jets or their particles.
        standard_model: (M,) values of the Standard Model.
        title: name of what is shown.
    """
    samples = {"dark jets": signal, "Standard Model": standard_model}
    with style():
        figure = new_figure(4.8, 4.4, constrained=False)
        top, bottom = figure.subplots(
            2, 1, sharex=True, height_ratios=(2.6, 1),
            gridspec_kw={"left": 0.15, "right": 0.97, "bottom": 0.12, "top": 0.95, "hspace": 0.06},
        )  # fmt: skip
        for (name, values), color in zip(samples.items(), (SIGNAL, BACKGROUND), strict=True):
            _draw_density(top, feature, values, f"{name} ({len(values):,})", color, fill=True)
        _draw_ratio(bottom, feature, signal, standard_model, SIGNAL)
        _finish(top, bottom, feature, list(samples.values()))
        bottom.set_ylabel("signal / SM")
        top.legend(title=title, loc="upper right")
    return figure


def parameter_figure(
    param: str,
    slices: Mapping[str, Mapping[str, np.ndarray]],
    standard_model: Mapping[str, np.ndarray],
) -> Figure:
    """Every feature at each value of one parameter, all others equal.

    Args:
        param: name of the parameter.
        slices: value -> feature -> (N,) values of its dark jets.
        standard_model: feature -> (M,) values.
    """
    features = list(standard_model)
    with style():
        figure = new_figure(3.4 * len(features), 4.6)
        axes = figure.subplots(
            2, len(features), sharex="col", height_ratios=(2.6, 1), squeeze=False
        )
        for feature, (top, bottom) in zip(features, axes.T, strict=True):
            other = standard_model[feature]
            _draw_density(top, feature, other, "Standard Model", "0.35", fill=True)
            for (value, columns), color in zip(slices.items(), PALETTE, strict=False):
                _draw_density(top, feature, columns[feature], f"{param} = {value}", color)
                _draw_ratio(bottom, feature, columns[feature], other, color)
            _finish(top, bottom, feature, [other, *(s[feature] for s in slices.values())])
        axes[1, 0].set_ylabel("signal / SM")
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _draw_density(
    axes: Axes, feature: str, values: np.ndarray, label: str, color: str, *, fill: bool = False
) -> None:
    edges = BINNING[feature].edges
    density = np.histogram(values, edges)[0] / (len(values) * np.diff(edges))
    if fill:
        axes.stairs(density, edges, fill=True, color=color, alpha=0.16, lw=0)
    axes.stairs(density, edges, color=color, lw=1.4, label=label)


def _lowest_density(feature: str, values: np.ndarray) -> float:
    """Density of one event in the widest bin."""
    return float(1 / (max(len(values), 1) * np.diff(BINNING[feature].edges).max()))


def _draw_ratio(
    axes: Axes, feature: str, signal: np.ndarray, other: np.ndarray, color: str
) -> None:
    """Ratio of the densities, with the binomial errors of both."""
    edges = BINNING[feature].edges
    n, m = (np.histogram(values, edges)[0] for values in (signal, other))
    enough = (n >= _MIN_EXPECTED) & (m >= _MIN_EXPECTED)
    share = np.divide(n * len(other), m * len(signal), out=np.full(len(n), np.nan), where=enough)
    error = share * np.sqrt(1 / np.maximum(n, 1) + 1 / np.maximum(m, 1))
    middle = (
        np.sqrt(edges[1:] * edges[:-1])
        if BINNING[feature].log_x
        else (0.5 * (edges[1:] + edges[:-1]))
    )
    axes.errorbar(
        middle[enough], share[enough], error[enough], fmt="o", ms=2.4, lw=0.9, color=color
    )


def _finish(top: Axes, bottom: Axes, feature: str, samples: list[np.ndarray]) -> None:
    binning = BINNING[feature]
    bottom.axhline(1.0, **REFERENCE_LINE)
    bottom.set_xlim(binning.edges[0], binning.edges[-1])
    bottom.set_ylim(0, min(max(bottom.get_ylim()[1], 2.0), 5.0))
    label = feature_label(feature)
    unit = label.partition(" [")[2]
    per = f" / {unit.removesuffix(']')}" if unit else ""
    top.set_ylabel(f"fraction of {_KIND.get(feature, 'jets')}{per}")
    bottom.set_xlabel(label)
    if binning.log_x:
        top.set_xscale("log")
    high = top.get_ylim()[1]
    if binning.log_y:
        top.set_yscale("log")
        lowest = min(_lowest_density(feature, values) for values in samples)
        top.set_ylim(max(0.5 * lowest, 1e-5 * high), 6 * high)
        top.yaxis.set_minor_formatter(NullFormatter())
    else:
        top.set_ylim(0, 1.35 * high)
    mark_events_beyond(top, samples, binning.edges)
