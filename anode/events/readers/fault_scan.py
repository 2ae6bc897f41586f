"""Rows of a file as they stand there, broken ones included.

Sources refuse to read a file with an impossible value; these blocks say where such values are, and
give the events of all the other rows.
"""

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from anode.events.table import LABEL_RULE, EventTable, Violation

LABEL = "label"


class Block(NamedTuple):
    """N rows of a file.

    Attributes:
        source: name of the file.
        first_row: place of the first row in the file.
        stored: name -> (N,) values as they stand there, label and event_id apart; empty where
            events do not come from a file.
        violations: broken rules, with at least one bad row each.
        event_id: (N,) ids as stored, or None where a row number stands for it.
        events: rows that break no rule.
        units: name -> unit of a stored column; "" or none where the file does not say.
    """

    source: str
    first_row: int
    stored: dict[str, np.ndarray]
    violations: list[Violation]
    event_id: np.ndarray | None
    events: EventTable
    units: Mapping[str, str] = MappingProxyType({})

    @property
    def n_rows(self) -> int:
        return len(next(iter(self.stored.values()))) if self.stored else len(self.events)


def scan_table(table: EventTable, block_rows: int) -> Iterator[Block]:
    """Blocks of events that were made or read whole, and so break no rule."""
    return scan_tables(
        table[start : start + block_rows] for start in range(0, len(table), block_rows)
    )


def scan_tables(tables: Iterable[EventTable]) -> Iterator[Block]:
    """The same of events that come in blocks."""
    first_row = 0
    for events in tables:
        yield Block(events.source, first_row, {}, [], events.event_id, events)
        first_row += len(events)


def broken_rules(violations: Iterable[Violation], label: np.ndarray | None) -> list[Violation]:
    """The rules, that of labels included, which some row breaks."""
    found = list(violations)
    if label is not None:
        found.append(Violation(LABEL, (label != 0) & (label != 1), LABEL_RULE))
    return [violation for violation in found if violation.bad.any()]


def unbroken(n_rows: int, broken: Iterable[Violation]) -> np.ndarray:
    """(N,) bool: rows that break no rule."""
    good = np.ones(n_rows, dtype=bool)
    for violation in broken:
        good &= ~violation.bad
    return good
