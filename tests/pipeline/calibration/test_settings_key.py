"""A calibration holds for searches of its own settings, whatever they look at."""

import functools

import pytest

from anode.configuration.builder import resolve
from anode.configuration.composition import compose
from anode.pipeline.search.config import search_from_mapping, settings_key


@functools.cache
def key(*overrides: str) -> str:
    raw = compose("search", ["run_dir=unused", *overrides])
    return settings_key(search_from_mapping(resolve(raw)))


@pytest.mark.parametrize(
    "change",
    [
        ["seed=7"],
        ["data=lhco_features", "data.path=other.h5"],
        ["injection.n_signal=0"],
        ["injection.n_background=5000"],
        ["scan.start=3000", "scan.step=400", "scan.min_events=200"],
        ["spectrum.low=2800"],
        ["n_toys=200", "extras=false"],
        ["overdispersion.n_experiments=50", "overdispersion.path=other.json"],
        ["n_jobs=1", "store=null", "run_dir=elsewhere"],
    ],
)
def test_what_is_searched_is_no_setting(change):
    assert key(*change) == key()


@pytest.mark.parametrize(
    "change",
    [
        "method=cathode",
        "density.hidden_features=64",
        "trainer.epochs=30",
        "ensemble.size=5",
        "split.folds=2",
        "split.sideband_folds=1",
        "preprocessing.logit=false",
        "features=[mj1,delta_mj]",
        "efficiencies=[0.1]",
        "template.n_events=20000",
        "scan.width=200",
        "scan.sideband=500",
        "spectrum.min_bins=5",
        "spectrum.test=cuts",
        "overdispersion.n_experiments=0",
        "distortion.noise_features=1",
    ],
)
def test_how_it_is_searched_is_one(change):
    assert key(change) != key()
