"""Calibration of a search: the same search many times, on samples of known truth.

Without signal, p-values must be uniform; with signal, the fitted number of events must follow the
injected one. The p-values that are tested are those that a search reports.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from anode import io
from anode.errors import DataError
from anode.events.table import EventTable
from anode.pipeline.calibration.config import CalibrateConfig
from anode.pipeline.calibration.experiments import Experiment, campaign_of, make_searches
from anode.pipeline.search.config import settings_key, window_dir
from anode.pipeline.search.window import read_window
from anode.regions.windows import Window
from anode.reporting.common.style import remove_figure, save_figure
from anode.reporting.search.calibration_figures import injection_figure, p_value_figure
from anode.reporting.search.calibration_tables import calibration_table, test_label
from anode.statistics.calibration.injection import injection_response
from anode.statistics.calibration.result import Calibration, InjectionSummary
from anode.statistics.calibration.uniformity import Spread, Uniformity, spread, uniformity
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.window_result import WindowTest

FIGURES = ("p_global", "p_local_", "injection_")  # how names of ours begin


def test_of(row: WindowTest) -> str:
    """Name of the test that a row is of; p-values of one name are judged together."""
    return f"{row.efficiency:g}"


CATEGORIES = "categories"
"""Name of the tests of all score categories of a window."""


class _LocalTest(NamedTuple):
    """What a calibration asks of a local test."""

    low: float
    high: float
    p_local: float
    z_local: float


def calibrate(config: CalibrateConfig) -> None:
    """Make the searches that are missing, then judge them: ``calibration.json`` and figures.

    Raises:
        ConfigError, DataError: settings are impossible, or the file is; before any search.
    """
    campaign = campaign_of(config)
    make_searches(campaign.experiments, n_jobs=config.n_jobs)
    output = Path(config.output)
    for file in (output / "figures").glob("*.png"):
        if file.name.startswith(FIGURES):
            remove_figure(file.with_suffix(""))
    window = Window(*config.window)
    null = _null([e.result() for e in campaign.experiments if e.n_signal == 0], output)
    injection = _signal(campaign.experiments, window, output)
    result = Calibration(
        overrides=tuple(config.overrides),
        n_experiments=config.n_experiments,
        injections=tuple(config.injections),
        source=config.source,
        n_events=campaign.n_background,
        settings=settings_key(campaign.base) if config.random_score is None else None,
        p_global=null.p_global,
        p_local=null.p_local,
        z_global=null.z_global,
        z_local=null.z_local,
        injection=injection,
        window=None if injection is None else (window.low, window.high),
        cpu_seconds=float(np.mean([e.result().cpu_seconds for e in campaign.experiments])),
    )
    io.write_json(output / "calibration.json", result.to_json())
    print(calibration_table(result))
    print(f"calibration: {output}")


class _Null(NamedTuple):
    """What searches without signal say; None with fewer than two."""

    p_global: Uniformity | None = None
    z_global: Spread | None = None
    p_local: dict[str, Uniformity] | None = None
    z_local: dict[str, Spread] | None = None


def _null(results: Sequence[SearchResult], output: Path) -> _Null:
    """Global p-values, one a search; and local ones of each test, in disjoint windows."""
    best = [result.best for result in results if result.best is not None]
    if len(best) < 2:
        return _Null()
    p_global = np.array([row.p_global for row in best])
    save_figure(p_value_figure(p_global, what="global p-value"), output / "figures/p_global")
    p_local, z_local = {}, {}
    for name in [*dict.fromkeys(test_of(r) for s in results for r in s.windows), CATEGORIES]:
        rows = [row for result in results for row in _disjoint(result, name)]
        if len(rows) < 2:  # hardly a window was tested
            continue
        p = np.array([row.p_local for row in rows])
        p_local[name] = uniformity(p)
        z_local[name] = spread(np.array([row.z_local for row in rows]))
        what = f"local p-value, {test_label(name)}"
        save_figure(p_value_figure(p, what=what), output / f"figures/p_local_{name}")
    z_global = spread(np.array([row.z_global for row in best]))
    return _Null(uniformity(p_global), z_global, p_local, z_local)


def _disjoint(result: SearchResult, name: str) -> list[_LocalTest]:
    """The tests of one name in windows that share no event, from the lowest on."""
    chosen: list[_LocalTest] = []
    for test in sorted(_tests(result, name)):
        if not chosen or test.low >= chosen[-1].high:
            chosen.append(test)
    return chosen


def _tests(result: SearchResult, name: str) -> list[_LocalTest]:
    if name != CATEGORIES:
        rows = [row for row in result.windows if row.tested and test_of(row) == name]
        return [_LocalTest(row.low, row.high, row.p_local, row.z_local) for row in rows]
    return [
        _LocalTest(test.low, test.high, test.p_local, test.z_local)
        for test in result.combined
        if test.p_local is not None and test.z_local is not None
    ]


class _Injected(NamedTuple):
    """What one search makes of the injected signal in the window, by one test."""

    n_signal: int
    true: int
    fitted: float
    error_low: float
    error_high: float
    z: float


def _signal(
    experiments: Sequence[Experiment], window: Window, output: Path
) -> dict[str, InjectionSummary] | None:
    """Fitted against true signal in one window, by each test that could be made there; None
    without injected signal."""
    if not any(e.n_signal for e in experiments):
        return None
    seen: dict[str, list[_Injected]] = {}
    for experiment in experiments:
        passing = _true_signal(experiment, window)  # at any mass, as strengths are
        for row in experiment.result().windows:
            # As in a scan, an excess over the template alone does not count.
            if (row.low, row.high) != (window.low, window.high) or not row.tested:
                continue
            name, strength = test_of(row), row.strength
            seen.setdefault(name, []).append(
                _Injected(experiment.n_signal, passing[name], *strength, row.z_local)
            )
    if not seen:
        raise DataError(f"no search of the calibration could test the window {window} GeV")
    summaries = {}
    for name, rows in seen.items():
        put_in, true, fitted, low, high, z = np.array(rows, dtype=float).T
        if min(np.sum(put_in == amount) for amount in {e.n_signal for e in experiments}) < 2:
            continue  # too few events pass for fits
        # Judged about the true number that passes, which differs from sample to sample.
        response = injection_response(put_in, put_in + fitted - true, low, high, z)
        passed = [float(true[put_in == amount].mean()) for amount in response.injected]
        summaries[name] = InjectionSummary.of(response, passed)
        figure = injection_figure(true, z, fitted, (low + high) / 2, cut=test_label(name))
        save_figure(figure, output / f"figures/injection_{name}")
    return summaries


def _true_signal(experiment: Experiment, window: Window) -> dict[str, int]:
    """True signal events at any mass that pass each cut of the window's model, by labels that no
    search has read."""
    if not experiment.n_signal:
        return dict.fromkeys([f"{e:g}" for e in (1, *experiment.config.efficiencies)], 0)
    signal = _ids_of_signal(experiment.labelled())
    efficiencies = experiment.config.efficiencies
    found = read_window(window_dir(experiment.directory.path, window), efficiencies)
    level = found.cuts.level[np.isin(found.event_id, signal)]
    passing = {f"{e:g}": int(np.sum(level > number)) for number, e in enumerate(efficiencies)}
    return {"1": len(signal), **passing}


def _ids_of_signal(events: EventTable) -> np.ndarray:
    assert events.label is not None  # or nothing could have been injected
    return events.event_id[events.label == 1]
