"""Table of anomaly scores on dark-sector jets: how well each finds each signal."""

from collections.abc import Callable, Sequence

from anode.evaluation.comparison import Interval
from anode.evaluation.dark_sector.detection import KNOWLEDGE, Detection, DetectionTable
from anode.reporting.common.tables import table
from anode.reporting.dataset.transfer_page import counts_text, signal_labels, with_band

MATCHING_TEXT = {"none": "jets as they are", "test": "tested with matched pT"}
"""What a matching means, for titles."""

_EXPLANATION = """\
A score is tested on the dark jets of one signal file against all jets of the Standard Model; jets
of signal files that are not dark are left out. Collisions are drawn to be fitted or tested, for
all files alike, so no jet of a test, and no jet of its collision, was in any fit. A number is the
median over the seeds, ± half of the central 68%. An AUC below one half means that the signal looks
more ordinary than the Standard Model. *Matched pT*: Standard Model jets of the test have weights
that give them the pT of the signal; background-only scores and `cwola` stay as they are, and the
ceiling `supervised` is fitted with these weights.
"""


def short_table(found: DetectionTable) -> str:
    """AUC of each score on each signal, as aligned text."""
    rows = [
        [matching, *row]
        for matching in found.matchings
        for row in _rows(found, matching, lambda each: each.auc)
    ]
    header = ["pT matched in", "AUC of", "knows", *signal_labels(found.points).values()]
    return table(header, rows, markdown=False)


def detection_page(
    found: DetectionTable,
    seeds: Sequence[int],
    features: Sequence[str],
    s_over_b: float,
    figures: Sequence[str],
) -> str:
    """The whole result as Markdown.

    Args:
        found: all scores.
        seeds: seeds of splits and fits.
        features: features that scores see.
        s_over_b: dark over Standard Model jets in the mixture of weak supervision.
        figures: names of the figures beside the page, without ending.
    """
    parts = ["# Anomaly scores on dark-sector jets\n", _EXPLANATION]
    parts.append(
        f"Scores see {', '.join(f'`{name}`' for name in features)}; the mixture of `cwola` has "
        f"{s_over_b:.3g} dark jets to a Standard Model jet. {counts_text(found.detections, seeds)}"
    )
    header = ["score", "knows", *signal_labels(found.points).values()]
    for matching in found.matchings:
        parts.append(f"## AUC, {MATCHING_TEXT[matching]}\n")
        parts.append(table(header, _rows(found, matching, lambda e: e.auc), markdown=True))
        parts.append(f"## Signal efficiency at 1% background, {MATCHING_TEXT[matching]}\n")
        rows = _rows(found, matching, lambda e: e.efficiency)
        parts.append(table(header, rows, markdown=True))
    parts += [f"![{name.replace('_', ' ')}]({name}.png)\n" for name in figures]
    return "\n".join(parts)


def _rows(
    found: DetectionTable, matching: str, value: Callable[[Detection], Interval]
) -> list[list[str]]:
    own = found.of(matching)
    return [
        [name, KNOWLEDGE[name], *(with_band(value(own[name, p])) for p in found.points)]
        for name in found.detectors
    ]
