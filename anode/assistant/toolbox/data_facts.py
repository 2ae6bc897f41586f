"""Facts of files and proposals: what tools return, read from what commands leave. What only labels
say is there only if it is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anode import io
from anode.errors import DataError
from anode.events.readers.tables.config import HEAVIEST_GEV, LIGHTEST_GEV
from anode.pipeline.datasets.features_manifest import read_features_manifest


@dataclass(frozen=True)
class FaultFact:
    """Rows that break a rule: file, column, rule in words, number, first of them."""

    source: str
    column: str
    rule: str
    n: int
    rows: list[int]


@dataclass(frozen=True)
class ColumnFact:
    """A feature.

    Attributes:
        name, unit: name, and unit, "" without one.
        low, median, high: least, median and greatest value.
        ks: Kolmogorov-Smirnov distance between the regions that were compared; None without.
    """

    name: str
    unit: str
    low: float | None
    median: float | None
    high: float | None
    ks: float | None


@dataclass(frozen=True)
class DataFacts:
    """What is in a file.

    Attributes:
        folder: folder of the card and its figures.
        n_rows, n_faulty, n_repeated: rows, those that break a rule, those that occurred before.
        faults: broken rules.
        mass_low, mass_median, mass_high: least, median and greatest m_jj [GeV].
        mass_doubt: why the masses may be in another unit than GeV; None without a doubt.
        features: features of the rows without fault.
        has_labels: whether the file says which events are signal.
        n_background, n_signal: what labels say, if they were asked for.
    """

    folder: str
    n_rows: int
    n_faulty: int
    n_repeated: int
    faults: list[FaultFact]
    mass_low: float | None
    mass_median: float | None
    mass_high: float | None
    mass_doubt: str | None
    features: list[ColumnFact]
    has_labels: bool
    n_background: int | None
    n_signal: int | None


def data_facts(path: Path, shown: str, *, labels: bool) -> DataFacts:
    """Facts of ``card.json``.

    Raises:
        DataError: there is none, or it is not one.
    """
    card = _read(path / "card.json")
    mass, *columns = card["derived"]
    everything = card["regions"][-1]
    ks = {one["name"]: (one.get("all_events") or {}).get("ks") for one in card["features"]}
    return DataFacts(
        folder=shown,
        n_rows=card["n_rows"],
        n_faulty=card["n_faulty"],
        n_repeated=card["repeated_rows"]["n"],
        faults=[FaultFact(**fault) for fault in card["faults"]],
        mass_low=mass["low"],
        mass_median=_median(mass),
        mass_high=mass["high"],
        mass_doubt=_doubt(_median(mass)),
        features=[
            ColumnFact(c["name"], c["unit"], c["low"], _median(c), c["high"], ks.get(c["name"]))
            for c in columns
        ],
        has_labels=card["has_labels"],
        n_background=everything["n_background"] if labels else None,
        n_signal=everything["n_signal"] if labels else None,
    )


def _doubt(median: float | None) -> str | None:
    """Why masses with a median [GeV] may be in another unit."""
    if median is None or LIGHTEST_GEV <= median <= HEAVIEST_GEV:
        return None
    return (
        f"half of the masses are below {median:.3g} GeV, expected between {LIGHTEST_GEV:g} and "
        f"{HEAVIEST_GEV:g}; say mass_unit=TeV if they are in TeV, or convert them to GeV"
    )


def _median(column: Mapping[str, Any]) -> float | None:
    quantiles = column["quantiles"]
    return None if not quantiles else float(quantiles[len(quantiles) // 2])


@dataclass(frozen=True)
class VisibleExcess:
    """An excess of all events, without any selection, over the fit beside it; edges in GeV."""

    low: float
    high: float
    n_observed: float
    n_expected: float
    n_expected_error: float
    z: float


@dataclass(frozen=True)
class ProposalFacts:
    """A scan that the spectrum allows.

    Attributes:
        folder: folder of the figure.
        fit_low, fit_high: range of the spectrum's fit [GeV].
        start, stop: first and last edge of the usable windows [GeV].
        n_windows, n_usable: windows looked at, and those that can be searched.
        turn_on: maximum of the spectrum; below it the trigger shapes it [GeV].
        fit_p_value: goodness of the fit of all events.
        excess: excess that is visible without a selection; None without.
        covers_excess: whether the scan covers it.
        reasons: different reasons why windows cannot be used.
    """

    folder: str
    fit_low: float
    fit_high: float
    start: float
    stop: float
    n_windows: int
    n_usable: int
    turn_on: float
    fit_p_value: float
    excess: VisibleExcess | None
    covers_excess: bool
    reasons: list[str]


def proposal_facts(path: Path, shown: str) -> ProposalFacts:
    """Facts of ``proposal.json``.

    Raises:
        DataError: there is none, or it is not one.
    """
    found = _read(path / "proposal.json")
    windows, excess = found["windows"], found["excess"]
    names = ("fit_low", "fit_high", "start", "stop", "turn_on", "fit_p_value", "covers_excess")
    return ProposalFacts(
        folder=shown,
        **{name: found[name] for name in names},
        n_windows=len(windows),
        n_usable=sum(window["usable"] for window in windows),
        excess=None if excess is None else VisibleExcess(**excess),
        reasons=[*dict.fromkeys(w["reason"] for w in windows if w["reason"])],
    )


@dataclass(frozen=True)
class FeaturesFacts:
    """Features made of raw particles.

    Attributes:
        output: file of the features.
        layout: its layout.
        n_read, n_written, n_skipped: events read, with features, and without.
        skipped: reason -> events without features.
        sha256: hash of the output.
    """

    output: str
    layout: str
    n_read: int
    n_written: int
    n_skipped: int
    skipped: dict[str, int]
    sha256: str


def features_facts(path: Path, shown: str) -> FeaturesFacts:
    """Facts of the manifest beside a file of features.

    Raises:
        DataError: there is none.
    """
    found = read_features_manifest(path)
    if found is None:
        raise DataError(f"{shown} must have a manifest beside it; make the features again")
    return FeaturesFacts(
        shown, found.layout, found.n_read, found.n_written, found.n_skipped, found.skipped,
        found.output_sha256,
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = io.read_json(path)
    return content
