"""Independent jobs in several processes, which end with the process that started them."""

import contextlib
import ctypes
import itertools
import multiprocessing
import os
import resource
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import TypeVar

import torch
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from anode import progress

KEPT_BLOCK = 32 * 2**20  # bytes; larger blocks return to the kernel when freed
KEPT_MEMORY = 256 * 2**20  # bytes of freed memory kept at most
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # as in glibc's malloc.h

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_jobs(
    function: Callable[[Job], Result], jobs: Iterable[Job], *, n_jobs: int, threads: int
) -> list[Result]:
    """``[function(job) for job in jobs]``, in up to ``n_jobs`` spawned processes."""
    return list(stream_jobs(function, jobs, n_jobs=n_jobs, threads=threads))


def stream_jobs(
    function: Callable[[Job], Result], jobs: Iterable[Job], *, n_jobs: int, threads: int
) -> Iterator[Result]:
    """``map(function, jobs)``, in up to ``n_jobs`` spawned processes, few jobs at a time.

    Results come in the order of ``jobs`` and do not depend on ``n_jobs``: every process computes
    with ``threads`` threads, the caller's own process too. No more than ``2 n_jobs`` jobs
    and results are held at once, so that ``jobs`` may be longer than memory.

    Args:
        function: function that is importable by name, since processes are spawned.
        jobs: picklable arguments, best with the longest first.
        n_jobs: number of processes; with 1, or a single job, the caller's own is used.
        threads: threads of linear algebra in each process; one is fastest on a busy machine.
    """
    prepare_process(threads)
    jobs = iter(jobs)
    first = list(itertools.islice(jobs, n_jobs))
    if len(first) <= 1:
        yield from map(function, itertools.chain(first, jobs))
        return
    default = multiprocessing.get_start_method(allow_none=True)
    if default not in (None, *multiprocessing.get_all_start_methods()):
        # A worker of joblib's would tell ours to start as only joblib can.
        multiprocessing.set_start_method("spawn", force=True)
    context = multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with (
        progress.counted_by_workers(context) as counter,
        ProcessPoolExecutor(len(first), context, start_worker, (threads, counter)) as pool,
    ):
        try:
            waiting = deque(_submit(pool, function, job) for job in first)
            del first
            while waiting:
                # One spare job a process, so that none waits for the slowest.
                for job in itertools.islice(jobs, 2 * n_jobs - len(waiting)):
                    waiting.append(_submit(pool, function, job))
                yield waiting.popleft().result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - others:
                process.terminate()
            raise


def _submit(
    pool: ProcessPoolExecutor, function: Callable[[Job], Result], job: Job
) -> "Future[Result]":
    """Submit a job; a process that is started for it is deaf to Ctrl-C, which reaches the whole
    group: the caller's process ends the others."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return pool.submit(function, job)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)


def prepare_process(threads: int) -> None:
    """Set the threads of torch and of numpy's and scipy's BLAS, and reuse memory of freed tensors.

    glibc gives freed megabytes back to the kernel and asks for them again, page by page, many
    times in a training step: a tenth of its time, and two thirds of that of scoring with nflows.
    Other C libraries are left as they are.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads, user_api="blas")
    tqdm.set_lock(threading.RLock())  # its own, between processes, would outlive a killed one
    with contextlib.suppress(AttributeError):
        set_option = ctypes.CDLL(None).mallopt
        set_option(_M_MMAP_THRESHOLD, KEPT_BLOCK)
        set_option(_M_TRIM_THRESHOLD, KEPT_MEMORY)


@contextlib.contextmanager
def lent_process() -> Iterator[None]:
    """Leave the threads of torch and BLAS, which fits set for their process, as they are found:
    where the process is a notebook's or another program's."""
    n_threads = torch.get_num_threads()
    with threadpool_limits(user_api="blas"):
        try:
            yield
        finally:
            torch.set_num_threads(n_threads)


def cpu_seconds() -> float:
    """CPU time of this process and of its finished children so far [s]."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def start_worker(threads: int, counter: progress.Counter | None = None) -> None:
    """Initialise a pool's process, which ends if its parent is killed."""
    progress.become_worker(counter)
    prepare_process(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this process with its parent, so that no fit writes beside those of a restarted run."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
