"""The zoo of signals generated: same bytes for any workers and after interruptions, files that
read as the bundled one, ids that never meet, and a data card of all."""

import itertools
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
from anode.evaluation.description.signal_zoo import ZOO_FEATURES, Spread, spreads
from helpers.settings import REPOSITORY

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

from anode.events.readers.lhco_features import read_bundled
from anode.events.readers.raw_particles import read_raw
from anode.pipeline.datasets import generate as generation
from anode.pipeline.datasets.zoo import generate as zoo
from anode.pipeline.datasets.zoo.card import write_zoo_card
from anode.pipeline.datasets.zoo.event_file import IDS_PER_SEED, IDS_PER_SIGNAL, first_event_id
from anode.pipeline.datasets.zoo.generate import ZooConfig, zoo_names, zoo_signal

NAMES = ("wprime_300_300", "ttbar")
SMALL = [f"signals=[{','.join(NAMES)}]", "n_events=20", "chunk_size=15"]
FILES = ("wprime_300_300.h5", "ttbar.h5", "raw/ttbar.h5", "card.json", "README.md")


def config(folder: Path, *overrides: str) -> ZooConfig:
    given = ["process=zoo", f"data.folder={folder}", *overrides]
    parsed = generation.parse_generate(compose("generate", given))
    assert isinstance(parsed, ZooConfig)
    return parsed


@pytest.fixture(scope="module")
def generated(tmp_path_factory) -> Path:
    """20 events of two signals by one worker, with particles, chunks kept."""
    folder = tmp_path_factory.mktemp("zoo") / "made"
    generation.generate(config(folder, *SMALL, "raw=true", "n_jobs=1", "keep_chunks=true"))
    return folder


def test_the_default_zoo_has_every_signal_once():
    default = config(Path("somewhere"))
    assert tuple(default.signals) == zoo_names()
    assert len(default.signals) == 16
    assert (default.n_events, default.trigger_pt, default.seed) == (20_000, 1200.0, 1)
    names = [recipe.process.name for _, recipe in default.recipes()]
    assert names == default.signals
    assert len({recipe.fingerprint() for _, recipe in default.recipes()}) == 16


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("signals=[wz,higgs]", r"signals must be among four_prong, hh, .*, zh, got higgs"),
        ("signals=[wprime]", "got wprime"),
        ("signals=[thre_prong]", "did you mean three_prong?"),
        ("signals=[bundled]", "got bundled"),
        ("signals=[]", r"signals must name at least one signal, each once, got \[\]"),
        ("signals=[wz,wz]", r"each once, got \[wz, wz\]"),
        ("n_events=0", "n_events must be at least 1, got 0"),
        ("n_events=200000000", r"n_events must be at most 1e\+08"),
        ("seed=1000000000", "seed must stay below 9e8"),
        ("trigger_pt=0", "trigger_pt must be positive"),
        ("n_background=5", "unknown key n_background"),
    ],
)
def test_impossible_settings_are_refused_in_one_line(override, message):
    with pytest.raises(ConfigError, match=message) as refused:
        config(Path("somewhere"), override)
    assert "\n" not in str(refused.value)


def test_an_unknown_signal_of_the_command_is_told_in_one_line():
    command = [sys.executable, str(REPOSITORY / "scripts/generate.py"), "signal=wprimes"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY)
    assert done.returncode == 2
    assert done.stderr.startswith("error: signal must be one of bundled, four_prong, hh, ")
    assert len(done.stderr.splitlines()) == 1


def test_a_signal_is_chosen_by_name_and_changed_by_key(tmp_path):
    def process(*overrides: str):
        parsed = generation.parse_generate(
            compose("generate", [f"out={tmp_path}/e.h5", *overrides])
        )
        (found,) = [each for each, _ in parsed.processes() if each.label]
        return found, parsed.signal.number

    default, number = process()
    assert (default.name, number) == ("signal", 0)
    changed, _ = process("signal.heavy_mass=300", "signal.light_mass=300")
    assert "23:m0 = 300" in changed.settings
    heavier, number = process("signal=wprime_4500", "signal.resonance_width=10")
    assert (heavier.name, number) == ("wprime_4500", 7)
    assert {"34:m0 = 4500", "34:mWidth = 10"} <= set(heavier.settings)
    scalar, _ = process("signal=hh", "signal.scalar_mass=90")
    assert "25:m0 = 90" in scalar.settings


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: ttbar", "name: ttbar", r"mine\.yaml: name must be that of the file, got ttbar"),
        ("name: ttbar", "name: mine", "mine.number must differ from those .* that of ttbar, 12"),
        (
            "name: ttbar\nnumber: 12",
            "name: mine\nnumber: 0",
            "mine.number must differ .* bundled, 0",
        ),
    ],
)
def test_a_signal_of_ones_own_needs_a_name_and_a_number(tmp_path, monkeypatch, old, new, message):
    shutil.copytree(REPOSITORY / "configs/signal", tmp_path / "signal")
    text = (tmp_path / "signal/ttbar.yaml").read_text()
    (tmp_path / "signal/mine.yaml").write_text(text.replace(old, new))
    monkeypatch.setattr(zoo, "CONFIG_DIR", tmp_path)
    with pytest.raises(ConfigError, match=message):
        config(Path("somewhere"), "signals=[ttbar,mine]")


def test_ids_of_signals_never_meet():
    ranges = [(0, first_event_id(1, 0), IDS_PER_SEED // 2)]
    ranges += [(1, first_event_id(1, 1), IDS_PER_SIGNAL)]  # the bundled signal
    for seed in (1, 2):
        for name in zoo_names():
            first = first_event_id(seed, 1, zoo_signal(name).number)
            ranges.append((seed, first, IDS_PER_SIGNAL))
    ranges.append((2, first_event_id(2, 0), IDS_PER_SEED // 2))
    starts = sorted((first, size) for _, first, size in ranges)
    for (first, size), (following, _) in itertools.pairwise(starts):
        assert first + size <= following
    assert first_event_id(1, 1) == 15_000_000_000


def test_files_read_as_the_bundled_one(generated):
    seen = []
    for name in NAMES:
        table = read_bundled(generated / f"{name}.h5", list(ZOO_FEATURES))
        first = first_event_id(1, 1, zoo_signal(name).number)
        assert table.event_id.tolist() == list(range(first, first + 20))
        assert table.label is not None
        assert np.all(table.label == 1)
        assert 2500 < np.median(table.mass) < 4000
        assert np.all(table.column("mj1") <= table.column("mj2"))
        seen.append(table.event_id)
    assert not set(seen[0]) & set(seen[1])
    run = [f"data.path={generated / 'ttbar.h5'}", "data=bundled", "run_dir=somewhere"]
    assert compose("run", run).data.path.endswith("ttbar.h5")


def test_a_file_says_how_it_was_made(generated):
    with h5py.File(generated / "ttbar.h5") as file:
        said = dict(file.attrs)
    assert said["settings_ttbar"].splitlines() == list(zoo_signal("ttbar").process().settings)
    assert said["signal"] == "ttbar"
    assert (said["resonance_mass"], said["resonance_width"]) == (3500.0, 55.0)
    assert (said["prongs_1"], said["prongs_2"], said["seed"], said["trigger_pt"]) == (
        3,
        3,
        1,
        1200,
    )
    assert said["n_generated_ttbar"] % 15 == 0
    assert 20 <= said["n_accepted_ttbar"] <= said["n_generated_ttbar"]
    assert said["version_pythia8mc"] == "8.317.2"


def test_particles_are_those_of_the_features(generated):
    raw = read_raw(generated / "raw/ttbar.h5", 0, 20)
    assert raw.label is not None
    assert np.all(raw.label == 1)
    with h5py.File(generated / "raw/ttbar.h5") as file, h5py.File(generated / "ttbar.h5") as own:
        np.testing.assert_array_equal(file["event_id"][:], own["event_id"][:])


def test_the_card_tells_of_each_signal(generated):
    card = json.loads((generated / "card.json").read_text())
    assert list(card["signals"]) == list(NAMES)
    ttbar = card["signals"]["ttbar"]
    assert ttbar["prongs"] == [3, 3]
    assert 0.2 < ttbar["trigger_efficiency"] < 0.95
    table = read_bundled(generated / "ttbar.h5", ["mj1", "tau32_2"])
    inside = np.mean(np.abs(table.mass - 3500) < 200)
    assert ttbar["mjj_share"] == pytest.approx(inside, abs=1e-4)
    for feature in ("mj1", "tau32_2"):
        stated = ttbar["features"][feature]["median"]
        assert stated == pytest.approx(np.median(table.column(feature)), rel=1e-3)
    text = (generated / "README.md").read_text()
    for content in (text, json.dumps(card)):
        assert ttbar["sha256"] in content
        assert "32:onIfAny = 6" in content
        assert str(generated) not in content
    for name in (*NAMES, "overview"):
        assert f"figures/{name}.png" in text
        assert (generated / f"figures/{name}.png").stat().st_size > 10_000
        assert (generated / f"figures/{name}.pdf").stat().st_size > 5_000


def test_a_card_of_these_very_files_stays(generated):
    before = (generated / "card.json").stat().st_mtime_ns
    write_zoo_card(generated, zoo_names())
    assert (generated / "card.json").stat().st_mtime_ns == before


def test_spreads_are_quantiles():
    found = spreads({"mjj": np.arange(101.0)})
    assert found == {"mjj": Spread(16.0, 50.0, 84.0)}


def test_files_with_other_events_are_never_overwritten(generated, tmp_path):
    shutil.copy(generated / "ttbar.h5", tmp_path)
    before = (tmp_path / "ttbar.h5").read_bytes()
    for changed in ("n_events=10", "seed=2", "chunk_size=20", "trigger_pt=1000"):
        with pytest.raises(DataError, match=r"ttbar\.h5 is there and has other events"):
            generation.generate(config(tmp_path, *SMALL, "signals=[ttbar]", changed))
    assert (tmp_path / "ttbar.h5").read_bytes() == before


def test_finished_files_stay_and_particles_do_not_change_them(generated, tmp_path):
    """A folder asked for without particles takes files that were made with them."""
    copied = [f"{name}.h5" for name in NAMES] + ["card.json"]
    for name in copied:
        shutil.copy(generated / name, tmp_path)
    before = [(tmp_path / name).stat().st_mtime_ns for name in copied]
    generation.generate(config(tmp_path, *SMALL, "n_jobs=1"))
    assert [(tmp_path / name).stat().st_mtime_ns for name in copied] == before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(copied)


@pytest.mark.slow
def test_a_resumed_run_with_two_workers_gives_the_same_bytes(generated, tmp_path):
    """As after a kill: one chunk finished, another half written, the rest missing."""
    for folder in sorted((generated / "chunks.partial").iterdir()):
        chunks = sorted(folder.glob("*.h5"))
        kept = tmp_path / "chunks.partial" / folder.name
        kept.mkdir(parents=True)
        shutil.copy(chunks[0], kept)
        (kept / f".{chunks[1].stem}.99.partial.h5").write_bytes(b"half")
    generation.generate(config(tmp_path, *SMALL, "raw=true", "n_jobs=2"))
    for name in FILES:
        assert (tmp_path / name).read_bytes() == (generated / name).read_bytes(), name
    assert not (tmp_path / "chunks.partial").exists()


@pytest.mark.slow
def test_one_signal_over_background_has_the_events_and_ids_of_the_zoo(generated, tmp_path):
    given = [f"out={tmp_path}/e.h5", "signal=ttbar", "chunk_size=15", "n_jobs=1"]
    given += ["n_background=10", "n_signal=20"]
    generation.generate(generation.parse_generate(compose("generate", given)))
    with h5py.File(tmp_path / "e.h5") as both, h5py.File(generated / "ttbar.h5") as zoo:
        assert both["label"][:].tolist() == [0] * 10 + [1] * 20
        for name in ("event_id", "pxj1", "mj2", "tau3j2"):
            np.testing.assert_array_equal(both[name][10:], zoo[name][:])
        assert both["event_id"][0] == IDS_PER_SEED
        assert both.attrs["settings_ttbar"] == zoo.attrs["settings_ttbar"]
    text = (tmp_path / "README.md").read_text()
    assert "Signal: `signal=ttbar` of `anode generate`." in text
    assert "| ttbar (label 1) | 20 |" in text
