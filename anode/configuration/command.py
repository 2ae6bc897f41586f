"""How does a command meet the person who typed it? Errors in one line, progress on stderr."""

import contextlib
import io
import logging
import sys
from collections.abc import Callable, Iterator
from functools import wraps

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from anode.errors import AnodeError

Main = Callable[[DictConfig], None]


def command(main: Main) -> Main:
    """Show an ``AnodeError`` as one line without traceback, exit status 2; other errors whole.

    In a multirun the error is raised, so that Hydra's launcher can report which job failed.
    """

    @wraps(main)
    def wrapped(raw: DictConfig) -> None:
        _log_to_stderr()
        try:
            main(raw)
        except AnodeError as error:
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                raise
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
        except KeyboardInterrupt:
            print("interrupted; the same command goes on from here", file=sys.stderr)
            sys.exit(130)

    return wrapped


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Leave out what work inside has to say: for many pieces alike, of data whose flaws the caller
    has reported."""
    logger = logging.getLogger("anode")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)


def _log_to_stderr() -> None:
    """Our own messages alone: libraries keep their levels."""
    logger = logging.getLogger("anode")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
