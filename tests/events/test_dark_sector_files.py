"""Files of dark-sector jets: names both ways, features against independent sums, and what is
refused in one line."""

import itertools
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from anode.errors import ConfigError, DataError
from anode.events.dark_sector.features import FEATURES, jet_features
from anode.events.dark_sector.jets_file import TRUTH, read_jets
from anode.events.dark_sector.names import ALPHAS, SignalPoint, dark_sector_files, point_of
from anode.events.dark_sector.source import DarkSectorConfig, DarkSectorFiles
from helpers import dark_sector_files as files

NUMBERS = st.integers(0, 99_999).map(lambda n: n / 1000)


def test_the_public_names_are_read_and_written():
    point = point_of(files.HEAVY)
    assert point == SignalPoint(2000.0, 2.5, 0.3, "peak")
    assert point.file_name == files.HEAVY
    assert point_of("folder/NominalSM.h5") is None


@given(NUMBERS.filter(bool), st.integers(0, 1000), st.sampled_from(ALPHAS))
def test_every_point_comes_back_from_its_name(m_dark, thousandths, alpha):
    point = SignalPoint(2000.0, m_dark, thousandths / 1000, alpha)
    assert point_of(Path("anywhere") / point.file_name) == point


@pytest.mark.parametrize(
    "name",
    [
        "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3_alpha-middle.h5",
        "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3.h5",
        "AutomatedCMS_mMed-2000_mDark-1_rinv-0.3_alpha-peak.h5",
        "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3_alpha-peak.hdf5",
        "nominalsm.h5",
    ],
)
def test_a_foreign_name_is_refused(name):
    with pytest.raises(DataError, match=r"must be called NominalSM\.h5 or AutomatedCMS_mZprime"):
        point_of(name)


def test_impossible_values_of_a_name_are_refused():
    with pytest.raises(DataError, match=r"rinv must lie in \[0, 1\], got 1.5; rename it"):
        point_of("AutomatedCMS_mZprime-2000_mDark-1_rinv-1.5_alpha-peak.h5")
    with pytest.raises(ConfigError, match="0 < 2 m_dark < m_zprime"):
        SignalPoint(2000.0, 1000.0, 0.3, "peak")
    with pytest.raises(ConfigError, match="alpha must be one of low, peak, high, got 'top'"):
        SignalPoint(2000.0, 1.0, 0.3, "top")


def test_a_folder_gives_signals_by_their_parameters_and_the_standard_model_last(tmp_path):
    folder = files.write_folder(tmp_path, n=6)
    names = [path.name for path in dark_sector_files(folder)]
    assert names == [files.LOW, files.PEAK, files.HIDDEN, files.HEAVY, files.STANDARD_MODEL]


@pytest.fixture
def peak(tmp_path) -> Path:
    return files.write(tmp_path / files.PEAK, files.jets(40, 1))


def test_what_was_written_is_read(peak):
    written, read = files.jets(40, 1), read_jets(peak)
    for name, values in read.columns.items():
        assert_array_equal(values, written[name])
    assert_array_equal(read.particles.reshape(40, 60), written["particle_features"])
    assert_array_equal(read.event_id, written["event_id"])
    assert_array_equal(read.mask, read.particles[:, :, 0] != -999)


def change(path: Path, name: str, values: np.ndarray | None) -> None:
    with h5py.File(path, "r+") as file:
        del file[name]
        if values is not None:
            file[name] = values


WITHOUT = files.jets(40, 1)["particle_features"].copy()
WITHOUT[[7, 9]] = -999.0
NEGATIVE = files.jets(40, 1)["particle_features"].copy()
NEGATIVE[3, 0] = -2.0


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("jet_m", None, r"missing dataset jet_m; present are event_id"),
        ("jet_is_dark", None, "missing dataset jet_is_dark"),
        ("jet_eta", np.zeros(39), r"'jet_eta' must have shape \(N,\) .* got \(39,\) beside 40"),
        (
            "particle_features",
            np.zeros((40, 30)),
            r"'particle_features' must have shape \(N, 60\) .* got \(40, 30\) beside 40 jets",
        ),
        (
            "particle_features",
            WITHOUT,
            r"must hold at least one particle a jet, but row 7 has 0 \(at least 2 such rows\)",
        ),
        ("particle_features", NEGATIVE, "must hold finite particles of positive pT, .* row 3"),
        ("jet_pt", np.zeros(40), "'jet_pt' must be positive, but row 0 has 0"),
        ("jet_m", np.full(40, np.nan), "'jet_m' must be finite"),
    ],
)
def test_broken_files_are_refused_in_one_line(peak, name, values, message):
    change(peak, name, values)
    with pytest.raises(DataError, match=message) as error:
        read_jets(peak)
    assert "\n" not in str(error.value)


def test_missing_files_and_foreign_names_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"there is no such file or folder; check data\.path"):
        dark_sector_files(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"expected files of dark-sector jets \(\*\.h5\)"):
        dark_sector_files(tmp_path)
    (tmp_path / "other.h5").write_bytes(b"")
    with pytest.raises(DataError, match=r"other\.h5: a file of dark-sector jets must be called"):
        dark_sector_files(tmp_path)


def test_the_standard_model_may_lack_its_labels(tmp_path):
    datasets = files.jets(9, 2)
    del datasets["jet_is_dark"]
    jets = read_jets(files.write(tmp_path / files.STANDARD_MODEL, datasets))
    assert jets.point is None
    assert not jets.is_dark.any()


def test_dark_jets_are_signal_and_the_others_of_their_files_are_left_out(tmp_path):
    folder = files.write_folder(tmp_path, n=10, names=(files.PEAK, files.STANDARD_MODEL))
    events = DarkSectorFiles(folder).read(["jet_pt"])
    assert events.label.tolist() == [1] * 8 + [0] * 10
    assert_array_equal(
        events.column("jet_pt")[:8], files.jets(10, 1)["jet_pt"][np.arange(10) % 5 > 0]
    )
    kept = DarkSectorFiles(folder, drop=False).read(["jet_pt"])
    assert kept.label.tolist() == [0, 1, 1, 1, 1] * 2 + [0] * 10
    by_energy = DarkSectorFiles(folder, mass="jet_e").read(["jet_pt", "jet_e"])
    assert_array_equal(by_energy.mass, by_energy.column("jet_e"))


def test_truth_is_no_feature(tmp_path):
    folder = files.write_folder(tmp_path, n=10, names=(files.PEAK, files.STANDARD_MODEL))
    source = DarkSectorFiles(folder)
    assert not set(source.feature_names) & set(TRUTH)
    for name in TRUTH:
        with pytest.raises(
            ConfigError, match=f"features must not name {name}, which is the truth"
        ):
            source.read(["jet_pt", name])
    with pytest.raises(ConfigError, match=r"data\.mass must be one of jet_pt, .* got 'jet_rinv'"):
        DarkSectorConfig("dark_sector", "x", None, None, None, "jet_rinv", "drop")
    with pytest.raises(ConfigError, match=r"data\.other_jets must be one of drop, background"):
        DarkSectorConfig("dark_sector", "x", None, None, None, "jet_m", "keep")


def test_features_are_those_of_plain_sums(peak):
    """Sums over pairs and triples one after the other; all but tau21, of 40 jets."""
    jets = read_jets(peak)
    names = [name for name in FEATURES if name != "tau21"]
    found = dict(zip(names, jet_features(jets, names).T, strict=True))
    for row in range(jets.n_jets):
        pt, eta, phi = jets.particles[row][jets.mask[row]].T
        z = pt / pt.sum()

        def apart(e1, p1, e2, p2):
            return np.hypot(e1 - e2, np.abs((p1 - p2 + np.pi) % (2 * np.pi) - np.pi))

        axis = jets.columns["jet_eta"][row], jets.columns["jet_phi"][row]
        girth = sum(w * apart(e, p, *axis) for w, e, p in zip(z, eta, phi, strict=True))
        n = len(z)
        d = [[apart(eta[i], phi[i], eta[j], phi[j]) for j in range(n)] for i in range(n)]
        e2 = sum(z[i] * z[j] * d[i][j] for i, j in itertools.combinations(range(n), 2))
        e3 = sum(
            z[i] * z[j] * z[k] * d[i][j] * d[j][k] * d[k][i]
            for i, j, k in itertools.combinations(range(n), 3)
        )
        expected = {
            "multiplicity": n,
            "girth": girth,
            "ptd": np.sqrt((z**2).sum()),
            "c2": e3 / e2**2 if n > 1 else 0.0,
        }
        for name, value in expected.items():
            # rounding of sums of up to 1140 terms
            assert_allclose(found[name][row], value, rtol=1e-11, atol=1e-13, err_msg=name)
    for name in ("jet_pt", "jet_eta", "jet_phi", "jet_m", "jet_e"):
        assert_array_equal(found[name], jets.columns[name])


def brute_force_tau(pt, y, phi, n_axes: int) -> float:
    """sum z min dR to the exclusive kT jets, all distances anew at every step."""
    objects = [
        t * np.array([np.cos(f), np.sin(f), np.sinh(e), np.cosh(e)])
        for t, e, f in zip(pt, y, phi, strict=True)
    ]

    def place(p):
        return 0.5 * np.log((p[3] + p[2]) / (p[3] - p[2])), np.arctan2(p[1], p[0])

    def apart2(a, b):
        turn = (a[1] - b[1] + np.pi) % (2 * np.pi) - np.pi
        return (a[0] - b[0]) ** 2 + turn**2

    while len(objects) > n_axes:
        pairs = list(itertools.combinations(range(len(objects)), 2))
        kt2 = [p[0] ** 2 + p[1] ** 2 for p in objects]
        places = [place(p) for p in objects]
        i, j = min(
            pairs, key=lambda q: min(kt2[q[0]], kt2[q[1]]) * apart2(*(places[k] for k in q))
        )
        objects[i] = objects[i] + objects.pop(j)
    axes = [place(p) for p in objects]
    nearest = [min(apart2((e, f), axis) for axis in axes) for e, f in zip(y, phi, strict=True)]
    return float((pt * np.sqrt(nearest)).sum() / pt.sum())


def test_tau21_has_the_axes_of_a_brute_force_exclusive_kt(peak):
    """1e-7: rounding of E - pz in the rapidity of an axis, of jets at |eta| up to 2."""
    jets = read_jets(peak)
    found = jet_features(jets, ["tau21"])[:, 0]
    for row in range(jets.n_jets):
        one, two = (
            brute_force_tau(*jets.particles[row][jets.mask[row]].T, n_axes) for n_axes in (1, 2)
        )
        assert_allclose(found[row], two / one if one > 1e-9 else 0.0, rtol=1e-7, atol=1e-9)
