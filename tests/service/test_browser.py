"""The page of the service in a real browser: what is pasted, clicked, read, and asked for."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn

from anode.pipeline.scoring.scorer import Scorer
from anode.service.app import create_app
from anode.service.serve import _listen
from anode.service.settings import ServeConfig
from helpers.browser import CONTROL, ENTER, TAB, Browser, browser, missing
from helpers.served_runs import quick_run, raw_rows

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(missing() is not None, reason=str(missing())),
]

LOADED = "return document.querySelectorAll('#runs dt').length"
RESULT = """
const rows = [...document.querySelectorAll('#result dl > div')];
return rows.length && Object.fromEntries(rows.map(row => [...row.children].map(c => c.innerText)));
"""
REFUSED = "const line = document.querySelector('#result .bad'); return line && line.innerText;"
OWN = ("data:", "chrome:", "chrome-extension:")
"""Addresses that leave no browser."""


@contextmanager
def served(run: Path, scorer: Scorer, token_file: Path | None = None) -> Iterator[str]:
    """Address of a service in a thread."""
    token = None if token_file is None else str(token_file)
    config = ServeConfig(str(run), "127.0.0.1", 0, token, 100, 1, 1)
    with _listen("127.0.0.1", 0) as listening:
        server = uvicorn.Server(uvicorn.Config(create_app(config, scorer), log_level="error"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.02)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join(timeout=60)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return quick_run(tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def scorer(run) -> Scorer:
    return Scorer.load(run)


@pytest.fixture(scope="module")
def address(run, scorer) -> Iterator[str]:
    with served(run, scorer) as at:
        yield at


@pytest.fixture(scope="module")
def events(run, scorer) -> tuple[list[float], list[float], float]:
    """An event with a score, one without, and the score."""
    rows = raw_rows(run.parent / "other.h5")[:500]
    found = scorer.score_array(rows)
    inside, outside = np.flatnonzero(found.scored)[0], np.flatnonzero(~found.scored)[0]
    return rows[inside].tolist(), rows[outside].tolist(), float(found.score[inside])


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture
def page(tab, address) -> Browser:
    tab.resize(1000, 900)
    tab.messages(), tab.requested()
    tab.open(address)
    tab.until(LOADED)
    return tab


def paste(tab: Browser, text: str) -> None:
    """Replace what the field holds, by the clipboard."""
    tab.click("#event")
    tab.type("a", held=CONTROL)
    tab.type(text)
    tab.type("ax", held=CONTROL)
    assert tab.run("return document.getElementById('event').value") == ""
    tab.type("v", held=CONTROL)
    assert tab.run("return document.getElementById('event').value") == text


@pytest.mark.parametrize("between", [", ", " ", "; "])
def test_a_pasted_event_has_the_score_of_the_scorer(page, events, between):
    event, _, score = events
    paste(page, between.join(map(repr, event)))
    page.click("#score")
    found = page.until(RESULT)
    assert float(found["score"]) == score
    assert found["window"] == "3300 to 3700 GeV"
    assert found.keys() >= {"mass", "log_p_data", "log_p_background", "passes"}
    assert page.messages() == []


def test_a_list_of_json_is_an_event_too(page, events):
    event, _, score = events
    paste(page, str(event))
    page.click("#score")
    assert float(page.until(RESULT)["score"]) == score


def test_an_event_outside_the_windows_has_the_reason_instead(page, events):
    paste(page, str(events[1]))
    page.click("#score")
    assert page.until(RESULT)["score"] == "none: mass outside [3300, 3700) GeV"
    assert page.messages() == []


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1, 2, 3", "event 0 must have 14 values, pxj1, pyj1"),
        (" ", "event 0 must have 14 values"),
        ("pt 1 2 3 4 5 6 7 8 9 10 11 12 13", "every value must be a number"),
        ("1e999 1 2 3 4 5 6 7 8 9 10 11 12 13", "every value must be a number"),
        ("0 0 0 0 0 0 0 0 0 0 0 0 0 0", "events"),
    ],
)
def test_a_wrong_event_has_one_line_that_says_why(page, text, line):
    paste(page, text)
    page.click("#score")
    refused = page.until(REFUSED)
    assert refused.startswith(line)
    assert "\n" not in refused
    assert page.run(RESULT) == 0
    assert all("v1/score" in each and "status of 4" in each for each in page.messages())


def test_the_keyboard_alone_is_enough_and_shows_where_it_is(page, events):
    event, _, score = events
    outlined = "return getComputedStyle(document.activeElement).outlineStyle"
    page.type(TAB)
    assert page.run("return document.activeElement.id") == "event"
    page.type(", ".join(map(repr, event)) + TAB)
    assert page.run("return document.activeElement.id") == "score"
    assert page.run(outlined) == "solid"
    page.type(ENTER)
    assert float(page.until(RESULT)["score"]) == score


def test_screen_readers_are_told_what_everything_is(page):
    label = "Numbers of one event, separated by commas or spaces"
    assert page.accessible("#event") == ("textbox", label)
    assert page.accessible("#score") == ("button", "Score")
    assert [page.accessible(place)[0] for place in ("#result", "#runs")] == ["status"] * 2
    assert page.run("return document.documentElement.lang") == "en"


def test_runs_and_their_metrics_are_listed(page):
    shown = page.run("return document.getElementById('runs').innerText")
    assert "ANODE" in shown
    assert "[3300, 3700) GeV" in shown
    assert "1,338" in page.run("return document.getElementById('runs').textContent")


@pytest.mark.parametrize("width", [360, 1400])
def test_nothing_is_cut_off_in_narrow_and_wide_windows(page, events, width):
    page.resize(width, 800)
    paste(page, str(events[0]))
    page.click("#score")
    page.until(RESULT)
    wider = "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
    assert not page.run(wider)


def test_nothing_is_asked_from_elsewhere(page, events, address):
    paste(page, str(events[0]))
    page.click("#score")
    page.until(RESULT)
    asked = [each for each in page.requested() if not each.startswith(OWN)]
    assert f"{address}v1/score" in asked
    assert all(each.startswith(address) for each in asked)


def test_the_report_opens_with_its_styles_and_without_its_scripts(page, run, address):
    assert not page.run("return document.getElementById('report').checkVisibility()")
    text = (
        "<!doctype html><title>Report</title><style>p { color: rgb(1, 2, 3) }</style><p>found</p>"
        "<script>document.title = 'changed'</script>"
    )
    (run / "report.html").write_text(text)
    try:
        page.open(address)
        page.until(LOADED)
        page.click("#report")
        page.newest_tab(2)
        style = "const p = document.querySelector('p'); return p && getComputedStyle(p).color"
        assert page.until(style) == "rgb(1, 2, 3)"
        assert page.run("return document.title") == "Report"
        page.close_tab()
    finally:
        (run / "report.html").unlink()
        page.messages()


def test_a_token_is_asked_for_where_one_is_needed(tab, run, scorer, events, tmp_path):
    (tmp_path / "token").write_text("secret")
    with served(run, scorer, tmp_path / "token") as at:
        tab.open(at)
        tab.until("return document.getElementById('access').checkVisibility()")
        assert "right token" in tab.run("return document.getElementById('runs').innerText")
        assert tab.accessible("#token")[1] == "Token"
        tab.click("#token")
        tab.type("secret" + ENTER)
        tab.until(LOADED)
        tab.click("#event")
        tab.type(str(events[0]))
        tab.click("#score")
        assert float(tab.until(RESULT)["score"]) == events[2]
    tab.click("#score")
    assert tab.until(REFUSED) == "the service does not answer"
    tab.messages()
