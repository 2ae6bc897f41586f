"""Does a data card say what is in a file, the broken rows of a broken one too?"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.stats import norm

from anode.configuration.builder import CONFIG_DIR
from anode.errors import ConfigError, DataError
from anode.evaluation.description.column_summary import ColumnStatistics, Reservoir, repeated
from anode.evaluation.description.describe import Describer, Description
from anode.evaluation.description.region_comparison import FeatureSample, compare_regions
from anode.events.config import DataConfig
from anode.events.formats import FORMATS, open_source
from anode.events.identity import row_hashes
from anode.events.readers.dijet_files import DIJET_FEATURES
from anode.events.readers.fault_scan import Block, scan_table
from anode.events.readers.lhco_features import read_lhco_features
from anode.events.table import EventTable
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.datasets.config import CLASSES
from anode.pipeline.datasets.explore import ExploreConfig, describe, explore, facts, parse_explore
from anode.regions.windows import Regions, RegionsConfig
from anode.reporting.common.style import save_figure
from anode.reporting.dataset.exploration_card import card
from anode.reporting.dataset.exploration_figures import (
    correlations_figure,
    profiles_figure,
    regions_figure,
    spectrum_figure,
)
from helpers.feature_columns import raw_columns, write_pandas, write_root
from helpers.raw_files import raw_rows, write_frame
from helpers.settings import REPOSITORY

REAL = REPOSITORY.parent / "shared/data/lhco"
REGIONS = Regions.from_bounds([3300, 3700], [[None, 3300], [3700, 6000]])


def described(blocks, *, sample_size: int = 1000) -> Description:
    describer = Describer(REGIONS, sample_size=sample_size, seed=1)
    for block in blocks:
        describer.add(block)
    return describer.description()


def blocks_of(reader: str, path: Path, block_rows: int):
    data = DataConfig(reader, str(path), None, None, None)
    return open_source(data, seed=1).fault_scan(None, block_rows)


def scanned(reader: str, path: Path, block_rows: int = 1000) -> Description:
    return described(blocks_of(reader, path, block_rows))


def broken_columns() -> dict[str, np.ndarray]:
    columns = raw_columns(60)
    columns["mj1"][3] = -5.0
    columns["tau1j2"][[7, 8]] = np.nan
    columns["pzj2"][9] = -np.inf
    columns["pxj1"][11] = columns["pyj1"][11] = 0.0
    columns["label"][13] = 2.0
    columns["pxj2"][17] = 1e200  # its square is no number
    for values in columns.values():
        values[[21, 22]] = values[20]
    columns["label"][22] = 1 - columns["label"][20]
    return columns


BAD_ROWS = [3, 7, 8, 9, 11, 13, 17]


@pytest.mark.parametrize(
    ("reader", "write"), [("lhco_features", write_pandas), ("bundled", write_root)]
)
def test_a_broken_file_is_described_row_by_row(tmp_path, reader, write):
    columns = broken_columns()
    found = scanned(reader, write(tmp_path / "broken.h5", columns), block_rows=8)
    rows = {fault.column: (fault.rows, fault.n) for fault in found.faults}
    assert rows == {
        "mj1": ([3], 1),
        "tau1j2": ([7, 8], 2),
        "pzj2": ([9], 1),
        "pxj1": ([11], 1),
        "label": ([13], 1),
        "m_jj and features": ([17], 1),
    }
    assert found.n_faulty == len(BAD_ROWS)
    assert found.repeated_rows.n == 2
    assert found.repeated_rows.examples == [("21", "20"), ("22", "20")]
    stored = {column.name: column for column in found.stored}
    assert (stored["tau1j2"].n_missing, stored["pzj2"].n_infinite) == (2, 1)
    assert stored["pxj2"].high == 1e200
    with pytest.raises(DataError, match="must be finite"):
        read_lhco_features(write_pandas(tmp_path / "again.h5", columns), ["mj1", "tau21_1"])


def test_the_rows_without_fault_are_those_of_a_clean_file(tmp_path):
    columns = broken_columns()
    clean = {name: np.delete(values, BAD_ROWS) for name, values in columns.items()}
    dirty = scanned("lhco_features", write_pandas(tmp_path / "dirty.h5", columns), 7)
    whole = scanned("lhco_features", write_pandas(tmp_path / "clean.h5", clean))
    assert dirty.regions == whole.regions
    assert whole.faults == []
    assert [summary.high for summary in dirty.derived] == [s.high for s in whole.derived]


def test_a_description_is_what_the_reader_reads(tmp_path):
    path = write_pandas(tmp_path / "events.h5", raw_columns(500))
    found, table = scanned("lhco_features", path), read_lhco_features(path, DIJET_FEATURES)
    for summary in found.derived:
        values = table.mass if summary.name == "mjj" else table.column(summary.name)
        expected = [values.min(), values.max(), values.mean(), *np.quantile(values, (0.01, 0.5))]
        got = [summary.low, summary.high, summary.mean, *summary.quantiles[:3:2]]
        assert_allclose(got, expected, rtol=1e-12)
    inside = REGIONS.in_signal_region(table.mass)
    first, second, third, everything = found.regions
    assert (first.n, first.n_signal) == (inside.sum(), table.label[inside].sum())
    assert second.n == REGIONS.in_sidebands(table.mass).sum()
    assert first.n + second.n + third.n == everything.n == 500
    assert found.mass_counts["signal"].sum() == table.label.sum()


def test_nothing_but_rounding_depends_on_the_blocks(tmp_path):
    path = write_pandas(tmp_path / "events.h5", raw_columns(900))

    def content(block_rows: int) -> dict:
        blocks = blocks_of("lhco_features", path, block_rows)
        plain = facts(described(blocks, sample_size=50))
        for column in [*plain["stored"], *plain["derived"]]:
            del column["mean"]
        return plain

    assert content(7) == content(900)


def test_repeated_ids_and_missing_labels_are_said(tmp_path):
    columns = raw_columns(30)
    del columns["label"]
    columns["event_id"] = np.arange(30)
    columns["event_id"][[5, 9]] = 2
    path = write_root(tmp_path / "events.h5", columns)
    found = scanned("bundled", path)
    assert found.repeated_ids.n == 2
    assert found.repeated_ids.examples == [("5", "2"), ("9", "2")]
    assert not found.labelled
    assert list(found.mass_counts) == ["all"]
    text = card(found, {"data": "bundled"})
    assert "2 event ids occurred before (row = earlier row): 5 = 2, 9 = 2" in text
    assert "Without truth labels." in text
    assert "KS background" not in text


def array_rows(n: int, low: float, high: float) -> np.ndarray:
    rng = np.random.default_rng(int(1000 * low))
    rows = rng.uniform(0.01, 0.5, (n, 6))
    rows[:, 0] = rng.uniform(low, high, n)
    rows[:, 5] = np.arange(n) % 2
    return rows


def test_arrays_are_described_file_by_file(tmp_path):
    inner, outer = array_rows(40, 3.31, 3.69), array_rows(60, 2.5, 3.2)
    inner[4, 1], inner[6, 0], outer[10, 3] = np.nan, -1.0, -0.2
    outer[30] = inner[20]
    np.save(tmp_path / "innerdata_train.npy", inner)
    np.save(tmp_path / "outerdata_train.npy", outer)
    np.save(tmp_path / "innerdata_extrabkg.npy", array_rows(10, 3.31, 3.69))
    found = scanned("arrays", tmp_path, 16)
    inner_path, outer_path = (str(tmp_path / f"{k}data_train.npy") for k in ("inner", "outer"))
    assert found.files == {inner_path: 40, outer_path: 60}
    faults = {(Path(f.source).name[:5], f.column, *f.rows) for f in found.faults}
    assert faults == {("inner", "mJ1", 4), ("inner", "m_jj", 6), ("outer", "tau21_1", 10)}
    assert found.repeated_rows.examples == [(f"{outer_path}:30", f"{inner_path}:20")]
    assert found.regions[0].n == 40 - 2 + 1


def test_every_reader_is_described():
    # The two others are made into features first.
    assert {*FORMATS, "lhco_raw", "blackbox"} == set(CLASSES)
    config = ExploreConfig(
        "out", None, 1, 5000, 1,
        DataConfig("toy", None, None, 3000, 400), RegionsConfig([3300, 3700], [[None, 3300]]),
    )  # fmt: skip
    found = describe(config, open_data(config.data, seed=1, n_jobs=1), REGIONS)
    assert (found.n_rows, found.regions[-1].n_signal) == (3400, 400)
    assert [feature.name for feature in found.features] == ["x1", "x2", "x3", "x4"]
    assert found.stored == []


def test_without_labels_nothing_is_said_that_only_they_say():
    config = ExploreConfig(
        "out", None, 1, 5000, 1, DataConfig("toy", None, None, 3000, 400),
        RegionsConfig([3300, 3700], [[None, 3300]]), labels=False,
    )  # fmt: skip
    found = describe(config, open_data(config.data, seed=1, n_jobs=1), REGIONS)
    assert (found.n_rows, found.regions[-1].n_signal, found.labelled) == (3400, None, False)
    assert all(feature.background is None for feature in found.features)


def test_distance_and_correlation_have_their_closed_forms():
    rng, n, shift, rho = np.random.default_rng(0), 40_000, 0.4, 0.6
    mass, inside, noise = rng.normal(0, 1, n), rng.normal(0, 1, n), rng.normal(0, 1, n)
    linear = rho * mass + np.sqrt(1 - rho**2) * noise
    outside = FeatureSample(mass, np.stack([inside + shift, linear, np.ones(n)], 1), None)
    inner = FeatureSample(mass, np.stack([inside, linear, np.ones(n)], 1), None)
    shifted, correlated, constant = compare_regions(inner, outside, ["a", "b", "c"], [""] * 3)
    assert_allclose(shifted.all_events.ks, 2 * norm.cdf(shift / 2) - 1, atol=0.01)
    assert shifted.all_events.p_value < 1e-300
    assert correlated.all_events.ks == 0.0
    assert correlated.background is None
    assert_allclose(correlated.correlation.pearson, rho, atol=5 / np.sqrt(n))
    spearman = 6 / np.pi * np.arcsin(rho / 2)  # of a bivariate normal
    assert_allclose(correlated.correlation.spearman, spearman, atol=5 / np.sqrt(n))
    assert constant.correlation is None


def test_background_alone_is_compared_where_the_truth_is_known():
    rng, n = np.random.default_rng(0), 4000
    label = (np.arange(n) < n // 2).astype(float)
    values = rng.normal(0, 1, (2, n))
    values[0] += 3 * label  # signal in the signal region alone
    mass = rng.uniform(3000, 3200, n)
    samples = [
        FeatureSample(mass, v[:, None], where)
        for v, where in zip(values, (label, 0 * label), strict=True)
    ]
    (found,) = compare_regions(*samples, ["a"], [""])
    assert found.all_events.ks > 0.3
    assert found.background.n_signal_region == n // 2
    assert found.background.p_value > 1e-3


@given(st.lists(st.integers(0, 6), max_size=40))
def test_repeated_agrees_with_a_dictionary(values):
    first: dict[int, int] = {}
    expected = [(i, first[v]) for i, v in enumerate(values) if first.setdefault(v, i) != i]
    again, origin = repeated(np.array(values, dtype=np.int64))
    assert list(zip(again.tolist(), origin.tolist(), strict=True)) == expected


@settings(max_examples=30)
@given(st.integers(1, 60), st.integers(1, 30), st.integers(1, 20))
def test_a_reservoir_holds_distinct_rows_whatever_the_blocks(n, size, block):
    rows = np.arange(n, dtype=float)[:, None]
    whole, cut = (Reservoir(size, 1, np.random.default_rng(3)) for _ in range(2))
    whole.add(rows)
    for start in range(0, n, block):
        cut.add(rows[start : start + block])
    assert_allclose(whole.rows, cut.rows)
    assert len(np.unique(whole.rows)) == min(n, size)


def test_a_reservoir_gives_every_row_the_same_chance():
    n, size, repeats = 20, 5, 4000
    rng, counts = np.random.default_rng(0), np.zeros(n)
    for _ in range(repeats):
        reservoir = Reservoir(size, 1, rng)
        for start in range(0, n, 3):
            reservoir.add(np.arange(start, min(start + 3, n), dtype=float)[:, None])
        counts[reservoir.rows[:, 0].astype(int)] += 1
    expected = repeats * size / n
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected * (1 - size / n))


def test_equal_rows_have_equal_hashes_and_others_do_not():
    rows = np.random.default_rng(0).normal(size=(1000, 3))
    rows[7] = rows[3]
    rows[8] = np.nextafter(rows[4], 9)
    hashes = row_hashes(rows)
    assert hashes[7] == hashes[3]
    assert len(np.unique(hashes)) == 999


def test_a_column_without_a_number_has_no_summary():
    statistics = ColumnStatistics(["a"], [""], Reservoir(5, 1, np.random.default_rng(0)))
    statistics.add(np.array([[np.nan], [np.inf]]))
    (summary,) = statistics.summaries()
    assert summary[2:] == (2, 1, 1, None, None, None, None)


@pytest.mark.parametrize("case", ["labelled", "unlabelled", "constant", "signal region", "one"])
def test_figures_and_card_stand_for_every_kind_of_file(tmp_path, case):
    rng, n = np.random.default_rng(0), 1 if case == "one" else 800
    mass = rng.uniform(*((3300, 3700) if case == "signal region" else (2800, 5000)), n)
    features = np.stack([rng.exponential(100, n), rng.uniform(0, 1, n)], axis=1)
    if case == "constant":
        features[:, 1] = 0.5
    label = None if case == "unlabelled" else (np.arange(n) % 5 == 0).astype(float)
    table = EventTable(np.arange(n), mass, features, ("mj1", "x|y"), ("GeV", ""), label)
    found = described(scan_table(table, 300))
    samples = found.inside, found.outside
    figures = [
        spectrum_figure(found.mass_counts, np.arange(0.0, 20_001.0, 10.0), REGIONS),
        regions_figure(*samples, found.features),
        profiles_figure(*samples, found.features, REGIONS),
        correlations_figure(found.features),
    ]
    for place, figure in enumerate(figures):
        for path in save_figure(figure, tmp_path / str(place)):
            assert path.stat().st_size > 1000
    json.dumps(facts(found), allow_nan=False)
    for markdown in (True, False):
        assert "mj1" in card(found, {"data": "made up"}, ["0.png"], markdown=markdown)


def test_settings_are_refused_by_key():
    with pytest.raises(ConfigError, match="sample_size must be at least 1000"):
        ExploreConfig(
            "out", None, 1, 10, 1, DataConfig("toy", None, None, 10, 10),
            RegionsConfig([3300, 3700], [[None, 3300]]),
        )  # fmt: skip


def script(*overrides: str, cwd: Path) -> subprocess.CompletedProcess:
    command = [sys.executable, str(REPOSITORY / "scripts/explore.py"), *overrides]
    return subprocess.run(command, capture_output=True, text=True, cwd=cwd)


@pytest.mark.slow
def test_the_command_writes_a_card_of_a_broken_file(tmp_path):
    write_pandas(tmp_path / "broken.h5", broken_columns())
    done = script("data=lhco_features", "data.path=broken.h5", "output=out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "7 of 60 rows break a rule" in done.stdout
    names = {"card.json", "card.md"}
    for figure in ("spectrum", "features", "profiles", "correlations"):
        names |= {f"{figure}.png", f"{figure}.pdf"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    content = json.loads((tmp_path / "out/card.json").read_text())
    assert content["n_faulty"] == 7
    assert content["path"] == "broken.h5"


@pytest.mark.parametrize("reader", ["lhco_raw", pytest.param("blackbox", marks=pytest.mark.slow)])
def test_raw_particles_are_described_by_their_features(tmp_path, reader, monkeypatch):
    pytest.importorskip("fastjet")
    rows = raw_rows(40)
    rows[5, 0] = -1.0
    write_frame(tmp_path / "raw.h5", rows)
    monkeypatch.chdir(tmp_path)
    asked = [f"data={reader}", "data.path=raw.h5", "n_jobs=1", "output=out"]
    regions = ["regions.signal=[2000,3500]", "regions.sidebands=[[null,2000],[3500,null]]"]
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        explore(parse_explore(compose("explore", [*asked, *regions])))
    content = json.loads((tmp_path / "out/card.json").read_text())
    assert (content["n_rows"], content["n_faulty"]) == (40, 1)
    (fault,) = content["faults"]
    assert (fault["source"], fault["rule"], fault["rows"]) == ("raw.h5", "negative_pt", [5])
    assert (content["regions"][-1]["n_signal"] is None) == (reader == "blackbox")


def test_a_truncated_file_is_refused_and_leaves_nothing(tmp_path):
    path = write_pandas(tmp_path / "cut.h5", raw_columns(500))
    path.write_bytes(path.read_bytes()[:20_000])
    done = script("data=lhco_features", "data.path=cut.h5", "output=out", cwd=tmp_path)
    assert done.returncode == 2
    assert "truncated" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(not REAL.is_dir(), reason="no real events on this machine")
def test_real_events():
    found = scanned("lhco_features", REAL / "events_anomalydetection_v1_first20k.features.h5")
    assert [(entry.n, entry.n_signal) for entry in found.regions[:2]] == [
        (3974, 1334),
        (15953, 408),
    ]
    assert found.faults == []
    assert found.repeated_rows.n == 0


def test_a_block_counts_its_rows():
    table = EventTable(np.arange(2), np.array([1.0, 2.0]), np.ones((2, 1)), ("a",), ("",))
    assert Block("file", 0, {"a": np.zeros(3)}, [], None, table).n_rows == 3
    assert [block.n_rows for block in scan_table(table, 1)] == [1, 1]
