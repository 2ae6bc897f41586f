"""Row D of the acceptance table: strengths, intervals and limits of injected signals, by toys."""

from typing import NamedTuple

import numpy as np

from anode import progress
from anode.parallel import stream_jobs
from anode.pipeline.calibration.acceptance_config import AcceptanceConfig
from anode.pipeline.calibration.pseudo_events import Truth
from anode.pipeline.calibration.toy_rows import BIN, WIDTH, spectrum_truth
from anode.pipeline.search.signal_shape import WPRIME, read_shape
from anode.seeding import stream
from anode.statistics.calibration.acceptance import Check
from anode.statistics.calibration.injection_toys import InjectedToys, injected_toys
from anode.statistics.counting.pass_rate import wilson_error

RELATIVE, IN_SIGMA = 0.05, 0.2
"""Allowed bias: of the strength, or in its standard deviation without signal; the larger."""


class _Job(NamedTuple):
    """Toys of one mass and size, with several strengths."""

    truth: Truth
    mass: float
    n_events: float
    sigmas: tuple[float, ...]
    n_toys: int
    seed: int


class _Point(NamedTuple):
    """What the toys of one strength say.

    Attributes:
        bias, bias_error: mean of fitted - true, over what is allowed.
        covered: share of the 68% intervals that hold the truth.
        below: share of the 95% limits that are not below it.
    """

    bias: float
    bias_error: float
    covered: float
    below: float


def injection_row(config: AcceptanceConfig) -> list[Check]:
    """Row D: bias of strengths, coverage of intervals and limits."""
    wanted, truth = config.D, spectrum_truth(tuple(config.overrides))
    sigmas = tuple(map(float, wanted.sigmas))
    jobs = [
        _Job(truth, float(mass), float(n), sigmas, wanted.n_toys, config.seed)
        for mass in wanted.masses
        for n in wanted.sizes
    ]
    found = []
    with progress.task("toys", total=len(jobs), unit="jobs") as bar:
        for points in stream_jobs(_points, jobs, n_jobs=config.n_jobs, threads=1):
            found.append(points)
            bar.update()
    checks = []
    n_sizes = len(wanted.sizes)
    for number, mass in enumerate(wanted.masses):
        of_mass = found[n_sizes * number : n_sizes * (number + 1)]
        checks += _checks(mass, [point for points in of_mass for point in points], wanted.n_toys)
    return checks


def _points(job: _Job) -> list[_Point]:
    edges = np.arange(job.truth.low, job.truth.high + 1, BIN)
    background = job.truth.expected(edges, job.n_events)
    window = (job.mass - WIDTH / 2, job.mass + WIDTH / 2)
    shape = read_shape(WPRIME)

    def toys(name: str, n_signal: float) -> InjectedToys:
        rng = stream(job.seed, "injected toys", f"{job.mass:g}", f"{job.n_events:g}", name)
        return injected_toys(background, edges, window, n_signal, job.n_toys, rng, shape=shape)

    alone = toys("alone", 0.0)
    sigma = float(np.median(alone.high - alone.low)) / 2
    return [_point(toys(f"{s:g} sigma", s * sigma), sigma) for s in job.sigmas]


def _point(toys: InjectedToys, sigma: float) -> _Point:
    allowed = max(RELATIVE * toys.true, IN_SIGMA * sigma)
    n = len(toys.fitted)
    return _Point(
        bias=float(toys.fitted.mean() - toys.true) / allowed,
        bias_error=float(toys.fitted.std(ddof=1)) / n**0.5 / allowed,
        covered=float(np.mean((toys.low <= toys.true) & (toys.true <= toys.high))),
        below=float(np.mean(toys.limit >= toys.true)),
    )


def _checks(mass: float, points: list[_Point], n_toys: int) -> list[Check]:
    """The extremes over sizes and strengths."""
    n, at = n_toys * len(points), f"{mass / 1000:g} TeV"
    worst = max(points, key=lambda point: abs(point.bias))
    low, high = min(p.covered for p in points), max(p.covered for p in points)
    limits = min(p.below for p in points)

    def error(share: float) -> float:
        return wilson_error(share * n_toys, n_toys)

    allowed = f"{RELATIVE:.0%} or {IN_SIGMA} sigma"
    return [
        Check(f"{at}: largest bias of the strength over what is allowed, {allowed}", worst.bias,
              worst.bias_error, -1.0, 1.0, n),
        Check(f"{at}: smallest coverage of 68% intervals", low, error(low), 0.63, None, n),
        Check(f"{at}: largest coverage of 68% intervals", high, error(high), None, 0.73, n),
        Check(f"{at}: smallest coverage of 95% limits", limits, error(limits), 0.93, None, n),
    ]  # fmt: skip
