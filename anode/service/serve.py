"""The command ``anode serve``."""

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from anode.errors import needs_extra
from anode.parallel import prepare_process
from anode.pipeline.runs.config import load_run
from anode.pipeline.runs.run_directory import RunDirectory
from anode.pipeline.scoring.by_window import finished, is_scan
from anode.service.settings import ServeConfig

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger(__name__)

VARIABLE = "ANODE_SERVE"
"""Of the environment: the settings, for the processes of several workers."""

GRACE = 60  # seconds in which requests at work are finished


def serve(config: ServeConfig) -> None:
    """Serve until SIGTERM or Ctrl-C; requests at work are finished then.

    Raises:
        ConfigError: it is no run directory, or the token file is broken.
        RunDirectoryError: the scan is not finished.
        MissingPackageError: the extra ``serve`` is not installed.
    """
    path = Path(config.run_dir)
    if is_scan(path):
        finished(path)
    else:
        load_run(RunDirectory(path).config)
    config.token()
    with needs_extra("serve", "anode serve"):
        import orjson  # noqa: F401
        import prometheus_client  # noqa: F401
        import uvicorn

        from anode.service.app import create_app
    listening = _listen(config.host, config.port)
    several = config.workers > 1
    settings = uvicorn.Config(
        "anode.service.serve:worker" if several else create_app(config),
        factory=several,
        workers=config.workers,
        timeout_graceful_shutdown=GRACE,
        log_level="warning",
        server_header=False,
        access_log=False,
    )
    log.info("serving %s at http://%s:%d", path, *listening.getsockname()[:2])
    # uvicorn repeats the signal that has ended it, which is no news.
    with _in_environment(config), closing(listening), suppress(KeyboardInterrupt):
        if several:
            from uvicorn.supervisors import Multiprocess

            Multiprocess(settings, [listening]).run()
        else:
            prepare_process(1)
            uvicorn.Server(settings).run([listening])
    log.info("stopped")


def _listen(host: str, port: int) -> socket.socket:
    """A socket at an address.

    Raises:
        OSError: the address is another's, or in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once only where the protocol is named, not left to be 0.
    listening = socket.socket(family, proto=socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        error.filename = f"{host}:{port}"
        raise
    listening.set_inheritable(True)
    return listening


def worker() -> "FastAPI":
    """The application of one of several processes."""
    from anode.configuration.command import log_to_stderr
    from anode.service.app import create_app

    log_to_stderr()
    prepare_process(1)
    return create_app(ServeConfig(**json.loads(os.environ[VARIABLE])))


@contextmanager
def _in_environment(config: ServeConfig) -> Iterator[None]:
    os.environ[VARIABLE] = json.dumps(asdict(config))
    try:
        yield
    finally:
        del os.environ[VARIABLE]
