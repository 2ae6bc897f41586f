"""Exploration of a folder of dark-sector jets: page, tables and figures."""

import logging
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anode import io, progress
from anode.evaluation.dark_sector.describe import (
    PARTICLE_FEATURES,
    SIGNAL,
    STANDARD_MODEL,
    Compared,
    DarkSectorDescription,
    compared,
    describe_jets,
    summarise_file,
)
from anode.evaluation.dark_sector.slices import (
    SLICED,
    all_with_value,
    benchmark,
    joined,
    one_parameter,
)
from anode.evaluation.dark_sector.summary_table import format_results
from anode.events.dark_sector.jets_file import KINEMATICS, DarkJets, read_jets, structure
from anode.events.dark_sector.names import PARAMETERS, dark_sector_files, number_text
from anode.records import plain
from anode.reporting.common.style import save_png
from anode.reporting.dataset.dark_sector_figures import feature_figure, parameter_figure
from anode.reporting.dataset.dark_sector_page import as_html, as_markdown, make_page

log = logging.getLogger(__name__)

_PACKAGES = ("anode", "numpy", "scipy", "matplotlib", "h5py")


def explore_dark_sector(path: Path, output: Path) -> None:
    """Describe a folder, print a summary, and write page, tables and figures.

    Args:
        path: folder of the files.
        output: folder for ``exploration.html``, ``exploration.md``, ``card.json``,
            ``summary_*.tsv`` and the figures.

    Raises:
        DataError: a file cannot be read or has a foreign name, or there are not both a signal and
            the Standard Model.
    """
    description, samples = describe_folder(path)
    for name, results in {
        **{f"summary_{param}": rows for param, rows in description.slices.items()},
        **{f"one_parameter_{param}": rows for param, rows in description.one_parameter.items()},
    }.items():
        io.write_text(output / f"{name}.tsv", format_results(results))
    figures = draw_figures(samples, output)
    versions = {name: version(name) for name in _PACKAGES}
    page = make_page(description, origin=path.name, versions=versions, figures=figures)
    io.write_text(output / "exploration.md", as_markdown(page))
    io.write_text(output / "exploration.html", as_html(page, output))
    io.write_json(output / "card.json", plain(description))
    for file in description.files:
        print(
            f"{file.name}: {file.n_jets:,} jets, {file.n_dark:,} dark ({file.dark_fraction:.1%})"
        )
    print(f"page, tables and figures: {output}")


def describe_folder(path: Path) -> tuple[DarkSectorDescription, Compared]:
    """Read a folder and describe it.

    Raises:
        DataError: as ``explore_dark_sector``.
    """
    paths = dark_sector_files(path)
    files: list[DarkJets] = []
    with progress.task("read", total=len(paths), unit="files") as files_read:
        for each in paths:
            files.append(read_jets(each))
            files_read.update()
    samples = compared(files)
    summaries = [
        summarise_file(jets, each.stat().st_size) for jets, each in zip(files, paths, strict=True)
    ]
    shown = paths[[jets.point for jets in files].index(benchmark(list(samples.dark)))]
    return describe_jets(summaries, structure(shown), shown.name, samples), samples


def draw_figures(samples: Compared, output: Path) -> dict[str, list[str]]:
    """Draw every figure; group -> their paths relative to ``output``, without ending.

    Args:
        samples: jets and particles of both sides.
        output: folder of the figures.
    """
    signal, other = samples.signal().columns, samples.standard_model.columns
    particles = {
        name: dict(zip(PARTICLE_FEATURES, values.T, strict=True))
        for name, values in samples.particles.items()
    }
    drawn: dict[str, list[str]] = {"particles": [], "jets": [], "slices": [], "one_parameter": []}

    def draw(
        group: str,
        folder: str,
        own: Mapping[str, NDArray[np.float64]],
        standard_model: Mapping[str, NDArray[np.float64]],
        title: str,
    ) -> None:
        for feature in own:
            figure = feature_figure(feature, own[feature], standard_model[feature], title=title)
            drawn[group].append(f"{folder}/dist_{feature.removeprefix('jet_')}")
            save_png(figure, output / drawn[group][-1])

    draw(
        "particles", "feature_distributions", particles[SIGNAL], particles[STANDARD_MODEL],
        "all signals",
    )  # fmt: skip
    draw("jets", "jet_feature_distributions", signal, other, "all signals")
    for param in SLICED:
        for chosen in all_with_value(sorted(samples.dark), param):
            value = number_text(chosen.value)
            own = joined([samples.dark[point] for point in chosen.points]).columns
            draw("slices", f"param_slices/{param}/{value}", own, other, f"{param} = {value}")
    for param in PARAMETERS:
        plan = one_parameter(sorted(samples.dark), param)
        if plan:
            columns = {number_text(s.value): samples.dark[s.points[0]].columns for s in plan}
            shown = {name: other[name] for name in KINEMATICS}
            drawn["one_parameter"].append(f"one_parameter/{param}")
            save_png(parameter_figure(param, columns, shown), output / drawn["one_parameter"][-1])
    return drawn
