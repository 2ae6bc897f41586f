"""Terminals that lack characters get others; Ctrl-C and SIGTERM end a command in one line."""

import contextlib
import importlib
import io
import os
import signal
import sys
import time

import pytest

from anode import progress
from anode.commands import streams
from anode.commands.main import main
from anode.commands.streams import Terminated, accept_every_character, interruptible
from anode.commands.table import COMMANDS
from helpers.fake_command import FAKE

TEXT = "AUC 0.84 ± 0.01, 5 σ, τ21 ≤ 0.4, Cramér, \u2603"


class Terminal(io.TextIOWrapper):
    """A stream that claims to be a terminal."""

    def __init__(self, encoding: str) -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True

    def content(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("utf-8", TEXT),
        ("latin-1", "AUC 0.84 ± 0.01, 5 sigma, tau21 <= 0.4, Cramér, ?"),
        ("ascii", "AUC 0.84 +- 0.01, 5 sigma, tau21 <= 0.4, Cramer, ?"),
    ],
)
def test_characters_that_a_terminal_lacks_are_replaced(monkeypatch, encoding, shown):
    terminal = Terminal(encoding)
    monkeypatch.setattr(sys, "stdout", terminal)
    accept_every_character()
    print(TEXT)
    assert terminal.content() == f"{shown}\n"


def test_a_bar_of_progress_is_drawn_without_unicode(monkeypatch):
    terminal = Terminal("ascii")
    monkeypatch.setattr(sys, "stderr", terminal)
    accept_every_character()
    with progress.task("run", total=2, unit="tests at 5 σ") as bar:
        bar.update()
        while "tests at 5 sigma" not in terminal.content():
            time.sleep(progress.REDRAW_EVERY / 10)
    assert "|####" in terminal.content()


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_a_signal_ends_a_command_in_one_line(monkeypatch, tmp_path, capsys, number, status, word):
    monkeypatch.setitem(COMMANDS, "fake", FAKE)
    monkeypatch.chdir(tmp_path)
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    assert main(["fake", f"mirror=signal{number:d}"]) == status
    assert capsys.readouterr().err == f"{word}; the same command goes on from here\n"
    after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    assert before == after
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


IMPORTED = """
import os, signal
try:
    os.kill(os.getpid(), signal.SIGTERM)
except BaseException:
    raise ImportError("cannot load module more than once per process")
finished = True
"""


def test_an_import_is_not_interrupted_half_way(tmp_path, monkeypatch):
    (tmp_path / "killed_while_imported.py").write_text(IMPORTED)
    monkeypatch.syspath_prepend(tmp_path)

    def work() -> None:
        with interruptible():
            assert importlib.import_module("killed_while_imported").finished
            time.sleep(30)

    with pytest.raises(Terminated):
        work()


def test_an_interruption_that_is_swallowed_comes_again(monkeypatch):
    monkeypatch.setattr(streams, "AGAIN", 0.01)

    def work() -> None:
        with interruptible():
            with contextlib.suppress(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGINT)
            time.sleep(30)

    with pytest.raises(KeyboardInterrupt):
        work()
