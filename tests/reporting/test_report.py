"""The report says what search.json says, in both formats, and stands alone."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import matplotlib.image as mpl_image
import numpy as np
import pytest
from hydra import compose, initialize_config_dir

from anode import io
from anode.errors import ConfigError, DataError, RunDirectoryError
from anode.pipeline.search.report import ReportConfig, parse_report, report, write_report
from anode.reporting.common.number_format import p_text, with_error, z_text
from anode.reporting.search.report import as_html, as_markdown, make_report
from anode.reporting.search.report_tables import bins_table, events_table
from anode.reporting.search.report_text import excess_text
from anode.reporting.search.result_table import verdict_level
from anode.reporting.search.spectrum_figures import CutSpectrum
from anode.reporting.search.warnings import warnings
from anode.statistics.counting.significance import local_significance
from anode.statistics.scan.search_result import SearchResult
from anode.statistics.scan.top_events import TopEvents
from helpers.settings import REPOSITORY
from helpers.synthetic_search import as_result, make_search, make_top_events, write_search

FIGURES = ("scan", "spectrum", "spectra", "limits", "sculpting")
VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Text, tags and attributes of a page; unbalanced tags are an error."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.links: list[tuple[str, str]] = []
        self.tags: list[str] = []
        self.feed(text)
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [(name, value) for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def bump(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("search") / "bump"
    write_search(folder, start=2900.0)
    write_report(folder)
    return folder


def result_in(folder: Path) -> SearchResult:
    return as_result(io.read_json(folder / "search.json"))


def both(folder: Path) -> tuple[str, str]:
    """Words of the page, and the Markdown."""
    html = (folder / "report.html").read_text()
    return Page(html).words, (folder / "report.md").read_text()


def test_the_numbers_of_the_best_window_are_in_both_formats(bump):
    best = result_in(bump).best
    assert best is not None
    expected = with_error(best.n_expected, best.n_expected_error)
    for text in both(bump):
        assert f"{best.n_observed:.0f} observed, {expected} expected" in text
        assert f"p = {p_text(best.p_local)}, Z = {z_text(best.z_local)}" in text
        assert p_text(best.p_global) in text
        assert excess_text(best) in text
        assert "3.5-3.9 TeV at efficiency 1e-3" in text
        assert "3,507 ± 15 GeV" in text


def test_markdown_has_the_numbers_of_the_page_and_no_others(bump):
    page, markdown = both(bump)
    without_links = re.sub(r"\(figures/\w+\.png\)", "", markdown)
    number = re.compile(r"\d[\d.,]*(?:e-?\d+)?")
    assert sorted(number.findall(page)) == sorted(number.findall(without_links))


def test_every_window_is_in_the_scan_tables(bump):
    page, _ = both(bump)
    for row in result_in(bump).windows:
        assert with_error(row.n_expected, row.n_expected_error) in page


def test_the_page_fetches_nothing(bump):
    page = Page((bump / "report.html").read_text())
    assert len(page.links) == len(FIGURES)
    assert all(value.startswith("data:image/png;base64,") for _, value in page.links)
    assert not {"script", "link", "iframe"} & set(page.tags)
    style = (bump / "report.html").read_text().split("</style>")[0]
    assert "url(" not in style
    assert "@import" not in style


def test_figures_lie_beside_the_report_and_markdown_links_them(bump):
    links = re.findall(r"\]\((figures/\w+\.png)\)", (bump / "report.md").read_text())
    assert sorted(links) == sorted(f"figures/{name}.png" for name in FIGURES)
    for name in FIGURES:
        assert (bump / "figures" / f"{name}.pdf").is_file()
        assert np.std(mpl_image.imread(bump / "figures" / f"{name}.png")) > 0.02


def test_a_search_without_an_excess_says_so_without_a_warning():
    search = as_result(make_search(n_signal=0.0)[0])
    assert verdict_level(search) == "none"
    made = make_report(search, warnings(search), figures=())
    for text in (Page(as_html(made, Path())).words, as_markdown(made)):
        assert "compatible with background" in text
        assert "None: no check failed." in text
        assert "Fitted resonance" not in text


def test_warnings_are_in_both_formats(bump):
    for text in both(bump):
        assert "Z > 2.7" in text
        assert "fewer than 6 bins below the window can be fitted" in text


def test_bins_of_the_window_have_expectation_error_and_p():
    edges = np.arange(3000.0, 4001.0, 100.0)
    total = np.linspace(2000.0, 1100.0, 10)
    counts = np.array([20, 19, 18, 17, 50, 33, 14, 13, 12, 11], dtype=float)
    expected, error = total / 100, np.full(10, 1.5)
    window = (3300.0, 3700.0)
    used = (edges[:-1] < window[0]) | (edges[:-1] >= window[1])
    uncut = CutSpectrum(1.0, edges, total, total, error, used, window, 0, 0.0, 0.0, None)
    cut = uncut._replace(efficiency=0.01, counts=counts, expected=expected, expected_error=error)
    rows = bins_table(cut, uncut).rows
    assert [row[0] for row in rows] == ["3.3-3.4 TeV", "3.4-3.5 TeV", "3.5-3.6 TeV", "3.6-3.7 TeV"]
    assert [row[2] for row in rows] == ["17", "50", "33", "14"]
    assert rows[1][3] == with_error(16.0, 1.5)
    assert float(rows[1][4]) == pytest.approx(local_significance(50, 16.0, 1.5).p_local, rel=0.1)
    factors, weights = [float(row[6]) for row in rows], total[3:7]
    assert np.average(factors, weights=weights) == pytest.approx(1.0, abs=0.006)  # two decimals


def test_an_event_twice_is_refused_and_tables_have_each_once():
    top = TopEvents.from_json(make_top_events(3300.0, 3700.0), "top_events.json")
    rows = events_table(top.overall, top.units).rows
    assert len({row[0] for row in rows}) == len(rows) == 10
    with pytest.raises(DataError, match="event 70001 is there 2 times"):
        events_table([*top.overall, top.overall[0]], top.units)


def test_features_that_the_data_lack_have_no_column():
    content = make_top_events(3300.0, 3700.0)
    for event in content["overall"]:
        del event["features"]["tau21_1"]
    top = TopEvents.from_json(content, "top_events.json")
    header = events_table(top.overall, top.units).header
    assert "tau21 J1" not in header
    assert "tau21 J2" in header


def test_a_search_in_which_nothing_could_be_tested_has_a_report(tmp_path):
    search = write_search(tmp_path, n_signal=0.0, top_events=False)
    for row in search["windows"]:
        row |= {"tested": False, "fit": None, "expected_from": "template", "reason": "too short"}
    search |= {"best": None, "best_inclusive": None}
    search["global"] = {"n_toys": 0, "n_tests": 0, "levels": {}}
    io.write_json(tmp_path / "search.json", search)
    (tmp_path / "manifest.json").unlink()
    write_report(tmp_path)
    for text in both(tmp_path):
        assert "No window could be tested" in text
        assert "too short" in text


def test_text_from_files_cannot_break_the_page():
    search, _ = make_search(n_signal=0.0)
    search["data"]["files"] = ["<script>alert(1)</script>.h5"]
    page = Page(as_html(make_report(as_result(search), [], figures=()), Path()))
    assert "script" not in page.tags
    assert "<script>alert(1)</script>.h5" in page.words


def test_what_is_no_search_is_refused_with_the_command_that_makes_one(tmp_path, bump):
    with pytest.raises(RunDirectoryError, match=r"no folder .*anode search run_dir="):
        write_report(tmp_path / "nowhere")
    with pytest.raises(RunDirectoryError, match=r"no search\.json; .*anode search"):
        write_report(tmp_path)
    io.write_json(tmp_path / "metrics.json", {})
    with pytest.raises(RunDirectoryError, match=r"one signal region.*anode search"):
        write_report(tmp_path)
    (tmp_path / "windows").mkdir()
    with pytest.raises(RunDirectoryError, match="not finished"):
        write_report(tmp_path)
    search = io.read_json(bump / "search.json")
    del search["windows"]
    io.write_json(tmp_path / "search.json", search)
    with pytest.raises(DataError, match="windows is missing"):
        write_report(tmp_path)


@pytest.mark.slow
def test_the_command_prints_the_verdict_and_makes_the_same_page_again(bump, capsys):
    before = (bump / "report.html").read_bytes()
    with initialize_config_dir(str(REPOSITORY / "configs"), version_base=None):
        config = parse_report(compose("report", [f"run_dir={bump}"]))
        with pytest.raises(ConfigError, match="unknown key colour"):
            parse_report(compose("report", [f"run_dir={bump}", "+colour=red"]))
    assert config == ReportConfig(str(bump), None, None)
    report(config)
    assert "rarer than the toys can say" in capsys.readouterr().out
    assert (bump / "report.html").read_bytes() == before
    assert not list(bump.rglob("*.partial*"))


def browser() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser")


CHROMIUM = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--no-first-run", "--disable-sync", "--hide-scrollbars",
    "--allow-file-access-from-files", "--virtual-time-budget=3000",
)  # fmt: skip
MEASURE = """<script>
onload = () => parent.document.body.append(document.documentElement.clientWidth + ": page "
  + (document.documentElement.scrollWidth - document.documentElement.clientWidth) + " table "
  + Math.max(...[...document.querySelectorAll(".scroll")].map(e => e.scrollWidth - e.clientWidth))
  + "; ")
</script></body>"""


def chromium(page: Path, *options: str) -> str:
    """What the browser prints."""
    profile = f"--user-data-dir={page.parent / 'profile'}"
    command = [str(browser()), *CHROMIUM, profile, *options, page.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, timeout=120, text=True).stdout


def test_every_table_scrolls_by_itself_and_can_be_reached_by_key(bump):
    text = (bump / "report.html").read_text()
    assert text.count("<table") == text.count('<div class="scroll" tabindex="0"><table') > 5


@pytest.mark.slow
@pytest.mark.skipif(browser() is None, reason="no chromium")
def test_tables_fit_a_screen_and_the_page_fits_a_phone(bump, tmp_path):
    page = (bump / "report.html").read_text().replace("</body>", MEASURE)
    (tmp_path / "report.html").write_text(page)
    frames = "".join(
        f'<iframe src="report.html" width="{width}" height="900" style="border:0"></iframe>'
        for width in (1200, 390)
    )
    (tmp_path / "frames.html").write_text(f"<body>{frames}</body>")
    printed = chromium(tmp_path / "frames.html", "--window-size=1700,1000", "--dump-dom")
    found = re.findall(r"(\d+): page (-?\d+) table (-?\d+)", printed)
    assert {int(width) for width, _, _ in found} == {1200, 390}
    assert all(int(beyond) <= 0 for _, beyond, _ in found)
    assert all(int(beyond) <= 0 for width, _, beyond in found if width == "1200")


@pytest.mark.slow
@pytest.mark.skipif(browser() is None, reason="no chromium")
def test_a_browser_shows_the_page_and_a_phone_need_not_scroll_sideways(bump, tmp_path):
    shots = {}
    for width in (1100, 500):
        picture = tmp_path / f"{width}.png"
        shot = tmp_path / "report.html"
        shutil.copyfile(bump / "report.html", shot)
        chromium(shot, f"--window-size={width},1400", f"--screenshot={picture}")
        shots[width] = mpl_image.imread(picture)[..., :3]
    for width, shot in shots.items():
        assert shot.shape[:2] == (1400, width)
        assert 0.02 < np.mean(shot.min(axis=2) < 0.6) < 0.5, "blank, or all ink"
        bands = np.array_split(shot.min(axis=2), 10)
        assert all((band < 0.6).any() for band in bands), "a tenth of the page is empty"
        assert shot[:, -4:].min() > 0.9, "something runs out of the page"
