"""What is drawn on axes: lines, bands, texts."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D


def line(axes: Axes, start: str) -> Line2D:
    """The line whose legend entry begins with ``start``."""
    return next(entry for entry in axes.lines if str(entry.get_label()).startswith(start))


def texts(figure: Figure) -> str:
    """All free text, titles, labels and legends of a figure."""
    found = [text.get_text() for text in figure.texts]
    for legend in figure.legends:
        found.append(legend.get_title().get_text())
        found += [text.get_text() for text in legend.get_texts()]
    for axes in figure.axes:
        entries = axes.get_legend()
        found += [axes.get_xlabel(), axes.get_ylabel(), axes.get_title(), axes.get_title("left")]
        found += [text.get_text() for text in axes.texts]
        if entries is not None:
            found += [text.get_text() for text in entries.get_texts()]
            found.append(entries.get_title().get_text())
    return "\n".join(found)


def xs(drawn: Line2D) -> np.ndarray:
    """Horizontal positions of a line."""
    return np.asarray(drawn.get_xdata(), dtype=float)


def ys(drawn: Line2D) -> np.ndarray:
    """Vertical positions of a line."""
    return np.asarray(drawn.get_ydata(), dtype=float)


def bands(axes: Axes) -> list[FillBetweenPolyCollection]:
    """The filled bands of an axes."""
    return [entry for entry in axes.collections if isinstance(entry, FillBetweenPolyCollection)]
