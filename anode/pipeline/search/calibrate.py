"""Calibration of a search: the same search many times, on samples of known truth.

Without signal, p-values must be uniform; with signal, the fitted number of events must follow the
injected one. Samples are drawn by seed from the events of the configured file.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from omegaconf import DictConfig

from anode import io, progress
from anode.configuration.builder import build, resolve
from anode.configuration.command import quiet
from anode.configuration.composition import compose
from anode.errors import ConfigError, DataError
from anode.parallel import stream_jobs
from anode.pipeline.runs.prepare import prepare
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import SearchConfig, search_from_mapping, window_dir
from anode.pipeline.search.search import find
from anode.pipeline.search.search_directory import SearchDirectory, is_concluded
from anode.pipeline.search.window import read_window
from anode.regions.windows import Window
from anode.reporting.common.style import remove_figure, save_figure
from anode.reporting.search.calibration_figures import injection_figure, p_value_figure
from anode.reporting.search.spectrum_figures import cut_label
from anode.seeding import stream
from anode.statistics.counting.significance import randomised_p_values
from anode.statistics.scan.calibration import Uniformity, injection_response, uniformity
from anode.statistics.scan.calibration_result import Calibration, InjectionSummary
from anode.statistics.scan.search_result import SearchResult

FIGURES = ("p_global", "p_local_", "injection_")  # how names of ours begin


@dataclass(frozen=True)
class CalibrateConfig:
    """Keys of ``configs/calibrate.yaml``.

    Attributes:
        runs: folder of the searches, RUNS/signal=N/seed=K.
        output: folder of the result.
        n_experiments: number of searches of each injection, seeds 1 to n.
        injections: numbers of signal events put into a sample, at any mass.
        window: bounds [low, high) of the window that the injected signal is looked for in [GeV].
        overrides: settings that differ from ``configs/search.yaml``.
        n_jobs: number of processes, a search each.
    """

    runs: str
    output: str
    n_experiments: int
    injections: list[int]
    window: list[float]
    overrides: list[str]
    n_jobs: int

    def __post_init__(self) -> None:
        if self.n_experiments < 2:
            raise ConfigError(f"n_experiments must be at least 2, got {self.n_experiments}")
        if not self.injections or min(self.injections) < 0:
            raise ConfigError(f"injections must not be negative, got {self.injections}")
        if self.n_jobs < 1:
            raise ConfigError(f"n_jobs must be at least 1, got {self.n_jobs}")
        Window(*self.window)


class Experiment(NamedTuple):
    """One search: the signal put in, its seed, and its configuration."""

    n_signal: int
    seed: int
    config: SearchConfig


def parse_calibrate(raw: DictConfig) -> CalibrateConfig:
    """Check Hydra's configuration of a calibration.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    return build(CalibrateConfig, resolve(raw))


def calibrate(config: CalibrateConfig) -> None:
    """Make the searches that are missing, then judge them: ``calibration.json`` and figures."""
    experiments = experiments_of(config)
    _check_window(config, experiments)
    with progress.task("searches", total=len(experiments), unit="searches") as bar:
        for _ in stream_jobs(_search, experiments, n_jobs=config.n_jobs, threads=1):
            bar.update()
    output = Path(config.output)
    for file in (output / "figures").glob("*.png"):
        if file.name.startswith(FIGURES):
            remove_figure(file.with_suffix(""))
    window = Window(*config.window)
    p_global, p_local = _null([e for e in experiments if e.n_signal == 0], output)
    injection = _signal(experiments, window, output)
    result = Calibration(
        overrides=tuple(config.overrides),
        n_experiments=config.n_experiments,
        injections=tuple(config.injections),
        p_global=p_global,
        p_local=p_local,
        injection=injection,
        window=None if injection is None else (window.low, window.high),
    )
    io.write_json(output / "calibration.json", result.to_json(), sealed=True)
    print(f"calibration: {output}")


def _check_window(config: CalibrateConfig, experiments: Sequence[Experiment]) -> None:
    window = Window(*config.window)
    if any(config.injections) and window not in experiments[0].config.scan.windows:
        raise ConfigError(
            f"injected signal is looked for in one window of the scan, got window={window} GeV; "
            "choose scan.start, scan.width and scan.step so that it is one"
        )


def experiments_of(config: CalibrateConfig) -> list[Experiment]:
    """Every search of a calibration."""
    experiments = []
    for n_signal in config.injections:
        for seed in range(1, config.n_experiments + 1):
            run_dir = Path(config.runs) / f"signal={n_signal}" / f"seed={seed}"
            own = [f"injection.n_signal={n_signal}", f"seed={seed}", "n_jobs=1", "extras=false"]
            raw = compose("search", [*config.overrides, *own, "run_dir=replaced"])
            content = {**resolve(raw), "run_dir": str(run_dir)}
            experiments.append(Experiment(n_signal, seed, search_from_mapping(content)))
    return experiments


def _search(experiment: Experiment) -> None:
    """One search, in silence; its fits are deleted when it has ended, for room."""
    config = experiment.config
    directory = SearchDirectory(config.run.run_dir)
    if not is_concluded(config, directory):
        with quiet():
            find(config)
    for window in config.scan.windows:
        checkpoints = RunDirectory(window_dir(directory.path, window)).checkpoints
        shutil.rmtree(checkpoints, ignore_errors=True)


def _result(experiment: Experiment) -> SearchResult:
    return SearchDirectory(experiment.config.run.run_dir).read_result()


def _null(
    experiments: Sequence[Experiment], output: Path
) -> tuple[Uniformity | None, dict[str, Uniformity] | None]:
    """Uniformity of global p-values, one a search, and of local ones at each efficiency, which
    are of disjoint windows and randomised, since counts are discrete; None with fewer than two."""
    results = [_result(experiment) for experiment in experiments]
    p_global = np.array([r.best.p_global for r in results if r.best is not None])
    if len(p_global) < 2:
        return None, None
    save_figure(p_value_figure(p_global, what="global p-value"), output / "figures/p_global")
    local = {}
    for efficiency in sorted({row.efficiency for r in results for row in r.windows}):
        p_local = _local(results, efficiency)
        if len(p_local) < 2:  # hardly a window was tested
            continue
        local[f"{efficiency:g}"] = uniformity(p_local)
        what = f"local p-value, {cut_label(efficiency)}"
        figure = p_value_figure(p_local, what=what)
        save_figure(figure, output / f"figures/p_local_{efficiency:g}")
    return uniformity(p_global), local


def _local(results: Sequence[SearchResult], efficiency: float) -> np.ndarray:
    p_values = []
    for number, result in enumerate(results):
        rng = stream(result.seed, "randomised", number)
        end = -np.inf
        for row in result.windows:
            if row.efficiency != efficiency or not row.tested or row.low < end:
                continue
            end = row.high
            p = randomised_p_values(row.n_observed, row.n_expected, row.n_expected_error, rng=rng)
            p_values.append(float(p))
    return np.array(p_values)


class _Injected(NamedTuple):
    """What one search makes of the injected signal in the window, at one cut."""

    n_signal: int
    true: int
    fitted: float
    error_low: float
    error_high: float
    z: float


def _signal(
    experiments: Sequence[Experiment], window: Window, output: Path
) -> dict[str, InjectionSummary] | None:
    """Fitted against true signal in one window, at each efficiency at which it could be tested;
    None without injected signal."""
    if not any(e.n_signal for e in experiments):
        return None
    seen: dict[str, list[_Injected]] = {}
    for experiment in experiments:
        passing = _true_signal(experiment, window)
        for row in _result(experiment).windows:
            # As in a scan, an excess over the template alone does not count.
            if (row.low, row.high) != (window.low, window.high) or not row.tested:
                continue
            name, strength = f"{row.efficiency:g}", row.strength
            seen.setdefault(name, []).append(
                _Injected(experiment.n_signal, passing[name], *strength, row.z_local)
            )
    if not seen:
        raise DataError(f"no search of the calibration could test the window {window} GeV")
    summaries = {}
    for efficiency, rows in seen.items():
        put_in, true, fitted, low, high, z = np.array(rows, dtype=float).T
        if min(np.sum(put_in == amount) for amount in {e.n_signal for e in experiments}) < 2:
            continue  # too few events pass for fits
        # Judged about the true number that passes, which differs from sample to sample.
        response = injection_response(put_in, put_in + fitted - true, low, high, z)
        passed = [float(true[put_in == amount].mean()) for amount in response.injected]
        summaries[efficiency] = InjectionSummary.of(response, passed)
        cut = cut_label(float(efficiency))
        figure = injection_figure(true, z, fitted, (low + high) / 2, cut=cut)
        save_figure(figure, output / f"figures/injection_{efficiency}")
    return summaries


def _true_signal(experiment: Experiment, window: Window) -> dict[str, int]:
    """True signal events of the window that pass each cut, by labels that no search has read."""
    config = experiment.config
    with quiet():
        data = prepare(config.of_window(window)).data
    assert data.label is not None  # or nothing could have been injected
    signal = data.event_id[(data.label == 1) & window.contains(data.mass)]
    directory = window_dir(Path(config.run.run_dir), window)
    finished = read_window(directory, config.efficiencies)
    level = finished.cuts.level[np.isin(finished.event_id, signal)]
    passing = {name: int(np.sum(level > i)) for i, name in enumerate(finished.file.thresholds)}
    return {"1": len(signal), **passing}
