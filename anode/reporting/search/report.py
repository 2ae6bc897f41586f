"""Report of a search: a page that can be read, printed and sent."""

import datetime
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from anode.provenance import Manifest
from anode.reporting.common.number_format import efficiency_text, mass_range
from anode.reporting.common.pages import embedded_images, template_environment
from anode.reporting.common.tables import table as text_table
from anode.reporting.search import report_tables as tables
from anode.reporting.search.calibration_tables import (
    bias_table,
    overdispersion_table,
    spurious_table,
)
from anode.reporting.search.report_tables import Table
from anode.reporting.search.report_text import Line, resonance_lines, summary_lines
from anode.reporting.search.result_table import verdict, verdict_level
from anode.reporting.search.spectrum_figures import CutSpectrum
from anode.reporting.search.warnings import SearchWarning
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.top_events import TopEvents

CAPTIONS = {
    "scan": "Local p-value of every window. Black: all score categories of a window in one test, "
    "which competes for the largest excess; thin: each cut alone. Grey bands: global significance "
    "of the largest excess, as far as toys reach. Hollow points are not tested.",
    "spectrum": "Mass spectrum in which the largest excess lies, the fit beside the window with "
    "its 68% statistical error, and the significance of each bin.",
    "spectra": "The same window at every efficiency.",
    "limits": "95% CLs upper limits on signal events that pass the cut, in each window. Small "
    "panels: the error of the expected background over its Poisson error, which the expected "
    "limit follows.",
    "sculpting": "Mass spectrum before and after each cut of the best window's model, and the "
    "pass rate over the nominal one. A cut that carves no bump leaves it flat.",
}
"""What each figure shows, by the name of its file."""


class Section(NamedTuple):
    """A part of the report: text, then figures, then tables.

    Attributes:
        title: heading.
        text: paragraphs.
        tables: tables in their order.
        figures: names of files in ``figures/``.
        appendix: True if it starts on a new page.
    """

    title: str
    text: Sequence[str] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[str] = ()
    appendix: bool = False


class Report(NamedTuple):
    """All that is written, in words and numbers that both formats share."""

    title: str
    subtitle: str
    level: str
    verdict: str
    summary: Sequence[Line]
    warnings: Sequence[SearchWarning]
    sections: Sequence[Section]


def make_report(
    search: SearchResult,
    raised: Sequence[SearchWarning],
    *,
    figures: Sequence[str],
    cuts: Sequence[CutSpectrum] = (),
    top_events: TopEvents | None = None,
    manifest: Manifest | None = None,
) -> Report:
    """Put the content of a search into words and tables.

    Args:
        search: result of the search.
        raised: warnings about the search.
        figures: names of the figures there are, a subset of ``CAPTIONS``.
        cuts: spectra of the window of the largest excess, one without a cut among them.
        top_events: highest-scoring events of the search, if they are known.
        manifest: record of how the search was made, if it is known.

    Raises:
        DataError: an event is twice in a table.
    """
    sections = [
        _compared(search),
        _scanned(search, figures),
        _excess(search, figures, cuts),
        _limited(search, figures),
        _events(top_events),
        _checked(search, figures),
        _provenance(search, manifest or Manifest()),
        _appendix(search),
    ]
    data = search.data
    names = ", ".join(data.files) or data.source
    return Report(
        f"Search with {search.title}",
        f"{search.n_events:,} events of {names}",
        verdict_level(search),
        verdict(search, raised),
        summary_lines(search),
        raised,
        [section for section in sections if section is not None],
    )


def as_html(report: Report, figure_folder: Path) -> str:
    """One page without any other file: figures are embedded, nothing is fetched.

    Args:
        report: content of the page.
        figure_folder: folder of the figures, as PNG.
    """
    names = [name for section in report.sections for name in section.figures]
    images = embedded_images(figure_folder, names)
    page = template_environment(html=True).get_template("report.html.j2")
    return page.render(report=report, images=images, captions=CAPTIONS) + "\n"


def as_markdown(report: Report, figure_folder: str = "figures") -> str:
    """The same in Markdown; figures are linked relative to the file.

    Args:
        report: content of the page.
        figure_folder: relative path of the figures.
    """
    page = template_environment(html=False).get_template("report.md.j2")
    text = page.render(report=report, folder=figure_folder, captions=CAPTIONS, table=_markdown)
    return text.rstrip() + "\n"


def _markdown(table: Table) -> str:
    """Aligned cells with bars."""
    return text_table(table.header, table.rows, markdown=True)


def _compared(search: SearchResult) -> Section | None:
    if search.best is None and search.best_inclusive is None:
        return None
    return Section("Before and after the selection", tables=[tables.before_after_table(search)])


def _scanned(search: SearchResult, figures: Sequence[str]) -> Section:
    scan = search.scan
    shown = _shown(search)
    text = (
        f"{scan.width:.0f} GeV wide windows every {scan.step:.0f} GeV over "
        f"{mass_range(scan.start, scan.stop)}; the expectation comes from a fit to the "
        f"selected spectrum outside the window. Below, efficiency {efficiency_text(shown)}; "
        "all others are in the appendix."
    )
    combined = [tables.combined_table(search)] if search.combined else []
    return Section(
        "Scan of the mass spectrum",
        [text],
        [*combined, tables.scan_table(search, shown)],
        _present(figures, "scan"),
    )


def _shown(search: SearchResult) -> float:
    """The efficiency that tables show: of the largest excess, or the tightest that was counted."""
    best = search.best
    if best is not None:
        return best.efficiency
    return min((row.efficiency for row in search.windows), default=1.0)


def _excess(
    search: SearchResult, figures: Sequence[str], cuts: Sequence[CutSpectrum]
) -> Section | None:
    lines = resonance_lines(search)
    found = tables.bump_hunter_table(search)
    shown = [tables.lines_table(lines, "Fitted resonance")] if lines else []
    uncut = [cut for cut in cuts if cut.efficiency >= 1]
    if uncut:
        shown += [
            tables.bins_table(cut, uncut[0])
            for cut in cuts
            if cut.efficiency == _shown(search) < 1
        ]
    if found.rows:
        shown.append(found._replace(caption="BumpHunter, an independent look at the same spectra"))
    drawn = _present(figures, "spectrum", "spectra")
    return Section("Largest excess", tables=shown, figures=drawn) if shown or drawn else None


def _limited(search: SearchResult, figures: Sequence[str]) -> Section | None:
    if all(row.limit is None for row in search.windows):
        return None
    shown = _shown(search)
    return Section(
        "Upper limits",
        tables=[tables.limits_table(search, shown)],
        figures=_present(figures, "limits"),
    )


def _events(top_events: TopEvents | None) -> Section | None:
    if top_events is None:
        return None
    named = {"In the whole scan": top_events.overall, "In the best window": top_events.hotspot}
    text = (
        "Scores of different windows are not comparable as numbers: events are ordered by the "
        "background efficiency of a cut at their score, whose log10 is given. J1 is the lighter "
        "jet."
    )
    shown = [
        tables.events_table(events, top_events.units)._replace(caption=caption)
        for caption, events in named.items()
        if events
    ]
    return Section("Highest-scoring events", [text], shown) if shown else None


def _checked(search: SearchResult, figures: Sequence[str]) -> Section | None:
    """Whether the fit that gives the largest excess can be trusted."""
    shown = []
    if search.overdispersion is not None:
        shown.append(overdispersion_table(search.overdispersion))
    if search.trust is not None and search.trust.spurious:
        shown.append(spurious_table(search.trust))
    if search.trust is not None and search.trust.biases:
        shown.append(bias_table(search.trust))
    drawn = _present(figures, "sculpting")
    return Section("Checks", tables=shown, figures=drawn) if shown or drawn else None


def _provenance(search: SearchResult, manifest: Manifest) -> Section:
    data = search.data
    cuts = ", ".join(efficiency_text(e) for e in search.efficiencies)
    low, high = search.fit_range
    copies = f" ({search.n_copies:,} of them copies)" if search.n_copies else ""
    lines: list[Line] = [
        ("method", f"{search.title} ({search.method})"),
        ("files", ", ".join(data.files) or "none"),
        ("sha256", data.sha256),
        ("events", f"{search.n_events:,} used{copies}, {search.n_dropped:,} dropped"),
        ("background efficiencies", cuts),
        ("fit", f"{mass_range(low, high)}, bins of {search.bin_width:.0f} GeV"),
        ("global p-values", f"{search.toys.n_toys:,} toys"),
        ("seed", str(search.seed)),
        ("time", _duration(search.seconds, search.cpu_seconds)),
    ]
    if manifest.command is not None:
        lines.append(("command", _without_folders(manifest.command)))
    if manifest.git_commit:
        changed = ", with uncommitted changes" if manifest.git_dirty else ""
        lines.append(("code", f"{manifest.git_commit[:12]}{changed}"))
    versions = {"python": manifest.python, **manifest.packages}
    known = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    return Section(
        "How it was made",
        tables=[tables.lines_table([*lines, ("versions", known)] if known else lines)],
    )


def _without_folders(command: str) -> str:
    """A command with absolute paths by their last name: others have other folders.

    Example:
        >>> _without_folders("anode search data.path=/home/me/events.h5 run_dir=results/mine")
        'anode search data.path=events.h5 run_dir=results/mine'
    """
    return re.sub(r"(?<![^\s=])/\S*/(?=[^\s/])", "", command)


def _appendix(search: SearchResult) -> Section:
    shown = _shown(search)
    others = [e for e in (1.0, *search.efficiencies) if e != shown]
    return Section(
        "Appendix: all other efficiencies",
        tables=[tables.scan_table(search, efficiency) for efficiency in others],
        appendix=True,
    )


def _present(figures: Sequence[str], *names: str) -> list[str]:
    return [name for name in names if name in figures]


def _duration(seconds: float, cpu_seconds: float) -> str:
    wall, cpu = (str(datetime.timedelta(seconds=round(s))) for s in (seconds, cpu_seconds))
    return f"{wall} h, {cpu} h of CPU"
