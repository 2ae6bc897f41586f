"""Files of a search: what a window leaves, and when a result counts as concluded."""

import dataclasses
import json
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from anode import io
from anode.configuration.builder import CONFIG_DIR
from anode.errors import DataError
from anode.pipeline.search.config import SearchConfig, parse_search
from anode.pipeline.search.search_directory import SearchDirectory, is_concluded
from anode.pipeline.search.window_file import WindowFile, read_window_file
from anode.statistics.scan.search_result import ScoreMassTest
from helpers.synthetic_search import as_result, make_search

CONTENT = {
    "low": 3300.0,
    "high": 3700.0,
    "strip": 0.0,
    "thresholds": {"0.1": 0.25, "0.01": 0.6},
    "template": {
        "source": "sampled",
        "n_events": 50000,
        "efficiency": [0.1, 0.01],
        "efficiency_error": [0.0013, 0.0004],
    },
    "n_total": 71669,
    "independence": {
        "n_events": 71669,
        "pearson": 0.004,
        "pearson_error": 0.0037,
        "pearson_p_value": 0.3,
        "rates": {
            "0.1": {"chi2": 8.5, "ndf": 9, "p_value": 0.48},
            "0.01": {"chi2": 12.0, "ndf": 9, "p_value": 0.21},
        },
    },
}


def configuration(*overrides: str) -> SearchConfig:
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        return parse_search(compose("search", ["experiment=toy", "run_dir=x", *overrides]))


def test_a_window_file_is_written_as_it_was_read(tmp_path):
    path = tmp_path / "window.json"
    io.write_json(path, CONTENT)
    window = read_window_file(path)
    assert json.dumps(window.to_json()) == json.dumps(CONTENT)
    assert (window.mass, window.template.efficiency) == (3500, (0.1, 0.01))


def test_the_test_at_a_tenth_goes_into_the_result():
    test = WindowFile.from_json(CONTENT, "window.json").score_mass_test()
    assert test == ScoreMassTest(3300.0, 3700.0, 0.004, 0.0037, 8.5, 9, 0.48)
    silent = WindowFile.from_json({**CONTENT, "independence": None}, "window.json")
    assert silent.score_mass_test() is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"high": None}, r"window\.json: high must be a number, got None"),
        ({"thresholds": {"0.1": "x"}}, r"thresholds\.0\.1 must be a number, got 'x'"),
        ({"template": {"source": "sampled"}}, r"template\.n_events is missing, expected a whole"),
    ],
)
def test_a_broken_window_file_is_refused_by_its_key(tmp_path, change, message):
    io.write_json(tmp_path / "window.json", {**CONTENT, **change})
    with pytest.raises(DataError, match=message):
        read_window_file(tmp_path / "window.json")


def test_a_result_is_concluded_if_its_settings_are_those_asked_for(tmp_path):
    config, directory = configuration(), SearchDirectory(tmp_path)
    assert not is_concluded(config, directory)
    result = dataclasses.replace(as_result(make_search()[0]), conclusion=config.conclusion)
    io.write_json(directory.result, result.to_json())
    assert directory.read_result() == result
    assert is_concluded(config, directory)
    assert not is_concluded(configuration("n_toys=123"), directory)
    assert not is_concluded(configuration("spectrum.min_bins=3"), directory)
    assert is_concluded(configuration("scan.window=1"), directory)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"conclusion": 3}'])
def test_a_result_that_cannot_be_read_is_not_concluded(tmp_path: Path, text: str):
    (tmp_path / "search.json").write_text(text)
    assert not is_concluded(configuration(), SearchDirectory(tmp_path))
