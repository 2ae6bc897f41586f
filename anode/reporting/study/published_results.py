"""Published results on the LHC Olympics events, to be drawn beside ours.

Their sample is another one than the bundled events, so these are marks for orientation and no
target: a figure that shows them says so.
"""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Published:
    """Results as published, on the LHC Olympics R&D sample.

    Attributes:
        source: legend entry.
        s_over_b: S/B of ``points``; NaN where it is not said.
        points: name of a study's point -> method -> max SIC.
        scan: S/B -> method -> max SIC.
        variants: variant of a study -> quantity ("auc", "max_sic") -> its value.
    """

    source: str
    s_over_b: float = math.nan
    points: dict[str, dict[str, float]] = field(default_factory=dict)
    scan: dict[float, dict[str, float]] = field(default_factory=dict)
    variants: dict[str, dict[str, float]] = field(default_factory=dict)


_DEFAULT = {"supervised": 17.65, "iad": 15.08, "cathode": 13.99, "cwola": 10.75, "anode": 6.46}
_SHIFTED = {"supervised": 12.73, "iad": 10.54, "cathode": 10.18, "cwola": 1.04, "anode": 5.29}

PUBLISHED = {
    "2109.00546": Published(
        source="LHC Olympics sample, 2109.00546",
        s_over_b=0.006,
        points={"default": _DEFAULT, "shifted": _SHIFTED},
        scan={
            0.006: _DEFAULT,
            0.004: {"iad": 12.2, "cathode": 14.3, "cwola": 5.0, "anode": 4.7},
            0.003: {"iad": 6.7, "cathode": 5.5, "cwola": 2.6, "anode": 3.7},
            0.002: {"iad": 1.5, "cathode": 2.0, "cwola": 2.0, "anode": 2.4},
        },
    ),
    "write_ups": Published(
        source="public write-ups, LHC Olympics sample, largest of a tuning",
        variants={
            "ae": {"auc": 0.80},
            "vae": {"auc": 0.80},
            "unet": {"auc": 0.92},
            "supervised_sparse": {"auc": 0.85},
            "anode_134": {"auc": 0.83, "max_sic": 5.20},
        },
    ),
}
"""Hallin et al. 2109.00546: medians; those of the scan below 0.6% are read off its figure.
Write-ups: autoencoders and a U-Net "on jet images"; sparse convolutions and a flow in D = 134, of
github.com/AtulChikku/LHC-Olympics-2020-AD. None can be run again."""
