"""Configuration of ``anode compare study=reach`` and ``study=coverage``."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from anode.configuration.builder import build
from anode.errors import ConfigError

KIND = "reach"
"""``study.kind`` of the studies of this room."""


@dataclass(frozen=True)
class ReachSignal:
    """A signal that is injected.

    Attributes:
        path: file with signal events; null, the bundled ones.
        window: window that is searched for it, low and high edge [GeV].
    """

    path: str | None
    window: list[float]

    def __post_init__(self) -> None:
        if len(self.window) != 2 or not 0 < self.window[0] < self.window[1]:
            raise ConfigError(
                f"study.signals: a window must be [low, high] in GeV, rising, got {self.window}"
            )


@dataclass(frozen=True)
class ReachStudy:
    """A file of ``configs/study`` with ``kind: reach``.

    Attributes:
        kind: "reach".
        runs: folder of samples and searches.
        output: folder of tables and figures.
        seeds: seeds of the experiments, one sample each for every signal.
        background: file with background events; null, the bundled ones.
        n_background: number of background events drawn for a sample; null takes all in each.
        signals: name -> signal.
        strengths: S/sqrt(B) expected in the window.
        n_windows: number of windows of the scan whose trials make a significance global.
        common: overrides of every search.
        variants: name -> overrides of ``anode search``.
        ceiling: overrides of a supervised run of each signal, the ceiling; null, none.
        labels: variant or signal -> name in tables and figures; others by their own.
        keep: True to keep the folder of each search.
        former: tables (``reach.json``) of former studies, whose searches are not made again.
    """

    kind: str
    runs: str
    output: str
    seeds: list[int]
    background: str | None
    n_background: int | None
    signals: dict[str, ReachSignal]
    strengths: list[float]
    n_windows: int
    common: list[str]
    variants: dict[str, list[str]]
    ceiling: list[str] | None
    labels: dict[str, str] = field(default_factory=dict)
    keep: bool = False
    former: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"study.seeds must be named once each, got {self.seeds}")
        distinct = sorted(set(self.strengths))
        if not self.strengths or self.strengths != distinct or self.strengths[0] < 0:
            raise ConfigError(f"study.strengths must rise from 0 or more, got {self.strengths}")
        for key in ("signals", "variants"):
            names = getattr(self, key)
            if not names or any(not n or "/" in n or n.startswith(".") for n in names):
                raise ConfigError(f"study.{key} must name at least one folder, got {list(names)}")
        if self.n_windows < 1:
            raise ConfigError(f"study.n_windows must be at least 1, got {self.n_windows}")
        if self.n_background is not None and self.n_background < 1:
            raise ConfigError(
                f"study.n_background must be at least 1 or null, got {self.n_background}"
            )
        for override in (*self.common, *(o for own in self.variants.values() for o in own)):
            key = override.lstrip("+~").partition("=")[0]
            if key.partition(".")[0] in _OWN or key in _OWN:
                raise ConfigError(
                    f"study: {key} is given by the study itself, got {override!r}; remove it"
                )
        if unknown := set(self.labels) - {*self.variants, *self.signals}:
            raise ConfigError(
                f"study.labels names variants and signals, got {', '.join(sorted(unknown))}"
            )

    def named(self, name: str) -> str:
        """What a variant or signal is called in tables and figures."""
        return self.labels.get(name, name)

    def with_variants(self, names: list[str]) -> Self:
        """The same study with these variants alone.

        Raises:
            ConfigError: there is no such variant, or no name.
        """
        if not names or not set(names) <= set(self.variants):
            known = ", ".join(self.variants)
            raise ConfigError(f"only must name variants of the study, {known}; got {names}")
        kept = {name: own for name, own in self.variants.items() if name in names}
        labels = {n: text for n, text in self.labels.items() if n in kept or n in self.signals}
        return dataclasses.replace(self, variants=kept, labels=labels)


_OWN = {
    *("data", "injection", "run_dir", "seed", "n_jobs"),
    *("scan.start", "scan.stop", "scan.width", "scan.window", "overdispersion.path"),
    "spectrum.test",
}
"""Keys and groups of a search that the study gives: its one test is that of all categories."""


@dataclass(frozen=True)
class ReachConfig:
    """A study and how it is made.

    Attributes:
        study: what is made.
        n_jobs: number of processes, a sample of one strength each.
    """

    study: ReachStudy
    n_jobs: int

    def __post_init__(self) -> None:
        if self.n_jobs < 1:
            raise ConfigError(f"n_jobs must be at least 1, got {self.n_jobs}")

    @property
    def runs(self) -> Path:
        """Folder of samples and searches."""
        return Path(self.study.runs)


def reach_from(content: Mapping[str, Any]) -> ReachConfig:
    """Check the content of ``configs/compare.yaml`` with such a study.

    Raises:
        ConfigError: a key is unknown, missing, impossible, or has no meaning here.
    """
    if content.get("group_by") is not None:
        raise ConfigError("a study is grouped by its variants; leave group_by out")
    runs, output, only = content.get("runs"), content.get("output"), content.get("only")
    config = build(ReachConfig, {"study": content["study"], "n_jobs": content["n_jobs"]})
    study = config.study
    if runs:
        if len(runs) != 1:
            raise ConfigError(f"runs of a study is one folder, got {runs}")
        study = dataclasses.replace(study, runs=runs[0])
    if output:
        study = dataclasses.replace(study, output=output)
    if only is not None:
        study = study.with_variants(only)
    return dataclasses.replace(config, study=study)
