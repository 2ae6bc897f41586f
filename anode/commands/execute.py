"""A command's run: Hydra composes what is asked for, and every error is told in one line."""

import contextlib
import importlib
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import hydra
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig

from anode.commands.failures import (
    USER,
    WHOLE_ERRORS,
    FailedJob,
    leave_closed_output,
    reason_of,
    report_failed_jobs,
    whole_errors,
)
from anode.commands.streams import accept_every_character
from anode.commands.table import COMMANDS, Command
from anode.configuration.builder import CONFIG_DIR
from anode.configuration.command import log_to_stderr
from anode.configuration.job_names import job_name, naming_overrides
from anode.configuration.mistakes import explain, in_one_line


def execute(name: str, arguments: Sequence[str]) -> int:
    """Run a command with the arguments of Hydra; its exit status."""
    command = COMMANDS[name]
    whole = whole_errors()
    asked = _parsed(name, arguments)
    main = hydra.main(version_base=None, config_path=str(CONFIG_DIR), config_name=command.config)
    FailedJob.found.clear()
    try:
        # Options first, as Hydra wants them.
        ordered = [text for text in arguments if text not in asked.overrides] + asked.overrides
        with _arguments(name, [*ordered, *_naming(asked)]), _errors_raised():
            main(_task(command, whole))()
    except Exception as error:  # the task tells its own: this one is of Hydra
        if whole:
            raise
        print(f"error: {_of_hydra(error, command, asked)}", file=sys.stderr)
        return USER
    return report_failed_jobs()


def _task(command: Command, whole: bool) -> Callable[[DictConfig], Any]:
    """What Hydra runs, once or in every job; launchers may send it to other processes."""

    def task(raw: DictConfig) -> FailedJob | None:
        accept_every_character()
        log_to_stderr()
        try:
            parse, function = _load(command.parse), _load(command.function)
            function(parse(raw))
        except BrokenPipeError:
            sys.exit(leave_closed_output())
        except Exception as error:
            if whole:
                raise
            return _failed(error)
        return None

    return task


def _failed(error: Exception) -> FailedJob:
    """Of a multirun, a job that failed; a single run ends here."""
    reason, status = reason_of(error)
    config = HydraConfig.get()
    if config.mode != RunMode.MULTIRUN:
        print(f"error: {reason}", file=sys.stderr)
        sys.exit(status)
    excluded = config.job.config.override_dirname.exclude_keys
    job = FailedJob(config.job.num, job_name(config.overrides.task, excluded), reason, status)
    print(f"failed: {job}", file=sys.stderr)
    return job


def _load(path: str) -> Any:
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def _parsed(name: str, arguments: Sequence[str]) -> Namespace:
    """Overrides and options as Hydra reads them; a wrong option ends the process, status 2."""
    parser = get_args_parser()
    parser.prog = f"anode {name}"
    parser.usage = "%(prog)s [KEY=VALUE ...] [--multirun] [--cfg job] [--help]"
    return parser.parse_intermixed_args(arguments)


def _naming(asked: Namespace) -> list[str]:
    try:
        return naming_overrides(asked.overrides) if asked.multirun else []
    except HydraException:
        return []  # Hydra refuses them, too


def _of_hydra(error: Exception, command: Command, asked: Namespace) -> str:
    if isinstance(error, OSError) and not isinstance(error, HydraException):
        return reason_of(error)[0]
    elsewhere = (asked.config_dir, asked.config_path, asked.config_name)
    if any(elsewhere) or any(text.startswith("hydra.searchpath") for text in asked.overrides):
        return in_one_line(error)  # files that we know nothing of
    return explain(error, command.config, asked.overrides, multirun=asked.multirun)


@contextlib.contextmanager
def _arguments(name: str, arguments: Sequence[str]) -> Iterator[None]:
    """The command line that Hydra reads, and that a result names as its origin."""
    former = sys.argv
    sys.argv = [f"anode {name}", *arguments]
    try:
        yield
    finally:
        sys.argv = former


@contextlib.contextmanager
def _errors_raised() -> Iterator[None]:
    """Have Hydra raise its errors instead of printing them."""
    former = os.environ.get(WHOLE_ERRORS)
    os.environ[WHOLE_ERRORS] = "1"
    try:
        yield
    finally:
        if former is None:
            del os.environ[WHOLE_ERRORS]
        else:
            os.environ[WHOLE_ERRORS] = former
