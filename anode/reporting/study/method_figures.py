"""Figures of methods: cost, robustness against disturbance, fitted signal fraction.

Every function takes the groups of a ``Comparison`` and returns a matplotlib
``Figure``. Points are medians over seeds, bars central 68% intervals.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, LogLocator, MaxNLocator, NullFormatter

from anode.evaluation.comparison import Group, Interval, variants_of
from anode.reporting.common.sic_axes import NO_LABELS
from anode.reporting.common.style import REFERENCE_LINE, new_figure, notice_figure, style
from anode.reporting.study.labels import label_of
from anode.reporting.study.point_style import (
    MARKS,
    PUBLISHED_MARK,
    draw_point,
    entries_of,
    legend_below,
    looks_of,
    place_of,
    sample_note,
    spread_note,
)
from anode.reporting.study.published_results import Published
from anode.reporting.study.signal_strength_figure import SIC_AT_LABEL


def cost_figure(groups: Sequence[Group], *, labels: Mapping[str, str] | None = None) -> Figure:
    """Max SIC against the CPU seconds of training and scoring, a point a method.

    Args:
        groups: one group a method; those without CPU seconds or SIC are left out.
        labels: names of variants and points in figures; here and below those of the study.
    """
    drawn: list[tuple[Group, Interval, Interval]] = []
    for group in groups:
        cost, gain = group.over_seeds("cpu_seconds"), group.over_seeds("max_sic")
        if cost is not None and gain is not None and cost.low > 0:
            drawn.append((group, cost, gain))
    if not drawn:
        return notice_figure("no CPU seconds and SIC in these runs")
    shown = looks_of(groups, labels)
    marks = dict(zip(shown, MARKS * len(shown), strict=False))
    with style():
        figure = new_figure(6.2, 5.2)
        axes = figure.add_subplot()
        for group, cost, gain in drawn:
            look, mark = shown[group.variant], marks[group.variant]
            draw_point(axes, look, mark, cost, gain, label=place_of(group, look, labels))
        axes.set(xscale="log", xlabel="CPU time of training and scoring [s]", ylabel="max SIC")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        low = min(cost.low for _, cost, _ in drawn)
        high = max(cost.high for _, cost, _ in drawn)
        axes.set_xlim(low / 2, high * 2)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, 1.08 * max(gain.high for _, _, gain in drawn))
        note = sample_note([group for group, _, _ in drawn], "max_sic")
        legend_below(figure, entries_of(axes), columns=3, note=note)
    return figure


def fraction_figure(groups: Sequence[Group], *, labels: Mapping[str, str] | None = None) -> Figure:
    """Fitted signal fraction of the signal region against the true one, and pulls, run by run.

    A pull is (fitted - true) / error; unbiased fits with honest errors have mean 0 and spread 1.

    Args:
        groups: groups of runs; those that have fitted a signal fraction are drawn.
    """
    fits = {name: _fractions(members) for name, members in variants_of(groups).items()}
    fits = {name: rows for name, rows in fits.items() if len(rows)}
    if not fits:
        return notice_figure("no fitted signal fractions in these runs")
    shown = looks_of(groups, labels)
    true, fitted, error = 100 * np.concatenate(list(fits.values())).T
    start, stop = _range_of_fractions(true)
    step = 0.011 * (stop - start)
    with style():
        figure = new_figure(5.8, 6.2)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        for index, (name, rows) in enumerate(fits.items()):
            x, y, bar = 100 * rows.T
            pulls = (y - x) / bar
            beside = x + (index - (len(fits) - 1) / 2) * step
            label = f"{shown[name].label}: pulls {pulls.mean():+.2f} ± {pulls.std():.2f}, "
            options = {"fmt": MARKS[index % len(MARKS)], "ms": 4, "lw": 1}
            options["color"] = shown[name].color
            options["mfc"] = "white" if shown[name].line == "--" else shown[name].color
            top.errorbar(beside, y, bar, label=f"{label}{len(rows)} runs", **options)
            bottom.errorbar(beside, pulls, np.ones(len(pulls)), **options)
        top.plot([start, stop], [start, stop], label="fitted = true", **REFERENCE_LINE)
        bottom.axhline(0, **REFERENCE_LINE)
        low = min(0.0, 1.1 * (fitted - error).min())
        top.set(xlim=(start, stop), ylim=(low, 1.1 * max(stop, (fitted + error).max())))
        top.set_ylabel("fitted signal fraction [%]")
        widest = 1.5 + np.abs((fitted - true) / error).max()
        bottom.set(xlabel="true signal fraction of the signal region [%]", ylabel="pull")
        bottom.set_ylim(-widest, widest)
        note = "a point a run, bars: error of the fit; mean and spread of pulls"
        if len(fits) > 1:
            note += "\npoints of one run side by side"
        legend_below(figure, entries_of(top), columns=1, note=note)
    return figure


def _range_of_fractions(true: np.ndarray) -> tuple[float, float]:
    """From zero, or about the true fractions where they are close together [%]."""
    low, high = float(true.min()), float(true.max())
    if low <= high / 2:
        return 0.0, 1.1 * high or 1.0
    room = max(0.4 * (high - low), 0.03 * high)
    return low - room, high + room


def robustness_figure(
    groups: Sequence[Group],
    published: Published | None = None,
    *,
    labels: Mapping[str, str] | None = None,
) -> Figure:
    """Max SIC and SIC at FPR 1e-3 of every method at each point of a study, side by side.

    Args:
        groups: one group a method and point.
        published: numbers to mark at the points they have.
    """
    if not any(group.by_seed("max_sic") for group in groups):
        return notice_figure(NO_LABELS)
    shown = looks_of(groups, labels)
    places = list(dict.fromkeys(group.point for group in groups))
    step = 0.8 / len(shown)
    offset = {name: (index + 0.5) * step - 0.4 for index, name in enumerate(shown)}
    marks = dict(zip(shown, MARKS * len(shown), strict=False))
    with style():
        figure = new_figure(max(6.4, 1.5 + 2.2 * len(places)), 6.4)
        panels = figure.subplots(2, 1, sharex=True)
        quantities = {"max_sic": "max SIC", "sic_at_fpr.1e-3": SIC_AT_LABEL}
        for axes, (quantity, text) in zip(panels, quantities.items(), strict=True):
            for group in groups:
                look, x = shown[group.variant], places.index(group.point) + offset[group.variant]
                if (measured := group.over_seeds(quantity)) is not None:
                    draw_point(axes, look, marks[group.variant], x, measured, label=look.label)
            for edge in range(1, len(places)):
                axes.axvline(edge - 0.5, color="0.8", lw=0.8, zorder=0)
            axes.axhline(1, zorder=0, label="no gain", **REFERENCE_LINE)
            axes.set(ylabel=text, xlim=(-0.5, len(places) - 0.5))
            axes.tick_params(axis="x", which="both", bottom=False, top=False)
        names = [label_of(place, labels) if place else "all runs" for place in places]
        panels[1].set_xticks(range(len(places)), names)
        entries = entries_of(panels[0])
        if published is not None:
            for group in groups:
                value = published.points.get(group.point, {}).get(group.method or "")
                if value is not None:
                    x = places.index(group.point) + offset[group.variant]
                    color = shown[group.variant].color
                    panels[0].plot(x + 0.35 * step, value, color=color, **PUBLISHED_MARK)
            text = f"{published.source}, $S/B$ = {100 * published.s_over_b:.1f}%"
            entries[text] = panels[0].plot([], [], color="0.4", **PUBLISHED_MARK)[0]
        for axes in panels:
            axes.set_ylim(-0.03 * axes.dataLim.y1, 1.08 * axes.dataLim.y1)
            axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        legend_below(figure, entries, columns=4, note=spread_note(groups, "max_sic"))
    return figure


def gain_figure(groups: Sequence[Group], *, labels: Mapping[str, str] | None = None) -> Figure:
    """Does the likelihood of unseen data, which needs no labels, choose what finds signal?

    Max SIC and SIC at FPR 1e-3 against ``likelihood_gain``, each less that of the first group:
    means over common seeds with their standard errors.

    Args:
        groups: variants of one method.
    """
    first, *others = groups
    fits = [group for group in others if _paired(group, first, "likelihood_gain") is not None]
    if not fits:
        return notice_figure("no likelihood gains in these runs")
    shown = looks_of(groups, labels)
    marks = dict(zip(shown, MARKS * len(shown), strict=False))
    with style():
        figure = new_figure(9.0, 4.8)
        panels = figure.subplots(1, 2, sharex=True)
        quantities = {"max_sic": "max SIC", "sic_at_fpr.1e-3": SIC_AT_LABEL}
        for axes, (quantity, text) in zip(panels, quantities.items(), strict=True):
            for group in fits:
                gain = _paired(group, first, "likelihood_gain", scale=1e3)
                sic = _paired(group, first, quantity)
                if gain is not None and sic is not None:
                    look = shown[group.variant]
                    draw_point(axes, look, marks[group.variant], gain, sic, label=look.label)
            axes.axhline(0, **REFERENCE_LINE)
            axes.axvline(0, **REFERENCE_LINE)
            axes.set_xlabel(r"difference of gain in $\log p$ [$10^{-3}$ nats]")
            axes.set_ylabel(f"difference of {text}")
        note = f"differences to {shown[first.variant].label} over common runs: "
        note += "points mean, bars its standard error"
        legend_below(figure, entries_of(panels[0]), columns=4, note=note)
    return figure


def _paired(group: Group, first: Group, quantity: str, *, scale: float = 1.0) -> Interval | None:
    """Mean difference to another group over common seeds, and its standard error."""
    mine, theirs = group.by_seed(quantity), first.by_seed(quantity)
    differences = [scale * (mine[seed] - theirs[seed]) for seed in mine if seed in theirs]
    if len(differences) < 2:
        return None
    mean = float(np.mean(differences))
    error = float(np.std(differences, ddof=1) / np.sqrt(len(differences)))
    return Interval(mean, mean - error, mean + error, len(differences))


def _fractions(groups: Sequence[Group]) -> np.ndarray:
    """(R, 3) true fraction, fitted one and its error, of runs that have all and an error."""
    rows = []
    for group in groups:
        names = ("true_signal_fraction", "signal_fraction", "signal_fraction_error")
        true, fitted, error = (group.by_seed(name) for name in names)
        seeds = [seed for seed in fitted if seed in true and error.get(seed, 0) > 0]
        rows += [(true[seed], fitted[seed], error[seed]) for seed in seeds]
    return np.array(rows).reshape(-1, 3)
