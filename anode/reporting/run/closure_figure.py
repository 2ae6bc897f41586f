"""Background model against background, feature by feature and pair by pair."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec, SubplotSpec
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from scipy import ndimage

from anode.errors import DataError
from anode.evaluation.closure import Closure, FeatureClosure, PairClosure
from anode.reporting.common.beyond import mark_events_beyond
from anode.reporting.common.style import (
    DATA,
    PALETTE,
    REFERENCE_LINE,
    annotate,
    feature_label,
    new_figure,
    style,
)

GENERATED = PALETTE[1]
_CONTENT = (0.9, 0.5)
"""Fractions of the events that the contours enclose, the outer first."""

MAX_FEATURES = 6
"""Features that a closure figure shows at most; a corner of more cannot be read."""


def closure_figure(result: Closure, generated: np.ndarray, reference: np.ndarray) -> Figure:
    """Generated against reference events: histograms and ratios, contours, and pulls of pairs.

    Diagonal: one feature, with the ratio generated / reference. Below: contours that enclose 50%
    and 90% of the events. Above: pulls in the percentile bins of the chi2 test. Six features at
    most.

    Args:
        result: result of ``anode.evaluation.closure.closure`` for the same events.
        generated: (N, D) events of the model.
        reference: (M, D) events to be described.

    Raises:
        DataError: the number of columns differs from the features of ``result``.
    """
    shown = min(len(result.features), MAX_FEATURES)
    for name, sample in (("generated", generated), ("reference", reference)):
        if sample.ndim != 2 or sample.shape[1] != len(result.features):
            raise DataError(
                f"closure_figure needs {len(result.features)} columns of {name} events, got "
                f"shape {sample.shape}; give the events that the closure was computed from"
            )
    ranges = [_plot_range(reference[:, i]) for i in range(shown)]
    place = {part.name: index for index, part in enumerate(result.features)}
    with style():
        figure, grid = _corner(shown)
        for i in range(shown):
            _draw_feature(
                figure, grid[i, i], result.features[i], generated[:, i], reference[:, i], ranges[i]
            )
        mesh = None
        for pair in result.pairs:
            x, y = (place[name] for name in pair.names)
            if y >= shown:
                continue
            below = figure.add_subplot(grid[y, x])
            columns = [x, y]
            limits = (ranges[x], ranges[y])
            _draw_contours(below, generated[:, columns], reference[:, columns], limits)
            _label_pair(below, pair.names, left=x == 0, bottom=y == shown - 1)
            above = figure.add_subplot(grid[x, y])
            mesh = _draw_pulls(above, pair)
            _label_pulls(above, pair, top=x == 0, right=y == shown - 1, ticks=y == x + 1)
        if mesh is not None:
            figure.colorbar(
                mesh,
                cax=_bar(figure),
                label=r"pull, (generated - reference) / $\sigma$",
                extend="both",
            )
        for axes in figure.axes:
            # Minor ticks of some twenty panels take most of the drawing time and say nothing.
            axes.minorticks_off()
        _closure_legend(figure, result, shown)
    return figure


def _corner(n: int) -> tuple[Figure, GridSpec]:
    """A figure with n x n panels at fixed places [inches], so that rows and columns line up."""
    left, right, bottom, top, panel = 0.85, 1.35, 0.65, 1.2, 2.5
    width, height = left + n * panel + right, bottom + n * panel + top
    figure = new_figure(width, height)
    figure.set_layout_engine("none")
    grid = figure.add_gridspec(
        n,
        n,
        left=left / width,
        right=1 - right / width,
        bottom=bottom / height,
        top=1 - top / height,
        wspace=0.32,
        hspace=0.28,
    )
    return figure, grid


def _bar(figure: Figure) -> Axes:
    """Place for the colour bar, right of the corner."""
    width = figure.get_size_inches()[0]
    return figure.add_axes((1 - 0.62 / width, 0.3, 0.14 / width, 0.4))


def _plot_range(values: np.ndarray) -> tuple[float, float]:
    """Where 99.8% of the reference events are, and a little room."""
    low, high = np.quantile(values, (0.001, 0.999))
    room = 0.04 * (high - low) or 0.5
    return float(low - room), float(high + room)


def _draw_feature(
    figure: Figure,
    place: SubplotSpec,
    part: FeatureClosure,
    generated: np.ndarray,
    reference: np.ndarray,
    limits: tuple[float, float],
) -> None:
    """Normalised histograms of one feature above the ratio in the bins of its chi2."""
    inner = place.subgridspec(2, 1, height_ratios=(2.2, 1), hspace=0)
    top = figure.add_subplot(inner[0])
    bottom = figure.add_subplot(inner[1], sharex=top)
    edges = np.linspace(*limits, 41)
    width = edges[1] - edges[0]
    model, counts = (np.histogram(sample, edges)[0] for sample in (generated, reference))
    center = (edges[1:] + edges[:-1]) / 2
    top.errorbar(
        center,
        counts / len(reference) / width,
        np.sqrt(counts) / len(reference) / width,
        fmt="o",
        ms=2,
        lw=0.8,
        color=DATA,
    )
    top.stairs(model / len(generated) / width, edges, color=GENERATED, lw=1.3)
    mark_events_beyond(top, [generated, reference], edges)
    top.set(xlim=limits, ylim=(0, 1.45 * top.dataLim.y1), yticks=[])
    top.tick_params(labelbottom=False)
    top.set_ylabel("events (norm.)", fontsize=8)
    test = rf"$\chi^2$/ndf = {part.chi2:.0f}/{part.ndf}, $p$ = {part.p_value:.2g}"
    annotate(
        top, [test, rf"KS = {part.ks_statistic:.3f}, $p$ = {part.ks_p_value:.2g}"], 0.97, 0.97
    )
    _draw_ratio(bottom, part)
    bottom.set_xlabel(feature_label(part.name))


def _draw_ratio(axes: Axes, part: FeatureClosure) -> None:
    """Generated / reference fractions with statistical errors, in equally populated bins."""
    seen = (part.generated > 0) & (part.reference > 0)
    model, data = part.generated[seen], part.reference[seen]
    ratio = (model / part.generated.sum()) / (data / part.reference.sum())
    error = ratio * np.sqrt(1 / model + 1 / data)
    center = (part.edges[1:] + part.edges[:-1])[seen] / 2
    half = np.diff(part.edges)[seen] / 2
    axes.axhline(1, **REFERENCE_LINE)
    axes.errorbar(center, ratio, error, half, fmt="none", lw=1.0, color=GENERATED)
    reach = float(np.clip(1.3 * np.max(np.abs(ratio - 1) + error, initial=0.1), 0.1, 1.0))
    axes.set_ylim(1 - reach, 1 + reach)
    axes.yaxis.set_major_locator(MaxNLocator(3, prune="both"))
    axes.tick_params(labelsize=8)
    axes.set_ylabel("gen./ref.", fontsize=8)


def _draw_contours(
    axes: Axes,
    generated: np.ndarray,
    reference: np.ndarray,
    limits: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    """Contours of the smoothed density that enclose 90% and 50% of each sample."""
    edges = [np.linspace(*limit, 41) for limit in limits]
    centers = [(edge[1:] + edge[:-1]) / 2 for edge in edges]
    for sample, color, line in ((generated, GENERATED, "dashed"), (reference, DATA, "solid")):
        counts = np.histogram2d(sample[:, 0], sample[:, 1], edges)[0]
        density = ndimage.gaussian_filter(counts, 1.2)
        ordered = np.sort(density.ravel())[::-1]
        enclosed = np.cumsum(ordered) / max(ordered.sum(), 1e-300)
        names = {ordered[np.searchsorted(enclosed, part)]: f"{part:.0%}" for part in _CONTENT}
        if not density.max() > density.min():
            continue
        drawn = axes.contour(
            *centers,
            density.T,
            levels=sorted(names),
            colors=color,
            linestyles=line,
            linewidths=1.2,
        )
        if sample is reference:
            _name_contours(axes, drawn, names, limits)
    axes.set(xlim=limits[0], ylim=limits[1])


def _name_contours(
    axes: Axes,
    drawn: ContourSet,
    names: Mapping[float, str],
    limits: tuple[tuple[float, float], tuple[float, float]],
) -> None:
    """The share of events inside the innermost contour, and beside the upper right of others."""
    low, high = np.transpose(limits)
    levels = list(drawn.levels)
    for level, path in zip(levels, drawn.get_paths(), strict=True):
        vertices = np.asarray(path.vertices)
        if not len(vertices):
            continue
        corner = vertices[np.argmax(((vertices - low) / (high - low)).sum(axis=1))]
        innermost = level == levels[-1]
        axes.annotate(
            names[level],
            (vertices.min(axis=0) + vertices.max(axis=0)) / 2 if innermost else corner,
            xytext=(0, 0) if innermost else (1, 1),
            textcoords="offset points",
            ha="center" if innermost else "left",
            fontsize=7,
            color=DATA,
        )


def _label_pair(axes: Axes, names: tuple[str, str], *, left: bool, bottom: bool) -> None:
    """Labels on the outer edge of the corner only."""
    axes.tick_params(labelleft=left, labelbottom=bottom, labelsize=8)
    if left:
        axes.set_ylabel(feature_label(names[1]))
    if bottom:
        axes.set_xlabel(feature_label(names[0]))


def _draw_pulls(axes: Axes, pair: PairClosure) -> QuadMesh:
    """Map of the pulls, a square a bin, mirrored: the first feature of the pair runs upwards."""
    mesh = axes.pcolormesh(
        np.linspace(0, 100, len(pair.y_edges)),
        np.linspace(0, 100, len(pair.x_edges)),
        pair.pull,
        cmap="RdBu_r",
        vmin=-4,
        vmax=4,
        rasterized=True,
    )
    test = rf"$\chi^2$/ndf = {pair.chi2:.0f}/{pair.ndf}, $p$ = {pair.p_value:.2g}"
    axes.text(0.5, 1.02, test, transform=axes.transAxes, ha="center", fontsize=8, color="0.25")
    return mesh


def _label_pulls(axes: Axes, pair: PairClosure, *, top: bool, right: bool, ticks: bool) -> None:
    """Percentile axes, named on the outer edge of the corner only, ticks once a row and column."""
    axes.tick_params(labelleft=False, labelbottom=ticks, labelright=right, labelsize=8)
    axes.set(xticks=[0, 50, 100], yticks=[0, 50, 100])
    if top:
        axes.xaxis.set_label_position("top")
        axes.set_xlabel(f"{feature_label(pair.names[1], '')} [percentile]", labelpad=18)
    if right:
        axes.yaxis.set_label_position("right")
        axes.set_ylabel(f"{feature_label(pair.names[0], '')} [percentile]")


def _closure_legend(figure: Figure, result: Closure, shown: int) -> None:
    """Who is who, above the corner."""
    entries = [
        Line2D([], [], color=DATA, label=f"reference ({result.n_reference:,} events)"),
        Line2D(
            [], [], color=GENERATED, ls="--", label=f"generated ({result.n_generated:,} events)"
        ),
    ]
    title = "error bars: 68%, statistical"
    if shown > 1:
        contents = " and ".join(f"{part:.0%}" for part in sorted(_CONTENT))
        title = f"contours enclose {contents} of the events\n{title}"
    columns = 2 if shown > 1 else 1
    figure.legend(
        handles=entries, loc="upper center", ncols=columns, fontsize=10, title=title,
        title_fontsize=9,
    )  # fmt: skip
    if shown < len(result.features):
        note = f"first {shown} of {len(result.features)} features"
        figure.text(0.99, 0.99, note, ha="right", va="top", fontsize=8, color="0.25")
