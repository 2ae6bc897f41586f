"""Shape of the signal that a search fits: the package's own W', or a user's file."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from anode.errors import DataError
from anode.io import read_json
from anode.records import Json, Record
from anode.statistics.signal.resonance_shape import (
    BinnedShape,
    CrystalBall,
    CrystalBallShape,
    SignalShape,
)
from anode.statistics.signal.selected_shape import Selection, after_cuts

WPRIME = "wprime"
"""Name of the shape that the package has: W' -> X(500 GeV) Y(100 GeV), from generated events."""

_FORMATS = (
    'a JSON file with "masses" [GeV] and "crystal_balls", or with "edges" in m/M and "fractions", '
    "or a CSV file of lines LOW,HIGH,FRACTION in m/M"
)


@dataclass(frozen=True)
class CrystalBallFile(Record):
    """Content of a shape file with crystal balls, ``wprime_shape.json`` for one.

    Attributes:
        masses: masses of the resonance [GeV], rising; with one alone its shape is used for all.
        crystal_balls: parameters in m/M at each, interpolated between.
        source: where they come from, in words.
        selection: shares of the events that pass cuts; None if cuts leave the shape as it is.
    """

    masses: tuple[float, ...]
    crystal_balls: tuple[CrystalBall, ...]
    source: dict[str, str] | None = None
    selection: Selection | None = None


@dataclass(frozen=True)
class BinnedShapeFile(Record):
    """Content of a shape file with a histogram.

    Attributes:
        edges: edges of the bins in m/M, rising.
        fractions: fraction of the events in each bin, or events.
        selection: shares of the events that pass cuts; None if cuts leave the shape as it is.
    """

    edges: tuple[float, ...]
    fractions: tuple[float, ...]
    selection: Selection | None = None


class _Read(NamedTuple):
    """Shape of all signal events, and what cuts make of it."""

    shape: SignalShape
    selection: Selection | None = None


def read_shapes(name: str | Path, efficiencies: Sequence[float]) -> list[SignalShape]:
    """The shape "wprime", or that of a file: of all events, then of those that pass each cut.

    Args:
        name: "wprime", or the path of a ``.json`` or ``.csv`` file.
        efficiencies: background efficiencies of the cuts.

    Raises:
        DataError: as ``read_shape``.

    Example:
        >>> import numpy as np
        >>> shapes, window = read_shapes("wprime", [0.1, 0.01]), np.array([3300.0, 3700.0])
        >>> [float(shape.fractions(window, 3500.0)[0].round(2)) for shape in shapes]
        [0.75, 0.79, 0.81]
    """
    return after_cuts(*_read(name), efficiencies)


def read_shape(name: str | Path) -> SignalShape:
    """The shape "wprime", or that of a file.

    Args:
        name: "wprime", or the path of a ``.json`` or ``.csv`` file.

    Raises:
        DataError: the file is missing, of another kind, or its numbers make no shape.

    Example:
        >>> import numpy as np
        >>> shape = read_shape("wprime")
        >>> inside = shape.fractions(np.array([3300.0, 3700.0]), 3500.0)
        >>> bool(0.7 < inside[0] < 0.8)
        True
    """
    return _read(name).shape


def _read(name: str | Path) -> _Read:
    if str(name) == WPRIME:
        file = resources.files("anode.statistics.signal") / "wprime_shape.json"
        with resources.as_file(file) as path:
            return _of_json(read_json(path), path)
    path = Path(name)
    suffix = path.suffix.lower()
    if suffix not in (".json", ".csv") or not path.is_file():
        raise DataError(
            f'a signal shape must be "{WPRIME}", {_FORMATS}; got {path}, '
            + ("which is of another kind" if path.is_file() else "where there is no file")
        )
    try:
        return _of_json(read_json(path), path) if suffix == ".json" else _Read(_of_csv(path))
    except DataError as error:
        place = "" if str(path) in str(error) else f"{path}: "
        raise DataError(f"{place}{error}") from None


def _of_json(content: Json, path: Path) -> _Read:
    keys = content.keys() if isinstance(content, dict) else ()
    if "crystal_balls" in keys:
        balls = CrystalBallFile.from_json(content, path)
        return _Read(CrystalBallShape(balls.masses, balls.crystal_balls), balls.selection)
    if "fractions" in keys:
        binned = BinnedShapeFile.from_json(content, path)
        return _Read(BinnedShape(binned.edges, binned.fractions), binned.selection)
    raise DataError(f"{path}: a signal shape is {_FORMATS}; got keys {sorted(keys)}")


def _of_csv(path: Path) -> BinnedShape:
    edges: list[float] = []
    contents: list[float] = []
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if not row or row[0].lstrip().startswith("#"):
                continue
            try:
                low, high, fraction = map(float, row)
            except ValueError:
                if not edges and number == 1:
                    continue  # the names of the columns
                raise DataError(
                    f"{path}: line {number} must be LOW,HIGH,FRACTION in m/M, got "
                    f"{','.join(row)[:60]!r}"
                ) from None
            if edges and low != edges[-1]:
                raise DataError(
                    f"{path}: bins must follow each other without gaps, but line {number} begins "
                    f"at {low:g} after {edges[-1]:g}"
                )
            edges += [high] if edges else [low, high]
            contents.append(fraction)
    return BinnedShape(tuple(edges), tuple(contents))
