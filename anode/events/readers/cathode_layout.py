"""Layout of the NumPy arrays that the public CATHODE code writes.

Every file holds rows of ``m_jj, m_J1, delta m_J [TeV], tau21 (lighter jet), tau21 (heavier jet)``,
then perhaps ``delta R`` between the jets, and ``label``, which may be missing where the truth is
unknown and there is no delta R: 5, 6 or 7 columns. A folder holds the data inside and outside the
signal region (``innerdata_*``, ``outerdata_*``) and further simulated events that serve tests only
(``innerdata_extrabkg*``, ``innerdata_extrasig*``).

Layout: https://github.com/HEPML-AnomalyDetection/CATHODE, ``run_data_preparation_LHCORD.py``, and
for seven columns ``run_data_preparation_latentCATHODE.py --add_deltaR``.
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from anode.errors import DataError
from anode.events import feature_definitions, rules
from anode.events.table import Violation

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
DELTA_R = "delta_r"
COLUMNS = ("m_jj", "mJ1", "delta mJ", "tau21_1", "tau21_2")
LABEL, DELTA_R_COLUMN = "label", "delta R"
LAYOUTS = {
    5: COLUMNS,
    6: (*COLUMNS, LABEL),
    7: (*COLUMNS, DELTA_R_COLUMN, LABEL),
}
"""Number of columns -> their names."""
HEAVIEST_TEV = 100.0
UNITS = {"m_jj": "TeV", "mJ1": "TeV", "delta mJ": "TeV"}


class Array(NamedTuple):
    """One file, mapped rather than read; its events have ids from ``first_id`` on."""

    path: Path
    values: np.ndarray
    first_id: int

    @property
    def columns(self) -> tuple[str, ...]:
        return LAYOUTS[self.values.shape[1]]


def first_id(name: str) -> int:
    """Of the events of one file of a folder."""
    return IDS_PER_FILE * ALL_FILES.index(name)


def features_of(arrays: Sequence[Array]) -> tuple[str, ...]:
    """Features that all files have."""
    has_delta_r = all(DELTA_R_COLUMN in array.columns for array in arrays)
    return (*FEATURES, DELTA_R) if has_delta_r else FEATURES


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
    return data, extra


def _role_of_inner_test(extra: Sequence[str]) -> Literal["data", "extra"]:
    own_signal = {"innerdata_extrasig.npy", "innerdata_extrasig_test.npy"}
    return "data" if own_signal & set(extra) else "extra"


def open_array(path: Path) -> np.ndarray:
    """(N, 5, 6 or 7) rows of one file, mapped rather than read.

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
        or stored.shape[1] not in LAYOUTS
        or not 0 < len(stored) <= IDS_PER_FILE
    ):
        raise DataError(
            f"{path}: expected 1 to {IDS_PER_FILE} rows of numbers in columns "
            f"{', '.join(COLUMNS)}, then none, label, or {DELTA_R_COLUMN} and label; got shape "
            f"{getattr(stored, 'shape', None)} of {getattr(stored, 'dtype', type(stored))}"
        )
    return stored


def violations(stored: Mapping[str, np.ndarray]) -> Iterator[Violation]:
    """Every rule for the physical columns, and where it is broken; most are broken nowhere.

    These files have no pT; m_jj stands for it in the size of what rounding explains.
    """
    mass = np.asarray(stored["m_jj"], dtype=np.float64)
    yield Violation("m_jj", ~np.isfinite(mass), "must be finite")
    rule = f"must be positive and below {HEAVIEST_TEV:g} TeV (is the file in GeV?)"
    yield Violation("m_jj", (mass <= 0) | (mass > HEAVIEST_TEV), rule)
    for name, column in stored.items():
        if name == "m_jj":
            continue
        values = np.asarray(column, dtype=np.float64)
        rounding = (
            feature_definitions.MASS_ROUNDING * mass
            if name in UNITS
            else feature_definitions.TAU_ROUNDING
        )
        yield Violation(name, ~np.isfinite(values), "must be finite")
        yield Violation(name, values < -rounding, "must not be negative by more than rounding")
        if name in FEATURES:
            rule = f"must not exceed {rules.LARGEST_RATIO:g}"
            yield from rules.large_ratio(name, values > rules.LARGEST_RATIO, rule)
    light, difference = (np.asarray(stored[name], np.float64) for name in ("mJ1", "delta mJ"))
    yield rules.heavy_jets("mJ1", 2 * light + difference, mass)


def physical_columns(source: str, stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """m_jj and every feature in GeV, rounding below zero removed, of rows that break no rule."""
    columns, n_clipped = {}, 0
    for name, column in stored.items():
        values = np.asarray(column, dtype=np.float64)
        n_clipped += int((values < 0).sum())
        ours = {"mJ1": "mj1", "delta mJ": "delta_mj", DELTA_R_COLUMN: DELTA_R}.get(name, name)
        columns[ours] = (1000.0 if name in UNITS else 1.0) * np.maximum(values, 0.0)
    if n_clipped:
        logger.warning("%s: %d values were negative within rounding, now 0", source, n_clipped)
    columns["mj2"] = columns["mj1"] + columns["delta_mj"]
    return columns
