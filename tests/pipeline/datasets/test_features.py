# ruff: noqa: E402  (imports that need the extra stand behind importorskip)
"""Raw particles to features: right against FastJet and the published file, the same whatever the
blocks, workers and interruptions, and nothing lost or half written."""

import errno
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from anode.provenance import Provenance
from helpers.bit_flips import count_noticed, flipped
from helpers.raw_files import FIRST_20K, TINY, raw_rows, write_frame
from helpers.settings import REPOSITORY

fastjet = pytest.importorskip("fastjet")
ak = pytest.importorskip("awkward")

from anode import io
from anode.benchmark.raw_events import compare_raw, plain_loop
from anode.benchmark.report import benchmark_table
from anode.benchmark.result import BenchmarkResult, Machine
from anode.errors import ConfigError, DataError
from anode.events import feature_definitions
from anode.events.readers.lhco_features import read_bundled, read_lhco_features
from anode.events.readers.raw_particles import read_raw
from anode.events.writers import feature_files as feature_file
from anode.jets import blocks
from anode.jets.clustering import EVERY_EVENT, leading_jets
from anode.jets.features import COLUMNS, event_features
from anode.jets.settings import AXES, DEFAULT, JetConfig
from anode.jets.substructure.subjettiness import n_subjettiness
from anode.pipeline.datasets import feature_blocks
from anode.pipeline.datasets import features as pipeline
from anode.pipeline.runs.prepare import prepare
from anode.regions.windows import Regions

NAMES = ["mj1", "delta_mj", "tau21_1", "tau21_2"]
needs_real = pytest.mark.skipif(not TINY.is_file(), reason="no real events on this machine")
RD_FEATURES = os.environ.get("ANODE_RD_FEATURES", "")
N_EVENTS = 24


def config(path: Path, output: Path, *overrides: str) -> pipeline.FeaturesConfig:
    given = [f"data.path={path}", f"output={output}", "n_jobs=1", *overrides]
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        return pipeline.parse_features(compose("features", overrides=given))


def make(path: Path, output: Path, *overrides: str) -> dict:
    pipeline.features(config(path, output, *overrides))
    return io.read_json(pipeline.manifest_path(output))


@pytest.fixture(scope="module")
def raw_file(tmp_path_factory) -> Path:
    return write_frame(tmp_path_factory.mktemp("raw") / "raw.h5", raw_rows(N_EVENTS))


@pytest.fixture(scope="module")
def made(raw_file, tmp_path_factory) -> Path:
    """Features in our layout, made in one block."""
    output = tmp_path_factory.mktemp("made") / "features.h5"
    make(raw_file, output)
    return output


def columns_of(path: Path) -> dict[str, np.ndarray]:
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}


# against FastJet, one event and one particle at a time


def one_by_one(event: np.ndarray, settings: JetConfig) -> list:
    """FastJet's two leading jets of (pT, eta, phi) rows, by its plain Python interface."""
    particles = []
    for pt, eta, phi in event:
        px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
        particles.append(fastjet.PseudoJet(px, py, pz, pt * np.cosh(eta)))
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, settings.radius)
    sequence = fastjet.ClusterSequence(particles, definition)
    leading = fastjet.sorted_by_pt(sequence.inclusive_jets(settings.pt_min))[:2]
    return [
        ([j.px(), j.py(), j.pz(), j.E()], [[p.px(), p.py(), p.pz(), p.E()] for p in parts])
        for j, parts in ((jet, jet.constituents()) for jet in leading)
    ]


def exclusive_tau(constituents: list, n: int, settings: JetConfig) -> float:
    """tau_n of exclusive kT axes, written down from its formula."""
    particles = [fastjet.PseudoJet(*momentum) for momentum in constituents]
    if len(particles) <= n:
        return 0.0
    recombination = fastjet.E_scheme
    radius = settings.radius
    if settings.axes == "wta_kt":
        recombination, radius = fastjet.WTA_pt_scheme, fastjet.JetDefinition.max_allowable_R
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, radius, recombination)
    sequence = fastjet.ClusterSequence(particles, definition)
    axes = list(sequence.exclusive_jets(n))
    total = weighted = 0.0
    for p in particles:
        distances = []
        for axis in axes:
            turn = p.phi_std() - axis.phi_std()
            if settings.axes != "kt_unwrapped":
                turn = (turn + np.pi) % (2 * np.pi) - np.pi
            along = p.eta() - axis.eta() if settings.axes != "wta_kt" else p.rap() - axis.rap()
            distances.append(np.hypot(along, turn))
        weighted += p.pt() * min(distances) ** settings.beta
        total += p.pt() * settings.r0**settings.beta
    return weighted / total


@pytest.mark.parametrize("radius", [0.6, 1.0])
def test_jets_and_constituents_are_those_of_plain_fastjet(raw_file, radius):
    settings = replace(DEFAULT, radius=radius)
    block = read_raw(raw_file, 0, N_EVENTS)
    found = leading_jets(block.objects, trigger=EVERY_EVENT, settings=settings)
    assert found.event.tolist() == list(range(N_EVENTS))
    offsets = block.objects.offsets
    triples = np.stack(block.objects[1:], axis=1)
    values = event_features(block.objects, settings).values
    for i in range(N_EVENTS):
        for j, (momentum, parts) in enumerate(
            one_by_one(triples[offsets[i] : offsets[i + 1]], settings)
        ):
            np.testing.assert_allclose(found.momentum[i, j], momentum, rtol=1e-12, atol=1e-9)
            ours = found.constituents[i, j]
            order = np.lexsort(np.array(parts).T)
            mine = np.stack([ak.to_numpy(ours[axis]) for axis in ("px", "py", "pz", "E")], axis=1)
            np.testing.assert_allclose(
                mine[np.lexsort(mine.T)], np.array(parts)[order], rtol=1e-12, atol=1e-9
            )
            row = dict(zip(COLUMNS, values[i], strict=True))
            assert row[f"n_constituentsj{j + 1}"] == len(parts)
            lead = max(np.hypot(p[0], p[1]) for p in parts)
            assert row[f"pt_leadj{j + 1}"] == pytest.approx(lead, rel=1e-12)
            jet = fastjet.PseudoJet(*momentum)
            assert row[f"ptj{j + 1}"] == pytest.approx(jet.pt(), rel=1e-12)
            assert row[f"etaj{j + 1}"] == pytest.approx(jet.eta(), rel=1e-10, abs=1e-12)
            assert row[f"phij{j + 1}"] == pytest.approx(jet.phi_std(), rel=1e-10, abs=1e-12)
            assert row[f"mj{j + 1}"] == pytest.approx(jet.m(), rel=1e-9)
        pair = [fastjet.PseudoJet(*m) for m in found.momentum[i]]
        both = fastjet.PseudoJet(*found.momentum[i].sum(axis=0))
        assert row["mjj"] == pytest.approx(both.m(), rel=1e-10)
        assert row["delta_eta"] == pytest.approx(abs(pair[0].eta() - pair[1].eta()), rel=1e-9)
        assert row["n_particles"] == offsets[i + 1] - offsets[i]


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("axes", ["wta_kt", "kt", "kt_unwrapped"])
def test_tau_is_its_formula_with_the_axes_of_plain_fastjet(raw_file, axes, beta):
    settings = replace(DEFAULT, axes=axes, beta=beta, r0=0.8)
    block = read_raw(raw_file, 0, 8)
    jets = ak.flatten(leading_jets(block.objects, trigger=EVERY_EVENT).constituents)
    tau = n_subjettiness(jets, settings=settings, n_axes=(1, 2, 3, 4))
    for jet, row in zip(jets, tau, strict=True):
        parts = np.stack([ak.to_numpy(jet[axis]) for axis in ("px", "py", "pz", "E")], axis=1)
        expected = [exclusive_tau(parts.tolist(), n, settings) for n in (1, 2, 3, 4)]
        np.testing.assert_allclose(row, expected, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("axes", "without"), [("onepass_kt", None), ("onepass_wta_kt", "wta_kt")])
def test_one_pass_axes_are_fastjets_and_no_worse_than_where_they_start(raw_file, axes, without):
    block = read_raw(raw_file, 0, N_EVENTS)
    jets = ak.flatten(leading_jets(block.objects, trigger=EVERY_EVENT).constituents)
    tau = n_subjettiness(jets, settings=replace(DEFAULT, axes=axes), n_axes=(1, 2, 3, 4))
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 1.0)
    for jet, row in zip(jets, tau, strict=True):
        alone = fastjet.ClusterSequence(jet[np.newaxis], definition).njettiness(
            axes_definition=AXES[axes], njets=[1, 2, 3, 4], beta=1.0, R0=1.0
        )
        np.testing.assert_allclose(row, np.asarray(alone).ravel(), rtol=1e-12, atol=1e-15)
    if without:
        start = n_subjettiness(jets, settings=replace(DEFAULT, axes=without), n_axes=(1, 2, 3, 4))
        assert np.all(tau <= start * (1 + 1e-3) + 1e-12)  # the pass ends at 1e-4 or so


def test_few_particles_need_few_axes():
    one = [[{"px": 100.0, "py": 0.0, "pz": 0.0, "E": 100.0}]]
    jets = ak.Array(one, with_name="Momentum4D")
    for axes in AXES:
        tau = n_subjettiness(jets, settings=replace(DEFAULT, axes=axes), n_axes=(1, 2, 3, 4))
        np.testing.assert_allclose(tau, 0, atol=1e-9)


# against the published features of the same events


@needs_real
def test_the_published_features_come_out(tmp_path):
    output = tmp_path / "features.h5"
    assert make(TINY, output, "data.jets.axes=kt_unwrapped")["n_written"] == 1000
    ours = columns_of(output)
    make(TINY, tmp_path / "kt.h5", "data.jets.axes=kt")
    wrapped = columns_of(tmp_path / "kt.h5")
    with h5py.File(FIRST_20K) as file:
        names = [name.decode() for name in file["df/block0_items"][:]]
        published = dict(zip(names, file["df/block0_values"][:1000].T, strict=True))
    assert ours["event_id"].tolist() == list(range(1000))
    np.testing.assert_array_equal(ours["label"], published["label"])
    theirs = [
        feature_definitions.Jet(
            *(published[f"{name}j{j}"] for name in feature_definitions.MOMENTUM_COLUMNS), {}
        )
        for j in (1, 2)
    ]
    for j, jet in enumerate(theirs, start=1):
        for name in ("pt", "eta", "phi", "m"):
            np.testing.assert_allclose(ours[f"{name}j{j}"], getattr(jet, name), rtol=1e-6)
        inside = np.abs(jet.phi) < 2.14
        for n in (1, 2, 3):
            name = f"tau{n}j{j}"
            np.testing.assert_allclose(ours[name], published[name], atol=1e-12)
            np.testing.assert_allclose(wrapped[name][inside], published[name][inside], atol=1e-4)
    np.testing.assert_allclose(ours["mjj"], feature_definitions.invariant_mass(*theirs), rtol=1e-6)
    settings = ["data=lhco_raw", f"data.cache={tmp_path / 'cache'}", "injection.n_signal=null"]
    table = prepare(run_config(TINY, *settings, "data.jets.axes=kt_unwrapped")).data
    reference = read_lhco_features(FIRST_20K, NAMES, rows=(0, 1000))
    np.testing.assert_allclose(table.mass, reference.mass, rtol=1e-6)
    np.testing.assert_allclose(table.features, reference.features, rtol=1e-5, atol=1e-3)


@pytest.mark.skipif(not RD_FEATURES, reason="ANODE_RD_FEATURES does not name the full file")
def test_the_full_file_has_the_published_counts():
    table = read_lhco_features(RD_FEATURES, ["mj1"])
    regions = Regions.from_bounds([3300.0, 3700.0], [[None, 3300.0], [3700.0, None]])
    assert table.label is not None
    first = np.zeros(len(table), dtype=bool)
    first[np.flatnonzero(table.label == 1)[:1000]] = True
    background = table.label == 0
    inside = regions.in_signal_region(table.mass)
    assert np.sum(inside & background) == 121_352
    assert np.sum(inside & first) == 772
    assert np.sum(~inside & (background | first)) == 878_876


# layouts


def test_our_layout_is_read_as_the_bundled_file(made, raw_file):
    table = read_bundled(made, NAMES)
    assert table.event_id.tolist() == list(range(N_EVENTS))
    assert table.label is not None
    assert table.label.tolist() == [int(i % 3 == 0) for i in range(N_EVENTS)]
    columns = columns_of(made)
    assert set(columns) == {"event_id", "label", *COLUMNS}
    np.testing.assert_allclose(columns["mjj"], table.mass, rtol=1e-12)
    with h5py.File(made) as file:
        assert file.attrs["source_sha256"] == io.sha256_file(raw_file)
        assert file.attrs["jets_axes"] == "onepass_kt"
    assert np.all(columns["ptj1"] >= columns["ptj2"])


def test_the_published_layout_is_read_by_us_and_by_pandas(made, raw_file, tmp_path):
    output = tmp_path / "lhco.h5"
    make(raw_file, output, "layout=lhco")
    ours, theirs = read_bundled(made, NAMES), read_lhco_features(output, NAMES)
    np.testing.assert_array_equal(ours.features, theirs.features)
    np.testing.assert_array_equal(ours.label, theirs.label)
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("tables")
    frame = pandas.read_hdf(output)
    assert list(frame.columns) == [*feature_definitions.RAW_COLUMNS, "label"]
    assert frame.index.tolist() == list(range(N_EVENTS))
    columns = columns_of(made)
    for name in frame.columns:
        np.testing.assert_array_equal(frame[name], columns[name])


def test_json_lines_hold_the_same_numbers(made, raw_file, tmp_path):
    output = tmp_path / "events.jsonl"
    make(raw_file, output, "layout=jsonl")
    events = [json.loads(line) for line in output.read_text().splitlines()]
    columns = columns_of(made)
    assert [e["event_id"] for e in events] == list(range(N_EVENTS))
    assert [e["type"] for e in events[:3]] == ["signal", "background", "background"]
    names = {"n_particles": "n_constituents", "P_T_lead": "pt_lead"}
    for i, event in enumerate(events):
        assert set(event) == {"type", "jets", "n_particles", "m_jj", "dR", "event_id"}
        assert event["m_jj"] == columns["mjj"][i]
        assert event["dR"] == columns["delta_r"][i]
        for j, jet in enumerate(event["jets"], start=1):
            for key, value in jet.items():
                name = names.get(key, key.replace("_", ""))
                assert value == columns[f"{name}j{j}"][i], key


def test_files_without_labels_stay_without(tmp_path):
    path = write_frame(tmp_path / "raw.h5", raw_rows(6, labelled=False))
    make(path, tmp_path / "events.jsonl", "layout=jsonl")
    assert json.loads((tmp_path / "events.jsonl").read_text().splitlines()[0])["type"] is None
    make(path, tmp_path / "anode.h5")
    assert read_bundled(tmp_path / "anode.h5", NAMES).label is None
    make(path, tmp_path / "lhco.h5", "layout=lhco")
    assert read_lhco_features(tmp_path / "lhco.h5", NAMES).label is None


# the same whatever the circumstances


@pytest.mark.parametrize("layout", ["anode", "lhco", "jsonl"])
def test_bytes_do_not_depend_on_blocks(raw_file, tmp_path, layout, monkeypatch):
    monkeypatch.setattr(feature_file, "_CHUNK_ROWS", 10)
    for rows in (1, 5, 24):
        make(raw_file, tmp_path / str(rows), f"layout={layout}", f"data.block_rows={rows}")
    contents = {(tmp_path / str(rows)).read_bytes() for rows in (1, 5, 24)}
    assert len(contents) == 1


def test_an_interrupted_command_goes_on(raw_file, made, tmp_path, monkeypatch):
    output, rows = tmp_path / "features.h5", "data.block_rows=5"
    real = blocks.read_raw

    def failing(path, start, stop):
        if start == 15:
            raise DataError("power cut")
        return real(path, start, stop)

    monkeypatch.setattr(blocks, "read_raw", failing)
    with pytest.raises(DataError, match="power cut"):
        make(raw_file, output, rows)
    assert not output.exists()
    asked = []
    monkeypatch.setattr(
        blocks, "read_raw", lambda p, a, b: (asked.append((a, b)), real(p, a, b))[1]
    )
    (broken,) = Path(f"{output}.partial").glob("*/*5_*10.h5")
    broken.write_bytes(broken.read_bytes()[:1000])
    make(raw_file, output, rows)
    assert asked == [(5, 10), (15, 20), (20, 24)]
    assert output.read_bytes() == made.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"features.h5", "features.h5.manifest.json"}
    asked.clear()
    make(raw_file, output, rows)
    assert not asked
    with pytest.raises(DataError, match="exists and is not what this command makes"):
        make(raw_file, output, "data.jets.axes=kt")
    assert output.read_bytes() == made.read_bytes()


def test_a_flipped_bit_of_features_or_of_their_manifest_is_noticed(raw_file, made, tmp_path):
    output = tmp_path / "features.h5"
    manifest = shutil.copy(pipeline.manifest_path(made), pipeline.manifest_path(output))
    shutil.copy(made, output)

    def again() -> dict:
        make(raw_file, output)
        return columns_of(output)

    for path in (output, Path(manifest)):
        assert count_noticed(path, again) > 10


def test_a_finished_block_with_a_flipped_bit_is_made_again(raw_file, made, tmp_path):
    output, kept = tmp_path / "features.h5", ("data.block_rows=5", "keep_blocks=true")
    make(raw_file, output, *kept)
    (block,) = Path(f"{output}.partial").glob("*/*5_*10.h5")
    whole = block.read_bytes()
    for _ in flipped(block, 20):
        output.unlink()
        make(raw_file, output, *kept)
        assert output.read_bytes() == made.read_bytes()
        assert len(block.read_bytes()) == len(whole)


def test_other_packages_on_a_worker_are_refused(raw_file, tmp_path):
    block = blocks.BlockJob(raw_file, 0, 5, DEFAULT, tmp_path / "b.h5", {"fastjet": "0"})
    with pytest.raises(ConfigError, match="every worker must have the packages"):
        blocks.process_block(block)


# every event is accounted for


def bad_rows() -> np.ndarray:
    rows = raw_rows(20)
    rows[3, 7] = np.nan
    rows[8, 0] = -1.0
    rows[11, :2100] = 0.0
    rows[12, 3:2100] = 0.0  # a single particle makes a single jet
    return rows


def test_skipped_events_are_counted_by_reason(tmp_path, caplog):
    path = write_frame(tmp_path / "raw.h5", bad_rows())
    counts = "no_two_jets: 2, first row 11; not_finite: 1, first row 3"
    with pytest.raises(DataError, match=f"4 of 20 events have no features .*{counts}.* allows"):
        make(path, tmp_path / "out.h5", "data.block_rows=6")
    assert not (tmp_path / "out.h5").exists()
    manifest = make(path, tmp_path / "out.h5", "data.block_rows=6", "data.max_skipped=0.2")
    assert "4 of 20 events have no features" in caplog.text
    assert manifest["n_read"] == 20 == manifest["n_written"] + manifest["n_skipped"]
    assert manifest["skipped"] == {
        "not_finite": 1,
        "negative_pt": 1,
        "out_of_range": 0,
        "bad_label": 0,
        "no_two_jets": 2,
    }
    assert manifest["skipped_rows"]["no_two_jets"] == [11, 12]
    with pytest.raises(DataError, match="4 of 20 events have no features"):  # found finished
        make(path, tmp_path / "out.h5")
    kept = [i for i in range(20) if i not in (3, 8, 11, 12)]
    assert read_bundled(tmp_path / "out.h5", NAMES).event_id.tolist() == kept
    everything = write_frame(tmp_path / "empty.h5", np.zeros((4, 2101)))
    with pytest.raises(DataError, match="4 of 4 events have no features"):
        make(everything, tmp_path / "none.h5", "data.max_skipped=1.0")


def test_a_full_disk_loses_nothing(raw_file, made, tmp_path, monkeypatch):
    output = tmp_path / "features.h5"
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def no_space(*arguments, **keywords):
        raise full

    with monkeypatch.context() as patch:
        patch.setattr(blocks, "write_hdf5", no_space)
        with pytest.raises(
            DataError, match=r"No space left on device.*run the same command again"
        ):
            make(raw_file, output, "data.block_rows=5")
    with monkeypatch.context() as patch:
        patch.setattr(feature_file, "_create", no_space)
        with pytest.raises(DataError, match="No space left on device"):
            make(raw_file, output, "data.block_rows=5")
    assert not output.exists()
    assert len(list(Path(f"{output}.partial").glob("*/*.h5"))) == 5
    assert not list(tmp_path.rglob(".*partial*"))
    make(raw_file, output, "data.block_rows=5")
    assert output.read_bytes() == made.read_bytes()


def test_finished_features_are_found_where_nothing_can_be_written(
    raw_file, tmp_path, monkeypatch, capsys
):
    output = tmp_path / "features.h5"
    make(raw_file, output)

    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "mkdir", read_only)
    make(raw_file, output)
    assert capsys.readouterr().out.count("24 of 24 events") == 2
    with pytest.raises(DataError, match=r"Read-only file system: mend that .* another folder"):
        make(raw_file, tmp_path / "other.h5")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("layout=root", "layout must be one of anode, lhco, jsonl, got 'root'"),
        ("n_jobs=0", "n_jobs must be at least 1"),
        ("data.block_rows=0", "block_rows must be at least 1"),
        ("data.max_skipped=2.0", r"max_skipped must lie in \[0, 1\]"),
        ("data.jets.axes=best", "jets.axes must be one of onepass_kt"),
        ("data.jets.beta=4", "jets.beta must be at most 3"),
        ("data.jets.radius=-1", "jets.radius must be above 0"),
        ("cluster.kind=cloud", "cluster.kind must be one of local, slurm, htcondor"),
        ("data=lhco_features", "choose data=lhco_raw, got"),
        ("data=blackbox", "choose data=lhco_raw, got"),
        ("data.n_signal=5", "data.n_signal has no meaning here"),
        ("data.path=null", "needs data.path"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, override, message):
    with pytest.raises(ConfigError, match=message):
        config(tmp_path / "x.h5", tmp_path / "y.h5", override)


def script(*overrides: str) -> subprocess.CompletedProcess:
    command = [sys.executable, str(REPOSITORY / "scripts/features.py"), *overrides]
    return subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)


def test_the_command_says_what_it_did_or_why_not(raw_file, made, tmp_path):
    done = script(f"data.path={raw_file}", f"output={tmp_path / 'out.h5'}", "data.block_rows=9")
    assert done.returncode == 0, done.stderr
    assert f"{N_EVENTS} of {N_EVENTS} events, 0 skipped" in done.stdout
    assert (tmp_path / "out.h5").read_bytes() == made.read_bytes()
    (tmp_path / "text.h5").write_text("not HDF5")
    done = script(f"data.path={tmp_path / 'text.h5'}", f"output={tmp_path / 'none.h5'}")
    assert done.returncode == 2
    assert "expected an HDF5 file" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("none*"))


# raw files in a run


def run_config(path: Path, *overrides: str):
    from anode.configuration.builder import resolve
    from anode.pipeline.runs.config import from_mapping

    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        given = ["run_dir=unused", *overrides, f"data.path={path}"]
        return from_mapping(resolve(compose("run", overrides=given)))


def test_a_run_reads_raw_events_and_clusters_them_once(tmp_path, monkeypatch):
    rows = raw_rows(40)
    rows[7, 0] = np.nan
    path = write_frame(tmp_path / "raw.h5", rows)
    extra = write_frame(tmp_path / "extra.h5", raw_rows(15, seed=1) * (np.arange(2101) < 2100))
    settings = [
        "data=lhco_raw",
        f"data.cache={tmp_path / 'cache'}",
        f"data.extra_background={extra}",
        "data.max_skipped=0.1",
        "injection.n_signal=3",
        "regions.signal=[2000,3500]",
        "regions.sidebands=[[null,2000],[3500,null]]",
        "n_jobs=1",
    ]
    prepared = prepare(run_config(path, *settings))
    assert prepared.n_dropped == 1
    assert prepared.files == [path, extra]
    assert len(prepared.data) == 25 + 3
    assert prepared.extra is not None
    assert len(prepared.extra) == 11 + 15
    assert prepared.data.source == str(path)
    monkeypatch.setattr(feature_blocks, "process_block", None)
    again = prepare(run_config(path, *settings))
    np.testing.assert_array_equal(again.data.features, prepared.data.features)


def test_the_benchmark_compares_equals(raw_file):
    block = read_raw(raw_file, 0, N_EVENTS)
    ours = event_features(block.objects, DEFAULT).values[:, :14]
    np.testing.assert_allclose(plain_loop(block), ours, rtol=1e-8, atol=1e-8)
    found = compare_raw(raw_file, n_events=6, rounds=1)
    assert found.n_events == 6
    assert set(found.seconds) == {"plain FastJet loop", "anode"}
    machine = Machine("a processor", "AVX2", 1, "Linux")
    result = BenchmarkResult(machine, Provenance(), (), (), (), raw_events=found)
    assert "times the plain loop" in benchmark_table(result)
