"""Rows of the acceptance table that are judged from whole searches, which other commands make."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from anode import io
from anode.pipeline.calibration.acceptance_config import AcceptanceConfig
from anode.reporting.search.calibration_tables import test_label
from anode.statistics.calibration.acceptance import Check
from anode.statistics.calibration.result import Calibration, InjectionSummary
from anode.statistics.calibration.uniformity import Spread, Uniformity
from anode.statistics.counting.overdispersion import Overdispersion
from anode.statistics.scan.search_result import SearchResult

LEVEL = "0.05"
FOUND = 3.0  # global Z of a signal that is found


def read_calibration(path: str) -> Calibration:
    """The content of a ``calibration.json``.

    Raises:
        DataError: there is none, it is not JSON, or a key is missing or of the wrong kind.
    """
    return Calibration.from_json(io.read_json(Path(path)), path)


def cost(results: Iterable[Calibration]) -> float | None:
    """CPU time of all searches of some calibrations [s]; None where one does not say."""
    spent = [
        None
        if result.cpu_seconds is None
        else result.cpu_seconds * result.n_experiments * len(result.injections)
        for result in results
    ]
    known = [seconds for seconds in spent if seconds is not None]
    return sum(known) if len(known) == len(spent) else None


def null_searches(result: Calibration) -> list[Check]:
    """Row B: p-values as they are reported, and the spread of Z."""
    checks = [] if result.p_global is None else _uniform("global", result.p_global)
    for name, p_values in (result.p_local or {}).items():
        checks += _uniform(f"local, {test_label(name)}", p_values)
    for name, z in (result.z_local or {}).items():
        checks.append(_sd(f"local, {test_label(name)}", z))
    return checks


def _uniform(name: str, p: Uniformity) -> list[Check]:
    share, error = p.fraction_below[LEVEL], p.error[LEVEL]
    level = float(LEVEL)
    return [
        Check(f"KS p of p-values, {name}", p.ks_p_value, None, 0.01, None, p.n),
        Check(f"share below {LEVEL}, {name}", share, error, level - 2 * error, level + 2 * error,
              p.n),
    ]  # fmt: skip


def _sd(name: str, z: Spread) -> Check:
    return Check(f"sd of Z, {name}", z.sd, z.sd_error, None, 1.07, z.n)


def dispersion(config: AcceptanceConfig) -> list[Check]:
    """Row C: error of the measured over-dispersion, and spread of Z where it is used."""
    path = Path(config.C.overdispersion)
    measured = Overdispersion.from_json(io.read_json(path), path)
    checks = []
    for number, (f, error) in enumerate(zip(measured.f, measured.f_error, strict=True)):
        what = f"error of f = {f:.3f} of score category {number + 1}, the loosest first"
        checks.append(Check(what, error, None, None, 0.035, measured.n_experiments))
    for name, z in (read_calibration(config.C.calibration).z_local or {}).items():
        what = f"sd of Z, local, {test_label(name)}"
        checks.append(Check(what, z.sd, z.sd_error, 0.95, 1.05, z.n))
    return checks


def global_p(result: Calibration) -> list[Check]:
    """Row E: global p-values of scans without signal."""
    p = result.p_global
    if p is None:
        return []
    share = Check(
        f"share of global p-values below {LEVEL}", p.fraction_below[LEVEL], p.error[LEVEL], None,
        0.08, p.n,
    )  # fmt: skip
    return [share, Check("KS p of global p-values", p.ks_p_value, None, 0.01, None, p.n)]


def injections(results: Iterable[Calibration]) -> list[Check]:
    """Row D_searches: bias of strengths and coverage in searches with injected signal."""
    checks = []
    for result in results:
        centre = "" if result.window is None else f"{sum(result.window) / 2000:g} TeV, "
        for name, summary in (result.injection or {}).items():
            checks += _injection(f"{centre}{test_label(name)}", summary)
    return checks


def _injection(at: str, summary: InjectionSummary) -> list[Check]:
    """Over all strengths together: each has few searches."""
    n = np.array(summary.n)
    pull = float(np.average(summary.pull_mean, weights=n))
    error = float(np.sqrt(np.sum((n * np.array(summary.pull_mean_error)) ** 2)) / n.sum())
    covered = float(np.average(summary.coverage, weights=n))
    spread = float(np.sqrt(covered * (1 - covered) / n.sum()))
    total = int(n.sum())
    return [
        Check(f"{at}: mean pull of the strength", pull, error, -0.2 - 2 * error, 0.2 + 2 * error,
              total),
        Check(f"{at}: coverage of 68% intervals", covered, spread, 0.63 - 2 * spread,
              0.73 + 2 * spread, total),
    ]  # fmt: skip


def blind(config: AcceptanceConfig) -> list[Check]:
    """Row G: searches of events that no setting was chosen on."""
    checks = []
    for what, path, low, high in (
        ("without signal", config.G.background, None, 2.0),
        ("with signal", config.G.signal, FOUND, None),
    ):
        best = SearchResult.from_json(io.read_json(Path(path)), path).best
        if best is not None:
            checks.append(
                Check(f"global Z {what}", best.z_global, best.z_global_error, low, high, 1)
            )
    return checks
