"""The command ``anode assistant mcp``."""

from anode.assistant.settings import McpConfig
from anode.errors import needs_extra


def mcp(config: McpConfig) -> None:
    """Serve the tools until the client leaves, SIGTERM or Ctrl-C.

    Raises:
        ConfigError: root is no folder.
        MissingPackageError: the extra ``assistant`` is not installed.
    """
    with needs_extra("assistant", "anode assistant mcp"):
        from anode.assistant.server import serve_tools
    serve_tools(config)
