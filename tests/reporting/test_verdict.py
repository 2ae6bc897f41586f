"""The verdict takes every test into account, and no number in it claims more than is known."""

import copy
import re
from typing import Any

import pytest

from anode.reporting.common.number_format import p_is, p_is_math, p_text, with_error
from anode.reporting.search.report import as_markdown, make_report
from anode.reporting.search.report_text import global_text
from anode.reporting.search.result_table import search_table, verdict, verdict_level
from anode.reporting.search.warnings import warnings
from helpers.synthetic_search import as_result, make_search

CLEAN, _ = make_search(n_signal=0.0)
COMPATIBLE = "compatible with background"


def changed(**of_best: Any) -> dict[str, Any]:
    """A search without signal in which every window was tested, with another largest excess."""
    content = copy.deepcopy(CLEAN)
    content["best"] |= of_best
    return content


def said(content: dict[str, Any]) -> tuple[str, str]:
    search = as_result(content)
    return verdict_level(search), verdict(search, warnings(search))


def first_window(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The counts of the lowest window."""
    low = min(row["low"] for row in content["windows"])
    return [row for row in content["windows"] if row["low"] == low]


def not_tested(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The counts of a window that no fit predicts."""
    rows = first_window(content)
    for row in rows:
        row |= {"tested": False, "fit": None, "expected_from": "template", "reason": "too short"}
    return rows


@pytest.mark.parametrize(
    ("z", "level", "words"),
    [
        (1.9, "none", COMPATIBLE),
        (2.5, "watch", "worth watching"),
        (3.5, "evidence", "evidence"),
        (6.0, "excess", "does not explain"),
    ],
)
def test_the_verdict_follows_the_global_significance(z, level, words):
    found, sentence = said(changed(z_global=z, p_global=0.01, p_global_from="toys"))
    assert found == level
    assert words in sentence


def test_a_window_that_was_not_tested_forbids_compatible():
    content = changed(z_global=0.5)
    not_tested(content)
    level, sentence = said(content)
    assert level == "incomplete"
    assert COMPATIBLE not in sentence
    assert "1 window between 3.0-3.4 TeV was not tested" in sentence


def test_a_cut_that_was_not_tested_leaves_a_window_tested_at_the_others():
    content = changed(z_global=0.5)
    first_window(content)[-1] |= {"tested": False, "reason": "5 events pass"}
    assert said(content)[0] == "none"


def test_a_window_that_was_skipped_forbids_compatible():
    content = changed(z_global=0.5)
    content["skipped"] = [{"low": 5700.0, "high": 6100.0, "reason": "has 640 events"}]
    level, sentence = said(content)
    assert level == "incomplete"
    assert "1 window between 5.7-6.1 TeV was skipped" in sentence


@pytest.mark.parametrize("z", [34.2, -3.4])
def test_counts_far_from_the_template_where_nothing_was_tested_forbid_compatible(z):
    content = changed(z_global=2.1)
    row = not_tested(content)[2]
    row["template"] |= {"z_local": z}
    level, sentence = said(content)
    assert level == "unexplained"
    assert COMPATIBLE not in sentence
    assert f"3.0-3.4 TeV at efficiency 1e-2, not tested, has {row['n_observed']:,} " in sentence
    assert f"Z = {z}" in sentence
    assert "excess not tested" in sentence  # a warning too


@pytest.mark.parametrize(
    ("z", "more", "level"), [(-3.0, 4.0, "unexplained"), (-3.0, 2.0, "none"), (2.5, 4.0, "none")]
)
def test_an_excess_that_its_test_denies_forbids_compatible(z, more, level):
    content = changed(z_global=-2.0)
    row = first_window(content)[2]
    spread = (row["n_expected"] + row["n_expected_error"] ** 2) ** 0.5
    row |= {"n_observed": round(row["n_expected"] + more * spread), "z_local": z}
    found, sentence = said(content)
    assert found == level
    assert (COMPATIBLE in sentence) == (level == "none")
    assert ("excess denied" in sentence) == (level == "unexplained")  # a warning too


@pytest.mark.parametrize(("z", "level"), [(2.9, "none"), (20.9, "unexplained")])
def test_a_fitted_resonance_beyond_three_sigma_forbids_compatible(z, level):
    content = changed(z_global=-7.0, p_global=1 - 1e-12, p_global_error=0.0)
    content["resonance"] = make_search()[0]["resonance"] | {
        "n_signal": 811.0, "error_low": 57.0, "error_high": 57.0, "z": z,
    }  # fmt: skip
    found, sentence = said(content)
    assert found == level
    assert (COMPATIBLE in sentence) == (level == "none")
    assert ("811 ± 57 events" in sentence) == (level == "unexplained")


def test_an_excess_without_a_cut_and_a_deep_deficit_forbid_compatible():
    content = changed(z_global=0.3)
    content["best_inclusive"] |= {"z_global": 4.4, "z_local": 5.3}
    level, sentence = said(content)
    assert level == "unexplained"
    assert "without a cut has a local Z = 5.3" in sentence
    content = changed(z_global=0.3)
    first_window(content)[1] |= {"z_local": -9.3}
    level, sentence = said(content)
    assert level == "unexplained"
    assert "local Z = -9.3" in sentence


def test_other_tests_do_not_soften_an_excess():
    content = changed(z_global=5.5, p_global=1e-8)
    not_tested(content)
    content["resonance"] = make_search()[0]["resonance"]
    assert said(content)[0] == "excess"


def test_an_excess_above_all_toys_is_a_bound_and_no_verdict_of_its_size():
    content = changed(p_global=0.00292, z_global=2.78, p_global_error=0.0, z_global_error=0.0)
    content["best"]["p_global_from"] = "above toys"
    search = as_result(content)
    assert search.best is not None
    assert global_text(search.best) == "p < 0.0030, Z > 2.7, above all toys"
    level, sentence = said(content)
    assert level == "beyond"
    assert "n_toys" in sentence
    assert "no evidence" not in sentence
    assert "p < 0.0030, Z > 2.7" in search_table(search)


@pytest.mark.parametrize(
    ("of_best", "text"),
    [
        ({"p_global": 0.0123, "p_global_error": 0.0035, "z_global": 2.25, "z_global_error": 0.1},
         "p = 0.012 (error 0.0035), Z = 2.2 ± 0.1, from toys"),
        ({"p_global": 1 - 1e-12, "p_global_error": 0, "z_global": -7, "z_global_error": 1e-289},
         "p > 0.99, Z < -2.3, from toys"),
        ({"p_global": 0.3, "p_global_error": 1e-289, "z_global": 0.52, "z_global_error": 1e-289},
         "p = 0.30, Z = 0.5, from toys"),
        ({"p_global": 1e-11, "p_global_error": 3e-12, "z_global": 6.7, "z_global_error": 1e300,
          "p_global_from": "extrapolated"},
         "p = 1.0e-11 (error 3.0e-12), Z = 6.7, extrapolated beyond the toys"),
    ],
)  # fmt: skip
def test_a_global_p_value_says_no_more_than_is_known(of_best, text):
    best = as_result(changed(**{"p_global_from": "toys", **of_best})).best
    assert best is not None
    assert global_text(best) == text


def test_a_p_value_is_never_zero_or_one_and_no_error_is_zero():
    values = (0.0, 1e-320, 1 - 1e-16, 1.0)
    assert [p_text(p) for p in values] == ["< 1e-300", "< 1e-300", "> 0.99", "> 0.99"]
    assert [p_is(p, 0.0) for p in values] == ["p < 1e-300"] * 2 + ["p > 0.99"] * 2
    assert p_is_math(1.0) == "$p$ > 0.99"
    assert with_error(3.2, 0.0) == with_error(3.2, 1e-289) == with_error(3.2, 1e300) == "3.20"
    assert with_error(0.0, 0.0) == "0"
    content = changed(p_global=1.0, p_global_error=0.0, z_global=-7.03, z_global_error=1e-289)
    content["best"] |= {"p_local": 1.0, "z_local": -9.0}
    search = as_result(content)
    raised = warnings(search)
    pages = [as_markdown(make_report(search, raised, figures=())), search_table(search)]
    for page in pages:
        assert not re.search(r"p = (1(\.0)?|0)(?![\d.])|± 0(?![\d.])|e-2\d\d|\b0\.0{9}", page)
        assert "p > 0.99" in page


def test_the_verdict_without_any_test_says_what_was_seen():
    content = changed()
    for row in content["windows"]:
        row |= {"tested": False, "fit": None, "expected_from": "template", "reason": "too short"}
    content["windows"][1]["template"]["z_local"] = 12.0
    content |= {"best": None, "best_inclusive": None}
    level, sentence = said(content)
    assert level == "untested"
    assert "No window could be tested" in sentence
    assert "Z = 12.0" in sentence
