"""Heat map of numbers from 0 to 1, such as AUCs, with their bands."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.ticker import NullLocator

from anode.evaluation.comparison import Interval

AROUND_HALF, FROM_ZERO = "RdBu_r", "Blues"
"""Colours of AUCs, red above one half and blue below, where a score is upside down; of shares."""


def draw_heat_map(
    axes: Axes,
    cells: Sequence[Sequence[Interval | None]],
    *,
    colors: str = AROUND_HALF,
    high: float = 1.0,
    texts: Sequence[Sequence[str]] | None = None,
) -> AxesImage:
    """A square a number, with the number and half of its central 68% in it, or another text.

    Args:
        axes: where it is drawn; its ticks are the caller's.
        cells: rows of numbers from 0 to 1; None leaves a square empty.
        colors: colours, one of the two above.
        high: number at which they end.
        texts: rows of what the squares say instead.
    """
    values = np.array([[np.nan if c is None else c.median for c in row] for row in cells])
    image = axes.imshow(values, cmap=colors, vmin=0, vmax=high)
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_minor_locator(NullLocator())
    for row, line in enumerate(cells):
        for column, cell in enumerate(line):
            if cell is None:
                continue
            band = f"\n±{(cell.high - cell.low) / 2:.3f}" if cell.n > 1 else ""
            text = f"{cell.median:.3f}{band}" if texts is None else texts[row][column]
            share = cell.median / high
            dark = share > 0.6 if colors == FROM_ZERO else abs(share - 0.5) > 0.33
            axes.text(
                column, row, text, ha="center", va="center", fontsize=7,
                color="white" if dark else "black",
            )  # fmt: skip
    return image
