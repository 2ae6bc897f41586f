"""Figures to judge a run by: ROC, SIC, scores, mass spectrum, losses, closure.

Every function takes arrays or result tuples and returns a matplotlib ``Figure``. Mass spectrum and
losses are in ``check_figures``, closure in ``closure_figure``.
"""

import re
from collections.abc import Mapping
from textwrap import wrap
from typing import TypeVar

import numpy as np
from matplotlib.figure import Figure

from anode.evaluation.curves import MIN_BACKGROUND, Performance, SicCurve
from anode.reporting.common.beyond import hatch_overflow
from anode.reporting.common.sic_axes import (
    FPR_LABEL,
    NO_LABELS,
    TPR_LABEL,
    finish_sic,
    sic_axes,
    signal_line,
)
from anode.reporting.common.style import (
    BACKGROUND,
    DATA,
    PALETTE,
    REFERENCE_LINE,
    SIGNAL,
    annotate,
    new_figure,
    notice_figure,
    style,
)

_T = TypeVar("_T")

WIDEST_LABEL = 58  # characters of an axis label that fit


def roc_figure(
    results: Mapping[str, Performance] | None,
    *,
    s_over_b: float | None = None,
    s_over_sqrt_b: float | None = None,
) -> Figure:
    """Background efficiency against signal efficiency, with AUC and 68% bootstrap band.

    Args:
        results: method -> performance; None or empty where truth is unknown.
        s_over_b, s_over_sqrt_b: signal content of the signal region, for the annotation.
    """
    if not results:
        return notice_figure(NO_LABELS)
    with style():
        figure = new_figure(5.4, 4.6)
        axes = figure.add_subplot()
        for color, (name, result) in _colored(results):
            label = f"{name}: AUC = {result.auc:.3f} ± {result.auc_error:.3f}"
            curve, band = result.roc, result.sic
            root = np.sqrt(band.fpr)
            axes.fill_betweenx(
                band.fpr, band.sic_low * root, band.sic_high * root, color=color, alpha=0.25, lw=0
            )
            seen = curve.passing_background > 0
            axes.plot(curve.tpr[seen], curve.fpr[seen], color=color, label=label)
        lowest = min(1 / result.n_background for result in results.values())
        line = np.geomspace(lowest, 1, 200)
        axes.plot(line, line, label="random score", **REFERENCE_LINE)
        axes.set(xlabel=TPR_LABEL, ylabel=FPR_LABEL, yscale="log", xlim=(0, 1), ylim=(lowest, 1))
        axes.legend(loc="lower right")
        # Every corner but the legend's may hold a curve, so the sample is described on top.
        *lines, _ = [line for line in _sample_lines(results, s_over_b, s_over_sqrt_b) if line]
        lines[-1] += f", where {MIN_BACKGROUND} background events pass"
        axes.set_title("\n".join(lines), loc="left", fontsize=8, color="0.25")
    return figure


def sic_figure(
    results: Mapping[str, Performance] | None,
    *,
    s_over_b: float | None = None,
    s_over_sqrt_b: float | None = None,
) -> Figure:
    """SIC against signal efficiency, as in the literature, and against background efficiency.

    Nothing is drawn where fewer than 25 test background events pass. The bands are the 68%
    bootstrap bands at fixed FPR, in the left panel carried to the TPR axis.

    Args:
        results: method -> performance; None or empty where truth is unknown.
        s_over_b, s_over_sqrt_b: signal content of the signal region, for the annotation.
    """
    if not results:
        return notice_figure(NO_LABELS)
    with style():
        figure, left, right = sic_axes(min(result.fpr_floor for result in results.values()))
        for color, (name, result) in _colored(results):
            curve = result.sic
            label = name
            if result.max_sic is not None:
                label = f"{name}: max {result.max_sic:.2f} ± {result.max_sic_error:.2f}"
            left.plot(curve.tpr, curve.sic, color=color, label=label)
            if not len(curve.fpr):
                continue
            left.fill_between(*_band_at_tpr(curve), color=color, alpha=0.25, lw=0)
            right.plot(curve.fpr, curve.sic, color=color)
            right.fill_between(
                curve.fpr, curve.sic_low, curve.sic_high, color=color, alpha=0.25, lw=0
            )
        finish_sic(left, right, _sample_lines(results, s_over_b, s_over_sqrt_b))
    return figure


def score_figure(
    data_score: np.ndarray,
    test_score: np.ndarray | None = None,
    test_label: np.ndarray | None = None,
    *,
    score_label: str = r"anomaly score $\log\,p_\mathrm{data}/p_\mathrm{bg}$",
    n_bins: int = 50,
) -> Figure:
    """Score distributions, each normalised to one: data, and test events by their truth.

    Args:
        data_score: (N,) scores of the data sample.
        test_score: (M,) scores of the test events, or None.
        test_label: (M,) truth of the test events, or None.
        score_label: text of the horizontal axis; densities as in ``p_data(x|m)`` become symbols.
        n_bins: number of bins; the outermost also hold what lies beyond them.
    """
    samples = {"data": np.asarray(data_score, dtype=float)}
    if test_score is not None and test_label is not None:
        samples["test background"] = np.asarray(test_score)[np.asarray(test_label) == 0]
        samples["test signal"] = np.asarray(test_score)[np.asarray(test_label) == 1]
    samples = {name: values for name, values in samples.items() if len(values)}
    if not samples:
        return notice_figure("no scores")
    low = min(np.quantile(values, 0.001) for values in samples.values())
    high = max(np.quantile(values, 0.999) for values in samples.values())
    edges = np.linspace(low, high if high > low else low + 1, n_bins + 1)
    with style():
        figure = new_figure(5.6, 4.2)
        axes = figure.add_subplot()
        for name, color in (("test background", BACKGROUND), ("test signal", SIGNAL)):
            if name in samples:
                density, _ = _density(samples[name], edges)
                axes.stairs(density, edges, color=color, fill=True, alpha=0.25)
                axes.stairs(density, edges, color=color, lw=1.4, label=_counted(name, samples))
        if "data" in samples:
            density, error = _density(samples["data"], edges)
            seen = density > 0
            axes.errorbar(
                ((edges[1:] + edges[:-1]) / 2)[seen],
                density[seen],
                error[seen],
                fmt="o",
                ms=3,
                lw=1,
                color=DATA,
                label=_counted("data", samples),
            )
        text = _formula("\n".join(wrap(score_label, WIDEST_LABEL)))
        axes.set(xlabel=text, ylabel="fraction of events / bin", yscale="log")
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(top=10 ** (0.8 + 0.3 * len(samples)) * axes.dataLim.y1)
        below, above = (
            any(np.any(values < edges[0]) for values in samples.values()),
            any(np.any(values > edges[-1]) for values in samples.values()),
        )
        hatch_overflow(axes, edges, below=below, above=above)
        axes.legend(loc="upper right")
        lines = [r"error bars: $\sqrt{N}$"] if "data" in samples else []
        if "test signal" not in samples:
            lines.append("no truth labels: data only")
        annotate(axes, lines, 0.03, 0.97)
    return figure


def _colored(items: Mapping[str, _T]) -> list[tuple[str, tuple[str, _T]]]:
    """Colour and (name, value) of each curve; colours repeat after seven."""
    return [(PALETTE[i % len(PALETTE)], item) for i, item in enumerate(items.items())]


def _sample_lines(
    results: Mapping[str, Performance], s_over_b: float | None, s_over_sqrt_b: float | None
) -> list[str]:
    """Signal content, test statistics, and the statistics cut of a SIC figure."""
    sizes = {(result.n_signal, result.n_background) for result in results.values()}
    tested = [
        f"test: {signal:,} signal, {background:,} background" for signal, background in sizes
    ]
    return [
        signal_line(s_over_b, s_over_sqrt_b),
        tested[0] if len(tested) == 1 else "",
        "band: 68% bootstrap interval of the test events",
        f"drawn where at least {MIN_BACKGROUND} background events pass",
    ]


def _band_at_tpr(curve: SicCurve) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The band as a function of TPR: (G,) TPR, lower and upper SIC.

    At FPR f the ROC curve lies between TPR = sic_low sqrt(f) and sic_high sqrt(f), both rising
    in f: they are the two edges of the band in any plane.
    """
    root = np.sqrt(curve.fpr)
    low_tpr, high_tpr = curve.sic_low * root, curve.sic_high * root
    grid = curve.tpr
    low = np.interp(grid, low_tpr, curve.sic_low)
    high = np.interp(grid, high_tpr, curve.sic_high)
    return grid, np.minimum(low, curve.sic), np.maximum(high, curve.sic)


def _density(values: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B,) fraction of events per bin with the overflow in the outermost, and its error."""
    counts = np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0]
    return counts / len(values), np.sqrt(counts) / len(values)


def _formula(text: str) -> str:
    """Densities as symbols."""
    return re.sub(r"p_(\w+)\(x\|m\)", r"$p_\\mathrm{\1}(x|m)$", text).replace(" - ", " − ")


def _counted(name: str, samples: Mapping[str, np.ndarray]) -> str:
    """Legend entry of a sample."""
    return f"{name} ({len(samples[name]):,} events)"
