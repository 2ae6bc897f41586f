"""Workers for independent pieces of work: processes here, a Dask scheduler, or batch jobs.

The pieces are tasks of Dask distributed: processes of this machine, of a scheduler that already
runs (``cluster.address=tcp://host:port``), or jobs of a batch system (``cluster.kind=slurm`` or
``htcondor``, by dask-jobqueue). A piece saves its result itself and may run twice, so that a dead
worker costs only its current piece. Files must lie on a disk that all workers see.
"""

import contextlib
import itertools
import logging
import shutil
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from anode.errors import ConfigError, DataError, needs_extra

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

Job = TypeVar("Job")
Result = TypeVar("Result")

KINDS = ("local", "slurm", "htcondor")
_ANSWER = "10s"
"""Longest time for an answer of a scheduler."""
_SUBMIT = {"slurm": "sbatch", "htcondor": "condor_submit"}
_NO_DASHBOARD = "127.0.0.1:0"
"""Address of the dashboard's server, which cannot be left out: any free local port."""
_QUIET = tuple(
    f"distributed{part}"
    for part in ("", ".worker", ".worker.state_machine", ".nanny", ".scheduler")
)
_ENDED_BY_US = f"""
import logging, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
for name in {_QUIET}:
    logging.getLogger(name).setLevel(logging.CRITICAL)
"""
"""For processes of our own: Ctrl-C reaches the whole group, and the parent ends them in order."""


@dataclass(frozen=True)
class ClusterConfig:
    """Keys of ``configs/cluster.yaml``.

    Attributes:
        kind: kind of workers, one of ``KINDS``.
        address: address of a running scheduler, whose workers are then used; null starts our own.
        memory: memory of a batch job, such as "4GB".
        walltime: longest time of a Slurm job, such as "01:00:00".
        queue: Slurm partition, or null.
        directives: further lines of the job's header, as in dask-jobqueue.
        allowed_deaths: number of workers that one piece of work may end before it is given up.
    """

    kind: str
    address: str | None
    memory: str
    walltime: str
    queue: str | None
    directives: list[str]
    allowed_deaths: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"cluster.kind must be one of {', '.join(KINDS)}, got {self.kind!r}")
        if self.allowed_deaths < 0:
            raise ConfigError(
                f"cluster.allowed_deaths must not be negative, got {self.allowed_deaths}"
            )


LOCAL = ClusterConfig("local", None, "4GB", "01:00:00", None, [], 3)
"""Processes of this machine."""


class Workers:
    """Runs functions on the workers of a Dask client, or here if there is none."""

    def __init__(self, client: "Client | None", n_workers: int) -> None:
        self._client = client
        self._n_workers = n_workers

    def completed(
        self, function: Callable[[Job], Result], jobs: Iterable[Job], *, per_worker: int = 2
    ) -> Generator[tuple[Job, Result], None, None]:
        """(job, ``function(job)``) in the order in which they end, which is not reproducible.

        Jobs are taken from the iterable only as workers get free, ``per_worker`` for each, so
        that there may be any number of them. Closing this iterator cancels jobs that wait.

        Raises:
            DataError: a job has ended too many workers.
        """
        if self._client is None:
            for job in jobs:
                yield job, function(job)
            return
        from distributed import CancelledError, KilledWorker, as_completed
        from distributed.comm import CommClosedError

        client, jobs = self._client, iter(jobs)

        def submit(job: Job) -> Any:
            return client.submit(function, job, pure=False)

        running = {
            submit(job): job for job in itertools.islice(jobs, per_worker * self._n_workers)
        }
        order = as_completed(list(running))
        try:
            for future in order:
                job = running.pop(future)
                try:
                    result = future.result()
                except KilledWorker as error:
                    raise DataError(
                        f"{job}: its workers died, again and again ({error}); are they short of "
                        "memory? Take smaller pieces, or more memory for each"
                    ) from None
                except (CancelledError, CommClosedError) as error:
                    raise DataError(
                        f"the Dask scheduler was lost ({type(error).__name__}); finished pieces "
                        "are kept: run the same command again when it is back"
                    ) from None
                # Its place is free once its result is here.
                for following in itertools.islice(jobs, 1):
                    further = submit(following)
                    running[further] = following
                    order.add(further)
                yield job, result
        finally:
            with contextlib.suppress(CancelledError, CommClosedError, TimeoutError):
                client.cancel(list(running))


@contextlib.contextmanager
def open_workers(config: ClusterConfig, *, n_jobs: int) -> Iterator[Workers]:
    """Workers for the time of a ``with`` block.

    Args:
        config: kind or address of the workers.
        n_jobs: number of processes, or batch jobs, to start; with 1 on this machine the caller's
            own is used. Without effect if ``config.address`` is given.

    Raises:
        ConfigError: a package is missing, or the scheduler cannot be reached.
    """
    if config.kind == "local" and config.address is None and n_jobs == 1:
        yield Workers(None, 1)
        return
    with needs_extra("features", "work on several processes (n_jobs above 1)"):
        import dask
        from distributed import Client
    quiet = dict.fromkeys(_QUIET, "critical")
    settings = {
        "distributed.scheduler.allowed-failures": config.allowed_deaths,
        "logging": quiet,
    }
    with dask.config.set(settings), contextlib.ExitStack() as stack:
        for name in (*_QUIET, "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if config.address is None:
            try:
                with _interrupted_later():
                    cluster = stack.enter_context(start_cluster(config, n_jobs=n_jobs))
                    client = stack.enter_context(Client(cluster))
            except (RuntimeError, OSError, TimeoutError) as error:
                raise DataError(
                    f"{n_jobs} processes could not be started ({error}); give the same command "
                    "again, perhaps with a smaller n_jobs"
                ) from None
        else:
            client = stack.enter_context(_connect(config.address))
            n_jobs = sum(client.nthreads().values())
            if not n_jobs:
                log.warning("%s has no workers yet; waiting for one", config.address)
        yield Workers(client, max(1, n_jobs))


@contextlib.contextmanager
def _interrupted_later() -> Iterator[None]:
    """Heed signals that end the process when the block is done: half a cluster has no end.

    Handlers that the block installs, as dask_jobqueue does when it is imported, go with it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    seen: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    former = {n: signal.signal(n, lambda number, _: seen.append(number)) for n in numbers}
    try:
        yield
    finally:
        for which, handler in former.items():
            signal.signal(which, handler)
        for number in seen[:1]:
            signal.raise_signal(number)


def start_cluster(config: ClusterConfig, *, n_jobs: int) -> Any:
    """A Dask cluster of ``n_jobs`` workers of one thread each.

    Raises:
        ConfigError: dask-jobqueue is asked for and not installed.
    """
    if config.kind == "local":
        from distributed import LocalCluster

        return LocalCluster(
            n_workers=n_jobs,
            threads_per_worker=1,
            processes=True,
            dashboard_address=_NO_DASHBOARD,
            memory_limit=0,
            preload=[_ENDED_BY_US],
        )
    submit = _SUBMIT[config.kind]
    if shutil.which(submit) is None:
        raise ConfigError(
            f"cluster.kind={config.kind} needs the command {submit}, which is not here; start "
            "where jobs are submitted from"
        )
    with needs_extra("cluster", f"cluster.kind={config.kind}"):
        import dask_jobqueue
    common: dict[str, Any] = {
        "cores": 1,
        "processes": 1,
        "memory": config.memory,
        "scheduler_options": {"dashboard_address": _NO_DASHBOARD},
    }
    cluster: Any
    if config.kind == "slurm":
        cluster = dask_jobqueue.SLURMCluster(
            **common,
            walltime=config.walltime,
            queue=config.queue,
            job_extra_directives=config.directives,
        )
    else:
        lines = (line.split("=", 1) for line in config.directives)
        extra = {key.strip(): value.strip() for key, value in lines}
        cluster = dask_jobqueue.HTCondorCluster(**common, disk="1GB", job_extra_directives=extra)
    cluster.scale(jobs=n_jobs)
    return cluster


def _connect(address: str) -> "Client":
    from distributed import Client

    try:
        return Client(address, timeout=_ANSWER)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigError(
            f"cluster.address must lead to a running Dask scheduler (tcp://host:port), but "
            f"{address} does not answer ({error})"
        ) from None
