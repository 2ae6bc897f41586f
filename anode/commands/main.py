"""Entry point of ``anode``: what the words after it mean."""

import sys
from collections.abc import Sequence

from anode import __version__
from anode.commands.failures import (
    INTERRUPTED,
    TERMINATED,
    USER,
    leave_closed_output,
    whole_errors,
)
from anode.commands.help import command_help, overview
from anode.commands.streams import Terminated, accept_every_character, interruptible
from anode.commands.table import COMMANDS
from anode.errors import AnodeError, nearest

_HELP = ("--help", "-h")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``anode ARGUMENTS``.

    Args:
        arguments: words after ``anode``; None for those of this process.

    Returns:
        Exit status: 0, 1 for a fault of ours, 2 for a user's error, 130 interrupted, 143
        terminated.
    """
    accept_every_character()
    try:
        with interruptible():
            status = _main(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return status
    except Terminated:
        print("terminated; the same command goes on from here", file=sys.stderr)
        return TERMINATED
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        return leave_closed_output()
    except AnodeError as error:
        if whole_errors():
            raise
        print(f"error: {error}", file=sys.stderr)
        return USER


def _split(arguments: list[str]) -> tuple[str, list[str]]:
    """Name of a command, of two words where there is such a one, and the words after it."""
    two = " ".join(arguments[:2])
    return (two, arguments[2:]) if two in COMMANDS else (arguments[0], arguments[1:])


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in _HELP:
        print(overview(__version__))
        return 0
    if "--version" in arguments:
        print(f"anode {__version__}")
        return 0
    name, rest = _split(arguments)
    if name not in COMMANDS:
        below = {other: COMMANDS[other] for other in COMMANDS if other.split()[0] == name}
        if below and (not rest or rest[0] in _HELP):
            print(overview(__version__, below))
            return 0
        name = " ".join([name, *rest[:1]]) if below else name
        known = below or COMMANDS
        hint = nearest(name, known) or f"; one of {', '.join(known)}"
        print(f"error: unknown command {name}{hint}", file=sys.stderr)
        return USER
    if any(text in _HELP for text in rest):
        print(command_help(name, [text for text in rest if "=" in text]))
        return 0
    # Hydra takes a while to load, and listing the commands does without.
    from anode.commands.execute import execute

    return execute(name, rest)
