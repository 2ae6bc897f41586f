"""The acceptance table: whether the statistics of a search hold, row by row."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from anode import io, progress
from anode.configuration.builder import build, resolve
from anode.errors import ConfigError
from anode.parallel import cpu_seconds
from anode.pipeline.calibration import campaign_rows, toy_rows
from anode.pipeline.calibration.acceptance_config import AcceptanceConfig, CampaignConfig
from anode.reporting.search.calibration_tables import acceptance_table
from anode.statistics.calibration.acceptance import Acceptance, AcceptanceRow, Check
from anode.statistics.calibration.result import Calibration


@dataclass(frozen=True)
class ToyRow:
    """A row that is made of toys.

    Attributes:
        title: what is asked, in words.
        make: function of the configuration that gives its checks.
    """

    title: str
    make: Callable[[AcceptanceConfig], list[Check]]


@dataclass(frozen=True)
class CampaignRow:
    """A row that is judged from searches that ``anode calibrate`` has made.

    Attributes:
        title: what is asked, in words.
        judge: function of the calibration that gives its checks.
    """

    title: str
    judge: Callable[[Calibration], list[Check]]


ROWS: dict[str, ToyRow | CampaignRow] = {
    "A": ToyRow("No signal: Z of windows in toy spectra", toy_rows.null_z_row),
    "B": CampaignRow(
        "No signal: searches of independent pseudo-experiments", campaign_rows.null_searches
    ),
    "H": ToyRow("Cuts that few events of the template pass", toy_rows.cut_row),
}
"""Letter -> row."""


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
        and (isinstance(row, ToyRow) or Path(_campaign(name, config).calibration).is_file())
    ]


def _campaign(name: str, config: AcceptanceConfig) -> CampaignConfig:
    of_row = getattr(config, name)
    assert isinstance(of_row, CampaignConfig)
    return of_row


def _make(name: str, config: AcceptanceConfig) -> AcceptanceRow:
    row, started = ROWS[name], cpu_seconds()
    if isinstance(row, ToyRow):
        checks, command = row.make(config), f"anode acceptance 'only=[{name}]'"
        spent: float | None = cpu_seconds() - started
    else:
        of_row = _campaign(name, config)
        found = campaign_rows.read_calibration(Path(of_row.calibration))
        checks, spent = row.judge(found), campaign_rows.cost(found)
        command = f"anode calibrate calibration={Path(of_row.calibration).parent.name}"
    return AcceptanceRow(
        name=name,
        title=row.title,
        command=command,
        checks=tuple(checks),
        cpu_seconds=None if spent is None else round(spent, 1),
    )
