"""Progress of long work: one bar on a terminal, in a log a line every 30 s.

Tasks nest: a run is made of stages, a stage of fits, a fit of batches. The outermost task of a
process is shown, with the fraction done, the current part, its rate, and the time left. Processes
that a task starts count for it and show nothing themselves.
"""

import contextlib
import logging
import os
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing.context import SpawnContext
from multiprocessing.sharedctypes import Synchronized
from typing import NamedTuple, TextIO

from tqdm import tqdm

log = logging.getLogger(__name__)
log.setLevel(logging.INFO)  # shown while the messages of the work itself are not

LINE_EVERY = 30.0  # s, where there is no terminal
LINE_SECONDS = "ANODE_PROGRESS_SECONDS"
"""Variable of the environment: another time than ``LINE_EVERY``, for a reader of the lines."""
REDRAW_EVERY = 0.2  # s, on a terminal
RATE_OVER = 60.0  # s, from which the remaining time is estimated

_FORMAT = "{percentage:3.0f}%|{bar:24}| {desc}"

Counter = Synchronized  # of a float: units that worker processes have done


class Task:
    """A piece of work that is under way.

    Attributes:
        name: name of the task.
        share: fraction of its parent's work, in [0, 1].
        total: units of work; None if the task is the sum of its parts.
        unit: name of a unit, in the plural.
        counts: True if fits, here or in other processes, count their batches for it.
        done: units that are done.
    """

    def __init__(
        self, name: str, share: float, total: float | None, unit: str, *, counts: bool
    ) -> None:
        self.name = name
        self.share = share
        self.total = total
        self.unit = unit
        self.counts = counts
        self.done = 0.0
        self._parts = 0.0  # share of finished parts; of the unit under way if there is a total
        self._part: Task | None = None
        self._counter: Counter | None = None

    def update(self, n: float = 1) -> None:
        """Add ``n`` units that are done."""
        self.done += n
        self._parts = 0.0

    @property
    def n_done(self) -> float:
        """Units that are done, by other processes too."""
        return self.done + (0.0 if self._counter is None else self._counter.value)

    @property
    def fraction(self) -> float:
        """Fraction of the task that is done, in [0, 1]."""
        part = self._part  # another thread may end it meanwhile
        parts = min(1.0, self._parts + (0.0 if part is None else part.share * part.fraction))
        if self.total is None:
            return parts
        return min(1.0, (self.n_done + parts) / self.total) if self.total else 1.0

    @property
    def innermost(self) -> list["Task"]:
        """The tasks under way, from this one inwards."""
        part = self._part
        return [self] if part is None else [self, *part.innermost]

    def begin(self, part: "Task") -> None:
        """Mark ``part`` of this task as under way."""
        self._part = part

    def end(self, part: "Task") -> None:
        """Mark ``part`` as done."""
        self._part = None
        self._parts = min(1.0, self._parts + part.share)

    def count_with(self, counter: Counter | None) -> None:
        """Include units that other processes count; None ends it."""
        if self._counter is not None:
            self.done += self._counter.value
        self._counter = counter


class _Process:
    """Task under way in this process; a worker counts for the process that started it."""

    current: Task | None = None
    counter: Counter | None = None
    is_worker = False


@contextlib.contextmanager
def task(
    name: str,
    *,
    share: float = 1.0,
    total: float | None = None,
    unit: str = "",
    counts: bool = False,
) -> Iterator[Task]:
    """A task, part of the one under way in this process; shown if there is none.

    Args:
        name: name of the task.
        share: fraction of the parent's work, in [0, 1], for the estimate of time alone.
        total: units of work, done one after the other (``Task.update``); None if the work is that
            of tasks inside, by their shares.
        unit: name of a unit, in the plural.
        counts: True if ``count``, here or in worker processes, counts for this task.

    Example:
        >>> with task("fits", total=2, unit="fits") as fits:
        ...     fits.update()
        ...     fits.fraction
        0.5
    """
    parent = _Process.current
    this = Task(name, share, total, unit, counts=counts)
    shown = parent is None and not _Process.is_worker
    if parent is not None:
        parent.begin(this)
    _Process.current = this
    try:
        with _shown(this) if shown else contextlib.nullcontext():
            yield this
    finally:
        _Process.current = parent
        if parent is not None:
            parent.end(this)


def count(n: float = 1) -> None:
    """Add ``n`` units to the task that counts them; no-op if there is none."""
    counter, current = _Process.counter, _Process.current
    if counter is not None:
        with counter.get_lock():
            counter.value += n
    elif current is not None and current.counts:
        current.update(n)


@contextlib.contextmanager
def counted_by_workers(context: SpawnContext) -> Iterator[Counter | None]:
    """A counter for worker processes (``become_worker``) while the task under way counts."""
    current = _Process.current
    if current is None or not current.counts:
        yield None
        return
    counter = context.Value("d", 0.0)
    current.count_with(counter)
    try:
        yield counter
    finally:
        current.count_with(None)


def become_worker(counter: Counter | None) -> None:
    """Show nothing in this process, and count for the one that started it."""
    _Process.is_worker, _Process.counter = True, counter


@contextlib.contextmanager
def above_the_bar(stream: TextIO | None = None) -> Iterator[None]:
    """Text that is written inside stands above a bar, which is drawn again below it.

    Args:
        stream: where the text goes; None is stdout.
    """
    with tqdm.external_write_mode(file=stream):
        yield


def _line_every() -> float:
    """Time between lines [s]; what the environment has is left aside where it is no time."""
    try:
        return max(float(os.environ.get(LINE_SECONDS, LINE_EVERY)), REDRAW_EVERY)
    except ValueError:
        return LINE_EVERY


@contextlib.contextmanager
def _shown(root: Task) -> Iterator[None]:
    """Show the task, from a thread of its own, since work may be silent for long."""
    on_terminal = sys.stderr.isatty()
    every = REDRAW_EVERY if on_terminal else _line_every()
    known = root.total is not None or not root.unit  # how much there is to do
    bar = tqdm(
        total=1.0,
        bar_format=f"{root.name}: {_FORMAT if known else '{desc}'}",
        ncols=shutil.get_terminal_size().columns,
        nrows=shutil.get_terminal_size().lines,
        leave=False,
        disable=not on_terminal,
    )
    ended = threading.Event()
    clock = Clock()
    clock.look(root, root)

    def watch() -> None:
        while not ended.wait(every):
            text = status(root, clock)
            if on_terminal:
                bar.n = root.fraction
                bar.set_description_str(text)
            else:
                done = f"{root.fraction:.0%}, " if known else ""
                log.info("%s: %s%s", root.name, done, text)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        bar.close()


class _Look(NamedTuple):
    """Work done at a moment: fraction of the whole, and units of its innermost task."""

    time: float
    fraction: float
    inner: Task
    units: float


class Clock:
    """Time since its creation, and time left at the pace of the last minute."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self._looks: deque[_Look] = deque()

    def look(self, root: Task, inner: Task) -> tuple[float, float | None, float | None]:
        """Seconds so far, seconds left, units of ``inner`` per second; None if unknown."""
        now = _Look(time.monotonic(), root.fraction, inner, inner.n_done)
        self._looks.append(now)
        while now.time - self._looks[0].time > RATE_OVER and len(self._looks) > 2:
            self._looks.popleft()
        first = self._looks[0]
        pace = (now.fraction - first.fraction) / max(now.time - first.time, 1e-9)
        left = (1 - now.fraction) / pace if pace > 0 else None
        first = next(look for look in self._looks if look.inner is inner)
        rate = (now.units - first.units) / max(now.time - first.time, 1e-9)
        return now.time - self.started, left, rate if rate > 0 else None


def status(root: Task, clock: Clock) -> str:
    """Text with the current part, units done, rate, time so far and time left."""
    path = root.innermost
    inner = path[-1]
    elapsed, left, rate = clock.look(root, inner)
    text = ", ".join(each.name for each in path[1:])
    if inner.unit:
        total = "" if inner.total is None else f" of {inner.total:,.0f}"
        text += f"{': ' if text else ''}{inner.n_done:,.0f}{total} {inner.unit}"
        text += f" ({_rate(rate)})" if rate is not None else ""
    remaining = "" if left is None else f", about {_clock(left)} left"
    return f"{text}{', ' if text else ''}{_clock(elapsed)} elapsed{remaining}"


def _rate(per_second: float) -> str:
    """Units a second, or in a minute or an hour where that is less than one.

    Example:
        >>> [_rate(1234.5), _rate(2.5), _rate(0.05), _rate(0.001)]
        ['1,234 a second', '2.5 a second', '3.0 a minute', '3.6 an hour']
    """
    seconds, name = next(
        ((s, text) for s, text in ((1, "a second"), (60, "a minute")) if per_second * s >= 1),
        (3600, "an hour"),
    )
    rate = per_second * seconds
    return f"{rate:,.0f} {name}" if rate >= 100 else f"{rate:.1f} {name}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
