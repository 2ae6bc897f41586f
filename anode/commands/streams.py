"""What stands outside a command: terminals that lack characters, signals that end the process."""

import codecs
import contextlib
import io
import os
import signal
import sys
import threading
import unicodedata
from collections.abc import Iterator
from types import FrameType

from anode.commands.failures import INTERRUPTED, TERMINATED

SOON, AGAIN = 0.05, 60.0  # s, to look again after an import, and after an interruption

ASCII = "anode.ascii"  # name of the way in which characters are replaced
_REPLACED = {
    "±": "+-",
    "−": "-",
    "–": "-",
    "—": "-",
    "×": "x",
    "·": "*",
    "≤": "<=",
    "≥": ">=",
    "→": "->",
    "σ": "sigma",
    "τ": "tau",
    "Δ": "Delta",
    "η": "eta",
    "χ": "chi",
    "²": "^2",
    "µ": "mu",
}


class Terminated(KeyboardInterrupt):
    """SIGTERM: the process is to end, as at Ctrl-C."""


def accept_every_character() -> None:
    """Have stdout and stderr replace characters that their encoding lacks, instead of raising."""
    codecs.register_error(ASCII, _replace)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors != ASCII:
            stream.reconfigure(errors=ASCII)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    return "".join(map(as_ascii, text)), error.end


def as_ascii(character: str) -> str:
    """How a character is written where there is only ASCII.

    >>> [as_ascii(character) for character in "±σéß"]
    ['+-', 'sigma', 'e', '?']
    """
    if character in _REPLACED:
        return _REPLACED[character]
    plain = unicodedata.normalize("NFKD", character).encode("ascii", "ignore").decode()
    return plain or "?"


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Inside, Ctrl-C raises ``KeyboardInterrupt`` and SIGTERM ``Terminated``: not in the midst of
    an import, which packages turn into an error of their own, and again if somebody swallows it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = _Ending()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    heard = [n for n in numbers if signal.getsignal(n) is not signal.SIG_IGN]
    former = {number: signal.signal(number, ending) for number in heard}
    try:
        yield
    finally:
        if ending.asked:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in former.items():
            signal.signal(number, handler)


class _Ending:
    """Handler of the signals that end a process, and of the clock that repeats them."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        repeated = bool(self.asked)
        if number != signal.SIGALRM:
            self.asked = number
        elif not repeated:  # somebody else's clock
            return
        is_terminated = self.asked == signal.SIGTERM
        if not _is_importing(frame):
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
            raise Terminated if is_terminated else KeyboardInterrupt
        if repeated and number != signal.SIGALRM:
            os._exit(TERMINATED if is_terminated else INTERRUPTED)
        signal.setitimer(signal.ITIMER_REAL, SOON)


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            return True
        frame = frame.f_back
    return False
