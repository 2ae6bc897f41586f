"""Jobs are processes that end when they are told to, and files that say how they ended."""

import os
import sys
import time
from pathlib import Path

import pytest

import anode
from anode.assistant.toolbox.jobs import (
    CANCELLED,
    ENDED,
    FAILED,
    FINISHED,
    RUNNING,
    Jobs,
    _environment,
    is_alive,
)
from anode.assistant.toolbox.toolbox import wait
from anode.errors import ConfigError
from helpers.assistant_files import processes_of

PARENT = """
import subprocess, sys, time
code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
subprocess.Popen([sys.executable, "-c", code])
print("search: 40%, windows: 2 of 5 windows, 0:07 elapsed, about 0:10 left", file=sys.stderr)
sys.stderr.flush()
time.sleep(60)
"""


def jobs(folder, code: str) -> Jobs:
    return Jobs(folder / "jobs", folder, command=(sys.executable, "-c", code))


def until(condition, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_job_that_ends_well_is_finished(tmp_path):
    made = jobs(tmp_path, "print('done')")
    job = made.begin("search", ["x"], "folder")
    assert wait(made, job).state == FINISHED
    assert made.output(job) == "done\n"
    assert Jobs(tmp_path / "jobs", tmp_path).state(job).state == FINISHED  # after a restart
    assert made.all() == [job]


def test_a_job_that_fails_says_why_in_its_own_line(tmp_path):
    code = "import sys; print('warning', file=sys.stderr); sys.exit('error: no such file')"
    made = jobs(tmp_path, code)
    state = wait(made, made.begin("search", [], "folder"))
    assert (state.state, state.message) == (FAILED, "no such file")


def test_cancel_leaves_no_process_even_one_deaf_to_sigterm(tmp_path):
    made = jobs(tmp_path, PARENT)
    job = made.begin("search", [], "folder")
    until(lambda: made.state(job).message != "")
    state = made.state(job)
    assert (state.state, state.progress) == (RUNNING, 0.4)
    assert state.message == "search: windows: 2 of 5 windows, 0:07 elapsed, about 0:10 left"
    started = time.monotonic()
    assert made.cancel(job).state == CANCELLED
    assert time.monotonic() - started < 2
    until(lambda: not processes_of(job.process))  # a busy machine buries its dead late
    assert not is_alive(job.process)
    assert made.cancel(job).state == CANCELLED  # once more is no error


def test_a_job_outlives_its_server_and_another_one_ends_it(tmp_path):
    made = jobs(tmp_path, PARENT)
    job = made.begin("search", ["x"], "folder")
    other = jobs(tmp_path, PARENT)
    assert other.state(job).state == RUNNING
    assert other.begin("search", ["x"], "folder") == job  # joined, not begun again
    until(lambda: other.state(job).message != "")
    other.cancel(job)
    made.state(job)
    until(lambda: made._processes[job.id].poll() is not None)
    assert other.state(job).state == CANCELLED
    until(lambda: not processes_of(job.process))


def test_what_ended_while_nobody_watched_is_said(tmp_path):
    made = jobs(tmp_path, "")
    job = made.begin("search", [], "folder")
    made._processes.pop(job.id).wait()
    assert made.state(job).state == ENDED


def test_whatever_interrupts_the_waiting_ends_the_job(tmp_path):
    made = jobs(tmp_path, PARENT)
    job = made.begin("search", [], "folder")

    def interrupt(state):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        wait(made, job, interrupt)
    until(lambda: not processes_of(job.process))


def test_only_so_many_run_at_once(tmp_path):
    made = jobs(tmp_path, "import time; time.sleep(60)")
    running = [made.begin("search", [str(number)], "folder") for number in range(4)]
    with pytest.raises(ConfigError, match="at most 4 jobs may run at once, got 4"):
        made.begin("search", ["4"], "folder")
    for job in running:
        made.cancel(job)


def test_a_command_cannot_take_modules_out_of_its_folder(tmp_path):
    (tmp_path / "anode").mkdir()
    (tmp_path / "anode" / "__main__.py").write_text("print('stolen')")
    (tmp_path / "anode" / "__init__.py").write_text("print('stolen')")
    made = Jobs(tmp_path / "jobs", tmp_path)
    job = made.begin("search", ["--version"], "folder")
    assert wait(made, job).state == FINISHED
    assert made.output(job).startswith("anode ")


def test_a_command_is_that_of_this_package():
    first = Path(_environment()["PYTHONPATH"].split(os.pathsep)[0])
    assert (first / "anode" / "__init__.py").samefile(anode.__file__)
