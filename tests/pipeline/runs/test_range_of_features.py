"""A file whose features are not those of the fit is refused; known signal in it does not count."""

import dataclasses
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest

from anode.errors import DataError
from anode.events.table import EventTable
from anode.methods import range_check
from anode.methods.base import RegionEvents, check_interpolation
from anode.methods.range_check import judged
from anode.pipeline.runs import config as configuration
from anode.pipeline.runs import stages
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.runs.score_file import read_scores
from anode.pipeline.scoring import blocks
from anode.regions.preprocessing import PreprocessingConfig
from helpers.chain import QUICK, composed_content
from helpers.small_methods import events, method

STEPS = PreprocessingConfig(logit=True, standardise=True)


def far_signal(table: EventTable) -> EventTable:
    """The same with signal where no background is."""
    assert table.label is not None
    features = table.features + 20.0 * (table.label == 1)[:, None]
    return dataclasses.replace(table, features=features)


@pytest.fixture
def toy_with_far_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    sample = stages.prepare

    def prepare(*args, **kwargs):
        prepared = sample(*args, **kwargs)
        return prepared._replace(extra=far_signal(prepared.extra))

    monkeypatch.setattr(stages, "prepare", prepare)


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_a_run_without_injected_signal_goes_through(seed, toy_with_far_signal, tmp_path):
    quick = [*QUICK, "injection.n_signal=0", "trainer.epochs=1", "ensemble.size=1"]
    content = composed_content(*quick, f"seed={seed}", "tracker=none")
    config = configuration.from_mapping({**content, "run_dir": str(tmp_path / "run")})
    stages.run(config)
    scored = read_scores(RunDirectory(tmp_path / "run").scores)
    assert np.all(scored.outside[scored.label == 1])
    assert np.mean(scored.outside) > range_check.MAX_OUTSIDE  # which refused the run
    assert np.mean(scored.outside[scored.label == 0]) < 0.01


def shifted(region: EventTable, share: float) -> EventTable:
    """The first events of a share moved away from all others."""
    features = region.features.copy()
    features[: round(share * len(region)), 0] += 50.0
    return dataclasses.replace(region, features=features)


@pytest.mark.parametrize("name", ["anode", "r_anode", "lacathode"])
def test_data_that_the_sidebands_do_not_reach_are_refused_before_any_fit(name, tmp_path):
    data = events(name)
    changed = data._replace(signal_region=shifted(data.signal_region, 0.12))
    with pytest.raises(DataError, match=r"signal region: \d+ of \d+ events lie outside") as caught:
        method(tmp_path, name).fit(changed)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_tenth_of_the_data_may_lie_outside_the_range_of_the_sidebands():
    data = events("anode")
    check_interpolation(data._replace(signal_region=shifted(data.signal_region, 0.08)), STEPS)
    wide = dataclasses.replace(STEPS, logit=False)  # an affine map has no edges
    check_interpolation(data._replace(signal_region=shifted(data.signal_region, 1)), wide)


def test_sidebands_of_one_event_are_left_to_the_fit_to_refuse():
    data = events("anode")
    check_interpolation(RegionEvents(data.signal_region, data.sidebands[:1]), STEPS)


def test_known_signal_does_not_judge_a_file():
    assert judged(None, 3).tolist() == [True, True, True]
    assert judged(np.array([0, 1, 0]), 3).tolist() == [True, False, True]


def scored_block(outside: np.ndarray, label: np.ndarray | None) -> blocks.ScoredBlock:
    n = len(outside)
    datasets = {"score": np.zeros(n), "outside": outside, "sample": np.ones(n)}
    return blocks.ScoredBlock(
        datasets if label is None else {**datasets, "label": label}, len(outside)
    )


@pytest.mark.parametrize(
    ("outside", "label", "refused"),
    [
        ([0] * 40 + [1] * 60, [0] * 40 + [1] * 60, False),  # all of it known signal
        ([0] * 35 + [1] * 65, [0] * 40 + [1] * 60, True),  # 5 of 40 background events
        ([1] * 100, [1] * 100, False),
        ([0] * 40 + [1] * 60, None, True),
        ([0] * 90 + [1] * 10, None, False),
    ],
)
def test_a_scored_file_is_judged_by_what_is_not_known_signal(tmp_path, outside, label, refused):
    one = scored_block(np.array(outside, bool), None if label is None else np.array(label))
    expected = pytest.raises(DataError, match="lie outside") if refused else nullcontext()
    with expected:
        blocks.write_blocks(
            tmp_path / "scores.h5",
            lambda block: block,
            iter([one]),
            SimpleNamespace(data=SimpleNamespace(path="other.h5"), threads=1),
            {},
            n_events=100,
            n_jobs=1,
            where="there",
        )
    assert (tmp_path / "scores.h5").exists() is not refused
