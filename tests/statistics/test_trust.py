"""Spurious signal of other backgrounds as a part of the error of a local significance."""

import numpy as np
import pytest

from anode.pipeline.search.signal_shape import WPRIME, read_shape
from anode.statistics.scan.trust import spurious_share, with_spurious
from anode.statistics.scan.window_spectra import Spectra

EDGES = np.arange(2600.0, 8001.0, 50.0)
CENTRES = (EDGES[1:] + EDGES[:-1]) / 2
INSIDE = abs(CENTRES - 3500) < 200


def spectra(rate: np.ndarray) -> Spectra:
    """A window of 500,000 events without fluctuations, and a cut that passes ``rate`` of them."""
    x = CENTRES / 13_000
    shape = (1 - x) ** 9 * x**-5.5
    every = 5e5 * shape / shape.sum()
    counts = np.round(np.stack([every, every * rate]))[None]
    return Spectra(
        edges=EDGES,
        low=np.array([3300.0]),
        high=np.array([3700.0]),
        strip=np.zeros(1),
        efficiency=np.array([1.0, 0.1]),
        counts=counts,
        n_inside=counts[:, :, INSIDE].sum(axis=2),
        used=~INSIDE[None],
        inside=INSIDE[None],
    )


def share(rate: np.ndarray) -> float:
    return spurious_share(spectra(rate), 0, [(1, None)], read_shape(WPRIME))


def test_a_smooth_pass_rate_makes_no_spurious_signal():
    assert share(np.full(len(CENTRES), 0.1)) < 0.1
    assert share(0.1 * (CENTRES / 3500) ** 0.5) < 0.1


def test_a_pass_rate_that_the_function_cannot_follow_makes_one():
    """A minimum of the pass rate beside the window: the di-jet function of five parameters follows
    it less well than a quartic of the pass rate does."""
    assert share(0.1 * (1 - 0.5 * np.exp(-0.5 * ((CENTRES - 3900) / 600) ** 2))) > 0.2


@pytest.mark.parametrize(("z", "share", "expected"), [(5, 0.2, 5), (5, 1, 3.536), (-2, 1, -2)])
def test_its_size_is_a_part_of_the_error(z, share, expected):
    assert with_spurious(z, share) == pytest.approx(expected, abs=1e-3)
