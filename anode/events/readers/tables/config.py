"""Keys of ``data=table``: which column is what, and the unit of the mass."""

from dataclasses import dataclass

import numpy as np

from anode.errors import ConfigError
from anode.events.config import FileConfig

GEV = {"GeV": 1.0, "TeV": 1000.0}
"""Unit of the mass -> GeV."""

LIGHTEST_GEV, HEAVIEST_GEV = 30.0, 1e5
"""A median mass below looks like TeV taken for GeV; one above is beyond every collider."""

EXAMPLE = "'data.columns={mass: m_jj, features: {alpha: alpha}, label: null, event_id: null}'"


@dataclass(frozen=True)
class TableColumns:
    """Names of columns in the file.

    Attributes:
        mass: column of the resonant variable.
        features: our name -> name in the file.
        label: column of the truth, 1 signal and 0 background; null where it is unknown.
        event_id: column of whole numbers, each once; null stands for the row.
        identity: column of whole numbers, equal for copies of an event, on which folds and draws
            hang in place of mass and features, so that fits of other features of the same events
            have the same ones; null stands for mass and features.
    """

    mass: str | None
    features: dict[str, str] | None
    label: str | None = None
    event_id: str | None = None
    identity: str | None = None  # unknown to former versions


@dataclass(frozen=True)
class TableConfig(FileConfig):
    """A table, a row an event.

    Attributes:
        columns: names of the columns in the file.
        mass_unit: unit "GeV" or "TeV"; None is GeV, refused where the masses look like TeV.
    """

    columns: TableColumns
    mass_unit: str | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.columns.mass is None or not self.columns.features:
            raise ConfigError(
                "data=table must be told which columns of the file are the mass and the features, "
                f"our name: name in the file; type for instance {EXAMPLE}"
            )
        if self.mass_unit is not None and self.mass_unit not in GEV:
            raise ConfigError(f"data.mass_unit must be GeV, TeV or null, got {self.mass_unit!r}")


def odd_unit(mass: np.ndarray, column: str, unit: str | None) -> str | None:
    """What is odd about the median of masses; None without anything.

    Args:
        mass: (N,) masses, in GeV if the unit is right.
        column: name of the masses' column.
        unit: unit as in ``TableConfig``.
    """
    median, stated = float(np.median(mass)) if len(mass) else np.nan, unit or "GeV"
    there = f"{median / GEV[stated]:.3g} {stated}"
    if median < LIGHTEST_GEV:
        return (
            f"masses must be in data.mass_unit, but half of column '{column}' is below {there}; "
            "set data.mass_unit=TeV if they are in TeV, data.mass_unit=GeV if they are in GeV"
        )
    if median > HEAVIEST_GEV:
        return (
            f"masses must be in data.mass_unit={stated}, but half of column '{column}' is above "
            f"{there}, more than any collider reaches; set data.mass_unit=GeV if they are in GeV, "
            "or convert the column"
        )
    return None
