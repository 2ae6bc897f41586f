"""Are the arrays of the public CATHODE code read as they are meant?"""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from anode.errors import ConfigError, DataError
from anode.events.readers.cathode_arrays import IDS_PER_FILE, read_arrays
from anode.pipeline.runs.config import compose_run
from anode.pipeline.runs.prepare import prepare
from helpers.cathode_files import cathode_rows, write_folder
from helpers.settings import REPOSITORY

DEFAULT = ["mj1", "delta_mj", "tau21_1", "tau21_2"]
REAL = REPOSITORY.parent / "shared/data/lhco"


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
    data, extra = read_arrays(tmp_path / "a.npy", names, id_offset=5)
    rows = rows.astype(np.float64)
    assert extra is None
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
    assert read_arrays(tmp_path / "b.npy", names).data.label is None


def test_the_folder_of_the_paper_keeps_its_artificial_test_set_out_of_the_data(
    tmp_path: Path,
) -> None:
    data, extra = read_arrays(write_folder(tmp_path / "f", PAPER), DEFAULT)
    assert extra is not None
    assert (len(data), len(extra)) == (30 + 20 + 40 + 25, 12 + 15)
    assert not set(data.event_id.tolist()) & set(extra.event_id.tolist())


def test_a_folder_with_its_own_test_signal_has_a_share_of_the_data_in_the_test_file(
    tmp_path: Path,
) -> None:
    folder = write_folder(tmp_path / "f", PAPER | {"innerdata_extrasig": 9, "outerdata_val": 3})
    data, extra = read_arrays(folder, DEFAULT)
    assert extra is not None
    assert (len(data), len(extra)) == (30 + 20 + 40 + 25 + 3 + 15, 12 + 9)
    assert extra.label is not None
    assert extra.label.sum() == 9
    chosen = read_arrays(folder, DEFAULT, inner_test="extra")
    assert chosen.extra is not None
    assert (len(chosen.data), len(chosen.extra)) == (len(data) - 15, len(extra) + 15)


def test_a_further_file_changes_no_event_id(tmp_path: Path) -> None:
    few = {"innerdata_train": 3, "outerdata_train": 4}
    ids = read_arrays(write_folder(tmp_path / "a", few), DEFAULT).data.event_id
    more = few | {"innerdata_val": 5}
    further = read_arrays(write_folder(tmp_path / "b", more), DEFAULT).data.event_id
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
        read_arrays(tmp_path / "a.npy", DEFAULT)


def test_rounding_in_arrays_is_clipped_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rows = cathode_rows(10, 0.0)
    rows[4, 1] = -2e-8
    np.save(tmp_path / "a.npy", rows)
    assert read_arrays(tmp_path / "a.npy", DEFAULT).data.column("mj1")[4] == 0
    assert "1 values were negative within rounding" in caplog.text


def test_bad_array_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        read_arrays(tmp_path / "nowhere", DEFAULT)
    with pytest.raises(DataError, match=r"expected innerdata_train.npy.*found no .npy file"):
        read_arrays(tmp_path, DEFAULT)
    folder = write_folder(tmp_path / "inner", {"innerdata_train": 5})
    with pytest.raises(
        DataError, match=r"expected outerdata_train.npy.*found innerdata_train.npy"
    ):
        read_arrays(folder, DEFAULT)
    assert len(read_arrays(folder, DEFAULT, sidebands=False).data) == 5
    path = folder / "innerdata_train.npy"
    content = path.read_bytes()
    for n in (0, 40, len(content) - 8):
        path.write_bytes(content[:n])
        with pytest.raises(DataError, match=r"innerdata_train.npy: expected a NumPy array"):
            read_arrays(path, DEFAULT)
    for wrong in (np.zeros((3, 7)), np.zeros(6), np.zeros((0, 6)), np.zeros((3, 6), dtype=int)):
        np.save(path, wrong)
        with pytest.raises(DataError, match=r"columns m_jj, mJ1, delta mJ"):
            read_arrays(path, DEFAULT)
    np.save(path, np.array([{}]), allow_pickle=True)
    with pytest.raises(DataError, match="expected a NumPy array"):
        read_arrays(path, DEFAULT)
    with pytest.raises(ConfigError, match="unknown 'delta_r'; known are mj1, delta_mj"):
        read_arrays(path, ["delta_r"])


@pytest.mark.skipif(not REAL.is_dir(), reason="no real events on this machine")
def test_real_arrays_are_read() -> None:
    events = read_arrays(REAL / "sr_v2_data.npy", DEFAULT).data
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
