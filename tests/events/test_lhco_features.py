"""Do readers give the right events, and one clear error for every kind of bad file?"""

import logging
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from anode.errors import ConfigError, DataError
from anode.events import dijet, feature_definitions
from anode.events.readers.lhco_features import BUNDLED_PATH, read_bundled, read_lhco_features
from anode.events.table import EventTable, concatenate
from helpers.feature_columns import raw_columns, write_pandas, write_root
from helpers.settings import REPOSITORY

OF_RAW_COLUMNS = [name for name, each in feature_definitions.FEATURES.items() if not each.more]
DEFAULT = ["mj1", "delta_mj", "tau21_1", "tau21_2"]
REAL = REPOSITORY.parent / "shared/data/lhco"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="no real events on this machine")


@pytest.fixture
def lhco(tmp_path: Path) -> Path:
    return write_pandas(tmp_path / "lhco.h5", raw_columns())


# --- EventTable ---------------------------------------------------------------------------------


def table(**changes: object) -> EventTable:
    arguments = {
        "event_id": np.arange(3),
        "mass": np.array([3000.0, 3500.0, 4000.0]),
        "features": np.arange(6.0).reshape(3, 2),
        "names": ("a", "b"),
        "units": ("GeV", ""),
        "label": np.array([0, 1, 0]),
        "source": "made.h5",
    }
    return EventTable(**(arguments | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mass": np.array([3000.0, np.nan, 4000.0])}, r"made.h5: column 'mass'.*row 1 has nan"),
        ({"features": np.array([[0, 1], [2, 3], [4, np.inf]])}, r"column 'b'.*row 2 has inf"),
        ({"event_id": np.array([4, 5, 4])}, r"ids must be unique.*first 4"),
        ({"event_id": np.array([0.5, 1.5, 2.5])}, "must be a list of integers"),
        ({"event_id": np.array([[0, 1, 2]])}, "must be a list of integers"),
        ({"label": np.array([0, 2, 1])}, r"column 'label' must be 0 .*row 1 has 2"),
        ({"label": np.array([0, np.nan, 1])}, r"column 'label' must be 0 .*row 1 has nan"),
        ({"label": np.array([0, 1])}, r"label must have shape \(3,\), got \(2,\)"),
        ({"mass": np.ones(4)}, r"mass must have shape \(3,\)"),
        ({"features": np.ones((3, 1))}, r"features must have shape \(3, 2\)"),
        ({"units": ("GeV",)}, "every feature needs a unit"),
        ({"names": ("a", "a")}, "feature names must differ"),
    ],
)
def test_a_table_refuses_what_breaks_its_rules(changes: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table(**changes)


def test_slicing_keeps_events_whole() -> None:
    events = table()
    for index in (slice(1, None), np.array([1, 2]), events.mass > 3200):
        part = events[index]
        assert part.event_id.tolist() == [1, 2]
        assert part.column("b").tolist() == [3.0, 5.0]
        assert part.label is not None
        assert part.label.tolist() == [1, 0]
    assert len(events[:0]) == 0
    assert events.without_label()[:2].label is None
    with pytest.raises(DataError, match="no feature 'c', only a, b"):
        events.column("c")


def test_joining_tables_refuses_repeated_events_and_other_features() -> None:
    second = table(event_id=np.arange(3, 6), source="more.h5")
    joined = concatenate([table(), second])
    assert len(joined) == 6
    assert joined.source == "made.h5 + more.h5"
    assert joined.label is not None
    assert concatenate([table(), second.without_label()]).label is None
    with pytest.raises(DataError, match="ids must be unique"):
        concatenate([table(), table()])
    with pytest.raises(DataError, match="features must agree"):
        concatenate([table(), table(names=("a", "c"))])
    with pytest.raises(DataError, match="there are none"):
        concatenate([])


# --- derived features ---------------------------------------------------------------------------


def test_jet_1_is_the_lighter_jet_in_every_feature() -> None:
    columns = raw_columns(200)
    names = OF_RAW_COLUMNS
    _, features, _ = dijet.derive(columns, names)
    got = dict(zip(names, features.T, strict=True))
    first_is_lighter = columns["mj1"] <= columns["mj2"]
    for index, is_j1 in ((1, first_is_lighter), (2, ~first_is_lighter)):

        def raw(quantity: str, is_j1: np.ndarray = is_j1) -> np.ndarray:
            return np.where(is_j1, columns[f"{quantity}j1"], columns[f"{quantity}j2"])

        pt = np.sqrt(raw("px") ** 2 + raw("py") ** 2)
        assert_allclose(got[f"mj{index}"], raw("m"))
        assert_allclose(got[f"pt_{index}"], pt)
        assert_allclose(got[f"eta_{index}"], np.arctanh(raw("pz") / np.hypot(pt, raw("pz"))))
        assert_allclose(np.tan(got[f"phi_{index}"]), raw("py") / raw("px"))
        assert_allclose(got[f"tau21_{index}"], raw("tau2") / raw("tau1"))
        assert_allclose(got[f"tau32_{index}"], raw("tau3") / raw("tau2"))
        assert_allclose(got[f"tau3_{index}"], raw("tau3"))
    assert_allclose(got["delta_mj"], got["mj2"] - got["mj1"])
    assert (got["delta_mj"] >= 0).all()
    assert_allclose(got["delta_r"] ** 2, got["delta_eta"] ** 2 + got["delta_phi"] ** 2)


@given(phi=st.tuples(st.floats(-3.14, 3.14), st.floats(-3.14, 3.14)), turn=st.floats(-7, 7))
def test_delta_phi_does_not_know_where_phi_starts(phi: tuple[float, float], turn: float) -> None:
    def opening(a: float, b: float) -> float:
        jets = [
            feature_definitions.Jet(
                *(np.array([v]) for v in (np.cos(p), np.sin(p), 0.0, 1.0)), tau={}
            )
            for p in (a, b)
        ]
        return float(feature_definitions.delta_phi(*jets)[0])

    assert 0 <= opening(*phi) <= np.pi + 1e-12
    assert opening(*phi) == pytest.approx(opening(phi[0] + turn, phi[1] + turn), abs=1e-9)
    assert np.cos(opening(*phi)) == pytest.approx(np.cos(phi[0] - phi[1]), abs=1e-9)


def test_m_jj_agrees_with_the_sum_of_four_momenta() -> None:
    columns = raw_columns(200)
    derived = dijet.derive(columns, ["mjj"])
    p = [np.stack([columns[f"{q}j{jet}"] for q in ("px", "py", "pz")]) for jet in (1, 2)]
    energy = sum(np.sqrt((p[j] ** 2).sum(axis=0) + columns[f"mj{j + 1}"] ** 2) for j in (0, 1))
    expected = np.sqrt(energy**2 - ((p[0] + p[1]) ** 2).sum(axis=0))
    assert_allclose(derived.mass, expected, rtol=1e-11)
    assert np.array_equal(derived.features[:, 0], derived.mass)


@pytest.mark.parametrize("angle", [0.0, 1e-9, 1e-4])
def test_m_jj_is_exact_for_collinear_jets(angle: float) -> None:
    """m_jj^2 = 4 p^2 sin^2(angle/2) + O(m^2): the naive formula loses every digit of it."""
    p, m = 5000.0, 1e-3
    jets = {
        f"{quantity}j{jet}": np.array([value])
        for jet, direction in ((1, 0.0), (2, angle))
        for quantity, value in {
            "px": p * np.cos(direction),
            "py": p * np.sin(direction),
            "pz": 0.0,
            "m": m,
        }.items()
    }
    expected = np.sqrt(4 * m**2 + 4 * p**2 * np.sin(angle / 2) ** 2)
    assert_allclose(dijet.derive_sound(jets, ["mjj"]).mass, expected, rtol=1e-9)


def test_a_ratio_over_zero_is_zero_and_counted() -> None:
    columns = raw_columns(4)
    columns["tau1j1"][1] = columns["tau2j1"][1] = 0.0
    _, features, report = dijet.derive(columns, ["tau21_1", "tau21_2"])
    assert np.isfinite(features).all()
    assert (features[1] == 0).any()
    assert report == dijet.DijetReport(n_events=4, n_tau_zero=2)


def test_rounding_below_zero_is_clipped_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    columns = raw_columns(4)
    columns["mj1"][2], columns["tau2j2"][3] = -2e-5, -1e-17
    _, features, report = dijet.derive(columns, ["mj1", "tau21_1", "tau21_2"])
    assert features.min() == 0
    assert report == dijet.DijetReport(4, n_mass_clipped=1, n_tau_clipped=1, n_tau_zero=1)
    with caplog.at_level(logging.WARNING):
        report.log("made.h5")
    assert "made.h5: 4 events; 1 jet masses and 1 tau values were negative" in caplog.text


def test_features_are_asked_by_known_names() -> None:
    with pytest.raises(ConfigError, match=r"unknown 'mass1', 'tau'; known are mj1, pt_1"):
        feature_definitions.check_features(["mj1", "mass1", "tau"])
    with pytest.raises(ConfigError, match="each once"):
        feature_definitions.check_features(["mj1", "mj1"])
    with pytest.raises(ConfigError, match="at least one"):
        feature_definitions.check_features([])
    assert feature_definitions.units_of(DEFAULT) == ("GeV", "GeV", "", "")
    assert feature_definitions.columns_needed(OF_RAW_COLUMNS) == feature_definitions.RAW_COLUMNS
    assert not any(
        "tau" in name for name in feature_definitions.columns_needed(["mj1", "delta_r"])
    )


# --- LHC Olympics and bundled files -------------------------------------------------------------


@pytest.mark.parametrize("block_rows", [1, 7, 50, 1000])
def test_a_file_is_read_the_same_in_blocks_of_any_size(lhco: Path, block_rows: int) -> None:
    columns = raw_columns()
    mass, features, _ = dijet.derive(columns, DEFAULT)
    events = read_lhco_features(lhco, DEFAULT, id_offset=1000, block_rows=block_rows)
    assert np.array_equal(events.event_id, np.arange(1000, 1050))
    assert np.array_equal(events.mass, mass)
    assert np.array_equal(events.features, features)
    assert np.array_equal(events.label, columns["label"])
    assert (events.names, events.units) == (tuple(DEFAULT), ("GeV", "GeV", "", ""))
    assert events.source == str(lhco)


def test_columns_are_found_by_name_in_any_order_and_block(tmp_path: Path) -> None:
    columns = raw_columns()
    expected = read_lhco_features(write_pandas(tmp_path / "a.h5", columns), DEFAULT)
    turned = dict(reversed(columns.items()))
    got = read_lhco_features(write_pandas(tmp_path / "b.h5", turned, own_block="label"), DEFAULT)
    assert np.array_equal(got.features, expected.features)
    assert np.array_equal(got.label, expected.label)


def test_files_without_labels_or_unneeded_columns_work(tmp_path: Path) -> None:
    columns = raw_columns()
    del columns["label"], columns["tau3j1"], columns["tau3j2"]
    events = read_lhco_features(write_pandas(tmp_path / "a.h5", columns), DEFAULT)
    assert events.label is None
    assert read_bundled(write_root(tmp_path / "b.h5", columns), DEFAULT).label is None


def test_the_two_layouts_give_the_same_events(lhco: Path, tmp_path: Path) -> None:
    bundled = read_bundled(write_root(tmp_path / "b.h5", raw_columns()), DEFAULT, block_rows=8)
    events = read_lhco_features(lhco, DEFAULT)
    assert np.array_equal(bundled.features, events.features)
    assert np.array_equal(bundled.mass, events.mass)
    assert np.array_equal(bundled.event_id, np.arange(50)[::-1] + 7)


def spoil(column: str, row: int, value: float) -> Callable[[dict], None]:
    def change(columns: dict[str, np.ndarray]) -> None:
        columns[column][row] = value

    return change


def drop(*names: str) -> Callable[[dict], None]:
    def change(columns: dict[str, np.ndarray]) -> None:
        for name in names:
            del columns[name]

    return change


BAD_COLUMNS = {
    "nan": (spoil("tau2j2", 33, np.nan), r"column 'tau2j2' must be finite, but row 33 has nan"),
    "inf": (spoil("pzj1", 49, np.inf), r"column 'pzj1' must be finite, but row 49 has inf"),
    "mass": (spoil("mj2", 12, -1.0), r"column 'mj2' must not be negative.*row 12 has -1"),
    "tau": (spoil("tau1j1", 20, -0.01), r"column 'tau1j1' must not be negative.*row 20 has -0.01"),
    "label": (spoil("label", 41, 2), r"column 'label' must be 0 .*row 41 has 2"),
    "missing": (drop("mj2", "tau2j1"), r"missing column 'tau2j1', 'mj2'; present are .*pxj1"),
}


@pytest.mark.parametrize(("change", "message"), BAD_COLUMNS.values(), ids=BAD_COLUMNS)
def test_bad_columns_are_named_with_file_and_row(
    tmp_path: Path, change: Callable[[dict], None], message: str
) -> None:
    columns = raw_columns()
    change(columns)
    for write, read in ((write_pandas, read_lhco_features), (write_root, read_bundled)):
        path = write(tmp_path / f"{read.__name__}.h5", columns)
        with pytest.raises(DataError, match=message) as caught:
            read(path, DEFAULT, block_rows=10)
        assert str(path) in str(caught.value)


def test_an_event_at_rest_is_refused(tmp_path: Path) -> None:
    columns = raw_columns()
    columns["pxj2"][3] = columns["pyj2"][3] = 0.0
    with pytest.raises(DataError, match="'pxj2' and py must not both be zero, but row 3"):
        read_lhco_features(write_pandas(tmp_path / "a.h5", columns), DEFAULT)


def test_missing_and_truncated_files_are_refused(lhco: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.h5: there is no such file"):
        read_lhco_features(tmp_path / "nowhere.h5", DEFAULT)
    content = lhco.read_bytes()
    for share in (0.0, 0.3, 0.9):
        cut = tmp_path / "cut.h5"
        cut.write_bytes(content[: int(share * len(content))])
        with pytest.raises(DataError, match=r"cut.h5: expected an HDF5 file, but it is truncated"):
            read_lhco_features(cut, DEFAULT)


def test_a_damaged_block_is_reported_with_its_rows(tmp_path: Path) -> None:
    same = {name: np.full(50, values[1]) for name, values in raw_columns().items()}
    lhco = write_pandas(tmp_path / "lhco.h5", same)  # equal rows, or blosc would store them raw
    with h5py.File(lhco) as file:
        chunk = file["df/block0_values"].id.get_chunk_info(3)
    content = bytearray(lhco.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = b"\xff" * chunk.size
    lhco.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read '/df/block0_values', rows 20 to 30"):
        read_lhco_features(lhco, DEFAULT, block_rows=10)


def test_other_layouts_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file["df/table"] = np.zeros(3)
    with pytest.raises(DataError, match="expected one pandas data frame in fixed format"):
        read_lhco_features(path, DEFAULT)
    with pytest.raises(DataError, match="no columns"):
        read_bundled(path, DEFAULT)
    with h5py.File(path, "w") as file:
        file["df/block0_items"] = np.arange(2101)
        file["df/block0_values"] = np.zeros((2, 2101))
    with pytest.raises(DataError, match=r"2101 numbered ones.*choose data=lhco_raw"):
        read_lhco_features(path, DEFAULT)
    with h5py.File(path, "w") as file:
        file["df/block0_items"] = np.zeros((1, 9))
        file["df/block0_values"] = np.zeros((2, 9))
    with pytest.raises(DataError, match="column names must be plain strings"):
        read_lhco_features(path, DEFAULT)
    with h5py.File(path, "w") as file:
        file["df/block0_items"] = np.array([b"mj1"])
        file["df/block0_values"] = np.zeros((2, 9))
    with pytest.raises(DataError, match=r"one column for each of its 1 names, got shape \(2, 9\)"):
        read_lhco_features(path, DEFAULT)


def test_empty_and_ragged_files_are_refused(tmp_path: Path) -> None:
    columns = raw_columns()
    empty = {name: values[:0] for name, values in columns.items()}
    with pytest.raises(DataError, match="at least one, got 0"):
        read_bundled(write_root(tmp_path / "empty.h5", empty), DEFAULT)
    ragged = columns | {"mj1": columns["mj1"][:-1]}
    with pytest.raises(DataError, match="same number of rows, at least one, got 49, 50"):
        read_bundled(write_root(tmp_path / "ragged.h5", ragged), DEFAULT)


def test_bundled_files_need_unique_event_ids(tmp_path: Path) -> None:
    path = write_root(tmp_path / "b.h5", raw_columns())
    with h5py.File(path, "r+") as file:
        file["event_id"][4] = file["event_id"][5]
    with pytest.raises(DataError, match="ids must be unique"):
        read_bundled(path, DEFAULT)
    with h5py.File(path, "r+") as file:
        del file["event_id"]
    with pytest.raises(DataError, match="missing column 'event_id'"):
        read_bundled(path, DEFAULT)


def test_an_unknown_feature_is_refused_before_the_file_is_opened(tmp_path: Path) -> None:
    for read in (read_lhco_features, read_bundled):
        with pytest.raises(ConfigError, match="unknown 'mass1'"):
            read(tmp_path / "nowhere", ["mass1"])


@pytest.mark.skipif(not BUNDLED_PATH.is_file(), reason="the bundled data set is not there")
def test_the_bundled_events_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    events = read_bundled(None, DEFAULT)
    assert events.label is not None
    assert (events.label == 0).sum() >= 500_000
    assert (events.label == 1).sum() >= 100_000
    assert ((events.mass >= 3300) & (events.mass < 3700)).any()


# --- real events --------------------------------------------------------------------------------


@needs_real
def test_the_first_real_events_are_read_and_their_oddities_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    path = REAL / "events_anomalydetection_v1_first20k.features.h5"
    events = read_lhco_features(path, OF_RAW_COLUMNS, block_rows=6000)
    assert len(events) == 20_000
    assert events.label is not None
    assert events.label.sum() == 1742
    inside = events.label[(events.mass >= 3300) & (events.mass < 3700)]
    assert np.bincount(inside).tolist() == [2640, 1334]
    assert "20000 events; 2 jet masses" in caplog.text
    assert events.column("mj1").min() == 0
    # The signal: W' (3.5 TeV) -> X (500 GeV) Y (100 GeV).
    signal = events[events.label == 1]
    assert np.median(signal.mass) == pytest.approx(3450, abs=50)
    assert np.median(signal.column("mj1")) == pytest.approx(100, rel=0.15)
    assert np.median(signal.column("mj2")) == pytest.approx(500, rel=0.1)


@needs_real
def test_raw_particles_are_not_mistaken_for_features() -> None:
    with pytest.raises(DataError, match="choose data=lhco_raw"):
        read_lhco_features(REAL / "events_anomalydetection_tiny.h5", DEFAULT)
