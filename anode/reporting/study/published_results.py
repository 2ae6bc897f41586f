"""Published results on the LHC Olympics events, to be drawn beside ours.

Their sample is another one than the bundled events, so these are marks for orientation and no
target: a figure that shows them says so.
"""

from typing import NamedTuple


class Published(NamedTuple):
    """Maximal SIC as published, on the LHC Olympics R&D sample.

    Attributes:
        source: legend entry.
        s_over_b: S/B of ``points``.
        points: name of a study's point -> method -> max SIC.
        scan: S/B -> method -> max SIC.
    """

    source: str
    s_over_b: float
    points: dict[str, dict[str, float]]
    scan: dict[float, dict[str, float]]


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
    )
}
"""Hallin et al. 2109.00546: medians; those of the scan below 0.6% are read off its figure."""
