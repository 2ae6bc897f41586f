"""Overlays of generated events and the reference, feature by feature."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from anode.errors import DataError
from anode.reporting.common.beyond import mark_events_beyond, mark_points_beyond
from anode.reporting.common.style import (
    BACKGROUND,
    REFERENCE_LINE,
    SIGNAL,
    feature_label,
    new_figure,
    style,
)

_COLORS = {"background": BACKGROUND, "signal": SIGNAL}
_MIN_EXPECTED = 10
"""Ratios are drawn where a bin has this many events on both sides, fewer say nothing."""


class Overlay(NamedTuple):
    """One feature of both samples.

    Attributes:
        name: feature name as in ``EventTable.names``.
        edges: (B + 1,) edges of bins, in the feature's unit; events outside are not drawn.
        generated: values (N,) of our events, by "background" or "signal".
        reference: values of the events compared with, likewise; empty if there are none.
        log: logarithmic axis of event fractions.
    """

    name: str
    edges: np.ndarray
    generated: Mapping[str, np.ndarray]
    reference: Mapping[str, np.ndarray]
    log: bool = False


def overlay_figure(overlays: Sequence[Overlay], *, title: str, reference_name: str = "") -> Figure:
    """A panel a feature: normalised histograms, reference as points, their ratio below.

    Error bars are the statistical errors of the reference, bands in the ratio those of ours.

    Args:
        overlays: distributions of one to six features.
        title: name of the events shown.
        reference_name: name of the points, for the legend.

    Raises:
        DataError: nothing to draw, or a sample that is neither background nor signal.
    """
    if not 1 <= len(overlays) <= 6:
        raise DataError(f"overlay_figure draws one to six features, got {len(overlays)}")
    for overlay in overlays:
        unknown = sorted({*overlay.generated, *overlay.reference} - set(_COLORS))
        if unknown:
            raise DataError(f"overlay_figure knows {', '.join(_COLORS)}, got {unknown[0]!r}")
    n_columns = min(2, len(overlays))
    n_rows = -(-len(overlays) // n_columns)
    compared = any(overlay.reference for overlay in overlays)
    with style():
        figure = new_figure(4.6 * n_columns, (3.7 if compared else 3.0) * n_rows + 0.8)
        outer = figure.add_gridspec(n_rows, n_columns)
        for index, overlay in enumerate(overlays):
            cell = outer[index // n_columns, index % n_columns]
            if compared:
                inner = cell.subgridspec(2, 1, height_ratios=(2.6, 1), hspace=0.02)
                top = figure.add_subplot(inner[0])
                bottom = figure.add_subplot(inner[1], sharex=top)
                top.tick_params(labelbottom=False)
                _draw_ratios(bottom, overlay)
                bottom.set_xlabel(feature_label(overlay.name))
            else:
                top = figure.add_subplot(cell)
                top.set_xlabel(feature_label(overlay.name))
            _draw_histograms(top, overlay)
        errors = "error bars: statistical, of the reference; bands: the same of ours"
        figure.legend(
            handles=_legend_handles(overlays, reference_name),
            title=f"{title}\n{errors}" if compared else title,
            loc="outside upper center",
            ncols=2,
        )
    return figure


def _fractions(values: np.ndarray, edges: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Events in each bin, and the same as a share of all events."""
    counts = np.histogram(values, edges)[0]
    return counts, counts / max(len(values), 1)


def _draw_histograms(axes: Axes, overlay: Overlay) -> None:
    edges = overlay.edges
    centres = 0.5 * (edges[1:] + edges[:-1])
    highest, lowest = 0.0, np.inf
    for sample, values in overlay.generated.items():
        _, fraction = _fractions(values, edges)
        color = _COLORS[sample]
        axes.stairs(fraction, edges, fill=True, color=color, alpha=0.18, lw=0)
        axes.stairs(fraction, edges, color=color, lw=1.3)
        highest = max(highest, fraction.max())
        lowest = min(lowest, 0.5 * fraction[fraction > 0].min(initial=1.0))
    for sample, values in overlay.reference.items():
        counts, fraction = _fractions(values, edges)
        error = np.sqrt(counts) / max(len(values), 1)
        seen = counts > 0
        axes.errorbar(
            centres[seen], fraction[seen], error[seen], color=_COLORS[sample], fmt="o", ms=2.6,
            lw=0.9, mec="black", mew=0.4,
        )  # fmt: skip
        highest = max(highest, (fraction + error).max())
    axes.set(ylabel="fraction of events / bin", xlim=(edges[0], edges[-1]))
    mark_events_beyond(axes, [*overlay.generated.values(), *overlay.reference.values()], edges)
    if overlay.log:
        axes.set(yscale="log", ylim=(lowest, 4 * highest))
    else:
        axes.set_ylim(0, 1.12 * highest)


def _draw_ratios(axes: Axes, overlay: Overlay) -> None:
    """Reference over generated, where both have enough events."""
    edges = overlay.edges
    centres = 0.5 * (edges[1:] + edges[:-1])
    axes.set(ylabel="ref. / ours", ylim=(0.55, 1.45))
    for sample, reference in overlay.reference.items():
        if sample not in overlay.generated:
            continue
        n_reference, reference_fraction = _fractions(reference, edges)
        n_generated, generated_fraction = _fractions(overlay.generated[sample], edges)
        enough = (n_reference >= _MIN_EXPECTED) & (n_generated >= _MIN_EXPECTED)
        ratio = np.divide(
            reference_fraction, generated_fraction, out=np.full(len(centres), np.nan), where=enough
        )
        color = _COLORS[sample]
        error = ratio / np.sqrt(np.maximum(n_reference, 1))
        axes.errorbar(
            centres[enough], ratio[enough], error[enough], color=color, fmt="o", ms=2.6, lw=0.9,
            mec="black", mew=0.4,
        )  # fmt: skip
        band = np.where(enough, 1 / np.sqrt(np.maximum(n_generated, 1)), 0.0)
        axes.stairs(1 + band, edges, baseline=1 - band, fill=True, color=color, alpha=0.25, lw=0)
        mark_points_beyond(axes, centres[enough], ratio[enough], color)
    axes.axhline(1.0, **REFERENCE_LINE)


def _legend_handles(overlays: Sequence[Overlay], reference_name: str) -> list[Patch | Line2D]:
    handles: list[Patch | Line2D] = []
    for sample, color in _COLORS.items():
        sizes = [len(o.generated[sample]) for o in overlays if sample in o.generated]
        if sizes:
            label = f"{sample}, ours ({max(sizes):,})"
            handles.append(Patch(facecolor=color, alpha=0.35, edgecolor=color, label=label))
        sizes = [len(o.reference[sample]) for o in overlays if sample in o.reference]
        if sizes:
            label = f"{sample}, {reference_name} ({max(sizes):,})"
            handles.append(
                Line2D([], [], color=color, marker="o", ms=4, mec="black", mew=0.4, label=label)
            )
    return handles
