"""How does independent work spread over processes, and end with the process that asked for it?"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")


def run_jobs(
    function: Callable[[Job], Result], jobs: Sequence[Job], *, n_jobs: int, threads: int
) -> list[Result]:
    """``[function(job) for job in jobs]``, in up to ``n_jobs`` spawned processes.

    Results come in the order of ``jobs`` and do not depend on ``n_jobs``: every process computes
    with ``threads`` torch threads, the caller's own process too.

    Args:
        function: importable by name, since processes are spawned.
        jobs: picklable; put the longest first.
        n_jobs: processes; 1 stays in the caller's.
        threads: torch threads of each process. One is fastest on a busy machine.
    """
    torch.set_num_threads(threads)
    workers = min(n_jobs, len(jobs))
    if workers <= 1:
        return [function(job) for job in jobs]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, start_worker, (threads,)) as pool:
        try:
            return list(pool.map(function, jobs))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():
                process.terminate()
            raise


def start_worker(threads: int) -> None:
    """Initialise a pool's process: its torch threads, and its end if the parent is killed."""
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A killed parent must not leave fits that write beside a restarted run's."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
