"""The tools on the files below one folder: begun, waited for, and what they give."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from anode.assistant.toolbox.jobs import ENDED, FAILED, FINISHED, RUNNING, Job, Jobs, JobState
from anode.assistant.toolbox.schema import checked
from anode.assistant.toolbox.tools import TOOLS, FoundRun, RunList
from anode.assistant.toolbox.workspace import Workspace
from anode.errors import AnodeError, ConfigError, DataError, nearest
from anode.records import Json, plain

JOBS = ".anode/jobs"
POLL = 0.1  # s
MOST_LISTED = 200


class Begun(NamedTuple):
    """A long tool at work: its job, how its facts are read, and whether the caller waits."""

    job: Job
    read: Callable[[], Any]
    wait: bool


class Toolbox:
    """The tools on the files below one folder.

    Args:
        root: folder that every path must lie in.
    """

    def __init__(self, root: Path | str) -> None:
        self.workspace = Workspace(root)
        self.jobs = Jobs(self.workspace.root / JOBS, self.workspace.root)

    def begin(self, name: str, given: Mapping[str, Json]) -> "Begun | Json":
        """Start a long tool, or give the result of another.

        Raises:
            AnodeError: the tool is unknown, or its arguments are wrong.
        """
        if name not in TOOLS:
            hint = nearest(name, TOOLS) or f"; one of {', '.join(TOOLS)}"
            raise ConfigError(f"unknown tool {name}{hint}")
        tool = TOOLS[name]
        asked: Any = checked(tool.arguments, given)
        if tool.work is None:
            result: Json = plain(self._answer(name, asked))
            return result
        work = tool.work(self.workspace, asked)
        return Begun(self.jobs.begin(name, work.words, work.folder), work.read, asked.wait)

    def result(self, begun: Begun) -> Json:
        """The job, and its facts once it has finished.

        Raises:
            DataError: it has failed.
        """
        state = self.jobs.state(begun.job)
        if state.state == FAILED:
            raise DataError(f"{begun.job.tool}: {state.message}")
        facts = None if state.state not in (FINISHED, ENDED) else begun.read()
        return {"job": plain(state), "facts": plain(facts)}

    def call(
        self,
        name: str,
        given: Mapping[str, Json],
        watch: Callable[[JobState], None] = lambda state: None,
    ) -> Json:
        """The result of a tool; waits for it, and ends its job if interrupted.

        Raises:
            AnodeError: as ``begin`` and ``result``.
        """
        begun = self.begin(name, given)
        if not isinstance(begun, Begun):
            return begun
        if begun.wait:
            wait(self.jobs, begun.job, watch)
        return self.result(begun)

    def _answer(self, name: str, asked: Any) -> Any:
        if name == "list_runs":
            return self.list_runs()
        job = self.jobs.get(asked.job)
        return self.jobs.cancel(job) if name == "cancel_job" else self.jobs.state(job)

    def list_runs(self) -> RunList:
        """Runs, searches and jobs."""
        found: list[FoundRun] = []
        for path in sorted(self.workspace.root.rglob("config.yaml")):
            folder = path.parent
            shown = self.workspace.shown(folder)
            if "/windows/" in f"/{shown}" or any(p.startswith(".") for p in Path(shown).parts):
                continue
            is_search = (folder / "windows").is_dir()
            result = folder / ("search.json" if is_search else "metrics.json")
            found.append(FoundRun(shown, "search" if is_search else "run", result.is_file()))
        jobs = [self.jobs.state(job) for job in self.jobs.all()[-MOST_LISTED:]]
        return RunList(found[:MOST_LISTED], jobs)


def wait(jobs: Jobs, job: Job, watch: Callable[[JobState], None] = lambda state: None) -> JobState:
    """Wait for a job; whatever interrupts the waiting ends the job, too."""
    try:
        while (state := jobs.state(job)).state == RUNNING:
            watch(state)
            time.sleep(POLL)
    except BaseException:
        jobs.cancel(job)
        raise
    return state


def reason(error: Exception) -> str:
    """What a caller is told of an error: our own messages, and of others no text."""
    if isinstance(error, AnodeError):
        return str(error)
    return f"a fault of anode, not of your input: {type(error).__name__}"
