"""One sample of a reach study at one strength, and which searches of it are done."""

import json
from pathlib import Path
from typing import NamedTuple

from anode import io
from anode.errors import DataError, RunDirectoryError
from anode.evaluation.reach import Experiment
from anode.pipeline.studies.reach.config import ReachStudy
from anode.pipeline.studies.reach.samples import BUNDLED, FOLDER, Recipe, Sample, make_sample
from anode.regions.windows import Window

OVERDISPERSION = "overdispersion"
"""Folder of what each variant measures once, beside the searches and beside their tables."""


class Place(NamedTuple):
    """One sample at one strength, searched by every variant."""

    study: ReachStudy
    signal: str
    strength: float
    seed: int

    @property
    def window(self) -> Window:
        return Window(*self.study.signals[self.signal].window)

    def folder(self, variant: str) -> Path:
        """Folder of a search, and with .json its result."""
        home = Path(self.study.runs) / self.signal / f"{self.strength:g}" / variant
        return home / f"seed={self.seed}"

    def result(self, variant: str) -> Path:
        return self.folder(variant).with_suffix(".json")

    @property
    def recipe(self) -> Recipe:
        return recipe_of(self.study, self.signal, self.study.strengths[-1], self.seed)

    def digest(self, variant: str) -> str:
        """Hash of all that decides a search: its overrides, and the events of the sample."""
        own = [*self.study.common, *self.study.variants[variant]]
        return io.sha256_text(json.dumps([own, self.recipe.digest()]))

    def overdispersion(self, variant: str) -> Path:
        """File of the over-dispersion of a variant, which all its searches share."""
        return Path(self.study.runs) / OVERDISPERSION / f"{variant}.json"

    def sample(self) -> Sample:
        """The sample of the seed, which all strengths share."""
        return make_sample(sample_path(self.study, self.signal, self.seed), self.recipe)


def sample_path(study: ReachStudy, signal: str, seed: int) -> Path:
    """File of the sample of a seed."""
    return Path(study.runs) / FOLDER / signal / f"seed={seed}.h5"


def recipe_of(study: ReachStudy, signal: str, strength: float | None, seed: int) -> Recipe:
    """What the sample of a seed is made of."""
    own = study.signals[signal]
    background = Path(study.background) if study.background else BUNDLED
    path = Path(own.path) if own.path else BUNDLED
    return Recipe(background, path, Window(*own.window), study.n_background, strength, seed)


class Former(NamedTuple):
    """Searches of former tables, ``study.former``.

    Attributes:
        rows: signal, strength, variant and seed -> the search, its digest, and its table.
    """

    rows: dict[tuple[str, float, str, int], tuple[Experiment, str, Path]]

    def find(self, place: Place, variant: str) -> Experiment | None:
        """The search of a variant in a sample, if a table has it.

        Raises:
            RunDirectoryError: it was made with other settings, or of other events.
        """
        row = self.rows.get((place.signal, place.strength, variant, place.seed))
        if row is None:
            return None
        experiment, digest, path = row
        if digest != place.digest(variant):
            raise RunDirectoryError(
                f"study.former: {path} must have searches of the settings and events of this "
                f"study, but that of {variant}, seed {place.seed}, is of others (study.strengths "
                "must end with the same strength); leave the file out"
            )
        return experiment


def read_former(study: ReachStudy) -> Former:
    """The searches of former tables.

    Raises:
        DataError: a table is not there, is broken, or has no digests.
    """
    rows = {}
    for path in map(Path, study.former):
        found = io.read_json(path, remedy="name reach.json of a finished study")
        for row in found.get("searches") or [{}]:
            if "digest" not in row:
                raise DataError(
                    f"{path}: study.former must be reach.json with a digest of each search; this "
                    "file has none; leave it out"
                )
            one = Experiment.from_json(row, path)
            rows[one.signal, one.strength, one.variant, one.seed] = (one, row["digest"], path)
    return Former(rows)


def take_overdispersion(study: ReachStudy) -> None:
    """Take over what is kept beside former tables, where it was not measured here."""
    for table in study.former:
        for name in study.variants:
            kept = Path(table).parent / OVERDISPERSION / f"{name}.json"
            own = Path(study.runs) / OVERDISPERSION / kept.name
            if kept.is_file() and not own.is_file():
                io.write_text(own, kept.read_text(encoding="utf-8"))


def search_of(place: Place, variant: str, former: Former) -> Experiment | None:
    """A search that is done, here or in a former table; None if it is missing.

    Raises:
        RunDirectoryError: it was made with other settings, or of other events.
    """
    path = place.result(variant)
    if not path.is_file():
        return former.find(place, variant)
    content = io.read_json(path, remedy="delete it, and give the same command again")
    if content.pop("digest") != place.digest(variant):
        raise RunDirectoryError(
            f"{path} must be of the settings and events of this study, but is of others; give "
            "another runs=[DIR], or delete it"
        )
    return Experiment.from_json(content, path)
