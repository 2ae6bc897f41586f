"""From columns of numbers to the events that a run sees: what a scorer is given."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from anode.errors import DataError
from anode.events import dijet, rules
from anode.events.feature_definitions import (
    FEATURES,
    RAW_COLUMNS,
    columns_needed,
    units_of,
)
from anode.events.table import EventTable, refuse_rows

MASS = "mass"


@dataclass(frozen=True)
class InputColumns:
    """Names of the numbers that describe an event to a run.

    Attributes:
        features: D features of the run.

    Example:
        >>> InputColumns(("mj1", "delta_mj")).names[:4], InputColumns(("a", "b")).names
        (('pxj1', 'pyj1', 'pzj1', 'mj1'), ('mass', 'a', 'b'))
    """

    features: tuple[str, ...]

    @property
    def of_jets(self) -> bool:
        """True if every feature is one of two jets, known by its name."""
        return all(name in FEATURES for name in self.features)

    @property
    def names(self) -> tuple[str, ...]:
        """Names in order: the 14 columns of the LHC Olympics and those of the substructure that a
        feature needs, or mass [GeV] and features."""
        if not self.of_jets:
            return (MASS, *self.features)
        return tuple(dict.fromkeys((*RAW_COLUMNS, *columns_needed(self.features))))

    def of_array(self, values: np.ndarray, *, source: str = "events") -> EventTable:
        """Events of an array (N, C), a column for each of ``names``.

        Raises:
            DataError: C differs, or as ``of_columns``.
        """
        if values.ndim != 2 or values.shape[1] != len(self.names):
            raise DataError(
                f"{source}: every event must have {len(self.names)} numbers, "
                f"{', '.join(self.names)}, got an array of shape {values.shape}"
            )
        return self.of_columns(dict(zip(self.names, values.T, strict=True)), source=source)

    def of_columns(
        self, columns: Mapping[str, np.ndarray], *, source: str = "events"
    ) -> EventTable:
        """Events of named columns (N,) each; those that no feature needs are not looked at.

        Args:
            columns: ``names``, or else ``mass`` [GeV] and the features.
            source: what messages call them.

        Raises:
            DataError: a column is missing, or a value is impossible; with row and column.
        """
        needed = columns_needed(self.features) if self.of_jets else ()
        if self.of_jets and all(name in columns for name in needed):
            values = {name: np.asarray(columns[name], dtype=np.float64) for name in needed}
            mass, features, _ = dijet.derive(values, self.features, source=source)
        else:
            mass, features = self._given(columns, needed, source)
        units = units_of(self.features) if self.of_jets else ("",) * len(self.features)
        return EventTable(np.arange(len(mass)), mass, features, self.features, units, None, source)

    def _given(
        self, columns: Mapping[str, np.ndarray], needed: tuple[str, ...], source: str
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mass (N,) and features (N, D) as they are given."""
        missing = [name for name in (MASS, *self.features) if name not in columns]
        if missing:
            missing = [name for name in needed if name not in columns] or missing
            raise DataError(
                f"{source}: expected the columns {', '.join(self.names)}, but "
                f"{', '.join(missing)} missing"
            )
        mass = np.asarray(columns[MASS], dtype=np.float64)
        given = {name: np.asarray(columns[name], dtype=np.float64) for name in self.features}
        for name, bad, rule in rules.of_features(mass, given):
            refuse_rows(source, name, given[name], bad, rule)
        return mass, np.stack(list(given.values()), axis=1)
