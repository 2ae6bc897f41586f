"""Does a cut that a template fixes let as much background pass as it says?"""

from typing import NamedTuple

import numpy as np

from anode.statistics.scan.working_points import fix_cuts


class CutRatio(NamedTuple):
    """Mean ratio of the true to the quoted efficiency of a cut, its error, number of templates."""

    ratio: float
    error: float
    n: int


def cut_ratio(n_passing: int, n_templates: int, rng: np.random.Generator) -> CutRatio:
    """Of templates of uniform scores, of which so many events pass.

    A cut between two events of a template lets a fraction of all background pass that is known
    where scores are uniform: one minus the threshold.

    Args:
        n_passing: events of the template that pass.
        n_templates: number of templates.
        rng: random stream.
    """
    n_events = 1000
    nominal = n_passing / n_events
    ratios = np.empty(n_templates)
    for i in range(n_templates):
        (cut,) = fix_cuts(rng.random(n_events), [nominal])
        ratios[i] = (1 - cut.threshold) / cut.efficiency
    return CutRatio(
        float(ratios.mean()), float(ratios.std(ddof=1) / n_templates**0.5), n_templates
    )
