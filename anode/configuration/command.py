"""Messages of a command while it works: our own, on stderr, or nothing."""

import contextlib
import io
import logging
import sys
from collections.abc import Iterator
from typing import TextIO

from anode import progress


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


class _AboveTheBar(logging.StreamHandler[TextIO]):
    """Lines that do not break a bar of progress."""

    def emit(self, record: logging.LogRecord) -> None:
        with progress.above_the_bar(self.stream):
            super().emit(record)


def log_to_stderr() -> None:
    """Our own messages alone: libraries keep their levels."""
    logger = logging.getLogger("anode")
    if not logger.handlers:
        handler = _AboveTheBar(sys.stderr)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
