"""``acceptance.json``: what the statistics of a search must hold, and whether they do."""

from dataclasses import dataclass, field

from anode.records import LEFT_OUT_IF_NONE, Record


@dataclass(frozen=True)
class Check(Record):
    """A number that must lie within bounds.

    Attributes:
        what: quantity, in words.
        value: number that was found.
        error: its statistical error; None without any.
        low, high: bounds that it must not leave; None for none.
        n: number of pseudo-experiments that it is made of.
    """

    what: str
    value: float
    error: float | None
    low: float | None
    high: float | None
    n: int

    @property
    def passed(self) -> bool:
        """Whether the number itself, without a margin for its error, lies within the bounds."""
        above = self.low is None or self.value >= self.low
        return above and (self.high is None or self.value <= self.high)


@dataclass(frozen=True)
class AcceptanceRow(Record):
    """One row of the table.

    Attributes:
        name: letter of the row.
        title: what is asked, in words.
        command: command line that makes it.
        checks: numbers and demands.
        cpu_seconds: CPU time of all its processes [s]; None where other commands made it.
        note: what a reader must know; None for nothing.
    """

    name: str
    title: str
    command: str
    checks: tuple[Check, ...]
    cpu_seconds: float | None
    note: str | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    @property
    def passed(self) -> bool:
        """Whether every check has passed."""
        return all(check.passed for check in self.checks)


@dataclass(frozen=True)
class Acceptance(Record):
    """The content of ``acceptance.json``.

    Attributes:
        rows: letter -> row, those that have been made.
    """

    rows: dict[str, AcceptanceRow]

    def having(self, row: AcceptanceRow) -> "Acceptance":
        """The same with one row made anew, in the order of the letters."""
        rows = {**self.rows, row.name: row}
        return Acceptance({name: rows[name] for name in sorted(rows)})
