"""Impossible physics is refused, whatever the source, and what only looks odd is said."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from anode import Events
from anode.errors import DataError
from anode.events import rules
from anode.events.config import DataConfig
from anode.events.formats import open_source
from anode.events.readers.tables.config import TableColumns
from anode.events.source import MemorySource, Source
from anode.events.table import EventTable
from anode.pipeline.datasets.cached_features import open_data
from anode.pipeline.datasets.config import BlackboxConfig
from anode.pipeline.runs.config import from_mapping
from anode.pipeline.runs.prepare import prepare
from helpers.chain import composed_content
from helpers.feature_columns import raw_columns, write_pandas, write_root
from helpers.sources import WRITERS, table_config

N = 200
FEATURES = ["mj1", "delta_mj", "tau21_1", "tau21_2"]
Columns = dict[str, np.ndarray]


def jets(n: int = N, seed: int = 0) -> Columns:
    """Events of two jets in the columns of the CATHODE code, masses in TeV."""
    rng = np.random.default_rng(seed)
    return {
        "m_jj": rng.uniform(2.5, 4.5, n),
        "mJ1": rng.uniform(0.05, 0.3, n),
        "delta mJ": rng.uniform(0.0, 0.4, n),
        "tau21_1": rng.uniform(0.1, 0.9, n),
        "tau21_2": rng.uniform(0.1, 0.9, n),
    }


def arrays(n_columns: int) -> Callable[[Path, Columns], Source]:
    """A single array of so many columns."""

    def opened(folder: Path, columns: Columns) -> Source:
        n = len(columns["m_jj"])
        further = {6: [np.arange(n) % 2], 7: [np.full(n, 3.0), np.arange(n) % 2]}
        rows = np.column_stack([*columns.values(), *further.get(n_columns, [])])
        np.save(folder / "data.npy", rows)
        return open_source(DataConfig("arrays", str(folder / "data.npy"), *NO_MORE), seed=1)

    return opened


NO_MORE = (None, None, None)


def table(ending: str) -> Callable[[Path, Columns], Source]:
    """A table of the same events, masses in GeV."""

    def opened(folder: Path, columns: Columns) -> Source:
        in_gev = {name: values * (1000 if "m" in name else 1) for name, values in columns.items()}
        path = WRITERS[ending](folder / f"table.{ending}", in_gev)
        prefix = "events/" if ending == "h5" else ""
        ours = zip(FEATURES, list(columns)[1:], strict=True)
        named = TableColumns(f"{prefix}m_jj", {own: prefix + name for own, name in ours})
        return open_source(table_config(path, named), seed=1)

    return opened


def in_memory(folder: Path, columns: Columns) -> Source:
    m, *x = (values * (1000 if "m" in name else 1) for name, values in columns.items())
    events = Events(np.column_stack(x), m, FEATURES)
    return MemorySource(events.with_features(FEATURES))


OF_JETS: dict[str, Callable[[Path, Columns], Source]] = {
    **{f"arrays_{n}": arrays(n) for n in (5, 6, 7)},
    **{f"table_{ending}": table(ending) for ending in WRITERS},
    "events": in_memory,
}


def feature_file(reader: str) -> Callable[[Path, Columns], Source]:
    write = write_root if reader == "bundled" else write_pandas

    def opened(folder: Path, columns: Columns) -> Source:
        path = str(write(folder / "jets.h5", columns))
        if reader != "blackbox":
            return open_source(DataConfig(reader, path, *NO_MORE), seed=1)
        content = composed_content("data=blackbox", f"data.path={path}")["data"]
        jets = from_mapping(composed_content("data=blackbox", f"data.path={path}")).data.jets
        data = BlackboxConfig(**{**content, "jets": jets})
        return open_data(data, seed=1, n_jobs=1)

    return opened


OF_MOMENTA = {name: feature_file(name) for name in ("bundled", "lhco_features", "blackbox")}


def refused(read: Callable[[], object], message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", OF_JETS)
def test_events_that_can_be_are_read(name, tmp_path):
    events = OF_JETS[name](tmp_path, jets()).read(FEATURES)
    assert len(events) == N


@pytest.mark.parametrize("name", OF_JETS)
def test_jets_in_gev_beside_m_jj_in_tev_are_refused(name, tmp_path):
    columns = jets()
    columns["mJ1"][50:] *= 1000
    message = r"mJ1 \+ mJ2 < m_jj .*one unit.*row 50 has "
    refused(lambda: OF_JETS[name](tmp_path, columns).read(FEATURES), message)


@pytest.mark.parametrize("name", OF_JETS)
def test_one_impossible_event_is_found_by_its_row_in_a_part_too(name, tmp_path):
    columns = jets()
    columns["delta mJ"][150] = 1.001 * columns["m_jj"][150]
    refused(lambda: OF_JETS[name](tmp_path, columns).read(FEATURES), "row 150 has ")
    if name != "events":
        source = OF_JETS[name](tmp_path, columns)
        assert len(source.read(FEATURES, rows=(0, 150))) == 150
        refused(lambda: source.read(FEATURES, rows=(100, N)), "row 150 has ")


@pytest.mark.parametrize("name", OF_JETS)
def test_exchanged_columns_are_refused(name, tmp_path):
    columns = jets()
    columns["m_jj"], columns["tau21_1"] = 3 + columns["tau21_1"], columns["m_jj"]
    message = r"(tau21_1|'events/tau21_1').*1\.5.*is each column what its name says"
    refused(lambda: OF_JETS[name](tmp_path, columns).read(FEATURES), message)


@pytest.mark.parametrize("name", OF_JETS)
def test_a_jet_in_many_may_have_odd_subjettiness(name, tmp_path):
    columns = jets(4000)
    columns["tau21_2"][[7, 70, 700]] = 2.2
    assert len(OF_JETS[name](tmp_path, columns).read(FEATURES)) == 4000
    columns["tau21_2"][[8, 80]] = 2.2
    refused(lambda: OF_JETS[name](tmp_path, columns).read(FEATURES), r"5 such rows")


@pytest.mark.parametrize("name", OF_JETS)
def test_a_negative_ratio_is_refused_and_rounding_is_not(name, tmp_path):
    columns = jets()
    columns["tau21_1"][9] = -1e-12
    assert len(OF_JETS[name](tmp_path, columns).read(FEATURES)) == N
    columns["tau21_1"][9] = -0.1
    refused(lambda: OF_JETS[name](tmp_path, columns).read(FEATURES), r"tau21_1.*row 9 has -0\.1")


@pytest.mark.parametrize("name", OF_MOMENTA)
def test_masses_in_gev_of_momenta_in_tev_are_refused(name, tmp_path):
    columns = raw_columns(N)
    for jet in (1, 2):
        for component in ("px", "py", "pz"):
            columns[f"{component}j{jet}"] /= 1000
    source = OF_MOMENTA[name](tmp_path, columns)
    refused(lambda: source.read(FEATURES), r"jets\.h5: column 'mj1' must obey mJ1 \+ mJ2 < m_jj")
    scanned = next(iter(source.fault_scan(FEATURES)))
    assert "mJ1 + mJ2 < m_jj" in scanned.violations[0].rule
    assert len(scanned.events) + scanned.violations[0].bad.sum() == N


@pytest.mark.parametrize("name", OF_MOMENTA)
def test_exchanged_subjettiness_is_refused(name, tmp_path):
    columns = raw_columns(N)
    columns["tau1j2"], columns["tau2j2"] = columns["tau2j2"], columns["tau1j2"]
    source = OF_MOMENTA[name](tmp_path, columns)
    refused(lambda: source.read(FEATURES), r"'tau2j2' must not exceed 1\.5 tau1j2.*row \d+ has")
    assert len(source.read(["mj1", "pt_1"])) == N  # which need none of it


@pytest.mark.parametrize("name", OF_MOMENTA)
def test_jets_without_a_mass_or_tau_are_read_as_before(name, tmp_path):
    columns = raw_columns(N)
    columns["mj1"][3], columns["tau1j1"][5], columns["tau2j1"][5] = -1e-5, 0.0, 0.0
    events = OF_MOMENTA[name](tmp_path, columns).read(FEATURES)
    assert events.column("mj1")[3] == 0 == min(events.column("tau21_1")[5], 0)


def test_a_subset_of_the_features_is_enough_to_find_the_unit():
    mass, heavy = np.full(3, 2600.0), np.full(3, 162_000.0)
    for name in ("mj1", "MJ2", "delta_mj"):
        (violation,) = rules.of_features(mass, {name: heavy})
        assert violation.column == name
        assert violation.bad.all()
    assert not any(v.bad.any() for v in rules.of_features(mass, {"pt_1": heavy, "tau1_1": heavy}))


def sample(**features: np.ndarray) -> EventTable:
    n = len(next(iter(features.values())))
    values = np.column_stack(list(features.values()))
    names = tuple(features)
    return EventTable(np.arange(n), np.full(n, 3e3), values, names, ("",) * len(names), None, "F")


def check(events: EventTable, *, binary: bool = False, spikes_matter: bool = True) -> None:
    rules.check_sample(events, binary=binary, spikes_matter=spikes_matter)


@pytest.mark.parametrize("name", ["arrays_5", "table_csv", "table_h5", "table_npz", "events"])
def test_a_label_among_the_features_is_refused(name, tmp_path):
    columns = jets() | {"tau21_2": (np.arange(N) % 3 == 0).astype(float)}
    events = OF_JETS[name](tmp_path, columns).read(FEATURES)
    refused(lambda: check(events), "'tau21_2' has only the values 0 and 1, as a label has")
    check(events, binary=True, spikes_matter=False)


def test_six_columns_without_a_label_are_refused(tmp_path):
    source = arrays(5)(tmp_path, {**jets(), "delta R": np.full(N, 3.1)})
    refused(lambda: source.read(FEATURES), "'label' must be 0 .* row 0 has 3.1")


@pytest.mark.parametrize("name", OF_JETS)
def test_a_constant_or_missing_number_is_one_line_of_every_source(name, tmp_path):
    columns = jets() | {"tau21_2": np.full(N, 0.3)}
    events = OF_JETS[name](tmp_path, columns).read(FEATURES)
    refused(lambda: check(events), r"column 'tau21_2' is constant \(0\.3\)")
    columns["tau21_2"][11] = np.nan
    message = r"tau21_2' must be (finite, but row 11 has nan|a number, but row 11)"
    refused(lambda: OF_JETS[name](tmp_path, columns).read(FEATURES), message)


def test_a_spike_is_named_with_its_share_and_the_remedy(caplog):
    x = np.random.default_rng(1).normal(size=1000)
    x[:200] = -1.5
    with caplog.at_level(logging.WARNING):
        check(sample(x=x, y=x[::-1].cumsum()))
    (message,) = caplog.messages
    assert "20.0% of the events have the value -1.5 of feature 'x'" in message
    assert "preprocessing.dequantise=true" in message
    caplog.clear()
    check(sample(x=x), spikes_matter=False)
    x[10:] = np.random.default_rng(2).normal(size=990)  # 1% is no spike
    check(sample(x=x))
    assert not caplog.messages


def test_whole_numbers_are_named_once(caplog):
    x = np.random.default_rng(1).poisson(5, 1000).astype(float)
    check(sample(x=x))
    (message,) = caplog.messages
    assert "more values over 1%" in message


def test_few_events_may_be_zero_and_one():
    check(sample(x=np.array([0.0, 1.0, 1.0])))


def test_a_feature_named_as_a_weight_is_said(caplog):
    x = np.random.default_rng(1).normal(size=(2, 100))
    check(sample(a=x[0], event_weight=x[1]))
    (message,) = caplog.messages
    assert message.startswith("F: event_weight: used as a feature")


UNREAD = ("Weight", "is_signal")


@pytest.mark.parametrize("name", [*(f"table_{e}" for e in WRITERS), *OF_MOMENTA])
def test_columns_of_weights_and_labels_that_are_ignored_are_said(name, tmp_path, caplog):
    further = {**dict.fromkeys(UNREAD, np.ones(N)), "other": np.ones(N)}
    if name in OF_MOMENTA:
        source = OF_MOMENTA[name](tmp_path, {**raw_columns(N), **further})
    else:
        path = WRITERS[name[6:]](tmp_path / f"table.{name[6:]}", {**jets(), **further})
        prefix = "events/" if name == "table_h5" else ""
        columns = TableColumns(f"{prefix}m_jj", {"tau21_1": f"{prefix}tau21_1"})
        source = open_source(table_config(path, columns, "TeV"), seed=1)
    rules.say_unread(source.name, source.unread)
    (message,) = caplog.messages
    assert all(word in message for word in UNREAD)
    assert "other" not in message
    assert "\n" not in message


def test_nothing_is_said_of_columns_that_are_read(tmp_path, caplog):
    source = OF_MOMENTA["bundled"](tmp_path, raw_columns(N))
    rules.say_unread(source.name, source.unread)
    assert not caplog.messages


def test_a_run_says_what_is_ignored_and_refuses_a_label(tmp_path, caplog):
    columns = {**jets(400), "weight": np.ones(400)}
    columns["tau21_2"] = (np.arange(400) % 2).astype(float)
    path = WRITERS["csv"](tmp_path / "mine.csv", columns)
    named = "{mass: m_jj, features: {t: tau21_1, last: tau21_2}}"
    content = composed_content(
        "data=table", f"data.path={path}", f"data.columns={named}", "data.mass_unit=TeV"
    )
    refused(lambda: prepare(from_mapping(content)), r"mine\.csv: feature 'last' has only the val")
    assert any("mine.csv: not read: weight;" in message for message in caplog.messages)
    content["preprocessing"]["binary_features"] = True
    assert len(prepare(from_mapping(content)).data) == 400
