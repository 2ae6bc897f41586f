"""Marks of what an axis leaves out: events beyond the bins, points beyond the range."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

_COLOR = "0.35"


def mark_events_beyond(axes: Axes, samples: Sequence[np.ndarray], edges: np.ndarray) -> None:
    """Arrows over the corners of the frame with the events below the first and above the last bin.

    Args:
        axes: axes of the histogram.
        samples: (N,) values of each sample, all that is drawn there.
        edges: (B + 1,) edges of bins, in the unit of the values.
    """
    below = sum(int(np.sum(np.asarray(sample) < edges[0])) for sample in samples)
    above = sum(int(np.sum(np.asarray(sample) > edges[-1])) for sample in samples)
    mark_counts_beyond(axes, below, above)


def mark_counts_beyond(axes: Axes, below: int, above: int) -> None:
    """The same from the numbers of events; nothing where there are none."""
    for count, text, x, side in (
        (below, f"◂ {below:,} below", 0.0, "left"),
        (above, f"{above:,} above ▸", 1.0, "right"),
    ):
        if count:
            at = axes.transAxes
            axes.text(x, 1.01, text, transform=at, ha=side, va="bottom", fontsize=7, color=_COLOR)


def mark_points_beyond(axes: Axes, x: np.ndarray, y: np.ndarray, color: str) -> None:
    """Triangles at the upper and lower edge of the frame where points lie beyond it.

    Args:
        axes: axes whose vertical range is final.
        x, y: (N,) points; those that are not finite are left out.
        color: color of the points.
    """
    low, high = axes.get_ylim()
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    for beyond, edge, marker in ((y > high, 0.97, "^"), (y < low, 0.03, "v")):
        shown = beyond & np.isfinite(y)
        if shown.any():
            axes.plot(
                x[shown], np.full(shown.sum(), edge), marker, ms=3.5, mew=0, color=color,
                transform=axes.get_xaxis_transform(), scalex=False, scaley=False,
            )  # fmt: skip


def hatch_overflow(axes: Axes, edges: np.ndarray, *, below: bool, above: bool) -> None:
    """Hatch over the outermost bins that also hold what lies beyond them, with a legend entry."""
    label = "hatched: with all events beyond"
    for holds, low, high in ((below, edges[0], edges[1]), (above, edges[-2], edges[-1])):
        if holds:
            axes.axvspan(
                low, high, fill=False, hatch="/////", ec="0.6", lw=0, zorder=0.5, label=label
            )
            label = "_"
