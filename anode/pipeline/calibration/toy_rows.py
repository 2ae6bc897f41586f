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
from anode.statistics.calibration.null_toys import null_z, tail_fraction
from anode.statistics.calibration.uniformity import Spread, spread

BIN = 50.0  # GeV
WIDTH = 400.0  # GeV, of a window
TAIL_WINDOW, TAIL_EVENTS, TAIL_LEVEL = (3300.0, 3700.0), 3800.0, 3.0
CHUNK = 20_000  # toys of a job


@functools.cache
def spectrum_truth(overrides: tuple[str, ...]) -> Truth:
    """The spectrum that toys follow: that of the configured file's background."""
    content = resolve(compose("search", [*overrides, "run_dir=unused"]))
    with quiet():
        return fit_truth(search_from_mapping(content))


class _ToyJob(NamedTuple):
    """Toys of one window and size."""

    truth: Truth
    n_events: float
    window: tuple[float, float]
    n_toys: int
    seed: int
    part: int


def _null_z(job: _ToyJob) -> np.ndarray:
    edges = np.arange(job.truth.low, job.truth.high + 1, BIN)
    mean = job.truth.expected(edges, job.n_events)
    names = (f"{job.n_events:g}", f"{job.window[0]:g}", job.part)
    rng = stream(job.seed, "null toys", *names)
    return null_z(mean, edges, job.window, job.n_toys, rng, shape=read_shape(WPRIME))


def null_z_row(config: AcceptanceConfig) -> list[Check]:
    """Row A: Z of windows without signal."""
    truth, wanted = spectrum_truth(tuple(config.overrides)), config.A
    cells = [
        _ToyJob(truth, float(n), (low, low + WIDTH), wanted.n_toys, config.seed, 0)
        for n in wanted.sizes
        for low in wanted.windows
    ]
    n_parts = -(-wanted.n_tail // CHUNK)
    size = -(-wanted.n_tail // n_parts)
    tail = [
        _ToyJob(truth, TAIL_EVENTS, TAIL_WINDOW, size, config.seed, 1 + part)
        for part in range(n_parts)
    ]
    found = []
    with progress.task("toys", total=len(cells) + len(tail), unit="jobs") as bar:
        for z in stream_jobs(_null_z, [*cells, *tail], n_jobs=config.n_jobs, threads=1):
            found.append(z)
            bar.update()
    spreads = [spread(z) for z in found[: len(cells)]]
    return [
        *_of_cells(cells, spreads),
        _of_tail(np.concatenate(found[len(cells) :])),
    ]


def _of_cells(cells: list[_ToyJob], spreads: list[Spread]) -> list[Check]:
    """The extremes over windows and sizes."""
    means, sds = np.array([(s.mean, s.sd) for s in spreads]).T
    far, low, high = int(np.abs(means).argmax()), int(sds.argmin()), int(sds.argmax())
    n = sum(s.n for s in spreads)

    def at(i: int) -> str:
        window = "-".join(f"{edge / 1000:g}" for edge in cells[i].window)
        return f"{cells[i].n_events:,.0f} events, {window} TeV"

    where = f"over {len(cells)} windows and sizes"
    return [
        Check(f"mean Z farthest from 0 {where} ({at(far)})", spreads[far].mean,
              spreads[far].mean_error, -0.15, 0.15, n),
        Check(f"smallest sd of Z ({at(low)})", spreads[low].sd, spreads[low].sd_error, 0.95, None,
              n),
        Check(f"largest sd of Z ({at(high)})", spreads[high].sd, spreads[high].sd_error, None,
              1.05, n),
    ]  # fmt: skip


def _of_tail(z: np.ndarray) -> Check:
    tail = tail_fraction(z, TAIL_LEVEL)
    what = f"P(Z > 3), {TAIL_EVENTS:,.0f} events, 3.3-3.7 TeV"
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
