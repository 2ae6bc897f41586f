"""Are the arrays of the public CATHODE code read as they are meant?"""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from anode.errors import ConfigError, DataError
from anode.events.readers.cathode_arrays import CathodeArrays
from anode.events.readers.cathode_layout import IDS_PER_FILE
from anode.events.table import EventTable
from anode.pipeline.runs.config import compose_run
from anode.pipeline.runs.prepare import prepare
from helpers.cathode_files import cathode_rows, write_folder
from helpers.settings import REPOSITORY

DEFAULT = ["mj1", "delta_mj", "tau21_1", "tau21_2"]
REAL = REPOSITORY.parent / "shared/data/lhco"


def read(path: Path, features: list[str] = DEFAULT, **how: object) -> EventTable:
    return CathodeArrays(path).read(features, **how)  # type: ignore[arg-type]


def extra(path: Path) -> EventTable:
    events = CathodeArrays(path).extra(DEFAULT)
    assert events is not None
    return events


PAPER = {
    "innerdata_train": 30,
    "innerdata_val": 20,
    "innerdata_test": 15,
    "outerdata_train": 40,
    "outerdata_test": 25,
    "innerdata_extrabkg_test": 12,
}


def test_one_array_is_read_in_gev(tmp_path: Path) -> None:
    rows = cathode_rows(30, 1.0)
    np.save(tmp_path / "a.npy", rows)
    names = ["mj1", "mj2", "delta_mj", "tau21_2", "tau21_1"]
    data = read(tmp_path / "a.npy", names, id_offset=5)
    rows = rows.astype(np.float64)
    assert CathodeArrays(tmp_path / "a.npy").extra(names) is None
    assert_allclose(data.mass, 1000 * rows[:, 0])
    gev = 1000 * rows[:, 1:3]
    assert_allclose(data.column("mj1"), gev[:, 0])
    assert_allclose(data.column("mj2"), gev.sum(axis=1))
    assert_allclose(data.column("delta_mj"), gev[:, 1])
    assert_allclose(data.column("tau21_1"), rows[:, 3])
    assert_allclose(data.column("tau21_2"), rows[:, 4])
    assert data.units == ("GeV", "GeV", "GeV", "", "")
    assert data.label is not None
    assert data.label.all()
    assert data.event_id[0] == 5
    np.save(tmp_path / "b.npy", rows[:, :5])
    assert read(tmp_path / "b.npy", names).label is None


def test_the_folder_of_the_paper_keeps_its_artificial_test_set_out_of_the_data(
    tmp_path: Path,
) -> None:
    folder = write_folder(tmp_path / "f", PAPER)
    data, test = read(folder), extra(folder)
    assert (len(data), len(test)) == (30 + 20 + 40 + 25, 12 + 15)
    assert not set(data.event_id.tolist()) & set(test.event_id.tolist())


def test_a_folder_with_its_own_test_signal_has_a_share_of_the_data_in_the_test_file(
    tmp_path: Path,
) -> None:
    folder = write_folder(tmp_path / "f", PAPER | {"innerdata_extrasig": 9, "outerdata_val": 3})
    data, test = read(folder), extra(folder)
    assert (len(data), len(test)) == (30 + 20 + 40 + 25 + 3 + 15, 12 + 9)
    assert test.label is not None
    assert test.label.sum() == 9
    chosen = CathodeArrays(folder, inner_test="extra")
    assert chosen.count() == len(data) - 15
    others = chosen.extra(DEFAULT)
    assert others is not None
    assert len(others) == len(test) + 15


def test_a_further_file_changes_no_event_id(tmp_path: Path) -> None:
    few = {"innerdata_train": 3, "outerdata_train": 4}
    ids = read(write_folder(tmp_path / "a", few)).event_id
    more = few | {"innerdata_val": 5}
    further = read(write_folder(tmp_path / "b", more)).event_id
    assert set(ids.tolist()) < set(further.tolist())
    assert ids.max() == 2 * IDS_PER_FILE + 3


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        (0, np.nan, r"column 'm_jj' must be finite, but row 4 has nan"),
        (0, 3500.0, r"column 'm_jj' .*is the file in GeV.*row 4"),
        (1, -0.01, r"column 'mJ1' must not be negative.*row 4"),
        (2, -0.01, r"column 'delta mJ' must not be negative.*row 4"),
        (3, np.inf, r"column 'tau21_1' must be finite, but row 4 has inf"),
        (4, -0.01, r"column 'tau21_2' must not be negative.*row 4"),
        (5, 2.0, r"column 'label' must be 0 .*row 4 has 2"),
    ],
)
def test_bad_array_values_are_named(
    tmp_path: Path, column: int, value: float, message: str
) -> None:
    rows = cathode_rows(10, 0.0)
    rows[4, column] = value
    np.save(tmp_path / "a.npy", rows)
    with pytest.raises(DataError, match=f"a.npy: {message}"):
        read(tmp_path / "a.npy")


def test_rounding_in_arrays_is_clipped_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = cathode_rows(10, 0.0)
    rows[4, 1] = -2e-8
    np.save(tmp_path / "a.npy", rows)
    assert read(tmp_path / "a.npy").column("mj1")[4] == 0
    assert "1 values were negative within rounding" in caplog.text


def test_bad_array_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected innerdata_train.npy.*found no .npy file"):
        read(tmp_path)
    folder = write_folder(tmp_path / "inner", {"innerdata_train": 5})
    with pytest.raises(
        DataError, match=r"expected outerdata_train.npy.*found innerdata_train.npy"
    ):
        CathodeArrays(folder).check(DEFAULT)
    CathodeArrays(folder).check(DEFAULT, sidebands=False)
    assert len(read(folder)) == 5
    path = folder / "innerdata_train.npy"
    content = path.read_bytes()
    for n in (0, 40, len(content) - 8):
        path.write_bytes(content[:n])
        with pytest.raises(DataError, match=r"innerdata_train.npy: expected a NumPy array"):
            read(path)
    for wrong in (
        np.zeros((3, 4)),
        np.zeros((3, 8)),
        np.zeros(6),
        np.zeros((0, 6)),
        np.zeros((3, 6), dtype=int),
    ):
        np.save(path, wrong)
        with pytest.raises(DataError, match=r"columns m_jj, mJ1, delta mJ"):
            read(path)
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match="expected a NumPy array"):
        read(path)
    np.save(path, cathode_rows(5, 0.0))
    for ask in (read, lambda path, names: CathodeArrays(path).check(names)):
        with pytest.raises(ConfigError, match="unknown 'delta_r'; known are mj1, delta_mj"):
            ask(path, ["delta_r"])


def test_seven_columns_hold_delta_r_before_the_label(tmp_path: Path) -> None:
    rows = cathode_rows(30, 0.0)
    rows[::3, 5] = 1
    wide = np.insert(rows, 5, np.linspace(2.5, 4, 30), axis=1)
    np.save(tmp_path / "a.npy", wide)
    np.save(tmp_path / "b.npy", rows)
    source = CathodeArrays(tmp_path / "a.npy")
    assert source.feature_names == ("mj1", "delta_mj", "mj2", "tau21_1", "tau21_2", "delta_r")
    events = source.read([*DEFAULT, "delta_r"])
    assert np.array_equal(events.column("delta_r"), wide[:, 5].astype(np.float64))
    assert events.units[-1] == ""
    without = read(tmp_path / "b.npy")
    assert np.array_equal(events.features[:, :4], without.features)
    assert np.array_equal(events.label, without.label)
    wide[7, 5] = -1
    np.save(tmp_path / "a.npy", wide)
    with pytest.raises(DataError, match=r"column 'delta R' must not be negative.*row 7"):
        source.read(DEFAULT)
    # Without a label, delta R stands where the label would be: that is no label.
    np.save(tmp_path / "a.npy", np.delete(np.abs(wide), 6, axis=1))
    with pytest.raises(DataError, match=r"column 'label' must be 0 .*row 0 has 2\.5"):
        source.read(DEFAULT)


def test_any_rows_of_a_folder_are_read_as_they_are_in_the_whole(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", PAPER)
    whole = read(folder)
    for start, stop in ((0, 1), (29, 31), (10, 110), (114, 115)):
        part = read(folder, rows=(start, stop))
        assert np.array_equal(part.event_id, whole.event_id[start:stop])
        assert np.array_equal(part.features, whole.features[start:stop])


@pytest.mark.skipif(not REAL.is_dir(), reason="no real events on this machine")
def test_real_arrays_are_read() -> None:
    events = read(REAL / "sr_v2_data.npy")
    assert len(events) == 60_000
    assert events.label is not None
    assert events.label.mean() == pytest.approx(0.0066, abs=1e-4)
    assert ((events.mass > 3300) & (events.mass < 3700)).all()
    signal = events[events.label == 1]
    assert np.median(signal.column("mj1")) == pytest.approx(100, rel=0.15)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real events on this machine")
def test_real_arrays_of_the_signal_region_have_no_event_in_common(tmp_path: Path) -> None:
    further = ",".join(str(REAL / f"sr_v2_{name}.npy") for name in ("test", "signal"))
    path = f"data.path={REAL / 'sr_v2_data.npy'}"
    asked = ["data=arrays", path, f"data.extra=[{further}]", "injection.n_signal=null"]
    prepared = prepare(compose_run(asked, tmp_path), check_sidebands=False)
    assert prepared.extra is not None
    assert prepared.extra.label is not None
    assert len(prepared.data) == 60_000
    assert np.bincount(prepared.extra.label).tolist() == [19_990, 10_010 + 27_263]
