"""Rows of the acceptance table that need no search: toys of spectra and of templates."""

import functools
from typing import NamedTuple

import numpy as np

from anode import progress
from anode.configuration.builder import resolve
from anode.configuration.command import quiet
from anode.configuration.composition import compose
from anode.parallel import stream_jobs
from anode.pipeline.calibration.acceptance_config import AcceptanceConfig
from anode.pipeline.calibration.pseudo_events import Truth, fit_truth
from anode.pipeline.search.config import search_from_mapping
from anode.pipeline.search.signal_shape import WPRIME, read_shape
from anode.seeding import stream
from anode.statistics.calibration.acceptance import Check
from anode.statistics.calibration.cut_toys import cut_ratio
from anode.statistics.calibration.null_toys import combined_null_z, null_z, tail_fraction
from anode.statistics.calibration.uniformity import spread
from anode.statistics.fits.spectrum_test import MIN_BESIDE

BIN = 50.0  # GeV
WIDTH = 400.0  # GeV, of a window
TAIL_WINDOW, TAIL_EVENTS, TAIL_LEVEL = (3300.0, 3700.0), 3800.0, 3.0
CATEGORIES = (30_000.0, 3000.0, 300.0)  # events between cuts at 1e-1, 1e-2 and 1e-3, and above
CHUNK = 20_000  # toys of a job


@functools.cache
def spectrum_truth(overrides: tuple[str, ...]) -> Truth:
    """The spectrum that toys follow: that of the configured file's background."""
    content = resolve(compose("search", [*overrides, "run_dir=unused"]))
    with quiet():
        return fit_truth(search_from_mapping(content))


class _ToyJob(NamedTuple):
    """Toys of one window: of one spectrum, or of several categories together."""

    truth: Truth
    n_events: tuple[float, ...]
    window: tuple[float, float]
    n_toys: int
    seed: int
    part: int


def _null_z(job: _ToyJob) -> np.ndarray:
    edges = np.arange(job.truth.low, job.truth.high + 1, BIN)
    means = np.array([job.truth.expected(edges, n) for n in job.n_events])
    sizes = ",".join(f"{n:g}" for n in job.n_events)
    rng = stream(job.seed, "null toys", sizes, f"{job.window[0]:g}", job.part)
    shape = read_shape(WPRIME)
    if len(means) == 1:
        return null_z(means[0], edges, job.window, job.n_toys, rng, shape=shape)
    return combined_null_z(means, edges, job.window, job.n_toys, rng, shape=shape)


def null_z_row(config: AcceptanceConfig) -> list[Check]:
    """Row A: Z of windows without signal, at one cut and of three categories together."""
    truth, wanted, seed = spectrum_truth(tuple(config.overrides)), config.A, config.seed
    cells = [
        _ToyJob(truth, (float(n),), (low, low + WIDTH), wanted.n_toys, seed, 0)
        for n in wanted.sizes
        for low in wanted.windows
    ]
    combined = [
        _ToyJob(truth, CATEGORIES, (low, low + WIDTH), wanted.n_toys, seed, 0)
        for low in wanted.windows
        if _is_tested(truth, low)
    ]
    tails = [
        _ToyJob(truth, sizes, TAIL_WINDOW, n, seed, 1 + part)
        for sizes in ((TAIL_EVENTS,), CATEGORIES)
        for part, n in enumerate(_parts(wanted.n_tail))
    ]
    found = _run([*cells, *combined, *tails], config.n_jobs)
    n_cells, n_all = len(cells), len(cells) + len(combined)
    n_tails = len(tails) // 2
    together = f"{len(CATEGORIES)} categories of {sum(CATEGORIES):,.0f} events together"
    return [
        *_of_cells(cells, found[:n_cells], "windows and sizes"),
        _of_tail(found[n_all : n_all + n_tails], f"{TAIL_EVENTS:,.0f} events"),
        *_of_cells(combined, found[n_cells:n_all], f"windows, {together}"),
        _of_tail(found[n_all + n_tails :], together),
    ]


def _is_tested(truth: Truth, low: float) -> bool:
    """Whether a search would fit the smallest category: enough events on either side."""
    edges = np.arange(truth.low, truth.high + 1, BIN)
    mean = truth.expected(edges, min(CATEGORIES))
    beside = mean[edges[1:] <= low].sum(), mean[edges[:-1] >= low + WIDTH].sum()
    return bool(min(beside) >= MIN_BESIDE)


def _parts(n_toys: int) -> list[int]:
    return [min(CHUNK, n_toys - start) for start in range(0, n_toys, CHUNK)]


def _run(jobs: list[_ToyJob], n_jobs: int) -> list[np.ndarray]:
    found = []
    with progress.task("toys", total=len(jobs), unit="jobs") as bar:
        for z in stream_jobs(_null_z, jobs, n_jobs=n_jobs, threads=1):
            found.append(z)
            bar.update()
    return found


def _of_cells(cells: list[_ToyJob], found: list[np.ndarray], over: str) -> list[Check]:
    """The extremes over windows and sizes."""
    spreads = [spread(z) for z in found]
    means, sds = np.array([(s.mean, s.sd) for s in spreads]).T
    far, low, high = int(np.abs(means).argmax()), int(sds.argmin()), int(sds.argmax())
    n = sum(s.n for s in spreads)

    def at(i: int) -> str:
        window = "-".join(f"{edge / 1000:g}" for edge in cells[i].window)
        return f"{sum(cells[i].n_events):,.0f} events, {window} TeV"

    return [
        Check(f"mean Z farthest from 0 of {len(cells)} {over} ({at(far)})", spreads[far].mean,
              spreads[far].mean_error, -0.15, 0.15, n),
        Check(f"smallest sd of Z ({at(low)})", spreads[low].sd, spreads[low].sd_error, 0.95, None,
              n),
        Check(f"largest sd of Z ({at(high)})", spreads[high].sd, spreads[high].sd_error, None,
              1.05, n),
    ]  # fmt: skip


def _of_tail(found: list[np.ndarray], of: str) -> Check:
    tail = tail_fraction(np.concatenate(found), TAIL_LEVEL)
    what = f"P(Z > {TAIL_LEVEL:g}), {of}, 3.3-3.7 TeV"
    return Check(what, tail.fraction, tail.error, None, 1.8e-3, tail.n)


def cut_row(config: AcceptanceConfig) -> list[Check]:
    """Row H: true over quoted efficiency of a cut."""
    checks = []
    for n_passing in config.H.n_passing:
        rng = stream(config.seed, "cut toys", n_passing)
        ratio = cut_ratio(n_passing, config.H.n_templates, rng)
        what = f"true / quoted efficiency, {n_passing} events of the template passing"
        checks.append(Check(what, ratio.ratio, ratio.error, 0.97, 1.03, ratio.n))
    return checks
