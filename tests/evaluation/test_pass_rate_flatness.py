"""What a cut does to the mass spectrum, and what it selects, told in numbers."""

import numpy as np
import pytest
from scipy import stats

from anode.evaluation.pass_rate_flatness import N_BINS, sculpting
from anode.evaluation.selected_features import selection
from anode.seeding import stream

WINDOW = (3300.0, 3700.0)


def test_a_score_that_knows_no_mass_gives_uniform_p_values():
    p_values = []
    for seed in range(200):
        rng = stream(seed, "flat")
        found = sculpting(rng.uniform(*WINDOW, 5000), rng.normal(size=5000), WINDOW)
        assert found["1e-2"].ndf <= found["1e-1"].ndf == N_BINS - 1
        p_values.append(found["1e-1"].p_value)
    assert stats.kstest(p_values, "uniform").pvalue > 1e-3


def test_a_score_that_likes_the_middle_is_found_out():
    rng = stream(1, "bump")
    mass = rng.uniform(*WINDOW, 20_000)
    found = sculpting(mass, rng.normal(size=20_000) - ((mass - 3500) / 150) ** 2, WINDOW)
    assert found["1e-1"].p_value < 1e-6
    assert found["1e-2"].chi2 > 3 * found["1e-2"].ndf


def test_too_few_events_give_no_verdict():
    rng = stream(1, "few")
    found = sculpting(rng.uniform(*WINDOW, 40), rng.normal(size=40), WINDOW)
    assert "1e-2" not in found


def test_the_selected_hundredth_is_described_by_its_quantiles():
    score = np.arange(1000.0)
    features = np.stack([score, -score], axis=1)
    found = selection(features, ["up", "down"], score, (score >= 500).astype(int))
    assert found["all"]["up"].median == pytest.approx(499.5)
    assert found["1e-2"]["up"].median == pytest.approx(np.median(np.arange(990, 1000)), abs=0.5)
    assert found["1e-2"]["down"].low == pytest.approx(-found["1e-2"]["up"].high)
    assert found["signal"]["up"].median == pytest.approx(749.5)
    assert "signal" not in selection(features, ["up", "down"], score, None)
