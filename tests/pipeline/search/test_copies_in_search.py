"""A search counts copies of events, keeps them together, and says so where its result stands."""

from pathlib import Path

import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from anode import io
from anode.configuration.builder import CONFIG_DIR
from anode.errors import RunDirectoryError
from anode.events.known_events import KnownEvents
from anode.pipeline.runs.prepare import prepare
from anode.pipeline.scoring.score import parse_score, score
from anode.pipeline.search.config import SearchConfig, parse_search
from anode.pipeline.search.report import write_report
from anode.pipeline.search.search import find
from helpers.sources import write_datasets

N, N_COPIES = 6000, 40
NAMED = "data.columns={mass: m, features: {a: a, b: b}, label: null, event_id: null}"
QUICK = [
    "method=isolation_forest",
    "method.trees=20",
    "method.max_samples=256",
    "scan.start=3200",
    "scan.stop=3800",
    "scan.step=200",
    "scan.min_events=100",
    "spectrum.low=2800",
    "efficiencies=[0.2]",
    "split.folds=2",
    "n_toys=100",
    "extras=false",
    "n_jobs=1",
    "store=null",
]


def composed(command: str, *overrides: str):
    with initialize_config_dir(str(CONFIG_DIR), version_base=None):
        return compose(command, [*overrides])


def configuration(path: Path, run_dir: Path) -> SearchConfig:
    asked = ["data=table", f"data.path={path}", NAMED, *QUICK, f"run_dir={run_dir}"]
    return parse_search(composed("search", *asked))


def columns() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    rows = np.array([*range(N), *range(N_COPIES)])
    drawn = {"m": 2800 + rng.exponential(600, N), "a": rng.normal(size=N), "b": rng.normal(size=N)}
    return {name: values[rows] for name, values in drawn.items()}


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("copies")
    path = write_datasets(folder / "events.h5", columns())
    assert find(configuration(path, folder / "search"))
    run_dir: Path = folder / "search"
    return run_dir


def test_copies_stand_in_the_result_its_warnings_and_its_report(searched):
    assert io.read_json(searched / "search.json")["n_copies"] == N_COPIES
    assert io.read_json(searched / "manifest.json")["data"]["n_copies"] == N_COPIES
    report = write_report(searched)
    (warning,) = [w for w in report.warnings if w.kind == "copies"]
    assert "40 of 6,040 events (0.66%) have the mass and features of an earlier" in warning.text
    assert "copies" in report.verdict
    assert "6,040 used (40 of them copies)" in (searched / "report.md").read_text()


def test_the_events_of_a_search_are_kept_once(searched):
    config = configuration(searched.parent / "events.h5", searched)
    known = KnownEvents.read(searched / "fitted_events.h5")
    assert len(known.identity) == N
    assert known.includes(prepare(config.run, check_sidebands=False).data).all()
    assert [p.parent for p in searched.rglob("fitted_events.h5")] == [searched]


def test_its_events_in_another_file_are_scored_as_in_the_search(searched, tmp_path):
    rows = np.random.default_rng(3).permutation(N)[:3000]
    again = {name: values[rows] for name, values in columns().items()}
    path, output = write_datasets(tmp_path / "again.h5", again), tmp_path / "scores.h5"
    given = ["data=table", NAMED, f"run_dir={searched}", f"data.path={path}", "n_jobs=1"]
    score(parse_score(composed("score", *given, f"output={output}")))
    with io.open_hdf5(output) as file:
        found = {name: file[name][:] for name in file}
        assert file.attrs["n_known"] == len(found["score"]) > 500
    for low, high in ((3200, 3600), (3400, 3800)):
        with io.open_hdf5(searched / f"windows/{low}_{high}/selected.h5") as file:
            own = dict(zip(file["event_id"][:].tolist(), file["score"][:].tolist(), strict=True))
        mine = found["window_low"] == low
        ids = rows[found["event_id"][mine]].tolist()
        shared = [i for i in ids if i in own]
        assert len(shared) > 20
        by_id = dict(zip(ids, found["score"][mine].tolist(), strict=True))
        assert [by_id[i] for i in shared] == [own[i] for i in shared]


def test_windows_of_a_former_version_are_refused(searched, tmp_path):
    path = searched.parent / "events.h5"
    (tmp_path / "search/windows/3200_3600").mkdir(parents=True)
    io.write_text(tmp_path / "search/config.yaml", configuration(path, tmp_path).to_yaml())
    with pytest.raises(RunDirectoryError, match="folds hung on rows"):
        find(configuration(path, tmp_path / "search"))
