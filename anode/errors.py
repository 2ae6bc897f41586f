"""Errors that a user can cause.

Every message follows one pattern: rule, expected, got, remedy.
"""


class AnodeError(Exception):
    """Base of every error that a user's input, not a bug, has caused."""


class ConfigError(AnodeError):
    """A configuration key is unknown, missing, or has an impossible value."""


class DataError(AnodeError):
    """An input file or array breaks a rule; the message names file, row, column or key."""


class DownloadError(AnodeError):
    """A public file cannot be fetched: no network, no such address, other bytes than published, or
    no room on the disk."""


class RunDirectoryError(AnodeError):
    """A run directory is incomplete, broken, or belongs to another configuration."""


class TrainingError(AnodeError):
    """A fit cannot continue: the loss is not finite, or there is nothing to train on."""
