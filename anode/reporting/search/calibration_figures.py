"""Calibration of a search, drawn: p-values without signal, and signal found of that injected."""

import numpy as np
import scipy
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from anode.errors import DataError
from anode.reporting.common.number_format import p_is_math, rounded
from anode.reporting.common.style import (
    PALETTE,
    REFERENCE_LINE,
    annotate,
    new_figure,
    notice_figure,
    style,
)

_ONE_SIGMA = 0.158655
_TWO_SIGMA = 0.02275
_SHADES = {"68%": "0.82", "95%": "0.92"}


MIN_SEARCHES = 3
"""Of equal injection, for a median and a band to be drawn."""


def p_value_figure(p_values: np.ndarray, *, n_bins: int = 10, what: str = "p-value") -> Figure:
    """Histogram of p-values on background, and the fraction below alpha against alpha.

    The bands are where binomial counts of uniform p-values lie with 68% and 95% probability.

    Args:
        p_values: (N,) independent p-values in [0, 1].
        n_bins: number of bins of the histogram.
        what: name of the p-value.

    Raises:
        DataError: a p-value is outside [0, 1].
    """
    p = np.sort(np.asarray(p_values, dtype=float))
    if not len(p):
        return notice_figure("no p-values")
    if not (p.min() >= 0 and p.max() <= 1):
        raise DataError(f"p-values must lie in [0, 1], got {p.min():g} to {p.max():g}")
    n = len(p)
    with style():
        figure = new_figure(9.2, 4.2)
        left, right = figure.subplots(1, 2)
        edges = np.linspace(0, 1, n_bins + 1)
        _draw_bands(left, np.array([0.0, 1.0]), n, np.full(2, 1 / n_bins), 1.0)
        left.axhline(n / n_bins, **REFERENCE_LINE)
        left.stairs(np.histogram(p, edges)[0], edges, color=PALETTE[0], lw=1.6)
        left.set(xlim=(0, 1), xlabel=what, ylabel=f"p-values / {1 / n_bins:g}")
        left.set_ylim(0, 1.45 * max(left.dataLim.y1, 2 * n / n_bins / 1.45))
        left.yaxis.set_major_locator(MaxNLocator(integer=True))
        test = scipy.stats.kstest(p, "uniform").pvalue
        annotate(left, [f"{n:,} p-values", f"Kolmogorov-Smirnov {p_is_math(test)}"], 0.97, 0.97)
        alpha = np.geomspace(1 / n / 3, 1, 300)
        _draw_bands(right, alpha, n, alpha, 1 / n)
        right.plot(alpha, alpha, **REFERENCE_LINE)
        fraction = np.searchsorted(p, alpha, side="right") / n
        seen = fraction > 0
        right.plot(alpha[seen], fraction[seen], color=PALETTE[0], drawstyle="steps-post")
        right.set(xscale="log", yscale="log", xlim=(alpha[0], 1), ylim=(0.3 / n, 1.5))
        right.set(xlabel=rf"$\alpha$ ({what})", ylabel=r"fraction of $p \leq \alpha$")
        entries = [
            f"{np.sum(p <= level)} of {n} below {level:g}"
            for level in (0.05, 0.01)
            if level * n > 1
        ]
        annotate(right, entries, 0.03, 0.97)
        handles = [
            Line2D([], [], color=PALETTE[0], label="p-values of the searches"),
            Line2D([], [], label="uniform p-values", **REFERENCE_LINE),
            *(Patch(color=shade, label=f"{name} of uniform") for name, shade in _SHADES.items()),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def injection_figure(
    injected: np.ndarray,
    z: np.ndarray,
    n_signal: np.ndarray,
    n_signal_error: np.ndarray,
    *,
    cut: str = "",
) -> Figure:
    """Significance and fitted signal events against the true ones that pass.

    Each point is a search; the line and band are median and central 68% over searches of the same
    injection. In the second panel the diagonal is what a fit without bias finds.

    Args:
        injected: (N,) true signal events that pass the cut, at any mass.
        z: (N,) significances.
        n_signal: (N,) fitted signal events.
        n_signal_error: (N,) errors of ``n_signal`` [events].
        cut: name of the cut, for the title.
    """
    if not len(injected):
        return notice_figure("no injections")
    with style():
        figure = new_figure(9.2, 4.2)
        left, right = figure.subplots(1, 2)
        for axes, values in ((left, z), (right, n_signal)):
            _draw_median(axes, injected, values)
        left.plot(injected, z, "o", ms=3, color=PALETTE[0], alpha=0.6)
        right.errorbar(
            injected, n_signal, n_signal_error, fmt="o", ms=3, lw=0.8, color=PALETTE[0],
            alpha=0.6, label="one search, 68% error of its fit",
        )  # fmt: skip
        reach = float(np.max(injected)) * 1.06 or 1.0
        right.plot([0, reach], [0, reach], label="fitted = true", **REFERENCE_LINE)
        right.axhline(0, color="0.8", lw=0.8, zorder=0)
        for level in (3, 5):
            left.axhline(level, **{**REFERENCE_LINE, "linestyle": ":"})
        left.axhline(0, color="0.8", lw=0.8, zorder=0)
        left.set(ylabel=r"local significance $Z$ [$\sigma$]")
        right.set(ylabel="fitted signal events")
        for axes in (left, right):
            axes.set_xlabel("true signal events that pass, at any mass")
            axes.set_xlim(-0.06 * reach, reach)
        figure.suptitle(cut, fontsize=10)
        handles, names = right.get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=4)
        found = injected > 0
        if found.any():
            ratio = float(np.sum(n_signal[found]) / np.sum(injected[found]))
            annotate(right, [f"fitted / true = {rounded(ratio, 2)}"], 0.03, 0.97)
    return figure


def _draw_median(axes: Axes, injected: np.ndarray, values: np.ndarray) -> None:
    """Median and 68% band over equal injections."""
    points, counts = np.unique(injected, return_counts=True)
    if np.any(counts < MIN_SEARCHES):
        return  # numbers that pass a cut differ from search to search: points alone
    quantiles = np.array(
        [
            np.quantile(values[injected == point], (_ONE_SIGMA, 0.5, 1 - _ONE_SIGMA))
            for point in points
        ]
    )
    axes.plot(points, quantiles[:, 1], color=PALETTE[1], label="median over searches")
    low, high = quantiles[:, 0], quantiles[:, 2]
    axes.fill_between(
        points, low, high, color=PALETTE[1], alpha=0.2, lw=0, label="central 68% of searches"
    )


def _draw_bands(axes: Axes, x: np.ndarray, n: int, probability: np.ndarray, unit: float) -> None:
    """Binomial bands of n trials at each x."""
    for tail, shade in ((_TWO_SIGMA, _SHADES["95%"]), (_ONE_SIGMA, _SHADES["68%"])):
        low, high = (scipy.stats.binom.ppf(q, n, probability) * unit for q in (tail, 1 - tail))
        axes.fill_between(x, np.maximum(low, 1e-9 * unit), high, color=shade, lw=0)
