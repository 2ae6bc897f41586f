"""Failures of a command in one line, and which jobs of a multirun failed."""

import errno
import os
import sys
import traceback
from concurrent.futures.process import BrokenProcessPool
from typing import ClassVar

from anode.errors import AnodeError

USER, FAULT, INTERRUPTED, CLOSED, TERMINATED = 2, 1, 130, 141, 143
"""Exit status: a user's error, a fault of ours, Ctrl-C, a reader such as ``head`` that left,
SIGTERM."""

WHOLE_ERRORS = "HYDRA_FULL_ERROR"
"""Variable of the environment: 1 shows whole tracebacks instead of lines."""

_REMEDIES = {
    errno.ENOSPC: "; make room on the disk, then give the same command again",
    errno.EDQUOT: "; make room in your quota, then give the same command again",
    errno.EACCES: "; choose a folder that you may write to",
    errno.EPERM: "; choose a folder that you may write to",
    errno.EROFS: "; choose a folder that can be written to",
    errno.ENAMETOOLONG: "; choose a shorter name",
}


def whole_errors() -> bool:
    """Whether errors are to be raised as they are."""
    return os.environ.get(WHOLE_ERRORS) == "1"


class FailedJob:
    """A job of a multirun that failed.

    It is made in the process of the job and, when the launcher brings it home, once more in that
    of the command: so ``found`` has all of them there, whatever the launcher.
    """

    found: ClassVar[dict[int, "FailedJob"]] = {}

    def __init__(self, number: int, name: str, reason: str, status: int) -> None:
        self.number, self.name, self.reason, self.status = number, name, reason, status
        self.found[number] = self

    def __reduce__(self) -> tuple[type, tuple[int, str, str, int]]:
        return FailedJob, (self.number, self.name, self.reason, self.status)

    def __str__(self) -> str:
        return f"{self.name or f'job {self.number}'}: {self.reason}"


def report_failed_jobs() -> int:
    """Name the failed jobs and their reasons; the exit status of the multirun."""
    failed = [FailedJob.found[number] for number in sorted(FailedJob.found)]
    if not failed:
        return 0
    print(f"error: {len(failed)} job(s) failed, the others are done:", file=sys.stderr)
    for job in failed:
        print(f"  {job}", file=sys.stderr)
    return min(job.status for job in failed)


def reason_of(error: Exception) -> tuple[str, int]:
    """What to tell the person who gave the command, and the exit status.

    A fault of ours has its traceback printed.
    """
    if isinstance(error, AnodeError):
        return str(error), USER
    if isinstance(error, OSError) and error.errno is not None:
        return _of_system(error), USER
    if isinstance(error, MemoryError):
        return "memory is used up; fewer processes (n_jobs) or events need less", USER
    if isinstance(error, BrokenProcessPool):
        return (
            "a process was ended from outside before its work was done, often for lack of memory; "
            "the same command goes on from here, with a smaller n_jobs if need be",
            USER,
        )
    if isinstance(error, RuntimeError) and _is_of_writing(error):
        return f"a file cannot be written{_REMEDIES[errno.ENOSPC]}", USER
    traceback.print_exception(error)
    return f"a fault of anode, not of your input: {type(error).__name__}: {error}", FAULT


def leave_closed_output() -> int:
    """Nobody reads the output any more: say nothing when Python flushes it at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return CLOSED


def _is_of_writing(error: RuntimeError) -> bool:
    """torch and HDF5 do not say with an ``OSError`` that the disk is full."""
    lines = "".join(traceback.format_exception(error))  # also those of another process
    return os.strerror(errno.ENOSPC) in str(error) or "torch/serialization.py" in lines


def _of_system(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    number = error.errno or 0
    return f"{place}{os.strerror(number)}{_REMEDIES.get(number, '')}"
