"""Numbers of a run: their file, their names, and what a method or an old file adds or lacks."""

import json

import numpy as np
import pytest

from anode.errors import DataError
from anode.evaluation.curves import performance
from anode.evaluation.run_metrics import RunMetrics
from anode.evaluation.selected_features import Spread
from anode.statistics.counting.pass_rate import FlatnessTest

# As a run of R-ANODE leaves them, with a number of a method of one's own.
CONTENT = {
    "method": "r_anode",
    "seed": 1,
    "auc": 0.9081,
    "auc_error": 0.0009,
    "max_sic": 15.8,
    "max_sic_error": 0.7,
    "max_sic_fpr": 0.00046,
    "sic_at_fpr": {"1e-2": 8.1, "1e-3": None},
    "sic_at_fpr_error": {"1e-2": 0.04, "1e-3": None},
    "fpr_floor": 0.0011,
    "n_test_signal": 74776,
    "n_test_background": 22000,
    "n_data_sr": 35600,
    "n_data_sb": 214000,
    "n_injected_sr": 420,
    "s_over_b": 0.012,
    "s_over_sqrt_b": 2.2,
    "n_dropped": 0,
    "n_clipped": 3,
    "n_scored_data": 35600,
    "closure": {"mj1": 0.004},
    "sculpting": {"1e-2": {"chi2": 14.65, "ndf": 9, "p_value": 0.1}},
    "selection": {"all": {"mj1": {"low": 56.8, "median": 106.1, "high": 208.8}}},
    "uses_truth": False,
    "signal_fraction": 0.0121,
    "signal_fraction_error": 0.0009,
    "signal_fraction_by_fold": [0.012, 0.0122],
    "likelihood_gain": 0.021,
    "temperature": 2.5,
    "true_signal_fraction": 0.0119,
    "seconds": 31.0,
    "cpu_seconds": 32.0,
}


def test_what_a_run_leaves_is_read_and_written_again_byte_by_byte():
    metrics = RunMetrics.from_json(CONTENT, "metrics.json")
    assert json.dumps(metrics.to_json(), indent=2) == json.dumps(CONTENT, indent=2)
    assert metrics.sculpting["1e-2"] == FlatnessTest(14.65, 9, 0.1)
    assert metrics.selection["all"]["mj1"] == Spread(56.8, 106.1, 208.8)
    assert metrics.signal_fraction_by_fold == (0.012, 0.0122)
    assert metrics.other == {"temperature": 2.5}


def test_a_run_without_labels_has_every_key_and_null():
    content = RunMetrics("anode", 1).to_json()
    extra = {"signal_fraction", "signal_fraction_error", "signal_fraction_by_fold",
             "likelihood_gain", "temperature"}  # fmt: skip
    assert list(content) == [name for name in CONTENT if name not in extra]
    assert {name for name, value in content.items() if value is not None} == {
        "method", "seed", "sculpting", "selection", "uses_truth",
    }  # fmt: skip


def test_old_files_lack_keys_and_new_ones_have_more():
    old = {"method": "anode", "seed": 2, "auc": 0.8, "max_sic": None, "seconds": 3}
    metrics = RunMetrics.from_json(old, "metrics.json")
    assert (metrics.auc, metrics.closure, metrics.sculpting) == (0.8, None, {})
    assert metrics.to_json() == old
    new = RunMetrics.from_json({**CONTENT, "table": {"a": 1}, "words": "x"}, "metrics.json")
    assert new.to_json() == CONTENT


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"auc": "0.9"}, r"^runs/metrics\.json: auc must be a number or null, got '0\.9'$"),
        ({"seed": None}, r"seed must be a whole number, got None"),
        ({"sic_at_fpr": {"1e-2": []}}, r"sic_at_fpr\.1e-2 must be a number or null, got \[\]"),
        ({"sculpting": {"1e-2": {"chi2": 1.0}}}, r"sculpting\.1e-2\.ndf is missing"),
        ({"selection": {"all": {"mj1": 3}}}, r"selection\.all\.mj1 must be a group of keys"),
        ({"n_data_sr": 1.5}, r"n_data_sr must be a whole number or null, got 1\.5"),
    ],
)
def test_a_wrong_kind_is_refused_by_its_key(change, message):
    with pytest.raises(DataError, match=message):
        RunMetrics.from_json({**CONTENT, **change}, "runs/metrics.json")


def test_a_file_without_method_is_refused():
    with pytest.raises(DataError, match=r"metrics\.json: method is missing, expected a text"):
        RunMetrics.from_json({"seed": 1}, "metrics.json")


def test_numbers_have_dotted_names():
    metrics = RunMetrics.from_json(CONTENT, "metrics.json")
    assert metrics.quantity("sic_at_fpr.1e-2") == 8.1
    assert metrics.quantity("sic_at_fpr.1e-3") is None
    assert metrics.quantity("selection.all.mj1.median") == 106.1
    assert metrics.quantity("temperature") == 2.5
    assert metrics.quantity("method") is metrics.quantity("uses_truth") is None
    assert "sculpting.1e-2.ndf" in metrics.quantities


def test_performance_fills_what_needs_labels():
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], [4000, 1000])
    result = performance(rng.normal(size=5000) + label, label, rng, n_bootstrap=5)
    metrics = RunMetrics("anode", 1).with_performance(result)
    assert (metrics.auc, metrics.max_sic) == (result.auc, result.max_sic)
    assert metrics.sic_at_fpr is not None
    assert metrics.sic_at_fpr_error is not None
    assert metrics.sic_at_fpr == {"1e-2": result.sic_at_fpr[1e-2][0], "1e-3": None}
    assert metrics.sic_at_fpr_error["1e-3"] is None  # 4 background events, 25 are needed
    assert (metrics.n_test_signal, metrics.n_test_background) == (1000, 4000)
