"""Tables of the exploration of dark-sector jets."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from anode.evaluation.dark_sector.describe import (
    SIGNAL,
    STANDARD_MODEL,
    DarkSectorDescription,
    FileSummary,
    Moments,
)
from anode.evaluation.dark_sector.summary_table import SliceResult
from anode.events.dark_sector.names import PARAMETERS
from anode.reporting.common.tables import MISSING


class PageTable(NamedTuple):
    """Cells as text.

    Attributes:
        header: name of each column.
        rows: cells of each row, as many as ``header``.
        caption: description of the rows; may be empty.
        words: True if the cells are text rather than numbers.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""
    words: bool = False


def files_table(files: Sequence[FileSummary]) -> PageTable:
    """Files and their sizes."""
    rows = [
        [each.name, f"{each.n_bytes:,}", f"{each.n_bytes / 2**20:.2f}", f"{each.n_jets:,}"]
        for each in files
    ]
    return PageTable(["file", "bytes", "MiB", "jets"], rows)


def structure_table(description: DarkSectorDescription) -> PageTable:
    """Datasets of the representative file."""
    rows = [[each.name, str(each.shape), each.dtype] for each in description.structure]
    return PageTable(["dataset", "shape", "type"], rows, description.representative)


def parameters_table(files: Sequence[FileSummary]) -> PageTable:
    """Parameters of each file."""
    rows = [
        [
            each.name,
            *(
                [each.point.text(param) for param in PARAMETERS]
                if each.point
                else [MISSING] * (len(PARAMETERS) - 1) + ["SM"]
            ),
        ]
        for each in files
    ]
    return PageTable(["file", *PARAMETERS], rows)


def counts_table(files: Sequence[FileSummary]) -> PageTable:
    """Dark jets and filled slots of each file."""
    rows = [
        [
            each.name,
            MISSING if each.n_events is None else f"{each.n_events:,}",
            f"{each.n_jets:,}",
            f"{each.n_dark:,}",
            f"{each.dark_fraction:.3f}",
            f"{each.filled:.3f}",
            f"{each.filled_first:.3f}",
        ]
        for each in files
    ]
    header = ["file", "events", "jets", "dark", "fraction", "slots filled", "first 2000 jets"]
    return PageTable(header, rows)


def moments_table(samples: Mapping[str, Mapping[str, Moments]], caption: str) -> PageTable:
    """Moments of both samples, feature by feature."""
    names = {SIGNAL: "signal", STANDARD_MODEL: "SM"}
    rows = [
        [
            feature,
            names[sample],
            f"{moments.n:,}",
            *(f"{value:.3f}" for value in moments[1:]),
        ]
        for feature in samples[SIGNAL]
        for sample, moments in ((s, samples[s][feature]) for s in (SIGNAL, STANDARD_MODEL))
    ]
    header = ["feature", "sample", "count", "mean", "std", "min", "max"]
    return PageTable(header, rows, caption)


def slices_table(results: Sequence[SliceResult], caption: str) -> PageTable:
    """The columns of the public tables, rounded."""
    rows = [
        [
            r.row.value,
            r.row.feature,
            f"{r.row.signal_count:,}",
            f"{r.row.mean_signal:.3f}",
            f"{r.row.mean_sm:.3f}",
            f"{r.row.delta_mean:+.3f}",
            f"{r.row.ks:.3f}",
        ]
        for r in results
    ]
    param = results[0].row.param
    header = [param, "feature", "dark jets", "mean", "mean SM", "difference", "KS"]
    return PageTable(header, rows, caption)


def significance_table(results: Sequence[SliceResult], caption: str) -> PageTable:
    """Errors, p-values and what is left after matching."""
    rows = [
        [
            r.row.value,
            r.row.feature,
            with_error(r.row.delta_mean, r.significance.delta_mean_error, 2),
            with_error(r.row.ks, r.significance.ks_error, 4),
            MISSING if r.significance.kuiper is None else f"{r.significance.kuiper:.4f}",
            p_from_log10(r.significance.log10_p),
            p_from_log10(r.significance.log10_p_trials),
            with_error(r.significance.ks_matched, r.significance.ks_matched_error, 4),
            p_from_log10(r.significance.log10_p_matched_trials),
        ]
        for r in results
    ]
    header = ["feature", "difference of means", "KS", "Kuiper", "p", "p, all tests"]
    header = [results[0].row.param, *header, "KS, pT matched", "p, all tests, pT matched"]
    return PageTable(header, rows, caption)


def with_error(value: float, error: float, digits: int) -> str:
    """A value with its error."""
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def p_from_log10(log10_p: float) -> str:
    """A p-value of any smallness from its logarithm.

    >>> p_from_log10(-0.5), p_from_log10(-4200.3), p_from_log10(0.0)
    ('0.32', '5e-4201', '1.00')
    """
    if log10_p > -3:
        return f"{10**log10_p:.2g}" if log10_p < -0.005 else "1.00"
    whole = int(log10_p // 1)
    leading = round(10 ** (log10_p - whole))
    return f"{leading}e{whole}" if leading < 10 else f"1e{whole + 1}"
