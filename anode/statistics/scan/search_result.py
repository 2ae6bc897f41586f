"""What stands in a search.json, and how is a window of it found and named?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

Search = Mapping[str, Any]
"""Content of ``search.json``."""

Row = Mapping[str, Any]
"""One window at one efficiency."""


def rows_at(search: Search, efficiency: float) -> list[Row]:
    """The windows of one efficiency, by mass."""
    rows = [row for row in search["windows"] if np.isclose(row["efficiency"], efficiency)]
    return sorted(rows, key=lambda row: (row["low"], row["high"]))


def independence_of(search: Search, row: Row) -> Row | None:
    """The test of score against mass in the window of a row; None if it was not made."""
    for test in search.get("independence") or []:
        if (test["low"], test["high"]) == (row["low"], row["high"]):
            return test
    return None


def same_window(a: Row, b: Row) -> bool:
    """Whether two rows are of one window, at whatever efficiency."""
    return bool(a["low"] == b["low"] and a["high"] == b["high"])


def pull(row: Row) -> float | None:
    """(fit - template) / combined error of a window that has both."""
    template = row["template"]
    if template is None or row["expected_from"] != "fit":
        return None
    errors = [row["n_expected_error"], template["n_expected_error"]]
    if None in (*errors, template["n_expected"]) or not np.hypot(*errors) > 0:
        return None
    return float((row["n_expected"] - template["n_expected"]) / np.hypot(*errors))


def pulls(search: Search) -> np.ndarray:
    """(N,) pulls of all rows that have both predictions."""
    every = [pull(row) for row in search["windows"]]
    return np.array([one for one in every if one is not None])
