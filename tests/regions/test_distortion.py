"""Are features spoiled as asked, for every event alike, and the same way wherever it is read?"""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from anode import io
from anode.errors import ConfigError, DataError
from anode.events.readers.lhco_features import BUNDLED_PATH, read_bundled
from anode.events.simulation.toy import Toy
from anode.events.table import EventTable
from anode.pipeline.runs import config as configuration
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig
from anode.pipeline.runs.prepare import prepare
from anode.pipeline.runs.run_directory import describe_data
from anode.pipeline.runs.score_file import read_scores
from anode.pipeline.scoring import blocks as stream
from anode.pipeline.scoring import score as rescore
from anode.regions.distortion import NONE, DistortionConfig, distort
from anode.seeding import stream as random_stream
from helpers.cathode_files import cathode_rows, write_folder
from helpers.settings import REPOSITORY

ALL = DistortionConfig({"x1": 0.1, "x2": -0.02}, 2, {"x1": 0.05, "x3": 0.2})


def toy(n_background: int = 20_000, n_signal: int = 2000) -> EventTable:
    return Toy().sample(n_background, n_signal, random_stream(1, "toy"))


EVENTS = toy()


def parsed(*overrides: str) -> RunConfig:
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        raw = compose("run", overrides=["run_dir=x", *overrides])
    return configuration.from_mapping(configuration.resolve(raw))


# --- features -------------------------------------------------------------------------------


def test_no_distortion_is_no_change():
    assert distort(EVENTS, NONE, 1) is EVENTS
    assert distort(EVENTS, DistortionConfig({}, 0, {}), 1) is EVENTS


def test_a_shift_adds_a_share_of_the_mass_to_its_feature_alone():
    shifted = distort(EVENTS, DistortionConfig({"x2": 0.1}, 0, None), 1)
    assert np.array_equal(shifted.column("x2"), EVENTS.column("x2") + 0.1 * EVENTS.mass)
    for name in ("x1", "x3", "x4"):
        assert np.array_equal(shifted.column(name), EVENTS.column(name))
    for name in ("event_id", "mass", "label", "names", "units", "source"):
        assert np.array_equal(getattr(shifted, name), getattr(EVENTS, name))


def test_smearing_is_relative_and_gaussian():
    smeared = distort(EVENTS, DistortionConfig(None, 0, {"x1": 0.1, "x3": 0.1}), 1)
    pulls = [(smeared.column(n) / EVENTS.column(n) - 1) / 0.1 for n in ("x1", "x3")]
    for pull in pulls:
        assert stats.kstest(pull, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(pulls)[0, 1]) < 4 / len(EVENTS) ** 0.5
    assert np.array_equal(smeared.column("x2"), EVENTS.column("x2"))


def test_a_smeared_feature_is_shifted_by_the_exact_mass():
    both = distort(EVENTS, DistortionConfig({"x1": 0.1}, 0, {"x1": 0.3}), 1)
    smeared = distort(EVENTS, DistortionConfig(None, 0, {"x1": 0.3}), 1)
    assert np.array_equal(both.column("x1"), smeared.column("x1") + 0.1 * EVENTS.mass)


def test_noise_is_standard_normal_and_knows_nothing():
    noisy = distort(EVENTS, DistortionConfig(None, 3, None), 1)
    assert noisy.names == (*EVENTS.names, "noise_1", "noise_2", "noise_3")
    assert len(noisy.units) == 7
    noise = noisy.features[:, 4:]
    for column in noise.T:
        assert stats.kstest(column, "norm").pvalue > 1e-3
    assert EVENTS.label is not None
    known = np.column_stack([EVENTS.features, EVENTS.mass, EVENTS.label, EVENTS.event_id])
    correlation = np.corrcoef(noise, known, rowvar=False)
    correlation = correlation[:3][~np.eye(3, correlation.shape[1], dtype=bool)]
    assert np.abs(correlation).max() < 4.5 / len(EVENTS) ** 0.5
    first = [distort(EVENTS, DistortionConfig(None, 1, None), s).column("noise_1") for s in (1, 2)]
    assert np.array_equal(first[0], noise[:, 0])
    assert abs(np.corrcoef(first)[0, 1]) < 4 / len(EVENTS) ** 0.5


@given(st.integers(0, 2**32 - 1), st.integers(1, 500))
def test_numbers_of_an_event_depend_neither_on_order_nor_on_company(seed, n):
    rows = np.random.default_rng(seed).permutation(len(EVENTS))[:n]
    whole, part = distort(EVENTS, ALL, 1), distort(EVENTS[rows], ALL, 1)
    assert np.array_equal(part.features, whole.features[rows])
    blind = distort(EVENTS[rows].without_label(), ALL, 1)
    assert np.array_equal(blind.features, part.features)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("distortion.shift={beauty:1}", r"distortion\.shift names .*'beauty'.* mj1, delta_mj"),
        ("distortion.smear={noise_1:1}", r"distortion\.smear names .*'noise_1'.* only mj1"),
        ("distortion.shift={mj1:far}", r"distortion\.shift\.mj1 must be of type float"),
        ("distortion.shift={mj1:nan}", r"distortion\.shift\.mj1 must be finite"),
        ("distortion.smear={mj1:-0.1}", r"distortion\.smear\.mj1 must be finite and not neg"),
        ("distortion.noise_features=-1", r"distortion\.noise_features must not be negative"),
        ("+distortion.blur=1", r"unknown key distortion\.blur"),
        ("data.reader=toy", r"data\.extra is for data=bundled"),
    ],
)
def test_impossible_distortions_are_refused_by_key(override, message):
    extra = ["data.extra=[a.h5]"] if override == "data.reader=toy" else []
    with pytest.raises(ConfigError, match=message):
        parsed(override, *extra)
    with pytest.raises(ConfigError, match=r"'beauty', but there are only x1, x2"):
        distort(EVENTS, DistortionConfig({"beauty": 0.1}, 0, None), 1)


def test_the_shifted_data_set_is_the_published_one():
    config = parsed("experiment=shifted")
    assert config.distortion == DistortionConfig({"mj1": 0.1, "delta_mj": 0.1}, 0, None)
    assert config.seen_features == tuple(config.features)


def test_a_configuration_of_a_former_version_is_the_one_without(tmp_path):
    config = parsed("data=toy")
    content = dataclasses.asdict(config)
    del content["distortion"], content["data"]["extra"]
    old = configuration.from_mapping(content)
    assert old == config
    assert old.identity == config.identity
    (tmp_path / "config.yaml").write_text(parsed("experiment=shifted").to_yaml())
    assert configuration.load_run(tmp_path / "config.yaml") == parsed("experiment=shifted")


# --- in a run -------------------------------------------------------------------------------

QUICK = [
    "density=maf",
    "density.n_transforms=2",
    "density.hidden_features=16",
    "trainer.epochs=2",
    "ensemble.size=2",
    "split.folds=2",
    "split.extra=average",
    "evaluation.n_bootstrap=5",
    "evaluation.n_closure=1000",
    "n_jobs=1",
    "tracker=none",
]


def bundled_part(path: Path, background: slice, signal: slice) -> Path:
    """Some of the bundled events as a file of their own."""
    with io.open_hdf5(BUNDLED_PATH) as file:
        n = int((file["label"][:] == 0).sum())
        later = slice(n + signal.start, n + signal.stop)
        io.write_hdf5(
            path, {key: np.append(file[key][background], file[key][later]) for key in file}
        )
    return path


def test_another_file_is_distorted_as_the_run_was(tmp_path, monkeypatch):
    """The same events scored as blocks of a file, as a prepared table, and by hand."""
    path = bundled_part(tmp_path / "a.h5", slice(0, 8000), slice(0, 300))
    other = bundled_part(tmp_path / "b.h5", slice(8000, 11_000), slice(300, 500))
    run_dir = tmp_path / "run"
    config = parsed(
        *QUICK,
        f"data.path={path}",
        "injection.n_signal=100",
        "distortion.noise_features=1",
        "distortion.shift={mj1:0.1}",
        "distortion.smear={delta_mj:0.1}",
    )
    config = dataclasses.replace(config, run_dir=str(run_dir))
    stages.train(config)
    stages.score(config)
    monkeypatch.setattr(stream, "BLOCK_ROWS", 1000)
    scored = []
    for name, n_signal in (("blocks", None), ("table", 200)):
        asked = dataclasses.replace(config.data, path=str(other), n_signal=n_signal)
        rescore.score(
            rescore.ScoreConfig(
                str(run_dir),
                str(tmp_path / f"{name}.h5"),
                1,
                1,
                rescore.OtherEnsemble(None, None),
                asked,
            )
        )
        scored.append(read_scores(tmp_path / f"{name}.h5"))
    blocks, table = scored
    assert np.array_equal(blocks.event_id, table.event_id)
    assert np.array_equal(blocks.score, table.score)
    with io.open_hdf5(tmp_path / "blocks.h5") as file:
        assert file.attrs["log_p_unit"].endswith("tau21_2, noise_1")
    events = read_bundled(other, config.features)
    events = events[(events.mass >= 3300) & (events.mass < 3700)]
    method = stages.method_of(config, stages.RunDirectory(run_dir))
    outside = np.zeros(len(events), dtype=bool)
    by_hand = method.score(distort(events, config.distortion, config.seed), outside)
    np.testing.assert_allclose(blocks.score, by_hand.score, atol=1e-4)
    # Another seed has other noise: the scores do tell which one was used.
    strange = method.score(distort(events, config.distortion, config.seed + 1), outside)
    assert np.abs(blocks.score - strange.score).max() > 1e-2


# --- further files --------------------------------------------------------------------------


def test_further_files_serve_the_test_with_their_labels(tmp_path):
    path = bundled_part(tmp_path / "a.h5", slice(0, 2000), slice(0, 50))
    others = [
        bundled_part(tmp_path / "b.h5", slice(2000, 2600), slice(50, 90)),
        bundled_part(tmp_path / "c.h5", slice(2600, 2601), slice(90, 200)),
    ]
    listed = ",".join(map(str, others))
    asked = [f"data.path={path}", f"data.extra=[{listed}]", "injection.n_signal=30"]
    prepared = prepare(parsed(*asked), check_sidebands=False)
    assert prepared.extra is not None
    assert prepared.extra.label is not None
    assert len(prepared.data) == 2030
    assert np.bincount(prepared.extra.label).tolist() == [601, 20 + 40 + 110]
    ids = np.concatenate([prepared.data.event_id, prepared.extra.event_id])
    assert len(np.unique(ids)) == len(ids)
    described = describe_data(prepared.data, prepared.extra, prepared.files)
    assert described.files == ("a.h5", "b.h5", "c.h5")
    assert described.file_sha256[2] == io.sha256_file(others[1])
    # A further file changes no other event, with its random numbers or without.
    fewer = prepare(
        parsed(*asked, f"data.extra=[{others[0]}]", "distortion.noise_features=1"),
        check_sidebands=False,
    )
    more = prepare(parsed(*asked, "distortion.noise_features=1"), check_sidebands=False)
    assert np.array_equal(fewer.data.features, more.data.features)
    assert fewer.extra is not None
    assert more.extra is not None
    assert np.array_equal(fewer.extra.features, more.extra.features[: len(fewer.extra)])


def test_an_event_that_is_also_in_another_file_is_refused(tmp_path):
    path = bundled_part(tmp_path / "a.h5", slice(0, 2000), slice(0, 50))
    for name, background, signal, n in (
        ("data", slice(1990, 2100), slice(50, 60), 10),
        ("test", slice(2000, 2100), slice(43, 60), 7),  # in the data, or left for the test
    ):
        other = bundled_part(tmp_path / f"{name}.h5", background, signal)
        asked = [f"data.path={path}", f"data.extra=[{other}]"]
        with pytest.raises(DataError, match=f"{name}.h5: .* must occur once, but {n} have"):
            prepare(parsed(*asked, "injection.n_signal=null"), check_sidebands=False)
    twice = [f"data.path={path}", "injection.n_signal=0"]
    new = bundled_part(tmp_path / "new.h5", slice(2000, 2100), slice(50, 60))
    with pytest.raises(DataError, match=r"new.h5: .*but 110 have .* in .*new.h5"):
        prepare(parsed(*twice, f"data.extra=[{new},{new}]"), check_sidebands=False)


def test_an_event_twice_is_found_without_its_id(tmp_path):
    rows = cathode_rows(50, 0.0)
    np.save(tmp_path / "a.npy", rows)
    mine = ["data=arrays", f"data.path={tmp_path / 'a.npy'}", "injection.n_signal=null"]
    mine += [f"data.extra=[{tmp_path / 'b.npy'}]", "distortion.noise_features=1"]
    near = cathode_rows(20, 1.0, seed=1)
    near[:, 0] = rows[:20, 0]  # the same masses alone are no repetition
    np.save(tmp_path / "b.npy", near)
    assert prepare(parsed(*mine), check_sidebands=False).extra is not None
    near[3, :5] = rows[7, :5]  # whatever the label says
    np.save(tmp_path / "b.npy", near)
    with pytest.raises(DataError, match="must occur once, but 1 have"):
        prepare(parsed(*mine), check_sidebands=False)
    np.save(tmp_path / "b.npy", cathode_rows(20, 1.0, seed=2)[:, :5])
    with pytest.raises(DataError, match=r"b.npy: data.extra needs truth labels"):
        prepare(parsed(*mine), check_sidebands=False)


def test_score_wants_its_file_as_the_path(tmp_path):
    config = dataclasses.replace(parsed(), run_dir=str(tmp_path))
    (tmp_path / "config.yaml").write_text(config.to_yaml())
    other = dataclasses.replace(config.data, extra=["b.h5"])
    asked = rescore.ScoreConfig(
        str(tmp_path), str(tmp_path / "s.h5"), 1, 1, rescore.OtherEnsemble(None, None), other
    )
    with pytest.raises(ConfigError, match=r"give it as data\.path"):
        rescore.score(asked)


# --- the signal region alone ----------------------------------------------------------------


def test_data_of_the_signal_region_alone_are_prepared_if_nothing_else_is_needed(tmp_path):
    np.save(tmp_path / "a.npy", cathode_rows(50, 0.0))
    folder = write_folder(tmp_path / "f", {"innerdata_train": 30, "innerdata_extrasig": 9})
    further = write_folder(tmp_path / "g", {"innerdata_val": 5, "innerdata_extrabkg": 4})
    for path, n_data, n_extra in ((tmp_path / "a.npy", 50, 9), (folder, 30, 18)):
        asked = ["data=arrays", f"data.path={path}", "injection.n_signal=null"]
        config = parsed(*asked, f"data.extra=[{further}]")
        if n_data == 50:
            with pytest.raises(DataError, match=r"sideband .* must contain events"):
                prepare(config)
        else:
            with pytest.raises(DataError, match=r"expected outerdata_train.npy"):
                prepare(config)
        prepared = prepare(config, check_sidebands=False)
        assert prepared.extra is not None
        assert (len(prepared.data), len(prepared.extra)) == (n_data, n_extra)
        regions = prepared.for_fits()
        assert (len(regions.signal_region), len(regions.sidebands)) == (n_data, 0)
        assert regions.sidebands.features.shape == (0, 4)
