"""Axes of all SIC and ROC figures: their names, two panels, the random score."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from anode.reporting.common.style import REFERENCE_LINE, annotate, new_figure

TPR_LABEL = r"signal efficiency $\epsilon_S$ (TPR)"
FPR_LABEL = r"background efficiency $\epsilon_B$ (FPR)"
SIC_LABEL = r"SIC $= \epsilon_S / \sqrt{\epsilon_B}$"
NO_LABELS = "no truth labels: no ROC/SIC"


def signal_line(s_over_b: float | None, s_over_sqrt_b: float | None) -> str:
    """What signal there was to find, as far as it is known."""
    if s_over_b == 0:
        return "no signal in the data"
    parts = []
    if s_over_b is not None:
        parts.append(f"$S/B$ = {s_over_b:.2%}")
    if s_over_sqrt_b is not None:
        parts.append(rf"$S/\sqrt{{B}}$ = {s_over_sqrt_b:.1f}")
    return ", ".join(parts) + (" in the signal region" if parts else "")


def sic_axes(fpr_floor: float) -> tuple[Figure, Axes, Axes]:
    """Two panels with one SIC axis: against TPR, and against FPR down to the floor."""
    figure = new_figure(9.0, 4.2)
    left = figure.add_subplot(1, 2, 1)
    right = figure.add_subplot(1, 2, 2, sharey=left)
    left.set(xlabel=TPR_LABEL, ylabel=SIC_LABEL, xlim=(0, 1))
    right.set(xlabel=FPR_LABEL, xscale="log", xlim=(min(fpr_floor, 0.1), 1))
    right.tick_params(labelleft=False)
    return figure, left, right


def finish_sic(left: Axes, right: Axes, lines: list[str]) -> None:
    """The random score, legend, annotation, and room for both above the curves."""
    for axes, x in ((left, np.linspace(0, 1, 200)), (right, np.geomspace(right.get_xlim()[0], 1))):
        axes.plot(x, np.sqrt(x), label=r"random score $\sqrt{\epsilon_S}$", **REFERENCE_LINE)
    left.set_ylim(0, 1.22 * left.dataLim.y1)
    rising = _peak(right) > 0.3  # nothing is found: curves rise to where all events pass
    left.legend(loc="upper left" if rising else "upper right")
    annotate(right, lines, 0.03 if rising else 0.97, 0.97)


def _peak(axes: Axes) -> float:
    """Where the highest point of all lines lies on the horizontal axis."""
    drawn = [np.asarray(line.get_xydata(), dtype=float) for line in axes.lines]
    points = np.concatenate([points for points in drawn if len(points)])
    return float(points[np.argmax(points[:, 1]), 0])
