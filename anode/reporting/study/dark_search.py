"""Table and figure of searches for a dark Z': significance by strength and set of features."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from anode.evaluation.comparison import summarise
from anode.evaluation.dark_sector.resonance_search import FoundResonance
from anode.reporting.common.style import PALETTE, REFERENCE_LINE, new_figure, notice_figure, style
from anode.reporting.common.tables import MISSING, table

_HEADER = (
    "features", "S/√B", "seed", "injected", "S", "B", "Z inclusive", "Z", "best window",
    "Z global",
)  # fmt: skip


_EXPLANATION = """\
# Search for a Z' to dark quarks

The spectrum of `{mass}` of QCD di-jets is searched, with so many events of a dark shower in it
that S/√B is expected as given in their window, without any cut on a score; S are the events drawn.
Sets of features: {sets}. All are searched in the same sample of a strength and a seed, with the
same folds. Z inclusive is the significance of the window in the spectrum of all events, Z that of
all score categories of the window, both local; Z global that of the largest excess over the whole
scan, a lower limit where no toy reaches it. Seeds draw the signal and the fits; the background is
the same in all, so that a spread over seeds holds none of its fluctuations.
"""


_SYMBOLS = {"mt": "$m_T$", "mjj": "$m_{jj}$"}


def short_table(found: Sequence[FoundResonance]) -> str:
    """A search a line, as aligned text."""
    return table(list(_HEADER), [_cells(each) for each in found], markdown=False)


def page(found: Sequence[FoundResonance], features: Mapping[str, Sequence[str]], mass: str) -> str:
    """The whole result as Markdown.

    Args:
        found: all searches.
        features: name of a set -> its features.
        mass: mass that was scanned.
    """
    sets = "; ".join(
        f"*{name}*: {', '.join(f'`{each}`' for each in own)}" for name, own in features.items()
    )
    text = _EXPLANATION.format(mass=mass, sets=sets)
    rows = table(list(_HEADER), [_cells(each) for each in found], markdown=True)
    return "\n".join([text, rows, "![strength](strength.png)\n"])


def strength_figure(found: Sequence[FoundResonance], mass: str) -> Figure:
    """Local significance against the strength that was put in, a line a set of features.

    Args:
        found: all searches.
        mass: mass that was scanned.
    """
    strengths = sorted({each.strength for each in found})
    if all(each.z_inclusive is each.z_selected is None for each in found):
        return notice_figure("the window could not be tested in any search")
    with style():
        figure = new_figure(5.6, 4.2)
        axes = figure.subplots()
        for name, color in zip(
            dict.fromkeys(each.features for each in found), PALETTE, strict=False
        ):
            for attribute, line in (("z_selected", "-"), ("z_inclusive", ":")):
                bands = [
                    summarise(
                        [
                            getattr(each, attribute)
                            for each in found
                            if (each.features, each.strength) == (name, strength)
                        ]
                    )
                    for strength in strengths
                ]
                known = [(s, b) for s, b in zip(strengths, bands, strict=True) if b is not None]
                if not known:
                    continue
                place = [s for s, _ in known]
                label = f"{name}, {'all events' if line == ':' else 'score categories'}"
                median = [b.median for _, b in known]
                axes.plot(place, median, line, marker="o", ms=4, color=color, label=label)
                low, high = [b.low for _, b in known], [b.high for _, b in known]
                axes.fill_between(place, low, high, color=color, alpha=0.12, lw=0)
        reach = np.array([0.0, max(strengths)])
        axes.plot(reach, reach, **REFERENCE_LINE, label=r"counting alone, $Z = S/\sqrt{B}$")
        axes.set_xlabel(r"injected $S/\sqrt{B}$ in the window")
        axes.set_ylabel(f"local $Z$ of the window in {_SYMBOLS[mass]}")
        axes.set_title("line: median, band: central 68% over seeds", loc="left", fontsize=8)
        axes.legend(fontsize=8)
    return figure


def _cells(each: FoundResonance) -> list[str]:
    best = f"{each.best_low:g} to {each.best_high:g}" if each.best_low is not None else MISSING
    cells = [each.features, f"{each.strength:g}", str(each.seed), str(each.n_injected)]
    cells += [str(each.n_signal), f"{each.n_background:,}", _z(each.z_inclusive)]
    return [
        *cells,
        _z(each.z_selected),
        best,
        f"{'> ' if each.is_lower_limit else ''}{_z(each.z_global)}",
    ]


def _z(value: float | None) -> str:
    return MISSING if value is None else f"{value:.2f}"
