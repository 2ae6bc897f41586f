"""``anode dark_anomalies``: background-only fits know no signal, and scores have known answers."""

import dataclasses
import json

import numpy as np
import pytest

from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError
from anode.evaluation.dark_sector.detection import KNOWLEDGE
from anode.evaluation.dark_sector.weighted_roc import quality
from anode.events.table import EventTable
from anode.pipeline.studies.dark_anomalies.background_only import SCORES, BackgroundFit
from anode.pipeline.studies.dark_anomalies.classified import mixture
from anode.pipeline.studies.dark_anomalies.config import MATCHINGS, parse_anomalies
from anode.pipeline.studies.dark_anomalies.study import dark_anomalies
from anode.pipeline.studies.dark_classifiers.samples import read_samples
from helpers import dark_sector_files as files

SMALL = [
    "n_jobs=1",
    "trees.members=1",
    "trees.max_iter=10",
    "forest.trees=20",
    "trainer.epochs=2",
    "ensemble.size=2",
    "autoencoder.trainer.epochs=2",
    "density.hidden_features=16",
    "s_over_b=0.1",
]
TRIO = (files.PEAK, files.HIDDEN, files.STANDARD_MODEL)
QUICK = ["detectors=[jet_pt,mahalanobis,isolation_forest]", "seeds=[1]"]


def config(folder, *overrides):
    given = [f"data.path={folder / 'jets'}", f"output={folder / 'out'}", *SMALL, *overrides]
    return parse_anomalies(compose("dark_anomalies", given))


def numbers(folder) -> dict:
    found = json.loads((folder / "out/anomalies.json").read_text())["detections"]
    return {(d["detector"], d["matching"], d["signal"]["rinv"]): d for d in found}


def fits(folder) -> dict:
    paths = (folder / "out").glob("fits/*/*/*/*")
    return {p.relative_to(folder): p.stat().st_mtime_ns for p in paths if p.is_file()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    made = tmp_path_factory.mktemp("anomalies")
    files.write_folder(made / "jets", n=240, names=TRIO)
    dark_anomalies(config(made, "seeds=[1,2]"))
    return made


def test_a_command_leaves_a_number_for_every_score_and_signal(whole):
    found = numbers(whole)
    assert len(found) == len(KNOWLEDGE) * len(MATCHINGS) * 2
    for row in found.values():
        assert len(row["auc_by_seed"]) == row["auc"]["n"] == 2
        assert 0 <= row["efficiency"]["median"] <= 1
    page = (whole / "out/anomalies.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")] for line in page.splitlines()]
    own = next(row for row in rows if row[1:3] == ["girth", "nothing"])
    assert own[3].startswith(f"{found['girth', 'none', 0.3]['auc']['median']:.3f} ±")
    assert str(whole) not in page
    for name in ("anomalies_none", "anomalies_test", "parameters"):
        for suffix in ("png", "pdf"):
            assert (whole / f"out/{name}.{suffix}").stat().st_size > 5000


def test_floors_are_where_they_must_be(whole):
    """Constituents of the hidden signal have a third of the momentum, and nothing else differs."""
    found = numbers(whole)
    assert found["jet_pt", "none", 0.8]["auc"]["median"] < 0.3
    assert found["jet_pt", "test", 0.8]["auc"]["median"] == pytest.approx(0.5, abs=0.05)
    # about 96 against 120 jets: an error of .04 each seed
    for matching in MATCHINGS:
        for rinv in (0.3, 0.8):
            row = found["random", matching, rinv]["auc"]
            assert row["median"] == pytest.approx(0.5, abs=0.12)


def test_finished_fits_are_kept_and_the_same_numbers_come_out_again(whole):
    before, kept = (whole / "out/anomalies.json").read_bytes(), fits(whole)
    assert kept
    dark_anomalies(config(whole, "seeds=[1,2]"))
    assert (whole / "out/anomalies.json").read_bytes() == before
    assert fits(whole) == kept


def test_another_signal_and_poisoned_truth_change_no_background_only_fit(whole, tmp_path):
    """Everything that says what is dark, and one of the signals, are made anew."""
    (tmp_path / "jets").mkdir()
    rng = np.random.default_rng(3)
    for seed, name in enumerate(TRIO, start=1):
        made = files.jets(240, seed, softness=3.0 if name == files.HIDDEN else 1.0)
        made["jet_rinv"], made["jet_dark_pt"] = rng.uniform(size=(2, 240))
        if name == files.PEAK:
            made = files.jets(240, 77)
            made["jet_is_dark"] = rng.uniform(size=240) < 0.5
        if name == files.STANDARD_MODEL:
            del made["jet_is_dark"]
        files.write(tmp_path / "jets" / name, made)
    asked = [name for name in SCORES if KNOWLEDGE[name] == "background"]
    dark_anomalies(config(tmp_path, "seeds=[1]", f"detectors=[{','.join(asked)}]"))
    known, found = numbers(whole), numbers(tmp_path)
    for name in asked:
        for matching in MATCHINGS:
            one, other = found[name, matching, 0.8], known[name, matching, 0.8]
            assert one["auc_by_seed"] == other["auc_by_seed"][:1]
            one, other = found[name, matching, 0.3], known[name, matching, 0.3]
            assert one["auc_by_seed"] != other["auc_by_seed"][:1]


def test_other_signals_share_fits_and_other_settings_do_not(whole, tmp_path):
    (tmp_path / "jets").symlink_to(whole / "jets")
    for more in ([], ["s_over_b=0.2"], ["forest.trees=10"], ["features=[jet_m,girth]"]):
        dark_anomalies(config(tmp_path, *QUICK, *more))
    assert len(list(tmp_path.rglob("forest.npz"))) == 3  # not of another s_over_b


def test_no_collision_is_on_two_sides(whole):
    made = config(whole)
    samples = read_samples(made, more=["girth"])
    for seed in (1, 2, 3):
        fitted, tested = samples.split(seed, made.test)
        for point, signal in fitted.signals.items():
            mixed = mixture(fitted.standard_model, signal, 0.1, seed)
            sides = (mixed.data, mixed.reference, tested.standard_model, tested.signals[point])
            seen = [set(jets.collision.tolist()) for jets in sides]
            assert not seen[0] & seen[1]
            assert not (seen[0] | seen[1]) & (seen[2] | seen[3])
            n_background = len(fitted.standard_model.pt) - len(mixed.reference.pt)
            assert len(mixed.data.pt) == n_background + mixed.n_signal
            assert mixed.n_signal == round(0.1 * n_background)
            assert len(np.unique(mixed.data.features, axis=0)) == len(mixed.data.pt)


def table(x, pt) -> EventTable:
    names = tuple(f"x{i}" for i in range(x.shape[1]))
    return EventTable(np.arange(len(x)), pt, x, names, ("",) * len(names))


def auc_of(name, tmp_path, background, signal, *overrides) -> float:
    """AUC of a score fitted to one half of the background, (x, pT) each."""
    given = ["data.path=none", "output=none", "n_jobs=1", "trainer.epochs=15", *overrides]
    settings = parse_anomalies(compose("dark_anomalies", given))
    half = len(background[0]) // 2
    tested = table(
        *(np.concatenate([b[half:], s]) for b, s in zip(background, signal, strict=True))
    )
    fit = BackgroundFit(
        settings, 1, tmp_path / name, table(*(b[:half] for b in background)), tested
    )
    scores = SCORES[name](fit)
    n = len(background[0]) - half
    return quality(scores[n:], scores[:n]).auc


@pytest.mark.parametrize(
    ("name", "tolerance"),
    [("mahalanobis", 0.02), ("isolation_forest", 0.04), ("density", 0.04)],
)
def test_a_wider_gaussian_is_found_as_often_as_it_must_be(name, tolerance, tmp_path):
    """r^2 of two dimensions is exponential: AUC = s^2 / (1 + s^2), 4/5 for twice the width.

    3000 against 3000 events: a standard error of 0.006.
    """
    rng = np.random.default_rng(5)
    pt = rng.uniform(100, 500, 9000)
    background, signal = rng.normal(size=(6000, 2)), 2 * rng.normal(size=(3000, 2))
    found = auc_of(name, tmp_path, (background, pt[:6000]), (signal, pt[6000:]))
    assert found == pytest.approx(0.8, abs=tolerance)


@pytest.mark.parametrize("name", ["density", "density_given_pt"])
def test_only_a_density_given_pt_sees_what_is_odd_for_its_pt(name, tmp_path):
    """Each jet's feature follows its pT; the signal's has that of another jet."""
    rng = np.random.default_rng(6)
    pt = rng.uniform(100, 500, 9000)
    x = (pt / 100 + rng.normal(0, 0.3, 9000))[:, np.newaxis]
    signal = (rng.permutation(x[6000:]), pt[6000:])
    found = auc_of(name, tmp_path, (x[:6000], pt[:6000]), signal)
    pull = [abs(each - of / 100) for each, of in ((x[3000:6000, 0], pt[3000:6000]),
                                                  (signal[0][:, 0], signal[1]))]  # fmt: skip
    truth = quality(pull[1], pull[0]).auc  # of the true density, at half of the events at an edge
    assert truth > 0.8
    expected, tolerance = (truth, 0.03) if name == "density_given_pt" else (0.5, 0.03)
    assert found == pytest.approx(expected, abs=tolerance)


def test_an_autoencoder_finds_what_leaves_the_line(tmp_path):
    rng = np.random.default_rng(7)
    line, pt = rng.normal(size=(6000, 1)), rng.uniform(100, 500, 9000)
    background = np.hstack([line, line + 0.1 * rng.normal(size=line.shape)])
    signal = rng.normal(size=(3000, 2))
    given = ["autoencoder.network.n_latent=1", "autoencoder.trainer.epochs=5"]
    found = auc_of("autoencoder", tmp_path, (background, pt[:6000]), (signal, pt[6000:]), *given)
    assert found > 0.9


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("detectors=[forest]", "detectors must be some of random, jet_pt, .*got 'forest'"),
        ("detectors=[]", "detectors must be at least one, all different"),
        ("matching=[both]", "matching must be some of none, test, got 'both'"),
        ("features=[jet_dark_pt]", "features must not name jet_dark_pt, which is the truth"),
        ("s_over_b=0", r"s_over_b must lie in \(0, 1\], got 0"),
        ("validation=1", r"validation must lie in \(0, 1\), got 1"),
        ("seeds=[]", "seeds must be at least one, all different"),
        ("n_jobs=0", "n_jobs must be at least 1"),
        ("autoencoder.inputs.names=[girth]", "autoencoder.inputs.kind must be features"),
        ("ensemble.seeds=2", "ensemble.seeds must be 1"),
    ],
)
def test_impossible_settings_of_anomaly_scores_are_refused(override, message, tmp_path):
    with pytest.raises(ConfigError, match=message) as error:
        config(tmp_path, override)
    assert "\n" not in str(error.value)


def test_folders_that_serve_no_anomaly_score_are_refused(whole, tmp_path):
    (tmp_path / "jets").symlink_to(whole / "jets")
    made = config(tmp_path, *QUICK, "detectors=[cwola]")
    with pytest.raises(DataError, match=r"must get between 1 and .* dark jets, got 0; change"):
        dark_anomalies(dataclasses.replace(made, s_over_b=0.001))
    with pytest.raises(DataError, match="fit and validation need collisions"):
        dark_anomalies(config(tmp_path, "detectors=[density]", "validation=1e-9"))
    files.write(tmp_path / files.PEAK, files.jets(30, 1))
    lonely = dataclasses.replace(made, data=dataclasses.replace(made.data, path=str(tmp_path)))
    with pytest.raises(DataError, match=r"NominalSM.h5, got"):
        dark_anomalies(lonely)
