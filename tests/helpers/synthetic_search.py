"""Finished searches as ``anode search`` leaves them, with made-up but consistent numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from anode import io
from anode.seeding import stream
from anode.statistics.scan.search_result import SearchResult

EFFICIENCIES = (0.1, 0.01, 0.001)
EDGES = np.arange(2800.0, 8000.0 + 1, 50.0)
PEAK, WIDTH = 3500.0, 110.0
TRIALS = 25.0
"""Independent tests that the made-up global p-values stand for."""


def background(edges: np.ndarray = EDGES) -> np.ndarray:
    """(B,) events expected, a falling di-jet spectrum of about 400k events."""
    x = (edges[1:] + edges[:-1]) / 2 / 13000
    shape = (1 - x) ** 9 * x**-5.0
    return np.asarray(4e5 * shape / shape.sum())


def make_search(
    *, n_signal: float = 130.0, seed: int = 1, start: float = 3000.0
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Content of ``search.json`` and ``spectra.h5``: a bump of ``n_signal`` events at 3.5 TeV.

    Windows below 3.1 TeV have no fit. Without signal every count is what is expected, to half a
    standard deviation, and below it at the tighter cuts.
    """
    rng = stream(seed, "synthetic search")
    lows = np.arange(start, 5600 + 1, 100.0)
    efficiencies = (1.0, *EFFICIENCIES)
    every = background()
    signal = n_signal * np.diff(stats.norm.cdf(EDGES, PEAK, WIDTH))
    kept = {1.0: 1.0, 0.1: 0.8, 0.01: 0.55, 0.001: 0.3}
    shape = (len(lows), len(efficiencies), len(EDGES) - 1)
    counts, expected = np.zeros(shape), np.zeros(shape)
    used = np.ones((len(lows), len(EDGES) - 1), dtype=bool)
    rows = []
    inclusive = rng.poisson(every + signal).astype(float)
    for w, low in enumerate(lows):
        inside = (EDGES[:-1] >= low) & (EDGES[1:] <= low + 400)
        used[w] = ~inside
        for e, efficiency in enumerate(efficiencies):
            mean = efficiency * every
            counts[w, e] = rng.poisson(mean + kept[efficiency] * signal)
            if efficiency == 1:
                counts[w, e] = inclusive
            expected[w, e] = mean * (1 + 0.3 * rng.normal() / np.sqrt(mean.sum()))
            rows.append(
                _row(
                    rng,
                    float(low),
                    efficiency,
                    counts[w, e],
                    expected[w, e],
                    inside,
                    inclusive,
                    n_signal,
                )
            )
            counts[w, e][inside] = _with_sum(counts[w, e][inside], rows[-1]["n_observed"])
    search = _search(rows, lows, start, seed, int(inclusive.sum()), n_signal)
    spectra = {
        "edges": EDGES,
        "inclusive": inclusive,
        "counts": counts,
        "expected": expected,
        "used": used,
        "low": lows,
        "high": lows + 400,
        "efficiency": np.array(efficiencies),
    }
    return search, spectra


def as_result(content: dict[str, Any]) -> SearchResult:
    """The result of which this is the content of ``search.json``."""
    return SearchResult.from_json(content, "search.json")


def write_search(run_dir: Path, *, top_events: bool = True, **settings: Any) -> dict[str, Any]:
    """Write the run directory of a synthetic search; gives the content of ``search.json``."""
    search, spectra = make_search(**settings)
    io.write_json(run_dir / "search.json", search)
    io.write_hdf5(run_dir / "spectra.h5", spectra)
    io.write_json(run_dir / "manifest.json", MANIFEST)
    if top_events:
        best = search["best"]
        io.write_json(run_dir / "top_events.json", make_top_events(best["low"], best["high"]))
    return search


MANIFEST = {
    "command": "anode search method=anode run_dir=results/search/anode",
    "git_commit": "0123456789abcdef0123456789abcdef01234567",
    "git_dirty": False,
    "python": "3.11.9",
    "packages": {"torch": "2.13.0", "numpy": "2.4.6"},
}


def make_top_events(low: float, high: float, n: int = 10) -> dict[str, Any]:
    """Content of ``top_events.json``."""
    rng = stream(1, "top events")
    names = ("mj1", "mj2", "pt_1", "pt_2", "tau21_1", "tau21_2", "delta_r", "delta_eta")
    centers = (95, 490, 1650, 1620, 0.2, 0.25, 3.1, 0.4)

    def one(event: int, mass: float, rank: int) -> dict[str, Any]:
        values = {k: float(v * rng.uniform(0.9, 1.1)) for k, v in zip(names, centers, strict=True)}
        return {
            "event_id": event,
            "mass": mass,
            "score": 9.0 - 0.31 * rank,
            "window": [low, high],
            "log10_efficiency": -5.2 + 0.15 * rank,
            "features": values,
        }

    return {
        "units": dict(zip(names, ("GeV", "GeV", "GeV", "GeV", "", "", "", ""), strict=True)),
        "overall": [one(70001 + 37 * i, float(rng.uniform(3000, 6000)), i) for i in range(n)],
        "hotspot": [one(90001 + 53 * i, float(rng.uniform(low, high)), i) for i in range(n)],
    }


def _row(
    rng: np.random.Generator,
    low: float,
    efficiency: float,
    counts: np.ndarray,
    expected: np.ndarray,
    inside: np.ndarray,
    inclusive: np.ndarray,
    n_signal: float,
) -> dict[str, Any]:
    n_expected, error = (
        float(expected[inside].sum()),
        float(0.25 * np.sqrt(expected[inside].sum())),
    )
    observed = float(counts[inside].sum())
    if not n_signal:
        observed = float(np.round(n_expected + rng.uniform(-0.5, 0.5) * np.sqrt(n_expected)))
        if efficiency < 0.1:
            observed = float(np.floor(n_expected))
    z, p = _significance(observed, n_expected, error)
    from_fit = bool(low >= 3100 or n_signal == 0)
    template = None
    if efficiency < 1:
        other = n_expected + float(np.clip(rng.normal(), -1, 1)) * error
        z_template, p_template = _significance(observed, other, 1.4 * error)
        template = {
            "efficiency": efficiency * 1.01,
            "efficiency_error": 0.03 * efficiency,
            "n_expected": other,
            "n_expected_error": 1.4 * error,
            "p_local": p_template,
            "z_local": z_template,
        }
    spread = float(np.hypot(np.sqrt(n_expected), error))
    median = 1.96 * spread
    return {
        "low": low,
        "high": low + 400,
        "efficiency": efficiency,
        "n_observed": int(observed),
        "n_expected": n_expected,
        "n_expected_error": error,
        "p_local": p,
        "z_local": z,
        "n_total": int(inclusive[inside].sum()),
        "threshold": None if efficiency == 1 else -float(np.log10(efficiency)) + 0.4,
        "expected_from": "fit" if from_fit else "template",
        "tested": from_fit,
        "reason": None if from_fit else "fewer than 6 bins below the window can be fitted",
        "significance_from": "exact" if n_expected < 25 else "asymptotic",
        "fit": {
            "n_parameters": 5,
            "deviance": 98.0,
            "ndf": 92,
            "p_value": float(rng.uniform(0.05, 1)),
            "p_value_with_signal": 0.5,
        }
        if from_fit
        else None,
        "template": template,
        "strength": {
            "n_signal": observed - n_expected,
            "error_low": spread,
            "error_high": 1.05 * spread,
        },
        "limit": {
            "observed": max(observed - n_expected, -0.7 * spread) + median,
            "expected": [median * factor for factor in (0.53, 0.72, 1.0, 1.39, 1.86)],
        },
    }


def _search(
    rows: Sequence[dict[str, Any]],
    lows: np.ndarray,
    start: float,
    seed: int,
    n_events: int,
    n_signal: float,
) -> dict[str, Any]:
    tested = [row for row in rows if row["tested"]]
    cut = max((row for row in tested if row["efficiency"] < 1), key=lambda row: row["z_local"])
    uncut = max((row for row in tested if row["efficiency"] == 1), key=lambda row: row["z_local"])
    rng = stream(seed, "tests of a search")
    flat = [(low, e) for low in lows for e in EFFICIENCIES]
    return {
        "method": "anode",
        "title": "ANODE",
        "seed": seed,
        "data": {
            "source": "events.h5",
            "files": ["events.h5"],
            "file_sha256": ["ab" * 32],
            "sha256": "ab" * 32,
            "n_data": n_events,
            "n_extra": 0,
            "n_data_signal": None,
        },
        "n_events": n_events,
        "n_dropped": 0,
        "scan": {"start": start, "stop": 6000.0, "width": 400.0, "step": 100.0},
        "fit_range": [2800.0, 8000.0],
        "bin_width": 50.0,
        "efficiencies": list(EFFICIENCIES),
        "template_source": "sampled",
        "sideband_folds": 1,
        "windows": list(rows),
        "overdispersion": {
            "method": "anode",
            "efficiencies": list(EFFICIENCIES),
            "f": [1.1, 1.1, 1.0][: len(EFFICIENCIES)],
            "f_error": [0.08] * len(EFFICIENCIES),
            "f_inclusive": [1.1, 1.1, 1.0][: len(EFFICIENCIES)],
            "f_inclusive_error": [0.08] * len(EFFICIENCIES),
            "rate": [0.09, 0.009, 0.001][: len(EFFICIENCIES)],
            "correlation": [[float(i == j) for i in EFFICIENCIES] for j in EFFICIENCIES],
            "n_experiments": 100,
            "n_events": 2000,
            "n_template": 20000,
            "low": 3300.0,
            "high": 3700.0,
            "key": "ab",
        },
        "combined": [_combined(rows, float(low)) for low in lows],
        "best": _global(cut, "categories"),
        "best_inclusive": _global(uncut, "no cut"),
        "resonance": {
            "mass": 3507.3,
            "mass_error": 14.6,
            "n_signal": 44.2,
            "error_low": 10.8,
            "error_high": 11.6,
            "p_value": 2.1e-5,
            "z": 4.1,
            "p_value_background": 0.012,
            "p_value_with_signal": 0.41,
            "scale_pull": 0.2,
            "width_pull": -0.3,
        }
        if n_signal
        else None,
        "global": {"n_toys": 1000, "n_tests": len(tested), "levels": _levels()},
        "bump_hunter": {
            "inclusive": _bump(3300.0, 3700.0, 0.01, 0.2, 0.84),
            "selected": _bump(3350.0, 3650.0, 1e-5, 0.001, 3.1),
        },
        "cuts_not_fixed": [],
        "independence": [
            {
                "low": float(low),
                "high": float(low) + 400,
                "pearson": 0.004,
                "pearson_error": 0.006,
                "pass_rate_chi2": 8.1,
                "ndf": 9,
                "p_value": float(rng.uniform(0.05, 1)),
            }
            for low in lows
        ],
        "sculpting": [
            {
                "low": float(low),
                "high": float(low) + 400,
                "efficiency": e,
                "chi2": 41.0,
                "ndf": 39,
                "p_value": float(rng.uniform(0.05, 1)),
                "smooth_p_value": float(rng.uniform(0.05, 1)),
                "jensen_shannon": 0.001,
                "rate_low": e,
                "rate_high": e,
            }
            for low, e in flat
        ],
        "skipped": [],
        "conclusion": None,
        "seconds": 754.2,
        "cpu_seconds": 1406.0,
    }


def _bump(low: float, high: float, p_local: float, p_global: float, z: float) -> dict[str, float]:
    return {"low": low, "high": high, "p_local": p_local, "p_global": p_global, "z_global": z}


def _combined(rows: Sequence[dict[str, Any]], low: float) -> dict[str, Any]:
    """All categories of a window; as significant as its best cut."""
    own = [row for row in rows if row["low"] == low and row["efficiency"] < 1]
    tested = [row for row in own if row["tested"]]
    best = max(tested, key=lambda row: row["z_local"], default=None)
    ends = [*[row["efficiency"] for row in own][1:], 0.0]
    categories = [
        {
            "loosest": row["efficiency"],
            "tightest": end,
            "n_observed": row["n_observed"],
            "n_expected": row["n_expected"],
            "n_expected_error": row["n_expected_error"],
            "overdispersion": 1.08,
            "strength": row["strength"]["n_signal"],
            "z_local": row["z_local"],
            "significance_from": row["significance_from"],
        }
        for row, end in zip(own, ends, strict=True)
        if row["tested"]
    ]
    return {
        "low": low,
        "high": low + 400,
        "categories": categories,
        "p_local": None if best is None else best["p_local"],
        "z_local": None if best is None else best["z_local"],
        "reason": own[0]["reason"] if best is None else None,
    }


def _global(row: dict[str, Any], test: str) -> dict[str, Any]:
    p = float(-np.expm1(TRIALS * np.log1p(-min(row["p_local"], 1 - 1e-9))))
    few = p * 1000 < 1
    p = 0.003 if few else max(p, 1e-3)
    error = 0.0 if few else float(np.sqrt(p * (1 - p) / 1000))
    z = float(stats.norm.isf(p))
    return {
        **row,
        "test": test,
        "p_test": row["p_local"],
        "z_test": row["z_local"],
        "p_global": p,
        "p_global_error": error,
        "z_global": z,
        "z_global_error": error / float(stats.norm.pdf(z)),
        "p_global_from": "above toys" if few else "toys",
    }


def _levels() -> dict[str, float]:
    p = stats.norm.sf([1, 2, 3])
    needed = stats.norm.isf(-np.expm1(np.log1p(-p) / TRIALS))
    return {str(k + 1): float(z) for k, z in enumerate(needed)}


def _significance(observed: float, expected: float, error: float) -> tuple[float, float]:
    z = (observed - expected) / np.hypot(np.sqrt(expected), error)
    return float(z), float(stats.norm.sf(z))


def _with_sum(counts: np.ndarray, total: float) -> np.ndarray:
    """The same counts with a remainder put into, or taken from, the fullest bins."""
    counts = counts.copy()
    missing = total - counts.sum()
    if missing > 0:
        counts[np.argmax(counts)] += missing
    while missing < 0:
        fullest = np.argmax(counts)
        taken = min(-missing, counts[fullest])
        counts[fullest] -= taken
        missing += taken
    return counts
