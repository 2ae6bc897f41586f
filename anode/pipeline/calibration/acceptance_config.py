"""Configuration of the acceptance table."""

from dataclasses import dataclass

from anode.errors import ConfigError


def _positive(**numbers: int) -> None:
    for key, value in numbers.items():
        if value < 2:
            raise ConfigError(f"{key} must be at least 2, got {value}")


@dataclass(frozen=True)
class NullToysConfig:
    """Toys of row A.

    Attributes:
        sizes: numbers of events of a spectrum.
        windows: low edges of windows of 400 GeV [GeV].
        n_toys: number of toys of each window and size.
        n_tail: number of toys for the fraction above 3, at 3800 events, in 3.3-3.7 TeV.
    """

    sizes: list[int]
    windows: list[float]
    n_toys: int
    n_tail: int

    def __post_init__(self) -> None:
        if not self.sizes or not self.windows:
            raise ConfigError(
                f"row A needs sizes and windows, got {self.sizes} and {self.windows}"
            )
        _positive(**{"A.n_toys": self.n_toys, "A.n_tail": self.n_tail})


@dataclass(frozen=True)
class CampaignConfig:
    """A row that is judged from other searches.

    Attributes:
        calibration: ``calibration.json`` that ``anode calibrate`` has left.
    """

    calibration: str


@dataclass(frozen=True)
class CutToysConfig:
    """Toys of row H.

    Attributes:
        n_passing: numbers of events of a template that pass its cut.
        n_templates: number of templates for each.
    """

    n_passing: list[int]
    n_templates: int

    def __post_init__(self) -> None:
        _positive(**{"H.n_templates": self.n_templates})


@dataclass(frozen=True)
class AcceptanceConfig:
    """Keys of ``configs/acceptance.yaml``.

    Attributes:
        output: folder of ``acceptance.md`` and ``acceptance.json``.
        only: letters of the rows to make anew; None makes those that are missing.
        overrides: settings that differ from ``configs/search.yaml``: the file that toys look like.
        seed: root seed of the toys.
        n_jobs: number of processes.
        A, B, H: settings of the rows.
    """

    output: str
    only: list[str] | None
    overrides: list[str]
    seed: int
    n_jobs: int
    A: NullToysConfig
    B: CampaignConfig
    H: CutToysConfig
