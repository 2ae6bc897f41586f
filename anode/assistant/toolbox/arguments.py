"""What each tool is given; masses in GeV everywhere, and no labels unless asked for."""

# ruff: noqa: RUF009, as ``argument`` makes a field
from dataclasses import dataclass
from typing import Any

from anode.assistant.toolbox.schema import argument
from anode.assistant.toolbox.workspace import Workspace, column, quoted, word
from anode.errors import ConfigError

LEAST, GREATEST = 50.0, 100_000.0  # GeV; a mass below the first is in another unit
KINDS = ("lhco_features", "lhco_raw", "blackbox", "table", "bundled", "toy")
METHODS = ("anode", "anode_cold_start", "r_anode", "cathode", "lacathode", "cwola",
           "isolation_forest")  # fmt: skip
DENSITIES = ("made_mog", "maf", "maf_rqs", "coupling_rqs", "maf_mog")
_WAIT = "false: answer at once with the job, which job_status follows"


def _mass(meaning: str) -> Any:
    return argument(f"{meaning} [GeV]", None, low=LEAST, high=GREATEST)


@dataclass(frozen=True, kw_only=True)
class FileArguments:
    """A file of events, of whatever kind."""

    path: str | None = argument("file, below the root; none for bundled and toy", None)
    mass: str | None = argument("data=table: column of the mass", None)
    columns: list[str] | None = argument("data=table: columns of the features", None)
    mass_unit: str | None = argument("data=table: unit of the mass", None, choices=("GeV", "TeV"))

    def words_of(self, workspace: Workspace, kind: str) -> list[str]:
        """Words of the command line for a file of a kind.

        Raises:
            ConfigError: a name is impossible, or there is no such file.
        """
        words = [f"data={kind}"]
        if self.path is not None:
            words.append(f"data.path={quoted(str(workspace.file(self.path, 'path')))}")
        elif kind not in ("bundled", "toy"):
            raise ConfigError(f"path must be given for data={kind}")
        if kind != "table":
            return words
        if self.mass is None or not self.columns:
            raise ConfigError("mass and columns must name the columns of a table")
        names = ",".join(
            f"{word(name, 'columns')}: {quoted(column(name, 'columns'))}" for name in self.columns
        )
        mass = quoted(column(self.mass, "mass"))
        words.append(f"data.columns={{mass: {mass}, features: {{{names}}}}}")
        return words if self.mass_unit is None else [*words, f"data.mass_unit={self.mass_unit}"]


@dataclass(frozen=True, kw_only=True)
class DataArguments(FileArguments):
    """Which events."""

    data: str = argument("kind of the events", choices=KINDS)

    def data_words(self, workspace: Workspace) -> list[str]:
        """Words of the command line.

        Raises:
            ConfigError: as ``words_of``.
        """
        return self.words_of(workspace, self.data)


@dataclass(frozen=True, kw_only=True)
class Described(DataArguments):
    """Arguments of ``describe_file``."""

    output: str = argument("folder for the card and its figures, below the root")
    low: float | None = _mass("low edge of the region that the rest is compared with")
    high: float | None = _mass("high edge of this region")
    labels: bool = argument("true: say what the labels of the file say", False)
    n_jobs: int = argument("processes", 1, low=1, high=64)
    wait: bool = argument(_WAIT, True)

    def words(self, workspace: Workspace) -> list[str]:
        words = [*self.data_words(workspace), f"n_jobs={self.n_jobs}"]
        words.append(f"labels={str(self.labels).lower()}")
        if (self.low is None) != (self.high is None):
            raise ConfigError("low and high must be given together")
        return words if self.low is None else [*words, f"regions.signal=[{self.low},{self.high}]"]


@dataclass(frozen=True, kw_only=True)
class Features:
    """Arguments of ``make_features``."""

    path: str = argument("file of raw particles, below the root")
    output: str = argument("file of features to write, below the root")
    layout: str = argument("columns", "anode", choices=("anode", "lhco", "jsonl"))
    n_jobs: int = argument("processes", 2, low=1, high=64)
    wait: bool = argument(_WAIT, True)


@dataclass(frozen=True, kw_only=True)
class Fit(DataArguments):
    """What searches and runs share."""

    run_dir: str = argument("folder, below the root; given again, what was interrupted goes on")
    method: str = argument("method", "anode", choices=METHODS)
    density: str = argument("density p(x|m)", "made_mog", choices=DENSITIES)
    features: list[str] | None = argument("features of the score; null: those of the data", None)
    epochs: int | None = argument("epochs of a fit; null: the default", None, low=1, high=1000)
    folds: int | None = argument("folds of the fits; null: the default", None, low=2, high=20)
    seed: int = argument("of everything random", 1, low=0, high=2**31 - 1)
    n_jobs: int = argument("processes", 2, low=1, high=64)
    wait: bool = argument(_WAIT, True)

    def fit_words(self, workspace: Workspace) -> list[str]:
        """Words of data and fits."""
        words = [*self.data_words(workspace), f"method={self.method}", f"density={self.density}",
                 f"seed={self.seed}", f"n_jobs={self.n_jobs}"]  # fmt: skip
        if self.features is not None:
            names = ",".join(word(name, "features") for name in self.features)
            words.append(f"features=[{names}]")
        if self.epochs is not None:
            words += [f"trainer.epochs={self.epochs}", f"ensemble.size={min(10, self.epochs)}"]
        return words if self.folds is None else [*words, f"split.folds={self.folds}"]


@dataclass(frozen=True, kw_only=True)
class Run(Fit):
    """Arguments of ``run``."""

    low: float = argument("low edge of the signal region [GeV]", low=LEAST, high=GREATEST)
    high: float = argument("high edge of it [GeV]", low=LEAST, high=GREATEST)
    labels: bool = argument("true: say how well labels say the score does, too", False)

    def words(self, workspace: Workspace) -> list[str]:
        return [*self.fit_words(workspace), f"regions.signal=[{self.low},{self.high}]"]


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Windows of a scan."""

    start: float | None = _mass("low edge of the first window; null: behind the trigger turn-on")
    stop: float | None = _mass("no window ends above it")
    width: float | None = _mass("width of a window")
    step: float | None = _mass("from one window to the next")
    min_events: int | None = argument("events that a window needs", None, low=10, high=10**9)

    def scan_words(self) -> list[str]:
        """Words of the windows."""
        names = ("start", "stop", "width", "step", "min_events")
        values = {name: getattr(self, name) for name in names}
        return [f"scan.{k}={v}" for k, v in values.items() if v is not None]


@dataclass(frozen=True, kw_only=True)
class Propose(DataArguments, Scan):
    """Arguments of ``propose_regions``."""

    run_dir: str = argument("folder for the figure, below the root; a search may use it later")
    wait: bool = argument(_WAIT, True)

    def words(self, workspace: Workspace) -> list[str]:
        return [*self.data_words(workspace), *self.scan_words(), "propose=true"]


@dataclass(frozen=True, kw_only=True)
class Search(Fit, Scan):
    """Arguments of ``search``."""

    efficiencies: list[float] | None = argument(
        "background efficiencies of the cuts, descending", None, low=1e-6, high=0.9
    )
    n_toys: int | None = argument("toys of the scan", None, low=100, high=10**7)
    spread_samples: int | None = argument(
        "samples that measure the spread of counts; 0: not measured", None, low=0, high=1000
    )

    def words(self, workspace: Workspace) -> list[str]:
        words = [*self.fit_words(workspace), *self.scan_words()]
        if self.efficiencies is not None:
            words.append(f"efficiencies=[{','.join(map(str, self.efficiencies))}]")
        if self.n_toys is not None:
            words.append(f"n_toys={self.n_toys}")
        if self.spread_samples is not None:
            words.append(f"overdispersion.n_experiments={self.spread_samples}")
        return words


@dataclass(frozen=True, kw_only=True)
class Forest(DataArguments):
    """Arguments of ``isolation_forest``."""

    run_dir: str = argument("folder, below the root")
    low: float = argument("low edge of the window [GeV]", low=LEAST, high=GREATEST)
    high: float = argument("high edge of it [GeV]", low=LEAST, high=GREATEST)
    features: list[str] | None = argument("features; null: those of the data", None)
    seed: int = argument("of everything random", 1, low=0, high=2**31 - 1)
    n_jobs: int = argument("processes", 1, low=1, high=64)
    wait: bool = argument(_WAIT, True)

    def words(self, workspace: Workspace) -> list[str]:
        words = [*self.data_words(workspace), f"seed={self.seed}", f"n_jobs={self.n_jobs}"]
        if self.features is not None:
            names = ",".join(word(name, "features") for name in self.features)
            words.append(f"features=[{names}]")
        return [*words, *forest_words(self.low, self.high)]


def forest_words(low: float, high: float) -> list[str]:
    """An isolation forest in one window alone, as words of ``anode search``."""
    return [
        "method=isolation_forest", f"scan.start={low:g}", f"scan.stop={high:g}",
        f"scan.width={high - low:g}", f"scan.step={high - low:g}", "scan.share=1",
        "overdispersion.n_experiments=0", "extras=false", "n_toys=1000",
    ]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Score(FileArguments):
    """Arguments of ``score``."""

    run_dir: str = argument("a finished run or search, below the root")
    data: str | None = argument(
        "kind of another file; null: the search's own events in its best window", None,
        choices=KINDS[:-1],
    )  # fmt: skip
    output: str | None = argument("HDF5 file for its scores, below the root", None)
    n_jobs: int = argument("processes", 2, low=1, high=64)
    wait: bool = argument(_WAIT, True)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Arguments of ``report``."""

    run_dir: str = argument("a finished search, below the root")
    calibrated: str | None = argument("calibration.json of the same settings", None)
    wait: bool = argument(_WAIT, True)


@dataclass(frozen=True, kw_only=True)
class Compare:
    """Arguments of ``compare``."""

    runs: list[str] = argument("folders of finished runs, below the root")
    output: str = argument("folder for the comparison, below the root")
    labels: bool = argument("true: also what labels say", False)
    wait: bool = argument(_WAIT, True)


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """No argument."""


@dataclass(frozen=True, kw_only=True)
class OfJob:
    """Arguments of ``job_status`` and ``cancel_job``."""

    job: str = argument("id of the job")
