"""Figures of a zoo of signals: distributions of each, and all of them side by side."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.evaluation.description.signal_zoo import MJJ_HALF_WIDTH, SignalZoo, ZooSignal
from anode.reporting.common.beyond import mark_events_beyond
from anode.reporting.common.style import (
    BACKGROUND,
    GEV_PER_TEV,
    PALETTE,
    REFERENCE_LINE,
    SIGNAL,
    feature_label,
    new_figure,
    style,
)

_JETS = {1: ("lighter jet", PALETTE[2]), 2: ("heavier jet", PALETTE[3])}
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

    Dashed lines stand at the masses that went into the generation. Jets of the bundled QCD di-jets
    are those of events with m_jj near the resonance, which a search has to tell apart.

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
        handles = [*mass_axes.get_legend_handles_labels()[0]]
        handles += others[0].get_legend_handles_labels()[0]
        resonance = f"{signal.resonance_mass / GEV_PER_TEV:g} TeV"
        title = f"{name} ({resonance}): {signal.decay}   ({signal.n_events:,} events at 13 TeV)"
        if near:
            title += f"\njets of QCD: within ±{MJJ_HALF_WIDTH:g} GeV of the resonance"
        figure.legend(handles=handles, title=title, loc="outside upper center", ncols=3)
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
            _draw_spreads(axes, feature, list(card.signals.values()), rows)
        panels[0].set_yticks(rows, names)
        panels[0].set_ylim(-0.7, len(names) - 0.3)
        figure.suptitle(
            "median and central 68% of events behind the trigger; strokes: generated masses",
            fontsize=10,
        )
    return figure


def _draw_spreads(
    axes: Axes, feature: str, signals: Sequence[ZooSignal], rows: np.ndarray
) -> None:
    """One feature of all signals; m_jj in units of the resonance, since masses differ."""
    found = np.array(
        [
            [signal.features[feature].low, signal.features[feature].median,
             signal.features[feature].high]
            for signal in signals
        ]
    )  # fmt: skip
    label, color = feature_label(feature), SIGNAL
    if feature == "mjj":
        truth = np.array([signal.resonance_mass for signal in signals])
        found, truth = found / truth[:, None], np.ones(len(truth))
        label = r"$m_{JJ}\,/\,m_\mathrm{resonance}$"
    else:
        jet = int(feature[-1])
        color = _JETS[jet][1]
        truth = np.array([signal.masses_gev[jet - 1] for signal in signals], dtype=float)
    low, median, high = found.T
    errors = [median - low, high - median]
    axes.errorbar(median, rows, xerr=errors, fmt="o", ms=3.5, lw=1.4, color=color)
    if feature.startswith("mj"):
        seen = truth > 0
        axes.plot(truth[seen], rows[seen], "|", ms=11, mew=1.2, color="0.3")
    else:
        axes.set_xlim(0, 1)
    axes.set_xlabel(label)
    axes.grid(axis="y", lw=0.4, color="0.85")
    axes.tick_params(axis="y", which="minor", left=False, right=False)


def _near(background: Mapping[str, np.ndarray], resonance: float) -> dict[str, np.ndarray]:
    if not background:
        return {}
    inside = np.abs(background["mjj"] - resonance) < MJJ_HALF_WIDTH
    return {name: column[inside] for name, column in background.items()}


def _draw_mjj(
    axes: Axes, signal: ZooSignal, mass: np.ndarray, background: Mapping[str, np.ndarray]
) -> None:
    edges = np.linspace(0.4 * signal.resonance_mass, 1.3 * signal.resonance_mass, 73)
    if background:
        shares = _shares(background["mjj"], edges)
        axes.stairs(shares, edges, fill=True, color=BACKGROUND, alpha=0.2, label="QCD di-jets")
    axes.stairs(_shares(mass, edges), edges, color=SIGNAL, lw=1.4, label="signal")
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
