"""Report of a finished search: a page of its own, the same in Markdown, and figures."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from omegaconf import DictConfig

from anode import io
from anode.configuration.builder import build, resolve
from anode.errors import DataError, RunDirectoryError
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.search.config import load_search, settings_key
from anode.pipeline.search.search_directory import AGAIN, SearchDirectory
from anode.reporting.common.number_format import p_is_math
from anode.reporting.common.style import remove_figure, save_figure
from anode.reporting.search.pass_rate_figure import pass_rate_figure
from anode.reporting.search.report import CAPTIONS, Report, as_html, as_markdown, make_report
from anode.reporting.search.scan_figures import LimitLine, ScanLine, limits_figure, local_p_figure
from anode.reporting.search.spectrum_figures import (
    ALL,
    CutSpectrum,
    best_window_figure,
    spectra_figure,
)
from anode.reporting.search.warnings import warnings
from anode.statistics.calibration.result import Calibration
from anode.statistics.fits.dijet_function import fit_error
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.top_events import TopEvents
from anode.statistics.scan.window_result import LargestExcess, WindowTest


class _StoredSpectra(NamedTuple):
    """What figures need of ``spectra.h5``: W windows at C cuts, the first of which is none, in B
    bins.

    Attributes:
        edges: (B+1,) edges of the bins [GeV].
        inclusive: (B,) events without a cut.
        counts: (W, C, B) events that pass.
        expected: (W, C, B) background events of the fits.
        used: (W, B) bins of each window's fit.
        low, high: (W,) edges of the windows [GeV].
        efficiency: (C,) nominal fractions of background.
    """

    edges: np.ndarray
    inclusive: np.ndarray
    counts: np.ndarray
    expected: np.ndarray
    used: np.ndarray
    low: np.ndarray
    high: np.ndarray
    efficiency: np.ndarray


@dataclass(frozen=True)
class ReportConfig:
    """Keys of ``configs/report.yaml``.

    Attributes:
        run_dir: folder of a finished search.
        output: folder of the report, with ``search.json`` and ``top_events.json`` beside it;
            None for the folder of the search.
        calibrated: ``calibration.json`` of the same method, whose findings are warned of; None for
            the one in the folder of the search, if there is one.
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
        folder: folder of the search.
        output: folder of the report, if it is to stand elsewhere, with the numbers it is made of.
        calibration: ``calibration.json`` of the method, if it lies elsewhere.

    Raises:
        RunDirectoryError, DataError: as ``report``.
    """
    directory = SearchDirectory(folder)
    search = read_search(folder)
    directory.check(search)
    spectra = _read_spectra(directory.spectra)
    known = calibration or folder / "calibration.json"
    calibrated = None
    if calibration or known.is_file():
        calibrated = Calibration.from_json(io.read_json(known), known)
    settings = settings_key(load_search(directory.config)) if directory.config.is_file() else None
    output = folder if output is None else output
    cuts = _cuts(search, spectra)
    made = make_report(
        search,
        warnings(search, calibrated, settings=settings),
        figures=_draw(search, spectra, cuts, output / "figures"),
        cuts=cuts,
        top_events=_top_events(directory.top_events),
        manifest=directory.read_manifest(),
    )
    io.write_text(output / "report.md", as_markdown(made))
    io.write_text(output / "report.html", as_html(made, output / "figures"))
    if output != folder:
        for name in ("search.json", "top_events.json", "workspace.json"):
            if (folder / name).is_file():
                with io.atomic_path(output / name) as temporary:  # by which its seal stays
                    shutil.copyfile(folder / name, temporary)
            else:
                (output / name).unlink(missing_ok=True)
    return made


def read_search(folder: Path) -> SearchResult:
    """What the search in a folder has found.

    Raises:
        RunDirectoryError: there is none; the message says what there is and what to do.
        DataError: ``search.json`` is not JSON, or a key is missing or of the wrong kind.
    """
    path = folder / "search.json"
    make = f"anode search run_dir={folder}"
    if not folder.is_dir():
        raise RunDirectoryError(f"there is no folder {folder}; a search is made by {make}")
    if not path.is_file():
        run = RunDirectory(folder)
        if (folder / "windows").is_dir():
            raise RunDirectoryError(f"the search in {folder} is not finished; go on with {make}")
        if run.metrics.is_file() or run.config.is_file():
            raise RunDirectoryError(
                f"{folder} holds a run in one signal region, and a report is made of a search "
                "over many: expected search.json, found none; make one with "
                "anode search run_dir=ANOTHER_FOLDER and the settings of this run"
            )
        raise RunDirectoryError(f"{folder} has no search.json; a search is made by {make}")
    try:
        return SearchDirectory(folder).read_result()
    except DataError as error:
        raise DataError(f"{error}; make it again with {make}") from None


def _top_events(path: Path) -> TopEvents | None:
    return TopEvents.from_json(io.read_json(path, remedy=AGAIN), path) if path.is_file() else None


def _read_spectra(path: Path) -> _StoredSpectra:
    needed = _StoredSpectra._fields
    with io.open_hdf5(path, remedy=AGAIN) as file:
        if missing := [name for name in needed if name not in file]:
            lack = f"{', '.join(needed)}, but {', '.join(missing)} missing"
            raise DataError(f"{path}: expected the data sets {lack}; make the search again")
        return _StoredSpectra(*(file[name][()] for name in needed))


def _cuts(search: SearchResult, spectra: _StoredSpectra) -> list[CutSpectrum]:
    """Spectra of the window of the largest excess, the loosest cut first."""
    best = search.best or search.best_inclusive
    if best is None:
        return []
    efficiencies = [1.0, *sorted(search.efficiencies, reverse=True)]
    return [cut for e in efficiencies if (cut := _cut(search, spectra, best, e)) is not None]


def _draw(
    search: SearchResult, spectra: _StoredSpectra, cuts: list[CutSpectrum], folder: Path
) -> list[str]:
    """Write every figure that the search has something for, and remove others; their names."""
    efficiencies = [1.0, *sorted(search.efficiencies, reverse=True)]
    rows = {efficiency: search.at(efficiency) for efficiency in efficiencies}
    scan = [_scan_line(e, tests) for e, tests in rows.items() if tests]
    if combined := [test for test in search.combined if test.p_local is not None]:
        p_local = np.array([test.p_local for test in combined], dtype=float)
        mass = np.array([test.mass for test in combined])
        scan.append(ScanLine(ALL, mass, p_local, np.ones(len(combined), dtype=bool)))
    limits = [_limit_line(e, tests) for e, tests in rows.items() if tests]
    drawn = {"scan": local_p_figure(scan, search.toys.levels)}
    if any(len(line.observed) for line in limits):
        drawn["limits"] = limits_figure(limits)
    best = search.best or search.best_inclusive
    if best is not None:
        chosen = [cut for cut in cuts if cut.efficiency == best.efficiency]
        uncut = [cut for cut in cuts if cut.efficiency >= 1 and best.efficiency < 1]
        if chosen:
            drawn["spectrum"] = best_window_figure(chosen[0], *uncut)
            drawn["spectra"] = spectra_figure(cuts)
        passing = [cut for cut in cuts if cut.efficiency < 1]
        if passing:
            drawn["sculpting"] = pass_rate_figure(
                spectra.edges,
                spectra.inclusive,
                [(cut.efficiency, cut.counts) for cut in passing],
                (best.low, best.high),
                [_flatness(search, best, cut.efficiency) for cut in passing],
            )
    for name in CAPTIONS.keys() - drawn.keys():
        remove_figure(folder / name)
    for name, figure in drawn.items():
        save_figure(figure, folder / name)
    return list(drawn)


def _scan_line(efficiency: float, rows: list[WindowTest]) -> ScanLine:
    return ScanLine(
        efficiency,
        np.array([row.mass for row in rows]),
        np.array([row.p_local for row in rows]),
        np.array([row.tested for row in rows]),
    )


def _limit_line(efficiency: float, rows: list[WindowTest]) -> LimitLine:
    limited = [row for row in rows if row.limit is not None]
    limits = [(row.mass, row.limit) for row in rows if row.limit is not None]
    return LimitLine(
        efficiency,
        np.array([mass for mass, _ in limits]),
        np.array([limit.observed for _, limit in limits], dtype=float),
        np.array([limit.expected for _, limit in limits], dtype=float).reshape(-1, 5),
        np.array([row.n_expected_error / max(row.n_expected, 1e-9) ** 0.5 for row in limited]),
        np.array([_n_parameters(row) for row in limited]),
    )


def _n_parameters(row: WindowTest) -> int:
    """Of the function that the expected background comes from; 0 for the template."""
    return row.fit.n_parameters if row.expected_from == "fit" and row.fit is not None else 0


def _cut(
    search: SearchResult, spectra: _StoredSpectra, best: LargestExcess, efficiency: float
) -> CutSpectrum | None:
    """Spectrum of the best window at one efficiency; None if it was not stored."""
    of_window = np.flatnonzero((spectra.low == best.low) & (spectra.high == best.high))
    of_cut = np.flatnonzero(np.isclose(spectra.efficiency, efficiency))
    rows = [row for row in search.at(efficiency) if row.same_window(best)]
    if not (len(of_window) and len(of_cut) and rows):
        return None
    row, w, e = rows[0], of_window[0], of_cut[0]
    expected = np.where(spectra.expected[w, e] > 0, spectra.expected[w, e], np.nan)
    used = spectra.used[w].astype(bool)
    error = np.full(len(expected), np.nan)
    if row.fit is not None:
        error = fit_error(expected, spectra.edges, used, row.fit.n_parameters)
    else:
        expected = error
    return CutSpectrum(
        efficiency,
        spectra.edges,
        spectra.counts[w, e],
        expected,
        error,
        used,
        (row.low, row.high),
        row.n_observed,
        row.n_expected,
        row.n_expected_error,
        row.z_local,
    )


def _flatness(search: SearchResult, best: LargestExcess, efficiency: float) -> str:
    """Test of a flat pass rate, for a legend; empty if it was not made."""
    for test in search.sculpting:
        if test.same_window(best) and np.isclose(test.efficiency, efficiency):
            p = p_is_math(test.p_value)
            return rf"$\chi^2$/ndf = {test.chi2:.1f}/{test.ndf}, {p}"
    return ""
