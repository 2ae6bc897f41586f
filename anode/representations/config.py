"""Settings of a representation: what it sees, its network, its training, what is kept of it."""

from dataclasses import dataclass

from anode.errors import ConfigError
from anode.jets.constituents import ConstituentConfig
from anode.jets.images import ImageConfig
from anode.representations.networks.base import NetworkConfig
from anode.training.recipe import TrainerConfig

KINDS = ("features", "images", "constituents")
COMPRESSIONS = ("logistic", "linear")
MOST_COLUMNS = 4


@dataclass(frozen=True)
class InputConfig:
    """What a representation is made of.

    Attributes:
        kind: "features" of the events, "images" or "constituents" of their jets.
        names: features that it sees, of kind "features"; None for those of the run.
        images: settings of the images, of kind "images".
        constituents: settings of the constituents, of kind "constituents".
    """

    kind: str
    names: list[str] | None
    images: ImageConfig | None
    constituents: ConstituentConfig | None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(
                f"representation.inputs.kind must be one of {', '.join(KINDS)}, got {self.kind!r}"
            )
        needed = {"features": True, "images": self.images, "constituents": self.constituents}
        if needed[self.kind] is None:
            raise ConfigError(
                f"representation.inputs.{self.kind} must be given with kind={self.kind}, got null"
            )


@dataclass(frozen=True)
class CompressionConfig:
    """How many latent numbers become few columns.

    Attributes:
        kind: "logistic", the log-odds of signal region against sidebands; "linear", the leading
            components of partial least squares between both.
        columns: number of columns, 1 to 4; 1 with "logistic".
    """

    kind: str
    columns: int

    def __post_init__(self) -> None:
        if self.kind not in COMPRESSIONS:
            raise ConfigError(
                f"representation.compression.kind must be one of {', '.join(COMPRESSIONS)}, got "
                f"{self.kind!r}"
            )
        most = 1 if self.kind == "logistic" else MOST_COLUMNS
        if not 1 <= self.columns <= most:
            raise ConfigError(
                f"representation.compression.columns must be 1 to {most} with "
                f"kind={self.kind}, got {self.columns}"
            )


@dataclass(frozen=True)
class RepresentationConfig:
    """Settings of a representation.

    Attributes:
        inputs: what it is made of.
        network: network that makes it.
        trainer: settings of its training.
        particles: file with the group ``particles``, of the ids of the events; None for the file
            of the data. Of no meaning to features.
        append: True if a method sees the features of the run beside the latent numbers.
        compression: few columns in place of the latent numbers; None for these themselves.
    """

    inputs: InputConfig
    network: NetworkConfig
    trainer: TrainerConfig
    particles: str | None
    append: bool
    compression: CompressionConfig | None

    @property
    def extra_features(self) -> tuple[str, ...]:
        """Features that must be read for it, beside those of the run."""
        return tuple(self.inputs.names or ()) if self.inputs.kind == "features" else ()
