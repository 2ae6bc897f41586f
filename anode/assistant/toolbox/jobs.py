"""Commands as child processes: begun, watched, cancelled; recorded in files that outlive us."""

import contextlib
import datetime
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anode
from anode import io
from anode.errors import ConfigError
from anode.progress import LINE_SECONDS
from anode.records import Record

RUNNING, FINISHED, FAILED, CANCELLED, ENDED = "running", "finished", "failed", "cancelled", "ended"
ANODE = (sys.executable, "-P", "-m", "anode")  # -P: no module out of the root
MAX_RUNNING = 4
TERM_SECONDS, KILL_SECONDS = 1.2, 0.6  # for SIGTERM, then for SIGKILL, to take effect
_POLL = 0.02  # s
_TAIL = 16_384  # bytes of a log that are read
_PROGRESS = re.compile(r"^([\w -]+): (?:(\d+)%, )?(.* elapsed.*)$", re.MULTILINE)
_ERROR = re.compile(r"^error: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Job(Record):
    """A command that was begun; the content of ``job.json``.

    Attributes:
        id: name of its folder.
        tool: name of the tool that began it.
        words: words after ``anode``.
        folder: folder or file that it writes.
        begun: time, UTC.
        process: id of the process, and of its group.
        process_clock: start of the process, in ticks of the kernel: ids are used again. 0 where it
            is not known.
    """

    id: str
    tool: str
    words: tuple[str, ...]
    folder: str
    begun: str
    process: int
    process_clock: int


@dataclass(frozen=True)
class JobState:
    """How a job stands.

    Attributes:
        id: id of the job.
        tool: tool that began it.
        folder: folder or file that it writes.
        begun: time, UTC.
        state: "running", "finished", "failed" or "cancelled"; "ended" if nobody saw how.
        progress: fraction done, in [0, 1]; None if it is not known.
        message: last line of progress; of a failed job, what was wrong.
    """

    id: str
    tool: str
    folder: str
    begun: str
    state: str
    progress: float | None
    message: str


@dataclass(frozen=True)
class _End(Record):
    state: str
    message: str


class Jobs:
    """The jobs that are recorded in a folder.

    Args:
        folder: folder of the records.
        cwd: folder in which commands run.
        command: words before those of a job.
    """

    def __init__(self, folder: Path, cwd: Path, *, command: Sequence[str] = ANODE) -> None:
        self.folder, self.cwd, self.command = folder, cwd, tuple(command)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def begin(self, tool: str, words: Sequence[str], folder: str) -> Job:
        """Start ``anode WORDS`` in a process group of its own, or join the same one at work.

        Raises:
            ConfigError: too many are at work.
        """
        running = [job for job in self.all() if self.state(job).state == RUNNING]
        for job in running:
            if job.words == tuple(words):
                return job
        if len(running) >= MAX_RUNNING:
            raise ConfigError(
                f"at most {MAX_RUNNING} jobs may run at once, got {len(running)}; wait, or cancel "
                f"one of {', '.join(job.id for job in running)}"
            )
        now = datetime.datetime.now(datetime.UTC)
        name = f"{now:%Y%m%d-%H%M%S}-{tool}-{secrets.token_hex(3)}"
        record = self.folder / name
        record.mkdir(parents=True)
        with open(record / "out.txt", "wb") as out, open(record / "err.txt", "wb") as err:
            process = subprocess.Popen(
                [*self.command, *words],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=self.cwd,
                env=_environment(),
                start_new_session=True,
            )
        self._processes[name] = process
        begun = now.isoformat(timespec="seconds")
        clock = _clock(process.pid) or 0
        job = Job(name, tool, tuple(words), folder, begun, process.pid, clock)
        io.write_json(record / "job.json", job.to_json())
        return job

    def all(self) -> list[Job]:
        """Every recorded job, the latest last."""
        return [self._read(path) for path in sorted(self.folder.glob("*/job.json"))]

    def get(self, name: str) -> Job:
        """The job of an id.

        Raises:
            ConfigError: there is none.
        """
        if not re.fullmatch(r"[\w-]+", name) or not (self.folder / name / "job.json").is_file():
            raise ConfigError(f"job must be the id of a job, as list_runs gives it, got {name!r}")
        return self._read(self.folder / name / "job.json")

    def state(self, job: Job) -> JobState:
        """How a job stands now."""
        end = self._end(job)
        text = _tail(self.folder / job.id / "err.txt")
        lines = _PROGRESS.findall(text)
        done = int(lines[-1][1]) / 100 if lines and lines[-1][1] else None
        if end is None:
            state, message = RUNNING, f"{lines[-1][0]}: {lines[-1][2]}" if lines else ""
        else:
            state, message = end.state, end.message
        progress = 1.0 if state == FINISHED else done
        return JobState(job.id, job.tool, job.folder, job.begun, state, progress, message)

    def output(self, job: Job) -> str:
        """The last that a job printed."""
        return _tail(self.folder / job.id / "out.txt")

    def cancel(self, job: Job) -> JobState:
        """End a job and all its processes within two seconds; what it has finished stays."""
        if self.state(job).state == RUNNING:
            self._record(job, CANCELLED, "the same call goes on from here")
            for number, seconds in (
                (signal.SIGTERM, TERM_SECONDS),
                (signal.SIGKILL, KILL_SECONDS),
            ):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(job.process, number)
                if self._wait_for_group(job, seconds):
                    break
        return self.state(job)

    def _wait_for_group(self, job: Job, seconds: float) -> bool:
        """Whether all processes of a job are gone within a time."""
        until = time.monotonic() + seconds
        process = self._processes.get(job.id)
        while time.monotonic() < until:
            gone = not is_alive(job.process)
            # A process whose threads still end is a zombie already, and not to be let go of yet.
            if (process is None or process.poll() is not None) and gone:
                return True
            time.sleep(_POLL)
        return False

    def _read(self, path: Path) -> Job:
        return Job.from_json(io.read_json(path), path)

    def _end(self, job: Job) -> _End | None:
        """How a job ended; None while it runs."""
        path = self.folder / job.id / "end.json"
        if path.is_file():
            return _End.from_json(io.read_json(path), path)
        process = self._processes.get(job.id)
        if process is None:
            if _clock(job.process) == job.process_clock:
                return None
            return self._record(job, ENDED, "it ended while nobody watched; call the tool again")
        status = process.poll()
        if status is None:
            return None
        return self._record(job, *self._result(job, status))

    def _result(self, job: Job, status: int) -> tuple[str, str]:
        if status == 0:
            return FINISHED, ""
        text = _tail(self.folder / job.id / "err.txt")
        errors = _ERROR.findall(text) or text.strip().splitlines()[-1:]
        return FAILED, errors[-1] if errors else f"it ended with status {status}"

    def _record(self, job: Job, state: str, message: str) -> _End:
        end = _End(state, message)
        io.write_json(self.folder / job.id / "end.json", end.to_json())
        return end


def _environment() -> dict[str, str]:
    """Ours, with the same ``anode``, whose errors are lines and whose progress is frequent."""
    package = str(Path(anode.__file__).resolve().parents[1])
    former = os.environ.get("PYTHONPATH", "")
    others = [str(Path(path).resolve()) for path in former.split(os.pathsep) if path]
    given = {
        **os.environ,
        LINE_SECONDS: "1",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([package, *others])),
    }
    given.pop("HYDRA_FULL_ERROR", None)
    return given


def is_alive(group: int) -> bool:
    """Whether a process group has a process that has not ended; one that nobody has asked how it
    ended is a zombie, and has."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    stats = list(Path("/proc").glob("[0-9]*/stat"))
    return not stats or any(_is_of(group, path) for path in stats)


def _is_of(group: int, stat: Path) -> bool:
    try:
        state, _, of, *_ = stat.read_text().rpartition(")")[2].split()
    except (OSError, ValueError):  # it has ended meanwhile
        return False
    return int(of) == group and state not in "ZX"


def _clock(process: int) -> int | None:
    """Start of a process in ticks since the start of the machine; None if it has ended, 0 if the
    system does not say."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, 0)
            return 0
        return None
    state, *rest = text.rpartition(")")[2].split()
    return None if state == "Z" else int(rest[18])


def _tail(path: Path) -> str:
    """The end of a text file; nothing if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
