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
class DispersionConfig:
    """What row C is judged from.

    Attributes:
        overdispersion: ``overdispersion.json`` of a search by the default method.
        calibration: ``calibration.json`` of searches without signal by the same method.
    """

    overdispersion: str
    calibration: str


@dataclass(frozen=True)
class InjectionToysConfig:
    """Toys of row D.

    Attributes:
        masses: masses of the resonance [GeV].
        sizes: numbers of events of a spectrum.
        sigmas: strengths, in their standard deviation without signal.
        n_toys: number of toys of each.
    """

    masses: list[float]
    sizes: list[float]
    sigmas: list[float]
    n_toys: int

    def __post_init__(self) -> None:
        if not (self.masses and self.sizes and self.sigmas):
            raise ConfigError(
                "row D needs masses, sizes and sigmas, got "
                f"{self.masses}, {self.sizes} and {self.sigmas}"
            )
        _positive(**{"D.n_toys": self.n_toys})


@dataclass(frozen=True)
class CampaignsConfig:
    """A row that is judged from several campaigns of searches.

    Attributes:
        calibrations: ``calibration.json`` of each, which ``anode calibrate`` has left.
    """

    calibrations: list[str]


@dataclass(frozen=True)
class SpuriousConfig:
    """Spectra of row F.

    Attributes:
        n_events: number of events.
        masses: masses of the resonance [GeV].
        scales: scales over which a pass rate changes [GeV].
    """

    n_events: float
    masses: list[float]
    scales: list[float]


@dataclass(frozen=True)
class BlindConfig:
    """Searches that row G is judged from.

    Attributes:
        background: ``search.json`` of a search without signal.
        signal: ``search.json`` of one with signal.
    """

    background: str
    signal: str


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
        only: names of the rows to make anew; None makes those that are missing.
        overrides: settings that differ from ``configs/search.yaml``: the file that toys look like.
        seed: root seed of the toys.
        n_jobs: number of processes.
        A, B, C, D, D_searches, E, E_searches, F, G, H: settings of the rows.
    """

    output: str
    only: list[str] | None
    overrides: list[str]
    seed: int
    n_jobs: int
    A: NullToysConfig
    B: CampaignConfig
    C: DispersionConfig
    D: InjectionToysConfig
    D_searches: CampaignsConfig
    E: CampaignConfig
    E_searches: CampaignConfig
    F: SpuriousConfig
    G: BlindConfig
    H: CutToysConfig
