"""Figures to look at before fitting: the spectrum, and features against the mass.

Where the truth is known, dependence on the mass is drawn for background events, as that is what
has to be interpolated, and signal is drawn beside.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from anode.evaluation.description.region_comparison import FeatureComparison, FeatureSample
from anode.regions.windows import Regions
from anode.reporting.common.beyond import mark_events_beyond, mark_points_beyond
from anode.reporting.common.style import (
    BACKGROUND,
    DATA,
    GEV_PER_TEV,
    MASS_LABEL,
    PALETTE,
    REFERENCE_LINE,
    SIGNAL,
    feature_label,
    new_figure,
    notice_figure,
    style,
)

N_BINS = 40
COLUMNS = 3
_NICE = (1, 2, 5, 10, 20, 50, 100, 200)  # bins joined into one, so that edges stay round
_HIGHEST_RATIO = 4.0  # a ratio above is drawn as an arrow
_MIN_EVENTS = 10  # in both regions, for a ratio that says something
_MIN_PROFILE = 25  # events of a mass bin, for quantiles at 2.5%
_NOISE = "noise: KS of equal samples in 68%"
_WINDOW: dict[str, Any] = {"color": PALETTE[4], "alpha": 0.18, "lw": 0}


def spectrum_figure(
    counts: Mapping[str, np.ndarray], edges: np.ndarray, regions: Regions
) -> Figure:
    """Events by m_jj, the signal region shaded, sidebands as bars on top.

    Args:
        counts: (B,) events of "all" and, with truth, of "background" and "signal".
        edges: (B + 1,) edges of bins of equal width [GeV].
        regions: signal region and sidebands.
    """
    filled = np.flatnonzero(counts["all"])
    if not len(filled):
        return notice_figure("no events without fault")
    low, high = edges[filled[0]], edges[filled[-1] + 1]
    width = edges[1] - edges[0]
    merged = next((n for n in _NICE if (high - low) / (n * width) <= 100), _NICE[-1])
    first = filled[0] // merged * merged
    n_bins = -(-(filled[-1] + 1 - first) // merged)
    x = (edges[first] + width * merged * np.arange(n_bins + 1)) / GEV_PER_TEV

    def binned(values: np.ndarray) -> np.ndarray:
        taken = values[first : first + n_bins * merged]
        padded = np.pad(taken, (0, n_bins * merged - len(taken)))
        return padded.reshape(n_bins, merged).sum(axis=1)

    with style():
        figure = new_figure(6.4, 4.2)
        axes = figure.add_subplot()
        for name, color in (("background", BACKGROUND), ("signal", SIGNAL)):
            if name in counts:
                label = f"{name} ({counts[name].sum():,})"
                axes.stairs(binned(counts[name]), x, color=color, fill=True, alpha=0.22)
                axes.stairs(binned(counts[name]), x, color=color, lw=1.4, label=label)
        everything = binned(counts["all"])
        label = rf"all events ({everything.sum():,}), bars $\sqrt{{N}}$"
        seen = everything > 0
        axes.errorbar(
            ((x[1:] + x[:-1]) / 2)[seen], everything[seen], np.sqrt(everything[seen]), fmt="o",
            ms=2.8, lw=0.9, color=DATA, label=label,
        )  # fmt: skip
        _shade(axes, regions, label="signal region")
        axes.set(xlabel=MASS_LABEL, yscale="log", xlim=(x[0], x[-1]))
        axes.set_ylabel(f"events / {merged * width:g} GeV")
        axes.set_ylim(0.5, 8 * everything.max())
        axes.legend(loc="upper right")
    return figure


def regions_figure(
    inside: FeatureSample, outside: FeatureSample, features: Sequence[FeatureComparison]
) -> Figure:
    """A panel a feature: signal region against sidebands, each normalised, and their ratio below.

    Args:
        inside: events of the signal region.
        outside: events of the sidebands.
        features: D features in the order of the samples' columns.
    """
    if not (len(inside.mass) and len(outside.mass)):
        return notice_figure("no events in the signal region, or none in the sidebands")
    labelled = inside.label is not None and len(inside.background().mass) > 0
    points = inside.background() if labelled else inside
    filled = outside.background() if labelled else outside
    signal = inside.signal()
    with style():
        figure, cells = _grid(len(features), 3.5)
        for place, feature in enumerate(features):
            inner = cells[place].subgridspec(2, 1, height_ratios=(2.6, 1), hspace=0.02)
            top = figure.add_subplot(inner[0])
            bottom = figure.add_subplot(inner[1], sharex=top)
            top.tick_params(labelbottom=False)
            values = [sample.features[:, place] for sample in (points, filled, signal)]
            _draw_feature(top, bottom, values)
            bottom.set_xlabel(feature_label(feature.name, feature.unit))
            if place % _n_columns(len(features)) == 0:
                top.set_ylabel("fraction / bin")
                bottom.set_ylabel("SR / SB")
            distance = feature.background if labelled else feature.all_events
            if distance is not None:
                text = f"KS = {distance.ks:.3f}  (noise {distance.noise:.3f})"
                top.set_title(text, fontsize=8, pad=13)  # above the arrows at the corners
        handles: list[Patch | Line2D] = [
            Patch(
                fc=BACKGROUND, alpha=0.35, ec=BACKGROUND, label=f"sidebands ({len(filled.mass):,})"
            ),
            Line2D([], [], color=DATA, marker="o", ms=4,
                   label=f"signal region ({len(points.mass):,})"),
        ]  # fmt: skip
        if len(signal.mass):
            text = f"signal, same region ({len(signal.mass):,})"
            handles.append(Line2D([], [], color=SIGNAL, label=text))
        title = f"{'background' if labelled else 'all'} events, statistical error bars\n{_NOISE}"
        n_columns = _n_columns(len(features))
        figure.legend(handles=handles, title=title, loc="outside upper center", ncols=n_columns)
    return figure


def profiles_figure(
    inside: FeatureSample,
    outside: FeatureSample,
    features: Sequence[FeatureComparison],
    regions: Regions,
) -> Figure:
    """A panel a feature: its median and central 68% and 95% as functions of m_jj.

    Bins hold equal numbers of events, and no bin lies in two regions.

    Args:
        inside: events of the signal region.
        outside: events of the sidebands.
        features: D features in the order of the samples' columns.
        regions: signal region and sidebands.
    """
    samples = [inside.background(), outside.background()]
    mass = np.concatenate([sample.mass for sample in samples])
    if len(mass) < 100:
        return notice_figure("too few events for their dependence on the mass")
    values = np.concatenate([sample.features for sample in samples])
    edges = _mass_edges(mass, regions)
    bins = np.digitize(mass, edges)
    used = [index for index in range(1, len(edges)) if (bins == index).sum() >= _MIN_PROFILE]
    if len(used) < 2:
        return notice_figure("all events have about one mass")
    levels = (0.025, 0.158655, 0.5, 0.841345, 0.975)
    with style():
        figure, cells = _grid(len(features), 2.6)
        for place, feature in enumerate(features):
            axes = figure.add_subplot(cells[place])
            bands = [np.quantile(values[bins == index, place], levels) for index in used]
            lowest, low, median, high, highest = np.transpose(bands)
            x = np.array([np.median(mass[bins == index]) for index in used]) / GEV_PER_TEV
            axes.fill_between(x, lowest, highest, color=BACKGROUND, alpha=0.15, lw=0)
            axes.fill_between(x, low, high, color=BACKGROUND, alpha=0.3, lw=0)
            axes.plot(x, median, color=BACKGROUND, marker="o", ms=2.5)
            _shade(axes, regions)
            axes.set(ylabel=feature_label(feature.name, feature.unit), xlim=(x[0], x[-1]))
        handles: list[Patch | Line2D] = [
            Line2D([], [], color=BACKGROUND, marker="o", ms=3, label="median"),
            Patch(color=BACKGROUND, alpha=0.45, lw=0, label="central 68% of events"),
            Patch(color=BACKGROUND, alpha=0.15, lw=0, label="central 95%"),
            Patch(**_WINDOW, label="signal region"),
        ]
        figure.supxlabel(MASS_LABEL, fontsize=11)
        figure.align_ylabels()
        title = "background events" if inside.label is not None else "all events"
        n_columns = 2 * min(2, _n_columns(len(features)))
        figure.legend(handles=handles, title=title, loc="outside upper center", ncols=n_columns)
    return figure


def correlations_figure(features: Sequence[FeatureComparison]) -> Figure:
    """Pearson's and Spearman's correlation of every feature with m_jj within the sidebands."""
    known = [(f, f.correlation) for f in features if f.correlation is not None]
    if not known:
        return notice_figure("too few events in the sidebands for correlations")
    with style():
        figure = new_figure(5.6, 1.3 + 0.34 * len(known))
        axes = figure.add_subplot()
        rows = np.arange(len(known))
        for name, color, marker, shift in (
            ("Pearson", PALETTE[0], "o", -0.13),
            ("Spearman", PALETTE[1], "s", 0.13),
        ):
            values = [getattr(correlation, name.lower()) for _, correlation in known]
            axes.hlines(rows + shift, 0, values, color=color, lw=1.2, alpha=0.6)
            axes.plot(values, rows + shift, marker, color=color, ms=5, label=name)
        axes.axvline(0, **REFERENCE_LINE)
        axes.set_yticks(rows, [feature_label(f.name, "") for f, _ in known])
        axes.tick_params(axis="y", which="minor", left=False, right=False)
        reach = max(0.1, *(max(abs(c.pearson), abs(c.spearman)) for _, c in known))
        axes.set(xlim=(-1.12 * reach, 1.12 * reach), ylim=(len(known) - 0.5, -0.5))
        events = "background events" if known[0][0].background is not None else "all events"
        axes.set_xlabel(rf"correlation with $m_{{JJ}}$ in the sidebands, {events}")
        figure.legend(loc="outside upper center", ncols=2)
    return figure


def _mass_edges(mass: np.ndarray, regions: Regions) -> np.ndarray:
    """Bins of equal numbers of events below, in and above the signal region, outliers left out."""
    window = regions.signal
    low, high = np.quantile(mass, (0.001, 0.999))
    edges = [np.array([window.low, window.high])]
    for lowest, highest, wanted in (
        (low, window.low, 12), (window.low, window.high, 5), (window.high, high, 8)
    ):  # fmt: skip
        part = mass[(mass >= lowest) & (mass < highest)]
        if len(part):
            n_bins = int(np.clip(len(part) // (2 * _MIN_PROFILE), 1, wanted))
            edges.append(np.quantile(part, np.arange(n_bins) / n_bins)[1:])
            edges.append(np.array([lowest, highest]))
    return np.unique(np.concatenate(edges))


def _draw_feature(top: Axes, bottom: Axes, values: Sequence[np.ndarray]) -> None:
    """Points (signal region), filled (sidebands) and a line (signal); the ratio of the first two.

    What lies outside the inner 99.8% of each is not drawn; fractions are of all events.
    """
    points, filled, signal = values
    reach = [np.quantile(sample, (0.001, 0.999)) for sample in values if len(sample)]
    low, high = np.min(reach), np.max(reach)
    edges = np.linspace(low, high if high > low else low + 1.0, N_BINS + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    n_points, n_filled = (np.histogram(sample, edges)[0] for sample in (points, filled))
    share, expected = n_points / len(points), n_filled / len(filled)
    top.stairs(expected, edges, fill=True, color=BACKGROUND, alpha=0.25, lw=0)
    top.stairs(expected, edges, color=BACKGROUND, lw=1.2)
    top.errorbar(
        centres, share, np.sqrt(n_points) / len(points), fmt="o", ms=2.5, lw=0.8, color=DATA
    )
    if len(signal):
        top.stairs(np.histogram(signal, edges)[0] / len(signal), edges, color=SIGNAL, lw=1.3)
    top.set_ylim(0, 1.12 * top.dataLim.y1)
    top.set_xlim(edges[0], edges[-1])
    enough = (n_points >= _MIN_EVENTS) & (n_filled >= _MIN_EVENTS)
    ratio = share[enough] / expected[enough]
    error = ratio * np.sqrt(1 / n_points[enough] + 1 / n_filled[enough])
    bottom.errorbar(centres[enough], ratio, error, fmt="o", ms=2.5, lw=0.8, color=DATA)
    bottom.axhline(1.0, **REFERENCE_LINE)
    low, high = ratio.min(initial=0.5), min(ratio.max(initial=1.5), _HIGHEST_RATIO)
    bottom.set_ylim(low - 0.1, high + 0.1)
    mark_points_beyond(bottom, centres[enough], ratio, DATA)
    mark_events_beyond(top, [sample for sample in values if len(sample)], edges)


def _shade(axes: Axes, regions: Regions, label: str | None = None) -> None:
    window = regions.signal
    axes.axvspan(
        window.low / GEV_PER_TEV, window.high / GEV_PER_TEV, label=label, zorder=0, **_WINDOW
    )


def _n_columns(n_panels: int) -> int:
    return 2 if n_panels == 4 else min(COLUMNS, n_panels)


def _grid(n_panels: int, height: float) -> tuple[Figure, list]:
    n_columns = _n_columns(n_panels)
    n_rows = -(-n_panels // n_columns)
    figure = new_figure(3.5 * n_columns, height * n_rows + 0.6)
    figure.get_layout_engine().set(h_pad=0.03, hspace=0.0)  # type: ignore[union-attr, call-arg]
    grid = figure.add_gridspec(n_rows, n_columns)
    return figure, [grid[i // n_columns, i % n_columns] for i in range(n_panels)]
