"""Objective of a tuning against what it stands for, a point a trial."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from anode.reporting.common.style import new_figure, style

LABELS = {"auc": "AUC", "sic_at_fpr.1e-2": r"SIC at $\epsilon_B = 10^{-2}$", "max_sic": "max SIC"}


def tuning_figure(
    objective: str,
    values: np.ndarray,
    quality: Sequence[Mapping[str, float | None]],
    names: Sequence[str],
) -> Figure:
    """One panel a quantity.

    Args:
        objective: name of the objective.
        values: (N,) objective of each trial.
        quality: for each trial the quantities, None where unknown.
        names: quantities to draw.
    """
    with style():
        figure = new_figure(3.6 * len(names), 3.4)
        for number, name in enumerate(names, start=1):
            axes = figure.add_subplot(1, len(names), number)
            found = {i: v for i, row in enumerate(quality) if (v := row.get(name)) is not None}
            axes.plot(values[list(found)], list(found.values()), "o", alpha=0.8)
            axes.set_xlabel(objective.replace("_", " "))
            axes.set_ylabel(LABELS.get(name, name))
    return figure
