"""Table of events: ids, masses, features and labels, checked."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from anode.errors import DataError
from anode.events.identity import identity_of

IndexLike = np.ndarray | slice

_FROM_CONTENT: np.ndarray = np.empty(0, dtype=np.uint64)
"""Stands for an identity that is yet to be computed."""

LABEL_RULE = "must be 0 (background) or 1 (signal)"


@dataclass(frozen=True, eq=False)
class EventTable:
    """N events: their identity, resonant mass, features and, where known, truth labels.

    Attributes:
        event_id: (N,) int64, unique: the number of the event in its file, by which outputs name
            it. Nothing else depends on it.
        mass: (N,) float64, the resonant variable m_jj [GeV].
        features: (N, D) float64, physical values.
        names: D feature names, in column order.
        units: D units ("GeV" or "" for a pure number).
        label: (N,) int8, 1 signal and 0 background, or None where the truth is unknown.
        source: name of the file or sample, for error messages.
        identity: (N,) uint64, who the event is: a hash of its mass and features as they were
            first given (``identity.identity_of``), which later changes of either leave as it is.
            Folds, samples and shares hang on it, so that copies of an event stay together.

    Slicing with an index array, mask or slice returns an EventTable.

    Raises:
        DataError: a shape differs, an id is repeated, a value is not finite, a label is not 0/1.
            The message names the source, row and column.

    Example:
        >>> import numpy as np
        >>> table = EventTable(np.arange(2), np.array([3500.0, 3600.0]),
        ...                    np.array([[100.0], [90.0]]), ("mj1",), ("GeV",))
        >>> len(table), table[table.mass > 3550].column("mj1")
        (2, array([90.]))
    """

    event_id: np.ndarray
    mass: np.ndarray
    features: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    label: np.ndarray | None = None
    source: str = "events"
    identity: np.ndarray = field(default_factory=lambda: _FROM_CONTENT, kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "event_id", _checked_id(self.event_id, self.source))
        object.__setattr__(self, "mass", np.asarray(self.mass, dtype=np.float64))
        object.__setattr__(self, "features", np.asarray(self.features, dtype=np.float64))
        self._check_shapes()
        self._check_values()
        if self.label is not None:
            object.__setattr__(self, "label", _checked_label(self.label, self.source))
        if self.identity is _FROM_CONTENT:
            object.__setattr__(self, "identity", identity_of(self.mass, self.features))

    def _check_shapes(self) -> None:
        n = len(self.event_id)
        expected = {"event_id": (n,), "mass": (n,), "features": (n, len(self.names))}
        if self.identity is not _FROM_CONTENT:
            expected["identity"] = (n,)
        if self.label is not None:
            expected["label"] = (n,)
        for name, shape in expected.items():
            got = np.shape(getattr(self, name))
            if got != shape:
                raise DataError(f"{self.source}: {name} must have shape {shape}, got {got}")
        if len(self.units) != len(self.names):
            raise DataError(
                f"{self.source}: every feature needs a unit, got {len(self.names)} names "
                f"and {len(self.units)} units"
            )
        if len(set(self.names)) != len(self.names):
            raise DataError(f"{self.source}: feature names must differ, got {self.names}")

    def _check_values(self) -> None:
        columns = {"mass": self.mass}
        columns |= {name: self.features[:, i] for i, name in enumerate(self.names)}
        for name, values in columns.items():
            refuse_rows(self.source, name, values, ~np.isfinite(values), "must be finite")
        ordered = np.sort(self.event_id)
        repeated = ordered[1:][ordered[1:] == ordered[:-1]]
        if repeated.size:
            raise DataError(
                f"{self.source}: event ids must be unique, but {repeated.size} are repeated, "
                f"first {repeated[0]}; an event counted twice would be trained on and tested"
            )

    def __len__(self) -> int:
        return len(self.event_id)

    def __getitem__(self, index: IndexLike) -> "EventTable":
        return EventTable(
            self.event_id[index],
            self.mass[index],
            self.features[index],
            self.names,
            self.units,
            None if self.label is None else self.label[index],
            self.source,
            identity=self.identity[index],
        )

    def column(self, name: str) -> np.ndarray:
        """(N,) values of one feature.

        Raises:
            DataError: there is no such feature.
        """
        if name not in self.names:
            raise DataError(f"{self.source}: no feature '{name}', only {', '.join(self.names)}")
        return self.features[:, self.names.index(name)]

    def without_label(self) -> "EventTable":
        """The same events without labels, as every ``fit`` needs them."""
        return replace(self, label=None)

    def by_identity(self) -> "EventTable":
        """The same events in an order that does not depend on the present one."""
        if np.all(self.identity[1:] > self.identity[:-1]):
            return self
        order = np.argsort(self.identity)
        if np.any(np.diff(self.identity[order]) == 0):  # equal in single precision, or wholly
            order = np.lexsort((*self.features.T, self.mass, self.identity))
        return self[order]

    def is_copy(self) -> np.ndarray:
        """(N,) which events have the identity of an earlier one."""
        copy = np.ones(len(self), dtype=bool)
        copy[np.unique(self.identity, return_index=True)[1]] = False
        return copy


def concatenate(tables: Sequence[EventTable], source: str | None = None) -> EventTable:
    """Join tables of the same features; the result has labels if every table has.

    Raises:
        DataError: there is no table, features differ, or an event id occurs in more than one.
    """
    if not tables:
        raise DataError("cannot join event tables: there are none")
    first = tables[0]
    for table in tables[1:]:
        if table.names != first.names:
            raise DataError(
                f"cannot join {first.source} and {table.source}: features must agree, got "
                f"{first.names} and {table.names}"
            )
    labels = [table.label for table in tables if table.label is not None]
    return EventTable(
        np.concatenate([table.event_id for table in tables]),
        np.concatenate([table.mass for table in tables]),
        np.concatenate([table.features for table in tables]),
        first.names,
        first.units,
        np.concatenate(labels) if len(labels) == len(tables) else None,
        source or " + ".join(dict.fromkeys(table.source for table in tables)),
        identity=np.concatenate([table.identity for table in tables]),
    )


class Violation(NamedTuple):
    """A rule for a column of N values, and where it is broken.

    Attributes:
        column: name of the column in the file.
        bad: (N,) True where the rule is broken.
        rule: words that follow the name in messages, "must ...".
    """

    column: str
    bad: np.ndarray
    rule: str


def refuse_rows(
    source: str,
    column: str,
    values: np.ndarray,
    bad: np.ndarray,
    rule: str,
    *,
    first_row: int = 0,
) -> None:
    """Refuse a column if any of its values breaks a rule.

    Args:
        source: name of the file.
        column: name of the column in it.
        values: (N,) values, N rows of the file from ``first_row`` on.
        bad: (N,) True where the rule is broken.
        rule: words that follow the name in messages, "must ...".
        first_row: row in the file of ``values[0]``.

    Raises:
        DataError: some row is bad; the message names source, column and the first such row.
    """
    rows = np.flatnonzero(bad)
    if rows.size:
        raise DataError(
            f"{source}: column '{column}' {rule}, but row {first_row + rows[0]} has "
            f"{values[rows[0]]:.6g} (at least {rows.size} such rows); remove or repair these "
            "events"
        )


def refuse_repeated(source: str, event_id: np.ndarray, *, first_row: int = 0) -> None:
    """Refuse ids if one occurs twice.

    Args:
        source: the file.
        event_id: (N,) of its rows from ``first_row`` on.
        first_row: row in the file of the first.

    Raises:
        DataError: with the first such id, and its rows.
    """
    ordered = np.sort(event_id)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if repeated.size:
        row = first_row + np.flatnonzero(event_id == repeated[0])[1]
        raise DataError(
            f"{source}: every event_id must occur once, but {repeated[0]} occurs again in row "
            f"{row} ({repeated.size} such rows); remove the copies"
        )


def _checked_id(event_id: np.ndarray, source: str) -> np.ndarray:
    """(N,) int64 ids; numbers with a fraction are refused rather than cut off."""
    values = np.asarray(event_id)
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise DataError(
            f"{source}: event_id must be a list of integers, got shape {values.shape} of "
            f"{values.dtype}"
        )
    return values.astype(np.int64)


def _checked_label(label: np.ndarray, source: str) -> np.ndarray:
    """(N,) int8 truth labels, refused unless each is exactly 0 or 1."""
    values = np.asarray(label)
    bad = (values != 0) & (values != 1)
    refuse_rows(source, "label", values, bad, LABEL_RULE)
    return values.astype(np.int8)
