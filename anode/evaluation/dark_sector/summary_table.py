"""Tables ``summary_rinv.tsv`` and ``summary_alpha.tsv``: a slice and a feature a row.

The first nine columns are those of the public exploration; numbers have all their digits, so that
reading and writing a file gives the same bytes. Ours have further columns behind them.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from anode.errors import DataError

DELIMITER = "\t"


class SliceRow(NamedTuple):
    """One feature of the dark jets of a slice beside all Standard Model jets.

    Attributes:
        param: parameter that the slice fixes, "rinv" or "alpha".
        value: its value.
        feature: name of the feature.
        signal_count, sm_count: numbers of jets.
        mean_signal, mean_sm: means.
        delta_mean: mean_signal - mean_sm.
        ks: largest difference of the distribution functions.
    """

    param: str
    value: str
    feature: str
    signal_count: int
    sm_count: int
    mean_signal: float
    mean_sm: float
    delta_mean: float
    ks: float


class Significance(NamedTuple):
    """What the differences of a row mean.

    Attributes:
        delta_mean_error: standard error of delta_mean.
        ks_error: standard error of ks.
        log10_p: log10 of the p-value of the distance, for an angle that of Kuiper.
        log10_p_trials: the same after the trials factor of all tests of the exploration.
        kuiper: Kuiper's distance of an angle; None for other features.
        ks_matched: ks after the pT of the Standard Model jets is matched to the signal's.
        ks_matched_error: standard error of ks_matched.
        log10_p_matched_trials: log10 of the p-value of ks_matched after the trials factor.
    """

    delta_mean_error: float
    ks_error: float
    log10_p: float
    log10_p_trials: float
    kuiper: float | None
    ks_matched: float
    ks_matched_error: float
    log10_p_matched_trials: float


class SliceResult(NamedTuple):
    """A row of a table and what it means."""

    row: SliceRow
    significance: Significance


def format_rows(rows: Sequence[SliceRow]) -> str:
    """The nine columns of the public tables."""
    return _format(SliceRow._fields, rows)


def format_results(results: Sequence[SliceResult]) -> str:
    """All columns, the nine first."""
    header = (*SliceRow._fields, *Significance._fields)
    return _format(header, [(*result.row, *result.significance) for result in results])


def parse_rows(text: str, source: str = "table") -> list[SliceRow]:
    """The nine columns of a table; further ones are ignored.

    Args:
        text: content of the file.
        source: name of the file, for errors.

    Raises:
        DataError: a column is missing, or a number is none.
    """
    header, *lines = list(csv.reader(io.StringIO(text), delimiter=DELIMITER)) or [[]]
    expected = list(SliceRow._fields)
    if header[: len(expected)] != expected:
        raise DataError(
            f"{source}: the first columns must be {', '.join(expected)}, got {', '.join(header)}"
        )
    kinds = [SliceRow.__annotations__[name] for name in expected]
    rows = []
    for number, line in enumerate(lines, start=2):
        try:
            values = [kind(cell) for kind, cell in zip(kinds, line, strict=False)]
            rows.append(SliceRow(*values))
        except (ValueError, TypeError) as error:
            raise DataError(f"{source}: cannot read line {number} ({error})") from None
    return rows


def read_rows(path: Path) -> list[SliceRow]:
    """The nine columns of a file.

    Raises:
        DataError: as ``parse_rows``, or there is no such file.
    """
    if not path.is_file():
        raise DataError(f"cannot read {path}: there is no such file")
    return parse_rows(path.read_text(encoding="utf-8"), str(path))


def _format(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = [header, *([_cell(value) for value in row] for row in rows)]
    return "".join(DELIMITER.join(line) + "\n" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    return repr(float(value)) if isinstance(value, float) else str(value)
