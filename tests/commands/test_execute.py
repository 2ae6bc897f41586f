"""Errors are one line, in single runs and multiruns; what failed is said, the rest is done."""

import errno
import os
import pickle
import subprocess
import sys

import pytest

from anode.commands.failures import FailedJob, reason_of
from anode.commands.main import main
from anode.commands.table import COMMANDS
from anode.errors import ConfigError
from helpers.fake_command import FAKE
from helpers.settings import REPOSITORY


@pytest.fixture
def fake(monkeypatch, tmp_path, capsys):
    """Runs the command that takes no time in an empty folder: status, standard error."""
    monkeypatch.setitem(COMMANDS, "fake", FAKE)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        try:
            status = main(["fake", *arguments])
        except SystemExit as ended:
            status = ended.code
        return status, capsys.readouterr().err

    return run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["attempts=-1"], "attempts must not be negative, got -1"),
        (["attemps=1"], "unknown key attemps; did you mean attempts?"),
        (["mirror=write"], "/proc/nothing: No such file or directory"),
        (["mirror=a,b"], "add --multirun to run each"),
        (["word"], "an argument must be KEY=VALUE, got 'word'"),
        (["--config-dir", "nowhere"], "nowhere' not found"),
        (["--multirun", "attempts=1,2", "hydra/launcher=joblb"], "did you mean joblib?"),
        (["--multirun", "attempts=1,2", "hydra.launcher=joblib"], "_target_"),
        (["--multirun", "--cfg", "job"], "Only one of"),
        (["hydra.run.dir=/proc/nothing"], "/proc/nothing: No such file or directory"),
    ],
)
def test_a_users_error_is_one_line(fake, arguments, message):
    status, said = fake(*arguments)
    assert status == 2
    assert message in said
    assert said.startswith("error: ")
    assert said.count("\n") == 1


def test_an_unknown_option_shows_the_usage(fake):
    status, said = fake("--foo")
    assert status == 2
    assert said.splitlines()[0] == (
        "usage: anode fake [KEY=VALUE ...] [--multirun] [--cfg job] [--help]"
    )


def test_a_fault_of_ours_shows_its_own_lines(fake):
    status, said = fake("mirror=fault")
    assert status == 1
    assert 'raise RuntimeError("a list has no end")' in said
    assert "hydra/_internal" not in said
    assert said.endswith("a fault of anode, not of your input: RuntimeError: a list has no end\n")


def test_an_interruption_is_one_line(fake):
    assert fake("mirror=interrupt") == (130, "interrupted; the same command goes on from here\n")


def test_whole_errors_on_request(fake, monkeypatch):
    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    with pytest.raises(ConfigError, match="must not be negative"):
        main(["fake", "attempts=-1"])
    assert os.environ["HYDRA_FULL_ERROR"] == "1"


def test_the_command_line_of_a_run_names_the_command(fake, tmp_path):
    assert fake("attempts=3", "hydra.run.dir=here") == (0, "")
    assert (tmp_path / "here/done").read_text() == "anode fake attempts=3 hydra.run.dir=here"


SWEEP = ("hydra.sweep.dir=jobs", "hydra.sweep.subdir=${job_name:}")


def test_failed_jobs_are_named_and_the_others_done(fake, tmp_path):
    status, said = fake("folder=a", "--multirun", "attempts=1,-1,2", "mirror=x,write", *SWEEP)
    assert status == 2
    assert said.splitlines()[-5:] == [
        "error: 4 job(s) failed, the others are done:",
        "  attempts=1,mirror=write: /proc/nothing: No such file or directory",
        "  attempts=-1,mirror=x: attempts must not be negative, got -1",
        "  attempts=-1,mirror=write: attempts must not be negative, got -1",
        "  attempts=2,mirror=write: /proc/nothing: No such file or directory",
    ]
    done = sorted(path.parent.name for path in (tmp_path / "jobs").glob("*/done"))
    assert done == ["attempts=1,mirror=x", "attempts=2,mirror=x"]


def test_a_fault_among_the_jobs_is_told_from_the_users_errors(fake):
    status, said = fake("--multirun", "mirror=fault,write", *SWEEP)
    assert status == 1
    assert "  mirror=fault: a fault of anode, not of your input" in said


def test_a_multirun_without_failures_is_silent(fake, tmp_path):
    assert fake("--multirun", "attempts=1,2", *SWEEP) == (0, "")
    assert len(list((tmp_path / "jobs").glob("*/done"))) == 2


@pytest.mark.slow
def test_jobs_of_other_processes_are_named_too(fake, tmp_path):
    pytest.importorskip("hydra_plugins.hydra_joblib_launcher")
    launcher = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    status, said = fake("--multirun", "attempts=1,-1,2", *SWEEP, *launcher)
    assert status == 2
    assert "  attempts=-1: attempts must not be negative, got -1" in said
    done = sorted(path.parent.name for path in (tmp_path / "jobs").glob("*/done"))
    assert done == ["attempts=1", "attempts=2"]


def test_a_failed_job_is_known_where_it_is_brought_to():
    sent = pickle.dumps(FailedJob(7, "seed=7", "no events", 2))
    FailedJob.found.clear()
    pickle.loads(sent)
    assert str(FailedJob.found[7]) == "seed=7: no events"
    FailedJob.found.clear()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "full", "a.h5"), "a.h5: No space left on device; make room"),
        (OSError(errno.ENOSPC, "Can't write\ndata"), "No space left on device; make room"),
        (PermissionError(errno.EACCES, "no", "a"), "a: Permission denied; choose a folder"),
        (RuntimeError("x, error message = 'No space left on device'"), "a file cannot be written"),
        (MemoryError(), "memory is used up"),
    ],
)
def test_the_machines_errors_are_one_line(error, message):
    reason, status = reason_of(error)
    assert reason.startswith(message)
    assert "\n" not in reason
    assert status == 2


def test_nobody_reading_the_output_is_no_error():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "anode"], cwd=REPOSITORY, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")
