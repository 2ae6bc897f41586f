"""The acceptance table: whether the statistics of a search hold, row by row."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from omegaconf import DictConfig

from anode import io, progress
from anode.configuration.builder import build, resolve
from anode.errors import ConfigError
from anode.parallel import cpu_seconds
from anode.pipeline.calibration import campaign_rows, injection_row, spurious_row, toy_rows
from anode.pipeline.calibration.acceptance_config import AcceptanceConfig
from anode.pipeline.calibration.campaign_rows import read_calibration
from anode.reporting.search.calibration_tables import acceptance_table
from anode.statistics.calibration.acceptance import Acceptance, AcceptanceRow, Check


class Row(NamedTuple):
    """How a row is made.

    Attributes:
        title: what is asked, in words.
        make: function of the configuration that gives its checks.
        files: function of the configuration that gives the files it is judged from; None for toys.
        command: what makes these files, for people.
        campaigns: function of the configuration that gives the ``calibration.json`` whose searches
            are the cost of the row; None if it is that of making it.
    """

    title: str
    make: Callable[[AcceptanceConfig], list[Check]]
    files: Callable[[AcceptanceConfig], list[str]] | None = None
    command: str = ""
    campaigns: Callable[[AcceptanceConfig], list[str]] | None = None


def _campaigns(
    title: str,
    judge: Callable[[AcceptanceConfig], list[Check]],
    files: Callable[[AcceptanceConfig], list[str]],
    *names: str,
) -> Row:
    """A row that is judged from the ``calibration.json`` of calibrations of these names."""
    commands = (f"anode calibrate calibration={name}" for name in names)
    return Row(title, judge, files, "; ".join(commands), files)


ROWS = {
    "A": Row("No signal: Z of windows in toy spectra", toy_rows.null_z_row),
    "B": _campaigns(
        "No signal: searches of independent pseudo-experiments",
        lambda c: campaign_rows.null_searches(read_calibration(c.B.calibration)),
        lambda c: [c.B.calibration],
        "no_signal",
    ),
    "C": Row(
        "Over-dispersion of the default method",
        campaign_rows.dispersion,
        lambda c: [c.C.overdispersion, c.C.calibration],
        "anode search experiment=search run_dir=results/search/bundled "
        "overdispersion.n_experiments=400; anode calibrate calibration=anode_no_signal",
        lambda c: [c.C.calibration],
    ),
    "D": Row("Injected signal: toy spectra", injection_row.injection_row),
    "D_searches": _campaigns(
        "Injected signal: searches by ANODE",
        lambda c: campaign_rows.injections(map(read_calibration, c.D_searches.calibrations)),
        lambda c: c.D_searches.calibrations,
        "injection",
        "injection_3000",
        "injection_4500",
    ),
    "E": _campaigns(
        "Global p-value: scans by a random score",
        lambda c: campaign_rows.global_p(read_calibration(c.E.calibration)),
        lambda c: [c.E.calibration],
        "random_score",
    ),
    "E_searches": _campaigns(
        "Global p-value: scans by ANODE",
        lambda c: campaign_rows.global_p(read_calibration(c.E_searches.calibration)),
        lambda c: [c.E_searches.calibration],
        "anode_no_signal",
    ),
    "F": Row("Signal that the choice of the function makes", spurious_row.spurious_row),
    "G": Row(
        "Events that no setting was chosen on",
        campaign_rows.blind,
        lambda c: [c.G.background, c.G.signal],
        "anode reproduce only=[blind_background,blind_signal]",
    ),
    "H": Row("Cuts that few events of the template pass", toy_rows.cut_row),
}
"""Name -> row."""


def parse_acceptance(raw: DictConfig) -> AcceptanceConfig:
    """Check Hydra's configuration of the table.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    config = build(AcceptanceConfig, resolve(raw))
    if unknown := set(config.only or ()) - ROWS.keys():
        raise ConfigError(f"only must name some of {', '.join(ROWS)}, got {sorted(unknown)}")
    return config


def acceptance(config: AcceptanceConfig) -> None:
    """Make rows, each kept as soon as it is made; write and print ``acceptance.md`` and ``.json``.

    Without ``only``, rows whose searches have not been made are left out.

    Raises:
        ConfigError, DataError: settings are impossible, the file of the toys cannot be read, or
            a row of ``only`` needs searches that have not been made.
    """
    output = Path(config.output)
    path = output / "acceptance.json"
    table = Acceptance.from_json(io.read_json(path), path) if path.is_file() else Acceptance({})
    for name in config.only or _missing(config, table):
        with progress.task(f"row {name}"):
            table = table.having(_make(name, config))
        io.write_json(path, table.to_json())
        io.write_text(output / "acceptance.md", acceptance_table(table))
    print(acceptance_table(table))
    print(f"acceptance: {output / 'acceptance.md'}")


def _missing(config: AcceptanceConfig, table: Acceptance) -> list[str]:
    """Rows that are not there and can be made."""
    return [
        name
        for name, row in ROWS.items()
        if name not in table.rows
        and (row.files is None or all(Path(file).is_file() for file in row.files(config)))
    ]


def _make(name: str, config: AcceptanceConfig) -> AcceptanceRow:
    row, started = ROWS[name], cpu_seconds()
    checks = row.make(config)
    spent: float | None = cpu_seconds() - started
    if row.files is not None:
        campaigns = [] if row.campaigns is None else row.campaigns(config)
        spent = campaign_rows.cost(map(read_calibration, campaigns)) if campaigns else None
    return AcceptanceRow(
        name=name,
        title=row.title,
        command=row.command or f"anode acceptance 'only=[{name}]'",
        checks=tuple(checks),
        cpu_seconds=None if spent is None else round(spent, 1),
    )
