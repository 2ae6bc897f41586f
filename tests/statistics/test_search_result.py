"""Search results: every committed file is read, written again, and pleasant to ask."""

import copy
import json

import numpy as np
import pytest

from anode import integrity, io
from anode.errors import DataError
from anode.statistics.calibration.result import Calibration
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.spectrum_config import SpectrumConfig
from anode.statistics.scan.top_events import TopEvents
from anode.statistics.scan.window_result import LargestExcess, MassWindow, WindowTest
from helpers.settings import REPOSITORY
from helpers.synthetic_search import as_result, make_search

REFERENCE = REPOSITORY / "results" / "reference"
KINDS = {
    "search.json": SearchResult,
    "calibration.json": Calibration,
    "top_events.json": TopEvents,
}
FILES = sorted(path for name in KINDS for path in REFERENCE.rglob(name))
BUNDLED = REFERENCE / "search" / "blind_signal" / "search.json"
CONTENT, _ = make_search()


@pytest.fixture(scope="module")
def bundled() -> SearchResult:
    return SearchResult.from_json(io.read_json(BUNDLED), BUNDLED)


def test_there_are_committed_files_of_every_kind():
    assert {path.name for path in FILES} == set(KINDS)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(REFERENCE)))
def test_a_committed_file_is_written_again_byte_by_byte(path):
    record = KINDS[path.name].from_json(io.read_json(path), path)
    text, content = path.read_text(), record.to_json()
    content = integrity.seal_json(content) if integrity.KEY in text else content
    assert json.dumps(content, indent=2) + "\n" == text


def test_a_result_answers_by_name(bundled):
    best = bundled.best
    assert isinstance(best, LargestExcess)
    assert (best.low, best.mass, best.high, best.efficiency) == (3300, 3500, 3700, 0.001)
    assert best.test == "categories"
    assert best.z_of_test == pytest.approx(8.14, abs=0.01)
    assert best.p_global_from == "above toys"
    assert best.z_global == pytest.approx(4.17, abs=0.01)
    assert best.fit is not None
    assert best.fit.n_parameters == 5
    assert best.limit is not None
    assert best.limit.expected[0] < best.limit.expected[4] < best.limit.observed
    assert bundled.resonance is not None
    assert bundled.resonance.mass == pytest.approx(3478, abs=1)
    assert bundled.bump_hunter["selected"].low is not None
    assert bundled.conclusion is not None
    assert bundled.conclusion.spectrum == SpectrumConfig(None, None, 50.0, 4)


def test_windows_of_a_cut_come_by_mass(bundled):
    assert sum(len(bundled.at(e)) for e in (1, *bundled.efficiencies)) == len(bundled.windows)
    lows = [row.low for row in bundled.at(0.01)]
    assert lows == sorted(lows)
    assert bundled.at(0.5) == []
    shuffled = as_result({**CONTENT, "windows": CONTENT["windows"][::-1]})
    assert shuffled.at(0.1) == as_result(CONTENT).at(0.1)


def test_a_window_finds_its_test_of_score_against_mass(bundled):
    test = bundled.independence_in(MassWindow(3300.0, 3700.0))
    assert test is not None
    assert (test.low, test.mass) == (3300, 3500)
    assert bundled.independence_in(MassWindow(3300.0, 3800.0)) is None


def test_pulls_compare_fit_and_template(bundled):
    row = bundled.at(0.1)[10]
    assert row.template is not None
    assert row.pull == pytest.approx(
        (row.n_expected - row.template.n_expected)
        / np.hypot(row.n_expected_error, row.template.n_expected_error)
    )
    both = [r for r in bundled.windows if r.expected_from == "fit" and r.template is not None]
    assert len(bundled.pulls()) == len(both) > 0
    assert bundled.at(1.0)[10].pull is None  # without a cut there is no template
    assert all(r.pull is None for r in bundled.windows if r.expected_from == "template")


def test_keys_that_an_old_file_lacks_are_not_written_back():
    lacking = {"template_source", "cuts_not_fixed", "independence", "bump_hunter", "conclusion"}
    old = {name: value for name, value in CONTENT.items() if name not in lacking}
    result = as_result(old)
    assert (result.independence, result.cuts_not_fixed, result.bump_hunter) == ((), (), {})
    assert result.conclusion is None
    assert result.to_json() == old


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.pop("windows"), r"search\.json: windows is missing, expected a list"),
        (lambda c: c["windows"][3].pop("n_observed"),
         r"windows\[3\]\.n_observed is missing, expected a whole number"),
        (lambda c: c["best"].update(p_global="small"),
         r"best\.p_global must be a number, got 'small'"),
        (lambda c: c["windows"][0]["strength"].pop("error_low"),
         r"windows\[0\]\.strength\.error_low is missing, expected a number"),
        (lambda c: c["windows"][0]["limit"].update(expected=[1, 2]),
         r"windows\[0\]\.limit\.expected must be a list of 5, got \[1, 2\]"),
        (lambda c: c["global"]["levels"].update(two=1.0), r"global\.levels must be a group with"),
        (lambda c: c.update(best=[]), r"best must be a group of keys, got \[\]"),
        (lambda c: c["data"].update(files="a.h5"), r"data\.files must be a list, got 'a\.h5'"),
    ],
)  # fmt: skip
def test_a_broken_file_is_refused_by_its_key(change, message):
    content = copy.deepcopy(CONTENT)
    change(content)
    with pytest.raises(DataError, match=message):
        as_result(content)


def test_a_largest_excess_is_the_test_of_its_window(bundled):
    best = bundled.best
    assert best is not None
    (row,) = [row for row in bundled.at(best.efficiency) if row.same_window(best)]
    assert type(row) is WindowTest
    assert best.to_json() == {**row.to_json(), **{
        name: value for name, value in best.to_json().items()
        if "global" in name or "test" in name or name == "spurious"
    }}  # fmt: skip
