"""A warning is raised if and only if its numbers say so."""

import copy
from typing import Any

import pytest

from anode.reporting.search.warnings import SearchWarning, warnings
from anode.statistics.calibration.result import Calibration
from anode.statistics.calibration.uniformity import Uniformity
from helpers.synthetic_search import as_result, make_search

CLEAN, _ = make_search(n_signal=0.0)
GOOD = Uniformity(1000, {"0.05": 0.05, "0.01": 0.012}, {"0.05": 0.007, "0.01": 0.003}, 0.02, 0.4)


def calibrated(p_global: Uniformity, **p_local: Uniformity) -> Calibration:
    return Calibration((), 1000, (0,), p_global=p_global, p_local=p_local)


def raised(search: dict[str, Any], calibration: Calibration | None = None) -> list[SearchWarning]:
    return warnings(as_result(search), calibration)


def kinds(search: dict[str, Any], calibration: Calibration | None = None) -> set[str]:
    return {warning.kind for warning in raised(search, calibration)}


def changed(**of_best: Any) -> dict[str, Any]:
    """The clean search with another best window, in its list of windows too."""
    search = copy.deepcopy(CLEAN)
    best = search["best"]
    for row in search["windows"]:
        if (row["low"], row["efficiency"]) == (best["low"], best["efficiency"]):
            row |= {key: value for key, value in of_best.items() if key in row}
    search["best"] |= of_best
    return search


def test_a_clean_search_has_no_warning():
    assert kinds(CLEAN) == set()
    assert kinds(CLEAN, calibrated(GOOD, **{"0.1": GOOD})) == set()


@pytest.mark.parametrize(
    ("kind", "of_best", "number"),
    [
        (
            "low counts",
            {"n_observed": 5, "n_expected": 4.2, "n_expected_error": 0.51, "template": None},
            "4.20 ± 0.51",
        ),
        ("low counts", {"significance_from": "exact"}, "exact"),
        ("low counts", {"significance_from": "exact"}, "exact Poisson"),
        ("extrapolated", {"p_global_from": "extrapolated", "p_global": 3.1e-7}, "3.1e-7"),
        ("look-elsewhere", {"z_test": 2.9, "z_global": 1.4}, "1.4"),
        ("neighbours", {"z_local": 4.2, "z_global": 4.1}, "4.2"),
    ],
)
def test_the_best_window_raises_what_its_numbers_say(kind, of_best, number):
    found = raised(changed(**of_best))
    assert [warning.kind for warning in found] == [kind]
    assert number in found[0].text


def test_look_elsewhere_is_silent_where_it_costs_nothing():
    assert kinds(changed(z_test=2.9, z_global=2.8)) == set()
    assert kinds(changed(z_test=1.0, z_global=-2.0)) == set()


def test_two_expectations_of_the_best_window_that_differ():
    best = CLEAN["best"]
    template = {**best["template"], "n_expected": best["n_expected"] + 100.0, "z_local": -1.7}
    found = raised(changed(template=template))
    assert [warning.kind for warning in found] == ["two expectations"]
    assert "-1.7" in found[0].text


def test_failed_tests_of_the_best_window():
    search = changed(fit={**CLEAN["best"]["fit"], "p_value": 0.002})
    for test in search["independence"]:
        test["p_value"] = 0.0004 if test["low"] == search["best"]["low"] else 0.5
    for test in search["sculpting"]:
        same = test["low"] == search["best"]["low"] and test["efficiency"] == 0.01
        test["smooth_p_value"] = 0.0003 if same else 0.5
    assert kinds(search) == {"poor fit", "score and mass", "sculpting"}


def test_one_failure_elsewhere_is_chance_and_many_are_not():
    search = copy.deepcopy(CLEAN)
    elsewhere = [test for test in search["sculpting"] if test["low"] != search["best"]["low"]]
    elsewhere[0]["smooth_p_value"] = 0.002
    rows = [row for row in search["windows"] if row["low"] != search["best"]["low"]]
    rows[0]["fit"]["p_value"] = 0.002
    assert kinds(search) == set()
    for test in elsewhere[:20]:
        test["smooth_p_value"] = 0.002
    for row in rows[:20]:
        row["fit"]["p_value"] = 0.002
    assert kinds(search) == {"sculpting overall", "poor fits"}


def test_fits_that_leave_the_templates_to_both_sides_do_not_close():
    search = copy.deepcopy(CLEAN)
    rows = [row for row in search["windows"] if row["template"] is not None]
    for place, row in enumerate(r for r in rows if r["low"] != search["best"]["low"]):
        away = (3.0, -3.0, 0.0, 0.0)[place % 4]
        row["template"]["n_expected"] = row["n_expected"] + away * row["n_expected_error"] * 1.8
    assert kinds(search) == {"non-closure"}


def test_fits_that_all_lie_above_the_templates():
    search = copy.deepcopy(CLEAN)
    for row in search["windows"]:
        if row["template"] is not None:
            row["template"]["n_expected"] = row["n_expected"] - 1.9 * row["n_expected_error"]
    found = raised(search)
    assert [warning.kind for warning in found] == ["sideband scores"]
    assert "times those of the templates" in found[0].text


def test_windows_that_say_nothing_and_events_that_were_dropped():
    search = copy.deepcopy(CLEAN)
    search["skipped"] = [{"low": 5700.0, "high": 6100.0, "reason": "640 events, 1000 are needed"}]
    search["n_dropped"] = 21
    search["combined"][0] |= {"p_local": None, "z_local": None, "reason": "no lower sideband"}
    found = {warning.kind: warning.text for warning in raised(search)}
    assert set(found) == {"skipped", "dropped", "not tested"}
    assert "640 events" in found["skipped"]
    assert "21 of" in found["dropped"]


def test_a_best_window_at_the_edge():
    search = copy.deepcopy(CLEAN)
    last = max(
        (row for row in search["windows"] if row["efficiency"] == 0.1), key=lambda row: row["low"]
    )
    search["best"] |= last | {"significance_from": "asymptotic"}
    assert kinds(search) == {"edge"}


@pytest.mark.parametrize(
    "change",
    [
        {"fraction_below": {"0.05": 0.08, "0.01": 0.012}},
        {"fraction_below": {"0.05": 0.05, "0.01": 0.03}},
        {"ks_p_value": 1e-4},
    ],
)
def test_p_values_that_are_not_uniform(change):
    bad = GOOD._replace(**change)
    assert kinds(CLEAN, calibrated(bad)) == {"not calibrated"}
    (warning,) = raised(CLEAN, calibrated(GOOD, **{"0.1": GOOD, "0.01": bad}))
    assert "of 1,000 local ones at efficiency 1e-2" in warning.text
    assert "global" not in warning.text


def test_a_search_without_a_best_window():
    assert kinds({**CLEAN, "best": None}) == set()
