"""Rows of the acceptance table that are judged from whole searches, which other commands make."""

from pathlib import Path

from anode import io
from anode.reporting.search.calibration_tables import test_label
from anode.statistics.calibration.acceptance import Check
from anode.statistics.calibration.result import Calibration
from anode.statistics.calibration.uniformity import Spread, Uniformity

LEVEL = "0.05"


def read_calibration(path: Path) -> Calibration:
    """The content of a ``calibration.json``.

    Raises:
        DataError: there is none, it is not JSON, or a key is missing or of the wrong kind.
    """
    return Calibration.from_json(io.read_json(path), path)


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


def cost(result: Calibration) -> float | None:
    """CPU time of all searches of a calibration [s]; None where it does not say."""
    if result.cpu_seconds is None:
        return None
    return result.cpu_seconds * result.n_experiments * len(result.injections)
