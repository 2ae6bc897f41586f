"""From a finished search to its report: a page of its own, the same in Markdown, and figures."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig

from anode import io
from anode.configuration.builder import build, resolve
from anode.errors import DataError, RunDirectoryError
from anode.pipeline.runs.run_directory import RunDirectory
from anode.reporting.common.number_format import p_math
from anode.reporting.common.style import remove_figure, save_figure
from anode.reporting.search.pass_rate_figure import pass_rate_figure
from anode.reporting.search.report import CAPTIONS, Report, as_html, as_markdown, make_report
from anode.reporting.search.scan_figures import LimitLine, ScanLine, limits_figure, local_p_figure
from anode.reporting.search.spectrum_figures import CutSpectrum, best_window_figure, spectra_figure
from anode.reporting.search.warnings import warnings
from anode.statistics.fits.dijet_function import fit_error
from anode.statistics.scan.search_result import Row, Search, rows_at, same_window

KEYS = (
    "method", "title", "seed", "data", "n_events", "n_dropped", "scan", "fit_range", "bin_width",
    "efficiencies", "windows", "skipped", "best", "best_inclusive", "resonance", "global",
    "sculpting", "seconds", "cpu_seconds",
)  # fmt: skip
"""What a report needs of ``search.json``."""
_SPECTRA = ("edges", "inclusive", "counts", "expected", "used", "low", "high", "efficiency")


@dataclass(frozen=True)
class ReportConfig:
    """Keys of ``configs/report.yaml``.

    Attributes:
        run_dir: folder of a finished search.
        output: where the report goes, with ``search.json`` and ``top_events.json`` beside it;
            None for the folder of the search.
        calibrated: a ``calibration.json`` of the same method, whose findings are warned of; None
            for the one in the folder of the search, if there is one.
    """

    run_dir: str
    output: str | None
    calibrated: str | None


def parse_report(raw: DictConfig) -> ReportConfig:
    """Check Hydra's configuration of a report.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    return build(ReportConfig, resolve(raw))


def report(config: ReportConfig) -> None:
    """Write ``report.html``, ``report.md`` and ``figures/`` of a search, and print its verdict.

    Raises:
        RunDirectoryError: the folder holds no finished search.
        DataError: a file of it is broken.
    """
    folder = Path(config.run_dir)
    output = folder if config.output is None else Path(config.output)
    known = None if config.calibrated is None else Path(config.calibrated)
    made = write_report(folder, output, known)
    print(made.verdict)
    for warning in made.warnings:
        print(f"- {warning.text}")
    print(f"report: {output / 'report.html'}")


def write_report(
    folder: Path, output: Path | None = None, calibration: Path | None = None
) -> Report:
    """The same without a word; what it says.

    Args:
        folder: of the search.
        output: for the report, if it is to stand elsewhere, with the numbers it is made of.
        calibration: of the method, if it lies elsewhere.

    Raises:
        RunDirectoryError, DataError: as ``report``.
    """
    search = read_search(folder)
    spectra = _read_spectra(folder / "spectra.h5")
    output = folder if output is None else output
    drawn = _draw(search, spectra, output / "figures")
    calibrated = _optional(folder / "calibration.json")
    if calibration is not None:
        calibrated = io.read_json(calibration)
    made = make_report(
        search,
        warnings(search, calibrated),
        figures=drawn,
        top_events=_optional(folder / "top_events.json"),
        manifest=_optional(folder / "manifest.json"),
    )
    io.write_text(output / "report.md", as_markdown(made))
    io.write_text(output / "report.html", as_html(made, output / "figures"))
    if output != folder:
        for name in ("search.json", "top_events.json", "workspace.json"):
            if (content := _optional(folder / name)) is not None:
                io.write_json(output / name, content)
            else:
                (output / name).unlink(missing_ok=True)
    return made


def read_search(folder: Path) -> Search:
    """Content of the ``search.json`` of a run directory.

    Raises:
        RunDirectoryError: there is none; the message says what there is and what to do.
        DataError: it is not JSON, or lacks a key.
    """
    path = folder / "search.json"
    make = f"python scripts/search.py run_dir={folder}"
    if not folder.is_dir():
        raise RunDirectoryError(f"there is no folder {folder}; a search is made by {make}")
    if not path.is_file():
        run = RunDirectory(folder)
        if (folder / "windows").is_dir():
            raise RunDirectoryError(f"the search in {folder} is not finished; go on with {make}")
        if run.metrics.is_file() or run.config.is_file():
            raise RunDirectoryError(
                f"{folder} holds a run in one signal region, and a report is made of a search "
                "over many: expected search.json, found none; make one with python "
                "scripts/search.py run_dir=ANOTHER_FOLDER and the settings of this run"
            )
        raise RunDirectoryError(f"{folder} has no search.json; a search is made by {make}")
    search: Search = io.read_json(path)
    missing = [key for key in KEYS if not isinstance(search, dict) or key not in search]
    if missing:
        raise DataError(
            f"{path}: a search has the keys {', '.join(KEYS)}, but {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} missing; make it again with {make}"
        )
    return search


def _optional(path: Path) -> Any:
    return io.read_json(path) if path.is_file() else None


def _read_spectra(path: Path) -> dict[str, np.ndarray]:
    with io.open_hdf5(path) as file:
        missing = [name for name in _SPECTRA if name not in file]
        if missing:
            raise DataError(
                f"{path}: expected the data sets {', '.join(_SPECTRA)}, but "
                f"{', '.join(missing)} missing; make the search again"
            )
        return {name: file[name][()] for name in _SPECTRA}


def _draw(search: Search, spectra: dict[str, np.ndarray], folder: Path) -> list[str]:
    """Write every figure that the search has something for, and remove others; their names."""
    efficiencies = [1.0, *sorted(search["efficiencies"], reverse=True)]
    rows = {efficiency: rows_at(search, efficiency) for efficiency in efficiencies}
    levels = {int(k): float(z) for k, z in search["global"]["levels"].items() if z is not None}
    scan = [_scan_line(e, found) for e, found in rows.items() if found]
    limits = [_limit_line(e, found) for e, found in rows.items() if found]
    drawn = {"scan": local_p_figure(scan, levels)}
    if any(len(line.observed) for line in limits):
        drawn["limits"] = limits_figure(limits)
    best = search["best"] or search["best_inclusive"]
    if best is not None:
        cuts = [cut for e in efficiencies if (cut := _cut(search, spectra, best, e)) is not None]
        chosen = [cut for cut in cuts if cut.efficiency == best["efficiency"]]
        uncut = [cut for cut in cuts if cut.efficiency >= 1 and best["efficiency"] < 1]
        if chosen:
            drawn["spectrum"] = best_window_figure(chosen[0], *uncut)
            drawn["spectra"] = spectra_figure(cuts)
        passing = [cut for cut in cuts if cut.efficiency < 1]
        if passing:
            drawn["sculpting"] = pass_rate_figure(
                spectra["edges"],
                spectra["inclusive"],
                [(cut.efficiency, cut.counts) for cut in passing],
                (best["low"], best["high"]),
                [_flatness(search, best, cut.efficiency) for cut in passing],
            )
    for name in CAPTIONS.keys() - drawn.keys():
        remove_figure(folder / name)
    for name, figure in drawn.items():
        save_figure(figure, folder / name)
    return list(drawn)


def _scan_line(efficiency: float, rows: list[Row]) -> ScanLine:
    return ScanLine(
        efficiency,
        np.array([(row["low"] + row["high"]) / 2 for row in rows]),
        np.array([np.nan if row["p_local"] is None else row["p_local"] for row in rows]),
        np.array([bool(row["tested"]) for row in rows]),
    )


def _limit_line(efficiency: float, rows: list[Row]) -> LimitLine:
    known = [row for row in rows if row["limit"] is not None]
    return LimitLine(
        efficiency,
        np.array([(row["low"] + row["high"]) / 2 for row in known]),
        np.array([row["limit"]["observed"] for row in known], dtype=float),
        np.array([row["limit"]["expected"] for row in known], dtype=float).reshape(-1, 5),
        np.array([row["n_expected_error"] / max(row["n_expected"], 1e-9) ** 0.5 for row in known]),
        np.array([_n_parameters(row) for row in known]),
    )


def _n_parameters(row: Row) -> int:
    """Of the function that the expected background comes from; 0 for the template."""
    return int(row["fit"]["n_parameters"]) if row["expected_from"] == "fit" else 0


def _cut(
    search: Search, spectra: dict[str, np.ndarray], best: Row, efficiency: float
) -> CutSpectrum | None:
    """Spectrum of the best window at one efficiency; None if it was not stored."""
    of_window = np.flatnonzero((spectra["low"] == best["low"]) & (spectra["high"] == best["high"]))
    of_cut = np.flatnonzero(np.isclose(spectra["efficiency"], efficiency))
    rows = [row for row in rows_at(search, efficiency) if same_window(row, best)]
    if not (len(of_window) and len(of_cut) and rows):
        return None
    row, w, e = rows[0], of_window[0], of_cut[0]
    expected = np.where(spectra["expected"][w, e] > 0, spectra["expected"][w, e], np.nan)
    used = spectra["used"][w].astype(bool)
    error = np.full(len(expected), np.nan)
    if row["fit"] is not None:
        error = fit_error(expected, spectra["edges"], used, row["fit"]["n_parameters"])
    else:
        expected = error
    return CutSpectrum(
        efficiency,
        spectra["edges"],
        spectra["counts"][w, e],
        expected,
        error,
        used,
        (row["low"], row["high"]),
        row["n_observed"],
        row["n_expected"],
        row["n_expected_error"],
        row["z_local"],
    )


def _flatness(search: Search, best: Row, efficiency: float) -> str:
    """Test of a flat pass rate, for a legend; empty if it was not made."""
    for test in search["sculpting"]:
        if same_window(test, best) and np.isclose(test["efficiency"], efficiency):
            p = p_math(test["p_value"])
            return rf"$\chi^2$/ndf = {test['chi2']:.1f}/{test['ndf']}, $p$ = {p}"
    return ""
