"""Configuration of ``anode dark_search``."""

from dataclasses import dataclass

from omegaconf import DictConfig

from anode.configuration.builder import build, resolve
from anode.errors import ConfigError, nearest
from anode.jets.semivisible import COLUMNS
from anode.jets.settings import JetConfig

MASSES = ("mt", "mjj")
SHAPES = ("signal", "wprime")


@dataclass(frozen=True)
class EventsConfig:
    """Raw particles, as ``anode generate ... raw=true`` writes them, and their jets.

    Attributes:
        background: file of QCD di-jets.
        signal: file of a dark shower.
        jets: settings of the jets.
    """

    background: str
    signal: str
    jets: JetConfig


@dataclass(frozen=True)
class SelectionConfig:
    """Events that are searched.

    Attributes:
        pt_min: lowest transverse momentum of the harder jet [GeV], not below what the background
            was generated with.
        eta_max: largest absolute pseudorapidity of both jets.
        delta_eta_max: largest distance of the jets in pseudorapidity.
    """

    pt_min: float
    eta_max: float
    delta_eta_max: float

    def __post_init__(self) -> None:
        for key in ("pt_min", "eta_max", "delta_eta_max"):
            if not getattr(self, key) > 0:
                raise ConfigError(f"selection.{key} must be above 0, got {getattr(self, key)}")


@dataclass(frozen=True)
class DarkScanConfig:
    """Windows of the search.

    Attributes:
        start, stop, width, step: as in ``ScanConfig`` [GeV].
        fit_from: where the fit of the spectrum begins [GeV].
    """

    start: float
    stop: float
    width: float
    step: float
    fit_from: float

    @property
    def overrides(self) -> list[str]:
        """The same for ``anode search``."""
        keys = ("start", "stop", "width", "step")
        return [f"spectrum.low={self.fit_from}", *(f"scan.{k}={getattr(self, k)}" for k in keys)]


@dataclass(frozen=True)
class DarkSearchConfig:
    """Keys of ``configs/dark_search.yaml``.

    Attributes:
        output: folder for events, searches, table and figure.
        data: raw particles and jets.
        selection: events that are searched.
        mass: mass that is scanned, one of ``MASSES``.
        window: window of the scan where the signal is and its strength is told [GeV].
        strengths: S/sqrt(B) in the window; 0 is no signal.
        features: features of the events.
        shower_features: features of the dark shower, beside those in half of the searches.
        shape: shape of the signal in the fits of the spectrum, one of ``SHAPES``: that of the
            signal's events that no seed draws, or a narrow W'.
        seeds: seeds of injection and fits.
        scan: windows of the search.
        search: further overrides of ``anode search``.
        block_rows: number of events read and clustered at a time.
        n_jobs: number of processes.

    Raises:
        ConfigError: a value is impossible.
    """

    output: str
    data: EventsConfig
    selection: SelectionConfig
    mass: str
    window: list[float]
    strengths: list[float]
    features: list[str]
    shower_features: list[str]
    shape: str
    seeds: list[int]
    scan: DarkScanConfig
    search: list[str]
    block_rows: int
    n_jobs: int

    def __post_init__(self) -> None:
        if self.mass not in MASSES:
            raise ConfigError(f"mass must be one of {', '.join(MASSES)}, got {self.mass!r}")
        if len(self.window) != 2 or not 0 < self.window[0] < self.window[1]:
            raise ConfigError(f"window must be [low, high] in GeV, rising, got {self.window}")
        if self.shape not in SHAPES:
            raise ConfigError(f"shape must be one of {', '.join(SHAPES)}, got {self.shape!r}")
        if not self.strengths or min(self.strengths) < 0:
            raise ConfigError(
                f"strengths must be at least one, none negative, got {self.strengths}"
            )
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ConfigError(f"seeds must be at least one, all different, got {self.seeds}")
        given = [*self.features, *self.shower_features]
        for name in given:
            if name not in COLUMNS or name in MASSES:
                known = [column for column in COLUMNS if column not in MASSES]
                hint = nearest(name, known) or f"; one of {', '.join(known)}"
                raise ConfigError(f"features: unknown {name!r}{hint}")
        if not self.features or not self.shower_features or len(set(given)) < len(given):
            raise ConfigError(
                f"features and shower_features must each name one, none twice, got {given}"
            )
        for key in ("block_rows", "n_jobs"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key} must be at least 1, got {getattr(self, key)}")
        for override in self.search:
            key = override.lstrip("+~").partition("=")[0]
            group = key.partition(".")[0]
            if key in OWN or (group in OWN and group != "scan"):
                raise ConfigError(
                    f"search must leave {key} to this command, got {override!r}; remove it there"
                )

    @property
    def feature_sets(self) -> dict[str, list[str]]:
        """Name -> features that a method sees."""
        return {
            "event": self.features,
            "event and shower": [*self.features, *self.shower_features],
        }


OWN = {
    *("data", "features", "injection", "run_dir", "seed", "n_jobs", "scan", "spectrum.low"),
    *("spectrum.signal_shape", "scan.start", "scan.stop", "scan.width", "scan.step"),
}
"""Keys and groups of a search that this command gives."""


def parse_dark_search(raw: DictConfig) -> DarkSearchConfig:
    """Check Hydra's configuration.

    Raises:
        ConfigError: a key is unknown or missing, or has an impossible value.
    """
    return build(DarkSearchConfig, resolve(raw))
