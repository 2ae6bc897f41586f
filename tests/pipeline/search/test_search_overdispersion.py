"""The over-dispersion of a search: measured, right for a known score, resumed, reused, refused."""

from pathlib import Path

import numpy as np
import pytest

from anode import io
from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError
from anode.events.simulation.toy import Toy
from anode.methods.base import RegionEvents, Scores
from anode.methods.build import METHODS
from anode.methods.outliers.isolation_forest import Isolation
from anode.pipeline.search import overdispersion as pipeline
from anode.pipeline.search.config import SearchConfig, parse_search
from anode.pipeline.search.overdispersion import overdispersion_of, read_overdispersion
from anode.pipeline.search.search import find
from anode.pipeline.search.search_directory import SearchDirectory
from anode.regions.windows import Window
from anode.seeding import stream
from anode.statistics.counting.overdispersion import Overdispersion

WINDOW = Window(3400, 3800)
SEARCH = [
    "data=toy",
    "data.n_background=6000",
    "data.n_signal=0",
    "injection.n_signal=null",
    "preprocessing.logit=false",
    "scan.start=3400",
    "scan.stop=3800",
    "scan.min_events=100",
    "spectrum.low=3000",
    "efficiencies=[0.1,0.02]",
    "split.folds=2",
    "template.n_events=5000",
    "n_toys=100",
    "extras=false",
    "n_jobs=1",
    "store=null",
    "tracker=none",
    "density.hidden_features=16",
    "density.n_components=2",
    "trainer.epochs=2",
    "ensemble.size=1",
    "overdispersion.n_experiments=3",
    "overdispersion.n_events=300",
]
FOREST = ["method=isolation_forest", "method.trees=5", "method.max_samples=64"]
DATA = Toy().sample(6000, 0, stream(1, "toy"))


def configuration(run_dir: Path, *overrides: str) -> SearchConfig:
    return parse_search(compose("search", [*SEARCH, *overrides, f"run_dir={run_dir}"]))


def measured(config: SearchConfig) -> Overdispersion | None:
    directory = SearchDirectory(config.run.run_dir)
    return overdispersion_of(config, directory, DATA, [WINDOW])


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    run_dir = tmp_path_factory.mktemp("search") / "anode"
    assert find(configuration(run_dir))
    return run_dir


@pytest.fixture
def no_samples(monkeypatch) -> None:
    monkeypatch.setattr(pipeline, "stream_jobs", None)


def test_counts_of_a_score_without_a_fit_are_measured_too(tmp_path):
    found = measured(configuration(tmp_path, "method=single_feature", "method.feature=x1"))
    assert found is not None
    assert found.n_experiments == 3
    assert not (tmp_path / "overdispersion").exists()


def test_a_search_keeps_what_it_measured(finished):
    found = read_overdispersion(SearchDirectory(finished))
    assert found is not None
    assert (found.method, found.efficiencies) == ("anode", (0.1, 0.02))
    assert (found.n_experiments, found.n_events, found.n_template) == (3, 300, 3000)
    assert (found.low, found.high) == (3400, 3800)
    sizes = {len(found.f), len(found.f_error), len(found.f_inclusive), len(found.rate)}
    assert sizes == {2}
    assert 0.02 < sum(found.rate) < 0.3
    assert not (finished / "overdispersion").exists()
    assert "overdispersion" in io.read_json(finished / "manifest.json")["cpu_seconds"]


def test_the_same_settings_are_measured_once(finished, no_samples):
    before = read_overdispersion(SearchDirectory(finished))
    assert measured(configuration(finished)) == before
    assert measured(configuration(finished, "overdispersion.n_experiments=2")) == before
    assert measured(configuration(finished, "seed=7")) == before


def test_a_search_with_the_same_store_takes_what_it_finds_there(finished, tmp_path, no_samples):
    store = f"store={tmp_path / 'store'}"
    measured(configuration(finished, store))  # which is kept in the store too
    found = measured(configuration(tmp_path / "other", store))
    assert found is not None
    assert found == read_overdispersion(SearchDirectory(tmp_path / "other"))


@pytest.mark.parametrize(
    "change",
    [
        "overdispersion.n_experiments=4",
        "overdispersion.n_events=200",
        "split.folds=3",
        "efficiencies=[0.1]",
        "trainer.epochs=3",
        "method.warm_start=false",
    ],
)
def test_other_settings_are_measured_anew(finished, no_samples, change):
    with pytest.raises(TypeError):  # what should draw the samples is not there
        measured(configuration(finished, change))


def test_a_measurement_goes_on_where_it_stopped(finished, tmp_path, monkeypatch):
    """To the same numbers, with all samples, in two processes or one."""
    wanted = read_overdispersion(SearchDirectory(finished))
    config = configuration(finished)
    numbers = []

    def stop(job):
        if len(numbers) == 2:
            raise KeyboardInterrupt
        numbers.append(job.folder.name)
        return count(job)

    count = pipeline.count_passing
    SearchDirectory(finished).overdispersion.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(pipeline, "count_passing", stop)
        with pytest.raises(KeyboardInterrupt):
            measured(config)
    assert len(io.read_json(finished / "overdispersion" / "counts.json")["counts"]) == 2
    numbers.clear()
    monkeypatch.setattr(pipeline, "count_passing", stop)
    assert measured(config) == wanted
    assert numbers == ["sample2"]


def test_none_is_measured_where_none_is_wanted(finished, tmp_path, no_samples):
    kept = SearchDirectory(finished).overdispersion.read_bytes()
    config = configuration(tmp_path, "overdispersion.n_experiments=0")
    io.write_text(SearchDirectory(tmp_path).overdispersion, kept.decode())
    assert measured(config) is None
    assert not SearchDirectory(tmp_path).overdispersion.exists()


def test_that_of_another_search_is_used_if_it_fits(finished, tmp_path, no_samples):
    path = f"overdispersion.path={finished / 'overdispersion.json'}"
    found = measured(configuration(tmp_path, path, "seed=3"))
    assert found == read_overdispersion(SearchDirectory(finished))
    assert found == read_overdispersion(SearchDirectory(tmp_path))
    with pytest.raises(ConfigError, match=r"of the method and efficiencies .* got anode and"):
        measured(configuration(tmp_path, path, *FOREST))
    with pytest.raises(ConfigError, match=r"anode and \(0\.1,\), got anode and \(0\.1, 0\.02\)"):
        measured(configuration(tmp_path, path, "efficiencies=[0.1]"))
    io.write_text(tmp_path / "broken.json", "{}")
    with pytest.raises(DataError, match=r"broken\.json: method is missing"):
        measured(configuration(tmp_path, f"overdispersion.path={tmp_path / 'broken.json'}"))


def test_many_searches_can_share_a_file_that_the_first_of_them_makes(finished, tmp_path):
    path = tmp_path / "shared.json"
    found = measured(configuration(finished, f"overdispersion.path={path}"))
    assert Overdispersion.from_json(io.read_json(path), path) == found


@pytest.mark.parametrize("change", ["method.joint=true", "seed=2"])
def test_what_cannot_be_measured_is_said(tmp_path, caplog, change):
    """A method that fits the sidebands again, and a window whose fits are gone."""
    assert measured(configuration(tmp_path, change)) is None
    assert "the over-dispersion of counts is not measured: " in caplog.text


@pytest.mark.parametrize(
    "method",
    [
        ["method=r_anode", "method.fits=1", "method.trainer.epochs=2"],
        ["method=cwola", "classifier.members=1"],
        FOREST,
        *(
            pytest.param([f"method={name}", "classifier.members=1"], marks=pytest.mark.slow)
            for name in ("cathode", "lacathode", "combination")
        ),
    ],
)
def test_every_method_can_be_measured(tmp_path, method):
    config = configuration(tmp_path, *method, "overdispersion.n_experiments=2")
    assert find(config)
    found = read_overdispersion(SearchDirectory(tmp_path))
    assert found is not None
    assert 0.03 < sum(found.rate) < 0.25


class Surplus(Isolation):
    """Learns nothing but fluctuations: the surplus of training events in a hundred bins, which are
    digits of a feature far behind the point, so that every bin is as likely as any other."""

    def score(self, events, fitted):
        score = np.empty(len(events))
        place = np.mod(events.features[:, 0] * 1e6, 100)
        for name, rows in zip(
            self.cross_fit.names("surplus"), self.cross_fit.scored(events, fitted), strict=True
        ):
            with io.open_hdf5(self.directory / f"{name}.h5") as file:
                surplus = file["surplus"][:]
            score[rows] = surplus[place[rows].astype(int)] + 1e-3 * np.mod(place[rows], 1)
        return Scores(events.event_id, events.mass, score, {}, np.zeros(len(events), dtype=bool))

    def _fit(self, events: RegionEvents) -> None:
        seen = self.cross_fit.fitted(events.signal_region)
        for name, table in zip(self.cross_fit.names("surplus"), seen, strict=True):
            place = np.mod(table.features[:, 0] * 1e6, 100).astype(int)
            ties = stream(self.settings.seed, name).random(100)
            surplus = np.bincount(place, minlength=100) + ties
            io.write_hdf5(self.directory / f"{name}.h5", {"surplus": surplus}, {})


@pytest.mark.slow
def test_f_of_a_score_that_learned_only_fluctuations(tmp_path, monkeypatch):
    monkeypatch.setitem(
        METHODS, "isolation_forest", METHODS["isolation_forest"]._replace(method=Surplus)
    )
    sizes = ["overdispersion.n_experiments=150", "overdispersion.n_events=2000"]
    config = configuration(tmp_path, *FOREST, *sizes, "split.folds=5", "efficiencies=[0.1]")
    found = measured(config)
    assert found is not None
    assert found.rate[0] == pytest.approx(0.1, abs=0.002)  # thresholds are unbiased
    # As in test_cross_fitted_counts_are_unbiased_but_spread_more_than_poisson.
    assert found.f[0] == pytest.approx(1.37, abs=3.5 * found.f_error[0])
    assert found.f_error[0] < 0.1
