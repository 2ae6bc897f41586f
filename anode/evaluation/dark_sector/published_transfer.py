"""The published table of classifiers of dark-sector jets, to stand beside ours.

A deep set of the repository JohnKala/dark-sector-ml (baseline, 50 epochs, one training), whose
files were never published: dark jets of one file against all Standard Model jets, with pT relative
to the jet and the distances of its constituents to it. Its splits are other ones than ours: jets
of one collision may be on both sides, and the Standard Model jets of a test were in the training
of other signals.
"""

from anode.events.dark_sector.names import SignalPoint

SOURCE = "github.com/JohnKala/dark-sector-ml"

_SIGNALS = {
    "r.2": SignalPoint(2000.0, 1.0, 0.2, "peak"),
    "high": SignalPoint(2000.0, 1.0, 0.3, "high"),
    "low": SignalPoint(2000.0, 1.0, 0.3, "low"),
    "peak": SignalPoint(2000.0, 1.0, 0.3, "peak"),
    "r.8": SignalPoint(2000.0, 1.0, 0.8, "peak"),
    "mD5": SignalPoint(2000.0, 5.0, 0.3, "peak"),
}

_AUC = {
    "r.2": (0.726, 0.713, 0.576, 0.732, 0.688, 0.719),
    "high": (0.608, 0.904, 0.808, 0.652, 0.814, 0.506),
    "low": (0.525, 0.823, 0.879, 0.577, 0.812, 0.359),
    "peak": (0.714, 0.762, 0.645, 0.739, 0.768, 0.690),
    "r.8": (0.592, 0.819, 0.753, 0.655, 0.910, 0.531),
    "mD5": (0.648, 0.497, 0.324, 0.642, 0.530, 0.795),
}
"""Trained on the row, tested on the columns in the order of ``_SIGNALS``."""

_EFFICIENCY = {
    "r.2": 0.053,
    "high": 0.259,
    "low": 0.361,
    "peak": 0.059,
    "r.8": 0.273,
    "mD5": 0.123,
}
"""Signal efficiency at 1% background, trained and tested on one signal."""

PUBLISHED_AUC = {
    (_SIGNALS[trained_on], point): value
    for trained_on, row in _AUC.items()
    for point, value in zip(_SIGNALS.values(), row, strict=True)
}
"""(trained on, tested on) -> AUC."""

PUBLISHED_EFFICIENCY = {_SIGNALS[name]: value for name, value in _EFFICIENCY.items()}
"""Signal, trained and tested on -> efficiency at 1% background."""
