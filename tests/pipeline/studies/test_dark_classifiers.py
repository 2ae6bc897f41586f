"""``anode classify``: no truth among the inputs, no collision on two sides, same numbers again."""

import json

import numpy as np
import pytest

from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError
from anode.evaluation.dark_sector.transfer import MATCHINGS
from anode.events.dark_sector.features import constituent_inputs
from anode.events.dark_sector.jets_file import TRUTH, read_jets
from anode.events.dark_sector.names import point_of
from anode.pipeline.studies.dark_classifiers import classify as command
from anode.pipeline.studies.dark_classifiers.classify import classify
from anode.pipeline.studies.dark_classifiers.config import NAMES, parse_classify
from anode.pipeline.studies.dark_classifiers.samples import read_samples
from helpers import dark_sector_files as files

SMALL = ["trees.members=1", "trees.max_iter=10", "n_jobs=1"]
SMALL += [f"{name}.trainer.epochs=2" for name in ("deep_set", "transformer")]
QUICK = [*SMALL, "classifiers=[jet_pt,trees]", "seeds=[1]"]
PAIR = (files.PEAK, files.HIDDEN, files.STANDARD_MODEL)


def config(folder, *overrides):
    given = [f"data.path={folder / 'jets'}", f"output={folder / 'out'}", *overrides]
    return parse_classify(compose("classify", given))


def numbers(folder) -> dict:
    return json.loads((folder / "out/classify.json").read_text())


def of(found: dict, classifier: str, matching: str, name: str) -> dict:
    rinv = point_of(name).rinv
    (row,) = (
        r
        for r in found["transfers"]
        if (r["classifier"], r["matching"]) == (classifier, matching)
        and r["trained_on"]["rinv"] == r["tested_on"]["rinv"] == rinv
    )
    return row


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("classify")
    files.write_folder(made / "jets", n=240, names=PAIR)
    return made


@pytest.fixture(scope="module")
def whole(folder):
    classify(config(folder, *SMALL, "seeds=[1,2]"))
    return folder


def test_a_command_leaves_table_figures_and_every_pair(whole):
    found = numbers(whole)
    assert list(found["files"]) == list(PAIR)
    assert len(found["transfers"]) == len(NAMES) * len(MATCHINGS) * 4
    for row in found["transfers"]:
        assert len(row["auc_by_seed"]) == row["auc"]["n"] == 2
        assert 0 <= row["auc"]["low"] <= row["auc"]["median"] <= row["auc"]["high"] <= 1
    for name in ("transfer_none", "transfer_test", "transfer_both", "matching", "sensitivity"):
        for suffix in ("png", "pdf"):
            assert (whole / f"out/{name}.{suffix}").stat().st_size > 5000
    page = (whole / "out/classify.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")] for line in page.splitlines()]
    (own,) = (row for row in rows if row[1:3] == ["none", "rinv 0.3"])
    assert own[3] == "0.739"  # as published
    assert own[4].startswith(f"{of(found, 'jet_pt', 'none', files.PEAK)['auc']['median']:.3f} ±")
    assert "trained on the row, tested on the column" in page.lower()
    assert str(whole) not in page


def test_a_softer_signal_separates_by_pt_until_it_is_matched(whole):
    """Constituents of the hidden signal have a third of the momentum, and nothing else differs."""
    found = numbers(whole)
    assert of(found, "jet_pt", "none", files.HIDDEN)["auc"]["median"] > 0.7
    for matching in ("test", "both"):
        # 96 of 120 jets a side: an error of .04 each seed
        row = of(found, "jet_pt", matching, files.HIDDEN)
        assert row["auc"]["median"] == pytest.approx(0.5, abs=0.1)
    assert of(found, "jet_pt", "none", files.PEAK)["auc"]["median"] == pytest.approx(0.5, abs=0.12)


def test_fits_are_kept_and_the_same_numbers_come_out_again(whole, monkeypatch):
    before = (whole / "out/classify.json").read_bytes()
    states = {path: path.stat().st_mtime_ns for path in whole.rglob("fit.json")}
    assert len(states) == 2 * 2 * 2 * len(NAMES)  # seeds, signals, matched or not
    classify(config(whole, *SMALL, "seeds=[1,2]"))
    assert (whole / "out/classify.json").read_bytes() == before
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("fit.json")} == states


def test_a_fresh_folder_has_the_same_numbers(whole, tmp_path):
    (tmp_path / "jets").symlink_to(whole / "jets")
    classify(config(tmp_path, *SMALL, "seeds=[2]", "classifiers=[trees,deep_set]"))
    known = {
        (r["classifier"], r["matching"], str(r["trained_on"]), str(r["tested_on"])): r
        for r in numbers(whole)["transfers"]
    }
    fresh = numbers(tmp_path)["transfers"]
    assert len(fresh) == 2 * 3 * 4
    for r in fresh:
        key = (r["classifier"], r["matching"], str(r["trained_on"]), str(r["tested_on"]))
        assert r["auc_by_seed"] == known[key]["auc_by_seed"][1:]


def poisoned(folder, target):
    """The same files, with noise for all truth but which jets of a signal are dark."""
    (target / "jets").mkdir()
    rng = np.random.default_rng(9)
    for seed, name in enumerate(PAIR, start=1):
        made = files.jets(240, seed, softness=3.0 if name == files.HIDDEN else 1.0)
        made["jet_rinv"] = rng.uniform(size=240)
        made["jet_dark_pt"] = rng.exponential(1e4, 240)
        if name == files.STANDARD_MODEL:
            made["jet_is_dark"] = rng.uniform(size=240) < 0.5
        files.write(target / "jets" / name, made)


def test_poisoned_truth_moves_no_number(whole, tmp_path):
    """Not even dark jets of the Standard Model: all of it is background."""
    poisoned(whole, tmp_path)
    given = ["seeds=[1]", "classifiers=[jet_pt,trees,deep_set]", "matching=[none,both]"]
    classify(config(tmp_path, *SMALL, *given))
    known = {
        (r["classifier"], r["matching"], str(r["trained_on"]), str(r["tested_on"])): r
        for r in numbers(whole)["transfers"]
    }
    # the folder of a fit hangs on its files, the numbers do not
    for r in numbers(tmp_path)["transfers"]:
        key = (r["classifier"], r["matching"], str(r["trained_on"]), str(r["tested_on"]))
        assert r["auc_by_seed"] == known[key]["auc_by_seed"][:1]
        assert r["efficiency_by_seed"] == known[key]["efficiency_by_seed"][:1]


def test_constituents_hold_no_truth_and_no_padding(folder):
    jets = read_jets(folder / "jets" / files.PEAK)
    found = constituent_inputs(jets)
    assert found.shape == (240, 20, 5)
    assert np.array_equal(found[..., 4] == 1, jets.mask)
    assert np.all(found[~jets.mask] == 0)
    np.testing.assert_allclose(found[..., 0].sum(axis=1), 1, rtol=1e-12)
    for name in TRUTH:
        poison = {**jets.columns, name: jets.columns[name] + 7.0}
        assert np.array_equal(constituent_inputs(jets._replace(columns=poison)), found)
    # a jet turned in azimuth and moved in rapidity is the same jet
    turned = jets.particles + np.where(jets.mask[..., np.newaxis], [0.0, 0.5, 3.0], 0.0)
    columns = dict(jets.columns)
    columns["jet_eta"] = columns["jet_eta"] + 0.5
    columns["jet_phi"] = columns["jet_phi"] + 3.0
    moved = constituent_inputs(jets._replace(particles=turned, columns=columns))
    np.testing.assert_allclose(moved, found, atol=1e-12)


def test_no_collision_is_fitted_and_tested(folder):
    samples = read_samples(config(folder))
    assert samples.standard_model.pt.shape == (240,)
    for seed in (1, 2, 3):
        fitted, tested = samples.split(seed, 0.4)
        seen, asked = (
            set(np.concatenate([s.collision for s in (*h.signals.values(), h.standard_model)]))
            for h in (fitted, tested)
        )
        assert not seen & asked
        n = [len(half.standard_model.pt) for half in (fitted, tested)]
        assert sum(n) == 240
        assert n[1] == pytest.approx(96, abs=45)
        for point, jets in samples.signals.items():
            assert len(jets.pt) == 192  # the dark ones of 240
            assert len(fitted.signals[point].pt) + len(tested.signals[point].pt) == 192


def test_scores_are_of_the_jets_of_their_own_signal(folder, monkeypatch, tmp_path):
    """A classifier that says pT: each pair has the AUC of its own two samples of pT."""
    (tmp_path / "jets").symlink_to(folder / "jets")
    monkeypatch.setattr(command, "fit_classifiers", lambda jobs, **_: None)
    monkeypatch.setattr(
        command, "evaluate_classifiers", lambda jobs, **_: [job.features[:, 0] for job in jobs]
    )
    made = config(tmp_path, *QUICK, "classifiers=[jet_pt]", "matching=[none]")
    classify(made)
    _, tested = read_samples(made).split(1, made.test)
    other = tested.standard_model.pt
    for row in numbers(tmp_path)["transfers"]:
        (own,) = (s.pt for p, s in tested.signals.items() if p.rinv == row["tested_on"]["rinv"])
        assert row["auc"]["median"] == pytest.approx(
            np.mean(own[:, np.newaxis] > other), abs=1e-12
        )
        assert (row["n_signal"], row["n_background"]) == (len(own), len(other))


def test_other_settings_and_files_have_fits_of_their_own(folder, tmp_path):
    (tmp_path / "jets").symlink_to(folder / "jets")
    given = [*QUICK, "classifiers=[trees]", "matching=[none]"]
    for more in ([], ["test=0.4"], ["trees.max_iter=5"], ["features=[jet_m,girth]"]):
        classify(config(tmp_path, *given, *more))
    assert len(list(tmp_path.rglob("fit.json"))) == 4 * 2


@pytest.mark.slow
def test_workers_change_no_number(folder, tmp_path):
    results = []
    for n_jobs in (1, 2):
        place = tmp_path / str(n_jobs)
        place.mkdir()
        (place / "jets").symlink_to(folder / "jets")
        given = ["classifiers=[trees]", "matching=[none]", f"n_jobs={n_jobs}"]
        classify(config(place, *QUICK, *given))
        results.append(numbers(place)["transfers"])
    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("classifiers=[tree]", "got 'tree'; did you mean trees"),
        ("classifiers=[]", "classifiers must be at least one, all different"),
        ("matching=[none,none]", "matching must be at least one, all different"),
        ("matching=[pt]", "matching must be some of none, test, both, got 'pt'"),
        ("seeds=[1,1]", "seeds must be at least one, all different"),
        ("features=[jet_rinv]", "features must not name jet_rinv, which is the truth"),
        ("features=[jet_is_dark,girth]", "features must not name jet_is_dark"),
        ("test=1.0", r"test must lie in \(0, 1\), got 1"),
        ("jets_per_event=0", "jets_per_event must be at least 1"),
        ("n_jobs=0", "n_jobs must be at least 1"),
    ],
)
def test_impossible_settings_of_a_classification_are_refused(override, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        config(tmp_path, override)


def test_folders_that_serve_no_classification_are_refused(tmp_path):
    files.write_folder(tmp_path / "jets", n=30, names=(files.PEAK,))
    with pytest.raises(DataError, match=r"at least one AutomatedCMS_\*.h5 and NominalSM.h5, got"):
        classify(config(tmp_path, *QUICK))
    files.write_folder(tmp_path / "jets", n=30, names=(files.STANDARD_MODEL,))
    content = files.jets(30, 1)
    content["jet_is_dark"][:] = False
    files.write(tmp_path / "jets" / files.PEAK, content)
    with pytest.raises(DataError, match="a signal needs dark jets to learn from"):
        classify(config(tmp_path, *QUICK))
    files.write(tmp_path / "jets" / files.PEAK, files.jets(30, 1, event_id=False))
    with pytest.raises(DataError, match="jets of one collision must stay together"):
        classify(config(tmp_path, *QUICK))
    assert not (tmp_path / "out").exists()
    files.write(tmp_path / "jets" / files.PEAK, files.jets(6, 1))
    with pytest.raises(DataError, match=r"positive events must have shape \(N >= 4, D\)"):
        classify(config(tmp_path, *QUICK, "test=0.9", "matching=[none]"))
