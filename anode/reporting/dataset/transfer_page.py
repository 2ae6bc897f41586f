"""Table of classifiers of dark-sector jets: each trained on one signal, tested on every one."""

from collections.abc import Callable, Mapping, Sequence

from anode.evaluation.comparison import Interval
from anode.evaluation.dark_sector.detection import Detection
from anode.evaluation.dark_sector.published_transfer import (
    PUBLISHED_AUC,
    PUBLISHED_EFFICIENCY,
    SOURCE,
)
from anode.evaluation.dark_sector.transfer import Transfer, TransferTable, sensitivities
from anode.evaluation.roc import MIN_BACKGROUND
from anode.events.dark_sector.names import PARAMETERS, SignalPoint, number_text
from anode.reporting.common.tables import MISSING, table

MATCHING_TEXT = {
    "none": "jets as they are",
    "test": "fitted to jets as they are, tested with matched pT",
    "both": "fitted and tested with matched pT",
}
"""What a matching means, for titles."""

_EXPLANATION = """\
A classifier tells the dark jets of one signal file from all jets of the Standard Model; jets of
signal files that are not dark are left out. Collisions are drawn to be fitted or tested, for all
files and pairs alike, so no jet of a test, of signal or Standard Model, and no jet of its
collision, was in any fit. A number is the median over the seeds, ± half of the central 68%; seeds
draw the collisions and the first weights anew. *Matched pT*: Standard Model jets have weights that
give them the pT of the signal, in 100 bins; the classifier `jet_pt` sees nothing but pT and says
how much of a separation is its spectrum.
"""


def signal_labels(points: Sequence[SignalPoint]) -> dict[SignalPoint, str]:
    """Signal -> the values of those parameters in which the signals differ.

    Example:
        >>> points = [SignalPoint(2000.0, 1.0, rinv, "peak") for rinv in (0.2, 0.3)]
        >>> list(signal_labels(points).values())
        ['rinv 0.2', 'rinv 0.3']
    """
    varied = [name for name in PARAMETERS if len({point.value(name) for point in points}) > 1]

    def label(point: SignalPoint) -> str:
        texts = {name: point.text(name) for name in varied}
        words = (text if name == "alpha" else f"{name} {text}" for name, text in texts.items())
        return ", ".join(words)

    return {point: label(point) or point.name for point in points}


def short_table(found: TransferTable) -> str:
    """AUC of each classifier tested on the signal that it has learned, as aligned text."""
    rows = [
        [matching, label, *cells]
        for matching in found.matchings
        for label, cells in _diagonal(found, matching, lambda each: each.auc).items()
    ]
    return table(["pT matched in", "AUC of", *found.classifiers], rows, markdown=False)


def transfer_page(found: TransferTable, seeds: Sequence[int], figures: Sequence[str]) -> str:
    """The whole result as Markdown.

    Args:
        found: all pairs of signals.
        seeds: seeds of splits and fits.
        figures: names of the figures beside the page, without ending.
    """
    parts = [
        "# Classifiers of dark-sector jets\n",
        _EXPLANATION,
        counts_text(found.transfers, seeds),
    ]
    parts += ["## Trained and tested on one signal\n", _own_signal(found)]
    for matching in found.matchings:
        parts.append(f"## Trained on the row, tested on the column: {MATCHING_TEXT[matching]}\n")
        for classifier in found.classifiers:
            pairs = found.of(classifier, matching)
            parts += [f"AUC of `{classifier}`\n", _grid(found, pairs, lambda each: each.auc)]
            parts += [
                f"Signal efficiency of `{classifier}` at 1% of the Standard Model\n",
                _grid(found, pairs, lambda each: each.efficiency),
            ]
        if matching == "none" and (published := _published_grid(found)):
            parts += [f"AUC as published ({SOURCE}, one training)\n", published]
    parts += ["## One parameter at a time\n", _sensitivity(found)]
    parts += [f"![{name.replace('_', ' ')}]({name}.png)\n" for name in figures]
    return "\n".join(parts)


def with_band(interval: Interval) -> str:
    """Median and half of the central 68%; one value has no band.

    Example:
        >>> with_band(Interval(0.74, 0.73, 0.76, 3)), with_band(Interval(0.74, 0.74, 0.74, 1))
        ('0.740 ± 0.015', '0.740')
    """
    band = f" ± {(interval.high - interval.low) / 2:.3f}" if interval.n > 1 else ""
    return f"{interval.median:.3f}{band}"


def counts_text(tests: Sequence[Transfer] | Sequence[Detection], seeds: Sequence[int]) -> str:
    """How many jets the tests have at least, and whether efficiencies at 1% can be read."""
    n_signal = min(each.n_signal for each in tests)
    n_background = min(each.n_background for each in tests)
    text = (
        f"Seeds {', '.join(map(str, seeds))}. Tests have at least {n_signal:,} dark jets and "
        f"{n_background:,.0f} Standard Model jets (effective number, by their weights).\n"
    )
    if 0.01 * n_background < MIN_BACKGROUND:
        text += (
            f"\n**Efficiencies at 1% rest on fewer than {MIN_BACKGROUND} Standard Model jets "
            "somewhere**: more events make them readable.\n"
        )
    return text


def _own_signal(found: TransferTable) -> str:
    """A row for each signal and matching, with the published numbers."""
    header = ["pT matched in", "signal", "published AUC", *found.classifiers]
    header += ["published efficiency", *(f"{name}, efficiency" for name in found.classifiers)]
    labels, rows = signal_labels(found.points), []
    for matching in found.matchings:
        auc = _diagonal(found, matching, lambda each: each.auc)
        efficiency = _diagonal(found, matching, lambda each: each.efficiency)
        for point in found.points:
            as_published = matching == "none"
            one = PUBLISHED_AUC.get((point, point)) if as_published else None
            other = PUBLISHED_EFFICIENCY.get(point) if as_published else None
            label = labels[point]
            rows.append([matching, label, _number(one), *auc[label], _number(other)])
            rows[-1] += efficiency[label]
    return table(header, rows, markdown=True)


def _diagonal(
    found: TransferTable, matching: str, value: Callable[[Transfer], Interval]
) -> dict[str, list[str]]:
    """Label of a signal -> a cell for each classifier."""
    pairs = [found.of(classifier, matching) for classifier in found.classifiers]
    return {
        label: [with_band(value(each[point, point])) for each in pairs]
        for point, label in signal_labels(found.points).items()
    }


def _grid(
    found: TransferTable,
    pairs: Mapping[tuple[SignalPoint, SignalPoint], Transfer],
    value: Callable[[Transfer], Interval],
) -> str:
    labels = signal_labels(found.points)
    rows = [
        [labels[row], *(with_band(value(pairs[row, column])) for column in found.points)]
        for row in found.points
    ]
    return table(["", *labels.values()], rows, markdown=True)


def _published_grid(found: TransferTable) -> str:
    """The published AUC of these signals; empty if it has none of them."""
    labels = signal_labels(found.points)
    cells = {row: [PUBLISHED_AUC.get((row, column)) for column in found.points] for row in labels}
    if all(value is None for row in cells.values() for value in row):
        return ""
    rows = [[labels[point], *map(_number, row)] for point, row in cells.items()]
    return table(["", *labels.values()], rows, markdown=True)


def _sensitivity(found: TransferTable) -> str:
    rows = []
    labels = signal_labels(found.points)
    for each in sensitivities(found.points):
        for matching in found.matchings:
            for classifier in found.classifiers:
                pairs = found.of(classifier, matching)
                for value, point in each.values.items():
                    own, fixed = pairs[point, point], pairs[each.trained_on, point]
                    cells = [each.param, number_text(value), matching, classifier]
                    cells += [with_band(own.auc), with_band(fixed.auc), labels[each.trained_on]]
                    rows.append(cells)
    if not rows:
        return "No two signals differ in one parameter alone.\n"
    header = ["parameter", "value", "pT matched in", "classifier", "AUC, trained on it"]
    return table([*header, "AUC, trained on one", "which one"], rows, markdown=True)


def _number(value: float | None) -> str:
    return MISSING if value is None else f"{value:.3f}"
