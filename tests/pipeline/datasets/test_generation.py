# ruff: noqa: E402  (imports that need the extra stand behind importorskip)
"""Generated events: jets against brute force, the detector against its own numbers, and files that
do not depend on workers or interruptions."""

import json
import math
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from helpers.settings import REPOSITORY

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")
ak = pytest.importorskip("awkward")

from anode.configuration.builder import build, resolve
from anode.errors import ConfigError, DataError
from anode.events import dijet, feature_definitions
from anode.events.particles import DetectorObjects
from anode.events.readers.lhco_features import read_bundled
from anode.events.simulation import detector
from anode.events.simulation import pythia as events
from anode.events.simulation.detector import energy_flow
from anode.events.simulation.signals.resonances import WPrime
from anode.events.writers import bundled as bundle
from anode.jets.clustering import Trigger, _pt_bound, leading_jets, object_momenta
from anode.jets.features import jet_features
from anode.jets.substructure.subjettiness import n_subjettiness
from anode.pipeline.datasets import generate as generation
from anode.pipeline.datasets.card import Comparison, ks_table
from anode.reporting.dataset.overlay_figure import Overlay, overlay_figure

BACKGROUND = events.BackgroundConfig(pt_hat_min=1100.0)
SIGNAL = WPrime(resonance_mass=3500.0, resonance_width=55.0, heavy_mass=500.0, light_mass=100.0)


def objects_of(*triples: list[tuple[float, float, float]]) -> DetectorObjects:
    """Detector objects from one list of (pT, eta, phi) an event."""
    flat = np.array([row for event in triples for row in event], dtype=float).reshape(-1, 3)
    return DetectorObjects(np.cumsum([0, *map(len, triples)]), *flat.T.copy())


def random_event(rng: np.random.Generator, n: int) -> list[tuple[float, float, float]]:
    """A few collimated sprays and soft objects everywhere."""
    axes = rng.uniform([-1.5, -np.pi], [1.5, np.pi], size=(3, 2))
    place = axes[rng.integers(3, size=n)] + rng.normal(scale=0.5, size=(n, 2))
    phi = (place[:, 1] + np.pi) % (2 * np.pi) - np.pi
    return list(zip(rng.exponential(100, n), place[:, 0], phi, strict=True))


def brute_force_anti_kt(momenta: np.ndarray, radius: float) -> np.ndarray:
    """Anti-kT jets (px, py, pz, E) by recomputing every distance at every step."""
    remaining, jets = list(momenta), []
    while remaining:
        p = np.array(remaining)
        kt2 = p[:, 0] ** 2 + p[:, 1] ** 2
        rapidity = 0.5 * np.log((p[:, 3] + p[:, 2]) / (p[:, 3] - p[:, 2]))
        phi = np.arctan2(p[:, 1], p[:, 0])
        dphi = np.abs(phi[:, None] - phi)
        dphi = np.minimum(dphi, 2 * np.pi - dphi)
        dr2 = (rapidity[:, None] - rapidity) ** 2 + dphi**2
        distance = np.minimum(1 / kt2[:, None], 1 / kt2) * dr2 / radius**2
        np.fill_diagonal(distance, 1 / kt2)
        i, j = np.unravel_index(np.argmin(distance), distance.shape)
        if i == j:
            jets.append(remaining.pop(i))
        else:
            merged = remaining[i] + remaining[j]
            remaining = [q for k, q in enumerate(remaining) if k not in (i, j)] + [merged]
    return np.array(sorted(jets, key=lambda q: -math.hypot(q[0], q[1])))


# jets


def test_the_two_leading_jets_are_those_of_brute_force():
    rng = np.random.default_rng(3)
    sample = [random_event(rng, 40) for _ in range(20)]
    found = leading_jets(objects_of(*sample), trigger=Trigger(100.0, 10.0))
    assert found.event.tolist() == list(range(20))
    for event, momentum in zip(sample, found.momentum, strict=True):
        pt, eta, phi = np.array(event).T
        momenta = pt[:, None] * np.stack(
            [np.cos(phi), np.sin(phi), np.sinh(eta), np.cosh(eta)], axis=1
        )
        np.testing.assert_allclose(momentum, brute_force_anti_kt(momenta, 1.0)[:2], rtol=1e-9)


def test_constituents_add_up_to_their_jet():
    rng = np.random.default_rng(4)
    found = leading_jets(
        objects_of(*(random_event(rng, 60) for _ in range(30))), trigger=Trigger(300.0, 2.5)
    )
    assert len(found.event) > 10
    for index, axis in enumerate(("px", "py", "pz", "E")):
        summed = ak.to_numpy(ak.sum(found.constituents[axis], axis=2))
        np.testing.assert_allclose(summed, found.momentum[:, :, index], rtol=1e-9, atol=1e-9)


def test_the_trigger_looks_at_the_leading_jet_alone():
    central, forward = (1201.0, 2.4, 0.0), (1201.0, 2.6, 0.0)
    soft, recoil = (1199.0, 0.0, 0.0), (600.0, -1.0, 3.0)
    sample = [[central, recoil], [forward, recoil], [soft, recoil], [central], [recoil, soft]]
    sample.append([recoil, central])
    assert leading_jets(objects_of(*sample)).event.tolist() == [0, 5]
    assert leading_jets(objects_of(*sample), trigger=Trigger(1000.0, 3.0)).event.tolist() == [
        0, 1, 2, 4, 5,
    ]  # fmt: skip
    nothing = jet_features(objects_of([soft], [recoil]))
    assert nothing.values.shape == (0, 14)


def test_the_quick_bound_never_lies_below_a_jet():
    rng = np.random.default_rng(5)
    sample = objects_of(*(random_event(rng, n) for n in rng.integers(2, 60, size=50)))
    found = leading_jets(sample, trigger=Trigger(1e-6, 10.0))
    pt = np.hypot(found.momentum[:, 0, 0], found.momentum[:, 0, 1])
    assert np.all(_pt_bound(sample)[found.event] >= pt)


@pytest.mark.parametrize(
    ("particles", "expected"),
    [
        ([(100, 0, 0)], (0, 0, 0)),
        # the best single axis lies on the harder particle: tau_1 = pT_2 d / sum pT
        ([(300, 0, 0), (100, 0.4, 0)], (100 * 0.4 / 400, 0, 0)),
        ([(300, 0, 3.1), (100, 0.3, -3.1)], (0.25 * math.hypot(0.3, 2 * np.pi - 6.2), 0, 0)),
        # equal particles in an isosceles triangle: Fermat's point, then the shortest side
        (
            [(100, 0, 0), (100, 0.4, 0), (100, 0.2, 0.3)],
            ((0.3 + 0.2 * math.sqrt(3)) / 3, math.hypot(0.2, 0.3) / 3, 0),
        ),
    ],
    ids=["one", "two", "across pi", "three"],
)
def test_tau_of_few_particles_is_known(particles, expected):
    tau = n_subjettiness(object_momenta(objects_of(particles)))
    np.testing.assert_allclose(tau, [expected], rtol=5e-4, atol=1e-9)


def test_features_are_the_columns_of_the_lhc_olympics():
    two_prong = [(800.0, 0.0, 0.0), (600.0, 0.3, 0.0)]
    recoil = [(700.0, 0.2, np.pi - 0.1), (690.0, -0.1, -np.pi + 0.1)]
    features = jet_features(objects_of(two_prong + recoil)).values
    columns = dict(zip(feature_definitions.RAW_COLUMNS, features.T, strict=True))
    assert columns["pxj1"] == pytest.approx(1400)
    assert columns["pzj1"] == pytest.approx(600 * math.sinh(0.3))
    # m^2 = 2 pT1 pT2 (cosh d_eta - cos d_phi) of two massless particles
    assert columns["mj1"] == pytest.approx(math.sqrt(2 * 800 * 600 * (math.cosh(0.3) - 1)))
    expected = math.sqrt(2 * 700 * 690 * (math.cosh(0.3) - math.cos(0.2)))
    assert columns["mj2"] == pytest.approx(expected)
    assert columns["tau1j1"] == pytest.approx(600 * 0.3 / 1400, rel=5e-4)
    assert columns["tau2j1"] == pytest.approx(0, abs=1e-9)
    derived = dijet.derive(columns, ["mj1", "tau21_1"])
    energy = sum(pt * math.cosh(eta) for pt, eta, _ in two_prong + recoil)
    momentum = sum(
        pt * np.array([math.cos(phi), math.sin(phi), math.sinh(eta)])
        for pt, eta, phi in two_prong + recoil
    )
    assert derived.mass == pytest.approx(math.sqrt(energy**2 - momentum @ momentum))


# particles


def test_events_conserve_energy_and_momentum_and_follow_the_seed():
    process = events.background_process(BACKGROUND)
    particles = events.ParticleSource(process, seed=11).batch(5)
    assert particles.n_events == 5
    totals = [
        np.add.reduceat(column, particles.offsets[:-1])
        for column in (particles.px, particles.py, particles.pz, particles.energy)
    ]
    np.testing.assert_allclose(totals[:3], 0, atol=1e-3)
    np.testing.assert_allclose(totals[3], 13000, rtol=1e-6)
    np.testing.assert_array_equal(np.add.reduceat(particles.charge, particles.offsets[:-1]), 2)
    again = events.ParticleSource(process, seed=11).batch(5)
    np.testing.assert_array_equal(particles.px, again.px)
    other = events.ParticleSource(process, seed=12).batch(5)
    assert not np.array_equal(particles.px[:10], other.px[:10])


def test_particles_are_told_apart_as_a_detector_does():
    source = events.ParticleSource(events.background_process(BACKGROUND), seed=1)
    known = {
        211: ("CHARGED_HADRON", 1), -2212: ("CHARGED_HADRON", -1), 11: ("ELECTRON", -1),
        -13: ("MUON", 1), 22: ("PHOTON", 0), 130: ("NEUTRAL_HADRON", 0),
        310: ("NEUTRAL_STRANGE", 0), -3122: ("NEUTRAL_STRANGE", 0), -14: ("INVISIBLE", 0),
        4900111: ("INVISIBLE", 0),
    }  # fmt: skip
    kind, charge = source._classify(np.array(list(known), dtype=np.int32))
    assert kind.tolist() == [getattr(events, name) for name, _ in known.values()]
    assert charge.tolist() == [sign for _, sign in known.values()]


def test_impossible_processes_are_refused():
    with pytest.raises(ConfigError, match=r"pt_hat_min must lie between 0 and .* 6500 GeV, got 0"):
        events.BackgroundConfig(pt_hat_min=0.0)
    unknown = events.Process(name="odd", label=0, settings=("No:such = key",))
    with pytest.raises(ConfigError, match=r"process 'odd'.*got 'No:such = key'"):
        events.ParticleSource(unknown, seed=1)


# detector


def beam(kind: int, *, n: int, pt: float, eta: float = 0.3, charge: int = 0) -> events.Particles:
    """n events of one particle, at random azimuth."""
    phi = np.random.default_rng(0).uniform(-np.pi, np.pi, n)
    return events.Particles(
        offsets=np.arange(n + 1),
        px=pt * np.cos(phi),
        py=pt * np.sin(phi),
        pz=np.full(n, pt * math.sinh(eta)),
        energy=np.full(n, pt * math.cosh(eta)),
        kind=np.full(n, kind, dtype=np.int8),
        charge=np.full(n, charge, dtype=np.int8),
    )


@pytest.fixture(scope="module")
def collisions() -> events.Particles:
    return events.ParticleSource(events.background_process(BACKGROUND), seed=21).batch(40)


def test_objects_are_real_and_within_reach(collisions):
    seen = energy_flow(collisions, np.random.default_rng(1))
    assert seen.n_events == 40
    assert np.all(seen.pt > 0)
    assert np.all(np.abs(seen.eta) < detector.ETA_MAX)
    assert np.all(np.abs(seen.phi) <= np.pi + 1e-9)
    visible = np.abs(np.arcsinh(collisions.pz / np.hypot(collisions.px, collisions.py))) < 5
    scalar_sum = np.hypot(collisions.px, collisions.py)[visible].sum()
    assert seen.pt.sum() == pytest.approx(scalar_sum, rel=0.05)


def test_invisible_particles_leave_nothing(collisions):
    assert len(energy_flow(beam(events.INVISIBLE, n=9, pt=500), np.random.default_rng(1)).pt) == 0
    hidden = np.where(collisions.kind == events.PHOTON, events.INVISIBLE, collisions.kind)
    keep = collisions.kind != events.PHOTON
    counts = np.add.reduceat(keep.astype(np.int64), collisions.offsets[:-1])
    without = events.Particles(
        np.concatenate([[0], np.cumsum(counts)]), *(column[keep] for column in collisions[1:])
    )
    first = energy_flow(collisions._replace(kind=hidden), np.random.default_rng(1))
    second = energy_flow(without, np.random.default_rng(1))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


def test_batches_do_not_matter_to_the_detector(collisions):
    whole = energy_flow(collisions, np.random.default_rng(2))
    rng, middle = np.random.default_rng(2), collisions.offsets[15]
    head = [column[:middle] for column in collisions[1:]]
    tail = [column[middle:] for column in collisions[1:]]
    first = energy_flow(events.Particles(collisions.offsets[:16], *head), rng)
    second = energy_flow(events.Particles(collisions.offsets[15:] - middle, *tail), rng)
    np.testing.assert_array_equal(whole.pt, np.concatenate([first.pt, second.pt]))
    np.testing.assert_array_equal(whole.phi, np.concatenate([first.phi, second.phi]))


@pytest.mark.parametrize(
    ("kind", "charge", "pt", "resolution"),
    [
        ("PHOTON", 0, 100.0, math.hypot(0.008, 0.11 / 10.2) * 1.06),
        ("NEUTRAL_HADRON", 0, 100.0, math.hypot(0.05, 1.5 / 10.2)),
        ("MUON", 1, 50.0, math.hypot(0.01, 50e-4)),
    ],
)
def test_a_single_particle_is_measured_as_the_card_says(kind, charge, pt, resolution):
    sample = beam(getattr(events, kind), n=4000, pt=pt, charge=charge)
    seen = energy_flow(sample, np.random.default_rng(3))
    # each particle is one object, but for inefficient tracks (1%) and merely calorimetric ones
    assert len(seen.pt) >= 0.97 * 4000
    response = seen.pt * np.cosh(seen.eta) / (pt * math.cosh(0.3))
    assert response.mean() == pytest.approx(1, abs=5 * resolution / math.sqrt(4000))
    assert response.std() == pytest.approx(resolution, rel=0.08)


def test_a_charged_hadron_is_found_by_its_track_or_its_energy():
    sample = beam(events.CHARGED_HADRON, n=4000, pt=20.0, charge=-1)
    seen = energy_flow(sample, np.random.default_rng(4))
    tracks = np.isclose(seen.eta, 0.3, rtol=0, atol=1e-12)
    assert tracks.sum() == pytest.approx(0.95 * 4000, abs=4 * math.sqrt(4000 * 0.05 * 0.95))


def test_no_track_has_curled_up_or_left_the_tracker():
    for pt, eta in ((0.15, 0.0001), (0.2, 1.0), (0.09, 0.5), (5.0, 2.6)):
        sample = beam(events.CHARGED_HADRON, n=200, pt=pt, eta=eta, charge=1)
        seen = energy_flow(sample, np.random.default_rng(5))
        assert not np.isclose(seen.eta, eta, rtol=0, atol=1e-12).any(), (pt, eta)


def test_tracks_bend_by_the_field():
    """sin(turn) = 0.3 B R / (2 pT), against the charge; a stiff track leaves where it points."""
    for charge in (1, -1):
        eta, phi = detector._calorimeter_entry(2.0, 0.5, 0.1, charge)
        turn = math.asin(0.3 * detector.FIELD * detector.RADIUS / (2 * 2.0))
        assert phi == pytest.approx(0.1 - charge * turn)
        assert eta > 0.5
    assert detector._calorimeter_entry(1e5, 2.0, 0.1, 1) == pytest.approx((2.0, 0.1), abs=1e-4)
    # through the endcap: z = 3 m fixes the arc
    eta, _ = detector._calorimeter_entry(10.0, 2.2, 0.0, 1)
    arc, diameter = detector.HALF_LENGTH / math.sinh(2.2), 2 * 10.0 / (0.3 * detector.FIELD)
    assert eta == pytest.approx(math.asinh(3.0 / (diameter * math.sin(arc / diameter))))


@pytest.mark.parametrize("calorimeter", [detector.ECAL, detector.HCAL])
def test_every_point_lies_in_its_cell(calorimeter):
    rng = np.random.default_rng(6)
    for eta, phi in rng.uniform([-4.999, -9], [4.999, 9], size=(2000, 2)):
        key = detector._cell_key(calorimeter, eta, phi)
        low, high, width = detector._cell_bounds(key // detector._KEY_STRIDE)
        assert low - 1e-9 <= eta <= high + 1e-9
        start = key % detector._KEY_STRIDE * width - np.pi
        assert -1e-9 <= (phi - start + 1e-9) % (2 * np.pi) <= width + 2e-9


# files


def test_rounding_keeps_the_promised_precision():
    values = np.random.default_rng(7).normal(scale=1e3, size=10_000).astype(np.float32)
    for bits in (8, 12, 14, 23):
        rounded = bundle.round_mantissa(values, bits)
        assert np.all(np.abs(rounded / values - 1) <= 2.0 ** -(bits + 1))
        np.testing.assert_array_equal(bundle.round_mantissa(rounded, bits), rounded)
        assert not np.any(rounded.view(np.uint32) & np.uint32((1 << (23 - bits)) - 1))
    ties = np.float32([1 + 2**-3, 1 + 3 * 2**-3])
    np.testing.assert_array_equal(bundle.round_mantissa(ties, 2), np.float32([1.0, 1.5]))
    with pytest.raises(DataError, match="between 1 and 23 mantissa bits, got 0"):
        bundle.round_mantissa(values, 0)


def test_raw_events_have_the_layout_of_the_published_file(tmp_path):
    particles = np.arange(9, dtype=np.float32).reshape(3, 3)
    parts = [
        bundle.RawEvents(np.array([0, 2, 3]), particles, 0),
        bundle.RawEvents(np.array([0, 800]), np.ones((800, 3), np.float32), 1),
    ]
    assert bundle.write_raw(tmp_path / "raw.h5", parts) == 3
    with h5py.File(tmp_path / "raw.h5") as file:
        values = file["df/block0_values"][:]
        assert file["df"].attrs["pandas_type"] == b"frame"
        np.testing.assert_array_equal(file["df/block0_items"][:], np.arange(2101))
    assert values.shape == (3, 2101)
    np.testing.assert_array_equal(values[0, :9], [0, 1, 2, 3, 4, 5, 0, 0, 0])
    assert values[1, 3:].sum() == 0
    np.testing.assert_array_equal(values[:, -1], [0, 0, 1])
    assert values[2].sum() == 2101


def config(tmp_path: Path, *overrides: str) -> generation.GenerateConfig:
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        raw = compose("generate", overrides=[f"out={tmp_path}/events.h5", *overrides])
    return generation.parse_generate(raw)


def test_the_defaults_remake_the_bundled_file(tmp_path):
    default = config(tmp_path)
    assert (default.n_background, default.n_signal, default.seed) == (500_000, 100_000, 1)
    assert (default.background, default.signal) == (BACKGROUND, SIGNAL)
    assert not default.raw


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("n_jobs=0", "n_jobs must be at least 1, got 0"),
        ("seed=-1", "seed must be at least 0, got -1"),
        ("seed=1000000000", "seed must stay below 9e8"),
        ("chunk_size=many", "chunk_size must be of type int, got 'many'"),
        ("trigger_pt=0", "trigger_pt must be positive"),
        ("reference=/nowhere", "reference must be a folder or null, but /nowhere is none"),
        ("+colour=red", "unknown key colour"),
        ("signal.light_mass=600", "0 < light <= heavy, got light 600, heavy 500"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        config(tmp_path, override)


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Path:
    """A tiny file made by one worker, chunks kept."""
    folder = tmp_path_factory.mktemp("generated")
    small = ["n_background=20", "n_signal=12", "chunk_size=12", "raw=true", "keep_chunks=true"]
    generation.generate(config(folder, *small, "n_jobs=1"))
    return folder


@pytest.mark.slow
def test_a_resumed_run_with_two_workers_gives_the_same_bytes(generated, tmp_path):
    """As after a kill: one chunk finished, another half written, the rest missing."""
    for folder in sorted((generated / "events.partial").iterdir()):
        chunks = sorted(folder.glob("*.h5"))
        kept = tmp_path / "events.partial" / folder.name
        kept.mkdir(parents=True)
        shutil.copy(chunks[0], kept)
        (kept / f".{chunks[1].stem}.99.partial.h5").write_bytes(b"half")
    small = ["n_background=20", "n_signal=12", "chunk_size=12", "raw=true"]
    generation.generate(config(tmp_path, *small, "n_jobs=2"))
    for name in ("events.h5", "events_raw.h5", "README.md", "card.json"):
        assert (tmp_path / name).read_bytes() == (generated / name).read_bytes(), name
    assert not (tmp_path / "events.partial").exists()


def test_the_file_reads_as_the_bundled_one(generated):
    table = read_bundled(generated / "events.h5", ["mj1", "delta_mj", "tau21_1", "tau21_2"])
    assert table.label is not None
    assert table.label.tolist() == [0] * 20 + [1] * 12
    assert np.all((table.mass > 1000) & (table.mass < 13000))
    assert np.all((table.column("tau21_1") >= 0) & (table.column("tau21_1") <= 1))
    assert table.event_id[0] == generation.IDS_PER_SEED
    assert table.event_id[20] == 1.5 * generation.IDS_PER_SEED
    with h5py.File(generated / "events.h5") as file:
        assert "HardQCD:all = on" in file.attrs["settings_background"].splitlines()
        assert file.attrs["version_pythia8mc"] == "8.317.2"
        pt = np.hypot(file["pxj1"][:], file["pyj1"][:])
        assert np.all(pt > 1199.9)
        assert np.all(pt > np.hypot(file["pxj2"][:], file["pyj2"][:]))


def test_raw_particles_give_the_same_features(generated):
    with h5py.File(generated / "events_raw.h5") as file:
        raw = file["df/block0_values"][:]
    assert raw.shape == (32, 2101)
    triples = raw[:, :-1].astype(float).reshape(32, 700, 3)
    assert np.all(np.diff(triples[:, :, 0], axis=1) <= 0)
    features = jet_features(
        objects_of(*(event[event[:, 0] > 0] for event in triples)), trigger=Trigger(1e3, 2.5)
    )
    assert features.event.tolist() == list(range(32))
    with h5py.File(generated / "events.h5") as file:
        stored = np.stack([file[name][:] for name in feature_definitions.RAW_COLUMNS], axis=1)
        np.testing.assert_array_equal(raw[:, -1], file["label"][:])
    np.testing.assert_allclose(features.values, stored, rtol=1e-3, atol=0.2)


def test_the_card_states_facts_and_no_machine(generated):
    card = json.loads((generated / "card.json").read_text())
    assert card["samples"]["background"]["n_events"] == 20
    assert 0.5 < card["samples"]["background"]["trigger_efficiency"] < 0.95
    assert sum(card["samples"]["signal"]["mjj_shares"]) == pytest.approx(1, abs=1e-4)
    text = (generated / "README.md").read_text()
    assert card["sha256"] in text
    for content in (text, json.dumps(card)):
        assert str(generated) not in content
        assert str(REPOSITORY) not in content
    assert (generated / "figures" / "signal_region.png").stat().st_size > 10_000


def test_ks_table_knows_equal_and_different_samples(generated):
    table = read_bundled(generated / "events.h5", ["mj1"])
    same = ks_table(Comparison("full_range", "all", ("mjj", "mj1"), table, table))
    assert same["background"].ks == {"mjj": 0.0, "mj1": 0.0}
    assert same["background"].noise == pytest.approx(0.96 * math.sqrt(2 / 20), abs=1e-4)
    heavier = np.array(table.features) + 1e4
    other = type(table)(table.event_id, table.mass, heavier, table.names, table.units, table.label)
    far = ks_table(Comparison("full_range", "all", ("mjj", "mj1"), table, other))
    assert far["signal"].ks == {"mjj": 0.0, "mj1": 1.0}


def test_overlays_draw_with_and_without_reference():
    values = {"background": np.linspace(0, 1, 50), "signal": np.linspace(0.2, 0.4, 30)}
    edges = np.linspace(0, 1, 11)
    for reference, panels in ((values, 4), ({}, 2)):
        overlays = [Overlay(name, edges, values, reference) for name in ("tau21_1", "tau21_2")]
        figure = overlay_figure(overlays, title="all", reference_name="other")
        assert len(figure.axes) == panels
        assert all(axes.get_ylabel() for axes in figure.axes)
    with pytest.raises(DataError, match="got 'data'"):
        overlay_figure([Overlay("mj1", edges, {"data": edges}, {})], title="all")
    with pytest.raises(DataError, match="one to six features, got 0"):
        overlay_figure([], title="nothing")


def test_settings_come_from_the_file_alone():
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        content = resolve(compose("generate"))
    del content["trigger_pt"]
    with pytest.raises(ConfigError, match="missing key trigger_pt"):
        build(generation.GenerateConfig, content, "")
