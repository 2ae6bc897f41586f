"""Page of an exploration of dark-sector jets: the eight sections of the public one, then what
the differences mean."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from anode.evaluation.dark_sector.describe import (
    SIGNAL,
    STANDARD_MODEL,
    DarkSectorDescription,
)
from anode.evaluation.dark_sector.matching import N_BINS
from anode.evaluation.dark_sector.slices import ANGLES, SLICED
from anode.evaluation.dark_sector.summary_table import SliceResult
from anode.events.dark_sector.jets_file import N_PARTICLES, N_VALUES, PADDING
from anode.events.dark_sector.names import PARAMETERS
from anode.reporting.common.pages import embedded_images, template_environment
from anode.reporting.common.tables import table as text_table
from anode.reporting.dataset.dark_sector_tables import (
    PageTable,
    counts_table,
    files_table,
    moments_table,
    p_from_log10,
    parameters_table,
    significance_table,
    slices_table,
    structure_table,
)


class PageFigure(NamedTuple):
    """A figure: path relative to the page, without its ending, and what it shows."""

    name: str
    caption: str


class Section(NamedTuple):
    """A part of the page: text, then tables, then figures."""

    title: str
    text: Sequence[str] = ()
    tables: Sequence[PageTable] = ()
    figures: Sequence[PageFigure] = ()


class Page(NamedTuple):
    """All that is written, which both formats share."""

    title: str
    subtitle: str
    sections: Sequence[Section]


def make_page(
    description: DarkSectorDescription,
    *,
    origin: str,
    versions: Mapping[str, str],
    figures: Mapping[str, Sequence[str]],
) -> Page:
    """Put a description into words and tables.

    Args:
        description: numbers of the exploration.
        origin: folder that was explored.
        versions: package -> its version.
        figures: group ("particles", "jets", "slices", "one_parameter") -> names of its figures.
    """
    shown = {
        group: [PageFigure(name, _caption(name)) for name in names]
        for group, names in figures.items()
    }
    sections = [
        _environment_section(versions),
        _files_section(description),
        Section("3) HDF5 structure", tables=[structure_table(description)]),
        _parameters_section(description),
        _counts_section(description),
        _particles_section(description, shown["particles"]),
        _jets_section(description, shown["jets"]),
        _slices_section(description, shown["slices"]),
        _significance_section(description),
        _matching_section(description),
        _single_section(description, shown["one_parameter"]),
        _angles_section(description),
    ]
    n_jets = sum(file.n_jets for file in description.files)
    return Page("Jets of dark sectors", f"{n_jets:,} jets of {origin}", sections)


def as_html(page: Page, folder: Path) -> str:
    """One page without any other file: figures are embedded, nothing is fetched.

    Args:
        page: content of the page.
        folder: folder of the figures.
    """
    names = [figure.name for section in page.sections for figure in section.figures]
    template = template_environment(html=True).get_template("exploration.html.j2")
    return template.render(page=page, images=embedded_images(folder, names)) + "\n"


def as_markdown(page: Page) -> str:
    """The same in Markdown; figures are linked relative to the file."""
    template = template_environment(html=False).get_template("exploration.md.j2")
    return template.render(page=page, table=_markdown).rstrip() + "\n"


def _markdown(content: PageTable) -> str:
    return text_table(content.header, content.rows, markdown=True)


def _caption(name: str) -> str:
    parts = name.split("/")
    if parts[0] == "one_parameter":
        return f"Dark jets at each value of {parts[1]}, all other parameters equal."
    feature = parts[-1].removeprefix("dist_")
    if parts[0] == "param_slices":
        return f"{feature} of dark jets with {parts[1]} = {parts[2]} and of Standard Model jets."
    what = "particles" if parts[0] == "feature_distributions" else "jets"
    return f"{feature} of the {what} of dark and of Standard Model jets; ratio with its error."


def _environment_section(versions: Mapping[str, str]) -> Section:
    rows = [[name, version] for name, version in versions.items()]
    rows += [["particles of a jet", str(N_PARTICLES)], ["values of a particle", str(N_VALUES)]]
    rows += [["their names", "pT, eta, phi"], ["padding", f"{PADDING:g}"]]
    return Section(
        "1) Environment and configuration", tables=[PageTable(["what", "value"], rows, words=True)]
    )


def _files_section(description: DarkSectorDescription) -> Section:
    sizes = [file.n_bytes / 2**20 for file in description.files]
    text = f"{len(sizes)} files; each {min(sizes):.2f} to {max(sizes):.2f} MiB."
    return Section("2) Files", [text], [files_table(description.files)])


def _parameters_section(description: DarkSectorDescription) -> Section:
    points = [file.point for file in description.files if file.point is not None]
    found = [
        f"{param}: {', '.join(dict.fromkeys(p.text(param) for p in sorted(points)))}"
        for param in PARAMETERS
    ]
    text = f"{'; '.join(found)}. {len(points)} signal files, one of the Standard Model."
    return Section(
        "4) Parameters in the file names", [text], [parameters_table(description.files)]
    )


def _counts_section(description: DarkSectorDescription) -> Section:
    signals = [file for file in description.files if file.point is not None]
    total, dark = sum(f.n_jets for f in signals), sum(f.n_dark for f in signals)
    fractions = sorted(f.dark_fraction for f in signals)
    text = [
        f"The signal below has {dark:,} jets and not the {total:,} of its files: it is made of "
        f"the jets with jet_is_dark alone, {dark / total:.1%} of them, {fractions[0]:.1%} to "
        f"{fractions[-1]:.1%} in a file. All jets of the Standard Model file are used.",
        "A slot for a particle counts as filled if none of its three values is -999.",
    ]
    return Section("5) Counts and dark fractions", text, [counts_table(description.files)])


def _particles_section(
    description: DarkSectorDescription, figures: Sequence[PageFigure]
) -> Section:
    caption = "Particles of dark jets and of Standard Model jets; std divides by N"
    tables = [moments_table(description.particles, caption)]
    return Section("6) Particles", tables=tables, figures=figures)


def _jets_section(description: DarkSectorDescription, figures: Sequence[PageFigure]) -> Section:
    caption = "Dark jets and Standard Model jets; std divides by N; GeV"
    return Section("7) Jets", tables=[moments_table(description.jets, caption)], figures=figures)


def _slices_section(description: DarkSectorDescription, figures: Sequence[PageFigure]) -> Section:
    every = [r for results in description.slices.values() for r in results]
    best: dict[tuple[str, str], SliceResult] = {}
    for result in sorted(every, key=lambda r: r.row.ks):
        best[result.row.param, result.row.feature] = result
    text = [
        f"Largest KS of {feature} over {param}: {r.row.ks:.3f} at {param} = {r.row.value}, "
        f"difference of means {r.row.delta_mean:+.3f}."
        for (param, feature), r in sorted(best.items(), key=lambda item: -item[1].row.ks)
    ]
    intro = (
        "Every signal file with the value, whatever its other parameters: rinv = 0.3 may mix dark "
        "masses and couplings. All digits are in summary_rinv.tsv and summary_alpha.tsv."
    )
    tables = [slices_table(description.slices[param], param) for param in SLICED]
    return Section("8) Slices of the parameters", [intro, *text], tables, figures)


def _significance_section(description: DarkSectorDescription) -> Section:
    independence = (
        "Errors take the jets of an event together, and p-values use the number of independent "
        "jets that these errors amount to."
        if description.clustered
        else "The files do not say which jets are of one event: errors and p-values take all jets "
        "as independent, which they are not quite."
    )
    text = [
        f"{description.n_trials} tests are made here and in section 11; p, all tests, is the "
        "probability that the smallest of so many p-values is as small. Tests of one slice are "
        "correlated, which makes it too large rather than too small.",
        independence,
    ]
    tables = [significance_table(description.slices[param], param) for param in SLICED]
    return Section("9) Errors and p-values", text, tables)


def _matching_section(description: DarkSectorDescription) -> Section:
    every = [r for results in description.slices.values() for r in results]
    rows = [
        [
            f"{r.row.param} = {r.row.value}",
            r.row.feature,
            f"{r.row.ks:.3f}",
            f"{r.significance.ks_matched:.3f}",
            f"{r.significance.ks_matched / r.row.ks:.0%}",
        ]
        for r in every
        if r.row.feature in ("jet_pt", "jet_m", "jet_e")
    ]
    text = (
        "Mass and energy of a jet grow with its pT, so that a softer signal differs in all three. "
        "Here the Standard Model jets have weights that give them the pT of the signal, in "
        f"{N_BINS} bins with as many signal jets each. What is left is not the pT; jet_pt itself "
        "shows how well the matching works."
    )
    table = PageTable(["slice", "feature", "KS", "KS, pT matched", "left"], rows)
    return Section("10) After matching the pT", [text], [table])


def _single_section(description: DarkSectorDescription, figures: Sequence[PageFigure]) -> Section:
    if not description.one_parameter:
        return Section("11) One parameter at a time", ["No two signals differ in one alone."])
    text = "The largest set of signals that agree in all other parameters, for each parameter."
    tables = [significance_table(rows, param) for param, rows in description.one_parameter.items()]
    return Section("11) One parameter at a time", [text], tables, figures)


def _angles_section(description: DarkSectorDescription) -> Section:
    text = (
        "A mean or a KS distance of an azimuth depends on where azimuths start. Its Kuiper "
        "distance, in the tables above, does not, nor does the length of the mean unit vector, 0 "
        "for a detector without a direction; p (Rayleigh) is the probability of a longer one."
    )
    rows = [
        [
            {SIGNAL: "dark jets", STANDARD_MODEL: "Standard Model"}[name],
            f"{found.length:.5f}",
            f"{found.mean:+.2f}",
            f"{found.p_value:.2g}",
        ]
        for name, found in description.directions.items()
    ]
    rows += [
        [f"{r.row.param} = {r.row.value} against SM", "", "", p_from_log10(r.significance.log10_p)]
        for results in description.slices.values()
        for r in results
        if r.row.feature in ANGLES
    ]
    header = ["jets", "length", "direction", "p"]
    return Section("12) Azimuths as angles", [text], [PageTable(header, rows)])
