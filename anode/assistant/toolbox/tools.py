"""The tools: each a command of ours with checked arguments, and the facts of what it leaves."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from anode.assistant.toolbox import arguments as of
from anode.assistant.toolbox.data_facts import (
    DataFacts,
    FeaturesFacts,
    ProposalFacts,
    data_facts,
    features_facts,
    proposal_facts,
)
from anode.assistant.toolbox.jobs import JobState
from anode.assistant.toolbox.run_facts import CompareFacts, RunFacts, compare_facts, run_facts
from anode.assistant.toolbox.schema import Schema, schema_of
from anode.assistant.toolbox.score_facts import (
    ScoreFacts,
    file_scores,
    refuse_other,
    window_scores,
)
from anode.assistant.toolbox.search_facts import SearchFacts, search_facts
from anode.assistant.toolbox.workspace import Workspace, quoted
from anode.errors import ConfigError
from anode.pipeline.runs.run_directory import RunDirectory


class Work(NamedTuple):
    """A command, and how its facts are read.

    Attributes:
        words: words after ``anode``.
        folder: what it writes, as callers name it.
        read: facts of what it has left.
    """

    words: list[str]
    folder: str
    read: Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class FoundRun:
    """A folder of a run or search, below the root; kind is "run" or "search"."""

    folder: str
    kind: str
    finished: bool


@dataclasses.dataclass(frozen=True)
class RunList:
    """Runs and jobs below the root, at most 200 of each, the latest jobs."""

    runs: list[FoundRun]
    jobs: list[JobState]


class Tool(NamedTuple):
    """One tool.

    Attributes:
        summary: what it does.
        arguments: dataclass of its arguments.
        facts: dataclass of what it gives.
        work: command of a long tool; None for one that answers at once.
        writes: False if it changes nothing.
    """

    summary: str
    arguments: type
    facts: type
    work: "Callable[[Workspace, Any], Work] | None" = None
    writes: bool = True

    @property
    def input_schema(self) -> Schema:
        """JSON schema of the arguments."""
        return schema_of(self.arguments)

    @property
    def output_schema(self) -> Schema:
        """JSON schema of the result: of a long tool its job, and its facts once there are any."""
        facts = schema_of(self.facts)
        if self.work is None:
            return facts
        return {
            "type": "object",
            "properties": {
                "job": schema_of(JobState),
                "facts": {"anyOf": [facts, {"type": "null"}]},
            },
            "required": ["job", "facts"],
            "additionalProperties": False,
        }


def _explore(at: Workspace, asked: of.Described) -> Work:
    folder = at.folder(asked.output, "output")
    words = ["explore", *asked.words(at), f"output={quoted(str(folder))}"]
    shown = at.shown(folder)
    return Work(words, shown, lambda: data_facts(folder, shown, labels=asked.labels))


def _features(at: Workspace, asked: of.Features) -> Work:
    path, output = at.file(asked.path, "path"), at.output(asked.output, "output")
    words = ["features", f"data.path={quoted(str(path))}", f"output={quoted(str(output))}",
             f"layout={asked.layout}", f"n_jobs={asked.n_jobs}"]  # fmt: skip
    shown = at.shown(output)
    return Work(words, shown, lambda: features_facts(output, shown))


def _propose(at: Workspace, asked: of.Propose) -> Work:
    folder, words = _in_folder(at, "search", asked.words(at), asked.run_dir)
    return Work(words, at.shown(folder), lambda: proposal_facts(folder, at.shown(folder)))


def _search(at: Workspace, asked: of.Search | of.Forest) -> Work:
    folder, words = _in_folder(at, "search", asked.words(at), asked.run_dir)
    return Work(words, at.shown(folder), lambda: search_facts(folder, at.shown(folder)))


def _run(at: Workspace, asked: of.Run) -> Work:
    folder, words = _in_folder(at, "run", asked.words(at), asked.run_dir)
    shown = at.shown(folder)
    return Work(words, shown, lambda: run_facts(folder, shown, labels=asked.labels))


def _in_folder(
    at: Workspace, command: str, words: list[str], run_dir: str
) -> tuple[Path, list[str]]:
    folder = at.folder(run_dir, "run_dir")
    return folder, [command, *words, "tracker=none", f"run_dir={quoted(str(folder))}"]


def _score(at: Workspace, asked: of.Score) -> Work:
    folder = at.folder(asked.run_dir, "run_dir")
    shown = at.shown(folder)
    if asked.data is None:
        words = ["report", f"run_dir={quoted(str(folder))}"]
        return Work(words, shown, lambda: window_scores(folder, shown))
    if asked.path is None or asked.output is None:
        raise ConfigError("path and output must be given where data is")
    output = at.output(asked.output, "output")
    refuse_other(output, asked.output, folder)
    words = ["score", f"run_dir={quoted(str(folder))}", *asked.words_of(at, asked.data),
             f"output={quoted(str(output))}", f"n_jobs={asked.n_jobs}"]  # fmt: skip
    return Work(
        words, at.shown(output), lambda: file_scores(folder, shown, output, at.shown(output))
    )


def _report(at: Workspace, asked: of.Report) -> Work:
    folder = at.folder(asked.run_dir, "run_dir")
    words = ["report", f"run_dir={quoted(str(folder))}"]
    if asked.calibrated is not None:
        words.append(f"calibrated={quoted(str(at.file(asked.calibrated, 'calibrated')))}")
    return Work(words, at.shown(folder), lambda: search_facts(folder, at.shown(folder)))


def _compare(at: Workspace, asked: of.Compare) -> Work:
    folder = at.folder(asked.output, "output")
    runs = {run: at.folder(run, "runs") for run in asked.runs}
    for run, path in runs.items():
        if not RunDirectory(path).metrics.is_file():
            raise ConfigError(f"runs must be folders of finished runs, but {run} has no metrics")
    listed = ",".join(quoted(str(path)) for path in runs.values())
    words = ["compare", f"runs=[{listed}]", f"output={quoted(str(folder))}", "figures=[]"]
    shown = at.shown(folder)
    return Work(words, shown, lambda: compare_facts(folder, shown, runs, labels=asked.labels))


TOOLS: Mapping[str, Tool] = {
    "describe_file": Tool(
        "Say what is in a file before anything is fitted: counts, faults, masses, features.",
        of.Described, DataFacts, _explore,
    ),
    "make_features": Tool(
        "Make jets, substructure and m_jj of a file of raw particles; resumable.",
        of.Features, FeaturesFacts, _features,
    ),
    "propose_regions": Tool(
        "Say where a scan may start and end, from the masses alone; fits no density.",
        of.Propose, ProposalFacts, _propose,
    ),
    "run": Tool(
        "Fit and score one signal region; resumable.", of.Run, RunFacts, _run,
    ),
    "score": Tool(
        "Score another file by a finished run or search; or give the events of a search's best "
        "window.",
        of.Score, ScoreFacts, _score,
    ),
    "search": Tool(
        "Search all windows of the mass for a resonance, with local and global significance; "
        "resumable.",
        of.Search, SearchFacts, _search,
    ),
    "report": Tool(
        "Write the report of a finished search, and give its verdict and warnings.",
        of.Report, SearchFacts, _report,
    ),
    "isolation_forest": Tool(
        "Test one window with an isolation forest, which knows nothing of the mass: a check.",
        of.Forest, SearchFacts, _search,
    ),
    "compare": Tool(
        "Compare finished runs.", of.Compare, CompareFacts, _compare,
    ),
    "list_runs": Tool(
        "List runs, searches and jobs below the root.", of.Nothing, RunList, writes=False
    ),
    "job_status": Tool(
        "Say how a job stands: state, fraction done, last line.", of.OfJob, JobState, writes=False
    ),
    "cancel_job": Tool(
        "End a job and its processes; the same call of its tool goes on later.", of.OfJob, JobState
    ),
}  # fmt: skip
