"""Events that come twice, within a file or in a second one, are told by content and never scored
by a fit that has seen them."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from anode import io
from anode.configuration.builder import resolve
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.events.known_events import KnownEvents
from anode.pipeline.runs import stages
from anode.pipeline.runs.config import RunConfig, from_mapping
from anode.pipeline.runs.prepare import prepare
from anode.pipeline.runs.score_file import DATA, EXTRA, read_scores
from anode.pipeline.scoring.score import parse_score, score
from helpers.settings import REPOSITORY
from helpers.sources import WRITERS, write_datasets

Columns = dict[str, np.ndarray]

QUICK = [
    "density=made_mog",
    "density.hidden_features=16",
    "trainer.epochs=2",
    "trainer.batch_size=512",
    "trainer.keep=2",
    "ensemble.size=2",
    "split.folds=3",
    "preprocessing.logit=false",
    "evaluation.n_bootstrap=20",
    "evaluation.n_closure=500",
    "n_jobs=1",
    "store=null",
    "figures=false",
]
NAMED = "data.columns={mass: m, features: {a: a, b: b}, label: null, event_id: null}"


def columns(n: int = 3000, seed: int = 1) -> Columns:
    """Events whose numbers a float32 holds, in doubles."""
    rng = np.random.default_rng(seed)
    drawn = {"m": 2500 + rng.exponential(900, n), "a": rng.normal(size=n), "b": rng.normal(size=n)}
    return {name: values.astype(np.float32).astype(float) for name, values in drawn.items()}


def taken(values: Columns, rows: np.ndarray) -> Columns:
    return {name: column[rows] for name, column in values.items()}


def composed(command: str, *overrides: str):
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        return compose(command, [*overrides])


def config(path: Path, run_dir: Path, *overrides: str) -> RunConfig:
    asked = ["data=table", f"data.path={path}", NAMED, *QUICK, *overrides]
    return from_mapping(resolve(composed("run", *asked, f"run_dir={run_dir}")))


def scored_by(run_dir: Path, path: Path, output: Path, *more: str) -> dict[str, np.ndarray]:
    given = ["data=table", NAMED, f"run_dir={run_dir}", "n_jobs=1", *more]
    score(parse_score(composed("score", *given, f"data.path={path}", f"output={output}")))
    with io.open_hdf5(output) as file:
        found = {name: file[name][:] for name in file}
        assert file.attrs["n_known"] == np.sum(found["sample"] == DATA)
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("known")
    stages.run(config(write_datasets(folder / "events.h5", columns()), folder / "run"))
    run_dir: Path = folder / "run"
    return run_dir


# --- a second file ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["npz", "h5", "csv"])
@pytest.mark.parametrize("share", [1.0, 0.3], ids=["all", "skim"])
def test_the_fitted_file_saved_again_has_the_scores_of_the_run(tmp_path, finished, kind, share):
    rows = np.random.default_rng(5).permutation(3000)[: round(3000 * share)]
    again = taken(columns(), rows)
    if kind == "npz":
        again = {name: values.astype(np.float32) for name, values in again.items()}
    found = scored_by(finished, WRITERS[kind](tmp_path / f"x.{kind}", again), tmp_path / "s.h5")
    own = read_scores(finished / "scores.h5")
    expected = dict(zip(own.event_id.tolist(), own.score.tolist(), strict=True))
    assert found["score"].tolist() == [expected[i] for i in rows[found["event_id"]].tolist()]
    assert set(found["sample"]) == {DATA}
    if share == 1.0:
        assert len(found["score"]) == len(own.score)


def test_events_saved_as_float32_in_tev_are_known(tmp_path):
    """Doubles, whose masses are rounded twice, and a scale of 1000 away, in the second file."""
    rng, n = np.random.default_rng(8), 3000
    drawn = {"m": 2500 + rng.exponential(900, n), "a": rng.normal(size=n), "b": rng.normal(size=n)}
    run_dir = tmp_path / "run"
    stages.run(config(write_datasets(tmp_path / "events.h5", drawn), run_dir))
    again = {name: values.astype(np.float32) for name, values in drawn.items()}
    again["m"] = (drawn["m"] / 1000).astype(np.float32)
    found = scored_by(
        run_dir, WRITERS["npz"](tmp_path / "x.npz", again), tmp_path / "s.h5", "data.mass_unit=TeV"
    )
    own = read_scores(run_dir / "scores.h5")
    assert set(found["sample"]) == {DATA}
    assert np.array_equal(found["event_id"], own.event_id)
    np.testing.assert_allclose(found["score"], own.score, atol=1e-3)


def test_new_events_get_the_average_over_folds_beside_known_ones(tmp_path, finished, caplog):
    new, known = columns(800, seed=2), taken(columns(), np.arange(500))
    both = {name: np.concatenate([new[name], known[name]]) for name in new}
    alone = scored_by(finished, write_datasets(tmp_path / "new.h5", new), tmp_path / "new_s.h5")
    assert set(alone["sample"]) == {EXTRA}
    assert "were fitted" not in caplog.text
    found = scored_by(finished, write_datasets(tmp_path / "both.h5", both), tmp_path / "s.h5")
    is_new = found["event_id"] < 800
    assert np.array_equal(found["score"][is_new], alone["score"])
    assert np.array_equal(found["sample"] == EXTRA, is_new)
    n_known = int(np.sum(~is_new))
    assert f"{n_known} of the {len(is_new)} scored events are events that were fitted" in (
        caplog.text
    )


def test_a_holdout_refuses_what_it_was_trained_on(tmp_path):
    path, run_dir = write_datasets(tmp_path / "events.h5", columns()), tmp_path / "run"
    asked = config(path, run_dir, "split=holdout", "split.test=0.5")
    stages.run(asked)
    own = read_scores(run_dir / "scores.h5")
    some = WRITERS["npz"](tmp_path / "test.npz", taken(columns(), np.sort(own.event_id)))
    found = scored_by(run_dir, some, tmp_path / "s.h5")
    assert np.array_equal(np.sort(found["score"]), np.sort(own.score))
    again = WRITERS["npz"](tmp_path / "again.npz", columns())
    with pytest.raises(DataError, match=r"again.npz: .* every one has seen \d+, first event_id"):
        scored_by(run_dir, again, tmp_path / "none.h5")
    assert not (tmp_path / "none.h5").exists()


def test_a_run_that_does_not_say_what_it_has_seen_is_refused(tmp_path, finished):
    path = write_datasets(tmp_path / "events.h5", columns())
    run_dir = tmp_path / "run"
    asked = config(path, run_dir)
    stages.train(asked)
    (run_dir / "fitted_events.h5").unlink()
    for again in (stages.train, stages.score):
        with pytest.raises(RunDirectoryError, match=r"fitted_events\.h5 .* former version"):
            again(asked)
    new = write_datasets(tmp_path / "new.h5", columns(800, seed=2))
    with pytest.raises(RunDirectoryError, match="former version"):
        scored_by(run_dir, new, tmp_path / "s.h5")
    write_datasets(run_dir / "fitted_events.h5", {"m": np.zeros(3)})
    with pytest.raises(DataError, match=r"fitted_events\.h5: expected the datasets identity"):
        stages.train(asked)
    KnownEvents(prepare(config(new, tmp_path)).data).write(run_dir / "fitted_events.h5")
    with pytest.raises(RunDirectoryError, match=r"must name the events of this run"):
        stages.train(asked)


@pytest.mark.parametrize("key", ["data.extra=[{}]", "data.extra_background={}"])
def test_further_files_with_events_of_the_data_are_refused(tmp_path, key):
    label = {"y": np.zeros(3000)}
    path = write_datasets(tmp_path / "events.h5", columns() | label)
    some = taken(columns(), np.arange(100, 300))
    mixed = {n: np.concatenate([columns(50, seed=2)[n], some[n].astype(np.float32)]) for n in some}
    other = WRITERS["npz"](tmp_path / "other.npz", mixed | {"y": np.zeros(250)})
    named = NAMED.replace("label: null", "label: y")
    with pytest.raises(DataError, match=r"must occur once, but 200 .*events\.h5, first row 50;"):
        prepare(config(path, tmp_path, named, key.format(other)))


# --- within a file ------------------------------------------------------------------------------


def falling(n: int = 20_000, n_thrice: int = 2000) -> Columns:
    """Smoothly falling background, of which the first events are there three times, shuffled."""
    rng = np.random.default_rng(4)
    drawn = {"m": 2800 + rng.exponential(500, n), "a": rng.normal(size=n), "b": rng.normal(size=n)}
    rows = np.concatenate([np.arange(n), np.tile(np.arange(n_thrice), 2)])
    return taken(drawn, rng.permutation(rows))


@pytest.mark.parametrize("command", ["run", "search"])
def test_a_file_with_many_copies_is_refused_before_any_work(tmp_path, command):
    from anode.pipeline.search.config import parse_search
    from anode.pipeline.search.search import search

    path = write_datasets(tmp_path / "events.h5", falling())
    run_dir = tmp_path / "out"
    does: dict[str, Callable[[], None]] = {
        "run": lambda: stages.run(config(path, run_dir)),
        "search": lambda: search(
            parse_search(
                composed("search", "data=table", f"data.path={path}", NAMED, f"run_dir={run_dir}")
            )
        ),
    }
    with pytest.raises(
        DataError,
        match=r"events\.h5: 4000 of 24000 events .* first event_id \d+ \(as \d+\), .* more than "
        r"data\.max_copies=0\.01 allows.*drop_duplicates.*set data\.max_copies=0\.17",
    ):
        does[command]()
    assert not run_dir.exists()


def test_the_first_copies_are_named_with_their_twins(tmp_path):
    values = taken(columns(100), np.array([*range(100), 7, 7, 3]))
    path = write_datasets(tmp_path / "events.h5", values)
    with pytest.raises(
        DataError, match=r"3 of 103 .*first event_id 100 \(as 7\), 101 \(as 7\), 1"
    ):
        prepare(config(path, tmp_path))
    with pytest.raises(ConfigError, match=r"data\.max_copies must lie in \[0, 1\], got 2"):
        config(path, tmp_path, "data.max_copies=2")


def test_allowed_copies_are_counted_and_scored_alike(tmp_path, caplog):
    n, n_copies = 3000, 300
    values = taken(columns(), np.array([*range(n), *range(n_copies)]))
    path, run_dir = write_datasets(tmp_path / "events.h5", values), tmp_path / "run"
    stages.run(config(path, run_dir, "data.max_copies=1"))
    assert "300 of 3300 events have the mass and features of an earlier one" in caplog.text
    assert io.read_json(run_dir / "metrics.json")["n_copies"] == n_copies
    assert io.read_json(run_dir / "manifest.json")["data"]["n_copies"] == n_copies
    scored = read_scores(run_dir / "scores.h5")
    score_of = dict(zip(scored.event_id.tolist(), scored.score.tolist(), strict=True))
    twins = [(i, n + i) for i in range(n_copies) if i in score_of]
    assert len(twins) > 30
    assert all(score_of[first] == score_of[second] for first, second in twins)
    # The limit is no part of what the folder belongs to.
    stages.run(config(path, run_dir, "data.max_copies=0.5"))


def test_a_copy_left_for_the_test_is_scored_by_the_fold_of_its_twin(tmp_path):
    """Signal that is there twice: one may be injected and the other not."""
    rng = np.random.default_rng(3)
    background, n = columns(), 100
    signal = {"m": rng.normal(3500, 60, n), "a": rng.normal(2, 1, n), "b": rng.normal(size=n)}
    values = {k: np.concatenate([background[k], signal[k], signal[k]]) for k in signal}
    values["y"] = np.repeat([0, 1, 1], [3000, n, n])
    path, run_dir = write_datasets(tmp_path / "events.h5", values), tmp_path / "run"
    named = NAMED.replace("label: null", "label: y")
    asked = config(
        path, run_dir, named, "injection.n_signal=101", "split.extra=average", "data.max_copies=1"
    )
    stages.run(asked)
    prepared = prepare(asked)
    assert prepared.data.is_copy().sum() == 50  # copies are drawn together, but for the last one
    scored = read_scores(run_dir / "scores.h5")
    (alone,) = np.flatnonzero(np.isin(prepared.extra.identity, prepared.data.identity))
    twin = np.flatnonzero(prepared.data.identity == prepared.extra.identity[alone])
    ids = {prepared.extra.event_id[alone], prepared.data.event_id[twin[0]]}
    of_both = scored.score[np.isin(scored.event_id, [*ids])]
    assert len(of_both) in (0, 2)  # none where the mass lies outside the region
    assert len(set(of_both.tolist())) <= 1


def test_another_ensemble_needs_to_know_too(tmp_path, finished):
    given = [f"run_dir={finished}", "ensemble.mode=best", f"output={tmp_path / 'best'}"]
    score(parse_score(composed("score", *given, "figures=false", "n_jobs=1")))
    assert (tmp_path / "best/fitted_events.h5").is_file()
    assert dataclasses.asdict(read_metrics(tmp_path / "best"))["n_copies"] == 0


def read_metrics(folder: Path):
    return stages.RunDirectory(folder).read_metrics()
