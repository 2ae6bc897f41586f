"""Settings of the assistant's commands: keys of ``configs/assistant_*.yaml``."""

from dataclasses import dataclass

from omegaconf import DictConfig

from anode.configuration.builder import build, resolve
from anode.errors import ConfigError

TRANSPORTS = ("stdio", "http")


@dataclass(frozen=True)
class McpConfig:
    """Keys of ``configs/assistant_mcp.yaml``."""

    root: str
    transport: str
    host: str
    port: int

    def __post_init__(self) -> None:
        if self.transport not in TRANSPORTS:
            raise ConfigError(
                f"transport must be one of {', '.join(TRANSPORTS)}, got {self.transport!r}"
            )
        if not 0 <= self.port < 65536:
            raise ConfigError(f"port must lie in 0 to 65535, got {self.port}")
        if self.transport == "http" and self.host not in ("127.0.0.1", "localhost", "::1"):
            raise ConfigError(
                f"host must be 127.0.0.1, localhost or ::1, got {self.host!r}: nobody is asked "
                "who he is; let a proxy with a login stand before it"
            )


def parse_mcp(raw: DictConfig) -> McpConfig:
    """Check Hydra's configuration of the tools.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    return build(McpConfig, resolve(raw))


@dataclass(frozen=True)
class ChatConfig:
    """Keys of ``configs/assistant_chat.yaml``."""

    endpoint: str
    model: str
    question: str
    root: str
    run_dir: str
    max_calls: int
    token_file: str | None
    timeout: float

    def __post_init__(self) -> None:
        if not self.endpoint.startswith(("http://", "https://")):
            raise ConfigError(f"endpoint must be an address http(s)://..., got {self.endpoint!r}")
        if not 1 <= self.max_calls <= 1000:
            raise ConfigError(f"max_calls must lie in 1 to 1000, got {self.max_calls}")
        if not self.timeout > 0:
            raise ConfigError(f"timeout must be above 0 s, got {self.timeout}")


def parse_chat(raw: DictConfig) -> ChatConfig:
    """Check Hydra's configuration of a conversation.

    Raises:
        ConfigError: a key is unknown or missing, or has a value of the wrong kind.
    """
    return build(ChatConfig, resolve(raw))
