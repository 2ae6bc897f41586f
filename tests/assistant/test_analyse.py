"""An analysis ends with the numbers of its search, goes on where it stopped, and explains."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from anode import io
from anode.assistant.analyse import Analysis, analyse, data_words
from anode.configuration.composition import compose
from anode.errors import DataError, RunDirectoryError
from anode.pipeline.datasets.explore import parse_explore
from helpers.assistant_files import (
    QUICK,
    InstantJobs,
    analysis,
    write_table,
)
from helpers.settings import REPOSITORY

CALLS = ["describe_file", "propose_regions", "search", "isolation_forest", "report"]


def instant(folder: Path, **settings) -> Analysis:
    path = write_table(folder / "events.npz", n_signal=0)
    made = Analysis(analysis(folder / "out", path))
    made.jobs = InstantJobs(folder / "jobs", **settings)
    return made


def lines(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "transcript.jsonl").read_text().splitlines()]


def test_every_call_stands_in_the_transcript_with_its_facts(tmp_path):
    made = instant(tmp_path)
    found = made.run()
    assert made.jobs.begun == CALLS
    head, *calls, conclusion = lines(tmp_path / "out")
    assert head["title"] == "Analysis of events.npz"
    assert [call["tool"] for call in calls] == [*CALLS[:4], "score", "report"]
    assert [call["call"] for call in calls] == [1, 2, 3, 4, 5, 6]
    best = io.read_json(tmp_path / "out" / "search" / "search.json")["best"]
    assert calls[2]["facts"]["best"]["z_global"] == best["z_global"]
    assert calls[2]["facts"]["best"]["low"] == best["low"] == found.low
    assert conclusion["conclusion"]["z_global"] == best["z_global"] == found.z_global
    assert found.claimed
    page = (tmp_path / "out" / "transcript.md").read_text()
    assert "## Call 3: search" in page
    assert "## Conclusion" in page
    assert 'n_signal": 100' not in page  # of the labels of the file


def test_the_search_is_in_the_proposed_range_unless_one_is_given(tmp_path):
    path = write_table(tmp_path / "events.npz", n_signal=0)
    config = analysis(tmp_path / "out", path)
    words = tuple(w for w in config.words if not w.startswith(("scan.start", "scan.stop")))
    made = Analysis(config._replace(words=words))
    made.jobs = InstantJobs(tmp_path / "jobs")
    made.run()
    command = lines(tmp_path / "out")[3]["arguments"]["command"]
    assert command.endswith("scan.start=3000 scan.stop=5000")
    given = instant(tmp_path / "given_" if (tmp_path / "given_").mkdir() is None else tmp_path)
    given.run()
    command = lines(tmp_path / "given_" / "out")[3]["arguments"]["command"]
    assert "scan.start=3100" in command
    assert "scan.start=3000" not in command


def test_given_again_nothing_is_done_again(tmp_path):
    first = instant(tmp_path)
    first.run()
    text = (tmp_path / "out" / "transcript.jsonl").read_text()
    again = instant(tmp_path)
    again.run()
    assert again.jobs.begun == []
    assert (tmp_path / "out" / "transcript.jsonl").read_text() == text


def test_an_interrupted_analysis_goes_on_and_ends_with_the_same_facts(tmp_path):
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    instant(tmp_path / "whole").run()
    broken = instant(tmp_path / "parts", broken={"search": "killed"})
    with pytest.raises(DataError, match="killed"):
        broken.run()
    rest = instant(tmp_path / "parts")
    rest.run()
    assert rest.jobs.begun == CALLS[2:]

    def facts(name: str) -> list:
        return [line.get("facts") for line in lines(tmp_path / name / "out")[1:-1]]

    assert facts("whole") == facts("parts")


def test_without_its_result_a_search_is_made_again(tmp_path):
    instant(tmp_path).run()
    (tmp_path / "out" / "search" / "search.json").unlink()
    again = instant(tmp_path)
    again.run()
    assert again.jobs.begun == CALLS[2:]


def test_a_transcript_of_other_settings_or_data_is_refused(tmp_path):
    instant(tmp_path).run()
    path = tmp_path / "events.npz"
    with pytest.raises(RunDirectoryError, match=r"settings differ.*choose another run_dir"):
        Analysis(analysis(tmp_path / "out", path, "seed=2"))
    write_table(path, n_signal=0, seed=2)
    with pytest.raises(RunDirectoryError, match="data_sha256 differ"):
        Analysis(analysis(tmp_path / "out", path))


def test_on_background_nothing_is_claimed(tmp_path):
    found = instant(tmp_path, n_signal=0).run()
    assert not found.claimed
    assert lines(tmp_path / "out")[-1]["conclusion"]["claimed"] is False


def test_a_check_that_cannot_be_made_does_not_end_the_analysis(tmp_path):
    found = instant(tmp_path, broken={"isolation_forest": "too few events"}).run()
    assert found.claimed
    assert "Isolation forest: it could not test the window." in found.checks


def test_data_of_a_search_are_those_that_are_described(tmp_path):
    path = write_table(tmp_path / "it's an event.npz", n_signal=0)
    config = analysis(tmp_path / "out", Path(f"'{path!s}'".replace("it's", "it\\'s")))
    words = data_words(config.search.run.data)
    described = parse_explore(compose("explore", [*words, "output=somewhere"]))
    assert described.data == config.search.run.data


def command(run_dir: Path, path: Path) -> "subprocess.CompletedProcess[str]":
    words = [*QUICK, f"data.path={path}", f"run_dir={run_dir}"]
    return subprocess.run(
        [sys.executable, "scripts/assistant.py", "analyse", *words],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip


@pytest.mark.slow
def test_a_bump_is_found_in_its_window_with_the_numbers_of_the_search(tmp_path):
    path = write_table(tmp_path / "events.npz", n_signal=250)
    done = command(tmp_path / "out", path)
    assert done.returncode == 0, done.stderr
    best = io.read_json(tmp_path / "out" / "search" / "search.json")["best"]
    assert (best["low"], best["high"]) == (3300, 3700)
    conclusion = lines(tmp_path / "out")[-1]["conclusion"]
    assert conclusion["claimed"]
    for name in ("low", "high", "z_local", "z_test", "z_global"):
        assert conclusion[name] == best[name]
    assert "3300 to 3700 GeV" in done.stdout
    assert (tmp_path / "out" / "search" / "report.html").is_file()


@pytest.mark.slow
def test_of_background_alone_nothing_is_claimed(tmp_path):
    path = write_table(tmp_path / "events.npz", n_signal=0)
    done = command(tmp_path / "out", path)
    assert done.returncode == 0, done.stderr
    assert lines(tmp_path / "out")[-1]["conclusion"]["claimed"] is False
    assert "nothing is claimed" in done.stdout


def test_a_broken_file_is_explained_in_a_line(tmp_path, capsys):
    path = tmp_path / "events.npz"
    path.write_bytes(b"no archive")
    config = analysis(tmp_path / "out", path)
    with pytest.raises(DataError, match=r"events\.npz"):
        analyse(config)
    head, call, conclusion = lines(tmp_path / "out")
    assert head["about"]["data_sha256"] is not None
    assert call["tool"] == "describe_file"
    assert "events.npz" in call["error"]
    assert conclusion["conclusion"] == {"claimed": False, "error": call["error"]}
    page = (tmp_path / "out" / "transcript.md").read_text()
    assert "The analysis ended without one" in page
