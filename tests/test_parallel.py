"""Work spread over processes: the same results in the same order, few at a time."""

import os
from collections.abc import Iterator

import pytest
import torch
from threadpoolctl import threadpool_info

from anode.parallel import run_jobs, stream_jobs


def square(value: int) -> int:
    return value * value


def process_of(_: int) -> int:
    return os.getpid()


def fail_at_three(value: int) -> int:
    if value == 3:
        raise ValueError("three")
    return value


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_come_in_the_order_of_the_jobs(n_jobs):
    assert run_jobs(square, range(9), n_jobs=n_jobs, threads=1) == [n * n for n in range(9)]
    assert run_jobs(square, [], n_jobs=n_jobs, threads=1) == []


def threads_of(_: int) -> set[int]:
    found = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {*found, torch.get_num_threads()}


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_every_process_computes_with_the_threads_it_was_given(n_jobs, monkeypatch):
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "2")
    assert run_jobs(threads_of, [0, 1], n_jobs=n_jobs, threads=1) == [{1}, {1}]


def test_a_single_job_stays_here():
    assert run_jobs(process_of, [0], n_jobs=4, threads=1) == [os.getpid()]


def test_few_jobs_are_taken_ahead_of_the_results():
    taken = []

    def jobs() -> Iterator[int]:
        for number in range(50):
            taken.append(number)
            yield number

    results = stream_jobs(square, jobs(), n_jobs=2, threads=1)
    for done, result in enumerate(results, start=1):
        assert result == (done - 1) ** 2
        assert len(taken) <= done + 4


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_in_a_job_reaches_the_caller(n_jobs):
    with pytest.raises(ValueError, match="three"):
        run_jobs(fail_at_three, range(9), n_jobs=n_jobs, threads=1)
