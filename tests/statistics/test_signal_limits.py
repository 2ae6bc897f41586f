"""Limits cover the truth, behave as in closed form, and are those of pyhf from the workspace."""

import json

import numpy as np
import pyhf
import pytest

from anode.errors import DataError
from anode.statistics.fits.dijet_fit import Spectrum
from anode.statistics.signal.histfactory import workspace
from anode.statistics.signal.signal_fit import fit_signal
from anode.statistics.signal.signal_limits import (
    Exposure,
    Limit,
    confidence,
    cross_section_limit,
    signal_limit,
    upper_limits,
)
from anode.statistics.signal.signal_model import NO_SYSTEMATICS, Systematics, signal_model
from helpers.selected_spectra import EDGES, LARGE, SHAPE, SMALL, USED, background, toys, window


def limit(counts: np.ndarray, mass: float, systematics: Systematics = NO_SYSTEMATICS) -> Limit:
    return signal_limit(
        Spectrum(counts, EDGES), USED, window(mass), mass=mass, shape=SHAPE,
        systematics=systematics,
    )  # fmt: skip


def coverage(n_events: float, mass: float, s: float, n_toys: int) -> float:
    counts = toys(n_toys, n_events, mass, s, seed=int(n_events + mass + s) + 1)
    fractions = SHAPE.varied(EDGES, mass)
    model = signal_model(counts, EDGES, USED, window(mass), fractions, Systematics())
    return float((confidence(model, counts, np.full(n_toys, s)) >= 0.05).mean())


@pytest.mark.parametrize("s", [120.0, 300.0])
def test_limits_cover_a_signal_that_is_there(s):
    assert coverage(LARGE, 3500.0, s, 200) > 0.95 - 3 * 0.0155


@pytest.mark.slow
@pytest.mark.parametrize("mass", [3000.0, 3500.0, 4500.0])
@pytest.mark.parametrize("s", [40.0, 120.0, 300.0, 600.0])
@pytest.mark.parametrize("n_events", [SMALL, LARGE])
def test_limits_cover_signals_of_all_masses_and_strengths(n_events, s, mass):
    s = s / 2 if n_events == SMALL else s
    assert coverage(n_events, mass, s, 400) > 0.93 - 0.0125


@pytest.mark.slow
@pytest.mark.parametrize("s", [3.2, 5.0, 9.0, 16.0])
@pytest.mark.parametrize("mass", [4500.0, 5500.0, 6500.0])
def test_limits_cover_where_few_background_events_lie_under_the_signal(mass, s):
    """0.6 to 10 of them."""
    assert coverage(100.0, mass, s, 400) > 0.93 - 0.0125


def test_a_limit_is_the_strength_whose_confidence_is_one_in_twenty():
    counts = np.concatenate([toys(3, LARGE, 3500.0, s, seed=3) for s in (0.0, 200.0)])
    fractions = SHAPE.varied(EDGES, 3500.0)
    model = signal_model(counts, EDGES, USED, window(3500.0), fractions, Systematics(0.03))
    limits = upper_limits(model, counts).observed
    assert confidence(model, counts, limits) == pytest.approx(0.05, rel=0.01)
    assert (confidence(model, counts, 0.9 * limits) > 0.05).all()
    # nobody excludes what is below the best strength
    assert confidence(model, counts, np.full(6, 1e-3))[3:] == pytest.approx(1)


def test_limits_are_those_of_a_gaussian_where_counts_are_large():
    counts = np.round(background(4e5))
    spectrum = Spectrum(counts, EDGES)
    fit = fit_signal(
        spectrum, USED, window(3500.0), mass=3500.0, shape=SHAPE, systematics=NO_SYSTEMATICS
    )
    found = limit(counts, 3500.0)
    error = (fit.strength.error_low + fit.strength.error_high) / 2
    # without fluctuations CLs is 0.05 at 1.96 sigma; the bands: Phi^-1(1 - 0.05 Phi(N)) + N
    assert found.observed == pytest.approx(1.96 * error, rel=0.03)
    expected = [1.051, 1.408, 1.960, 2.726, 3.656]
    assert np.array(found.expected) / error == pytest.approx(expected, rel=0.03)
    strong = np.round(background(4e5) + 10 * error * SHAPE.fractions(EDGES, 3500.0))
    # far above expectation CLb is one, and the limit 1.64 errors above the strength
    assert limit(strong, 3500.0).observed == pytest.approx(11.72 * error, rel=0.02)


def test_no_limit_is_below_that_of_nothing_seen():
    counts = np.round(background(300.0))
    counts[EDGES[:-1] > 5500] = 0
    for mass in (6500.0, 9000.0):
        found = limit(counts, mass)
        least = -np.log(0.05) / SHAPE.fractions(EDGES, mass).sum()
        assert found.observed >= 0.999 * least
        assert found.expected[0] >= 0.999 * least
    assert limit(counts, 9000.0).observed == pytest.approx(least, rel=0.2)


def test_uncertainties_raise_limits_and_a_deficit_lowers_them():
    counts = np.round(background(LARGE))
    alone = limit(counts, 3500.0)
    for systematics in (
        Systematics(0.05, shape=False),
        Systematics(spurious=60.0, shape=False),
        Systematics(efficiency_error=0.3, shape=False),
    ):
        wider = limit(counts, 3500.0, systematics)
        assert wider.observed > 1.01 * alone.observed
        assert wider.expected[2] > 1.01 * alone.expected[2]
    # scale and resolution cost hardly anything where there is no signal
    assert limit(counts, 3500.0, Systematics()).observed > alone.observed
    few = counts - np.round(60 * SHAPE.fractions(EDGES, 3500.0))
    assert limit(few, 3500.0).observed < 0.8 * alone.observed
    assert (np.diff(alone.expected) > 0).all()
    at_90 = signal_limit(
        Spectrum(counts, EDGES), USED, window(3500.0), mass=3500.0, shape=SHAPE, level=0.9
    )
    assert at_90.observed < alone.observed


@pytest.mark.filterwarnings("ignore:jsonschema.RefResolver is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    ("n_events", "mass", "n_signal", "systematics"),
    [
        (200.0, 4500.0, 0.0, Systematics()),
        (SMALL, 3500.0, 40.0, Systematics(0.05, 5.0, 0.1)),
        (LARGE, 3000.0, 0.0, Systematics()),
        (LARGE, 4500.0, 60.0, Systematics(0.02, 3.0)),
        (4e5, 3500.0, 800.0, NO_SYSTEMATICS),
    ],
)
def test_limits_are_those_of_pyhf_from_the_workspace(n_events, mass, n_signal, systematics):
    counts = toys(1, n_events, mass, n_signal, seed=int(n_events))[0]
    found = limit(counts, mass, systematics)
    spec = json.loads(json.dumps(workspace(
        Spectrum(counts, EDGES), USED, window(mass), mass=mass, shape=SHAPE,
        systematics=systematics,
    )))  # fmt: skip
    model = pyhf.Workspace(spec).model()
    data = [*spec["observations"][0]["data"], *model.config.auxdata]
    unit = float(spec["channels"][0]["samples"][0]["name"].split()[2])

    def by_pyhf(n: float) -> tuple[float, float]:
        cls, expected = pyhf.infer.hypotest(n / unit, data, model, return_expected_set=True)
        return float(cls), float(expected[2])

    # near 0.05 CLs falls by 4% for 1% of the strength
    assert by_pyhf(found.observed)[0] == pytest.approx(0.05, rel=0.12)
    assert by_pyhf(found.expected[2])[1] == pytest.approx(0.05, rel=0.12)


def test_cross_sections_are_events_over_efficiency_and_luminosity():
    events = Limit(30.0, (10.0, 15.0, 20.0, 30.0, 40.0))
    found = cross_section_limit(events, Exposure(0.05, 20.0))
    assert found.observed == pytest.approx(30.0)
    assert found.expected == pytest.approx((10.0, 15.0, 20.0, 30.0, 40.0))
    for wrong in (Exposure(0.0, 20.0), Exposure(1.5, 20.0), Exposure(0.1, 0.0)):
        with pytest.raises(DataError, match="a cross-section needs"):
            cross_section_limit(events, wrong)


def test_an_impossible_level_is_refused():
    with pytest.raises(DataError, match="give 0"):
        signal_limit(
            Spectrum(np.round(background(LARGE)), EDGES), USED, window(3500.0), mass=3500.0,
            shape=SHAPE, level=95,
        )  # fmt: skip
