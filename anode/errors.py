"""Errors that a user can cause.

Every message follows one pattern: rule, expected, got, remedy.
"""

import contextlib
import difflib
from collections.abc import Iterable, Iterator


class AnodeError(Exception):
    """Base of every error that a user's input, not a bug, has caused."""


class ConfigError(AnodeError):
    """A configuration key is unknown, missing, or has an impossible value."""


class MissingPackageError(ConfigError):
    """A package that only some need is not installed; the message names the extra."""


class DataError(AnodeError):
    """An input file or array breaks a rule; the message names file, row, column or key."""


class DownloadError(AnodeError):
    """A public file cannot be fetched: no network, no such address, other bytes than published, or
    no room on the disk."""


class RunDirectoryError(AnodeError):
    """A run directory is incomplete, broken, or belongs to another configuration."""


class TrainingError(AnodeError):
    """A fit cannot continue: the loss is not finite, or there is nothing to train on."""


class SamplingError(AnodeError):
    """A fitted density draws events that are not finite."""


def nearest(word: str, known: Iterable[str]) -> str:
    """``; did you mean WORD?``, or nothing where no known word is like it.

    >>> nearest("mafs", ["made_mog", "maf"])
    '; did you mean maf?'
    """
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean {close[0]}?" if close else ""


@contextlib.contextmanager
def needs_extra(extra: str, purpose: str) -> Iterator[None]:
    """Say in one line which extra brings a package that is imported inside and is not there.

    Args:
        extra: name of the optional dependency in ``pyproject.toml``.
        purpose: what needs the package, as the subject of the message.

    Raises:
        MissingPackageError: the package is not installed.

    >>> with needs_extra("generate", "making events"):
    ...     import no_such_package
    Traceback (most recent call last):
    anode.errors.MissingPackageError: making events needs the package no_such_package: \
pip install 'anode[generate]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{purpose} needs the package {error.name}: pip install 'anode[{extra}]'"
        ) from None
