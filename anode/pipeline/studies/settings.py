"""Settings of a study: a file of ``configs/study``."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from anode.errors import ConfigError
from anode.reporting.study.all_figures import FIGURES
from anode.reporting.study.published_results import PUBLISHED


@dataclass(frozen=True)
class Study:
    """Runs that are compared with each other; a file of ``configs/study``.

    Attributes:
        runs: folder of the runs, RUNS/<point>/<variant>/seed=N.
        output: folder of tables and figures.
        seeds: seeds of the data samples, one each.
        common: overrides of every run.
        points: name -> overrides, each with all variants; none is one point without a name, and
            without a folder.
        variants: name -> overrides.
        ensembles: other averages of a variant's fits, each "variant mode size".
        figures: names of the figures to draw.
        published: name of the published numbers drawn beside ours, or null.
        labels: variant or point -> label in figures; others by their name.
        joined: file of events -> the file whose background it has, and that whose signal.
    """

    runs: str
    output: str
    seeds: list[int]
    common: list[str]
    points: dict[str, list[str]]
    variants: dict[str, list[str]]
    ensembles: list[str]
    figures: list[str]
    published: str | None
    labels: dict[str, str] = field(default_factory=dict)
    joined: dict[str, list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ConfigError(f"study.seeds must be named once each, got {self.seeds}")
        for path, parts in self.joined.items():
            if len(parts) != 2:
                raise ConfigError(
                    f"study.joined.{path} must be [file of background, file of signal], "
                    f"got {parts}"
                )
        if not self.variants:
            raise ConfigError("study.variants must name at least one variant, got none")
        for name in (*self.points, *self.variants):
            if not name or "/" in name or name.startswith("."):
                raise ConfigError(f"study: a point or variant names a folder, got {name!r}")
        check_figures(self.figures, "study.figures")
        if self.published is not None and self.published not in PUBLISHED:
            known = ", ".join(PUBLISHED)
            raise ConfigError(f"study.published must be {known} or null, got {self.published!r}")
        if unknown := set(self.labels) - {*self.variants, *self.points}:
            raise ConfigError(
                f"study.labels names variants and points, got {', '.join(sorted(unknown))}"
            )
        for text in self.ensembles:
            variant, _, _ = ensemble_of(text)
            if variant not in self.variants:
                raise ConfigError(f"study.ensembles: no variant {variant!r}, got {text!r}")

    def with_variants(self, names: Sequence[str]) -> Self:
        """The same study with these variants alone.

        Raises:
            ConfigError: there is no such variant, or no name.
        """
        if not names or not set(names) <= set(self.variants):
            known = ", ".join(self.variants)
            raise ConfigError(f"only must name variants of the study, {known}; got {list(names)}")
        left = set(self.variants) - set(names)
        return dataclasses.replace(
            self,
            variants={name: changes for name, changes in self.variants.items() if name in names},
            ensembles=[text for text in self.ensembles if ensemble_of(text)[0] in names],
            labels={name: text for name, text in self.labels.items() if name not in left},
        )


def check_figures(names: Sequence[str], key: str) -> None:
    """Refuse names of figures that we cannot draw.

    Raises:
        ConfigError: the message lists the names.
    """
    if unknown := set(names) - set(FIGURES):
        raise ConfigError(f"{key} must be out of {', '.join(FIGURES)}, got {sorted(unknown)}")


def ensemble_of(text: str) -> tuple[str, str, int]:
    """Variant, mode and size of "variant mode size"."""
    try:
        variant, mode, size = text.split()
        return variant, mode, int(size)
    except ValueError:
        raise ConfigError(
            f"study.ensembles: an ensemble must be 'variant mode size', got {text!r}"
        ) from None
