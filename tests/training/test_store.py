"""The store of finished fits: shared by content, made once, whole, and paid for."""

import dataclasses
import errno
import multiprocessing
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from anode import io
from anode.density.ensemble import EnsembleConfig
from anode.density.mixture import MixtureConfig
from anode.pipeline.runs.run_directory import RunDirectory
from anode.regions.preprocessing import PreprocessingConfig
from anode.training import store
from anode.training.densities import FitJob, load_density
from anode.training.store import COST, content_hash, fit_stored, saved_seconds
from helpers.bit_flips import flipped
from helpers.interrupted import Killed, table
from helpers.settings import trainer_config
from helpers.small_methods import events, method

MIXTURE = MixtureConfig("made_mog", "fused", 16, 3)


def job(directory: Path, **changes) -> FitJob:
    settings = {
        "directory": directory,
        "train": table(300, 1),
        "validation": table(100, 2),
        "density": MIXTURE,
        "preprocessing": PreprocessingConfig(logit=True, standardise=True),
        "trainer": trainer_config(),
        "seed": 1,
    }
    return FitJob(**{**settings, **changes})


def fit(jobs: list[FitJob], folder: Path | None):
    return fit_stored(jobs, store=folder, n_jobs=1, threads=1)


def files(folder: Path) -> dict[str, bytes]:
    """What evaluating a fit reads."""
    ignored = ("state.pt", COST)
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.name not in ignored}


def log_p(folder: Path) -> np.ndarray:
    density = load_density([folder], EnsembleConfig("last", 2, 1))
    seen = table(50, 3)
    return density.evaluate(seen.features, seen.mass)


@pytest.fixture
def counted(monkeypatch) -> list[str]:
    """Names of the fits that are made, one entry each."""
    made = []
    real = store.fit_all

    def counting(jobs, **options):
        made.extend(j.directory.name for j in jobs if not (j.directory / "fit.json").is_file())
        return real(jobs, **options)

    monkeypatch.setattr(store, "fit_all", counting)
    return made


def test_a_second_run_copies_and_a_run_without_store_fits_the_same(tmp_path, counted):
    first, second, alone = (tmp_path / name / "background" for name in ("a", "b", "c"))
    results = [fit([job(f)], s) for f, s in ((first, tmp_path / "s"), (second, tmp_path / "s"))]
    assert results[0] == results[1]
    assert counted == ["background"]
    assert files(first) == files(second)
    fit([job(alone)], None)
    assert counted == ["background"] * 2
    assert np.array_equal(log_p(alone), log_p(second))
    fit([job(second)], tmp_path / "s")
    assert len(counted) == 2
    assert len([p for p in (tmp_path / "s").iterdir() if p.is_dir()]) == 1


def test_a_copy_costs_what_the_fit_took(tmp_path):
    folders = [tmp_path / name / "background" for name in ("a", "b")]
    for folder in folders:
        fit([job(folder)], tmp_path / "s")
    for key in ("seconds", "cpu_seconds"):
        assert saved_seconds(tmp_path / "a", key) == 0
        (kept,) = (tmp_path / "s").glob(f"*/{COST}")
        assert saved_seconds(tmp_path / "b", key) == io.read_json(kept)[key] > 0


def swapped(events):
    """Two events in each other's place."""
    return events[np.r_[1, 0, 2 : len(events)]]


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 2},
        {"train": table(301, 1)},
        {"train": swapped(table(300, 1))},
        {"validation": table(100, 4)},
        {"trainer": trainer_config(epochs=4)},
        {"density": dataclasses.replace(MIXTURE, n_components=4)},
        {"preprocessing": PreprocessingConfig(logit=False, standardise=True)},
        {"directory": Path("other")},
    ],
    ids=str,
)
def test_any_other_fit_has_another_hash(tmp_path, changes):
    one = job(tmp_path / "background")
    assert content_hash(one) == content_hash(job(tmp_path / "elsewhere" / "background"))
    assert content_hash(dataclasses.replace(one, **changes)) != content_hash(one)


def test_a_feature_changed_by_a_digit_has_another_hash(tmp_path):
    one = job(tmp_path)
    features = one.train.features.copy()
    features[7, 1] = np.nextafter(features[7, 1], 2)
    train = dataclasses.replace(one.train, features=features)
    assert content_hash(dataclasses.replace(one, train=train)) != content_hash(one)


def test_other_code_or_libraries_have_another_hash(tmp_path, monkeypatch):
    before = content_hash(job(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(store, "code_hash", lambda: "other")
        assert content_hash(job(tmp_path)) != before
    with monkeypatch.context() as patch:
        patch.setattr(store.torch, "__version__", "0.0")
        assert content_hash(job(tmp_path)) != before
    assert content_hash(job(tmp_path)) == before


def _fit_slowly(folder: Path, kept: Path, made) -> None:
    """In a process of its own: fits, and says so."""
    real = store.fit_all

    def counting(jobs, **options):
        if not (folder / "fit.json").is_file():
            made.put(folder.parent.name)
        return real(jobs, **options)

    store.fit_all = counting
    fit([job(folder)], kept)


def test_two_processes_at_once_fit_once(tmp_path):
    context = multiprocessing.get_context("fork")
    made = context.Queue()
    folders = [tmp_path / name / "background" for name in ("a", "b")]
    processes = [
        context.Process(target=_fit_slowly, args=(folder, tmp_path / "s", made))
        for folder in folders
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    assert made.get(timeout=5) in "ab"
    assert made.empty()
    assert files(folders[0]) == files(folders[1])
    assert sum(saved_seconds(f.parent, "seconds") > 0 for f in folders) == 1


def _killed_half_way(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes()[:50])
    raise Killed


def _nothing(*_: object, **__: object) -> None:
    pass


@pytest.mark.parametrize("at_call", [1, 2])
def test_a_kill_while_copying_leaves_nothing_half_copied(tmp_path, monkeypatch, at_call):
    """Neither in the store nor in the run, whose next call begins with its leftovers."""
    kept = tmp_path / "s"
    run = RunDirectory(tmp_path / "run")
    folder = run.checkpoints / "background"
    if at_call == 2:
        fit([job(tmp_path / "earlier" / "background")], kept)
    with monkeypatch.context() as patch:
        # A kill cleans nothing up.
        patch.setattr(store, "shutil", SimpleNamespace(copyfile=_killed_half_way, rmtree=_nothing))
        with pytest.raises(Killed):
            fit([job(folder)], kept)
    assert list(tmp_path.rglob("*.partial*"))
    io.remove_leftovers.cache_clear()  # as in another process
    with run.locked():
        assert not list(run.path.rglob("*.partial*"))
        fit([job(folder)], kept)
    fit([job(tmp_path / "later" / "background")], kept)
    assert np.array_equal(log_p(folder), log_p(tmp_path / "later" / "background"))
    assert not list(kept.rglob("*.partial*"))


@pytest.mark.parametrize(
    "name", ["fit.json", "density.json", COST, "preprocessing.pt", "epoch_0002.pt"]
)
@pytest.mark.parametrize("damage", ["flipped", "cut", "gone"])
def test_a_damaged_entry_is_fitted_again_with_a_warning_and_replaced(
    tmp_path, counted, caplog, name, damage
):
    first, second, third = (tmp_path / run / "background" for run in "abc")
    fit([job(first)], tmp_path / "s")
    (entry,) = (path.parent for path in (tmp_path / "s").glob("*/fit.json"))
    content = (entry / name).read_bytes()
    if damage == "flipped":
        for _ in flipped(entry / name, 1):
            broken = (entry / name).read_bytes()
    else:
        broken = content[: len(content) // 2]
    (entry / name).write_bytes(broken)
    if damage == "gone":
        (entry / name).unlink()
    fit([job(second)], tmp_path / "s")
    assert f"{entry}, of the store, is damaged" in caplog.text
    assert name in caplog.text
    assert counted == ["background"] * 2
    assert np.array_equal(log_p(first), log_p(second))
    caplog.clear()
    fit([job(third)], tmp_path / "s")
    assert counted == ["background"] * 2
    assert not caplog.text
    assert np.array_equal(log_p(first), log_p(third))


def test_a_fit_that_starts_from_another_is_not_stored(tmp_path):
    with pytest.raises(ValueError, match="start from no other"):
        fit([job(tmp_path / "a", start_from=tmp_path / "b")], tmp_path / "s")


def test_methods_share_the_store_and_score_as_without(tmp_path, counted):
    scores = {}
    for name in ("anode", "r_anode", "cathode", "lacathode"):
        for kept in (None, tmp_path / "s"):
            one = method(tmp_path / str(kept is None) / name, name, store=kept)
            given = events(name)
            one.fit(given)
            table = given.signal_region
            score = one.score(table, np.ones(len(table), dtype=bool)).score
            assert np.array_equal(score, scores.setdefault(name, score))
    assert counted.count("background") == 4 + 1


def test_a_fit_of_several_seeds_is_stored_seed_by_seed(tmp_path, counted):
    names = ("background", "background_seed1")
    fit([job(tmp_path / "a" / names[0])], tmp_path / "s")
    fit([job(tmp_path / "b" / name) for name in names], tmp_path / "s")
    assert counted == list(names)
    assert saved_seconds(tmp_path / "b", "seconds") > 0
    later = method(
        tmp_path / "c", "anode", store=tmp_path / "t", ensemble=EnsembleConfig("last", 2, 2)
    )
    later.fit(events("anode"))
    assert len(list((tmp_path / "t").glob("*/fit.json"))) == 2


def test_several_copies_below_one_folder_cost_once_and_nothing_where_the_fit_was_made(tmp_path):
    first, *others = (tmp_path / run / name / "background" for run in "ab" for name in ("x", "y"))
    for folder in (first, *others):
        fit([job(folder)], tmp_path / "s")
    assert saved_seconds(tmp_path / "a", "seconds") == 0
    (kept,) = (tmp_path / "s").glob(f"*/{COST}")
    assert saved_seconds(tmp_path / "b", "seconds") == io.read_json(kept)["seconds"]


def _fails(number: int):
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("part", "name", "number"),
    [
        ("fcntl", "flock", errno.ENOLCK),
        ("shutil", "copyfile", errno.ENOSPC),
        ("shutil", "copyfile", errno.EROFS),
    ],
)
def test_fits_are_made_without_a_store_that_cannot_be_used(
    tmp_path, monkeypatch, caplog, part, name, number
):
    alone, folder = (tmp_path / run / "background" for run in "ab")
    fit([job(alone)], None)
    monkeypatch.setattr(getattr(store, part), name, _fails(number))
    fit([job(folder)], tmp_path / "s")
    assert np.array_equal(log_p(folder), log_p(alone))
    (said,) = caplog.messages
    assert os.strerror(number) in said
    assert said.endswith("fits are made all the same and not kept there")
    assert not list(tmp_path.rglob("*.partial*"))


def test_a_store_in_no_folder_is_said_once(tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    kept = tmp_path / "file" / "s"
    store.check_store(kept)
    for run in "ab":
        fit([job(tmp_path / run / "background")], kept)
    (said,) = caplog.messages
    assert "Not a directory" in said


def test_a_read_only_store_is_still_read(tmp_path, monkeypatch, counted):
    kept, folder = tmp_path / "s", tmp_path / "b" / "background"
    fit([job(tmp_path / "a" / "background")], kept)
    monkeypatch.setattr(store, "open", _fails(errno.EROFS), raising=False)
    fit([job(folder)], kept)
    assert counted == ["background"]
    assert np.array_equal(log_p(folder), log_p(tmp_path / "a" / "background"))


@pytest.mark.parametrize("spoilt", ["epoch_0003.pt", "fit.json", "preprocessing.pt"])
def test_an_entry_that_lacks_a_file_is_made_again(tmp_path, counted, spoilt):
    kept = tmp_path / "s"
    fit([job(tmp_path / "a" / "background")], kept)
    (entry,) = kept.glob("*/fit.json")
    (entry.parent / spoilt).unlink()
    for run in "bc":
        fit([job(tmp_path / run / "background")], kept)
    assert counted == ["background"] * 2
    assert np.array_equal(log_p(tmp_path / "c" / "background"), log_p(entry.parent))
