"""Words of the field for methods, variants and points, as legends and axes show them."""

import re
from collections.abc import Mapping

METHOD_LABELS = {
    "anode": "ANODE",
    "cathode": "CATHODE",
    "r_anode": "R-ANODE",
    "lacathode": "LaCATHODE",
    "cwola": "CWoLa",
    "isolation_forest": "isolation forest",
    "supervised": "supervised",
    "iad": "idealised AD",
    "combination": "combination",
    "autoencoder": "autoencoder",
    "single_feature": "single feature",
}
"""The title of every method."""


def label_of(name: str, labels: Mapping[str, str] | None = None) -> str:
    """What a variant or a point of a study is called in a figure.

    Args:
        name: name as in the study; another average of a variant's epochs is VARIANT-MODE-SIZE, and
            a group of runs without a study may be KEY=VALUE.
        labels: name -> label, of the study; before the names of methods, and after both the name
            stands for itself.

    Example:
        >>> label_of("r_anode"), label_of("method.name=cwola"), label_of("seeds")
        ('R-ANODE', 'CWoLa', 'seeds')
        >>> label_of("rate_0.01-last-1", {"rate_0.01": "learning rate 0.01"})
        'learning rate 0.01, last epoch only'
    """
    known = {**METHOD_LABELS, **(labels or {})}
    if name in known:
        return known[name]
    if average := re.fullmatch(r"(.+)-(last|best)-(\d+)", name):
        variant, mode, size = average.groups()
        epochs = f"{mode} epoch only" if size == "1" else f"{mode} {size} epochs"
        return f"{label_of(variant, labels)}, {epochs}"
    return known.get(name.removeprefix("method.name="), name)
