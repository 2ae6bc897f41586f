"""A search of events with a resonance that is visible without any selection: it is found."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from scipy import stats

from anode import io
from anode.configuration.builder import CONFIG_DIR
from anode.pipeline.search.config import SearchConfig, parse_search
from anode.pipeline.search.search import find
from anode.reporting.search.result_table import verdict, verdict_level
from anode.reporting.search.warnings import warnings
from anode.seeding import stream
from anode.statistics.scan.search_result import SearchResult

N_SIGNAL = 1800


def write_events(path: Path, n_signal: int) -> np.ndarray:
    """20,000 events like the first of the R&D file: smooth di-jets behind a turn-on that ends at
    2570 GeV, a resonance at 3.5 TeV among them whose features lie apart; gives the masses."""
    rng = stream(1, "strong signal")
    grid = np.arange(1900.0, 9000.0, 5.0)
    density = stats.norm.cdf(grid, 2370, 86) * (1 - grid / 13_000) ** 8 * grid**-5.5
    n_background = 20_000 - n_signal
    mass = rng.choice(grid, n_background, p=density / density.sum()) + 5 * rng.random(n_background)
    features = rng.normal(size=(n_background, 2))
    mass = np.concatenate([mass, rng.normal(3500, 115, n_signal)])
    features = np.concatenate([features, 5 + 1.5 * rng.normal(size=(n_signal, 2))])
    order = rng.permutation(len(mass))
    np.savez(path, mass=mass[order], a=features[order, 0], b=features[order, 1])
    return mass


def configuration(folder: Path, *overrides: str) -> SearchConfig:
    asked = [
        "data=table", f"data.path={folder / 'events.npz'}",
        "data.columns={mass: mass, features: {a: a, b: b}}", f"run_dir={folder / 'search'}",
        "method=isolation_forest", "method.trees=20", "method.max_samples=256", "split.folds=2",
        "scan.start=3000", "scan.stop=4200", "scan.step=200", "efficiencies=[0.1,0.02]",
        "scan.min_events=300", "template.n_events=5000", "n_toys=100",
        "n_jobs=1", "store=null", "tracker=none",
    ]  # fmt: skip
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        return parse_search(compose("search", [*asked, *overrides]))


def result_of(folder: Path) -> SearchResult:
    return SearchResult.from_json(io.read_json(folder / "search" / "search.json"), "search.json")


def test_a_proposal_says_what_is_seen_and_covers_it(tmp_path, capsys):
    write_events(tmp_path / "events.npz", N_SIGNAL)
    assert not find(configuration(tmp_path, "propose=true", "scan.start=2500", "scan.stop=6000"))
    said = capsys.readouterr().out
    assert "A localised excess is seen without any selection" in said
    assert "the scan covers it" in said
    assert float(said.split("scan.start=")[1].split()[0]) <= 3100


@pytest.mark.slow
def test_the_search_finds_it_and_leaves_no_window_untested(tmp_path):
    mass = write_events(tmp_path / "events.npz", N_SIGNAL)
    assert find(configuration(tmp_path))
    search = result_of(tmp_path)
    assert 2470 <= search.fit_range[0] <= 2870
    rows = search.at(1.0)
    assert len(rows) == 5
    assert all(row.tested for row in rows)
    assert search.best is not None
    assert search.best.low <= 3500 < search.best.high
    assert verdict_level(search) in ("excess", "beyond")
    assert "compatible" not in verdict(search, warnings(search))
    at_peak = next(row for row in rows if (row.low, row.high) == (3400, 3800))
    assert at_peak.n_total == ((mass >= 3400) & (mass < 3800)).sum()
    assert at_peak.z_local > 8


@pytest.mark.slow
def test_a_fit_that_starts_too_high_for_it_is_not_called_compatible_with_background(tmp_path):
    """Where the windows around the resonance cannot be tested, the verdict says what is there."""
    write_events(tmp_path / "events.npz", N_SIGNAL)
    high = ["spectrum.low=3500", "scan.stop=4800", "scan.min_events=100"]
    assert find(configuration(tmp_path, *high))
    search = result_of(tmp_path)
    assert any(not row.tested for row in search.at(0.1))
    assert verdict_level(search) in ("unexplained", "untested")
    sentence = verdict(search, warnings(search))
    assert "compatible with background" not in sentence
    assert "not tested" in sentence
