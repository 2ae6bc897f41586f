"""Checks of a run, drawn: whether the fits converge, and whether a cut sculpts the mass."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from anode.errors import DataError
from anode.reporting.common.beyond import mark_events_beyond, mark_points_beyond
from anode.reporting.common.number_format import p_is_math
from anode.reporting.common.style import (
    DATA,
    GEV_PER_TEV,
    MASS_LABEL,
    PALETTE,
    REFERENCE_LINE,
    new_figure,
    notice_figure,
    style,
)
from anode.statistics.counting.pass_rate import PassRate, pass_rate

_PANELS = {
    "p_bg": r"$p_\mathrm{bg}$, sidebands",
    "p_data": r"$p_\mathrm{data}$, signal region",
    "p_sig": r"$p_\mathrm{sig}$, signal region",
}
_LIKELIHOOD = r"$\langle -\log p \rangle$ [nats / event]"
_LOSSES = {
    "classifier": "cross-entropy [nats / event]",
    "representation": "loss that is minimised, mean of an event",
}


class LossHistory(NamedTuple):
    """Negative log-likelihood per event of one fit, epoch by epoch.

    Attributes:
        epoch: (E,) epoch numbers as stored in the checkpoints.
        train, validation: (E,) mean losses; NaN where not evaluated.
        members: epochs that the ensemble averages.
    """

    epoch: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    members: tuple[int, ...] = ()

    @property
    def held_out(self) -> float:
        """Mean validation loss of the epochs that are averaged; of the last one without any."""
        averaged = np.isin(self.epoch, self.members)
        return float(self.validation[averaged].mean() if averaged.any() else self.validation[-1])


def mass_figure(
    mass: np.ndarray,
    score: np.ndarray,
    *,
    signal_region: tuple[float, float],
    fractions: Sequence[float] = (0.1, 0.01, 0.001),
    label: np.ndarray | None = None,
    unscored_mass: np.ndarray | None = None,
    edges: np.ndarray | None = None,
) -> Figure:
    """Mass spectrum of the data before and after cuts on the score, and the pass rates.

    Each cut keeps a fraction of the scored events. The lower panel shows the pass rate relative
    to its mean with Clopper-Pearson errors, of background alone where truth is known: a method
    that sculpts no bump has a flat one.

    Args:
        mass: (N,) masses of the scored data events [GeV].
        score: (N,) finite scores.
        signal_region: bounds (low, high) [GeV].
        fractions: fractions of scored events that pass; those keeping less than one event are left
            out.
        label: (N,) truth of the scored events, or None.
        unscored_mass: (K,) masses of data events without a score (sidebands) [GeV]: before cuts
            only.
        edges: (B + 1,) edges of mass bins [GeV]; chosen from the masses if None.

    Raises:
        DataError: shapes differ or there is no event.
    """
    mass, score = np.asarray(mass, dtype=float), np.asarray(score, dtype=float)
    if mass.shape != score.shape or mass.ndim != 1 or not len(mass):
        raise DataError(
            f"mass_figure needs as many scores as masses, got {mass.shape} and {score.shape}"
        )
    everything = mass if unscored_mass is None else np.concatenate([mass, unscored_mass])
    edges = _mass_edges(everything, signal_region) if edges is None else np.asarray(edges)
    tested = np.ones(len(mass), dtype=bool) if label is None else np.asarray(label) == 0
    with style():
        figure = new_figure(6.4, 6.0)
        grid = figure.add_gridspec(2, 1, height_ratios=(2, 1))
        top, bottom = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
        before = np.histogram(everything, edges)[0]
        text = f"no cut, {'scored' if unscored_mass is None else 'all'} events: "
        text += f"{len(everything):,}"
        top.stairs(before, edges / GEV_PER_TEV, color=DATA, lw=1.3, label=text)
        for index, fraction in enumerate(f for f in fractions if f * len(mass) >= 1):
            passed = score >= np.quantile(score, 1 - fraction, method="higher")
            rate = pass_rate(mass[tested], passed[tested], edges)
            text = f"score cut, {100 * fraction:g}% of the signal region kept: {passed.sum():,}"
            counts = np.histogram(mass[passed], edges)[0]
            color = PALETTE[index % len(PALETTE)]
            top.stairs(counts, edges / GEV_PER_TEV, color=color, lw=1.3, label=text)
            _draw_rate(bottom, index, fraction, rate)
        scored = np.flatnonzero(np.histogram(mass, edges)[0])
        shown = edges[[scored[0], scored[-1] + 1]] if len(scored) else edges[[0, -1]]
        bottom.set_xlim(*shown / GEV_PER_TEV)
        _finish_mass(top, bottom, signal_region, edges)
        mark_events_beyond(top, [everything], edges)
        bottom.set_ylabel("pass rate / mean" if label is None else "background\npass rate / mean")
    return figure


def losses_figure(losses: Mapping[str, Sequence[LossHistory]]) -> Figure:
    """Training and validation loss per epoch, a panel for what was fitted, a colour a fold.

    Args:
        losses: ``p_bg``, ``p_data``, ``p_sig``, ``classifier`` or ``representation`` -> histories,
            one a fold.
    """
    if not losses:
        return notice_figure("no training histories")
    with style():
        figure = new_figure(max(4.4 * len(losses), 5.0), 3.8)
        for index, (name, histories) in enumerate(losses.items()):
            axes = figure.add_subplot(1, len(losses), index + 1)
            for fold, history in enumerate(histories):
                color = PALETTE[fold % len(PALETTE)]
                axes.plot(history.epoch, history.train, color=color, lw=1.0, ls=":")
                axes.plot(history.epoch, history.validation, color=color, lw=1.3)
                chosen = np.isin(history.epoch, history.members)
                axes.plot(
                    history.epoch[chosen], history.validation[chosen], "o", color=color, ms=3.5
                )
            axes.set_xlabel("epoch or tree" if name == "classifier" else "epoch")
            axes.set_ylabel(_LOSSES.get(name, _LIKELIHOOD))
            axes.set_title(_PANELS.get(name, name))
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.set_ylim(*_robust_range(histories))
            for fold, history in enumerate(histories):
                for loss in (history.train, history.validation):
                    mark_points_beyond(axes, history.epoch, loss, PALETTE[fold % len(PALETTE)])
            _losses_legend(axes, histories)
    return figure


def _mass_edges(mass: np.ndarray, signal_region: tuple[float, float]) -> np.ndarray:
    """Bins [GeV] that divide the signal region: ten of it alone, else an eighth of it each."""
    low, high = signal_region
    if mass.min() >= low and mass.max() <= high:
        return np.linspace(low, high, 11)
    width = (high - low) / 8
    start = low - width * np.ceil((low - np.quantile(mass, 0.0005)) / width)
    n_bins = int(np.ceil((np.quantile(mass, 0.9995) - start) / width))
    edges: np.ndarray = start + width * np.arange(n_bins + 1)
    return edges


def _draw_rate(axes: Axes, index: int, fraction: float, rate: PassRate) -> None:
    """Pass rate of one cut relative to its mean, and in the legend the test whether it is flat;
    nothing where no event passes at all."""
    if not rate.mean > 0:
        return
    # The cuts share the mass bins; side by side, their error bars can be told apart.
    center = rate.edges[:-1] + np.diff(rate.edges) * (0.3 + 0.2 * (index % 3))
    seen = rate.n_total > 0
    errors = np.stack([rate.rate - rate.low, rate.high - rate.rate]) / rate.mean
    label = f"{100 * fraction:g}%"
    if rate.ndf:
        label += f": {rate.chi2:.1f}/{rate.ndf}, {p_is_math(rate.p_value)}"
    axes.errorbar(
        center[seen] / GEV_PER_TEV,
        rate.rate[seen] / rate.mean,
        errors[:, seen],
        fmt="o",
        ms=2.5,
        lw=0.9,
        color=PALETTE[index % len(PALETTE)],
        label=label,
    )


def _finish_mass(
    top: Axes, bottom: Axes, signal_region: tuple[float, float], edges: np.ndarray
) -> None:
    """Axes, signal region and legend of the mass figure."""
    low, high = (value / GEV_PER_TEV for value in signal_region)
    beyond = edges[0] < signal_region[0] or edges[-1] > signal_region[1]
    if beyond:
        top.axvspan(low, high, color="0.92", lw=0, zorder=0)
    bottom.axhline(1, **REFERENCE_LINE)
    width = np.diff(edges)
    unit = f"{width[0]:.0f} GeV" if np.allclose(width, width[0]) else "bin"
    top.set(xlabel=MASS_LABEL, ylabel=f"events / {unit}", yscale="log")
    top.set_xlim(edges[0] / GEV_PER_TEV, edges[-1] / GEV_PER_TEV)
    # The spectrum of the signal region alone is flat, and would run through the legend.
    top.set_ylim(0.5, (60 if beyond else 600) * top.dataLim.y1)
    top.legend(loc="upper right", title="signal region in grey" if beyond else "signal region")
    highest = max(float(np.max(np.asarray(line.get_ydata(), float))) for line in bottom.lines)
    reach = max(2.2, 1.25 * highest)
    bottom.set(xlabel=MASS_LABEL, ylim=(-0.04 * reach, reach))
    bottom.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    if not bottom.containers:
        return
    bottom.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 0.98),
        ncols=3,
        fontsize=8,
        columnspacing=1.2,
        handletextpad=0.2,
        title=r"test of a flat pass rate, $\chi^2$/ndf; bars: 68% Clopper-Pearson",
        title_fontsize=8,
    )


def _losses_legend(axes: Axes, histories: Sequence[LossHistory]) -> None:
    """What the line styles mean; folds are told by colour."""
    entries: dict[str, dict[str, Any]] = {
        "training": {"lw": 1.0, "ls": ":"},
        "validation": {"lw": 1.3},
    }
    if any(history.members for history in histories):
        entries["averaged epochs"] = {"ls": "", "marker": "o", "ms": 3.5}
    if any(line.get_marker() in ("^", "v") for line in axes.lines):
        entries["beyond the frame"] = {"ls": "", "marker": "^", "ms": 3.5}
    handles = [Line2D([], [], color="0.2", label=name, **look) for name, look in entries.items()]
    title = f"{len(histories)} folds, one colour each" if len(histories) > 1 else None
    axes.legend(handles=handles, loc="upper right", title=title, title_fontsize=9)


def _robust_range(histories: Sequence[LossHistory]) -> tuple[float, float]:
    """Range of the losses without the first steep fall, which would flatten the rest."""
    late = [
        values[len(values) // 10 :]
        for history in histories
        for values in (np.asarray(history.train), np.asarray(history.validation))
    ]
    values = np.concatenate(late)
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    room = max(high - low, 1e-3)
    return float(low - 0.08 * room), float(high + 0.35 * room)
