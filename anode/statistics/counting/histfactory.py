"""HistFactory workspace of a window's count, which ``pyhf`` and other tools read."""

from math import sqrt

from anode.statistics.counting.limits import SMALL

_FARTHEST = 10.0
"""Bounds of fits beyond the count, in standard deviations."""


def workspace(n_observed: float, n_expected: float, error: float) -> dict[str, object]:
    """A window's likelihood as a HistFactory workspace (CERN-OPEN-2012-016; JSON of pyhf).

        L(mu, alpha) = Pois(n_observed | mu + n_expected + alpha error) N(alpha | 0, 1),

    with ``mu`` the signal events that pass the cut, not below zero. From 25 expected events on its
    observed CLs limit is that of :func:`anode.statistics.counting.limits.upper_limit`.

    Args:
        n_observed: events counted.
        n_expected: background events expected.
        error: standard deviation of n_expected; 0 if exactly known.
    """
    spread = sqrt(max(n_expected, SMALL) + error**2)
    excess = max(n_observed - n_expected, 0.0)
    mu: dict[str, object] = {
        "name": "mu",
        "bounds": [[0.0, excess + _FARTHEST * spread]],
        "inits": [spread],
    }
    parameters = [mu]
    modifiers = []
    if error > 0:
        varied = {"hi_data": [n_expected + error], "lo_data": [n_expected - error]}
        modifiers = [{"name": "background error", "type": "histosys", "data": varied}]
        bounds = [-n_expected / error, excess / error + _FARTHEST]
        parameters.append({"name": "background error", "bounds": [bounds], "inits": [0.0]})
    signal = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "signal", "data": [1.0], "modifiers": [signal]},
        {"name": "background", "data": [n_expected], "modifiers": modifiers},
    ]
    return {
        "version": "1.0.0",
        "channels": [{"name": "window", "samples": samples}],
        "observations": [{"name": "window", "data": [n_observed]}],
        "measurements": [{"name": "search", "config": {"poi": "mu", "parameters": parameters}}],
    }
