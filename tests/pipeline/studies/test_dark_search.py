"""``anode dark_search``: a hidden Z' comes out where it was put, and broken inputs are refused."""

import json

import numpy as np
import pytest

from anode import io
from anode.configuration.composition import as_word, compose
from anode.errors import ConfigError, DataError
from anode.evaluation.dark_sector.resonance_search import FoundResonance
from anode.events.simulation.pythia import BackgroundConfig, background_process
from anode.pipeline.runs.config import load_run
from anode.pipeline.runs.prepare import prepare
from anode.pipeline.studies.dark_search.config import parse_dark_search
from anode.pipeline.studies.dark_search.events import make_events
from anode.pipeline.studies.dark_search.samples import injected, make_sample, write_shape
from anode.pipeline.studies.dark_search.study import dark_search
from anode.regions.splits import fold_of
from anode.reporting.study.dark_search import short_table, strength_figure
from helpers.drawn import texts
from helpers.raw_files import WIDTH, write_frame

SEARCH = [
    "method=single_feature",
    "method.feature=rt",
    "efficiencies=[0.1]",
    "split.folds=2",
    "n_toys=200",
    "overdispersion.n_experiments=0",
    "extras=false",
    "store=null",
]


def dijets(n: int, seed: int, label: int) -> np.ndarray:
    """(n, 2101) events of two jets of two particles: an exponential m_T, or one at 1.7 TeV whose
    softer jet has lost up to half of its momentum."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((n, WIDTH + 1))
    mass = rng.normal(1700, 40, n) if label else 1200 + rng.exponential(300, n)
    visible = rng.uniform(0.5, 0.9, n) if label else rng.uniform(0.85, 1.0, n)
    phi, eta = rng.uniform(-np.pi, np.pi, n), rng.normal(0, 0.3, n)
    for row in range(n):
        hard, soft = mass[row] / 2, mass[row] / 2 * visible[row]
        triples = [
            (0.7 * hard, eta[row], phi[row]),
            (0.3 * hard, eta[row], phi[row]),
            (0.6 * soft, eta[row], phi[row] + np.pi),
            (0.4 * soft, eta[row], phi[row] + np.pi),
        ]
        rows[row, :12] = np.ravel(triples)
    rows[:, WIDTH] = label
    return rows


def config(folder, *overrides):
    given = [
        f"data.background={as_word(folder / 'background.h5')}",
        f"data.signal={as_word(folder / 'signal.h5')}",
        f"output={as_word(folder / 'out')}",
        "scan.stop=2300",
        "scan.step=400",
        "search=[" + ",".join(f'"{each}"' for each in SEARCH) + "]",
        "n_jobs=1",
        "seeds=[1]",
        "selection.pt_min=500",
        "features=[rt]",
        "shower_features=[ptd_1,ptd_2]",
        "shape=wprime",
        *overrides,
    ]
    return parse_dark_search(compose("dark_search", given))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("dark search") / "it's rinv=0.3, a"  # words must be quoted
    made.mkdir()
    write_frame(made / "background.h5", dijets(2500, 1, 0))
    write_frame(made / "signal.h5", dijets(300, 2, 1))
    return made


def test_selected_events_have_labels_ids_and_the_mass_that_was_generated(folder):
    path = make_events(config(folder))
    before = path.stat().st_mtime_ns
    assert make_events(config(folder)).stat().st_mtime_ns == before
    with io.open_hdf5(path) as file:
        table = {name: file[name][:] for name in file}
    assert len(np.unique(table["event_id"])) == len(table["event_id"])
    assert set(table["label"]) == {0, 1}
    assert np.all(table["pt_1"] > 500)
    assert np.all(table["delta_eta"] < 1.5)
    signal = table["label"] == 1
    # m_T of jets at one pseudorapidity, of which one lost momentum, is the mass
    assert np.median(table["mt"][signal]) == pytest.approx(1700, abs=10)
    assert np.median(table["mjj"][signal]) < 1500
    assert np.all(table["rt"][signal] > 0.049)


def test_the_shape_is_that_of_signal_that_no_search_has(folder, tmp_path):
    wanted = config(folder, "strengths=[0,1]", f"output={as_word(tmp_path)}", "shape=signal")
    path = make_events(wanted)
    shape = json.loads(write_shape(wanted, path).read_text())
    with io.open_hdf5(path) as file:
        mass, label = file["mt"][:], file["label"][:]
    sample = make_sample(wanted, path, 1, 1)
    with io.open_hdf5(sample.path) as file:
        searched = file["mt"][:]
    left = np.setdiff1d(mass[label == 1], searched)  # of this seed alone
    counts, _ = np.histogram(left / 1700, shape["edges"])
    assert np.allclose(np.array(shape["fractions"]), counts / counts.sum(), atol=1e-12)
    assert sum(shape["fractions"]) == pytest.approx(1)
    few = config(folder, "strengths=[4]", f"output={as_word(tmp_path)}", "shape=signal")
    with pytest.raises(DataError, match="signal events that no seed draws"):
        write_shape(few, path)


def test_a_search_finds_what_was_put_in_and_nothing_without(folder):
    dark_search(config(folder, "strengths=[0,4]"))
    found = json.loads((folder / "out/dark_search.json").read_text())["searches"]
    rows = {(each["features"], each["strength"]): each for each in found}
    assert len(rows) == 4
    for name in ("event", "event and shower"):
        none, some = rows[name, 0], rows[name, 4]
        assert none["n_injected"] == none["n_signal"] == 0
        assert abs(none["z_inclusive"]) < 3
        wanted = 4 * np.sqrt(some["n_background"])
        assert some["n_signal"] == pytest.approx(wanted, abs=4 * np.sqrt(wanted))
        assert some["z_inclusive"] > none["z_inclusive"] + 1
        assert some["z_selected"] > some["z_inclusive"] + 2  # R_T tells them apart
        assert (some["best_low"], some["best_high"]) == (1500, 1900)
    page = (folder / "out/dark_search.md").read_text()
    assert rows["event", 4]["is_lower_limit"]  # of 200 toys
    assert f"| > {rows['event', 4]['z_global']:.2f} " in page
    for suffix in ("png", "pdf"):
        assert (folder / f"out/strength.{suffix}").stat().st_size > 5000


def test_sets_of_features_are_searched_in_one_sample_with_the_same_folds(folder):
    dark_search(config(folder, "strengths=[4]"))
    found = json.loads((folder / "out/dark_search.json").read_text())["searches"]
    paths = [
        folder / f"out/searches/mt_{name}_4_seed1/windows/1500_1900/config.yaml"
        for name in ("event", "event_and_shower")
    ]
    one, other = (prepare(load_run(path)).data for path in paths)
    assert (one.features.shape[1], other.features.shape[1]) == (1, 3)
    assert np.array_equal(one.event_id, other.event_id)
    assert np.array_equal(fold_of(one.identity, 2, 1), fold_of(other.identity, 2, 1))
    assert len({(each["n_injected"], each["n_signal"]) for each in found}) == 1
    with io.open_hdf5(folder / "out/events.h5") as file:
        signal = file["event_id"][:][file["label"][:] == 1]
    inside = np.isin(one.event_id, signal) & (one.mass >= 1500) & (one.mass < 1900)
    assert inside.sum() == found[0]["n_signal"]


def test_samples_have_no_truth_and_larger_ones_have_the_events_of_smaller_ones(folder):
    given = config(folder)
    events, drawn = make_events(given), {}
    for strength, seed in ((1, 1), (2, 1), (2, 2)):
        sample = make_sample(given, events, strength, seed)
        with io.open_hdf5(sample.path) as file:
            assert "label" not in file
            identity, event_id = file["identity"][:], file["event_id"][:]
        assert np.all(np.diff(identity) > 0)  # the order does not tell who is who
        drawn[strength, seed] = set(event_id[event_id >= 100_000_000])
        assert len(drawn[strength, seed]) == sample.n_injected
    assert drawn[1, 1] < drawn[2, 1] != drawn[2, 2]
    written = sample.path.stat().st_mtime_ns
    assert make_sample(given, events, 2, 2).path.stat().st_mtime_ns == written


def test_the_number_of_events_follows_the_strength():
    mass = np.repeat([1600.0, 2500.0], [500, 500])
    label = np.tile([0, 0, 0, 0, 1], 200)
    # 400 of background and 100 of 200 signal events in the window
    assert injected(mass, label, [1500, 1900], 2.0) == 80
    assert injected(mass, label, [1500, 1900], 0.0) == 0
    with pytest.raises(DataError, match="takes 400 signal events, but there are 200"):
        injected(mass, label, [1500, 1900], 10.0)
    with pytest.raises(DataError, match="must have background and signal, got 0 and 0"):
        injected(mass, label, [3000, 3200], 2.0)


def test_a_window_that_no_search_could_test_is_told_by_the_figure():
    nothing = (None, None, None, None, None, False)
    found = [FoundResonance("event", 1.0, 1, 5, 3, 9, *nothing)]
    assert "could not be tested" in texts(strength_figure(found, "mt"))
    assert short_table(found).splitlines()[-1].split()[-4:] == ["-"] * 4


def test_background_like_dark_showers_has_their_underlying_event():
    """Without the key the settings are those of former versions, which name chunks on disk."""
    former = background_process(BackgroundConfig(pt_hat_min=500)).settings
    assert former == (
        "Print:quiet = on",
        "Beams:eCM = 13000",
        "PartonLevel:MPI = off",
        "ParticleDecays:limitTau0 = on",
        "ParticleDecays:tau0Max = 10",
        "HardQCD:all = on",
        "PhaseSpace:pTHatMin = 500",
    )
    like = background_process(BackgroundConfig(pt_hat_min=500, like_dark_showers=True)).settings
    assert like == tuple(
        each for each in former if "MPI" not in each and "ParticleDecays" not in each
    )


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("mass=m_jj", "mass must be one of mt, mjj, got 'm_jj'"),
        ("window=[1900,1500]", r"window must be \[low, high\] in GeV, rising"),
        ("strengths=[-1]", "strengths must be at least one, none negative"),
        ("seeds=[1,1]", "seeds must be at least one, all different"),
        ("features=[girth]", "features: unknown 'girth'; did you mean girth_"),
        ("features=[mt]", "features: unknown 'mt'"),
        ("features=[ptd_1]", "must each name one, none twice"),
        ("selection.pt_min=0", "selection.pt_min must be above 0, got 0"),
        ("search=['seed=3']", "search must leave seed to this command"),
        ("search=['data.path=x']", "search must leave data.path to this command"),
        ("search=['scan.start=1']", "search must leave scan.start to this command"),
        ("n_jobs=0", "n_jobs must be at least 1"),
    ],
)
def test_impossible_settings_of_a_dark_search_are_refused(override, message, folder):
    with pytest.raises(ConfigError, match=message) as error:
        config(folder, override)
    assert "\n" not in str(error.value)


def test_windows_and_files_that_serve_no_dark_search_are_refused(folder, tmp_path):
    with pytest.raises(ConfigError, match="window must be one of the scan"):
        dark_search(config(folder, "window=[1600,2000]"))
    (tmp_path / "background.h5").symlink_to(folder / "signal.h5")
    (tmp_path / "signal.h5").symlink_to(folder / "signal.h5")
    with pytest.raises(DataError, match="must hold events of label 0 alone, but row 0"):
        dark_search(config(tmp_path))
    with pytest.raises(DataError, match="the selection keeps none of 2500 events; lower"):
        dark_search(config(folder, f"output={tmp_path}", "selection.pt_min=5000"))
    with pytest.raises(DataError, match=r"missing\.h5"):
        dark_search(config(folder, f"data.signal={tmp_path / 'missing.h5'}", f"output={tmp_path}"))
