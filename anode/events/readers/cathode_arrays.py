"""How do we read the NumPy arrays of the public CATHODE code?

Every file holds rows of ``m_jj, m_J1, delta m_J [TeV], tau21 (lighter jet), tau21 (heavier jet),
label``; a sixth column may be missing where the truth is unknown. A folder holds the data inside
and outside the signal region (``innerdata_*``, ``outerdata_*``) and further simulated events that
serve tests only (``innerdata_extrabkg*``, ``innerdata_extrasig*``).
https://github.com/HEPML-AnomalyDetection/CATHODE
"""

import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from anode.errors import ConfigError, DataError
from anode.events import feature_definitions
from anode.events.table import EventTable, Violation, concatenate, refuse_rows

logger = logging.getLogger(__name__)

DATA_FILES = (
    "innerdata_train.npy",
    "innerdata_val.npy",
    "outerdata_train.npy",
    "outerdata_val.npy",
    "outerdata_test.npy",
)
INNER_TEST = "innerdata_test.npy"
EXTRA_FILES = (
    "innerdata_extrabkg.npy",
    "innerdata_extrabkg_train.npy",
    "innerdata_extrabkg_val.npy",
    "innerdata_extrabkg_test.npy",
    "innerdata_extrasig.npy",
    "innerdata_extrasig_train.npy",
    "innerdata_extrasig_val.npy",
    "innerdata_extrasig_test.npy",
)
ALL_FILES = (*DATA_FILES, INNER_TEST, *EXTRA_FILES)
IDS_PER_FILE = 10_000_000
"""Each file has its own range of event ids, so that a further file changes no other's."""

FEATURES = ("mj1", "delta_mj", "mj2", "tau21_1", "tau21_2")
COLUMNS = ("m_jj", "mJ1", "delta mJ", "tau21_1", "tau21_2", "label")
HEAVIEST_TEV = 100.0


class ArrayTables(NamedTuple):
    """What a folder or file holds.

    Attributes:
        data: the data inside and outside the signal region.
        extra: further labelled events for the test only, or None.
    """

    data: EventTable
    extra: EventTable | None


def read_arrays(
    path: Path | str,
    features: Sequence[str],
    *,
    id_offset: int = 0,
    inner_test: Literal["auto", "data", "extra"] = "auto",
    sidebands: bool = True,
) -> ArrayTables:
    """Read a folder in the CATHODE layout, or a single ``.npy`` file, in GeV.

    ``innerdata_test.npy`` has two meanings in public code. Where the test signal lies in a file
    of its own (``innerdata_extrasig.npy`` or ``..._extrasig_test.npy``) it is a share of the
    data; where it does not, as in the paper's folder, it is an artificial test set, one third
    signal, which would spoil the data. ``inner_test="auto"`` decides by that rule and logs it.

    Args:
        path: folder or file.
        features: names from ``FEATURES``; jet 1 is the lighter jet.
        id_offset: added to event ids, which are 10^7 times the file's place in ``ALL_FILES`` plus
            the row (the row alone for a single file).
        inner_test: what ``innerdata_test.npy`` is.
        sidebands: whether a folder must hold data outside the signal region.

    Raises:
        ConfigError: a feature is unknown, or not in these files.
        DataError: nothing to read, a file is truncated or has other columns, or a value is
            impossible; the message names file, row and column.
    """
    feature_definitions.check_features(features, FEATURES)
    if inner_test not in ("auto", "data", "extra"):
        raise ConfigError(f"inner_test must be auto, data or extra, got {inner_test!r}")
    path = Path(path)
    if path.is_file():
        return ArrayTables(_read_file(path, features, id_offset), None)
    data, extra = files_of(path, inner_test=inner_test, sidebands=sidebands)

    def join(names: list[str]) -> EventTable:
        offsets = (id_offset + IDS_PER_FILE * ALL_FILES.index(name) for name in names)
        tables = [
            _read_file(path / name, features, offset)
            for name, offset in zip(names, offsets, strict=True)
        ]
        return concatenate(tables, str(path))

    return ArrayTables(join(data), join(extra) if extra else None)


def files_of(
    path: Path,
    *,
    inner_test: Literal["auto", "data", "extra"] = "auto",
    sidebands: bool = True,
) -> tuple[list[str], list[str]]:
    """Names of the files in a folder that are data, and of those that serve tests only.

    Raises:
        DataError: there is no such folder, or it lacks the data of a region; that beside the
            signal region may be missing unless ``sidebands``.
    """
    if not path.is_dir():
        raise DataError(f"cannot read {path}: there is no such file or folder; check data.path")
    present = [name for name in ALL_FILES if (path / name).is_file()]
    data = [name for name in present if name in DATA_FILES]
    extra = [name for name in present if name in EXTRA_FILES]
    for kind in ("innerdata", "outerdata") if sidebands else ("innerdata",):
        if not any(name.startswith(kind) for name in data):
            raise DataError(
                f"cannot read {path}: expected {kind}_train.npy or its val and test, found "
                f"{', '.join(sorted(p.name for p in path.glob('*.npy'))) or 'no .npy file'}"
            )
    if INNER_TEST in present:
        role = _role_of_inner_test(extra) if inner_test == "auto" else inner_test
        (data if role == "data" else extra).append(INNER_TEST)
        logger.info("%s: %s is read as %s", path, INNER_TEST, role)
    return data, extra


def _role_of_inner_test(extra: Sequence[str]) -> Literal["data", "extra"]:
    own_signal = {"innerdata_extrasig.npy", "innerdata_extrasig_test.npy"}
    return "data" if own_signal & set(extra) else "extra"


def open_array(path: Path) -> np.ndarray:
    """(N, 5 or 6) rows of one file, mapped rather than read.

    Raises:
        DataError: it is no such array, or truncated.
    """
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"cannot read {path}: expected a NumPy array, but it is truncated or of another kind "
            f"({error}); fetch or write it again"
        ) from None
    if (
        not isinstance(stored, np.ndarray)
        or stored.dtype.kind != "f"
        or stored.ndim != 2
        or stored.shape[1] not in (len(COLUMNS) - 1, len(COLUMNS))
        or not 0 < len(stored) <= IDS_PER_FILE
    ):
        raise DataError(
            f"{path}: expected 1 to {IDS_PER_FILE} rows of numbers in columns "
            f"{', '.join(COLUMNS)} (label optional), got shape "
            f"{getattr(stored, 'shape', None)} of {getattr(stored, 'dtype', type(stored))}"
        )
    return stored


def _read_file(path: Path, features: Sequence[str], id_offset: int) -> EventTable:
    """One ``.npy`` file as an EventTable in GeV."""
    stored = open_array(path)
    for name, bad, rule in violations(stored):
        refuse_rows(str(path), name, stored[:, COLUMNS.index(name)], bad, rule)
    columns = physical_columns(str(path), stored)
    label = stored[:, 5] if stored.shape[1] == len(COLUMNS) else None
    return EventTable(
        np.arange(id_offset, id_offset + len(stored)),
        columns["m_jj"],
        np.stack([columns[name] for name in features], axis=1),
        tuple(features),
        feature_definitions.units_of(features),
        label,
        str(path),
    )


def violations(stored: np.ndarray) -> Iterator[Violation]:
    """Every rule for the physical columns, and where it is broken; most are broken nowhere.

    These files have no pT; m_jj stands for it in the size of what rounding explains.
    """
    mass = np.asarray(stored[:, 0], dtype=np.float64)
    yield Violation("m_jj", ~np.isfinite(mass), "must be finite")
    rule = f"must be positive and below {HEAVIEST_TEV:g} TeV (is the file in GeV?)"
    yield Violation("m_jj", (mass <= 0) | (mass > HEAVIEST_TEV), rule)
    for place in range(1, 5):
        values = np.asarray(stored[:, place], dtype=np.float64)
        rounding = (
            feature_definitions.MASS_ROUNDING * mass
            if place <= 2
            else feature_definitions.TAU_ROUNDING
        )
        yield Violation(COLUMNS[place], ~np.isfinite(values), "must be finite")
        rule = "must not be negative by more than rounding"
        yield Violation(COLUMNS[place], values < -rounding, rule)


def physical_columns(source: str, stored: np.ndarray) -> dict[str, np.ndarray]:
    """m_jj and every feature in GeV, rounding below zero removed, of rows that break no rule."""
    columns = {"m_jj": 1000.0 * np.asarray(stored[:, 0], dtype=np.float64)}
    n_clipped = 0
    for place, name in ((1, "mj1"), (2, "delta_mj"), (3, "tau21_1"), (4, "tau21_2")):
        values = np.asarray(stored[:, place], dtype=np.float64)
        n_clipped += int((values < 0).sum())
        columns[name] = (1000.0 if place <= 2 else 1.0) * np.maximum(values, 0.0)
    if n_clipped:
        logger.warning("%s: %d values were negative within rounding, now 0", source, n_clipped)
    columns["mj2"] = columns["mj1"] + columns["delta_mj"]
    return columns
