# ruff: noqa: E402  (imports that need the extra stand behind importorskip)
"""Dark showers generated: same bytes for any workers and after interruptions, truth that makes
sense; and a folder explored into page, tables and figures."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError
from anode.evaluation.dark_sector.summary_table import read_rows
from anode.events.dark_sector.jets_file import read_jets, structure
from anode.events.dark_sector.names import SignalPoint
from anode.pipeline.datasets.dark_sector.explore import explore_dark_sector
from anode.pipeline.datasets.explore import explore, parse_explore
from helpers import dark_sector_files as files
from helpers.settings import REPOSITORY

FIGURES = {
    "feature_distributions": ("pT", "eta", "phi"),
    "jet_feature_distributions": ("pt", "eta", "phi", "m", "e"),
    "param_slices/rinv/0.3": ("pt", "eta", "phi", "m", "e"),
    "param_slices/rinv/0.8": ("pt", "eta", "phi", "m", "e"),
    "param_slices/alpha/low": ("pt", "eta", "phi", "m", "e"),
    "param_slices/alpha/peak": ("pt", "eta", "phi", "m", "e"),
}


# exploration


@pytest.fixture(scope="module")
def explored(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("explored")
    files.write_folder(folder / "jets", n=60)
    overrides = ["data=dark_sector", f"data.path={folder / 'jets'}", f"output={folder / 'out'}"]
    explore(parse_explore(compose("explore", overrides)))
    return folder / "out"


@pytest.mark.slow
def test_an_exploration_leaves_every_figure_and_table(explored):
    for folder, features in FIGURES.items():
        found = {path.name for path in (explored / folder).glob("*.png")}
        assert found == {f"dist_{feature}.png" for feature in features}, folder
    single = {path.name for path in (explored / "one_parameter").glob("*.png")}
    assert single == {"mDark.png", "rinv.png", "alpha.png"}
    for param, n_values in (("rinv", 2), ("alpha", 2)):
        rows = read_rows(explored / f"summary_{param}.tsv")
        assert len(rows) == 5 * n_values
        assert {row.param for row in rows} == {param}
    assert len(json.loads((explored / "card.json").read_text())["files"]) == 5


@pytest.mark.slow
def test_the_page_has_the_eight_sections_and_what_they_lack(explored):
    text = (explored / "exploration.md").read_text()
    titles = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert [int(title.split(")")[0]) for title in titles] == list(range(1, 13))
    assert "The signal below has 192 jets and not the 240 of its files" in text
    assert "After matching the pT" in text
    page = (explored / "exploration.html").read_text()
    assert page.count("data:image/png;base64,") == 3 + 5 + 20 + 3
    assert 'src="http' not in page
    for content in (text, page):
        assert str(explored.parent) not in content


def test_what_cannot_be_explored_is_told_before_any_work(tmp_path):
    with pytest.raises(DataError, match="there is no such file or folder"):
        explore_dark_sector(tmp_path / "nowhere", tmp_path / "out")
    files.write_folder(tmp_path / "jets", n=6)
    (tmp_path / "jets" / "mine.h5").write_bytes(b"")
    with pytest.raises(DataError, match=r"mine\.h5: a file of dark-sector jets must be called"):
        explore_dark_sector(tmp_path / "jets", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_tells_a_mistake_in_one_line(tmp_path):
    command = [sys.executable, str(REPOSITORY / "scripts/explore.py"), "data=dark_sector"]
    command += [f"data.path={tmp_path / 'nowhere'}", f"output={tmp_path / 'out'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 2
    assert done.stderr.startswith("error: cannot read ")
    assert len(done.stderr.splitlines()) == 1


# generation

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

from anode.events.readers.raw_particles import read_raw
from anode.events.simulation import hidden_valley
from anode.jets.dark_jets import DEFINITIONS
from anode.pipeline.datasets import generate as generation

POINT = "{m_zprime: 2000, m_dark: 1, rinv: 0.3, alpha: peak}"
HIDDEN = "{m_zprime: 2000, m_dark: 1, rinv: 0.8, alpha: peak}"
NAMES = (files.PEAK, files.HIDDEN, files.STANDARD_MODEL)
SMALL = [f"points=[{POINT},{HIDDEN}]", "n_events=60", "chunk_size=75"]


def config(folder: Path, *overrides: str):
    given = ["process=dark_shower", f"data.folder={folder}", *overrides]
    return generation.parse_generate(compose("generate", given))


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Path:
    """60 events of two signals and the Standard Model by one worker, chunks kept."""
    folder = tmp_path_factory.mktemp("dark") / "made"
    generation.generate(config(folder, *SMALL, "n_jobs=1", "keep_chunks=true"))
    return folder


def test_the_defaults_are_the_seven_public_files():
    default = config(Path("somewhere"))
    names = [process.name for process, _ in default.processes()]
    assert names == [
        "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.2_alpha-peak",
        "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3_alpha-peak",
        "AutomatedCMS_mZprime-2000_mDark-5_rinv-0.3_alpha-peak",
        "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3_alpha-low",
        "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.3_alpha-high",
        "AutomatedCMS_mZprime-2000_mDark-1_rinv-0.8_alpha-peak",
        "NominalSM",
    ]
    assert default.n_events == 10_000


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("n_events=0", "n_events must be at least 1, got 0"),
        ("n_jobs=0", "n_jobs must be at least 1"),
        (f"points=[{POINT},{POINT}]", "points must differ"),
        ("points=[{m_zprime: 2000, m_dark: 1, rinv: 2, alpha: peak}]", r"rinv must lie in \[0, 1"),
        ("points=[{m_zprime: 2000}]", r"missing key points\[0\]\.m_dark"),
        ("sm_mass=20000", "m_zprime and sm_mass must lie between 50 and 13000 GeV"),
        ("decays=all", "decays must be one of exact, public, got 'all'"),
        ("n_background=5", "unknown key n_background"),
    ],
)
def test_impossible_settings_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        config(Path("somewhere"), override)


def test_the_dark_coupling_follows_its_formula():
    """Lambda is 3.2 m^0.8 at the peak; low and high have half and one and a half of its alpha."""
    peak, low, high = (SignalPoint(2000.0, 5.0, 0.3, alpha) for alpha in ("peak", "low", "high"))
    assert hidden_valley.dark_scale(peak) == pytest.approx(3.2 * 5**0.8, rel=1e-12)
    alpha = np.pi / (3 * np.log(1000 / (3.2 * 5**0.8)))  # b_0 = 11/3 - 2/3
    assert hidden_valley.dark_coupling(peak) == pytest.approx(alpha, rel=1e-12)
    ratio = hidden_valley.dark_coupling(high) / hidden_valley.dark_coupling(low)
    assert ratio == pytest.approx(3.0, rel=1e-12)
    settings = hidden_valley.dark_process(peak).settings
    decays = [line for line in settings if line.startswith("4900113:") and "Channel" in line]
    shares = [float(line.split()[3]) for line in decays]
    assert sum(shares) == pytest.approx(1.0, rel=1e-8)
    assert shares[0] == 0.3
    light = hidden_valley.dark_process(SignalPoint(2000.0, 1.0, 0.3, "peak")).settings
    quarks = {line.split()[-2] for line in light if line.startswith("4900111:addChannel")}
    assert quarks == {"1", "2"}
    point = SignalPoint(2000.0, 1.0, 0.3, "peak")
    public = hidden_valley.dark_process(point, decays="public").settings
    shares = {line.split()[-2]: line.split()[3] for line in public if "4900111:addC" in line}
    assert {q: float(share) for q, share in shares.items()} == pytest.approx(
        {"1": 0.7 / 3, "2": 0.7 / 3, "3": 0.7 / 3}, rel=1e-8
    )


def test_descent_is_followed_through_any_number_of_generations():
    mother = np.array([0, 0, 1, 2, 3, 4, 5, 0, 7])
    ancestor = np.arange(9) == 2
    found = hidden_valley._descends(ancestor, mother)
    assert found.tolist() == [False, False, True, True, True, True, True, False, False]


def test_files_have_the_public_layout(generated):
    for name in NAMES:
        found = {each.name: (each.shape, each.dtype) for each in structure(generated / name)}
        assert found.pop("event_id") == ((180,), "int64")
        assert found.pop("particle_features") == ((180, 60), "float64")
        assert found.pop("jet_is_dark") == ((180,), "bool")
        assert set(found.values()) == {((180,), "float64")}
        assert len(found) == 7
    with h5py.File(generated / files.PEAK) as file:
        assert "HiddenValley:setLambda = on" in file.attrs["settings"].splitlines()
        assert file.attrs["alpha"] == "peak"
        assert all(file.attrs[f"definition_{key}"] == text for key, text in DEFINITIONS.items())
        assert file["jet_pt"].chunks is None
        assert file["jet_pt"].compression is None


def test_jets_are_the_three_hardest_of_their_event(generated):
    ids = []
    for name in NAMES:
        jets = read_jets(generated / name)
        events = jets.event_id.reshape(-1, 3)
        assert np.all(events == events[:, :1])
        assert np.array_equal(events[:, 0], events[0, 0] + np.arange(60))
        assert np.all(np.diff(jets.columns["jet_pt"].reshape(-1, 3), axis=1) <= 0)
        pt = np.where(jets.mask, jets.particles[:, :, 0], 0)
        assert np.all(np.diff(pt, axis=1) <= 0)
        assert pt[jets.mask].min() > 1
        ids.append(events[:, 0])
    assert len(np.unique(np.concatenate(ids))) == 180


def test_constituents_add_up_to_their_jet_where_all_are_kept(generated):
    jets = read_jets(generated / files.STANDARD_MODEL)
    few = jets.where(jets.mask.sum(axis=1) < 20)
    assert few.n_jets > 20
    pt, eta, phi = (np.where(few.mask, few.particles[:, :, i], 0.0) for i in range(3))
    x, y, z, e = (
        (pt * f).sum(axis=1) for f in (np.cos(phi), np.sin(phi), np.sinh(eta), np.cosh(eta))
    )
    columns = few.columns
    np.testing.assert_allclose(columns["jet_pt"], np.hypot(x, y), rtol=1e-9)
    np.testing.assert_allclose(columns["jet_eta"], np.arcsinh(z / np.hypot(x, y)), atol=1e-9)
    np.testing.assert_allclose(columns["jet_e"], e, rtol=1e-9)
    m2 = np.maximum(e**2 - x**2 - y**2 - z**2, 0)
    # rounding of E^2 - p^2 is 1e-16 E^2
    np.testing.assert_allclose(columns["jet_m"] ** 2, m2, atol=1e-11 * float((e**2).max()))


def test_truth_makes_sense(generated):
    dark = {name: read_jets(generated / name) for name in NAMES}
    assert not dark[files.STANDARD_MODEL].is_dark.any()
    for name, rinv in ((files.PEAK, 0.3), (files.HIDDEN, 0.8)):
        with h5py.File(generated / name) as file:
            n, lost = file.attrs["n_dark_hadrons"], file.attrs["n_invisible_dark_hadrons"]
        # five standard deviations of a binomial number
        assert lost / n == pytest.approx(rinv, abs=5 * np.sqrt(rinv * (1 - rinv) / n))
        assert 0.55 < dark[name].is_dark.mean() < 0.97
        columns = dark[name].columns
        assert np.all(columns["jet_dark_pt"][~dark[name].is_dark] == 0)
        assert np.all(columns["jet_dark_pt"] <= columns["jet_pt"] * (1 + 1e-9) + 1e-9)
        assert np.all((columns["jet_rinv"] >= 0) & (columns["jet_rinv"] <= 1))
    means = [dark[name].columns["jet_pt"][dark[name].is_dark].mean() for name in NAMES[:2]]
    assert means[0] > 2 * means[1]


@pytest.mark.slow
def test_a_resumed_generation_with_two_workers_gives_the_same_bytes(generated, tmp_path):
    """As after a kill: a file finished, of the next one chunk, half another, the rest missing."""
    shutil.copy(generated / files.PEAK, tmp_path)
    for folder in sorted((generated / "chunks.partial").iterdir()):
        if files.PEAK.removesuffix(".h5") not in folder.name:
            chunks = sorted(folder.glob("*.h5"))
            kept = tmp_path / "chunks.partial" / folder.name
            kept.mkdir(parents=True)
            shutil.copy(chunks[0], kept)
            (kept / ".000001.99.partial.h5").write_bytes(b"half")
    generation.generate(config(tmp_path, *SMALL, "n_jobs=2"))
    for name in NAMES:
        assert (tmp_path / name).read_bytes() == (generated / name).read_bytes(), name
    assert not (tmp_path / "chunks.partial").exists()


def test_finished_files_are_kept_and_others_never_overwritten(generated, tmp_path):
    before = {name: (generated / name).stat().st_mtime_ns for name in NAMES}
    generation.generate(config(generated, *SMALL, "n_jobs=1"))
    assert before == {name: (generated / name).stat().st_mtime_ns for name in NAMES}
    with pytest.raises(DataError, match="has other events than these settings make; delete it"):
        generation.generate(config(generated, *SMALL[:1], "n_events=61", "chunk_size=75"))
    files.write_folder(tmp_path, n=6, names=(files.STANDARD_MODEL,))
    with pytest.raises(DataError, match=r"NominalSM\.h5 is there and has other events"):
        generation.generate(config(tmp_path, "points=[]", "n_events=5"))


@pytest.mark.slow
def test_raw_particles_are_those_of_the_lhc_olympics_with_missing_momentum(tmp_path):
    small = [f"points=[{HIDDEN}]", "sm_mass=null", "n_events=10", "chunk_size=30", "raw=true"]
    generation.generate(config(tmp_path, *small, "n_jobs=1"))
    path = tmp_path / "raw" / files.HIDDEN
    block = read_raw(path, 0, 10)
    assert block.label.tolist() == [1] * 10
    with h5py.File(path) as file:
        met, phi, ids = file["met"][:], file["met_phi"][:], file["event_id"][:]
    pt, angle = block.objects.pt, block.objects.phi
    x, y = (
        np.add.reduceat(pt * f, block.objects.offsets[:-1]) for f in (np.cos(angle), np.sin(angle))
    )
    # beyond the 700 hardest objects there is next to nothing; float32
    np.testing.assert_allclose(met * np.cos(phi), -x, atol=1.0)
    np.testing.assert_allclose(met * np.sin(phi), -y, atol=1.0)
    assert met.max() > 200  # of 2 TeV, most of which stays dark
    assert np.array_equal(ids, read_jets(tmp_path / files.HIDDEN).event_id[::3])
