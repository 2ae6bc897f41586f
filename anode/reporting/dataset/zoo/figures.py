"""Figures of a zoo of signals: distributions of each, and all of them side by side."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.evaluation.description.signal_zoo import SignalZoo, ZooSignal
from anode.reporting.common.beyond import mark_events_beyond
from anode.reporting.common.style import (
    BACKGROUND,
    PALETTE,
    REFERENCE_LINE,
    feature_label,
    new_figure,
    style,
)

_JETS = {1: ("lighter jet", PALETTE[1]), 2: ("heavier jet", PALETTE[2])}
_QCD = "0.55"
_OVERVIEW = ("mjj", "mj1", "mj2", "tau21_1", "tau21_2", "tau32_1", "tau32_2")
_PANELS = {
    "mj": (r"$m_J$ [GeV]", np.linspace(0, 800, 81)),
    "tau21": (r"$\tau_{21}$", np.linspace(0, 1, 41)),
    "tau32": (r"$\tau_{32}$", np.linspace(0, 1, 41)),
}


def signal_figure(
    name: str,
    signal: ZooSignal,
    values: Mapping[str, np.ndarray],
    background: Mapping[str, np.ndarray],
) -> Figure:
    """Distributions of one signal: m_jj, and mass, tau_21 and tau_32 of both jets.

    Dashed lines stand at the masses that went into the generation. The bundled QCD di-jets are
    drawn with the m_jj of the signal's window, so that their jets are those that a search of
    this signal has to tell apart.

    Args:
        name: name of the signal.
        signal: what is known of it.
        values: "mjj" and each of ``ZOO_FEATURES`` -> (N,) values.
        background: the same of QCD di-jets; empty for none.
    """
    near = _near(background, signal.resonance_mass)
    with style():
        figure = new_figure(9.2, 7.0)
        mass_axes, *others = figure.subplots(2, 2).flat
        _draw_mjj(mass_axes, signal, values["mjj"], background)
        for axes, (quantity, (label, edges)) in zip(others, _PANELS.items(), strict=True):
            _draw_jets(axes, quantity, edges, values, near)
            axes.set(xlabel=label, ylabel="fraction of events / bin")
        for mass in sorted({m for m in signal.masses_gev if m > 0}):
            others[0].axvline(mass, **REFERENCE_LINE)
        handles, labels = others[0].get_legend_handles_labels()
        figure.legend(
            handles,
            labels,
            title=f"{name}: {signal.decay}   ({signal.n_events:,} events, 13 TeV)",
            loc="outside upper center",
            ncols=4,
        )
    return figure


def overview_figure(card: SignalZoo) -> Figure:
    """Median and central 68% of each feature, a row a signal.

    Args:
        card: what is known of each signal.
    """
    names = list(card.signals)
    rows = np.arange(len(names))[::-1]
    with style():
        figure = new_figure(13.0, 1.4 + 0.3 * len(names))
        panels = figure.subplots(1, len(_OVERVIEW), sharey=True)
        for axes, feature in zip(panels, _OVERVIEW, strict=True):
            found = [card.signals[name].features[feature] for name in names]
            median = np.array([each.median for each in found])
            low, high = ([getattr(each, end) for each in found] for end in ("low", "high"))
            axes.errorbar(
                median, rows, xerr=[median - low, high - median], fmt="o", ms=3.5, lw=1.4,
                color=BACKGROUND if feature == "mjj" else _JETS[int(feature[-1])][1],
            )  # fmt: skip
            axes.set_xlabel(feature_label(feature))
            axes.grid(axis="y", lw=0.4, color="0.85")
            axes.tick_params(axis="y", which="minor", left=False, right=False)
            if feature == "mjj":
                truth = [card.signals[name].resonance_mass for name in names]
                axes.plot(truth, rows, "|", ms=12, mew=1.2, color="0.3", label="resonance")
            elif feature.startswith("mj"):
                truth = [card.signals[name].masses_gev[int(feature[-1]) - 1] for name in names]
                axes.plot(truth, rows, "|", ms=12, mew=1.2, color="0.3")
            if feature.startswith("tau"):
                axes.set_xlim(0, 1)
        panels[0].set_yticks(rows, names)
        panels[0].set_ylim(-0.7, len(names) - 0.3)
        figure.suptitle("median and central 68% of events; strokes: generated masses", fontsize=10)
    return figure


def _near(background: Mapping[str, np.ndarray], resonance: float) -> dict[str, np.ndarray]:
    if not background:
        return {}
    inside = np.abs(background["mjj"] - resonance) < 200
    return {name: column[inside] for name, column in background.items()}


def _draw_mjj(
    axes: Axes, signal: ZooSignal, mass: np.ndarray, background: Mapping[str, np.ndarray]
) -> None:
    edges = np.linspace(0.5 * signal.resonance_mass, 1.3 * signal.resonance_mass, 61)
    if background:
        axes.stairs(_shares(background["mjj"], edges), edges, fill=True, color=_QCD, alpha=0.3)
    axes.stairs(_shares(mass, edges), edges, color=BACKGROUND, lw=1.4)
    axes.axvline(signal.resonance_mass, **REFERENCE_LINE)
    axes.set(
        xlabel=feature_label("mjj"), ylabel="fraction of events / bin", xlim=(edges[0], edges[-1])
    )
    axes.set_ylim(bottom=0)
    mark_events_beyond(axes, [mass], edges)


def _draw_jets(
    axes: Axes,
    quantity: str,
    edges: np.ndarray,
    values: Mapping[str, np.ndarray],
    background: Mapping[str, np.ndarray],
) -> None:
    """Both jets of the signal as lines, and of the background as areas of the same colour."""
    for jet, (label, color) in _JETS.items():
        feature = f"{quantity}{jet}" if quantity == "mj" else f"{quantity}_{jet}"
        if background:
            axes.stairs(
                _shares(background[feature], edges), edges, fill=True, color=color, alpha=0.2,
                label=f"{label}, QCD",
            )  # fmt: skip
        axes.stairs(_shares(values[feature], edges), edges, color=color, lw=1.4, label=label)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    shown = [f"{quantity}{jet}" if quantity == "mj" else f"{quantity}_{jet}" for jet in _JETS]
    mark_events_beyond(axes, [values[name] for name in shown], edges)


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.histogram(values, edges)[0] / max(len(values), 1)
