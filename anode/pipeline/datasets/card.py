"""Data card of a generated file: content, how it was made, and how close it is to the LHC Olympics
events."""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import scipy

from anode.errors import ConfigError, DataError
from anode.evaluation.description.generated_data import (
    GeneratedData,
    GeneratedSample,
    KsDistances,
    MantissaBits,
)
from anode.events.formats import source_of_file
from anode.events.table import EventTable, concatenate
from anode.events.writers.bundled import FORMAT_VERSION, MOMENTUM_BITS, TAU_BITS
from anode.io import read_json, sha256_file, write_json, write_text
from anode.pipeline.datasets.chunks import ProcessSample, package_versions
from anode.reporting.common.style import save_figure
from anode.reporting.dataset.generated_card import card_text
from anode.reporting.dataset.overlay_figure import Overlay, overlay_figure

log = logging.getLogger(__name__)

SIGNAL_REGION = (3300.0, 3700.0)
"""m_jj window [GeV] of the R&D signal region."""

MASS_SHARES = (0.0, 2300.0, 3300.0, 3700.0, 6000.0, 13000.0)
"""Edges [GeV] of the m_jj shares that the card states."""

REGION_FEATURES = ("mjj", "mj1", "delta_mj", "tau21_1", "tau21_2")
FULL_FEATURES = ("mjj", "mj1", "delta_mj", "pt_1", "pt_2")
"""Without tau_21: the published file's follow another definition of the axes."""

BY_HAND = "<!-- What follows is written by hand; anode generate leaves it as it is. -->"
"""Line of ``README.md`` that says so."""

_IDS_PER_FILE = 10_000_000
_SAMPLES = {0: "background", 1: "signal"}
_EDGES = {
    "mjj": np.linspace(2000, 6000, 41),
    "mj1": np.linspace(0, 600, 41),
    "delta_mj": np.linspace(0, 800, 41),
    "tau21_1": np.linspace(0, 1, 41),
    "tau21_2": np.linspace(0, 1, 41),
    "pt_1": np.linspace(600, 2600, 41),
    "pt_2": np.linspace(600, 2600, 41),
}


class Comparison(NamedTuple):
    """Events of ours and the ones they are compared with, features as columns of both.

    Attributes:
        name: region, "signal_region" or "full_range"; names the figure.
        title: title that says which events these are.
        features: names of the compared features.
        generated: our events.
        reference: other events, or None.
    """

    name: str
    title: str
    features: tuple[str, ...]
    generated: EventTable
    reference: EventTable | None

    def values(self, table: EventTable | None, feature: str) -> dict[str, np.ndarray]:
        """Sample name -> values of one feature."""
        if table is None or table.label is None:
            return {}
        column = table.mass if feature == "mjj" else table.column(feature)
        return {
            sample: column[table.label == label]
            for label, sample in _SAMPLES.items()
            if np.any(table.label == label)
        }


def write_card(path: Path, samples: list[ProcessSample], *, reference: str | None) -> None:
    """Write ``README.md``, ``card.json`` and ``figures/`` beside a generated file.

    What an older page has below ``BY_HAND`` stays.

    A card that already describes these very bytes, and may hold a comparison, is left alone when
    there is no reference.

    Args:
        path: file, as ``write_bundled`` wrote it.
        samples: samples that the file was made of.
        reference: folder with ``*features.h5`` (R&D features file) and ``sr_v2_*.npy`` (signal
            region of version 2 in the CATHODE layout), or None.
    """
    digest, card_path = sha256_file(path), path.with_name("card.json")
    if reference is None and _is_of(card_path, digest):
        log.info("%s describes these very bytes already", card_path)
        return
    comparisons = _comparisons(path, Path(reference) if reference else None)
    card = _facts(path, digest, samples, comparisons)
    figures = path.parent / "figures"
    for comparison in comparisons:
        figure = overlay_figure(
            _overlays(comparison), title=comparison.title, reference_name="LHC Olympics R&D"
        )
        save_figure(figure, figures / comparison.name)
    page = path.with_name("README.md")
    write_text(page, card_text(card) + _by_hand(page))
    write_json(card_path, card.to_json())  # last, as the sign that all is there
    log.info("%s, README.md and figures written", card_path)


def _by_hand(page: Path) -> str:
    """What stands in a page from ``BY_HAND`` on; nothing where there is no such line."""
    _, mark, after = page.read_text().partition(BY_HAND) if page.is_file() else ("", "", "")
    return f"\n{mark}{after}" if mark else ""


def _is_of(card_path: Path, digest: str) -> bool:
    """Whether a card describes the bytes with this hash; one that cannot be read does not."""
    try:
        return GeneratedData.from_json(read_json(card_path), card_path).sha256 == digest
    except DataError:
        return False


def ks_table(comparison: Comparison) -> dict[str, KsDistances]:
    """Kolmogorov-Smirnov distances of each sample; ``noise`` is the 68% quantile without any.

    The distance of two samples of n and m events of one distribution exceeds
    0.96 sqrt(1/n + 1/m) in 32% of the cases (Kolmogorov's limit distribution).
    """
    sizes: dict[str, tuple[int, int]] = {}
    distances: dict[str, dict[str, float]] = {}
    for feature in comparison.features:
        ours = comparison.values(comparison.generated, feature)
        theirs = comparison.values(comparison.reference, feature)
        for sample in ours.keys() & theirs.keys():
            sizes[sample] = len(ours[sample]), len(theirs[sample])
            distance = scipy.stats.ks_2samp(ours[sample], theirs[sample]).statistic
            distances.setdefault(sample, {})[feature] = round(float(distance), 4)
    return {
        sample: KsDistances(
            n, m, round(0.96 * float(np.sqrt(1 / n + 1 / m)), 4), distances[sample]
        )
        for sample, (n, m) in sorted(sizes.items())
    }


def _noise(n: int, m: int) -> float:
    return round(0.96 * float(np.sqrt(1 / n + 1 / m)), 4)


def _comparisons(path: Path, reference: Path | None) -> list[Comparison]:
    low, high = SIGNAL_REGION
    region_features = tuple(name for name in REGION_FEATURES if name != "mjj")
    full_features = tuple(name for name in FULL_FEATURES if name != "mjj")
    ours = source_of_file(path).read(sorted({*region_features, *full_features}))
    inside = ours[(ours.mass >= low) & (ours.mass < high)]
    region = full = None
    if reference is not None:
        region = _join(sorted(reference.glob("sr_v2_*.npy")), region_features, reference)
        full = _join(sorted(reference.glob("*features.h5")), full_features, reference)
    title = f"signal region: {low / 1000:g} TeV ≤ $m_{{JJ}}$ < {high / 1000:g} TeV"
    return [
        Comparison("signal_region", title, REGION_FEATURES, inside, region),
        Comparison("full_range", "all events", FULL_FEATURES, ours, full),
    ]


def _join(paths: list[Path], features: tuple[str, ...], folder: Path) -> EventTable:
    if not paths:
        raise ConfigError(
            f"reference must hold sr_v2_*.npy and *features.h5, but {folder} lacks one of them"
        )
    tables = []
    for place, path in enumerate(paths):
        offset = place * _IDS_PER_FILE
        tables.append(source_of_file(path).read(features, id_offset=offset))
        if tables[-1].label is None:
            raise DataError(f"{path}: a reference must have labels; remove the file or add them")
    return concatenate(tables)


def _overlays(comparison: Comparison) -> list[Overlay]:
    """Features of the figure; within the signal region m_jj is flat and left out."""
    shown = [
        feature
        for feature in comparison.features
        if feature != ("mjj" if comparison.name == "signal_region" else "pt_2")
    ]
    return [
        Overlay(
            feature,
            _EDGES[feature],
            comparison.values(comparison.generated, feature),
            comparison.values(comparison.reference, feature),
            log=feature in ("mjj", "pt_1"),
        )
        for feature in shown
    ]


def _facts(
    path: Path, digest: str, samples: list[ProcessSample], comparisons: list[Comparison]
) -> GeneratedData:
    """Everything that the card says; no path but the file's own name."""
    everything = comparisons[-1]
    masses = everything.values(everything.generated, "mjj")
    recipe = samples[0].recipe
    return GeneratedData(
        file=path.name,
        sha256=digest,
        bytes=path.stat().st_size,
        format_version=FORMAT_VERSION,
        seed=recipe.seed,
        chunk_size=recipe.chunk_size,
        trigger_pt=recipe.trigger_pt,
        mantissa_bits=MantissaBits(MOMENTUM_BITS, TAU_BITS),
        packages=package_versions(),
        mjj_share_edges_gev=MASS_SHARES,
        samples={s.recipe.process.name: _sample(s, masses) for s in samples},
        comparison={c.name: ks_table(c) for c in comparisons if c.reference is not None},
    )


def _sample(sample: ProcessSample, masses: dict[str, np.ndarray]) -> GeneratedSample:
    process = sample.recipe.process
    mass = masses[_SAMPLES[process.label]]
    shares = np.histogram(mass, MASS_SHARES)[0] / len(mass)
    return GeneratedSample(
        label=process.label,
        n_events=len(sample.values),
        n_generated=sample.n_generated,
        trigger_efficiency=round(sample.n_accepted / sample.n_generated, 4),
        mjj_shares=tuple(round(float(share), 5) for share in shares),
        settings=tuple(process.settings),
    )
