"""Events of a user: features and masses as arrays, checked once."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anode.errors import DataError
from anode.events import rules
from anode.events.feature_definitions import resolved_features
from anode.events.simulation.toy import Toy
from anode.events.table import EventTable, refuse_rows
from anode.seeding import stream

SOURCE = "events"  # their name in error messages


class Events:
    """N events with D features and a resonant mass; copied when made, and read-only.

    Args:
        features: (N, D) numbers of any unit; an array or a pandas DataFrame.
        mass: (N,) values of the resonant variable m_jj [GeV], above 0.
        names: D names of the features, in column order; default those of a DataFrame's columns,
            else ``x1, x2, ...``.
        label: (N,) 1 signal and 0 background, where the truth is known. No fit sees it: it serves
            the metrics of ``Model.save``, and ``simulation=`` of methods that use truth.
        event_id: (N,) integers, unique; default the row number. They only name events: folds, and
            which events a fit has seen, hang on mass and features in single precision.
        units: D units, "GeV" or "" for a pure number; for tables and figures alone.

    Raises:
        DataError: a shape differs, a value is NaN or infinite, a mass is not positive, a label is
            not 0 or 1, an id or a name is repeated, a feature that is named as one of two jets
            (``mj1``, ``delta_mj``, ``tau21_1``) is none; the message names column and row.

    Example:
        >>> rng = np.random.default_rng(1)
        >>> events = Events(rng.normal(size=(5, 2)), rng.uniform(2000, 5000, 5), ["a", "b"])
        >>> events
        Events(5 events, mass 2910 to 4365 GeV, features a, b)
        >>> len(events[events.mass > 3000])
        3
    """

    def __init__(
        self,
        features: ArrayLike,
        mass: ArrayLike,
        names: Sequence[str] | None = None,
        *,
        label: ArrayLike | None = None,
        event_id: ArrayLike | None = None,
        units: Sequence[str] | None = None,
    ) -> None:
        columns = getattr(features, "columns", None) if names is None else names
        x, m = _numbers("features", features), _numbers("mass", mass)
        if x.ndim != 2 or x.shape[1] < 1:
            raise DataError(f"features must have shape (N, D), got {x.shape}")
        named = tuple(map(str, _numbered(x.shape[1]) if columns is None else columns))
        if len(named) != x.shape[1]:
            raise DataError(
                f"names must name every feature once, got {len(named)} names "
                f"({', '.join(named)}) for {x.shape[1]} columns"
            )
        self._table = _read_only(
            EventTable(
                np.arange(len(x)) if event_id is None else np.array(event_id),
                m,
                x,
                named,
                ("",) * len(named) if units is None else tuple(units),
                None if label is None else np.array(label),
                SOURCE,
            )
        )
        refuse_rows(SOURCE, "mass", m, ~(m > 0), "must be above 0 GeV")
        columns = dict(zip(named, x.T, strict=True))
        for name, bad, rule in rules.of_features(m, columns):
            refuse_rows(SOURCE, name, columns[name], bad, rule)

    @classmethod
    def of_table(cls, table: EventTable) -> "Events":
        """Events as the other parts of this package have them."""
        return cls(
            table.features,
            table.mass,
            table.names,
            label=table.label,
            event_id=table.event_id,
            units=table.units,
        )

    @classmethod
    def toy(cls, n_background: int = 10_000, n_signal: int = 200, *, seed: int = 1) -> "Events":
        """Events whose density ratio is known in closed form, with labels: a resonance at 3500 GeV
        with a width of 80 GeV on a falling background, and four Gaussian features.

        Args:
            n_background: number of background events between 3000 and 4200 GeV.
            n_signal: number of signal events, likewise.
            seed: seed of the random numbers.

        Example:
            >>> Events.toy(900, 100)
            Events(1000 events, mass 3000 to 4199 GeV, features x1, x2, x3, x4, labels: 100 signal)
        """
        return cls.of_table(Toy().sample(n_background, n_signal, stream(seed, "toy")))

    @classmethod
    def read(
        cls,
        path: Path | str,
        *,
        data: str = "table",
        features: str | Sequence[str] | None = None,
        **keys: Any,
    ) -> "Events":
        """Events of a file, as ``data=NAME data.path=FILE`` of the commands reads it.

        Args:
            path: path of the file or folder.
            data: name of a file of ``configs/data``, such as ``"lhco_features"``; ``"table"``
                reads CSV, Parquet, HDF5 datasets and ``.npz``.
            features: names of features, and of sets such as ``"eight"``; default those of the
                table, of other formats those of ``configs/common.yaml``.
            **keys: keys below ``data``: ``columns={"mass": "m_jj", "features": {"a": "a"}}`` and
                ``mass_unit="TeV"`` of a table, ``n_background=1000``.

        Raises:
            ConfigError: a key is unknown, or must be given.
            DataError: the file is missing, damaged or of another layout; the message names row and
                column.
        """
        return cls.of_table(_read(data, {"path": path, **keys}, features))

    @classmethod
    def bundled(
        cls,
        *,
        n_background: int | None = None,
        n_signal: int | None = None,
        features: str | Sequence[str] | None = None,
    ) -> "Events":
        """The di-jets that come with the package, with labels: 500k of QCD and 100k W' -> XY at
        3.5 TeV, from Pythia 8.

        Args:
            n_background: number of background events, the first ones; None for all.
            n_signal: number of signal events, likewise.
            features: names of features; default masses and subjettiness of both jets.

        Raises:
            ConfigError: a feature is unknown.

        Example:
            >>> Events.bundled(n_background=1000, n_signal=10).names
            ('mj1', 'delta_mj', 'tau21_1', 'tau21_2')
        """
        keys = {"n_background": n_background, "n_signal": n_signal}
        return cls.of_table(_read("bundled", keys, features))

    @property
    def features(self) -> NDArray[np.float64]:
        """(N, D), physical values."""
        return self._table.features

    @property
    def mass(self) -> NDArray[np.float64]:
        """(N,) [GeV]."""
        return self._table.mass

    @property
    def names(self) -> tuple[str, ...]:
        """D names of the features."""
        return self._table.names

    @property
    def label(self) -> NDArray[np.int8] | None:
        """(N,) truth; None where it is unknown."""
        return self._table.label

    @property
    def event_id(self) -> NDArray[np.int64]:
        """(N,) unique."""
        return self._table.event_id

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, index: slice | ArrayLike) -> "Events":
        """The events of a mask, slice or list of places; they keep their ids."""
        rows = index if isinstance(index, slice) else np.asarray(index)
        return Events.of_table(self._table[rows])

    def with_features(self, names: Sequence[str]) -> EventTable:
        """The table of these events with some of their features, as fits and scores take it.

        Raises:
            DataError: there is no such feature.
        """
        table = self._table
        columns = [table.column(name) for name in names]
        units = dict(zip(table.names, table.units, strict=True))
        # Made anew: who an event is hangs on the features that are asked for.
        return EventTable(
            table.event_id,
            table.mass.copy(),  # torch takes no read-only array
            np.column_stack(columns),
            tuple(names),
            tuple(units[name] for name in names),
            table.label,
            table.source,
        )

    def __repr__(self) -> str:
        labelled = "" if self.label is None else f", labels: {int(self.label.sum())} signal"
        mass = f", mass {self.mass.min():.0f} to {self.mass.max():.0f} GeV" if len(self) else ""
        return f"Events({len(self)} events{mass}, features {', '.join(self.names)}{labelled})"


def _read(data: str, keys: Mapping[str, Any], features: str | Sequence[str] | None) -> EventTable:
    """Events by the configuration of a command; arrays do without it."""
    from anode.api.settings import content_of
    from anode.pipeline.datasets.cached_features import open_data
    from anode.pipeline.runs.config import from_mapping

    given = {f"data.{key}": value for key, value in keys.items() if value is not None}
    config = from_mapping(content_of("run", "anode", {}, given, data=data))
    source = open_data(config.data, seed=config.seed, n_jobs=1)
    own = keys.get("columns") or {}
    wanted = config.features
    if features is not None:
        wanted = resolved_features(features, own.get("features") or ())
    source.check(wanted, sidebands=False)
    rules.say_unread(source.name, source.unread)
    return source.read(wanted)


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """A copy in float64."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{name} must be an array of numbers, got {error}") from None


def _numbered(n: int) -> list[str]:
    return [f"x{i + 1}" for i in range(n)]


def _read_only(table: EventTable) -> EventTable:
    for values in (table.event_id, table.mass, table.features, table.label, table.identity):
        if values is not None:
            values.setflags(write=False)
    return table
