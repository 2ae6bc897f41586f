"""The command ``anode assistant analyse``: the whole analysis of a file by tools, as a script."""

import dataclasses
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from anode import io
from anode.assistant.conclusion import Conclusion, conclude
from anode.assistant.toolbox.arguments import forest_words
from anode.assistant.toolbox.data_facts import (
    DataFacts,
    ProposalFacts,
    data_facts,
    proposal_facts,
)
from anode.assistant.toolbox.jobs import FAILED, Jobs, JobState
from anode.assistant.toolbox.score_facts import ScoreFacts, window_scores
from anode.assistant.toolbox.search_facts import SearchFacts, search_facts
from anode.assistant.toolbox.toolbox import wait
from anode.assistant.transcript import Transcript
from anode.configuration.composition import as_word
from anode.errors import AnodeError, ConfigError, DataError
from anode.events.config import DataConfig
from anode.pipeline.search.config import SearchConfig, parse_search
from anode.progress import LINE_EVERY
from anode.records import Json, Place, plain, read_value

log = logging.getLogger(__name__)

F = TypeVar("F")

SEARCH, FOREST, CARD = "search", "isolation_forest", "description"
"""Folders below that of an analysis."""
_OF_METHOD = ("method", "scan", "overdispersion", "n_toys", "extras")


class AnalyseConfig(NamedTuple):
    """An analysis.

    Attributes:
        words: words of the command line, those of ``anode search``.
        search: what they say.
    """

    words: tuple[str, ...]
    search: SearchConfig


def parse_analyse(raw: DictConfig) -> AnalyseConfig:
    """Check Hydra's configuration, that of a search.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    search = parse_search(raw)
    if search.propose or search.scan.window is not None:
        raise ConfigError("propose and scan.window are steps of an analysis; leave them out")
    words = HydraConfig.get().overrides.task if HydraConfig.initialized() else ()
    return AnalyseConfig(tuple(words), search)


def analyse(config: AnalyseConfig) -> None:
    """Describe, propose, search, check, score, report and conclude; print the conclusion.

    Raises:
        AnodeError: the file or the settings are wrong, as the tool that met it says; the
            transcript has it, too.
    """
    analysis = Analysis(config)
    try:
        found = analysis.run()
    except AnodeError as error:
        analysis.give_up(str(error))
        raise
    for heading, lines in found.sections().items():
        print("\n".join([f"{heading}:", *(f"- {line}" for line in lines)]))
    print(f"transcript: {analysis.transcript.page}")


class Analysis:
    """An analysis in its folder; what is in its transcript is not done again.

    Args:
        config: the analysis.

    Raises:
        RunDirectoryError: the folder has the transcript of another one.
    """

    def __init__(self, config: AnalyseConfig) -> None:
        self.config = config
        run = config.search.run
        self.folder = Path(run.run_dir)
        self.jobs = Jobs(self.folder / "jobs", Path.cwd())
        words = [word for word in config.words if _key(word) not in ("run_dir", "n_jobs")]
        about: dict[str, Json] = {
            "settings": " ".join(sorted(words)),
            "data_sha256": _hash(run.data),
        }
        self.transcript = Transcript(self.folder, f"Analysis of {_name(run.data)}", about)

    def run(self) -> Conclusion:
        """The conclusion, with all that it stands on."""
        data = self._describe()
        proposal = self._propose()
        search = self._search(proposal)
        forest = self._forest(search)
        scores = self._scores(search)
        search = self._report()
        luminosity = self.config.search.spectrum.luminosity
        found = conclude(
            data, proposal, search, forest, scores, has_luminosity=luminosity is not None
        )
        for heading, lines in found.sections().items():
            self.transcript.say(heading, ["\n".join(f"- {line}" for line in lines)])
        self.transcript.write(plain(found))
        return found

    def give_up(self, why: str) -> None:
        """Say in the transcript why there is no conclusion."""
        self.transcript.say("Conclusion", [f"The analysis ended without one: {why}"])
        self.transcript.write({"claimed": False, "error": why})

    def _describe(self) -> DataFacts:
        run, folder = self.config.search.run, self.folder / CARD
        words = ["explore", *data_words(run.data), f"seed={run.seed}", f"n_jobs={run.n_jobs}",
                 "labels=false"]  # fmt: skip
        return self._call(
            "describe_file", words, CARD, "output", DataFacts,
            lambda: data_facts(folder, CARD, labels=False),
        )  # fmt: skip

    def _propose(self) -> ProposalFacts:
        folder = self.folder / SEARCH
        words = ["search", *self._words(), "propose=true"]
        return self._call(
            "propose_regions", words, SEARCH, "run_dir", ProposalFacts,
            lambda: proposal_facts(folder, SEARCH),
        )  # fmt: skip

    def _search(self, proposal: ProposalFacts) -> SearchFacts:
        """In the proposed range, as far as the user has named none."""
        words = ["search", *self._words()]
        given = {_key(word) for word in words}
        range_of = {"scan.start": proposal.start, "scan.stop": proposal.stop}
        words += [f"{key}={value:g}" for key, value in range_of.items() if key not in given]
        folder = self.folder / SEARCH
        return self._call(
            "search", words, SEARCH, "run_dir", SearchFacts, lambda: search_facts(folder, SEARCH)
        )

    def _forest(self, search: SearchFacts) -> SearchFacts | None:
        if search.best is None:
            return None
        left = [word for word in self._words() if _key(word).split(".")[0] not in _OF_METHOD]
        low, high = search.best.low, search.best.high
        words = ["search", *left, *forest_words(low, high)]
        kept = [w for w in self._words() if _key(w) == "scan.min_events"]
        folder = self.folder / FOREST
        try:
            return self._call(
                "isolation_forest", [*words, *kept], FOREST, "run_dir", SearchFacts,
                lambda: search_facts(folder, FOREST),
            )  # fmt: skip
        except AnodeError as error:  # a check that cannot be made is no reason to end
            log.warning("%s", error)
            return None

    def _scores(self, search: SearchFacts) -> ScoreFacts | None:
        if search.best is None:
            return None
        facts = self.transcript.call(
            "score", {"run_dir": SEARCH},
            lambda: plain(window_scores(self.folder / SEARCH, SEARCH)),
        )  # fmt: skip
        return _as(ScoreFacts, facts)

    def _report(self) -> SearchFacts:
        folder = self.folder / SEARCH
        return self._call(
            "report", ["report"], SEARCH, "run_dir", SearchFacts,
            lambda: search_facts(folder, SEARCH),
        )  # fmt: skip

    def _call(
        self,
        tool: str,
        words: Sequence[str],
        folder: str,
        key: str,
        kind: type[F],
        read: Callable[[], F],
    ) -> F:
        """The facts of a command that writes into a folder below ours."""
        log.info("%s", tool)
        command = [*words, f"{key}={as_word(self.folder / folder)}"]

        def make() -> Json:
            job = self.jobs.begin(tool, command, folder)
            state = wait(self.jobs, job, _Said(tool))
            if state.state == FAILED:
                raise DataError(state.message)
            facts: Json = plain(read())
            return facts

        shown = [word for word in words if _key(word) != "n_jobs"]
        arguments: Mapping[str, Json] = {"command": " ".join(["anode", *shown]), key: folder}
        facts = self.transcript.call(tool, arguments, make)
        return _as(kind, facts)

    def _words(self) -> list[str]:
        """Words of the user, but for the folder."""
        return [word for word in self.config.words if _key(word) != "run_dir"]


class _Said:
    """Says how a job stands, from time to time."""

    def __init__(self, tool: str) -> None:
        self.tool, self.last = tool, time.monotonic()

    def __call__(self, state: JobState) -> None:
        if state.message and time.monotonic() - self.last > LINE_EVERY:
            self.last = time.monotonic()
            log.info("%s: %s", self.tool, state.message)


def data_words(data: DataConfig) -> list[str]:
    """The group ``data`` as words of a command line; what serves tests of runs is left out."""
    content = dataclasses.asdict(data)
    left_out = ("reader", "extra", "key", "extra_background", "cache")
    words = [f"data={content['reader']}"]
    for name, value in content.items():
        if name not in left_out and value not in (None, [], {}):
            words += _words_of(f"data.{name}", value)
    return words


def _words_of(key: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        if key.endswith(".features"):  # names of the user, not ours
            inner = ", ".join(f"{k}: {as_word(v)}" for k, v in value.items())
            return [f"{key}={{{inner}}}"]
        return [w for k, v in value.items() if v is not None for w in _words_of(f"{key}.{k}", v)]
    if isinstance(value, list):
        return [f"{key}=[{','.join(as_word(v) for v in value)}]"]
    return [f"{key}={as_word(value)}"]


def _as(kind: type[F], facts: Json) -> F:
    found: F = read_value(kind, facts, Place("transcript.jsonl"))
    return found


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _name(data: DataConfig) -> str:
    return data.reader if data.path is None else Path(data.path).name


def _hash(data: DataConfig) -> str | None:
    path = None if data.path is None else Path(data.path)
    return None if path is None or not path.is_file() else io.sha256_file(path)
