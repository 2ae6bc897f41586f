"""Settings of the service: keys of ``configs/serve.yaml``."""

from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from anode.configuration.builder import build, resolve
from anode.errors import ConfigError

MB = 2**20


@dataclass(frozen=True)
class ServeConfig:
    """Keys of ``configs/serve.yaml``."""

    run_dir: str
    host: str
    port: int
    token_file: str | None
    max_events: int
    max_body_mb: int
    workers: int

    def __post_init__(self) -> None:
        for key in ("max_events", "max_body_mb", "workers"):
            if getattr(self, key) < 1:
                raise ConfigError(f"{key} must be at least 1, got {getattr(self, key)}")
        if not 0 <= self.port < 65536:
            raise ConfigError(f"port must lie in 0 to 65535, got {self.port}")

    @property
    def max_bytes(self) -> int:
        """Size of one request [bytes]."""
        return self.max_body_mb * MB

    def token(self) -> str | None:
        """The token that requests must bring; None if there is none.

        Raises:
            ConfigError: the file is missing, or has no token or more than one.
        """
        if self.token_file is None:
            return None
        path = Path(self.token_file)
        if not path.is_file():
            raise ConfigError(f"token_file: there is no {path}; write the token into it")
        words = path.read_text(encoding="utf-8").split()
        if len(words) != 1 or not words[0].isascii():
            raise ConfigError(f"{path} must hold one token, in ASCII, got {len(words)} words")
        return words[0]


def parse_serve(raw: DictConfig) -> ServeConfig:
    """Check Hydra's configuration of the service.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    return build(ServeConfig, resolve(raw))
